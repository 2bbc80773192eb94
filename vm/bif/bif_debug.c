/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erts_debug:set_internal_state/2 and get_internal_state/1, what OTP's test suites ask of the machine's inside. Closed
 * until somebody opens it (available_internal_state), as in OTP, with a warning to the logger.
 *
 * Here is what has a meaning in Loom. The loop limits bound how far a native of ERTS works before it lets others run;
 * Loom's natives finish and are charged for what they did, so the limits are kept and bound nothing. Ordered tables
 * are not split into parts, so a wish to split one is granted by leaving it as it is. Whatever else is asked for is a
 * bad argument.
 */
#include "gen/natives.h"
#include "vm/bif/bif_debug.h"
#include "vm/bif/bif_persistent.h"
#include "vm/bif/bif_process.h"
#include "vm/bif/bif_scheduler.h"
#include "vm/ets/table.h"
#include "vm/proc/clock.h"
#include "vm/plat.h"
#include "vm/proc/exception.h"
#include "vm/proc/safe.h"
#include "vm/proc/table.h"
#include "vm/term/binary.h"
#include "vm/term/hash.h"
#include "vm/term/map.h"

enum { DEFAULT_UNICODE_LIMIT = 40000, DEFAULT_RE_LIMIT = 40000, MAX_COLLIDING = 1000 };
#define NS_PER_MS INT64_C(1000000)

/* Atomic, each for itself. */
static struct DebugState {
    uint32_t open;
    int64_t binary_limit, unicode_limit, re_limit;
} debug = {.unicode_limit = DEFAULT_UNICODE_LIMIT, .re_limit = DEFAULT_RE_LIMIT};

static Term undefined(Proc *p)
{
    return p_fault(p, FAULT_ERROR, A_undef);
}

/* --- set ------------------------------------------------------------------------------------------------------ */
static Term set_available(Proc *p, Term value)
{
    if (value == A_true) {
        exception_log(p, A_warning,
                      "Process ~p enabled access to the emulator internal state.\n"
                      "NOTE: This is an erts internal test feature and should *only* be used by OTP test-suites.\n",
                      heap_list(p, 1, &p->id, NIL));
    }
    return make_boolean(__atomic_exchange_n(&debug.open, value == A_true, __ATOMIC_SEQ_CST));
}

static Term set_limit(Proc *p, int64_t *limit, int64_t normal, Term value)
{
    if (value != A_default && (!is_small(value) || small_value(value) < 0)) {
        return p_badarg(p);
    }
    int64_t n = value == A_default || value == make_small(0) ? normal : small_value(value);
    return make_small(__atomic_exchange_n(limit, n, __ATOMIC_SEQ_CST));
}

static Term set_reductions_left(Proc *p, Term value)
{
    if (!is_small(value)) {
        return p_badarg(p);
    }
    int64_t n = small_value(value);
    n = n < 0 ? 0 : n > SLICE_REDUCTIONS ? SLICE_REDUCTIONS : n;
    p->reductions -= (uint64_t)(n - (int64_t)p->fcalls); /* how many it has done stays true */
    p->fcalls = (intptr_t)n;
    return A_true;
}

static Term set_next_pid(Proc *p, Term value)
{
    if (!is_small(value) || small_value(value) < 0) {
        return p_badarg(p);
    }
    return heap_uint64(p, proc_table_set_next((uint64_t)small_value(value)));
}

/* A copy of the term in a fragment of the heap. */
static Term set_fragment(Proc *p, Term value)
{
    Term copy;
    HeapFrag *frag = frag_copy_term(value, &copy);
    if (!frag) {
        return value;
    }
    heap_adopt_frag(p, frag);
    return copy;
}

/* {Name, N}: N atoms whose tables stand in one shard of the table of names. */
static Term set_colliding_names(Proc *p, Term value)
{
    const Term *e = is_tuple(value) && tuple_arity(value) == 2 ? tuple_elements(value) : NULL;
    if (!e || !is_atom(e[0]) || !is_small(e[1]) || small_value(e[1]) < 0 || small_value(e[1]) > MAX_COLLIDING) {
        return p_badarg(p);
    }
    Term list = NIL;
    size_t wanted = (size_t)small_value(e[1]), atoms = atom_count();
    for (size_t i = 0; i < atoms && wanted > 0; i++) {
        Term name = make_atom((uint32_t)i);
        if (name != e[0] && table_names_collide(name, e[0])) {
            list = heap_cons_on(p, name, list);
            wanted--;
        }
    }
    p_charge(p, (intptr_t)(atoms / 64));
    return list;
}

