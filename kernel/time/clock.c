/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See clock.h. A measurement is two sandwiches: counter, reference, counter. Its error is how long a sandwich took,
 * so that a preemption in a busy virtual machine is seen and not mistaken for a fast counter.
 *
 * Booting does not wait for precision: half a millisecond gives rates to 1 % or better, clock_settle() measures from
 * the same first sample to the end of the kernel's start, and the first idling after a second measures once more, to a
 * few millionths. Time never jumps: a better rate counts from the moment it is known.
 */
#include "kernel/time/clock.h"

#include "kernel/acpi/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/lapic.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/log.h"
#include "kernel/panic/panic.h"

enum { WINDOWS = 40, SANDWICHES = 12, WINDOW_US = 100, GOOD_ERROR = 50000000 };
enum { PIT_COMMAND = 0x43, PIT_CHANNEL2 = 0x42, PIT_GATE = 0x61 };
enum { HPET_CAPABILITIES = 0, HPET_CONFIG = 2, HPET_COUNTER = 30 }; /* in 64-bit words */
#define PIT_HZ UINT64_C(1193182)
#define NS_PER_S UINT64_C(1000000000)
#define ALARM_MAX_NS INT64_C(2000000000)

/* Two readings at one moment, and how sure that is. */
typedef struct Sample {
    uint64_t tsc, reference, width;
    uint32_t timer; /* local APIC, counts down */
} Sample;

static struct Clock {
    bool ready;
    bool use_hpet; /* as the clock, not only as the reference */
    bool has_hpet;
    volatile uint64_t *hpet;
    uint64_t reference_hz, reference_mask;
    uint64_t tsc_hz, timer_hz;
    Sample first;        /* where the measurements began */
    uint64_t error;      /* of the rates, in parts of 10^9 */
    int64_t refine_ns;   /* when to measure once more */
    uint64_t base;       /* counter when it was base_ns */
    int64_t base_ns;
    uint64_t ns_per_tick; /* times 2^32 */
    uint64_t ticks_per_ns; /* local APIC timer, times 2^32 */
    uint32_t version;    /* atomic; odd while base, base_ns and ns_per_tick change */
    struct Alarm {
        int64_t at_ns;   /* 0: none set */
        bool rang;
    } alarms[ACPI_CPUS]; /* one a processor, and its own business */
} clock = {.refine_ns = NS_PER_S};

static struct Alarm *own_alarm(void) { return &clock.alarms[cpu_index()]; }

static void reference_start(void)
{
    uint64_t phys = acpi_info()->hpet_phys;
    clock.hpet = phys != 0 ? window_map(phys, PAGE_SIZE, MAP_WRITE | MAP_UNCACHED) : NULL;
    uint64_t period_fs = clock.hpet != NULL ? clock.hpet[HPET_CAPABILITIES] >> 32 : 0;
    if (period_fs > 0 && period_fs <= 100000000) {
        clock.has_hpet = true;
        clock.reference_hz = UINT64_C(1000000000000000) / period_fs;
        clock.reference_mask = (clock.hpet[HPET_CAPABILITIES] & 1 << 13) != 0 ? UINT64_MAX : UINT32_MAX;
        clock.hpet[HPET_CONFIG] |= 1;
        return;
    }
    clock.reference_hz = PIT_HZ;
    clock.reference_mask = 0xffff;
    io_out8(PIT_GATE, (uint8_t)((io_in8(PIT_GATE) & ~2) | 1)); /* channel 2 runs, speaker off */
    io_out8(PIT_COMMAND, 0xb4);                                /* channel 2, both bytes, rate generator */
    io_out8(PIT_CHANNEL2, 0);
    io_out8(PIT_CHANNEL2, 0); /* 65536 */
}

static uint64_t reference_read(void)
{
    if (clock.has_hpet) {
        return clock.hpet[HPET_COUNTER];
    }
    io_out8(PIT_COMMAND, 0x80); /* latch channel 2 */
    unsigned low = io_in8(PIT_CHANNEL2);
    return 0x10000 - (low | (unsigned)io_in8(PIT_CHANNEL2) << 8);
}

static Sample sample(void)
{
    Sample best = {.width = UINT64_MAX};
    for (int i = 0; i < SANDWICHES; i++) {
        Sample s;
        uint64_t before = tsc_read();
        s.reference = reference_read();
        s.timer = lapic_timer_left();
        uint64_t after = tsc_read();
        s.width = after - before;
        s.tsc = before + s.width / 2;
        if (s.width < best.width) {
            best = s;
        }
    }
    return best;
}

/* Takes the rates from two samples if that is better than what is known. The reference must not have come round between
 * them. */
static void take_rates(const Sample *a, const Sample *b, bool timer_ran)
{
    uint64_t reference = (b->reference - a->reference) & clock.reference_mask, tsc = b->tsc - a->tsc;
    uint64_t error = (a->width + b->width) * NS_PER_S / (tsc + 1);
    if (reference == 0 || error >= clock.error) {
        return;
    }
    clock.error = error;
    clock.tsc_hz = (uint64_t)((unsigned __int128)tsc * clock.reference_hz / reference);
    if (timer_ran) {
        clock.timer_hz = (uint64_t)((unsigned __int128)(a->timer - b->timer) * clock.reference_hz / reference);
    }
}

