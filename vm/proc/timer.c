/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timer wheel. A tick is a millisecond of uptime. Level 0 has a slot per tick for the next 256; each of the four
 * levels above has 64 slots, each as wide as the whole level below. When the clock enters a slot of an upper level its
 * timers move down. Starting and stopping cost O(1); bit maps say which slots are in use, so sleeping and skipping
 * empty time need no walk. Timers due further away than the wheel reaches (49 days) go round its top level again.
 *
 * Each scheduler runs its own wheel, but a process may have moved since it started a timer, and anyone may cancel a
 * message timer: so a wheel has a lock. A timer stays in the wheel it was started in; the number of a timer's
 * reference says which (ref_new_id). A receive timeout belongs to its process and is freed by it; the wheel only takes
 * it out when it fires. A message timer belongs to the wheel. The timers aimed at a process form a list under that
 * process's lock.
 */
#include "vm/proc/timer.h"

#include "vm/proc/clock.h"
#include "vm/proc/idmap.h"
#include "vm/proc/monitor.h"
#include "vm/proc/msg.h"
#include "vm/proc/port.h"
#include "vm/proc/registry.h"

enum { NEAR_BITS = 8, NEAR_SLOTS = 1 << NEAR_BITS, FAR_BITS = 6, FAR_SLOTS = 1 << FAR_BITS, FAR_LEVELS = 4 };
enum { SLOTS = NEAR_SLOTS + FAR_LEVELS * FAR_SLOTS, DUE_SLOT = SLOTS };
#define NS_PER_TICK INT64_C(1000000)

struct Timer {
    Timer *next, **link;           /* list of its slot */
    Timer *proc_next, **proc_link; /* list of the target process (message timers to a live pid) */
    int64_t tick;
    uint64_t id;  /* of its reference; 0: a receive timeout or a call */
    Proc *owner;  /* receive timeout: whose */
    Proc *to;     /* message timer to a live pid: in whose list it is */
    struct TimerWheel *wheel;
    bool in_wheel;
    bool is_call;
    void (*call)(void *arg); /* under the port lock; NULL: cancelled when it had fired */
    void *arg;
    Term target;
    Term message;
    HeapFrag *frag;
    uint32_t slot;
};

typedef struct TimerWheel {
    SpinLock lock;
    int64_t now; /* all ticks up to this one have been run */
    size_t count;
    IdMap *by_id;
    uint64_t used[SLOTS / 64];
    Timer *slot[SLOTS + 1]; /* the last: due at once */
} TimerWheel;

void timer_init(Sched *s)
{
    s->timers = vm_calloc(sizeof(TimerWheel));
    s->timers->now = clock_uptime_ns() / NS_PER_TICK;
}

/* --- slots ------------------------------------------------------------------------------------- */
static unsigned far_shift(unsigned level)
{
    return NEAR_BITS + FAR_BITS * level;
}

static uint32_t wheel_slot_of(const TimerWheel *w, int64_t tick)
{
    int64_t ahead = tick - w->now;
    if (ahead <= 0) {
        return DUE_SLOT;
    }
    if (ahead < NEAR_SLOTS) {
        return (uint32_t)(tick & (NEAR_SLOTS - 1));
    }
    unsigned level = 0;
    while (level < FAR_LEVELS - 1 && ahead >> far_shift(level + 1)) {
        level++;
    }
    int64_t reach = (INT64_C(1) << far_shift(FAR_LEVELS)) - 1;
    int64_t at = ahead > reach ? w->now + reach : tick;
    return NEAR_SLOTS + level * FAR_SLOTS + (uint32_t)(at >> far_shift(level) & (FAR_SLOTS - 1));
}

static void wheel_insert(TimerWheel *w, Timer *t)
{
    t->slot = wheel_slot_of(w, t->tick);
    Timer **head = &w->slot[t->slot];
    t->next = *head;
    t->link = head;
    if (t->next) {
        t->next->link = &t->next;
    }
    *head = t;
    if (t->slot < SLOTS) {
        w->used[t->slot / 64] |= UINT64_C(1) << (t->slot % 64);
    }
}

