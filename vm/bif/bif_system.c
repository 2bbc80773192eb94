/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erlang:system_info/1: one table of keys (system_info_rows), and the keys that are tuples. Values are those of OTP 25
 * where a program can depend on them; a key that Loom knows nothing about is badarg, as an unknown one in OTP.
 */
#include "gen/natives.h"
#include "vm/bif/system_info.h"
#include "vm/dump/dump.h"
#include "vm/ets/ets.h"
#include "vm/ets/match.h"
#include "vm/load/code.h"
#include "vm/plat.h"
#include "vm/proc/blocking.h"
#include "vm/proc/clock.h"
#include "vm/proc/port.h"
#include "vm/proc/sched.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/vm.h"
#include "vm/trace/seq.h"

static SystemSettings settings = {.logger = A_logger, .outstanding_requests_limit = 4};
SystemSettings *system_settings(void) { return &settings; }

static Term string(Proc *p, const char *s) { return heap_string(p, (const uint8_t *)s, strlen(s)); }
static Term number(Proc *p, size_t n) { return heap_uint64(p, n); }
static bool on_unix(void)
{
    PlatInfo info;
    plat_info(&info);
    return strcmp(info.os_family, "unix") == 0;
}

/* Rows with a constant value. */
#define CONSTANT(name, term)                 \
    static Term info_##name(Proc *p)         \
    {                                        \
        (void)p;                             \
        return (term);                       \
    }
CONSTANT(wordsize, make_small(sizeof(Word)))
CONSTANT(true, A_true)
CONSTANT(false, A_false)
CONSTANT(undefined, A_undefined)
CONSTANT(enabled, A_enabled)
CONSTANT(none, A_none)
CONSTANT(nil, NIL)
CONSTANT(zero, make_small(0))
CONSTANT(opt, A_opt)
CONSTANT(emu, A_emu)
CONSTANT(little, A_little)
CONSTANT(private, A_private)
CONSTANT(on_heap, A_on_heap)
CONSTANT(unbound, A_unbound)
CONSTANT(unchanged, A_unchanged)
CONSTANT(unknown, A_unknown)
CONSTANT(final, A_final)
CONSTANT(no_time_warp, A_no_time_warp)
CONSTANT(range, A_range)
CONSTANT(compat_rel, make_small(25))
CONSTANT(node_table_gc, make_small(60))
CONSTANT(dist_buf_busy_limit, make_small(1 << 20))
CONSTANT(reductions, make_small(SLICE_REDUCTIONS))
CONSTANT(ets_limit, make_small(ETS_LIMIT))
CONSTANT(ets_always_compress, A_false)
CONSTANT(logger, settings.logger)
CONSTANT(outstanding, make_small(settings.outstanding_requests_limit))
CONSTANT(break_ignored, make_boolean(vm_config()->break_ignored))
CONSTANT(kernel_poll, make_boolean(on_unix()))

static Term info_debug_compiled(Proc *p)
{
    (void)p;
#ifdef LOOM_DEBUG
    return A_true;
#else
    return A_false;
#endif
}

static Term info_machine(Proc *p) { return string(p, "BEAM"); }
static Term info_version(Proc *p) { return string(p, "13.1.5"); }
static Term info_otp_release(Proc *p) { return string(p, "25"); }
static Term info_nif_version(Proc *p) { return string(p, "2.16"); }
static Term info_driver_version(Proc *p) { return string(p, "3.3"); }
static Term info_atom_count(Proc *p) { return number(p, atom_count()); }
static Term info_atom_limit(Proc *p) { return number(p, atom_limit()); }
static Term info_ets_count(Proc *p) { return number(p, ets_table_count()); }
static Term info_process_count(Proc *p) { return number(p, proc_count()); }
static Term info_process_limit(Proc *p) { return number(p, proc_table_limit()); }
static Term info_port_count(Proc *p) { return number(p, port_count()); }
static Term info_port_limit(Proc *p) { return number(p, port_table_limit()); }
static Term info_schedulers(Proc *p) { return number(p, sched_count()); }
static Term info_schedulers_online(Proc *p) { return number(p, sched_online()); }
static Term info_scheduler_id(Proc *p) { return make_small(p->sched->index + 1); }
static Term info_control_word(Proc *p) { return number(p, match_trace_control_word); }
static Term info_start_time(Proc *p) { return heap_int64(p, CLOCK_START); }
static Term info_multi(Proc *p) { (void)p; return blocking_state(); }

