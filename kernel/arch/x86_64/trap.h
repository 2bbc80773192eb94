/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt descriptor table and the first C code of every interrupt.
 *
 * Every vector switches to a stack of its own kind (the TSS's interrupt stacks), because the code below may
 * be compiled with a red zone (Debian's archives are) or may use rsp for itself (JIT code). Nothing nests on
 * one stack: interrupts stay off in handlers, and a fault inside a fault handler ends in the panic's second stage.
 */
#pragma once

#include "lib/cstd.h"

typedef struct TrapFrame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
} TrapFrame;
_Static_assert(sizeof(TrapFrame) == 22 * 8, "trap.S pushes this");

enum { VECTOR_DEBUG = 1, VECTOR_NMI = 2, VECTOR_BREAKPOINT = 3, VECTOR_DOUBLE_FAULT = 8, VECTOR_PAGE_FAULT = 14,
        VECTOR_MACHINE_CHECK = 18 };
enum { TRAP_EXCEPTIONS = 32 };
/* Which interrupt stack a vector takes; 1-based as the TSS counts. */
enum { STACK_IRQ = 1, STACK_FAULT, STACK_DOUBLE_FAULT, STACK_NMI, STACK_MACHINE_CHECK, STACK_DEBUG, STACK_COUNT = 6 };

void trap_init(void);
/* Another processor takes the same table. */
void trap_load(void);
/* From trap.S, on an interrupt stack, interrupts off. */
void trap_handle(TrapFrame *frame);

/*
 * For self-tests: runs fn(arg); if it raises an exception, that ends fn and the result is the vector, with the error
 * code in *error (and the address in *address for a page fault). -1: fn returned.
 */
int trap_catch(void (*fn)(void *arg), void *arg, uint64_t *error, uint64_t *address);
