/* SPDX-License-Identifier: Apache-2.0 */
/* Natives: system_flag/2 and system_monitor/0,1,2. */
#include "gen/natives.h"
#include "vm/bif/bif_process.h"
#include "vm/bif/bif_scheduler.h"
#include "vm/bif/system_info.h"
#include "vm/load/code.h"
#include "vm/proc/blocking.h"
#include "vm/proc/exception.h"
#include "vm/proc/msacc.h"
#include "vm/proc/msg.h"
#include "vm/proc/sched.h"
#include "vm/trace/seq.h"
#include "vm/trace/trace_priv.h"
#include "vm/ets/match.h"

enum { MAX_OUTSTANDING_REQUESTS = 134217727, MAX_FULLSWEEP = 65535, MIN_LARGE_HEAP = 16384, NS_PER_MS = 1000000 };

static struct SchedulerFlags {
    SystemMonitor monitor;
    int64_t test_gc_sleep_ns;
} flags;

SystemMonitor *system_monitor(void)
{
    return &flags.monitor;
}

/* --- system_flag ------------------------------------------------------------------------------------------------- */
static bool number_in(Term t, int64_t low, int64_t high, int64_t *n)
{
    *n = is_small(t) ? small_value(t) : -1;
    return is_small(t) && *n >= low && *n <= high;
}

static Term flag_heap_default(Proc *p, Term flag, Term value)
{
    ProcDefaults *d = proc_defaults();
    int64_t n;
    if (!number_in(value, 0, flag == A_fullsweep_after ? INT64_MAX : (INT64_C(1) << 40), &n)) {
        return p_badarg(p);
    }
    size_t old;
    if (flag == A_fullsweep_after) {
        old = d->fullsweep_after;
        d->fullsweep_after = n > MAX_FULLSWEEP ? MAX_FULLSWEEP : (unsigned)n;
    } else if (flag == A_min_heap_size) {
        old = d->min_heap_words;
        d->min_heap_words = heap_next_size((size_t)n);
    } else {
        old = d->min_bin_vheap_words;
        d->min_bin_vheap_words = heap_next_size((size_t)n);
    }
    return make_small((int64_t)old);
}

static Term flag_max_heap(Proc *p, Term value)
{
    ProcDefaults *d = proc_defaults();
    Term old = max_heap_term(p, d->max_heap_words, d->max_heap_flags);
    return max_heap_parse(value, &d->max_heap_words, &d->max_heap_flags) ? old : p_badarg(p);
}

static Term flag_logger(Proc *p, Term value)
{
    if (!is_local_pid(value) && value != A_logger && value != A_undefined) {
        return p_badarg(p);
    }
    Term old = system_settings()->logger;
    system_settings()->logger = value;
    return old;
}

/* Flags with a number of their own. */
static Term flag_number(Proc *p, Term flag, Term value)
{
    int64_t n, old;
    if (flag == A_backtrace_depth) {
        if (!number_in(value, 0, 1024, &n)) {
            return p_badarg(p);
        }
        old = exception_set_depth((unsigned)n);
    } else if (flag == A_trace_control_word) {
        if (!number_in(value, 0, UINT32_MAX, &n)) {
            return p_badarg(p);
        }
        old = __atomic_exchange_n(&match_trace_control_word, (uint32_t)n, __ATOMIC_RELAXED);
    } else {
        if (!number_in(value, 1, MAX_OUTSTANDING_REQUESTS, &n)) {
            return p_badarg(p);
        }
        old = system_settings()->outstanding_requests_limit;
        system_settings()->outstanding_requests_limit = n;
    }
    return make_small(old);
}

/* A pid, a port, {erl_tracer, Pid or Port}, false. */
static Term flag_seq_tracer(Proc *p, Term value)
{
    Term old = seq_tracer();
    if (is_tuple_arity(value, 2) && tuple_elements(value)[0] == A_erl_tracer) {
        value = tuple_elements(value)[1];
    }
    return seq_tracer_set(value) ? old : p_badarg(p);
}

static Term flag_multi_scheduling(Proc *p, Term value)
{
    bool normal = value == A_block_normal || value == A_unblock_normal;
    if (value == A_block || value == A_block_normal) {
        if (sched_count() > 1 && !blocking_begin(p, normal)) {
            return p_system_limit(p);
        }
        p_charge(p, SLICE_REDUCTIONS); /* it goes on where processes still run */
    } else if (value == A_unblock || value == A_unblock_normal) {
        blocking_end(p, normal);
    } else {
        return p_badarg(p);
    }
    return blocking_state();
}

