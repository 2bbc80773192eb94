/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler loop: choose a process, handle its signals, run a slice of 4000 reductions, put it back or let it wait
 * or end. Between slices, about every POLL_REDUCTIONS of work, it looks at the timers and at the platform's events,
 * and at once when the platform says that an interrupt has come;
 * with nothing to run it takes processes from another scheduler, else it sleeps in plat_poll until the next timer.
 *
 * Who may touch a process: Proc.state says. PS_RUNNING belongs to the one who set it (a scheduler, or a claim).
 * PS_RUNNABLE without PS_RUNNING means: in exactly one run queue. Whoever makes the first of the two bits appear, or
 * the second go while the first stands, puts the process into a queue.
 *
 * Where it runs: a process that becomes ready goes to the scheduler it ran on last, or to the waker's if that one
 * sleeps: two processes that talk in turns stay together. An idle scheduler takes half of another's queue, but leaves
 * a lone waiting process alone unless the one that runs there has used up a whole slice.
 */
#include "vm/proc/sched.h"

#include "vm/bif/bif_scheduler.h"
#include "vm/plat.h"
#include "vm/proc/clock.h"
#include "vm/proc/monitor.h"
#include "vm/proc/msacc.h"
#include "vm/proc/safe.h"
#include "vm/proc/signal.h"
#include "vm/proc/timer.h"
#include "vm/trace/call.h"
#include "vm/trace/profile.h"
#include "vm/vm.h"

enum { POLL_REDUCTIONS = 8000, POLL_SLICES = 64, LOW_EVERY = 8 };
enum { SHARE_AFTER = 16000 }; /* reductions that processes have waited for, each counted */
enum { STEAL_MAX = 32, IDLE_SPINS = 300, SPINS_PER_LOOK = 16, LOOKS_PER_POLL = 8 };

static struct Schedulers {
    Sched *all;
    unsigned count;
    unsigned online; /* atomic: schedulers below this number run processes ... */
    unsigned blocks; /* atomic: ... while this is 0; else the first alone */
    uint64_t idle;   /* atomic: one bit for each that sleeps or is about to, and may be woken for work */
} schedulers;

Sched *sched_get(unsigned index)
{
    return &schedulers.all[index];
}

unsigned sched_count(void)
{
    return schedulers.count;
}

unsigned sched_online(void)
{
    return __atomic_load_n(&schedulers.online, __ATOMIC_RELAXED);
}

/* Schedulers below this number run processes now. */
static unsigned sched_running(void)
{
    return __atomic_load_n(&schedulers.blocks, __ATOMIC_RELAXED) ? 1 : sched_online();
}

static void wake_all(void)
{
    for (unsigned i = 0; i < schedulers.count; i++) {
        plat_wake(&schedulers.all[i]); /* to begin, or to hand over what it has */
    }
}

void sched_set_online(unsigned count)
{
    __atomic_store_n(&schedulers.online, count, __ATOMIC_SEQ_CST);
    wake_all();
}

void sched_block_others(bool block)
{
    __atomic_fetch_add(&schedulers.blocks, block ? 1U : -1U, __ATOMIC_SEQ_CST);
    wake_all();
}

void sched_init_all(unsigned count, unsigned online)
{
    clock_init();
    count = count > MAX_SCHEDULERS ? MAX_SCHEDULERS : count ? count : 1;
    schedulers.count = count;
    schedulers.online = online > count ? count : online ? online : 1;
    uint8_t *mem = vm_calloc(sizeof(Sched) * count + 64);
    schedulers.all = (Sched *)(void *)(mem + (64 - ((uintptr_t)mem & 63)));
    for (unsigned i = 0; i < count; i++) {
        Sched *s = &schedulers.all[i];
        s->index = i;
        s->started_ns = clock_uptime_ns();
        s->seen = i ? SAFE_STANDING : 0; /* the others begin when they are started */
        plat_random(s->rng, sizeof s->rng);
        /* References of different runs and schedulers must differ: start anywhere, far below where numbers run out. */
        s->ref_counter = s->rng[0] >> 24;
        timer_init(s);
    }
    plat_set_sched(&schedulers.all[0]);
}