typedef struct Blockers {
    Proc *p;
    bool normal;
    Term list;
} Blockers;

static void add_blocker(Proc *p, void *arg)
{
    Blockers *b = arg;
    if (blocking_is_blocker(p, b->normal)) {
        b->list = heap_cons_on(b->p, p->id, b->list);
    }
}

static Term info_blockers_of(Proc *p, bool normal)
{
    Blockers b = {p, normal, NIL};
    p_charge(p, (intptr_t)proc_count() / 8);
    proc_each(add_blocker, &b);
    return b.list;
}

static Term info_blockers(Proc *p) { return info_blockers_of(p, false); }
static Term info_normal_blockers(Proc *p) { return info_blockers_of(p, true); }

static Term info_thread_pool_size(Proc *p)
{
    return number(p, vm_config()->async_threads ? vm_config()->async_threads : 1);
}

static Term info_architecture(Proc *p)
{
    return string(p, on_unix() ? "x86_64-pc-linux-gnu" : "x86_64-unknown-loom");
}

void system_version_text(char *text, size_t cap)
{
    snprintf(text, cap, "Erlang/OTP 25 [erts-13.1.5] [loom-0.1.0] [64-bit] [smp:%u:%u]", sched_count(), sched_count());
}

static Term info_system_version(Proc *p)
{
    char text[SYSTEM_VERSION_MAX + 1];
    system_version_text(text, SYSTEM_VERSION_MAX);
    size_t n = strlen(text);
    text[n] = '\n';
    text[n + 1] = 0;
    return string(p, text);
}

static Term info_os_type(Proc *p)
{
    PlatInfo info;
    plat_info(&info);
    return heap_tuple2(p, atom_put_cstr(info.os_family), atom_put_cstr(info.os_name));
}

static Term info_os_version(Proc *p)
{
    PlatInfo info;
    plat_info(&info);
    return heap_tuple3(p, make_small(info.version[0]), make_small(info.version[1]), make_small(info.version[2]));
}

static Term info_processors(Proc *p)
{
    PlatInfo info;
    plat_info(&info);
    return number(p, info.cpus);
}

/* [{processor, [{core, {logical, 0}}, ...]}], or {logical, 0} when there is one. */
static Term info_topology(Proc *p)
{
    PlatInfo info;
    plat_info(&info);
    Term cores = NIL;
    for (unsigned i = info.cpus; i-- > 0;) {
        Term logical = heap_tuple2(p, A_logical, make_small(i));
        cores = info.cpus == 1 ? logical : heap_cons_on(p, heap_tuple2(p, A_core, logical), cores);
    }
    return heap_cons_on(p, heap_tuple2(p, A_processor, cores), NIL);
}

static Term info_bindings(Proc *p)
{
    Term t[64];
    unsigned n = sched_count() < 64 ? sched_count() : 64;
    for (unsigned i = 0; i < n; i++) {
        t[i] = A_unbound;
    }
    return heap_tuple(p, n, t);
}

static Term info_schedulers_state(Proc *p)
{
    Term online = info_schedulers_online(p);
    return heap_tuple3(p, info_schedulers(p), online, online);
}

static Term info_compiler(Proc *p)
{
#ifdef __clang__
    Term name = A_clang, v[] = {make_small(__clang_major__), make_small(__clang_minor__),
        make_small(__clang_patchlevel__)};
#else
    Term name = A_gnuc, v[] = {make_small(__GNUC__), make_small(__GNUC_MINOR__), make_small(__GNUC_PATCHLEVEL__)};
#endif
    return heap_tuple2(p, name, heap_tuple(p, 3, v));
}