static Term flag_schedulers(Proc *p, Term flag, Term value)
{
    if (!is_small(value) || small_value(value) < 1 || small_value(value) > (int64_t)sched_count()) {
        return p_badarg(p);
    }
    Term old = make_small(sched_online());
    if (flag == A_schedulers_online) {
        sched_set_online((unsigned)small_value(value));
    }
    return old;
}

/* Schedulers are bound to nothing, which is what all of these may come to. */
static bool is_bind_type(Term t)
{
    static const Term types[] = {A_no_node_processor_spread, A_no_node_thread_spread, A_no_spread,
                                 A_processor_spread,         A_spread,                A_thread_spread,
                                 A_thread_no_node_processor_spread, A_unbound,        A_default_bind};
    size_t i = 0;
    while (i < sizeof types / sizeof *types && types[i] != t) {
        i++;
    }
    return i < sizeof types / sizeof *types;
}

static Term flag_microstates(Proc *p, Term value)
{
    if (value == A_reset) {
        msacc_reset();
        return make_boolean(__atomic_load_n(&msacc_on, __ATOMIC_RELAXED));
    }
    return is_boolean(value) ? make_boolean(msacc_switch(value == A_true)) : p_badarg(p);
}

NATIVE(native_system_flag)
{
    switch (a[0]) {
    case A_fullsweep_after:
    case A_min_heap_size:
    case A_min_bin_vheap_size:
        return flag_heap_default(p, a[0], a[1]);
    case A_max_heap_size:
        return flag_max_heap(p, a[1]);
    case A_system_logger:
        return flag_logger(p, a[1]);
    case A_backtrace_depth:
    case A_trace_control_word:
    case A_outstanding_system_requests_limit:
        return flag_number(p, a[0], a[1]);
    case A_multi_scheduling:
        return flag_multi_scheduling(p, a[1]);
    case A_schedulers_online:
    case A_dirty_cpu_schedulers_online:
        return flag_schedulers(p, a[0], a[1]);
    case A_scheduler_wall_time:
        if (!is_boolean(a[1])) {
            return p_badarg(p);
        }
        return p_trap(p, export_put(A_erts_internal, A_system_flag_scheduler_wall_time, 1), 1, &a[1]);
    case A_microstate_accounting:
        return flag_microstates(p, a[1]);
    case A_time_offset: /* final from the start: no time warp */
        return a[1] == A_finalize ? A_final : p_badarg_cause(p, A_badopt);
    case A_sequential_tracer:
        return flag_seq_tracer(p, a[1]);
    case A_reset_seq_trace:
        if (a[1] == A_true) {
            seq_trace_reset_all();
        }
        return a[1] == A_true ? A_true : p_badarg(p);
    case A_erts_alloc:
        return is_tuple_arity(a[1], 3) ? A_notsup : p_badarg(p);
    case A_scheduler_bind_type:
        return is_bind_type(a[1]) ? A_unbound : p_badarg(p);
    case A_cpu_topology:
        return a[1] == A_undefined ? A_undefined : is_cons(a[1]) ? p_notsup(p) : p_badarg(p);
    default:
        return p_badarg_cause(p, A_badopt);
    }
}

/* --- system_monitor ----------------------------------------------------------------------------------------------- */
static Term pair_on(Proc *p, Term key, int64_t value, Term list)
{
    return heap_cons_on(p, heap_tuple2(p, key, heap_int64(p, value)), list);
}

static Term monitor_term(Proc *p)
{
    const SystemMonitor *m = &flags.monitor;
    if (m->pid == NONVALUE || !proc_lookup(m->pid)) {
        return A_undefined;
    }
    Term list = NIL;
    list = m->long_gc_ns ? pair_on(p, A_long_gc, m->long_gc_ns / NS_PER_MS, list) : list;
    list = m->long_schedule_ns ? pair_on(p, A_long_schedule, m->long_schedule_ns / NS_PER_MS, list) : list;
    list = m->large_heap_words ? pair_on(p, A_large_heap, (int64_t)m->large_heap_words, list) : list;
    list = m->busy_port ? heap_cons_on(p, A_busy_port, list) : list;
    list = m->busy_dist_port ? heap_cons_on(p, A_busy_dist_port, list) : list;
    return heap_tuple2(p, m->pid, list);
}

static bool monitor_parse_pair(SystemMonitor *m, Term option)
{
    int64_t n;
    if (!is_tuple_arity(option, 2) || !number_in(tuple_elements(option)[1], 0, UINT32_MAX, &n)) {
        return false;
    }
    switch (tuple_elements(option)[0]) {
    case A_long_gc:
        m->long_gc_ns = (n ? n : 1) * NS_PER_MS;
        return true;
    case A_long_schedule:
        m->long_schedule_ns = (n ? n : 1) * NS_PER_MS;
        return true;
    case A_large_heap:
        m->large_heap_words = n > MIN_LARGE_HEAP ? (size_t)n : MIN_LARGE_HEAP;
        return true;
    default:
        return false;
    }
}