void sched_keep(unsigned count)
{
    __atomic_store_n(&schedulers.count, count, __ATOMIC_SEQ_CST);
    if (schedulers.online > count) {
        __atomic_store_n(&schedulers.online, count, __ATOMIC_SEQ_CST);
    }
}

/* --- run queues -------------------------------------------------------------------------------------- */
static uint64_t sched_bit(const Sched *s)
{
    return UINT64_C(1) << s->index;
}

/* Wakes the sleeping schedulers of `which`; only its first when `one`. */
static void sched_wake_idle(uint64_t which, bool one)
{
    uint64_t idle = __atomic_load_n(&schedulers.idle, __ATOMIC_SEQ_CST) & which;
    while (idle) {
        uint64_t bit = idle & -idle;
        idle &= ~bit;
        /* Whoever takes the bit wakes it: once is enough. */
        if (__atomic_fetch_and(&schedulers.idle, ~bit, __ATOMIC_SEQ_CST) & bit) {
            plat_wake(&schedulers.all[__builtin_ctzll(bit)]);
            if (one) {
                return;
            }
        }
    }
}

/* Under s's queue lock. */
static void queue_push(Sched *s, Proc *p)
{
    RunQueue *q = &s->queue[p->priority];
    p->run_next = NULL;
    if (q->last) {
        q->last->run_next = p;
    } else {
        q->first = p;
    }
    q->last = p;
    q->count++;
    __atomic_store_n(&s->queued, s->queued + 1, __ATOMIC_RELAXED);
}

static Proc *queue_pop(Sched *s, RunQueue *q)
{
    Proc *p = q->first;
    q->first = p->run_next;
    if (!q->first) {
        q->last = NULL;
    }
    q->count--;
    __atomic_store_n(&s->queued, s->queued - 1, __ATOMIC_RELAXED);
    return p;
}

/* The scheduler whose queue a process joins that `self` makes ready. */
static Sched *sched_home(Proc *p, Sched *self)
{
    Sched *last = p->bound ? p->bound : p->sched;
    if (p->bound || last == self || !self) {
        return last;
    }
    if (last->index >= sched_running() || (__atomic_load_n(&schedulers.idle, __ATOMIC_RELAXED) & sched_bit(last))) {
        return self->index < sched_running() ? self : &schedulers.all[0];
    }
    return last;
}

static void sched_enqueue(Proc *p)
{
    Sched *self = plat_sched(), *s = sched_home(p, self);
    spin_lock(&s->queue_lock);
    queue_push(s, p);
    spin_unlock(&s->queue_lock);
    /* Read with a full barrier: pairs with sched_idle, which sets its bit first and then takes a last look at the
     * queues. */
    if (s != self && (__atomic_fetch_or(&schedulers.idle, 0, __ATOMIC_SEQ_CST) & sched_bit(s))) {
        sched_wake_idle(sched_bit(s), true);
    }
}

/* After a slice. Wakes a sleeper when those that wait here have waited long enough together: short conversations stay
 * on one core, and are over before another would have come. */
static void sched_share(Sched *s, uint64_t used)
{
    size_t waiting = __atomic_load_n(&s->queued, __ATOMIC_RELAXED);
    s->pressure = waiting ? s->pressure + used * waiting : 0;
    if (s->pressure >= SHARE_AFTER && __atomic_load_n(&schedulers.idle, __ATOMIC_RELAXED)) {
        s->pressure = 0;
        sched_wake_idle(UINT64_MAX, true);
    }
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
    if (!__atomic_load_n(&s->queued, __ATOMIC_RELAXED)) {
        return NULL; /* who adds one wakes us, or comes by between two of our looks */
    }
    spin_lock(&s->queue_lock);
    RunQueue *q = sched_choose_queue(s);
    Proc *p = q ? queue_pop(s, q) : NULL;
    spin_unlock(&s->queue_lock);
    return p;
}