static Term info_compile_info(Proc *p)
{
    Term rows[] = {heap_tuple2(p, A_ldflags, NIL), heap_tuple2(p, A_cflags, NIL), heap_tuple2(p, A_config_h, NIL)};
    return heap_list(p, 3, rows, NIL);
}

/* --- heaps -------------------------------------------------------------------------------------------------------- */
static Term info_min_heap_size(Proc *p)
{
    return heap_tuple2(p, A_min_heap_size, number(p, proc_defaults()->min_heap_words));
}

static Term info_min_bin_vheap_size(Proc *p)
{
    return heap_tuple2(p, A_min_bin_vheap_size, number(p, proc_defaults()->min_bin_vheap_words));
}

static Term info_fullsweep_after(Proc *p)
{
    return heap_tuple2(p, A_fullsweep_after, number(p, proc_defaults()->fullsweep_after));
}

static Term info_max_heap_size(Proc *p)
{
    const ProcDefaults *d = proc_defaults();
    Term pairs[] = {A_error_logger, make_boolean(d->max_heap_flags & MAX_HEAP_LOG), A_kill,
                    make_boolean(d->max_heap_flags & MAX_HEAP_KILL), A_size, number(p, d->max_heap_words)};
    return map_from_pairs(p, pairs, 3);
}

static Term info_garbage_collection(Proc *p)
{
    Term rows[] = {heap_tuple2(p, A_max_heap_size, number(p, proc_defaults()->max_heap_words)),
                   info_min_bin_vheap_size(p), info_min_heap_size(p), info_fullsweep_after(p)};
    return heap_list(p, 4, rows, NIL);
}

static Term info_heap_sizes(Proc *p)
{
    Term sizes[160];
    size_t n = 0, words = 0;
    while (n < 160 && words < (size_t)1 << 49) {
        words = heap_next_size(words + 1);
        sizes[n++] = number(p, words);
    }
    return heap_list(p, n, sizes, NIL);
}

/* --- clocks ------------------------------------------------------------------------------------------------------- */
static Term clock_source(Proc *p, Term id, int64_t now, bool monotonic)
{
    Term rows[6], *row = rows;
    *row++ = heap_tuple2(p, A_function, on_unix() ? A_clock_gettime : A_tsc);
    if (on_unix()) {
        *row++ = heap_tuple2(p, A_clock_id, id);
    }
    *row++ = heap_tuple2(p, A_resolution, make_small(1000000000));
    if (monotonic) {
        *row++ = heap_tuple2(p, A_extended, A_no);
    }
    *row++ = heap_tuple2(p, A_parallel, A_yes);
    *row++ = heap_tuple2(p, A_time, heap_int64(p, now));
    return heap_list(p, (size_t)(row - rows), rows, NIL);
}

static Term info_monotonic_source(Proc *p)
{
    return clock_source(p, A_CLOCK_MONOTONIC, plat_monotonic_ns(), true);
}

static Term info_system_source(Proc *p) { return clock_source(p, A_CLOCK_REALTIME, plat_wall_ns(), false); }

/* --- what there is ------------------------------------------------------------------------------------------------ */
/* False: a helper of natives, which the loaded module does not know of. */
static bool module_shows(const Module *m, Term f, unsigned arity)
{
    const Instance *in = m ? m->current : NULL;
    for (size_t i = 0; in && i < in->function_count; i++) {
        if (in->functions[i].name == f && in->functions[i].arity == arity) {
            return true;
        }
    }
    return !in;
}

static Term info_snifs(Proc *p)
{
    Term list = NIL;
    const NativeRow *row;
    for (size_t i = 0; (row = native_at(i)) != NULL; i++) {
        Term m = atom_put_cstr(row->module), f = atom_put_cstr(row->function);
        if (*row->module != '$' && !native_is_library(m, f) && module_shows(module_find(m), f, row->arity)) {
            list = heap_cons_on(p, heap_tuple3(p, m, f, make_small(row->arity)), list);
        }
    }
    p_charge(p, 100);
    return list;
}

