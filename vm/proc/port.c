/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of ports, their life, and what processes do to them. Framing of data is in port_frame.c, natives in
 * vm/bif/bif_port.c.
 *
 * Life: port_open -> the driver's open -> data and commands -> port_terminate, from one of: port_close or
 * {Pid, close}; the driver (end of input, broken pipe); the owner's end over its link. The Port is
 * freed there; everybody else holds only the port's id.
 *
 * All of it is under one lock: bytes come and go on one scheduler (plat.h), and commands are few and short.
 */
#include "vm/proc/port.h"

#include "vm/bif/bif_scheduler.h"
#include "vm/plat.h"
#include "vm/proc/idmap.h"
#include "vm/proc/link.h"
#include "vm/proc/monitor.h"
#include "vm/proc/msacc.h"
#include "vm/proc/msg.h"
#include "vm/proc/port_priv.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"
#include "vm/term/binary.h"
#include "vm/trace/trace.h"
#include "vm/vm.h"

static struct PortTable {
    SpinLock lock;
    Sched *holder; /* atomic */
    unsigned depth;
    MsaccState before; /* what the holder did */
    struct IdMap *ports; /* id -> Port */
    uint64_t next_number;
    size_t limit;
    uint64_t closed_input, closed_output; /* byte counts of ports that are gone */
} table;

void ports_lock(void)
{
    Sched *s = plat_sched();
    if (__atomic_load_n(&table.holder, __ATOMIC_RELAXED) != s) {
        spin_lock(&table.lock);
        __atomic_store_n(&table.holder, s, __ATOMIC_RELAXED);
        table.before = s ? msacc_enter(s, MSACC_PORT) : MSACC_OTHER;
    }
    table.depth++;
}

void ports_unlock(void)
{
    if (--table.depth == 0) {
        if (table.holder) {
            msacc_enter(table.holder, table.before);
        }
        __atomic_store_n(&table.holder, NULL, __ATOMIC_RELAXED);
        spin_unlock(&table.lock);
    }
}

/* Lets the lock go however often it is held, and takes it again as often. */
static unsigned lock_release(void)
{
    unsigned depth = table.depth;
    table.depth = 0;
    __atomic_store_n(&table.holder, NULL, __ATOMIC_RELAXED);
    spin_unlock(&table.lock);
    return depth;
}

static void lock_resume(unsigned depth)
{
    spin_lock(&table.lock);
    __atomic_store_n(&table.holder, plat_sched(), __ATOMIC_RELAXED);
    table.depth = depth;
}

void port_pin(Port *port)
{
    port->pinned = true;
    port->pin_depth = lock_release();
}

void port_unpin(Port *port)
{
    lock_resume(port->pin_depth);
    port->pinned = false;
}

void port_table_init(size_t limit)
{
    table.limit = limit;
}

size_t port_table_limit(void)
{
    return table.limit;
}

size_t port_count(void)
{
    return idmap_count(table.ports);
}

Port *port_lookup(Term id_or_name)
{
    Term id = is_atom(id_or_name) ? registry_find(id_or_name) : id_or_name;
    if (!id || !is_local_port(id)) {
        return NULL;
    }
    for (;;) {
        uint64_t *at = idmap_find(table.ports, id);
        Port *port = at ? (Port *)(uintptr_t)*at : NULL;
        if (!port || !port->pinned) {
            return port;
        }
        unsigned depth = lock_release();
        plat_relax();
        lock_resume(depth);
    }
}

void port_each(void (*fn)(Port *port, void *arg), void *arg)
{
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(table.ports, &i));) {
        fn((Port *)(uintptr_t)s->value, arg);
    }
}

static void add_bytes(Port *port, void *arg)
{
    uint64_t *sum = arg;
    sum[0] += port->input;
    sum[1] += port->output;
}

void port_io_totals(uint64_t *input, uint64_t *output)
{
    uint64_t sum[2] = {table.closed_input, table.closed_output};
    port_each(add_bytes, sum);
    *input = sum[0];
    *output = sum[1];
}

/* --- opening ---------------------------------------------------------------------------------------- */
static const PortDriver *driver_among(const PortDriver *const *drivers, const char *name, size_t n)
{
    for (; *drivers; drivers++) {
        if (strlen((*drivers)->name) == n && memcmp((*drivers)->name, name, n) == 0) {
            return *drivers;
        }
    }
    return NULL;
}

