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

static struct Poll {
    uint32_t woken; /* atomic: plat_wake was called and plat_poll has not returned since */
    int64_t idle_ns;
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

void plat_poll(Sched *s, int64_t timeout_ns)
{
    (void)s;
    caps_sweep();
    if (!poll_interrupts() && timeout_ns != 0 && !is_wanted()) {
        int64_t now = clock_now_ns();
        clock_idle_until(timeout_ns < 0 || timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns, is_wanted);
        poll.idle_ns += clock_now_ns() - now;
        poll_interrupts();
    }
    __atomic_store_n(&poll.woken, 0, __ATOMIC_RELEASE);
}

void plat_wake(Sched *s)
{
    (void)s; /* one scheduler */
    __atomic_store_n(&poll.woken, 1, __ATOMIC_RELEASE);
}