/* {Table, Bool} of an ordered_set that OTP would split among writers. */
static Term set_split(Proc *p, Term value)
{
    const Term *e = is_tuple(value) && tuple_arity(value) == 2 ? tuple_elements(value) : NULL;
    Magic *m = e && is_boolean(e[1]) ? table_magic_of(e[0]) : NULL;
    const Table *t = m ? m->data : NULL;
    bool splits = t && store_is_tree(&t->store) && t->write_concurrency != A_false;
    return splits ? A_ok : p_badarg(p);
}

static Term set_wait(Proc *p, Term value)
{
    /* Nothing of this is put off: memory is freed where its last use ends, timers when they are cancelled. */
    bool known = value == A_deallocations || value == A_thread_progress || value == A_aux_work ||
        value == A_timer_cancellations;
    return known ? A_ok : p_badarg(p);
}

/* Holds this scheduler for so many milliseconds as a native that does not end would; `block`: all others stand too. */
static Term set_asleep(Proc *p, Term ms, bool block)
{
    if (!is_small(ms)) {
        return p_badarg(p);
    }
    if (block) {
        safe_alone_begin();
    }
    const int64_t start = plat_monotonic_ns(), wanted = small_value(ms) > 0 ? small_value(ms) : 0;
    while ((plat_monotonic_ns() - start) / NS_PER_MS < wanted) {
        plat_relax();
    }
    if (block) {
        safe_alone_end();
    }
    return A_true;
}

/* start: from here until the process hands back what it got its heap may be broken, and nobody may collect it. In Loom
 * natives leave no broken heap behind, so there is nothing to hand back. */
static Term set_inconsistent_heap(Proc *p, Term value)
{
    return value == A_start ? heap_tuple2(p, A_inconsistent_heap, NIL) : is_tuple_arity(value, 2) ? A_ok : p_badarg(p);
}

static void destroy_nothing(Magic *m)
{
    (void)m;
}
static const MagicKind test_kind = {"test", destroy_nothing};

/* {Reference, Address} */
static Term make_magic(Proc *p)
{
    Magic *m = magic_new(&test_kind, NULL);
    return heap_tuple2(p, heap_magic_ref(p, m), heap_uint64(p, (uintptr_t)m));
}

static Term set_collected(Proc *p, Term pid)
{
    if (pid == p->id) {
        p->flags |= PF_NEEDS_COLLECT | PF_FULL_SWEEP;
        return A_true;
    }
    return is_local_pid(pid) ? make_boolean(process_collect(p, pid)) : p_badarg(p);
}

NATIVE(native_erts_debug_set_internal_state)
{
    if (a[0] == A_available_internal_state && is_boolean(a[1])) {
        return set_available(p, a[1]);
    }
    if (!__atomic_load_n(&debug.open, __ATOMIC_RELAXED)) {
        return undefined(p);
    }
    switch (a[0]) {
    case A_reds_left:
        return set_reductions_left(p, a[1]);
    case A_next_pid:
        return set_next_pid(p, a[1]);
    case A_binary_loop_limit:
        return set_limit(p, &debug.binary_limit, 0, a[1]);
    case A_unicode_loop_limit:
        return set_limit(p, &debug.unicode_limit, DEFAULT_UNICODE_LIMIT, a[1]);
    case A_re_loop_limit:
        return set_limit(p, &debug.re_limit, DEFAULT_RE_LIMIT, a[1]);
    case A_mbuf:
        return set_fragment(p, a[1]);
    case A_process_uniq_counter: /* numbers the marks of receives */
        p->mark_number = (uint32_t)(is_small(a[1]) ? small_value(a[1]) : 0);
        return A_true;
    case A_proc_sig_buffers: /* of each sender; here there are none: the one queue takes all senders at once */
        return make_boolean(is_boolean(a[1]));
    case A_inconsistent_heap:
        return set_inconsistent_heap(p, a[1]);
    case A_colliding_names:
        return set_colliding_names(p, a[1]);
    case A_ets_force_trap:
        return A_notsup;
    case A_ets_force_split:
    case A_ets_debug_random_split_join:
        return set_split(p, a[1]);
    case A_wait:
        return set_wait(p, a[1]);
    case A_sleep:
    case A_block:
        return set_asleep(p, a[1], a[0] == A_block);
    case A_force_gc:
        return set_collected(p, a[1]);
    case A_test_long_gc_sleep:
        system_monitor_test_gc_sleep(is_small(a[1]) ? small_value(a[1]) : 0);
        return A_true;
    case A_make:
        return a[1] == A_magic_ref ? make_magic(p) : p_badarg(p);
    default:
        return p_badarg(p);
    }
}

