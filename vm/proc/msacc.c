/* SPDX-License-Identifier: Apache-2.0 */
/* See msacc.h. Switching and resetting stop all schedulers, so that no change of state is half accounted. */
#include "vm/proc/msacc.h"

#include "vm/proc/clock.h"
#include "vm/proc/safe.h"

bool msacc_on;

static void add(Sched *s, MsaccState state, int64_t now)
{
    int64_t *ns = &s->msacc.ns[state];
    __atomic_store_n(ns, *ns + now - s->msacc.since, __ATOMIC_RELAXED);
    __atomic_store_n(&s->msacc.since, now, __ATOMIC_RELAXED);
}

void msacc_account(Sched *s, MsaccState until_now)
{
    add(s, until_now, clock_uptime_ns());
}

bool msacc_switch(bool on)
{
    safe_alone_begin();
    bool old = msacc_on;
    int64_t now = clock_uptime_ns();
    for (unsigned i = 0; i < sched_count() && old != on; i++) {
        Sched *s = sched_get(i);
        if (old) {
            add(s, (MsaccState)s->msacc.state, now);
        }
        __atomic_store_n(&s->msacc.since, now, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&msacc_on, on, __ATOMIC_RELAXED);
    safe_alone_end();
    return old;
}

void msacc_reset(void)
{
    safe_alone_begin();
    int64_t now = clock_uptime_ns();
    for (unsigned i = 0; i < sched_count(); i++) {
        Sched *s = sched_get(i);
        for (int state = 0; state < MSACC_STATES; state++) {
            __atomic_store_n(&s->msacc.ns[state], 0, __ATOMIC_RELAXED);
        }
        __atomic_store_n(&s->msacc.since, now, __ATOMIC_RELAXED);
    }
    safe_alone_end();
}

int64_t msacc_time(const Sched *s, MsaccState state)
{
    int64_t ns = __atomic_load_n(&s->msacc.ns[state], __ATOMIC_RELAXED);
    if (__atomic_load_n(&msacc_on, __ATOMIC_RELAXED) &&
            __atomic_load_n(&s->msacc.state, __ATOMIC_RELAXED) == (uint8_t)state) {
        int64_t current = clock_uptime_ns() - __atomic_load_n(&s->msacc.since, __ATOMIC_RELAXED);
        ns += current > 0 ? current : 0;
    }
    return ns;
}
