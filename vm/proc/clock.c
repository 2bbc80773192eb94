/* SPDX-License-Identifier: Apache-2.0 */
/* See clock.h. */
#include "vm/proc/clock.h"

#include "vm/plat.h"
#include "vm/term/term.h"

static struct Clock {
    int64_t boot_ns;   /* plat_monotonic_ns() at clock_init */
    int64_t offset_ns; /* Erlang system time - Erlang monotonic time; never changes */
    uint64_t last_unique; /* atomic: what clock_unique_monotonic() counts */
    int64_t last_us;   /* atomic: what clock_unique_us() gave last */
} vm_clock;

void clock_init(void)
{
    vm_clock.boot_ns = plat_monotonic_ns();
    vm_clock.offset_ns = plat_wall_ns() - CLOCK_START;
}

int64_t clock_uptime_ns(void)
{
    return plat_monotonic_ns() - vm_clock.boot_ns;
}

int64_t clock_monotonic_ns(void)
{
    return clock_uptime_ns() + CLOCK_START;
}

int64_t clock_offset_ns(void)
{
    return vm_clock.offset_ns;
}

int64_t clock_system_ns(void)
{
    return clock_monotonic_ns() + vm_clock.offset_ns;
}

int64_t clock_unique_monotonic(void)
{
    return SMALL_MIN + (int64_t)__atomic_fetch_add(&vm_clock.last_unique, 1, __ATOMIC_SEQ_CST);
}

int64_t clock_unique_us(void)
{
    int64_t now = clock_system_ns() / 1000, last = __atomic_load_n(&vm_clock.last_us, __ATOMIC_RELAXED), next;
    do {
        next = now > last ? now : last + 1;
    } while (!__atomic_compare_exchange_n(&vm_clock.last_us, &last, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return next;
}
