/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where interrupts become messages: {interrupt, Vector, Timestamp, Data} to the owner of the vector. Called by the scheduler between
 * slices, and with a timeout when it has nothing to run; then the processor halts until an interrupt or the timeout.
 */
#include "kernel/irq/irq.h"
#include "kernel/time/clock.h"
#include "plat/metal/caps.h"
#include "plat/metal/metal.h"
#include "vm/proc/sched.h"

/* Halting: this long without an interrupt and without work means that all output has gone; at most that long in all. */
#define QUIET_NS (20 * INT64_C(1000000))
#define RUN_OUT_NS INT64_C(1000000000)

static struct Poll {
    Sched *sched;
    uint32_t woken; /* atomic: plat_wake was called and plat_poll has not returned since */
    int64_t idle_ns;
    void (*end)(int status); /* set: the machine is halting */
    int end_status;
    int64_t end_by_ns;
} poll;

static void deliver(const IrqRecord *record)
{
    const Cap *cap = cap_of_vector(record->vector);
    if (cap == NULL) {
        return;
    }
    Letter l = letter_new(5 + INT64_WORDS);
    Term time = build_int64(&l.hp, record->time_ns);
    const Term message[] = {A_interrupt, make_small(record->vector), time, make_small(record->data)};
    letter_send(&l, cap->owner, letter_tuple(&l, 4, message));
}

bool poll_interrupts(void)
{
    IrqRecord record;
    bool any = false;
    while (irq_next(&record)) {
        deliver(&record);
        any = true;
    }
    return any;
}

int64_t poll_idle_ns(void) { return poll.idle_ns; }

static bool is_wanted(void)
{
    return irq_is_pending() || __atomic_load_n(&poll.woken, __ATOMIC_ACQUIRE) != 0;
}

static void idle(int64_t timeout_ns)
{
    int64_t now = clock_now_ns();
    clock_idle_until(timeout_ns < 0 || timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns, is_wanted);
    poll.idle_ns += clock_now_ns() - now;
}

/* While halting, idling is bounded, and idling to that bound is the end. */
static void idle_out(int64_t timeout_ns)
{
    bool whole = timeout_ns < 0 || timeout_ns >= QUIET_NS;
    idle(whole ? QUIET_NS : timeout_ns);
    if (whole && !is_wanted()) {
        poll.end(poll.end_status);
    }
}

void plat_poll(Sched *s, int64_t timeout_ns)
{
    (void)s;
    caps_sweep();
    if (poll.end != NULL && clock_now_ns() > poll.end_by_ns) {
        poll.end(poll.end_status);
    }
    if (!poll_interrupts() && timeout_ns != 0 && !is_wanted()) {
        if (poll.end != NULL) {
            idle_out(timeout_ns);
        } else {
            idle(timeout_ns);
        }
        poll_interrupts();
    }
    __atomic_store_n(&poll.woken, 0, __ATOMIC_RELEASE);
}

/* The calling process stays marked as running, so the scheduler, entered once more on top of it, never picks it again. */
_Noreturn void poll_run_out(void (*end)(int status), int status)
{
    if (poll.end == NULL && sched_count() > 0) {
        poll.end = end;
        poll.end_status = status;
        poll.end_by_ns = clock_now_ns() + RUN_OUT_NS;
        sched_main(sched_get(0));
    }
    end(status);
    __builtin_unreachable();
}

/* --- schedulers: one ------------------------------------------------------------------------------------------- */
bool plat_start_scheduler(Sched *s)
{
    (void)s;
    return false;
}

Sched *plat_sched(void) { return poll.sched; }
void plat_set_sched(Sched *s) { poll.sched = s; }
void plat_relax(void) { __builtin_ia32_pause(); }

void plat_wake(Sched *s)
{
    (void)s; /* one scheduler */
    __atomic_store_n(&poll.woken, 1, __ATOMIC_RELEASE);
}