static void wheel_unlink(TimerWheel *w, Timer *t)
{
    *t->link = t->next;
    if (t->next) {
        t->next->link = t->link;
    }
    if (t->slot < SLOTS && !w->slot[t->slot]) {
        w->used[t->slot / 64] &= ~(UINT64_C(1) << (t->slot % 64));
    }
}

static void timer_add(TimerWheel *w, Timer *t)
{
    w->count++;
    t->wheel = w;
    t->in_wheel = true;
    wheel_insert(w, t);
}

/* Not when the process has ended meanwhile: then nobody would take it out. */
static void list_link(Timer *t, Proc *to)
{
    spin_lock(&to->timers_lock);
    if (!to->timers_closed) {
        t->to = to;
        t->proc_next = to->timers;
        t->proc_link = &to->timers;
        if (t->proc_next) {
            t->proc_next->proc_link = &t->proc_next;
        }
        to->timers = t;
    }
    spin_unlock(&to->timers_lock);
}

static void list_unlink(Timer *t)
{
    spin_lock(&t->to->timers_lock);
    *t->proc_link = t->proc_next;
    if (t->proc_next) {
        t->proc_next->proc_link = t->proc_link;
    }
    spin_unlock(&t->to->timers_lock);
}

static void timer_drop(TimerWheel *w, Timer *t)
{
    w->count--;
    wheel_unlink(w, t);
    t->in_wheel = false;
    if (t->id) {
        idmap_delete(&w->by_id, t->id, NULL);
    }
    if (t->to) {
        list_unlink(t);
    }
}

static void timer_free(Timer *t)
{
    if (t->frag) {
        frag_free(t->frag);
    }
    vm_free(t);
}

/* First tick at or after due_ns. */
static int64_t tick_of(int64_t due_ns)
{
    return due_ns > 0 ? (due_ns - 1) / NS_PER_TICK + 1 : due_ns / NS_PER_TICK;
}

/* --- receive timeouts ------------------------------------------------------------------------------ */
void timer_set_receive(Proc *p, uint64_t ms)
{
    if (p->recv_timer) {
        return;
    }
    Timer *t = vm_calloc(sizeof *t);
    t->owner = p;
    t->tick = tick_of(clock_uptime_ns() + (int64_t)ms * NS_PER_TICK);
    p->recv_timer = t;
    spin_lock(&p->sched->timers->lock);
    timer_add(p->sched->timers, t);
    spin_unlock(&p->sched->timers->lock);
}

void timer_cancel_receive(Proc *p)
{
    Timer *t = p->recv_timer;
    if (t) {
        TimerWheel *w = t->wheel;
        p->recv_timer = NULL;
        spin_lock(&w->lock);
        if (t->in_wheel) {
            timer_drop(w, t);
        }
        spin_unlock(&w->lock);
        timer_free(t);
        __atomic_fetch_and(&p->state, ~(uint32_t)PS_TIMEOUT, __ATOMIC_RELAXED);
    }
}

/* --- message timers ---------------------------------------------------------------------------------- */
void timer_start_message(Sched *s, int64_t due_ns, Term target, uint64_t id, Term message, HeapFrag *frag)
{
    Timer *t = vm_calloc(sizeof *t);
    t->tick = tick_of(due_ns);
    t->id = id;
    t->target = target;
    t->message = message;
    t->frag = frag;
    TimerWheel *w = s->timers;
    spin_lock(&w->lock);
    Proc *to = proc_lookup(target);
    if (to) {
        list_link(t, to);
    }
    idmap_put(&w->by_id, id, (uintptr_t)t);
    timer_add(w, t);
    spin_unlock(&w->lock);
}

Timer *timer_start_call(int64_t due_ns, void (*fn)(void *arg), void *arg)
{
    TimerWheel *w = plat_sched()->timers;
    Timer *t = vm_calloc(sizeof *t);
    t->tick = tick_of(due_ns);
    t->is_call = true;
    t->call = fn;
    t->arg = arg;
    spin_lock(&w->lock);
    timer_add(w, t);
    spin_unlock(&w->lock);
    return t;
}

void timer_cancel_call(Timer *t)
{
    TimerWheel *w = t->wheel;
    spin_lock(&w->lock);
    bool waiting = t->in_wheel;
    if (waiting) {
        timer_drop(w, t);
    }
    spin_unlock(&w->lock);
    if (waiting) {
        timer_free(t);
    } else {
        t->call = NULL; /* its scheduler is about to call it, and waits for the port lock */
    }
}

