/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_info/1,2. The process asked about handles its signals first (process_hold), so the answer is ordered after
 * all that was sent before. What a process asks about its own stack needs its frames in order: such a call traps to a
 * second native (process_info_here), which finds the caller's return address in its slot.
 */
#include "gen/natives.h"
#include "gen/ops.h"
#include "vm/bif/bif_process.h"
#include "vm/load/code.h"
#include "vm/plat.h"
#include "vm/proc/exception.h"
#include "vm/proc/idmap.h"
#include "vm/proc/link.h"
#include "vm/proc/monitor.h"
#include "vm/proc/signal.h"
#include "vm/proc/stack.h"
#include "vm/proc/table.h"
#include "vm/term/binary.h"

/* Collects a list on p's heap through the callbacks of tables. */
typedef struct InfoList {
    Proc *p;
    Term list;
} InfoList;

static void info_add(InfoList *l, Term item)
{
    l->list = heap_cons_on(l->p, item, l->list);
}

static Term info_pair(Proc *p, Term key, Term value)
{
    return heap_tuple2(p, key, value);
}

static Term info_number(Proc *p, size_t n)
{
    return heap_uint64(p, n);
}

static Term info_copy(Proc *p, const Proc *t, Term term)
{
    return p == t ? term : heap_copy(p, term);
}

/* --- links and monitors --------------------------------------------------------------------------------------- */
static void add_link(Term peer, void *arg)
{
    info_add(arg, peer);
}

static void add_monitor(const Monitor *m, void *arg)
{
    InfoList *l = arg;
    if (m->kind == MON_OUT) {
        Term object = m->peer;
        if (m->type == A_time_offset) {
            object = m->name;
        } else if (!is_nil(m->name)) {
            object = heap_tuple2(l->p, m->name, A_nonode);
        }
        info_add(l, info_pair(l->p, m->type, object));
    }
}

static void add_monitored_by(const Monitor *m, void *arg)
{
    if (m->kind == MON_IN) {
        info_add(arg, m->peer);
    }
}

static Term info_suspending(Proc *p, const Proc *t)
{
    InfoList l = {p, NIL};
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(t->suspends, &i));) {
        info_add(&l, heap_tuple3(p, s->key, make_small((int64_t)s->value), make_small(0)));
    }
    return l.list;
}

/* --- messages and memory --------------------------------------------------------------------------------------- */
static Term info_messages(Proc *p, const Proc *t)
{
    Term *items = vm_alloc((t->msg_count + 1) * sizeof(Term));
    size_t n = 0;
    for (const Message *m = t->msg_first; m; m = m->next) {
        items[n++] = p == t && !m->frag ? m->term : heap_copy(p, m->term);
    }
    Term list = heap_list(p, n, items, NIL);
    vm_free(items);
    p_charge(p, (intptr_t)n / 4);
    return list;
}

static Term info_binaries(Proc *p, const Proc *t)
{
    InfoList l = {p, NIL};
    for (const Word *o = t->off_heap.first; o;) {
        if (header_sub(*o) != SUB_REFC_BIN) {
            o = (const Word *)(const void *)((const Ref *)(const void *)o)->u.next;
            continue;
        }
        const RefcBin *r = (const RefcBin *)(const void *)o;
        info_add(&l, heap_tuple3(p, heap_uint64(p, (uintptr_t)r->bin), info_number(p, r->bin->size),
                                 heap_int64(p, r->bin->refc)));
        o = (const Word *)(const void *)r->next;
    }
    return l.list;
}

static Term info_magic_refs(Proc *p, const Proc *t)
{
    InfoList l = {p, NIL};
    for (const Word *o = t->off_heap.first; o;) {
        if (header_sub(*o) == SUB_REFC_BIN) {
            o = (const Word *)(const void *)((const RefcBin *)(const void *)o)->next;
            continue;
        }
        const Ref *r = (const Ref *)(const void *)o;
        info_add(&l, heap_copy(p, make_boxed((const Term *)o)));
        o = (const Word *)(const void *)r->u.next;
    }
    return l.list;
}

static Term number_list(Proc *p, const Term *keys, const size_t *values, size_t n)
{
    Term list = NIL;
    while (n--) {
        list = heap_cons_on(p, info_pair(p, keys[n], info_number(p, values[n])), list);
    }
    return list;
}

static Term info_gc(Proc *p, const Proc *t)
{
    static const Term keys[] = {A_min_bin_vheap_size, A_min_heap_size, A_fullsweep_after, A_minor_gcs};
    size_t values[] = {t->min_bin_vheap_words, t->min_heap_words, t->fullsweep_after, t->minor_count};
    Term list = number_list(p, keys, values, 4);
    Term max = max_heap_term(p, t->max_heap_words, t->max_heap_flags);
    return heap_cons_on(p, info_pair(p, A_max_heap_size, max), list);
}