static Term monitor_set(Proc *p, Term pid, Term list)
{
    SystemMonitor m = {.pid = pid};
    Term old = monitor_term(p);
    if (pid == A_undefined || is_nil(list)) {
        flags.monitor = (SystemMonitor){0};
        return old;
    }
    if (!is_local_pid(pid)) {
        return p_badarg(p);
    }
    for (; is_cons(list); list = cons_tail(list)) {
        Term option = cons_head(list);
        if (option == A_busy_port) {
            m.busy_port = true;
        } else if (option == A_busy_dist_port) {
            m.busy_dist_port = true;
        } else if (!monitor_parse_pair(&m, option)) {
            return p_badarg(p);
        }
    }
    if (!is_nil(list) || !proc_lookup(pid)) {
        return p_badarg(p);
    }
    bool any = m.long_gc_ns || m.long_schedule_ns || m.large_heap_words || m.busy_port || m.busy_dist_port;
    flags.monitor = any ? m : (SystemMonitor){0};
    return old;
}

NATIVE(native_system_monitor_0)
{
    (void)a;
    return monitor_term(p);
}

NATIVE(native_system_monitor_1)
{
    if (a[0] == A_undefined) {
        Term old = monitor_term(p);
        flags.monitor = (SystemMonitor){0};
        return old;
    }
    return is_tuple_arity(a[0], 2) ? monitor_set(p, tuple_elements(a[0])[0], tuple_elements(a[0])[1]) : p_badarg(p);
}

NATIVE(native_system_monitor_2)
{
    return monitor_set(p, a[0], a[1]);
}

/* {monitor, Pid, Kind, Info} to whoever monitors. */
static void monitor_tell(const Proc *p, Term kind, Term info)
{
    Term told[] = {MAKE_HEADER(4, SUB_TUPLE), A_monitor, p->id, kind, info};
    trace_tell(flags.monitor.pid, make_boxed(told));
}

/* Built aside: this is called from a collection. */
void system_monitor_collected(Proc *p, int64_t ns)
{
    const SystemMonitor *m = &flags.monitor;
    Term fields[TRACE_MONITOR_ITEMS * 5];
    ns += flags.test_gc_sleep_ns;
    if (p->id == m->pid) {
        return;
    }
    if (m->long_gc_ns && ns >= m->long_gc_ns) {
        Term timeout[] = {MAKE_HEADER(2, SUB_TUPLE), A_timeout, make_small(ns / NS_PER_MS)};
        Term cell[] = {make_boxed(timeout), trace_monitor_info(p, fields)};
        monitor_tell(p, A_long_gc, make_list(cell));
    }
    size_t words = (size_t)(p->stack_end - p->heap) + (size_t)(p->old_end - p->old_heap);
    if (m->large_heap_words && words >= m->large_heap_words) {
        monitor_tell(p, A_large_heap, trace_monitor_info(p, fields));
    }
}

void system_monitor_test_gc_sleep(int64_t ms)
{
    flags.test_gc_sleep_ns = ms * NS_PER_MS;
}

/* {Key, {M, F, A} | undefined} at `at`: 3 words, and 4 behind them. */
static Term place_pair(Term *at, Term key, const Word *ip)
{
    const Instance *in;
    const FunctionInfo *f = ip ? code_find(ip, &in) : NULL;
    at[0] = MAKE_HEADER(2, SUB_TUPLE);
    at[1] = key;
    at[2] = A_undefined;
    if (f) {
        at[3] = MAKE_HEADER(3, SUB_TUPLE);
        at[4] = in->name;
        at[5] = f->name;
        at[6] = make_small(f->arity);
        at[2] = make_boxed(at + 3);
    }
    return make_boxed(at);
}

void system_monitor_slice(Proc *p, const Word *in, int64_t ns)
{
    const SystemMonitor *m = &flags.monitor;
    enum { PLACE = 7 };
    if (p->id == m->pid || !m->long_schedule_ns || ns < m->long_schedule_ns) {
        return;
    }
    Term places[2 * PLACE], timeout[] = {MAKE_HEADER(2, SUB_TUPLE), A_timeout, make_small(ns / NS_PER_MS)};
    Term out_cell[] = {place_pair(places, A_out, p->ip), NIL};
    Term in_cell[] = {place_pair(places + PLACE, A_in, in), make_list(out_cell)};
    Term cell[] = {make_boxed(timeout), make_list(in_cell)};
    monitor_tell(p, A_long_schedule, make_list(cell));
}

void system_monitor_busy_port(const Proc *p, Term port)
{
    if (flags.monitor.busy_port) {
        monitor_tell(p, A_busy_port, port);
    }
}