/* --- taking from others ---------------------------------------------------------------------------------- */
/* Up to `most` processes of the most urgent queue that has any, oldest first; those bound to their scheduler stay. */
static Proc *steal_list(Sched *victim, size_t most)
{
    Proc *list = NULL, **end = &list;
    for (int prio = 0; prio < PRIO_COUNT && !list; prio++) {
        for (size_t n = victim->queue[prio].count; n > 0 && most > 0; n--) {
            Proc *p = queue_pop(victim, &victim->queue[prio]);
            if (p->bound) {
                queue_push(victim, p);
                continue;
            }
            *end = p;
            end = &p->run_next;
            most--;
        }
        *end = NULL;
    }
    return list;
}

static size_t steal_count(const Sched *victim)
{
    size_t queued = __atomic_load_n(&victim->queued, __ATOMIC_RELAXED);
    if (victim->index >= sched_running()) {
        return queued; /* it will not run them */
    }
    return queued == 1 && !__atomic_load_n(&victim->hog, __ATOMIC_RELAXED) ? 0 : (queued + 1) / 2;
}

static Proc *sched_steal(Sched *s)
{
    for (unsigned i = 1; i < schedulers.count; i++) {
        Sched *victim = &schedulers.all[(s->index + i) % schedulers.count];
        size_t n = steal_count(victim);
        if (n == 0) {
            continue;
        }
        spin_lock(&victim->queue_lock);
        n = steal_count(victim);
        Proc *list = steal_list(victim, n < STEAL_MAX ? n : STEAL_MAX);
        spin_unlock(&victim->queue_lock);
        if (!list) {
            continue;
        }
        Proc *first = list;
        list = first->run_next;
        spin_lock(&s->queue_lock);
        while (list) {
            Proc *p = list;
            list = p->run_next;
            queue_push(s, p);
        }
        spin_unlock(&s->queue_lock);
        return first;
    }
    return NULL;
}

/* --- states ------------------------------------------------------------------------------------------------ */
void sched_ready(Proc *p)
{
    uint32_t old = __atomic_fetch_or(&p->state, PS_RUNNABLE, __ATOMIC_ACQ_REL);
    if (!(old & (PS_RUNNABLE | PS_RUNNING))) {
        if (profile_on(PROFILE_PROCS)) {
            profile_process(p, true);
        }
        sched_enqueue(p);
    }
}

