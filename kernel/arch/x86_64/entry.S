/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ways in.
 *
 * kernel_entry  from the nucleus: 64-bit, paging as include/bootinfo.h says, rdi = physical BootInfo.
 * pvh_entry     from a PVH loader (QEMU -kernel, microvm): 32-bit protected mode, paging off,
 *               ebx = physical hvm_start_info, image loaded at its physical link address. It makes
 *               tables of the same shape (4 GiB by 2 MiB pages: at 0, at DIRECT_MAP; 1 GiB at KERNEL_BASE) and goes on
 *               in pvh_main.
 */
#define KERNEL_BASE 0xffffffff80000000
#define PHYS(symbol) ((symbol) - KERNEL_BASE)

        .section .note.pvh, "a", @note
        .align 4
        .long 4, 4, 18                  /* name size, value size, XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz "Xen"
        .long PHYS(pvh_entry)

        .section .text.entry, "ax"
        .code64
        .globl kernel_entry
        .type kernel_entry, @function
kernel_entry:
        cli
        cld
        leaq boot_stack_top(%rip), %rsp
        xorl %ebp, %ebp
        call kernel_main
        ud2

        .code32
        .globl pvh_entry
        .type pvh_entry, @function
pvh_entry:
        cli
        cld
        movl $PHYS(boot_pointers_low) + 3, PHYS(boot_top)
        movl $PHYS(boot_pointers_low) + 3, PHYS(boot_top) + 256 * 8
        movl $PHYS(boot_pointers_high) + 3, PHYS(boot_top) + 511 * 8
        movl $PHYS(boot_directories) + 3, PHYS(boot_pointers_high) + 510 * 8

        movl $PHYS(boot_directories) + 3, %eax
        movl $PHYS(boot_pointers_low), %edi
        movl $4, %ecx
1:      movl %eax, (%edi)
        addl $4096, %eax
        addl $8, %edi
        loop 1b

        movl $0x83, %eax                /* present, writable, 2 MiB */
        movl $PHYS(boot_directories), %edi
        movl $2048, %ecx
2:      movl %eax, (%edi)
        addl $0x200000, %eax
        addl $8, %edi
        loop 2b

        movl $PHYS(boot_top), %eax
        movl %eax, %cr3
        movl %cr4, %eax
        orl $0xa0, %eax                 /* PAE, global pages */
        movl %eax, %cr4
        movl $0xc0000080, %ecx          /* EFER: long mode, no-execute */
        rdmsr
        orl $0x900, %eax
        wrmsr
        movl %cr0, %eax
        orl $0x80010001, %eax           /* paging, write protection, protected mode */
        movl %eax, %cr0
        lgdt PHYS(boot_gdt_pointer)
        ljmp $8, $PHYS(pvh_long_mode)

        .code64
pvh_long_mode:
        movl $16, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        movabsq $pvh_high, %rax
        jmp *%rax
pvh_high:
        leaq boot_stack_top(%rip), %rsp
        xorl %ebp, %ebp
        movl %ebx, %edi
        call pvh_main
        ud2

/* void cpu_run_on_stack(void *stack_top, void (*fn)(void)) */
        .text
        .globl cpu_run_on_stack
        .type cpu_run_on_stack, @function
cpu_run_on_stack:
        movq %rdi, %rsp
        xorl %ebp, %ebp
        pushq $0                        /* ends back traces */
        pushq $0
        call *%rsi
        ud2

        .section .rodata
        .align 8
boot_gdt:
        .quad 0
        .quad 0x00af9b000000ffff        /* 64-bit code */
        .quad 0x00cf93000000ffff        /* data */
boot_gdt_pointer:
        .word boot_gdt_pointer - boot_gdt - 1
        .long PHYS(boot_gdt)

        .bss
        .align 4096
boot_top:
        .skip 4096
boot_pointers_low:
        .skip 4096
boot_pointers_high:
        .skip 4096
boot_directories:
        .skip 4 * 4096
boot_stack:
        .skip 16384
boot_stack_top:

        .section .note.GNU-stack, "", @progbits
