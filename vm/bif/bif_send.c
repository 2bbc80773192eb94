/* SPDX-License-Identifier: Apache-2.0 */
/* Natives: sending, names. */
#include "gen/natives.h"
#include "vm/proc/msg.h"
#include "vm/proc/port.h"
#include "vm/proc/registry.h"
#include "vm/trace/trace.h"

NATIVE(native_send_2)
{
    return msg_send_any(p, a[0], a[1]);
}

NATIVE(native_send_3)
{
    bool noconnect = false;
    Term list = a[2];
    for (; is_cons(list); list = cons_tail(list)) {
        if (cons_head(list) != A_noconnect && cons_head(list) != A_nosuspend) {
            break;
        }
        noconnect |= cons_head(list) == A_noconnect;
    }
    if (!is_nil(list)) {
        return p_badarg_cause(p, A_badopt);
    }
    bool elsewhere = is_tuple_arity(a[0], 2) && is_atom(tuple_elements(a[0])[1]) && tuple_elements(a[0])[1] != A_nonode;
    if (msg_send_any(p, a[0], a[1]) == NONVALUE) {
        return NONVALUE;
    }
    return noconnect && (elsewhere || (is_boxed(a[0]) && is_pid(a[0]))) ? A_noconnect : A_ok;
}

/* --- names ------------------------------------------------------------------------------------------------- */
/* Where a live process or port keeps its name; NULL when it is dead. */
static Term *name_place(Term who)
{
    if (is_local_pid(who)) {
        Proc *p = proc_lookup(who);
        return p ? &p->registered_name : NULL;
    }
    Port *port = port_lookup(who);
    return port ? &port->name : NULL;
}

static void name_traced(Term who, Term tag, Term name)
{
    Proc *p = proc_lookup(who);
    if (p && trace_on(p, TRACE_PROCS)) {
        trace_proc_event1(p, tag, name);
    } else if (!p) {
        ports_lock();
        Port *port = port_lookup(who);
        if (port && trace_port_on(port, TRACE_PORTS)) {
            trace_port_event(port, tag, 1, &name);
        }
        ports_unlock();
    }
}

NATIVE(native_register)
{
    if (!is_atom(a[0]) || a[0] == A_undefined || !(is_local_pid(a[1]) || is_local_port(a[1]))) {
        return p_badarg_cause(p, A_none);
    }
    switch (registry_put(a[0], a[1], name_place)) {
    case REGISTERED:
        name_traced(a[1], A_register, a[0]);
        return A_true;
    case REGISTER_DEAD:
        return p_badarg_cause(p, A_notalive);
    case REGISTER_HAS_NAME:
        return p_badarg_cause(p, A_registered_name);
    case REGISTER_TAKEN:
        break;
    }
    return p_badarg_cause(p, A_none);
}

NATIVE(native_unregister)
{
    Term who = is_atom(a[0]) ? registry_find(a[0]) : NONVALUE;
    if (who == NONVALUE || !registry_delete(a[0], name_place)) {
        return p_badarg(p);
    }
    name_traced(who, A_unregister, a[0]);
    return A_true;
}

NATIVE(native_whereis)
{
    if (!is_atom(a[0])) {
        return p_badarg(p);
    }
    Term who = registry_find(a[0]);
    return who == NONVALUE ? A_undefined : who;
}

typedef struct NameList {
    Proc *p;
    Term list;
} NameList;

static void add_name(Term name, Term who, void *arg)
{
    NameList *l = arg;
    (void)who;
    l->list = heap_cons_on(l->p, name, l->list);
}

NATIVE(native_registered)
{
    (void)a;
    NameList l = {p, NIL};
    registry_each(add_name, &l);
    return l.list;
}