/* A first estimate from as short a wait as gives one. */
static void measure(void)
{
    clock.error = UINT64_MAX;
    lapic_timer_start(UINT32_MAX);
    clock.first = sample();
    for (uint64_t i = 1; i <= WINDOWS && clock.error > GOOD_ERROR; i++) {
        uint64_t wanted = clock.reference_hz * WINDOW_US * i / 1000000;
        while (((reference_read() - clock.first.reference) & clock.reference_mask) < wanted) {
            cpu_pause();
        }
        Sample b = sample();
        take_rates(&clock.first, &b, true);
    }
    if (clock.tsc_hz == 0 || clock.timer_hz < 1000000) {
        panic("the clocks stand still: tsc %llu Hz, timer %llu Hz", (unsigned long long)clock.tsc_hz,
              (unsigned long long)clock.timer_hz);
    }
}

static uint64_t ticks(void) { return clock.use_hpet ? clock.hpet[HPET_COUNTER] : tsc_read(); }

static void set_rates(void)
{
    clock.ns_per_tick = (NS_PER_S << 32) / (clock.use_hpet ? clock.reference_hz : clock.tsc_hz);
    clock.ticks_per_ns = (clock.timer_hz << 24) / NS_PER_S << 8;
}

void clock_start(uint64_t handover_tsc)
{
    reference_start();
    measure();
    clock.use_hpet = clock.has_hpet && clock.reference_mask == UINT64_MAX && !cpu_has_invariant_tsc() &&
            !cpu_is_virtual();
    set_rates();
    clock.base = handover_tsc;
    if (clock.use_hpet) {
        clock.base_ns = (int64_t)((tsc_read() - handover_tsc) * (NS_PER_S / 1000) / (clock.tsc_hz / 1000));
        clock.base = ticks();
    }
    clock.ready = true;
    log_stamp_early(handover_tsc);
}

/* Goes on from the present time with better rates. */
static void measure_again(bool timer_ran)
{
    uint64_t passed = (tsc_read() - clock.first.tsc) / (clock.tsc_hz / 1000); /* ms */
    if (clock.reference_mask / (clock.reference_hz / 1000) < 2 * passed) {
        return; /* the reference may have come round */
    }
    Sample b = sample();
    take_rates(&clock.first, &b, timer_ran);
    bool on = interrupts_save(); /* a handler that asked for the time here would wait for us */
    int64_t now = clock_now_ns();
    uint64_t at = ticks();
    __atomic_store_n(&clock.version, clock.version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    set_rates();
    clock.base = at;
    clock.base_ns = now;
    __atomic_store_n(&clock.version, clock.version + 1, __ATOMIC_RELEASE);
    interrupts_restore(on);
}

void clock_settle(void)
{
    measure_again(true);
    lapic_timer_start(0);
    klog("clock: %s, tsc %llu kHz, timer %llu kHz, measured with the %s", clock.use_hpet ? "hpet" : "tsc",
         (unsigned long long)(clock.tsc_hz / 1000), (unsigned long long)(clock.timer_hz / 1000),
         clock.has_hpet ? "hpet" : "pit");
}

bool clock_is_ready(void) { return clock.ready; }
uint64_t clock_tsc_hz(void) { return clock.tsc_hz; }
uint64_t clock_timer_hz(void) { return clock.timer_hz; }

int64_t clock_now_ns(void)
{
    for (;;) {
        uint32_t version = __atomic_load_n(&clock.version, __ATOMIC_ACQUIRE);
        uint64_t passed = ticks() - clock.base;
        int64_t ns = clock.base_ns + (int64_t)(uint64_t)((unsigned __int128)passed * clock.ns_per_tick >> 32);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(version & 1) && __atomic_load_n(&clock.version, __ATOMIC_RELAXED) == version) {
            return ns;
        }
    }
}

/* The timer counts 32 bits: a far alarm is reached in steps, each of which rings here. Interrupts off. */
static void timer_arm(int64_t now)
{
    if (own_alarm()->at_ns == 0) {
        lapic_timer_start(0);
        return;
    }
    int64_t left = own_alarm()->at_ns - now;
    left = left < 1000 ? 1000 : left > ALARM_MAX_NS ? ALARM_MAX_NS : left;
    uint64_t count = (uint64_t)((unsigned __int128)(uint64_t)left * clock.ticks_per_ns >> 32);
    lapic_timer_start(count > UINT32_MAX ? UINT32_MAX : count == 0 ? 1 : (uint32_t)count);
}

void clock_alarm_set(int64_t deadline_ns)
{
    bool on = interrupts_save();
    *own_alarm() = (struct Alarm){deadline_ns == INT64_MAX ? 0 : deadline_ns > 0 ? deadline_ns : 1, false};
    timer_arm(clock_now_ns());
    interrupts_restore(on);
}

void clock_alarm_isr(void)
{
    int64_t now = clock_now_ns();
    if (own_alarm()->at_ns && now >= own_alarm()->at_ns) {
        *own_alarm() = (struct Alarm){0, true};
    } else {
        timer_arm(now);
    }
}

bool clock_alarm_rang(void)
{
    bool on = interrupts_save();
    bool rang = own_alarm()->rang;
    own_alarm()->rang = false;
    interrupts_restore(on);
    return rang;
}

void clock_idle_until(int64_t deadline_ns, bool (*is_wanted)(void))
{
    if (cpu_index() == 0 && clock.refine_ns < clock_now_ns()) {
        clock.refine_ns = INT64_MAX;
        measure_again(false);
    }
    clock_alarm_set(deadline_ns);
    interrupts_off();
    while (!own_alarm()->rang && (is_wanted == NULL || !is_wanted()) && clock_now_ns() < deadline_ns) {
        cpu_wait_interrupt();
    }
    interrupts_on();
    clock_alarm_set(INT64_MAX);
}
