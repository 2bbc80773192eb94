/* SPDX-License-Identifier: Apache-2.0 */
/* Natives: statistics/1, unique integers and references, and what else asks the schedulers. */
#include "gen/natives.h"
#include "vm/load/code.h"
#include "vm/plat.h"
#include "vm/proc/safe.h"
#include "vm/proc/clock.h"
#include "vm/proc/msacc.h"
#include "vm/proc/port.h"
#include "vm/proc/sched.h"
#include "vm/term/map.h"

enum { NS_PER_MS = 1000000 };

/* What "since the last call" refers to, and the scheduler wall time measurement. For the whole machine, as in OTP. */
static struct Statistics {
    uint64_t reductions, exact_reductions;
    int64_t runtime_ms, wall_ms;
    bool wall_time_on;
    int64_t wall_time_start_ns, wall_time_start_idle_ns[MAX_SCHEDULERS];
} stats;

/* --- what is counted ----------------------------------------------------------------------------------------- */
static uint64_t total_reductions(const Proc *p)
{
    uint64_t sum = (uint64_t)(SLICE_REDUCTIONS - p->fcalls);
    for (unsigned i = 0; i < sched_count(); i++) {
        sum += sched_get(i)->reductions;
    }
    return sum;
}

static void add_gc(Proc *p, void *arg)
{
    uint64_t *sum = arg;
    sum[0] += p->gc_count;
    sum[1] += p->gc_words_reclaimed;
}

static Term garbage_collection(Proc *p)
{
    uint64_t sum[2] = {0, 0};
    for (unsigned i = 0; i < sched_count(); i++) {
        sum[0] += sched_get(i)->gc_count;
        sum[1] += sched_get(i)->gc_words_reclaimed;
    }
    safe_alone_begin();
    proc_each(add_gc, sum);
    safe_alone_end();
    return heap_tuple3(p, heap_uint64(p, sum[0]), heap_uint64(p, sum[1]), make_small(0));
}

static Term io(Proc *p)
{
    uint64_t input, output;
    ports_lock();
    port_io_totals(&input, &output);
    ports_unlock();
    return heap_tuple2(p, heap_tuple2(p, A_input, heap_uint64(p, input)),
                       heap_tuple2(p, A_output, heap_uint64(p, output)));
}

static Term context_switches(Proc *p)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < sched_count(); i++) {
        sum += sched_get(i)->context_switches;
    }
    return heap_tuple2(p, heap_uint64(p, sum), make_small(0));
}

/* {Total, since the last call}; *last is that call's total. */
static Term total_and_since(Proc *p, uint64_t total, uint64_t *last)
{
    uint64_t since = total - *last;
    *last = total;
    return heap_tuple2(p, heap_uint64(p, total), heap_uint64(p, since));
}

static Term total_and_since_ms(Proc *p, int64_t total_ns, int64_t *last_ms)
{
    int64_t total = total_ns / NS_PER_MS, since = total - *last_ms;
    *last_ms = total;
    return heap_tuple2(p, heap_int64(p, total), heap_int64(p, since));
}

/* A figure for each scheduler's queue; there are no queues for dirty work. `running` counts the process that runs. */
static Term queue_lengths(Proc *p, bool running)
{
    Term list = NIL;
    for (unsigned i = sched_count(); i-- > 0;) {
        const Sched *s = sched_get(i);
        size_t n = __atomic_load_n(&s->queued, __ATOMIC_RELAXED) +
                   (running && __atomic_load_n(&s->current, __ATOMIC_RELAXED) ? 1 : 0);
        list = heap_cons_on(p, make_small((int64_t)n), list);
    }
    return list;
}

static size_t active_tasks(void)
{
    size_t n = sched_run_queue_length();
    for (unsigned i = 0; i < sched_count(); i++) {
        n += __atomic_load_n(&sched_get(i)->current, __ATOMIC_RELAXED) != NULL;
    }
    return n;
}

/* [{Id, Active, Total}] since the measurement began. */
static Term wall_time_list(Proc *p)
{
    if (!stats.wall_time_on) {
        return A_undefined;
    }
    Term list = NIL;
    int64_t now = clock_uptime_ns(), total = now - stats.wall_time_start_ns;
    for (unsigned i = sched_count(); i-- > 0;) {
        int64_t idle = sched_idle_ns(sched_get(i), now) - stats.wall_time_start_idle_ns[i];
        int64_t active = idle < 0 ? total : idle > total ? 0 : total - idle;
        Term row = heap_tuple3(p, make_small(i + 1), heap_int64(p, active), heap_int64(p, total));
        list = heap_cons_on(p, row, list);
    }
    return list;
}

