/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 256 stubs, one a vector, each 16 bytes apart: push a zero where the processor pushes no error code, push the
 * vector, go to the common part, which saves the general registers as a TrapFrame (trap.h) and calls trap_handle.
 * SSE state is not saved: all code that runs in a handler is compiled without it.
 */
        .text
        .align 16
        .globl trap_stubs
trap_stubs:
        .set vector, 0
        .rept 256
        .align 16
        .set has_error, vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
        .if has_error || vector == 29 || vector == 30
        .else
        pushq $0
        .endif
        pushq $vector
        jmp trap_common
        .set vector, vector + 1
        .endr

        .align 16
        .type trap_common, @function
trap_common:
        cld
        pushq %rax
        pushq %rbx
        pushq %rcx
        pushq %rdx
        pushq %rsi
        pushq %rdi
        pushq %rbp
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        movq %rsp, %rdi
        xorl %ebp, %ebp
        call trap_handle
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rbp
        popq %rdi
        popq %rsi
        popq %rdx
        popq %rcx
        popq %rbx
        popq %rax
        addq $16, %rsp
        iretq

        .section .note.GNU-stack, "", @progbits