Term process_gc_info(Proc *p, const Proc *t)
{
    static const Term keys[] = {A_old_heap_block_size, A_heap_block_size, A_mbuf_size, A_recent_size,
                                A_stack_size, A_old_heap_size, A_heap_size, A_bin_vheap_size,
                                A_bin_vheap_block_size, A_bin_old_vheap_size, A_bin_old_vheap_block_size};
    size_t values[] = {(size_t)(t->old_end - t->old_heap), (size_t)(t->stack_end - t->heap), t->frag_words,
                       (size_t)(t->high_water - t->heap), (size_t)(t->stack_end - t->stop),
                       (size_t)(t->old_hp - t->old_heap), (size_t)(t->hp - t->heap), t->off_heap.bytes / sizeof(Term),
                       t->virtual_bytes / sizeof(Term), 0, t->min_bin_vheap_words};
    return number_list(p, keys, values, sizeof keys / sizeof *keys);
}

/* Waits for a message that has not come. */
static bool info_idle(const Proc *t)
{
    return (t->flags & PF_WAITING) && !*t->msg_save && !(t->state & PS_TIMEOUT);
}

/* --- where it is ------------------------------------------------------------------------------------------------- */
typedef struct InfoStack {
    Proc *p;
    Term entries[1024];
    size_t count, limit;
} InfoStack;

static bool add_location(const Word *ip, void *arg)
{
    InfoStack *s = arg;
    Term location = stack_location(s->p, ip);
    if (location != NONVALUE) {
        s->entries[s->count++] = location;
    }
    return s->count < s->limit;
}

/* Asleep in erlang:hibernate/3, its stack thrown away: what it will call when it wakes is nobody's business. */
static bool hibernates(const Proc *p, const Proc *t)
{
    return p != t && t->flags & PF_HIBERNATED && info_idle(t);
}

static Term info_stacktrace(Proc *p, const Proc *t)
{
    if (hibernates(p, t)) {
        return NIL;
    }
    InfoStack s = {.p = p, .limit = exception_depth_asked()};
    s.limit = s.limit > 1024 ? 1024 : s.limit;
    if (s.limit) {
        stack_each_address(t, p == t, add_location, &s);
    }
    return heap_list(p, s.count, s.entries, NIL);
}

static Term info_location(Proc *p, const Proc *t, bool with_line)
{
    if (hibernates(p, t)) {
        Term e[4] = {A_erlang, A_hibernate, make_small(3), NIL};
        return heap_tuple(p, with_line ? 4 : 3, e);
    }
    InfoStack s = {.p = p, .limit = 1};
    stack_each_address(t, p == t, add_location, &s);
    if (s.count == 0) {
        return A_undefined;
    }
    const Term *e = tuple_elements(s.entries[0]);
    return with_line ? s.entries[0] : heap_tuple3(p, e[0], e[1], e[2]);
}

static Term info_backtrace(Proc *p, const Proc *t)
{
    size_t n;
    char *text = stack_backtrace(t, p == t, &n);
    Term bin = binary_from_bytes(p, text, n);
    vm_free(text);
    return bin;
}

static Term info_catch_level(const Proc *t)
{
    int64_t n = 0;
    for (const Term *at = t->stop; at < t->stack_end; at++) {
        n += is_catch(*at);
    }
    return make_small(n);
}

static Term info_status(const Proc *p, const Proc *t)
{
    if (p == t) {
        return A_running;
    }
    if (__atomic_load_n(&t->suspend_count, __ATOMIC_RELAXED)) {
        return A_suspended;
    }
    return info_idle(t) ? A_waiting : A_runnable;
}

/* --- items ------------------------------------------------------------------------------------------------------- */
static Term info_list(Proc *p, const Proc *t, Term item)
{
    InfoList l = {p, NIL};
    if (item == A_links) {
        link_each(t->links, add_link, &l);
    } else {
        monitor_each(t->monitors, item == A_monitors ? add_monitor : add_monitored_by, &l);
    }
    return l.list;
}

static Term info_reductions(Proc *p, const Proc *t)
{
    uint64_t now = p == t ? (uint64_t)(SLICE_REDUCTIONS - t->fcalls) : 0;
    return heap_uint64(p, t->reductions + now);
}

static Term info_initial_call(Proc *p, const Proc *t)
{
    return heap_tuple3(p, t->initial_m, t->initial_f, make_small(t->initial_arity));
}

