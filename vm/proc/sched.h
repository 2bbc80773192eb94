/* SPDX-License-Identifier: Apache-2.0 */
/* A scheduler: one thread of execution (a core) with its registers, run queues and timers. No state outside it. */
#pragma once

#include "vm/lock.h"
#include "vm/proc/proc.h"

enum { MAX_SCHEDULERS = 64 };

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

/* What its time goes into, as OTP names it (msacc.h). */
typedef enum {
    MSACC_OTHER, MSACC_AUX, MSACC_CHECK_IO, MSACC_EMULATOR, MSACC_GC, MSACC_PORT, MSACC_SLEEP, MSACC_STATES
} MsaccState;
typedef struct Msacc {
    int64_t ns[MSACC_STATES], since; /* atomic */
    uint8_t state;                   /* atomic: MsaccState */
} Msacc;

struct Sched {
    Term x[MAX_X_REGS];
    double f[MAX_FLOAT_REGS];
    Proc *current;
    bool told_active; /* system_profile/2 knows that this scheduler works */
    BitBuild build;
    unsigned index; /* 0-based */
    struct TimerWheel *timers;
    uint64_t context_switches;
    uint64_t reductions;     /* total done here */
    uint64_t rng[4];
    uint64_t unique;         /* last unique integer made here */
    uint64_t ref_counter;    /* id of the last reference made here (monitor.h) */
    intptr_t poll_budget;    /* reductions until the platform and the timers are looked at again */
    unsigned poll_slices;    /* slices until then, at most */
    uint64_t gc_count, gc_words_reclaimed; /* of processes that have ended */
    void *plat;              /* the platform's own */
    Msacc msacc;
    int64_t started_ns;
    int64_t idle_ns;         /* atomic: before idle_since_ns */
    int64_t idle_since_ns;   /* atomic: 0 while it works */
    struct Retired *retired; /* to be freed later (safe.c), oldest first */
    size_t retired_count, retired_capacity;

    /* Anyone. Lines of their own: others read and write them while this scheduler works with what stands above. */
    uint64_t seen __attribute__((aligned(64))); /* atomic: see safe.c */
    SpinLock queue_lock __attribute__((aligned(64)));
    uint32_t queued;         /* processes in all queues; written under the lock, read by anyone */
    uint32_t hog;            /* atomic: its process has used up a slice, so those behind it are better off elsewhere */
    uint64_t pressure;       /* reductions done while others waited here, times how many: its thread's own */
    unsigned low_skip;       /* how often low priority was passed over */
    RunQueue queue[PRIO_COUNT];
};

/* The interpreter (vm/interp): runs p from p->ip until it gives up the scheduler. */
RunResult interp_run(Sched *s, Proc *p);

Sched *sched_get(unsigned index);
unsigned sched_count(void);  /* all there are */
unsigned sched_online(void); /* those that run processes */
/* 1 to sched_count(). Processes of a scheduler that goes offline are taken over by the others. */
void sched_set_online(unsigned count);
/* Counted: while there is a block, the first scheduler alone runs processes, however many are online. */
void sched_block_others(bool block);
void sched_init_all(unsigned count, unsigned online);
/* Only the first `count` could be started: there are no others. Before the first of them runs Erlang code. */
void sched_keep(unsigned count);
/* Runs processes until vm_halt(). On its own thread; scheduler 0 is the one that starts the machine. */
_Noreturn void sched_main(Sched *s);
/* One slice of the next process; false when none is runnable. For tests that drive the machine themselves. */
bool sched_step(Sched *s);
/* Puts a process into a run queue unless it is there or running (then it is re-queued after its slice), and wakes a
 * scheduler for it. Called on a scheduler, or on the thread that starts the machine. */
void sched_ready(Proc *p);
/* For a process that does not run: keeps every scheduler from running it until sched_unclaim(). False: it runs. */
bool sched_claim(Proc *p);
void sched_unclaim(Proc *p);
/* Of one that does not run and is kept so: for good, also if it is in a run queue. Looks for it there: dear. */
void sched_raise(Proc *p, uint8_t priority);
/* How long it has had nothing to do, up to `now`: about, while it runs. */
int64_t sched_idle_ns(const Sched *s, int64_t now);
size_t sched_run_queue_length(void);
/* fresh reference numbers / unique integers */
void sched_new_ref_numbers(Sched *s, uint64_t *n01, uint64_t *n2);
Term heap_new_ref(Proc *p); /* plain reference on p's heap */
