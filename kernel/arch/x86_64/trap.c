/* SPDX-License-Identifier: Apache-2.0 */
/* See trap.h. Comes from: trap.S. Goes to: irq/irq.c for devices, panic/panic.c for faults. */
#include "kernel/arch/x86_64/trap.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/irq/irq.h"
#include "kernel/panic/panic.h"
#include "kernel/smp/smp.h"

typedef struct Gate {
    uint16_t offset_low, selector;
    uint8_t stack, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
} Gate;
_Static_assert(sizeof(Gate) == 16, "interrupt gate");

typedef struct __attribute__((packed)) TablePointer {
    uint16_t limit;
    uint64_t base;
} TablePointer;

/* Where trap_catch goes on after a fault: the callee-saved registers it had. */
typedef struct CatchPoint {
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
} CatchPoint;

static struct Traps {
    Gate table[256] __attribute__((aligned(16)));
    CatchPoint *volatile catcher; /* set while trap_catch runs */
    uint64_t caught_vector, caught_error, caught_address;
} traps;

extern const uint8_t trap_stubs[256][16];

static uint8_t stack_of(unsigned vector)
{
    switch (vector) {
    case VECTOR_DEBUG:
    case VECTOR_BREAKPOINT: return STACK_DEBUG;
    case VECTOR_NMI: return STACK_NMI;
    case VECTOR_DOUBLE_FAULT: return STACK_DOUBLE_FAULT;
    case VECTOR_MACHINE_CHECK: return STACK_MACHINE_CHECK;
    default: return vector < TRAP_EXCEPTIONS ? STACK_FAULT : STACK_IRQ;
    }
}

void trap_init(void)
{
    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t stub = (uint64_t)trap_stubs[vector];
        traps.table[vector] = (Gate){
            .offset_low = (uint16_t)stub,
            .selector = KERNEL_CODE_SELECTOR,
            .stack = stack_of(vector),
            .type = 0x8e, /* present, interrupt gate: interrupts off */
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
    trap_load();
}

void trap_load(void)
{
    TablePointer pointer = {sizeof traps.table - 1, (uint64_t)traps.table};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static bool go_to_catcher(TrapFrame *frame)
{
    CatchPoint *c = traps.catcher;
    if (c == NULL) {
        return false;
    }
    traps.caught_vector = frame->vector;
    traps.caught_error = frame->error;
    traps.caught_address = cr2_read();
    traps.catcher = NULL;
    frame->rbx = c->rbx;
    frame->rbp = c->rbp;
    frame->r12 = c->r12;
    frame->r13 = c->r13;
    frame->r14 = c->r14;
    frame->r15 = c->r15;
    frame->rsp = c->rsp;
    frame->rip = c->rip;
    return true;
}

void trap_handle(TrapFrame *frame)
{
    if (frame->vector >= TRAP_EXCEPTIONS) {
        irq_dispatch_isr((unsigned)frame->vector);
    } else if (frame->vector == VECTOR_NMI && smp_is_stopping()) {
        cpu_stop(); /* another processor panics */
    } else if (!go_to_catcher(frame)) {
        panic_exception(frame);
    }
}

int trap_catch(void (*fn)(void *arg), void *arg, uint64_t *error, uint64_t *address)
{
    CatchPoint point;
    int result;
    __asm__ volatile("movq %%rbx, 0(%2)\n\t"
                     "movq %%rbp, 8(%2)\n\t"
                     "movq %%r12, 16(%2)\n\t"
                     "movq %%r13, 24(%2)\n\t"
                     "movq %%r14, 32(%2)\n\t"
                     "movq %%r15, 40(%2)\n\t"
                     "movq %%rsp, 48(%2)\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, 56(%2)\n\t"
                     "movq %2, %1\n\t"
                     "movq %4, %%rdi\n\t"
                     "call *%3\n\t"
                     "movl $-1, %%eax\n\t"
                     "jmp 2f\n"
                     "1:\n\t"
                     "movl $1, %%eax\n"
                     "2:\n\t"
                     : "=&a"(result), "=m"(traps.catcher)
                     : "r"(&point), "r"(fn), "r"(arg)
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
    traps.catcher = NULL;
    if (result < 0) {
        return -1;
    }
    *error = traps.caught_error;
    *address = traps.caught_address;
    return (int)traps.caught_vector;
}
