/* SPDX-License-Identifier: Apache-2.0 */
/* A scheduler: one thread of execution (a core) with its registers, run queues and timers. No state outside it. */
#pragma once

#include "vm/proc/proc.h"

typedef struct RunQueue {
    Proc *first, *last;
    size_t count;
} RunQueue;

struct Sched {
    Term x[MAX_X_REGS];
    double f[MAX_FLOAT_REGS];
    Proc *current;
    unsigned index; /* 0-based */
    RunQueue queue[PRIO_COUNT];
    unsigned low_skip;       /* how often low priority was passed over */
    struct TimerWheel *timers;
    uint64_t context_switches;
    uint64_t reductions;     /* total done here */
    uint32_t woken;          /* atomic: set by sched_wake */
    uint64_t rng[4];
    uint64_t unique;         /* next unique integer / reference numbers of this scheduler */
    void *plat;              /* the platform's own */
    int64_t started_ns;
    int64_t idle_ns;
};

Sched *sched_get(unsigned index);
unsigned sched_count(void);
void sched_init_all(unsigned count);
/* Runs processes until vm_halt(). */
_Noreturn void sched_main(Sched *s);
/* Puts a process into its run queue unless it is there, running (then it will be re-queued) or suspended. Any thread. */
void sched_ready(Proc *p);
size_t sched_run_queue_length(void);
/* fresh reference numbers / unique integers */
void sched_new_ref_numbers(Sched *s, uint64_t *n01, uint64_t *n2);
Term heap_new_ref(Proc *p); /* plain reference on p's heap */