/* Sizes and counts. NONVALUE: no such item. */
static Term info_size_item(Proc *p, const Proc *t, Term item)
{
    switch (item) {
    case A_message_queue_len:
        return info_number(p, t->msg_count);
    case A_total_heap_size:
        return info_number(p, heap_total_words(t));
    case A_heap_size:
        return info_number(p, (size_t)(t->stack_end - t->heap));
    case A_stack_size:
        return info_number(p, (size_t)(t->stack_end - t->stop));
    case A_memory:
        return info_number(p, proc_memory(t));
    case A_reductions:
        return info_reductions(p, t);
    case A_min_heap_size:
        return info_number(p, t->min_heap_words);
    case A_min_bin_vheap_size:
        return info_number(p, t->min_bin_vheap_words);
    case A_max_heap_size:
        return max_heap_term(p, t->max_heap_words, t->max_heap_flags);
    case A_fullsweep_after:
        return make_small(t->fullsweep_after);
    case A_garbage_collection:
        return info_gc(p, t);
    case A_garbage_collection_info:
        return process_gc_info(p, t);
    case A_binary:
        return info_binaries(p, t);
    case A_magic_ref:
        return info_magic_refs(p, t);
    default:
        return NONVALUE;
    }
}

/* Settings and relations. */
static Term info_setting_item(Proc *p, const Proc *t, Term item)
{
    switch (item) {
    case A_registered_name:
        return t->registered_name;
    case A_initial_call:
        return info_initial_call(p, t);
    case A_links:
    case A_monitors:
    case A_monitored_by:
        return info_list(p, t, item);
    case A_suspending:
        return info_suspending(p, t);
    case A_trap_exit:
        return make_boolean(t->flags & PF_TRAP_EXIT);
    case A_error_handler:
        return t->error_handler;
    case A_priority:
        return priority_term(t->priority);
    case A_group_leader:
        return info_copy(p, t, t->group_leader);
    case A_message_queue_data:
        return t->flags & PF_OFF_HEAP_MSGS ? A_off_heap : A_on_heap;
    case A_parent:
        return t->parent == NONVALUE ? A_undefined : t->parent;
    case A_trace:
        return make_small(t->trace_flags);
    case A_last_calls:
        return A_false;
    case A_sequential_trace_token:
        return info_copy(p, t, t->seq_token);
    default:
        return NONVALUE;
    }
}

/* What a process with the flag `sensitive` does not tell, not even itself: the same as if there were nothing. */
static Term info_secret(Proc *p, Term item)
{
    switch (item) {
    case A_backtrace:
        return binary_from_bytes(p, NULL, 0);
    case A_messages:
    case A_dictionary:
        return NIL;
    default:
        return NONVALUE;
    }
}

static Term info_item(Proc *p, Proc *t, Term item)
{
    Term secret = t->flags & PF_SENSITIVE ? info_secret(p, item) : NONVALUE;
    if (secret != NONVALUE) {
        return secret;
    }
    switch (item) {
    case A_current_function:
        return info_location(p, t, false);
    case A_current_location:
        return info_location(p, t, true);
    case A_current_stacktrace:
        return info_stacktrace(p, t);
    case A_backtrace:
        return info_backtrace(p, t);
    case A_catchlevel:
        return info_catch_level(t);
    case A_status:
        return info_status(p, t);
    case A_messages:
        return info_messages(p, t);
    case A_dictionary:
        return dict_to_list(p, t);
    default:
        break;
    }
    Term value = info_size_item(p, t, item);
    return value == NONVALUE ? info_setting_item(p, t, item) : value;
}

static bool is_stack_item(Term item)
{
    return item == A_current_function || item == A_current_location || item == A_current_stacktrace ||
           item == A_backtrace;
}

/* What process_info/1 gives, in its order. */
static const Term default_items[] = {
    A_current_function, A_initial_call,  A_status,        A_message_queue_len, A_links,         A_dictionary,
    A_trap_exit,        A_error_handler, A_priority,      A_group_leader,      A_total_heap_size, A_heap_size,
    A_stack_size,       A_reductions,    A_garbage_collection, A_suspending,
};
enum { DEFAULT_ITEMS = sizeof default_items / sizeof *default_items };

/* All names; info_item knows each of them. */
static const Term all_items[] = {
    A_current_function, A_current_location, A_current_stacktrace, A_backtrace, A_catchlevel, A_status, A_messages,
    A_dictionary, A_message_queue_len, A_total_heap_size, A_heap_size, A_stack_size, A_memory, A_reductions,
    A_min_heap_size, A_min_bin_vheap_size, A_max_heap_size, A_fullsweep_after, A_garbage_collection,
    A_garbage_collection_info, A_binary, A_magic_ref, A_registered_name, A_initial_call, A_links, A_monitors,
    A_monitored_by, A_suspending, A_trap_exit, A_error_handler, A_priority, A_group_leader, A_message_queue_data,
    A_parent, A_trace, A_last_calls, A_sequential_trace_token,
};

