/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler loop: choose a process, handle its signals, run a slice of 4000 reductions, put it back or let it wait or end.
 * Between slices, about every POLL_REDUCTIONS of work, it looks at the timers and at the platform's events; with
 * nothing to run it sleeps in plat_poll until the next timer. One scheduler runs today; run queues are only touched
 * under their lock, and everything else here belongs to one Sched.
 */
#include "vm/proc/sched.h"

#include "vm/bif/bif_scheduler.h"
#include "vm/plat.h"
#include "vm/proc/clock.h"
#include "vm/proc/monitor.h"
#include "vm/proc/signal.h"
#include "vm/proc/timer.h"
#include "vm/vm.h"

enum { POLL_REDUCTIONS = 2 * SLICE_REDUCTIONS, POLL_SLICES = 64, LOW_EVERY = 8 };

static struct Schedulers {
    Sched *all;
    unsigned count;
} schedulers;

Sched *sched_get(unsigned index)
{
    return &schedulers.all[index];
}

unsigned sched_count(void)
{
    return schedulers.count;
}

void sched_init_all(unsigned count)
{
    (void)count; /* one for now, whatever was asked for */
    clock_init();
    schedulers.count = 1;
    schedulers.all = vm_calloc(sizeof(Sched) * schedulers.count);
    for (unsigned i = 0; i < schedulers.count; i++) {
        Sched *s = &schedulers.all[i];
        s->index = i;
        s->started_ns = clock_uptime_ns();
        plat_random(s->rng, sizeof s->rng);
        /* References of different runs and schedulers must differ: start anywhere, far below where numbers run out. */
        s->ref_counter = (s->rng[0] >> 16) + 1;
        timer_init(s);
    }
}

/* --- run queues -------------------------------------------------------------------------------------- */
static void sched_lock(Sched *s)
{
    while (__atomic_exchange_n(&s->queue_lock, 1, __ATOMIC_ACQUIRE)) {
    }
}

static void sched_unlock(Sched *s)
{
    __atomic_store_n(&s->queue_lock, 0, __ATOMIC_RELEASE);
}

static void sched_enqueue(Proc *p)
{
    Sched *s = p->sched;
    RunQueue *q = &s->queue[p->priority];
    p->run_next = NULL;
    sched_lock(s);
    if (q->last) {
        q->last->run_next = p;
    } else {
        q->first = p;
    }
    q->last = p;
    q->count++;
    sched_unlock(s);
}

static Proc *queue_pop(RunQueue *q)
{
    Proc *p = q->first;
    q->first = p->run_next;
    if (!q->first) {
        q->last = NULL;
    }
    q->count--;
    return p;
}

/* max before high before the rest; low gets every eighth turn while normal has work. */
static RunQueue *sched_choose_queue(Sched *s)
{
    for (int prio = PRIO_MAX; prio <= PRIO_HIGH; prio++) {
        if (s->queue[prio].first) {
            return &s->queue[prio];
        }
    }
    RunQueue *normal = &s->queue[PRIO_NORMAL], *low = &s->queue[PRIO_LOW];
    if (low->first && (!normal->first || ++s->low_skip >= LOW_EVERY)) {
        s->low_skip = 0;
        return low;
    }
    return normal->first ? normal : NULL;
}

static Proc *sched_pick(Sched *s)
{
    sched_lock(s);
    RunQueue *q = sched_choose_queue(s);
    Proc *p = q ? queue_pop(q) : NULL;
    sched_unlock(s);
    return p;
}

void sched_ready(Proc *p)
{
    uint32_t old = __atomic_fetch_or(&p->state, PS_RUNNABLE, __ATOMIC_ACQ_REL);
    if (!(old & (PS_RUNNABLE | PS_RUNNING))) {
        sched_enqueue(p);
    }
}

size_t sched_run_queue_length(void)
{
    size_t n = 0;
    for (unsigned i = 0; i < schedulers.count; i++) {
        for (int prio = 0; prio < PRIO_COUNT; prio++) {
            n += schedulers.all[i].queue[prio].count;
        }
    }
    return n;
}

void sched_new_ref_numbers(Sched *s, uint64_t *n01, uint64_t *n2)
{
    ref_numbers(ref_new_id(s), n01, n2);
}

Term heap_new_ref(Proc *p)
{
    Term *hp = heap_alloc(p, REF_PLAIN_WORDS);
    return ref_build(&hp, ref_new_id(p->sched), NONVALUE);
}

