/* SPDX-License-Identifier: Apache-2.0 */
/* Natives: links, exit signals, monitors, aliases. */
#include "gen/natives.h"
#include "vm/load/code.h"
#include "vm/proc/link.h"
#include "vm/proc/monitor.h"
#include "vm/proc/port.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"

/* The process may have been ended by its own signal: then no value is returned and the interpreter leaves. */
static Term after_own_signal(Proc *p, Term result)
{
    signal_handle_all(p);
    return p->flags & PF_EXITING ? NONVALUE : result;
}

/* Why a pid or port of elsewhere is not there: it is of an earlier life of this node, or of a node that cannot be
 * reached. */
static Term absent_reason(Term external)
{
    Term node = boxed_ptr(external)[1]; /* ExtPid */
    return node == A_nonode ? A_noproc : A_noconnection;
}

/* --- links ------------------------------------------------------------------------------------------------- */
/* Linking to what is not there: an exit signal if p traps exits, else the exception that a check at hand allows. */
static Term link_failed(Proc *p, Term peer, Term reason)
{
    if (!(p->flags & PF_TRAP_EXIT)) {
        return p_fault(p, FAULT_ERROR, reason);
    }
    if (is_immed(peer)) {
        idmap_put(&p->links, peer, 0);
        signal_push(p, signal_new_term(SIG_EXIT_LINKED, peer, 0, reason, 0));
    } else {
        msg_send(p, p, heap_tuple3(p, A_EXIT, peer, reason));
    }
    return A_true;
}

NATIVE(native_link)
{
    if (is_local_pid(a[0]) || is_local_port(a[0])) {
        return link_to(p, a[0]) ? A_true : link_failed(p, a[0], A_noproc);
    }
    return is_pid(a[0]) || is_port(a[0]) ? link_failed(p, a[0], absent_reason(a[0])) : p_badarg(p);
}

NATIVE(native_unlink)
{
    if (is_local_pid(a[0]) || is_local_port(a[0])) {
        link_remove(p, a[0]);
        return A_true;
    }
    return is_pid(a[0]) || is_port(a[0]) ? A_true : p_badarg(p);
}

NATIVE(native_exit_2)
{
    if (a[0] == p->id) {
        signal_exit(p, p->id, p->id, a[1], false);
        return after_own_signal(p, A_true);
    }
    if (is_local_pid(a[0])) {
        signal_exit(p, p->id, a[0], a[1], false);
        return A_true;
    }
    if (is_local_port(a[0])) {
        port_owner_exit(a[0], p->id, a[1] == A_kill ? A_killed : a[1]);
        return A_true;
    }
    return is_pid(a[0]) || is_port(a[0]) ? A_true : p_badarg(p);
}

/* --- monitors ------------------------------------------------------------------------------------------------ */
/* A name, or {Name, Node}: the name, and false in *reachable when the node is another. False: neither. */
static bool parse_named(Term item, Term *name, bool *reachable)
{
    *reachable = true;
    if (is_atom(item)) {
        *name = item;
        return true;
    }
    if (!is_tuple_arity(item, 2) || !is_atom(tuple_elements(item)[0]) || !is_atom(tuple_elements(item)[1])) {
        return false;
    }
    *name = tuple_elements(item)[0];
    *reachable = tuple_elements(item)[1] == A_nonode;
    return true;
}

static Term monitor_named(Proc *p, Term type, Term item, const MonitorOpts *o)
{
    Term name;
    bool reachable;
    if (!parse_named(item, &name, &reachable) || !reachable) {
        return p_badarg(p); /* this node is not distributed: another node cannot even be named */
    }
    Term who = registry_find(name);
    bool fits = type == A_process ? is_local_pid(who) : is_local_port(who);
    if (who == NONVALUE || !fits) {
        return monitor_start_dead(p, type, NONVALUE, name, o, A_noproc);
    }
    return monitor_start(p, type, who, name, o);
}

static Term monitor_self(Proc *p, const MonitorOpts *o)
{
    return o->alias == ALIAS_NONE ? heap_new_ref(p) : alias_new(p, o->alias);
}