/* Under the wheel's lock. */
static Timer *timer_find(const TimerWheel *w, uint64_t id)
{
    uint64_t *place = id ? idmap_find(w->by_id, id) : NULL;
    return place ? (Timer *)(uintptr_t)*place : NULL;
}

static int64_t timer_left_ms(const Timer *t)
{
    int64_t left = t->tick * NS_PER_TICK - clock_uptime_ns();
    return left > 0 ? left / NS_PER_TICK : 0;
}

static TimerWheel *wheel_of(uint64_t id)
{
    return sched_get(ref_id_scheduler(id))->timers;
}

int64_t timer_read(uint64_t id)
{
    TimerWheel *w = wheel_of(id);
    spin_lock(&w->lock);
    const Timer *t = timer_find(w, id);
    int64_t left = t ? timer_left_ms(t) : -1;
    spin_unlock(&w->lock);
    return left;
}

int64_t timer_cancel(uint64_t id)
{
    TimerWheel *w = wheel_of(id);
    spin_lock(&w->lock);
    Timer *t = timer_find(w, id);
    int64_t left = t ? timer_left_ms(t) : -1;
    if (t) {
        timer_drop(w, t);
    }
    spin_unlock(&w->lock);
    if (t) {
        timer_free(t);
    }
    return left;
}

void timer_each(Proc *p, void (*fn)(Term to, Term message, int64_t ms_left, void *arg), void *arg)
{
    spin_lock(&p->timers_lock);
    for (const Timer *t = p->timers; t; t = t->proc_next) {
        fn(p->id, t->message, timer_left_ms(t), arg);
    }
    spin_unlock(&p->timers_lock);
}

void timer_owner_exit(Proc *p)
{
    timer_cancel_receive(p);
    for (;;) {
        /* The list's lock is taken inside the wheels', so the wheel's is not to be had here: only the id is taken
         * along. */
        spin_lock(&p->timers_lock);
        uint64_t id = p->timers ? p->timers->id : 0;
        p->timers_closed = !id;
        spin_unlock(&p->timers_lock);
        if (!id) {
            return;
        }
        timer_cancel(id);
    }
}

size_t timer_count(const Sched *s)
{
    return s->timers->count;
}

/* --- running --------------------------------------------------------------------------------------- */
static void timer_fire(TimerWheel *w, Timer *t, Timer ***fired)
{
    timer_drop(w, t);
    if (t->owner) {
        /* Still under the lock: the owner's end waits for it. */
        __atomic_fetch_or(&t->owner->state, PS_TIMEOUT, __ATOMIC_RELEASE);
        sched_ready(t->owner);
    } else {
        t->next = NULL;
        **fired = t;
        *fired = &t->next;
    }
}

/* What message timers do, outside of the lock. */
static void timer_deliver(Timer *t)
{
    if (t->is_call) {
        ports_lock();
        if (t->call) {
            t->call(t->arg);
        }
        ports_unlock();
        timer_free(t);
        return;
    }
    Term to = is_atom(t->target) ? registry_find(t->target) : t->target;
    if (is_local_pid(to)) {
        msg_send_frag_from(A_clock_service, to, t->message, t->frag);
        t->frag = NULL;
    } else if (is_local_port(to)) {
        port_receive_message(NULL, to, t->message);
    }
    timer_free(t);
}

/* Lists grow at the front; timers of one tick fire in the order they were started. */
static void wheel_fire(TimerWheel *w, uint32_t slot, Timer ***fired)
{
    while (w->slot[slot]) {
        Timer *last = w->slot[slot];
        while (last->next) {
            last = last->next;
        }
        while (last) {
            Timer *before = last->link == &w->slot[slot]
                                ? NULL
                                : (Timer *)(void *)((char *)last->link - offsetof(Timer, next));
            timer_fire(w, last, fired);
            last = before;
        }
    }
}

static void wheel_move_down(TimerWheel *w, uint32_t slot)
{
    Timer *t = w->slot[slot], *oldest_first = NULL;
    w->slot[slot] = NULL;
    w->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    while (t) {
        Timer *next = t->next;
        t->next = oldest_first;
        oldest_first = t;
        t = next;
    }
    while (oldest_first) {
        Timer *next = oldest_first->next;
        wheel_insert(w, oldest_first);
        oldest_first = next;
    }
}