/* --- a slice ------------------------------------------------------------------------------------------ */
static void sched_run_tasks(Proc *p)
{
    while (p->tasks && !(p->flags & PF_EXITING)) {
        Signal *task = p->tasks;
        p->tasks = (Signal *)(void *)task->head.next;
        task->call(p, task, false);
        signal_free(task);
    }
    p->flags &= ~PF_HAS_TASKS;
}

/* Signals, tasks, then Erlang code. Returns what is to become of p. */
static RunResult sched_run_process(Sched *s, Proc *p)
{
    msg_fetch(p);
    if (p->flags & PF_HAS_TASKS) {
        sched_run_tasks(p);
    }
    if (p->flags & PF_EXITING) {
        return RUN_EXITED;
    }
    if (p->suspend_count) {
        return RUN_WAITING;
    }
    /* Woken by a signal that was no message (or by nothing): the interpreter need not look. */
    if ((p->flags & PF_WAITING) && !*p->msg_save && !(p->flags & PF_TIMEOUT) && p->fault_class != FAULT_WAIT) {
        return RUN_WAITING;
    }
    p->flags &= ~PF_WAITING;
    RunResult result = interp_run(s, p);
    if (result == RUN_WAITING) {
        p->flags |= PF_WAITING;
    }
    if ((p->flags & PF_HAS_TASKS) && result != RUN_EXITED) {
        sched_run_tasks(p);
    }
    return p->flags & PF_EXITING ? RUN_EXITED : result;
}

static void sched_account(Sched *s, Proc *p)
{
    intptr_t used = SLICE_REDUCTIONS - p->fcalls;
    used = used > 0 ? used : 0;
    p->reductions += (uint64_t)used;
    s->reductions += (uint64_t)used;
    s->poll_budget -= used;
    p->fcalls = SLICE_REDUCTIONS;
}

static void sched_slice(Sched *s, Proc *p)
{
    /* Cleared before signals are fetched: one that arrives later sets it again. */
    __atomic_fetch_and(&p->state, ~(uint32_t)PS_RUNNABLE, __ATOMIC_ACQ_REL);
    __atomic_fetch_or(&p->state, PS_RUNNING, __ATOMIC_ACQ_REL);
    p->sched = s;
    p->fcalls = SLICE_REDUCTIONS;
    s->current = p;
    s->context_switches++;
    int64_t start = system_monitor()->pid == NONVALUE ? 0 : clock_uptime_ns();
    RunResult result = sched_run_process(s, p);
    sched_account(s, p);
    if (start) {
        system_monitor_slice(p, clock_uptime_ns() - start);
    }
    if (result == RUN_EXITED) {
        proc_exit(p, p->fault_reason);
        s->current = NULL;
        return;
    }
    s->current = NULL;
    uint32_t add = result == RUN_YIELDED ? PS_RUNNABLE : 0;
    uint32_t old = __atomic_fetch_or(&p->state, add, __ATOMIC_ACQ_REL) | add;
    __atomic_fetch_and(&p->state, ~(uint32_t)PS_RUNNING, __ATOMIC_ACQ_REL);
    if (old & PS_RUNNABLE) {
        sched_enqueue(p);
    }
}

/* --- the loop --------------------------------------------------------------------------------------- */
static void sched_look_outside(Sched *s)
{
    plat_poll(s, 0);
    timer_run(s, clock_uptime_ns());
    s->poll_budget = POLL_REDUCTIONS;
    s->poll_slices = POLL_SLICES;
}

static void sched_idle(Sched *s)
{
    int64_t start = clock_uptime_ns(), wait = timer_run(s, start);
    if (!sched_choose_queue(s)) {
        plat_poll(s, wait);
        int64_t now = clock_uptime_ns();
        s->idle_ns += now - start;
        timer_run(s, now);
    }
    s->poll_budget = POLL_REDUCTIONS;
    s->poll_slices = POLL_SLICES;
}

_Noreturn void sched_main(Sched *s)
{
    s->poll_budget = POLL_REDUCTIONS;
    s->poll_slices = POLL_SLICES;
    for (;;) {
        if (s->poll_budget <= 0 || s->poll_slices-- == 0) {
            sched_look_outside(s);
        }
        Proc *p = sched_pick(s);
        if (p) {
            sched_slice(s, p);
        } else {
            sched_idle(s);
        }
    }
}
