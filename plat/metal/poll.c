/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where interrupts become messages: {interrupt, Vector, Timestamp, Data} to the owner of the vector. Called by the
 * scheduler between slices, and with a timeout when it has nothing to run; then the processor halts until an interrupt
 * or the timeout.
 */
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/irq/irq.h"
#include "kernel/smp/smp.h"
#include "kernel/time/clock.h"
#include "plat/metal/caps.h"
#include "plat/metal/metal.h"
#include "vm/proc/port.h"
#include "vm/proc/registry.h"
#include "vm/proc/safe.h"
#include "vm/proc/sched.h"

/* Halting: this long without an interrupt and without work means that all output has gone; at most that long in all,
 * and that much longer while volumes are being written. */
#define QUIET_NS (20 * INT64_C(1000000))
#define RUN_OUT_NS INT64_C(1000000000)
#define WRITE_NS (10 * INT64_C(1000000000))

static struct Poll {
    Sched *scheds[MAX_SCHEDULERS];
    uint32_t woken[MAX_SCHEDULERS]; /* atomic: plat_wake was called and plat_poll has not returned since */
    int64_t idle_ns;
    void (*end)(int status); /* set: the machine is halting */
    int end_status;
    int64_t end_by_ns;
    Term writer; /* atomic: who was told to write the volumes and is not ready; else NONVALUE */
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
    unsigned cpu = cpu_index();
    return (cpu == 0 && irq_is_pending()) || __atomic_load_n(&poll.woken[cpu], __ATOMIC_ACQUIRE) != 0;
}

static void idle(int64_t timeout_ns)
{
    int64_t now = clock_now_ns();
    safe_sleep(plat_sched());
    clock_idle_until(timeout_ns < 0 || timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns, is_wanted);
    safe_awake(plat_sched());
    if (cpu_index() == 0) {
        poll.idle_ns += clock_now_ns() - now;
    }
}

static bool is_writing(void)
{
    Term writer = __atomic_load_n(&poll.writer, __ATOMIC_ACQUIRE);
    return writer != NONVALUE && is_alive(writer);
}

void poll_written(void) { __atomic_store_n(&poll.writer, NONVALUE, __ATOMIC_RELEASE); }

/* Whoever is registered as loom_halt gets the message `halting`, and answers with loom_hw:halt_ready(). */
static void ask_for_writing(void)
{
    Term writer = registry_find(A_loom_halt);
    poll.writer = writer;
    if (writer != NONVALUE) {
        Letter l = letter_new(0);
        letter_send(&l, writer, A_halting);
    }
}

/* While halting, idling is bounded, and idling to that bound is the end. */
static void idle_out(int64_t timeout_ns)
{
    bool whole = timeout_ns < 0 || timeout_ns >= QUIET_NS;
    idle(whole ? QUIET_NS : timeout_ns);
    if (whole && !is_wanted() && !is_writing()) {
        poll.end(poll.end_status);
    }
}

/* Scheduler 0: lets capabilities of the dead go, and hands interrupts on. True when there were any. */
static bool look(void)
{
    ports_lock();
    caps_sweep();
    bool any = poll_interrupts();
    ports_unlock();
    return any;
}

bool plat_is_pending(void) { return irq_is_pending(); }

void plat_poll(Sched *s, int64_t timeout_ns)
{
    if (s->index == 0) {
        if (poll.end != NULL && clock_now_ns() > poll.end_by_ns + (is_writing() ? WRITE_NS : 0)) {
            poll.end(poll.end_status);
        }
        if (!look() && timeout_ns != 0 && !is_wanted()) {
            if (poll.end != NULL) {
                idle_out(timeout_ns);
            } else {
                idle(timeout_ns);
            }
            look();
        }
    } else if (timeout_ns != 0 && !is_wanted()) {
        idle(timeout_ns);
    }
    __atomic_store_n(&poll.woken[s->index], 0, __ATOMIC_RELEASE);
}

/* The calling process stays marked as running, so the scheduler, entered once more on top of it, never picks it again.
 * */
_Noreturn void poll_run_out(void (*end)(int status), int status)
{
    if (poll.end == NULL && sched_count() > 0) {
        poll.end = end;
        poll.end_status = status;
        poll.end_by_ns = clock_now_ns() + RUN_OUT_NS;
        ask_for_writing();
        plat_wake(sched_get(0));
        sched_main(plat_sched());
    }
    end(status);
    __builtin_unreachable();
}

/* --- schedulers: scheduler i on processor i ---------------------------------------------------------------------- */
static void run_scheduler(void *s) { sched_main(s); }
bool plat_start_scheduler(Sched *s) { return smp_start(s->index, run_scheduler, s); }
Sched *plat_sched(void) { return poll.scheds[cpu_index()]; }
void plat_set_sched(Sched *s) { poll.scheds[cpu_index()] = s; }
void plat_relax(void) { cpu_pause(); }

void plat_wake(Sched *s)
{
    unsigned index = s ? s->index : 0;
    if (!__atomic_exchange_n(&poll.woken[index], 1, __ATOMIC_SEQ_CST) && index != cpu_index()) {
        smp_wake(index);
    }
}
