/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Natives on ports. erlang.erl wraps those of erts_internal: they answer errors as atoms (badarg, badopt,
 * a posix error), which it raises with the caller's arguments.
 */
#include "gen/natives.h"
#include "vm/proc/exception.h"
#include "vm/proc/idmap.h"
#include "vm/proc/link.h"
#include "vm/proc/monitor.h"
#include "vm/proc/port.h"
#include "vm/term/binary.h"
#include "vm/term/number.h"
#include "vm/trace/trace.h"

enum { PORT_COST = 40, BYTES_PER_REDUCTION = 512 };

NATIVE(native_erts_internal_open_port)
{
    Term error;
    p_charge(p, PORT_COST);
    Term port = port_open(p, a[0], a[1], &error);
    return port ? port : error;
}

static void told(Proc *p, Port *port, Term what)
{
    if (trace_port_on(port, TRACE_RECEIVE)) {
        trace_port_told(p, port, what);
    }
}

NATIVE(native_erts_internal_port_close)
{
    Port *port = port_lookup(a[0]);
    p_charge(p, PORT_COST);
    if (!port) {
        return A_badarg;
    }
    told(p, port, A_close);
    port_terminate(port, A_normal);
    return A_true;
}

NATIVE(native_erts_internal_port_connect)
{
    Port *port = port_lookup(a[0]);
    if (!port || !is_local_pid(a[1]) || !proc_lookup(a[1])) {
        return A_badarg;
    }
    if (trace_port_on(port, TRACE_RECEIVE)) {
        told(p, port, heap_tuple2(p, A_connect, a[1]));
    }
    port_connect(port, a[1]);
    return A_true;
}

NATIVE(native_erts_internal_port_command)
{
    bool force = false, nosuspend = false;
    size_t size;
    Term flags = a[2];
    for (; is_cons(flags); flags = cons_tail(flags)) {
        if (cons_head(flags) == A_force) {
            force = true;
        } else if (cons_head(flags) == A_nosuspend) {
            nosuspend = true;
        } else {
            return A_badopt;
        }
    }
    if (!is_nil(flags)) {
        return A_badopt;
    }
    Port *port = port_lookup(a[0]);
    if (!port) {
        return A_badarg;
    }
    if (iolist_size_of(a[1], &size) != IO_OK) {
        Term label = heap_string(p, (const uint8_t *)port->label, strlen(port->label));
        exception_log(p, A_error, "Bad value on output port '~s'\n\n", heap_list(p, 1, &label, NIL));
        return A_badarg;
    }
    if (port->busy && !force) {
        return nosuspend ? A_false : port_wait(p, port);
    }
    p_charge(p, PORT_COST + (intptr_t)(size / BYTES_PER_REDUCTION));
    if (trace_port_on(port, TRACE_RECEIVE)) {
        told(p, port, heap_tuple2(p, A_command, a[1]));
    }
    return port_output(port, p->id, a[1]) ? A_true : A_badarg;
}

NATIVE(native_erts_internal_port_control)
{
    uint64_t command;
    size_t n;
    Port *port = port_lookup(a[0]);
    p_charge(p, PORT_COST);
    if (!port || !port->driver->control || !integer_to_uint64(a[1], &command) || command > UINT32_MAX) {
        return A_badarg;
    }
    uint8_t *bytes = iolist_to_memory(a[2], &n);
    if (!bytes) {
        return A_badarg;
    }
    Term answer = port->driver->control(p, port->data, (unsigned)command, bytes, n);
    vm_free(bytes);
    return answer ? answer : A_badarg;
}

NATIVE(native_erts_internal_port_call)
{
    uint64_t command;
    Port *port = port_lookup(a[0]);
    p_charge(p, PORT_COST);
    if (!port || !port->driver->call || !integer_to_uint64(a[1], &command) || command > UINT32_MAX) {
        return A_badarg;
    }
    Term answer = port->driver->call(p, port->data, (unsigned)command, a[2]);
    return answer ? answer : A_badarg;
}

/* --- port_info ------------------------------------------------------------------------------------------ */
typedef struct Collect {
    Proc *p;
    Term list;
} Collect;

static void collect_link(Term peer, void *arg)
{
    Collect *c = arg;
    c->list = heap_cons_on(c->p, peer, c->list);
}