/* Drivers of all platforms. */
static const PortDriver *const everywhere[] = {&ram_file_driver, NULL};

static const PortDriver *driver_named(const char *name, size_t n)
{
    const PortDriver *d = driver_among(everywhere, name, n);
    return d ? d : driver_among(plat_port_drivers(), name, n);
}

static bool driver_has_name(const PortDriver *d)
{
    return strcmp(d->name, "fd") != 0 && strcmp(d->name, "spawn") != 0 && strcmp(d->name, "vanilla") != 0;
}

bool port_driver_known(const char *name)
{
    const PortDriver *d = driver_named(name, strlen(name));
    return d && driver_has_name(d);
}

void port_driver_each(void (*fn)(const char *name, void *arg), void *arg)
{
    const PortDriver *const *lists[] = {everywhere, plat_port_drivers()};
    for (unsigned i = 0; i < 2; i++) {
        for (const PortDriver *const *d = lists[i]; *d; d++) {
            if (driver_has_name(*d)) {
                fn((*d)->name, arg);
            }
        }
    }
}

/* The text of a command: string, binary or atom, NUL-terminated; NULL when it is neither. Free with vm_free. */
static char *command_text(Term t)
{
    size_t n;
    if (is_atom(t)) {
        const uint8_t *text = atom_text(t, &n);
        char *copy = vm_alloc(n + 1);
        memcpy(copy, text, n + 1);
        return copy;
    }
    char *text = (char *)port_name_text(t, &n);
    if (text && strlen(text) != n) {
        vm_free(text);
        return NULL;
    }
    return text;
}

/* {spawn, "tty_sl -c -e"} names a driver if its first word does; other commands go to the driver for programs. */
static const PortDriver *driver_for_command(const char *command, bool drivers_only)
{
    size_t word = 0;
    while (command[word] && command[word] != ' ') {
        word++;
    }
    const PortDriver *d = driver_named(command, word);
    if (d && driver_has_name(d)) {
        return d;
    }
    return drivers_only || !*command ? NULL : driver_named("spawn", 5);
}

/* The driver and the label (owned by the caller) that a port name asks for; NULL with *error set. */
static const PortDriver *driver_for(Term name, char **label, Term *error)
{
    const PortDriver *d = NULL;
    *label = NULL;
    *error = A_badarg;
    if (is_tuple_arity(name, 3) && tuple_elements(name)[0] == A_fd) {
        const Term *e = tuple_elements(name);
        if (is_small(e[1]) && is_small(e[2])) {
            *label = vm_alloc(48);
            snprintf(*label, 48, "%ld/%ld", (long)small_value(e[1]), (long)small_value(e[2]));
            d = driver_named("fd", 2);
        }
    } else if (is_atom(name) || is_cons(name)) {
        *label = command_text(name);
        d = *label && **label ? driver_named("vanilla", 7) : NULL;
    } else if (is_tuple_arity(name, 2)) {
        const Term *e = tuple_elements(name);
        *label = command_text(e[1]);
        if (!*label) {
            return NULL;
        }
        if (e[0] == A_spawn || e[0] == A_spawn_driver) {
            d = driver_for_command(*label, e[0] == A_spawn_driver);
        } else if (e[0] == A_spawn_executable) {
            d = driver_named("spawn", 5);
        }
        if (!d && **label && (e[0] == A_spawn || e[0] == A_spawn_executable)) {
            *error = A_enoent; /* where no programs run, none is found */
        }
    }
    if (!d) {
        vm_free(*label);
        *label = NULL;
    }
    return d;
}

static bool option_pair(Port *port, Term key, Term value)
{
    switch (key) {
    case A_packet:
        if (value != make_small(1) && value != make_small(2) && value != make_small(4)) {
            return value == make_small(0);
        }
        port->packet = (uint8_t)small_value(value);
        return true;
    case A_line:
        if (!is_small(value) || small_value(value) <= 0) {
            return false;
        }
        port->line = (size_t)small_value(value);
        return true;
    case A_parallelism:
        port->parallelism = value == A_true;
        return is_boolean(value);
    case A_cd: case A_env: case A_args: case A_arg0: /* checked by the driver for programs */
    case A_busy_limits_port: case A_busy_limits_msgq:
        return true;
    default:
        return false;
    }
}