/* The clock has just entered tick w->now, a multiple of NEAR_SLOTS. */
static void wheel_enter_far_slots(TimerWheel *w)
{
    for (unsigned level = 0; level < FAR_LEVELS; level++) {
        uint32_t index = (uint32_t)(w->now >> far_shift(level) & (FAR_SLOTS - 1));
        wheel_move_down(w, NEAR_SLOTS + level * FAR_SLOTS + index);
        if (index) {
            break;
        }
    }
}

/* Next tick after now, in now's block of NEAR_SLOTS, whose slot is in use; or the first tick of the next block. */
static int64_t wheel_next_near(const TimerWheel *w)
{
    int64_t block = w->now & ~(int64_t)(NEAR_SLOTS - 1);
    for (uint32_t i = (uint32_t)(w->now & (NEAR_SLOTS - 1)) + 1; i < NEAR_SLOTS;) {
        uint64_t bits = w->used[i / 64] >> (i % 64);
        if (bits) {
            return block + i + __builtin_ctzll(bits);
        }
        i = (i / 64 + 1) * 64;
    }
    return block + NEAR_SLOTS;
}

static void wheel_advance(TimerWheel *w, int64_t target, Timer ***fired)
{
    wheel_fire(w, DUE_SLOT, fired);
    while (w->now < target) {
        int64_t next = w->count ? wheel_next_near(w) : target;
        if (next > target) {
            w->now = target;
            break;
        }
        w->now = next;
        if ((next & (NEAR_SLOTS - 1)) == 0) {
            wheel_enter_far_slots(w);
        }
        wheel_fire(w, (uint32_t)(next & (NEAR_SLOTS - 1)), fired);
        wheel_fire(w, DUE_SLOT, fired);
    }
}

/* Steps (1..count) from index to the next used slot of a ring of `count` slots; 0: none. */
static unsigned ring_next(const uint64_t *used, unsigned count, unsigned index)
{
    for (unsigned step = 1; step <= count; step++) {
        unsigned i = (index + step) & (count - 1);
        if (used[i / 64] == 0) {
            step += 63 - i % 64; /* nothing in the rest of this word */
            continue;
        }
        if (used[i / 64] >> (i % 64) & 1) {
            return step;
        }
    }
    return 0;
}

/* The tick at which something is to be done, fired or moved down: -1 when never. */
static int64_t wheel_next(const TimerWheel *w)
{
    if (w->count == 0) {
        return -1;
    }
    if (w->slot[DUE_SLOT]) {
        return w->now;
    }
    int64_t best = INT64_MAX;
    unsigned step = ring_next(w->used, NEAR_SLOTS, (unsigned)(w->now & (NEAR_SLOTS - 1)));
    if (step) {
        best = w->now + step;
    }
    for (unsigned level = 0; level < FAR_LEVELS; level++) {
        int64_t unit = w->now >> far_shift(level);
        step = ring_next(w->used + NEAR_SLOTS / 64 + level, FAR_SLOTS, (unsigned)(unit & (FAR_SLOTS - 1)));
        int64_t tick = (unit + step) << far_shift(level);
        if (step && tick < best) {
            best = tick;
        }
    }
    return best;
}

int64_t timer_run(Sched *s, int64_t now_ns)
{
    TimerWheel *w = s->timers;
    Timer *first = NULL, **fired = &first;
    spin_lock(&w->lock);
    wheel_advance(w, now_ns / NS_PER_TICK, &fired);
    int64_t next = wheel_next(w);
    spin_unlock(&w->lock);
    while (first) {
        Timer *t = first;
        first = t->next;
        timer_deliver(t);
    }
    if (next < 0) {
        return -1;
    }
    int64_t wait = next * NS_PER_TICK - now_ns;
    return wait > 0 ? wait : 0;
}

size_t timer_message_bytes(void)
{
    size_t count = 0;
    for (unsigned i = 0; i < sched_count(); i++) {
        TimerWheel *w = sched_get(i)->timers;
        spin_lock(&w->lock);
        count += idmap_count(w->by_id);
        spin_unlock(&w->lock);
    }
    return count * sizeof(Timer);
}