static Term info_allocator(Proc *p)
{
    Term t[] = {A_undefined, NIL, system_info_allocators(p), NIL};
    return heap_tuple(p, 4, t);
}

/* [{What, By, Operations}]: the compiler's atomics, of which no operation has a name. */
static Term info_ethread_info(Proc *p)
{
    static const char *const names[] = {"32-bit native atomics", "64-bit native atomics"};
    Term list = NIL;
    for (size_t i = sizeof names / sizeof names[0]; i-- > 0;) {
        Term name = heap_string(p, (const uint8_t *)names[i], strlen(names[i]));
        list = heap_cons_on(p, heap_tuple3(p, name, heap_string(p, (const uint8_t *)"compiler", 8), NIL), list);
    }
    return list;
}

static Term info_dump(Proc *p, DumpPart part)
{
    size_t n;
    char *text = dump_text(part, &n);
    Term bin = binary_from_bytes(p, (uint8_t *)text, n);
    vm_free(text);
    return bin;
}

static Term info_info(Proc *p) { return info_dump(p, DUMP_INFO); }
static Term info_procs(Proc *p) { return info_dump(p, DUMP_PROCS); }
static Term info_loaded(Proc *p) { return info_dump(p, DUMP_LOADED); }
static Term info_dist(Proc *p) { return info_dump(p, DUMP_DIST); }

static Term info_sequential_tracer(Proc *p) { return heap_tuple2(p, A_sequential_tracer, seq_tracer()); }

/* When monotonic time has no more 64-bit integers. */
static Term info_end_time(Proc *p) { return heap_int64(p, INT64_MAX); }

