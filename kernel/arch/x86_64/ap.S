/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a further processor begins: in real mode at the page smp.c has copied this to (TRAMPOLINE), with the four
 * words at the end filled in. One step into long mode: tables, EFER and CR0's two bits at once, then a far jump.
 */
        .set TRAMPOLINE, 0x8000

        .section .rodata
        .balign 16
        .globl ap_start
        .globl ap_end
        .code16
ap_start:
        cli
        cld
        xorw %ax, %ax
        movw %ax, %ds
        lgdtl TRAMPOLINE + (ap_gdt_pointer - ap_start)
        movl %cr4, %eax
        orl $0x20, %eax                 /* physical address extension */
        movl %eax, %cr4
        movl TRAMPOLINE + (ap_cr3 - ap_start), %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx          /* EFER: long mode, no-execute */
        rdmsr
        orl $0x900, %eax
        wrmsr
        movl %cr0, %eax
        andl $0x9fffffff, %eax          /* caches on */
        orl $0x80010001, %eax           /* paging, write protection, protected mode */
        movl %eax, %cr0
        ljmpl $8, $(TRAMPOLINE + (ap_long - ap_start))

        .code64
ap_long:
        movl $16, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        movq ap_stack(%rip), %rsp
        movq ap_argument(%rip), %rdi
        xorl %ebp, %ebp
        pushq $0                        /* ends back traces */
        jmp *ap_entry(%rip)

        .balign 8
ap_gdt:
        .quad 0
        .quad 0x00af9b000000ffff        /* 64-bit code */
        .quad 0x00cf93000000ffff        /* data */
ap_gdt_pointer:
        .word ap_gdt_pointer - ap_gdt - 1
        .long TRAMPOLINE + (ap_gdt - ap_start)
        .balign 8
ap_cr3:
        .quad 0
ap_stack:
        .quad 0
ap_entry:
        .quad 0
ap_argument:
        .quad 0
ap_end:

        .section .note.GNU-stack, "", @progbits