static bool is_item(Term item)
{
    for (size_t i = 0; i < sizeof all_items / sizeof *all_items; i++) {
        if (all_items[i] == item) {
            return true;
        }
    }
    return false;
}

/* --- natives ------------------------------------------------------------------------------------------------------ */
static Term info_all(Proc *p, Proc *t)
{
    Term list = NIL;
    for (size_t i = DEFAULT_ITEMS; i > 0; i--) {
        list = heap_cons_on(p, info_pair(p, default_items[i - 1], info_item(p, t, default_items[i - 1])), list);
    }
    if (!is_nil(t->registered_name)) {
        list = heap_cons_on(p, info_pair(p, A_registered_name, t->registered_name), list);
    }
    return list;
}

static Term info_some(Proc *p, Proc *t, Term spec)
{
    if (is_atom(spec)) {
        if (spec == A_registered_name && is_nil(t->registered_name)) {
            return NIL;
        }
        return info_pair(p, spec, info_item(p, t, spec));
    }
    size_t n = (size_t)list_length(spec), i = 0;
    Term *items = vm_alloc((n + 1) * sizeof(Term));
    for (; is_cons(spec); spec = cons_tail(spec)) {
        items[i++] = info_pair(p, cons_head(spec), info_item(p, t, cons_head(spec)));
    }
    Term list = heap_list(p, n, items, NIL);
    vm_free(items);
    return list;
}

/* False: no such item, or no list of items. */
static bool check_spec(Term spec, bool *stack)
{
    *stack = false;
    if (is_atom(spec) && !is_nil(spec)) {
        *stack = is_stack_item(spec);
        return is_item(spec);
    }
    for (; is_cons(spec); spec = cons_tail(spec)) {
        *stack |= is_stack_item(cons_head(spec));
        if (!is_item(cons_head(spec))) {
            return false;
        }
    }
    return is_nil(spec);
}

/* p itself, with its signals handled; NULL: one of them has ended it. */
static Proc *info_self(Proc *p)
{
    signal_handle_all(p);
    return p->flags & PF_EXITING ? NULL : p;
}

/* Whether the instruction that calls this native is the caller's own: then the stack can be read as it is. Applied,
 * it is called from a body that has no frame. */
static bool called_in_place(const Proc *p)
{
    Word op = *p->ip;
    return op == (Word)(uintptr_t)op_call_ext_native || op == (Word)(uintptr_t)op_call_ext_native_last ||
           op == (Word)(uintptr_t)op_call_ext_native_only;
}

NATIVE(native_process_info_1)
{
    if (!is_local_pid(a[0])) {
        return p_badarg(p);
    }
    if (a[0] == p->id && !called_in_place(p)) {
        return p_trap(p, export_put(A_erts_internal, A_process_info_here, 1), 1, a);
    }
    if (a[0] == p->id) {
        return info_self(p) ? info_all(p, p) : NONVALUE;
    }
    ProcessHold hold;
    Proc *t = process_hold(p, a[0], &hold);
    Term info = t ? info_all(p, t) : A_undefined;
    process_release(&hold);
    return info;
}

NATIVE(native_process_info_2)
{
    bool stack;
    if (!is_local_pid(a[0]) || !check_spec(a[1], &stack)) {
        return p_badarg(p);
    }
    if (a[0] == p->id && stack && !called_in_place(p)) {
        return p_trap(p, export_put(A_erts_internal, A_process_info_here, 2), 2, a);
    }
    if (a[0] == p->id) {
        return info_self(p) ? info_some(p, p, a[1]) : NONVALUE;
    }
    ProcessHold hold;
    Proc *t = process_hold(p, a[0], &hold);
    Term info = t ? info_some(p, t, a[1]) : A_undefined;
    process_release(&hold);
    return info;
}

NATIVE(native_process_info_here_1)
{
    (void)a;
    return info_self(p) ? info_all(p, p) : NONVALUE;
}

NATIVE(native_process_info_here_2)
{
    return info_self(p) ? info_some(p, p, a[1]) : NONVALUE;
}

/* erts_internal:process_display(Pid, backtrace) */
NATIVE(native_erts_internal_process_display)
{
    ProcessHold hold;
    Proc *t = process_hold(p, a[0], &hold);
    bool good = a[1] == A_backtrace && t;
    if (good && !(t->flags & PF_SENSITIVE)) {
        size_t n;
        char *text = stack_backtrace(t, p == t, &n);
        plat_log(text, n);
        vm_free(text);
    }
    process_release(&hold);
    return good ? A_true : A_badarg;
}