/* [#{type, id, counters}], the last scheduler first; in units of os:perf_counter/0. */
static Term microstates(Proc *p)
{
    Term list = NIL;
    for (unsigned i = 0; i < sched_count(); i++) {
        static const Term names[MSACC_STATES] = {A_other, A_aux, A_check_io, A_emulator, A_gc, A_port, A_sleep};
        Term pairs[2 * MSACC_STATES];
        for (int state = 0; state < MSACC_STATES; state++) {
            pairs[2 * state] = names[state];
            pairs[2 * state + 1] = heap_int64(p, msacc_time(sched_get(i), (MsaccState)state));
        }
        Term counters = map_from_pairs(p, pairs, MSACC_STATES);
        Term thread[] = {A_counters, counters, A_id, make_small(i + 1), A_type, A_scheduler};
        list = heap_cons_on(p, map_from_pairs(p, thread, 3), list);
    }
    return list;
}

NATIVE(native_statistics)
{
    size_t queued = sched_run_queue_length();
    switch (a[0]) {
    case A_reductions:
        return total_and_since(p, total_reductions(p), &stats.reductions);
    case A_exact_reductions:
        return total_and_since(p, total_reductions(p), &stats.exact_reductions);
    case A_runtime:
        return total_and_since_ms(p, plat_cpu_ns(), &stats.runtime_ms);
    case A_wall_clock:
        return total_and_since_ms(p, clock_uptime_ns(), &stats.wall_ms);
    case A_garbage_collection:
        return garbage_collection(p);
    case A_io:
        return io(p);
    case A_context_switches:
        return context_switches(p);
    case A_run_queue:
    case A_total_run_queue_lengths:
    case A_total_run_queue_lengths_all:
        return make_small((int64_t)queued);
    case A_run_queue_lengths:
    case A_run_queue_lengths_all:
        return queue_lengths(p, false);
    case A_total_active_tasks:
    case A_total_active_tasks_all:
        return make_small((int64_t)active_tasks());
    case A_active_tasks:
    case A_active_tasks_all:
        return queue_lengths(p, true);
    case A_scheduler_wall_time:
    case A_scheduler_wall_time_all:
        return wall_time_list(p);
    case A_microstate_accounting:
        return microstates(p);
    default:
        return p_badarg(p);
    }
}

/* erts_internal: switches the measurement; returns what it was. */
NATIVE(native_erts_internal_scheduler_wall_time)
{
    if (!is_boolean(a[0])) {
        return p_badarg(p);
    }
    Term old = make_boolean(stats.wall_time_on);
    stats.wall_time_on = a[0] == A_true;
    if (stats.wall_time_on && old == A_false) {
        stats.wall_time_start_ns = clock_uptime_ns();
        for (unsigned i = 0; i < sched_count(); i++) {
            stats.wall_time_start_idle_ns[i] = sched_idle_ns(sched_get(i), stats.wall_time_start_ns);
        }
    }
    return old;
}

/* --- unique values ------------------------------------------------------------------------------------------------ */
static Term unique_integer(Proc *p, bool monotonic, bool positive)
{
    uint64_t n = monotonic ? (uint64_t)(clock_unique_monotonic() - SMALL_MIN) + 1
                           : ++p->sched->unique * MAX_SCHEDULERS + p->sched->index;
    return heap_int64(p, positive ? (int64_t)n : SMALL_MIN + (int64_t)n - 1);
}

NATIVE(native_unique_integer_0)
{
    (void)a;
    return unique_integer(p, false, false);
}

NATIVE(native_unique_integer_1)
{
    bool monotonic = false, positive = false;
    Term list = a[0];
    for (; is_cons(list); list = cons_tail(list)) {
        monotonic |= cons_head(list) == A_monotonic;
        positive |= cons_head(list) == A_positive;
        if (cons_head(list) != A_monotonic && cons_head(list) != A_positive) {
            return p_badarg(p);
        }
    }
    return is_nil(list) ? unique_integer(p, monotonic, positive) : p_badarg(p);
}

NATIVE(native_make_ref)
{
    (void)a;
    return heap_new_ref(p);
}

NATIVE(native_bump_reductions)
{
    if (!is_small(a[0]) || small_value(a[0]) < 0) {
        return p_badarg(p);
    }
    p_charge(p, small_value(a[0]) < SLICE_REDUCTIONS ? (intptr_t)small_value(a[0]) : SLICE_REDUCTIONS);
    return A_true;
}

/* The rest of the slice is given up, but not accounted as work: with none left, the call of yield_done stops where it
 * enters. */
NATIVE(native_yield)
{
    (void)a;
    if (p->fcalls > 0) {
        p->reductions -= (uint64_t)p->fcalls;
        p->sched->reductions -= (uint64_t)p->fcalls;
        p->fcalls = 0;
    }
    return p_trap(p, export_put(A_erts_internal, A_yield_done, 0), 0, NULL);
}

NATIVE(native_erts_internal_yield_done)
{
    (void)p;
    (void)a;
    return A_true;
}