bool sched_claim(Proc *p)
{
    uint32_t old = __atomic_load_n(&p->state, __ATOMIC_RELAXED), claimed;
    do {
        if (old & (PS_RUNNING | PS_EXITING)) {
            return false;
        }
        claimed = old | PS_RUNNING | (old & PS_RUNNABLE ? PS_HELD : 0);
    } while (!__atomic_compare_exchange_n(&p->state, &old, claimed, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return true;
}

/* What comes out of a run queue: true when it may run here. One that is claimed is left to its
 * claimer, who puts it back into a queue. */
static bool sched_begin(Proc *p)
{
    uint32_t old = __atomic_load_n(&p->state, __ATOMIC_RELAXED), now;
    do {
        /* Runnable goes before signals are fetched: one that arrives later sets it again. */
        now = old & PS_HELD ? old & ~(uint32_t)PS_HELD : (old & ~(uint32_t)PS_RUNNABLE) | PS_RUNNING;
    } while (!__atomic_compare_exchange_n(&p->state, &old, now, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return !(old & PS_HELD);
}

void sched_unclaim(Proc *p)
{
    uint32_t old = __atomic_fetch_and(&p->state, ~(uint32_t)(PS_RUNNING | PS_HELD), __ATOMIC_ACQ_REL);
    if ((old & (PS_RUNNABLE | PS_HELD)) == PS_RUNNABLE) {
        sched_enqueue(p);
    }
}

/* Takes p out of the queue, where it is there. */
static bool queue_remove(RunQueue *q, const Proc *p)
{
    Proc *before = NULL, *at = q->first;
    while (at && at != p) {
        before = at;
        at = at->run_next;
    }
    if (!at) {
        return false;
    }
    *(before ? &before->run_next : &q->first) = at->run_next;
    q->last = q->last == at ? before : q->last;
    q->count--;
    return true;
}

void sched_raise(Proc *p, uint8_t priority)
{
    uint8_t old = p->priority;
    p->priority = priority;
    for (unsigned i = 0; i < schedulers.count && __atomic_load_n(&p->state, __ATOMIC_ACQUIRE) & PS_RUNNABLE; i++) {
        Sched *s = &schedulers.all[i];
        spin_lock(&s->queue_lock);
        bool there = queue_remove(&s->queue[old], p);
        if (there) {
            __atomic_store_n(&s->queued, s->queued - 1, __ATOMIC_RELAXED);
            queue_push(s, p);
        }
        spin_unlock(&s->queue_lock);
        if (there) {
            return;
        }
    }
}

int64_t sched_idle_ns(const Sched *s, int64_t now)
{
    int64_t since = __atomic_load_n(&s->idle_since_ns, __ATOMIC_RELAXED);
    return __atomic_load_n(&s->idle_ns, __ATOMIC_RELAXED) + (since && now > since ? now - since : 0);
}

size_t sched_run_queue_length(void)
{
    size_t n = 0;
    for (unsigned i = 0; i < schedulers.count; i++) {
        n += __atomic_load_n(&schedulers.all[i].queued, __ATOMIC_RELAXED);
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

/* Erlang code of a traced process begins or stops running. */
static void slice_traced(Proc *p, bool in)
{
    if (trace_on(p, TRACE_SCHEDULED)) {
        trace_scheduled(p, in ? A_in : A_out);
    }
    if (p->call_time) {
        in ? call_time_resume(p) : call_time_pause(p);
    }
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
    if (__atomic_load_n(&p->suspend_count, __ATOMIC_ACQUIRE)) {
        return RUN_WAITING;
    }
    /* Woken by a signal that was no message (or by nothing): the interpreter need not look. */
    if ((p->flags & PF_WAITING) && !*p->msg_save && !(__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) & PS_TIMEOUT) &&
            p->fault_class != FAULT_WAIT) {
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

static uint64_t sched_account(Sched *s, Proc *p)
{
    intptr_t used = SLICE_REDUCTIONS - p->fcalls;
    used = used > 0 ? used : 0;
    p->reductions += (uint64_t)used;
    s->reductions += (uint64_t)used;
    s->poll_budget -= used;
    p->fcalls = SLICE_REDUCTIONS;
    return (uint64_t)used;
}

static void sched_tell_profile(Sched *s, bool active)
{
    uint64_t idle = __atomic_load_n(&schedulers.idle, __ATOMIC_RELAXED);
    if (profile_on(PROFILE_SCHEDULERS)) {
        profile_scheduler(s, active, sched_online() - (unsigned)__builtin_popcountll(idle));
    }
}

/* To whoever profiles: this scheduler has work. That of being told does not count. */
static void sched_profile_slice(Sched *s, const Proc *p)
{
    if (!s->told_active && p->id != profiling.tracer) {
        s->told_active = true;
        sched_tell_profile(s, true);
    }
}

static void sched_slice(Sched *s, Proc *p)
{
    if (!sched_begin(p)) {
        return;
    }
    p->sched = s;
    p->fcalls = SLICE_REDUCTIONS;
    s->current = p;
    s->context_switches++;
    const Word *in = p->ip;
    int64_t start = system_monitor()->pid == NONVALUE ? 0 : clock_uptime_ns();
    if (p->trace_flags) {
        slice_traced(p, true);
    }
    if (profile_on(PROFILE_SCHEDULERS)) {
        sched_profile_slice(s, p);
    }
    msacc_enter(s, MSACC_EMULATOR);
    RunResult result = sched_run_process(s, p);
    msacc_enter(s, MSACC_OTHER);
    if (p->trace_flags && result != RUN_EXITED) {
        slice_traced(p, false);
    }
    uint64_t used = sched_account(s, p);
    sched_share(s, used);
    if (vm_config()->on_slice) {
        vm_config()->on_slice(p, used, result);
    }
    if (start) {
        system_monitor_slice(p, in, clock_uptime_ns() - start);
    }
    if (profile_on(PROFILE_PROCS) && result == RUN_WAITING && !(p->state & PS_RUNNABLE)) {
        profile_process(p, false);
    }
    if (result == RUN_EXITED) {
        proc_exit(p, p->fault_reason);
        s->current = NULL;
        return;
    }
    s->current = NULL;
    bool hog = result == RUN_YIELDED && used >= SLICE_REDUCTIONS;
    if (s->hog != hog) {
        __atomic_store_n(&s->hog, hog, __ATOMIC_RELAXED);
    }
    if (result == RUN_YIELDED) {
        __atomic_fetch_or(&p->state, PS_RUNNABLE, __ATOMIC_ACQ_REL);
    }
    sched_unclaim(p); /* from here on p is not ours */
}

/* --- the loop --------------------------------------------------------------------------------------- */
static void sched_reset_poll(Sched *s)
{
    s->poll_budget = POLL_REDUCTIONS;
    s->poll_slices = POLL_SLICES;
}

static void sched_look_outside(Sched *s)
{
    if (s->index == 0) {
        msacc_enter(s, MSACC_CHECK_IO);
        plat_poll(s, 0);
    }
    msacc_enter(s, MSACC_AUX);
    timer_run(s, clock_uptime_ns());
    msacc_enter(s, MSACC_OTHER);
    sched_reset_poll(s);
}

/* Somebody else is at work, so there may be something to take in a moment: cheaper to look than to be woken. */
static Proc *sched_spin(Sched *s)
{
    for (unsigned i = 0; i < IDLE_SPINS && schedulers.count > 1; i++) {
        uint64_t all = sched_running() >= 64 ? UINT64_MAX : (UINT64_C(1) << sched_running()) - 1;
        if ((__atomic_load_n(&schedulers.idle, __ATOMIC_RELAXED) | sched_bit(s)) == all) {
            return NULL;
        }
        Proc *p = sched_pick(s);
        p = p ? p : sched_steal(s);
        if (p) {
            return p;
        }
        if (s->index == 0 && i % LOOKS_PER_POLL == 0) {
            msacc_enter(s, MSACC_CHECK_IO);
            plat_poll(s, 0); /* events do not wait for the end of the spinning */
            msacc_enter(s, MSACC_OTHER);
        }
        for (unsigned k = 0; k < SPINS_PER_LOOK; k++) {
            core_pause();
        }
    }
    return NULL;
}

static void sched_idle(Sched *s)
{
    int64_t start = clock_uptime_ns(), wait = timer_run(s, start);
    bool online = s->index < sched_running();
    if (online) {
        __atomic_fetch_or(&schedulers.idle, sched_bit(s), __ATOMIC_SEQ_CST);
    }
    bool work = online && __atomic_load_n(&s->queued, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < schedulers.count && online && !work; i++) {
        work = i != s->index && steal_count(&schedulers.all[i]) > 0;
    }
    if (!work) {
        if (s->told_active) {
            s->told_active = false;
            sched_tell_profile(s, false);
        }
        __atomic_store_n(&s->idle_since_ns, start, __ATOMIC_RELAXED);
        msacc_enter(s, MSACC_SLEEP);
        plat_poll(s, wait);
        msacc_enter(s, MSACC_OTHER);
        int64_t now = clock_uptime_ns();
        __atomic_store_n(&s->idle_since_ns, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&s->idle_ns, s->idle_ns + now - start, __ATOMIC_RELAXED);
        timer_run(s, now);
    }
    __atomic_fetch_and(&schedulers.idle, ~sched_bit(s), __ATOMIC_SEQ_CST);
    sched_reset_poll(s);
}

bool sched_step(Sched *s)
{
    safe_point(s);
    Proc *p = sched_pick(s);
    if (p) {
        sched_slice(s, p);
    }
    return p != NULL;
}

_Noreturn void sched_main(Sched *s)
{
    plat_set_sched(s);
    safe_awake(s);
    sched_reset_poll(s);
    for (;;) {
        safe_point(s);
        if (s->poll_budget <= 0 || s->poll_slices-- == 0 || (s->index == 0 && plat_is_pending())) {
            sched_look_outside(s);
        }
        Proc *p = NULL;
        if (s->index < sched_running()) {
            p = sched_pick(s);
            p = p || schedulers.count == 1 ? p : sched_steal(s);
            p = p ? p : sched_spin(s);
        }
        if (p) {
            sched_slice(s, p);
        } else {
            sched_idle(s);
        }
    }
}
