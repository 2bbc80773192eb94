/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What erts_debug:get_internal_state/1 shows as records of OTP's own tables: links and monitors of a
 * process, who refers to which node, what process_info/2 knows, how processes/0 works. The shapes are
 * those that OTP's suites match.
 */
#include "vm/bif/bif_debug.h"

#include "vm/bif/bif_process.h"
#include "vm/proc/link.h"
#include "vm/proc/monitor.h"

typedef struct List {
    Proc *p;
    Term list;
    Term owner; /* whose links or monitors */
} List;

static void add(List *l, size_t n, const Term *fields)
{
    l->list = heap_cons_on(l->p, heap_tuple(l->p, n, fields), l->list);
}

/* {erl_link, Type, Peer, State, Id} */
static void add_link(Term peer, void *arg)
{
    Term type = is_local_port(peer) ? A_port : A_process;
    add(arg, 5, (Term[]){A_erl_link, type, peer, A_linked, make_small(0)});
}

/* {erl_monitor, Type, Direction, Ref, Peer, Name} */
static void add_monitor(const Monitor *m, void *arg)
{
    List *l = arg;
    if ((m->kind != MON_OUT && m->kind != MON_IN) || m->peer == l->owner) { /* OTP knows none of oneself */
        return;
    }
    Term alias = m->is_alias_ref ? m->kind == MON_IN ? m->peer : l->owner : NONVALUE;
    Term *hp = heap_alloc(l->p, REF_ALIAS_WORDS), ref = ref_build(&hp, m->id, alias);
    heap_trim(l->p, hp);
    Term peer = m->peer == NONVALUE ? NIL : heap_copy(l->p, m->peer);
    add(l, 6, (Term[]){A_erl_monitor, m->type, m->kind == MON_OUT ? A_origin : A_target, ref, peer, m->name});
}

Term debug_list(Proc *p, Term which, Term pid)
{
    if (is_atom(pid)) {
        return NIL; /* a node: there are no others */
    }
    ProcessHold hold;
    Proc *t = process_hold(p, pid, &hold);
    List l = {p, NIL, pid};
    if (t && which == A_link_list) {
        link_each(t->links, add_link, &l);
    } else if (t) {
        monitor_each(t->monitors, add_monitor, &l);
    }
    process_release(&hold);
    return t ? l.list : A_undefined;
}

/* [{Entry, 1, [{{system, undefined}, [{system, 1}]}]}]: the machine itself refers to its node. There
 * is no table of others: an external pid holds the name of its node, an atom, which is never freed. */
static Term node_entry(Proc *p, Term entry)
{
    Term count = heap_cons_on(p, heap_tuple2(p, A_system, make_small(1)), NIL);
    Term referrer = heap_tuple2(p, heap_tuple2(p, A_system, A_undefined), count);
    return heap_cons_on(p, heap_tuple3(p, entry, make_small(1), heap_cons_on(p, referrer, NIL)), NIL);
}

Term debug_node_references(Proc *p)
{
    Term nodes = node_entry(p, heap_tuple2(p, A_nonode, make_small(0)));
    return heap_tuple2(p, heap_tuple2(p, A_node_references, nodes),
                       heap_tuple2(p, A_dist_references, node_entry(p, A_nonode)));
}

/* In OTP's order. */
Term debug_process_info_args(Proc *p)
{
    static const Term args[] = {
        A_registered_name, A_current_function, A_initial_call, A_status, A_messages, A_message_queue_len, A_links,
        A_monitors, A_monitored_by, A_dictionary, A_trap_exit, A_error_handler, A_heap_size, A_stack_size, A_memory,
        A_garbage_collection, A_group_leader, A_reductions, A_priority, A_trace, A_binary, A_sequential_trace_token,
        A_catchlevel, A_backtrace, A_last_calls, A_total_heap_size, A_suspending, A_min_heap_size,
        A_min_bin_vheap_size, A_max_heap_size, A_current_location, A_current_stacktrace, A_message_queue_data,
        A_garbage_collection_info, A_magic_ref, A_fullsweep_after, A_parent,
    };
    return heap_list(p, sizeof args / sizeof *args, args, NIL);
}

/* {ptab_list_bif_info, reductions it begins with, chunks, their size, slots a reduction, ...}:
 * processes/0 looks at the whole table in one piece, so it never has to go on later. */
Term debug_processes_info(Proc *p)
{
    const Term fields[] = {A_ptab_list_bif_info, make_small(1), make_small(1),
                           make_small((int64_t)proc_table_limit()), make_small(64), make_small(0), make_small(0),
                           make_small(64), make_small(0), make_small(0)};
    return heap_tuple(p, sizeof fields / sizeof *fields, fields);
}