const SystemInfoRow system_info_rows[] = {
    {A_os_type, info_os_type}, /* asked for most */
    {A_schedulers, info_schedulers},
    {A_schedulers_online, info_schedulers_online},
    {A_schedulers_active, info_schedulers_online},
    {A_run_queues, info_schedulers},
    {A_wordsize, info_wordsize},
    {A_allocated_areas, system_info_allocated_areas},
    {A_allocator, info_allocator},
    {A_alloc_util_allocators, system_info_allocators},
    {A_atom_count, info_atom_count},
    {A_atom_limit, info_atom_limit},
    {A_beam_jump_table, info_true},
    {A_break_ignored, info_break_ignored},
    {A_build_type, info_opt},
    {A_c_compiler_used, info_compiler},
    {A_compat_rel, info_compat_rel},
    {A_compile_info, info_compile_info},
    {A_constant_pool_support, info_true},
    {A_context_reductions, info_reductions},
    {A_cpu_quota, info_unknown},
    {A_cpu_topology, info_topology},
    {A_creation, info_zero},
    {A_debug_compiled, info_debug_compiled},
    {A_delayed_node_table_gc, info_node_table_gc},
    {A_dirty_cpu_schedulers, info_zero},
    {A_dirty_cpu_schedulers_online, info_zero},
    {A_dirty_io_schedulers, info_zero},
    {A_dist, info_dist},
    {A_dist_buf_busy_limit, info_dist_buf_busy_limit},
    {A_dist_ctrl, info_nil},
    {A_driver_version, info_driver_version},
    {A_dynamic_trace, info_none},
    {A_dynamic_trace_probes, info_false},
    {A_eager_check_io, info_true},
    {A_emu_flavor, info_emu},
    {A_emu_type, info_opt},
    {A_end_time, info_end_time},
    {A_endian, info_little},
    {A_ethread_info, info_ethread_info},
    {A_ets_count, info_ets_count},
    {A_ets_always_compress, info_ets_always_compress},
    {A_ets_limit, info_ets_limit},
    {A_ets_realloc_moves, info_false},
    {A_fullsweep_after, info_fullsweep_after},
    {A_garbage_collection, info_garbage_collection},
    {A_heap_sizes, info_heap_sizes},
    {A_heap_type, info_private},
    {A_info, info_info},
    {A_kernel_poll, info_kernel_poll},
    {A_literal_test, info_range},
    {A_loaded, info_loaded},
    {A_lock_checking, info_false},
    {A_logical_processors, info_processors},
    {A_logical_processors_available, info_processors},
    {A_logical_processors_online, info_processors},
    {A_machine, info_machine},
    {A_max_heap_size, info_max_heap_size},
    {A_message_queue_data, info_on_heap},
    {A_min_bin_vheap_size, info_min_bin_vheap_size},
    {A_min_heap_size, info_min_heap_size},
    {A_modified_timing_level, info_undefined},
    {A_multi_scheduling, info_multi},
    {A_multi_scheduling_blockers, info_blockers},
    {A_nif_version, info_nif_version},
    {A_normal_multi_scheduling_blockers, info_normal_blockers},
    {A_os_monotonic_time_source, info_monotonic_source},
    {A_os_system_time_source, info_system_source},
    {A_os_version, info_os_version},
    {A_otp_release, info_otp_release},
    {A_outstanding_system_requests_limit, info_outstanding},
    {A_port_count, info_port_count},
    {A_port_limit, info_port_limit},
    {A_port_parallelism, info_false},
    {A_port_tasks, info_true},
    {A_process_count, info_process_count},
    {A_process_limit, info_process_limit},
    {A_procs, info_procs},
    {A_scheduler_bind_type, info_unbound},
    {A_scheduler_bindings, info_bindings},
    {A_scheduler_id, info_scheduler_id},
    {A_schedulers_state, info_schedulers_state},
    {A_sequential_tracer, info_sequential_tracer},
    {A_smp_support, info_true},
    {A_snifs, info_snifs},
    {A_start_time, info_start_time},
    {A_system_architecture, info_architecture},
    {A_system_logger, info_logger},
    {A_system_version, info_system_version},
    {A_taints, info_nil},
    {A_thread_pool_size, info_thread_pool_size},
    {A_threads, info_true},
    {A_time_correction, info_true},
    {A_time_offset, info_final},
    {A_time_warp_mode, info_no_time_warp},
    {A_tolerant_timeofday, info_enabled},
    {A_trace_control_word, info_control_word},
    {A_update_cpu_info, info_unchanged},
    {A_version, info_version},
    {NONVALUE, NULL},
};

/* {Key, Argument} */
static Term info_pair(Proc *p, Term key, Term argument)
{
    switch (key) {
    case A_wordsize:
        return argument == A_internal || argument == A_external ? make_small(sizeof(Word)) : p_badarg(p);
    case A_cpu_topology:
        if (argument == A_defined) {
            return A_undefined;
        }
        return argument == A_detected || argument == A_used ? info_topology(p) : p_badarg(p);
    case A_allocator:
        return p_trap(p, export_put(A_erlang, A_alloc_info, 1), 1, &argument);
    case A_allocator_sizes:
        return p_trap(p, export_put(A_erlang, A_alloc_sizes, 1), 1, &argument);
    default:
        return p_badarg(p);
    }
}

NATIVE(native_system_info)
{
    if (is_atom(a[0])) {
        for (const SystemInfoRow *row = system_info_rows; row->key != NONVALUE; row++) {
            if (row->key == a[0]) {
                return row->value(p);
            }
        }
        return p_badarg(p);
    }
    if (is_tuple_arity(a[0], 2)) {
        return info_pair(p, tuple_elements(a[0])[0], tuple_elements(a[0])[1]);
    }
    if (is_tuple_arity(a[0], 3)) {
        const Term *t = tuple_elements(a[0]);
        return system_info_send_memory(p, t[0], t[1], t[2]) ? A_true : p_badarg(p);
    }
    return p_badarg(p);
}