/* --- get ------------------------------------------------------------------------------------------------------ */
/* heap_binary, or {refc_binary, BytesVisible, {binary, BytesAllocated}, Flags}; of what a part is part of. */
static Term get_binary_info(Proc *p, Term t)
{
    if (!is_bitstring(t)) {
        return p_badarg(p);
    }
    while (boxed_sub(t) == SUB_SUB_BIN) {
        t = ((const SubBin *)(const void *)boxed_ptr(t))->orig;
    }
    if (boxed_sub(t) == SUB_HEAP_BIN) {
        return A_heap_binary;
    }
    const RefcBin *r = (const RefcBin *)(const void *)boxed_ptr(t);
    Term e[4] = {A_refc_binary, heap_uint64(p, r->size), heap_tuple2(p, A_binary, heap_uint64(p, r->bin->size)),
                 make_small((int64_t)r->writable)};
    return heap_tuple(p, 4, e);
}

static Term get_process_status(Proc *p, Term pid)
{
    const Proc *t = proc_lookup(pid);
    if (!t) {
        return A_undefined;
    }
    uint32_t state = __atomic_load_n(&t->state, __ATOMIC_ACQUIRE);
    return t == p || state & PS_RUNNING ? A_running
           : __atomic_load_n(&t->suspend_count, __ATOMIC_RELAXED) ? A_suspended
           : state & PS_RUNNABLE                                  ? A_runnable
                                                                  : A_waiting;
}

NATIVE(native_erts_debug_get_internal_state)
{
    if (!__atomic_load_n(&debug.open, __ATOMIC_RELAXED)) {
        return undefined(p);
    }
    switch (a[0]) {
    case A_available_internal_state:
        return A_true;
    case A_reds_left:
        return make_small((int64_t)p->fcalls);
    case A_next_pid:
        return heap_uint64(p, proc_table_next());
    case A_force_heap_frags:
        return A_false;
    case A_flxctr_memory_usage: /* the counters of tables take no memory of their own */
    case A_lc_graph:
        return A_notsup;
    case A_persistent_term:
        return map_from_pairs(p, (Term[]){A_table, make_small((int64_t)persistent_slots())}, 1);
    case A_node_and_dist_references:
        return debug_node_references(p);
    case A_nbalance: /* rounds of balancing: who has no work looks for some at once, so tenths of a second do */
        return heap_uint64(p, (uint64_t)clock_uptime_ns() / (100 * NS_PER_MS));
    case A_processes:
        return native_processes(p, a);
    case A_process_info_args:
        return debug_process_info_args(p);
    case A_processes_bif_info:
        return debug_processes_info(p);
    default:
        break;
    }
    const Term *e = is_tuple(a[0]) && tuple_arity(a[0]) == 2 ? tuple_elements(a[0]) : NULL;
    if (e && e[0] == A_magic_ref) { /* {Count, Address} */
        const Magic *m = magic_of(e[1], &test_kind);
        return m ? heap_tuple2(p, make_small(m->refc), heap_uint64(p, (uintptr_t)m)) : A_false;
    }
    if (e && e[0] == A_internal_hash) {
        return make_small(term_hash_internal(e[1], 0));
    }
    if (e && e[0] == A_atom) {
        return is_small(e[1]) && (uint64_t)small_value(e[1]) < atom_count() ? make_atom((uint32_t)small_value(e[1]))
                                                                          : p_badarg(p);
    }
    if (e && e[0] == A_binary_info) {
        return get_binary_info(p, e[1]);
    }
    if (e && (e[0] == A_link_list || e[0] == A_monitor_list) && (is_local_pid(e[1]) || is_atom(e[1]))) {
        return debug_list(p, e[0], e[1]);
    }
    if (e && e[0] == A_process_status && is_pid(e[1])) {
        return get_process_status(p, e[1]);
    }
    return p_badarg(p);
}