static void collect_monitor_in(const Monitor *m, void *arg)
{
    Collect *c = arg;
    if (m->kind == MON_IN) {
        c->list = heap_cons_on(c->p, m->peer, c->list);
    }
}

static size_t port_memory(const Port *port)
{
    return sizeof *port + strlen(port->label) + 1 + port->partial_capacity + idmap_bytes(port->links) +
           idmap_bytes(port->monitors) + port->waiter_capacity * sizeof *port->waiters;
}

/* The item's value; NONVALUE: no such item; NIL for registered_name when it has none (the caller knows). */
static Term info_value(Proc *p, Port *port, Term item)
{
    Collect c = {p, NIL};
    switch (item) {
    case A_registered_name:
        return port->name;
    case A_id:
        return heap_uint64(p, port_number(port->id));
    case A_connected:
        return port->owner;
    case A_links:
        link_each(port->links, collect_link, &c);
        return c.list;
    case A_name:
        return heap_string(p, (const uint8_t *)port->label, strlen(port->label));
    case A_input:
        return heap_uint64(p, port->input);
    case A_output:
        return heap_uint64(p, port->output);
    case A_os_pid:
        return port->os_pid ? make_small(port->os_pid) : A_undefined;
    case A_monitors:
        return NIL; /* ports monitor nobody */
    case A_monitored_by:
        monitor_each(port->monitors, collect_monitor_in, &c);
        return c.list;
    case A_parallelism:
        return make_boolean(port->parallelism);
    case A_queue_size:
        return heap_uint64(p, port->driver->queued ? port->driver->queued(port->data) : 0);
    case A_memory:
        return heap_uint64(p, port_memory(port));
    case A_locking:
        return A_port_level;
    default:
        return NONVALUE;
    }
}

NATIVE(native_erts_internal_port_info_2)
{
    Port *port = port_lookup(a[0]);
    p_charge(p, PORT_COST);
    if (!is_port(a[0]) && !(is_atom(a[0]) && port)) {
        return A_badarg;
    }
    if (!port) {
        static const Term known[] = {A_registered_name, A_id, A_connected, A_links, A_name, A_input, A_output,
                                     A_os_pid, A_monitors, A_monitored_by, A_parallelism, A_queue_size, A_memory,
                                     A_locking};
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (known[i] == a[1]) {
                return A_undefined;
            }
        }
        return A_badarg;
    }
    Term value = info_value(p, port, a[1]);
    if (!value) {
        return A_badarg;
    }
    if (a[1] == A_registered_name && value == NIL) {
        return NIL;
    }
    return heap_tuple2(p, a[1], value);
}

NATIVE(native_erts_internal_port_info_1)
{
    static const Term items[] = {A_os_pid, A_output, A_input, A_connected, A_id, A_links, A_name, A_registered_name};
    Port *port = port_lookup(a[0]);
    Term list = NIL;
    if (!is_port(a[0]) && !(is_atom(a[0]) && port)) {
        return A_badarg;
    }
    if (!port) {
        return A_undefined;
    }
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        Term value = info_value(p, port, items[i]);
        if (items[i] != A_registered_name || value != NIL) {
            list = heap_cons_on(p, heap_tuple2(p, items[i], value), list);
        }
    }
    return list;
}

/* --- all ports, and what is kept with one ------------------------------------------------------------------ */
static void collect_port(Port *port, void *arg)
{
    Collect *c = arg;
    c->list = heap_cons_on(c->p, port->id, c->list);
}

NATIVE(native_ports)
{
    Collect c = {p, NIL};
    (void)a;
    p_charge(p, (intptr_t)port_count());
    port_each(collect_port, &c);
    return c.list;
}

NATIVE(native_port_set_data)
{
    Port *port = port_lookup(a[0]);
    if (!port) {
        return p_badarg(p);
    }
    if (port->user_data_frag) {
        frag_free(port->user_data_frag);
    }
    port->user_data_frag = frag_copy_whole(a[1], &port->user_data);
    return A_true;
}

NATIVE(native_port_get_data)
{
    Port *port = port_lookup(a[0]);
    if (!port || !port->user_data) {
        return p_badarg(p);
    }
    return heap_copy(p, port->user_data);
}