static Term monitor_process(Proc *p, Term item, const MonitorOpts *o)
{
    if (item == p->id) {
        return monitor_self(p, o);
    }
    if (is_local_pid(item)) {
        return monitor_start(p, A_process, item, NIL, o);
    }
    if (is_pid(item)) {
        return monitor_start_dead(p, A_process, item, NIL, o, absent_reason(item));
    }
    return is_port(item) ? p_badarg(p) : monitor_named(p, A_process, item, o);
}

static Term monitor_any(Proc *p, Term type, Term item, const MonitorOpts *o)
{
    switch (type) {
    case A_process:
        return monitor_process(p, item, o);
    case A_port:
        if (is_local_port(item)) {
            return monitor_start(p, A_port, item, NIL, o);
        }
        if (is_port(item)) {
            return monitor_start_dead(p, A_port, item, NIL, o, absent_reason(item));
        }
        return is_pid(item) ? p_badarg(p) : monitor_named(p, A_port, item, o);
    case A_time_offset:
        return item == A_clock_service ? monitor_start(p, A_time_offset, NONVALUE, A_clock_service, o) : p_badarg(p);
    default:
        return p_badarg_cause(p, A_badtype);
    }
}

NATIVE(native_monitor_2)
{
    MonitorOpts o = {ALIAS_NONE, NONVALUE};
    return monitor_any(p, a[0], a[1], &o);
}

NATIVE(native_monitor_3)
{
    MonitorOpts o;
    if (!monitor_parse_opts(a[2], &o)) {
        return p_badarg_cause(p, A_badopt);
    }
    return monitor_any(p, a[0], a[1], &o);
}

NATIVE(native_demonitor_1)
{
    if (!is_ref(a[0])) {
        return p_badarg(p);
    }
    monitor_stop(p, ref_id(a[0]));
    return A_true;
}

NATIVE(native_demonitor_2)
{
    bool flush = false, info = false;
    Term list = a[1];
    for (; is_cons(list); list = cons_tail(list)) {
        flush |= cons_head(list) == A_flush;
        info |= cons_head(list) == A_info;
        if (cons_head(list) != A_flush && cons_head(list) != A_info) {
            return p_badarg(p);
        }
    }
    if (!is_nil(list) || !is_ref(a[0])) {
        return p_badarg(p);
    }
    if (monitor_stop(p, ref_id(a[0]))) {
        return A_true;
    }
    Term result = info ? A_false : A_true;
    if (flush) {
        Term args[] = {a[0], A_false, result};
        return p_trap(p, export_put(A_erts_internal, A_flush_monitor_messages, 3), 3, args);
    }
    return result;
}

/* Another node cannot be reached: this one is not distributed. monitor_node/2 and /3. */
NATIVE(native_monitor_node)
{
    if (!is_atom(a[0]) || !is_boolean(a[1])) {
        return p_badarg(p);
    }
    return a[0] == A_nonode ? A_true : p_fault(p, FAULT_ERROR, A_notalive);
}

NATIVE(native_monitor_node_3)
{
    Term list = a[2];
    while (is_cons(list) && cons_head(list) == A_allow_passive_connect) {
        list = cons_tail(list);
    }
    return is_nil(list) ? native_monitor_node(p, a) : p_badarg_cause(p, A_badopt);
}

/* --- aliases ------------------------------------------------------------------------------------------------- */
NATIVE(native_alias_1)
{
    AliasMode mode = ALIAS_EXPLICIT;
    Term list = a[0];
    for (; is_cons(list); list = cons_tail(list)) {
        if (cons_head(list) == A_reply) {
            mode = ALIAS_REPLY;
        } else if (cons_head(list) == A_explicit_unalias) {
            mode = ALIAS_EXPLICIT;
        } else {
            return p_badarg(p);
        }
    }
    return is_nil(list) ? alias_new(p, mode) : p_badarg(p);
}

NATIVE(native_unalias)
{
    return is_ref(a[0]) ? make_boolean(alias_stop(p, ref_id(a[0]))) : p_badarg(p);
}