static bool option_word(Port *port, Term word, bool *in, bool *out)
{
    switch (word) {
    case A_stream:
        port->packet = 0;
        return true;
    case A_in:
        return *in = true;
    case A_out:
        return *out = true;
    case A_binary:
        return port->binary = true;
    case A_eof:
        return port->eof = true;
    case A_exit_status:
        return port->exit_status = true;
    case A_hide: case A_use_stdio: case A_nouse_stdio: case A_stderr_to_stdout: case A_overlapped_io:
        return true;
    default:
        return false;
    }
}

static bool options_parse(Port *port, Term list)
{
    bool in = false, out = false;
    for (; is_cons(list); list = cons_tail(list)) {
        Term o = cons_head(list);
        bool ok = is_tuple_arity(o, 2) ? option_pair(port, tuple_elements(o)[0], tuple_elements(o)[1])
                                       : option_word(port, o, &in, &out);
        if (!ok) {
            return false;
        }
    }
    port->in = in || !out;
    port->out = out || !in;
    return is_nil(list) && !(port->packet && port->line);
}

static void port_free(Port *port)
{
    if (port->user_data_frag) {
        frag_free(port->user_data_frag);
    }
    vm_free(port->label);
    vm_free(port->partial);
    vm_free(port->waiters);
    vm_free(port);
}

static void port_enter(Port *port)
{
    port->id = make_port(table.next_number++);
    idmap_put(&table.ports, port->id, (uint64_t)(uintptr_t)port);
}

Port *port_new(Term owner, const PortDriver *driver, void *data)
{
    Proc *p = proc_lookup(owner);
    if (!p || port_count() >= table.limit) {
        return NULL;
    }
    Port *port = vm_calloc(sizeof *port);
    *port = (Port){.owner = owner, .name = NIL, .driver = driver, .data = data, .user_data = NONVALUE,
                   .in = true, .out = true};
    size_t n = strlen(driver->name) + 1;
    port->label = memcpy(vm_alloc(n), driver->name, n);
    port_enter(port);
    link_to(p, port->id);
    return port;
}

Term port_open(Proc *owner, Term name, Term options, Term *error)
{
    char *label;
    const PortDriver *driver = driver_for(name, &label, error);
    if (!driver) {
        return NONVALUE;
    }
    *error = A_badarg;
    Port *port = vm_calloc(sizeof *port);
    *port = (Port){.owner = owner->id, .name = NIL, .driver = driver, .label = label, .user_data = NONVALUE,
                    .tracer = NIL};
    if (!options_parse(port, options)) {
        *error = A_badopt;
        port_free(port);
        return NONVALUE;
    }
    if (port_count() >= table.limit) {
        *error = A_system_limit;
        port_free(port);
        return NONVALUE;
    }
    port_enter(port);
    Term id = port->id;
    trace_port_opened(owner, port);
    port->data = driver->open(port, name, options, error);
    if (!port->data) {
        idmap_delete(&table.ports, id, NULL);
        port_free(port);
        return NONVALUE;
    }
    link_to(owner, id);
    return id;
}

/* --- ending ------------------------------------------------------------------------------------------- */
static void wake_waiters(Port *port)
{
    for (size_t i = 0; i < port->waiter_count; i++) {
        Proc *w = proc_lookup(port->waiters[i]);
        if (w) {
            sched_ready(w);
        }
    }
    port->waiter_count = 0;
}

void port_terminate(Port *port, Term reason)
{
    if (port->closing) {
        return;
    }
    port->closing = true;
    if (trace_port_on(port, TRACE_PORTS)) {
        trace_port_event(port, A_closed, 1, &reason);
    }
    idmap_delete(&table.ports, port->id, NULL);
    registry_forget(port->id, &port->name);
    if (port->name != NIL && trace_port_on(port, TRACE_PORTS)) {
        trace_port_event(port, A_unregister, 1, &port->name);
    }
    table.closed_input += port->input;
    table.closed_output += port->output;
    port->driver->close(port->data);
    wake_waiters(port);
    link_break_all(NULL, &port->links, port->id, reason);
    monitor_end_all(&port->monitors, port->id, reason);
    port_free(port);
}

