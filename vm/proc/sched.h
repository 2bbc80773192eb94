/* SPDX-License-Identifier: Apache-2.0 */
/* A scheduler: one thread of execution (a core) with its registers, run queues and timers. No state outside it. */
#pragma once

#include "vm/proc/proc.h"

typedef struct RunQueue {
    Proc *first, *last;
    size_t count;
} RunQueue;

/* The binary that bs_init* or bs_append* made and the bs_put_* after them fill: valid for `p` until it collects. */
typedef struct BitBuild {
    Proc *p;
    uint64_t gc_count;
    uint8_t *base;
    size_t offset, end; /* bits */
} BitBuild;

struct Sched {
    Term x[MAX_X_REGS];
    double f[MAX_FLOAT_REGS];
    Proc *current;
    BitBuild build;
    unsigned index; /* 0-based */
    RunQueue queue[PRIO_COUNT];
    unsigned low_skip;       /* how often low priority was passed over */
    struct TimerWheel *timers;
    uint32_t queue_lock;     /* spin lock of the run queues */
    uint64_t context_switches;
    uint64_t reductions;     /* total done here */
    uint32_t woken;          /* atomic: set by sched_wake */
    uint64_t rng[4];
    uint64_t unique;         /* last unique integer made here */
    uint64_t ref_counter;    /* id of the last reference made here (monitor.h) */
    intptr_t poll_budget;    /* reductions until the platform and the timers are looked at again */
    unsigned poll_slices;    /* slices until then, at most */
    uint64_t gc_count, gc_words_reclaimed; /* of processes that have ended */
    void *plat;              /* the platform's own */
    int64_t started_ns;
    int64_t idle_ns;
};

/* The interpreter (vm/interp): runs p from p->ip until it gives up the scheduler. */
RunResult interp_run(Sched *s, Proc *p);

Sched *sched_get(unsigned index);
unsigned sched_count(void);
void sched_init_all(unsigned count);
/* Runs processes until vm_halt(). */
_Noreturn void sched_main(Sched *s);
/* Puts a process into its run queue unless it is there or running (then it is re-queued after its slice). A thread that
 * is not the scheduler calls plat_wake afterwards. */
void sched_ready(Proc *p);
size_t sched_run_queue_length(void);
/* fresh reference numbers / unique integers */
void sched_new_ref_numbers(Sched *s, uint64_t *n01, uint64_t *n2);
Term heap_new_ref(Proc *p); /* plain reference on p's heap */