void port_terminate_quietly(Port *port, Term reason)
{
    if (link_port_remove(&port->links, port->owner)) {
        signal_send(port->owner, signal_new(SIG_UNLINK, port->id, 0));
    }
    port_terminate(port, reason);
}

void port_owner_exit(Term id, Term from, Term reason)
{
    ports_lock();
    Port *port = port_lookup(id);
    /* As an exit signal: `normal` from another than the connected process is no reason to end. */
    if (port && (from == port->owner || reason != A_normal)) {
        port_terminate(port, reason);
    }
    ports_unlock();
}

/* --- what processes send ----------------------------------------------------------------------------------- */
void port_connect(Port *port, Term pid)
{
    if (port->owner != pid) {
        port->owner = pid;
        Proc *owner = proc_lookup(pid);
        if (owner) {
            link_to(owner, port->id);
        }
    }
}

/* flags: of the port, which may be gone. */
static void reply(Term to, Term port, Term what, uint32_t flags, Term tracer)
{
    HeapFrag *frag = frag_new(TUPLE_WORDS(2));
    Term *t = frag->mem;
    t[0] = MAKE_HEADER(2, SUB_TUPLE);
    t[1] = port;
    t[2] = what;
    frag->used = TUPLE_WORDS(2);
    if (flags & TRACE_SEND) {
        Port said = {.id = port, .trace_flags = flags, .tracer = tracer};
        trace_port_says(&said, to, what == A_closed ? what : make_boxed(t));
    }
    msg_send_frag_from(port, to, make_boxed(t), frag);
}

static bool port_command_message(Port *port, Term from, Term command)
{
    Term owner = port->owner;
    if (command == A_close) {
        Term id = port->id, tracer = port->tracer;
        uint32_t flags = port->trace_flags;
        port_terminate(port, A_normal);
        reply(owner, id, A_closed, flags, tracer);
        return true;
    }
    if (!is_tuple_arity(command, 2)) {
        return false;
    }
    const Term *e = tuple_elements(command);
    if (e[0] == A_command) {
        return port_output(port, from, e[1]);
    }
    if (e[0] == A_connect && is_local_pid(e[1]) && proc_lookup(e[1])) {
        port->owner = e[1]; /* unlike port_connect/2, makes no link */
        reply(owner, port->id, A_connected, port->trace_flags, port->tracer);
        return true;
    }
    return false;
}

static void port_message(Proc *from, Port *port, Term message)
{
    Term id = port->id;
    const Term *e = is_tuple_arity(message, 2) ? tuple_elements(message) : NULL;
    if (from && trace_port_on(port, TRACE_RECEIVE)) {
        trace_port_told(from, port, e && e[0] == port->owner ? e[1] : message);
    }
    /* The one who is told of bad signals is the connected process, whoever sent them. */
    Term owner = port->owner;
    if (!e || e[0] != owner || !port_command_message(port, from ? from->id : NONVALUE, e[1])) {
        signal_exit(NULL, id, owner, A_badsig, false);
    }
}

void port_receive_message(Proc *from, Term id, Term message)
{
    ports_lock();
    Port *port = port_lookup(id);
    if (port) {
        port_message(from, port, message);
    }
    ports_unlock();
}

/* --- flow control -------------------------------------------------------------------------------------------- */
void port_set_busy(Port *port, bool busy)
{
    port->busy = busy;
    if (!busy) {
        wake_waiters(port);
    }
}

Term port_wait(Proc *p, Port *port)
{
    bool there = false;
    for (size_t i = 0; i < port->waiter_count; i++) {
        there |= port->waiters[i] == p->id;
    }
    if (!there) {
        if (port->waiter_count == port->waiter_capacity) {
            port->waiter_capacity = port->waiter_capacity ? port->waiter_capacity * 2 : 4;
            port->waiters = vm_realloc(port->waiters, port->waiter_capacity * sizeof *port->waiters);
        }
        port->waiters[port->waiter_count++] = p->id;
        system_monitor_busy_port(p, port->id);
    }
    p->fault_class = FAULT_WAIT;
    p->trap_export = NULL; /* of an earlier trap: this call is to be made again */
    return NONVALUE;
}
