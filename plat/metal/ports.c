/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port drivers that are Erlang processes (doc/hardware.md, "Ports driven by Erlang processes"). For each driver name
 * there is a PortServer: the PortDriver that vm/proc/port.c sees, and the process behind it. A dead process leaves its
 * ports open: the next one that registers for the name is handed them.
 */
#include "gen/natives_metal.h"
#include "kernel/log.h"
#include "plat/metal/metal.h"
#include "plat/metal/ports.h"
#include "vm/net/inet.h"
#include "vm/proc/port.h"
#include "vm/term/binary.h"
#include "vm/term/number.h"

enum { MAX_SERVERS = 16, NAME_BYTES = 32, MAX_OUTPUT_BYTES = 4 << 20 };

typedef struct PortServer {
    PortDriver driver; /* first: a Port's driver is one of these */
    char name[NAME_BYTES];
    Term pid; /* NONVALUE: nobody yet */
} PortServer;

/* What port_control answers for one command. */
typedef struct Reply {
    struct Reply *next;
    uint32_t command;
    size_t size;
    uint8_t bytes[];
} Reply;

/* Output that its driver has not yet taken: kept, so that a driver's death loses none. */
typedef struct Output {
    struct Output *next;
    size_t size;
    uint8_t bytes[];
} Output;

typedef struct ServedPort {
    Port *port;
    Output *outputs, **outputs_end;
    size_t output_bytes;
    HeapFrag *options_frag;
    Term options; /* as open_port had them, for the driver and its successors */
    Reply *replies;
} ServedPort;

static struct Ports {
    PortServer servers[MAX_SERVERS];
    const PortDriver *drivers[2 + MAX_SERVERS + 1]; /* sockets, then those; ends with NULL */
    unsigned count;
} ports = {.drivers = {&tcp_inet_driver, &udp_inet_driver}};

static PortServer *server_of(const Port *port) { return (PortServer *)(uintptr_t)port->driver; }
static bool is_served(const PortServer *s) { return s->pid != NONVALUE && is_alive(s->pid); }
static bool is_fd(const PortServer *s) { return strcmp(s->name, "fd") == 0; }

/* --- messages to the driver -------------------------------------------------------------------------------- */
static void send_open(const ServedPort *d)
{
    const PortServer *s = server_of(d->port);
    size_t n = strlen(s->name);
    Letter l = letter_new(5 + LETTER_BINARY_WORDS(n) + term_size_whole(d->options));
    Term name = letter_binary(&l, s->name, n);
    Term options = term_copy_whole(d->options, &l.hp, &l.frag->off_heap);
    letter_send(&l, s->pid, letter_tuple(&l, 4, (const Term[]){A_port_open, d->port->id, name, options}));
}

static void send_bytes(const ServedPort *d, const uint8_t *bytes, size_t n)
{
    Letter l = letter_new(4 + LETTER_BINARY_WORDS(n));
    Term data = letter_binary(&l, bytes, n);
    letter_send(&l, server_of(d->port)->pid, letter_tuple(&l, 3, (const Term[]){A_port_output, d->port->id, data}));
}

static void send_control(const ServedPort *d, unsigned command, const uint8_t *bytes, size_t n)
{
    Letter l = letter_new(5 + LETTER_BINARY_WORDS(n));
    Term data = letter_binary(&l, bytes, n);
    const Term message[] = {A_port_control, d->port->id, make_small(command), data};
    letter_send(&l, server_of(d->port)->pid, letter_tuple(&l, 4, message));
}

static void send_close(const ServedPort *d)
{
    Letter l = letter_new(3);
    letter_send(&l, server_of(d->port)->pid, letter_tuple(&l, 2, (const Term[]){A_port_close, d->port->id}));
}

/* --- the driver's functions as the machine calls them ---------------------------------------------------------- */
static void *served_open(Port *port, Term name, Term options, Term *error)
{
    const PortServer *s = server_of(port);
    (void)name;
    if (!is_served(s) && !is_fd(s)) {
        *error = A_badarg;
        return NULL;
    }
    ServedPort *d = vm_calloc(sizeof *d);
    d->port = port;
    d->outputs_end = &d->outputs;
    d->options_frag = frag_copy_whole(options, &d->options);
    if (is_served(s)) {
        send_open(d);
    }
    return d;
}

static void output_drop_first(ServedPort *d)
{
    Output *o = d->outputs;
    d->outputs = o->next;
    if (d->outputs == NULL) {
        d->outputs_end = &d->outputs;
    }
    d->output_bytes -= o->size;
    vm_free(o);
}

static void served_close(void *data)
{
    ServedPort *d = data;
    if (is_served(server_of(d->port))) {
        send_close(d);
    }
    for (Reply *r = d->replies, *next; r != NULL; r = next) {
        next = r->next;
        vm_free(r);
    }
    while (d->outputs != NULL) {
        output_drop_first(d);
    }
    if (d->options_frag != NULL) {
        frag_free(d->options_frag);
    }
    vm_free(d);
}

static void output_keep(ServedPort *d, const uint8_t *bytes, size_t n)
{
    Output *o = vm_alloc(sizeof *o + n);
    o->next = NULL;
    o->size = n;
    memcpy(o->bytes, bytes, n);
    *d->outputs_end = o;
    d->outputs_end = &o->next;
    d->output_bytes += n;
}

static bool served_output(void *data, const uint8_t *bytes, size_t n)
{
    ServedPort *d = data;
    const PortServer *s = server_of(d->port);
    if (!is_served(s) && is_fd(s)) {
        log_write((const char *)bytes, n);
        return true;
    }
    if (d->output_bytes + n > MAX_OUTPUT_BYTES) {
        return false; /* nobody has taken any for a long time */
    }
    output_keep(d, bytes, n);
    if (is_served(s)) {
        send_bytes(d, bytes, n);
    }
    return true;
}

static Term served_control(Proc *caller, void *data, unsigned command, const uint8_t *bytes, size_t n)
{
    ServedPort *d = data;
    if (is_served(server_of(d->port))) {
        send_control(d, command, bytes, n);
    }
    for (const Reply *r = d->replies; r != NULL; r = r->next) {
        if (r->command == command) {
            return heap_string(caller, r->bytes, r->size);
        }
    }
    return NONVALUE;
}

/* --- names ---------------------------------------------------------------------------------------------------------
 * */
static PortServer *server_named(const char *name, size_t n)
{
    for (unsigned i = 0; i < ports.count; i++) {
        if (strlen(ports.servers[i].name) == n && memcmp(ports.servers[i].name, name, n) == 0) {
            return &ports.servers[i];
        }
    }
    if (ports.count == MAX_SERVERS || n == 0 || n >= NAME_BYTES) {
        return NULL;
    }
    PortServer *s = &ports.servers[ports.count];
    memcpy(s->name, name, n);
    s->pid = NONVALUE;
    s->driver = (PortDriver){.name = s->name,
                             .open = served_open,
                             .close = served_close,
                             .output = served_output,
                             .control = served_control};
    ports.drivers[2 + ports.count++] = &s->driver;
    return s;
}

const struct PortDriver *const *ports_drivers(void)
{
    if (ports.count == 0) {
        server_named("fd", 2); /* open before anybody drives it: its output goes to the kernel's log */
    }
    return ports.drivers;
}

/* --- natives ---------------------------------------------------------------------------------------------------------
 * */
static void hand_over(Port *port, void *server)
{
    if (server_of(port) != server) {
        return;
    }
    const ServedPort *d = port->data;
    send_open(d);
    for (const Output *o = d->outputs; o != NULL; o = o->next) {
        send_bytes(d, o->bytes, o->size);
    }
}

NATIVE(native_loom_port_register)
{
    const uint8_t *name;
    size_t n;
    if (!is_binary(a[0]) || !binary_bytes(p, a[0], &name, &n)) {
        return p_badarg(p);
    }
    PortServer *s = server_named((const char *)name, n);
    if (s == NULL) {
        return p_badarg(p);
    }
    if (is_served(s) && s->pid != p->id) {
        return heap_tuple2(p, A_error, A_taken);
    }
    bool again = s->pid == p->id;
    s->pid = p->id;
    if (!again) {
        port_each(hand_over, s);
    }
    return A_ok;
}

typedef enum { MINE, CLOSED, NOT_MINE } Whose;

static Whose port_of(const Proc *p, Term t, Port **port)
{
    if (!is_local_port(t)) {
        return NOT_MINE;
    }
    *port = port_lookup(t);
    if (*port == NULL || (*port)->closing) {
        return CLOSED;
    }
    bool ours = (*port)->driver->open == served_open;
    return ours && server_of(*port)->pid == p->id ? MINE : NOT_MINE;
}

static Term not_mine(Proc *p, Whose whose)
{
    return whose == CLOSED ? heap_tuple2(p, A_error, A_closed) : p_badarg(p);
}

NATIVE(native_loom_port_deliver)
{
    Port *port;
    size_t n;
    Whose whose = port_of(p, a[0], &port);
    if (whose != MINE) {
        return not_mine(p, whose);
    }
    uint8_t *bytes = iolist_to_memory(a[1], &n);
    if (bytes == NULL) {
        return p_badarg(p);
    }
    port_deliver_data(port, bytes, n);
    vm_free(bytes);
    return A_ok;
}

NATIVE(native_loom_port_deliver_term)
{
    Port *port;
    Whose whose = port_of(p, a[0], &port);
    if (whose != MINE) {
        return not_mine(p, whose);
    }
    Term copy;
    HeapFrag *frag = frag_copy_term(a[1], &copy);
    port_deliver(port, copy, frag);
    return A_ok;
}

NATIVE(native_loom_port_taken)
{
    Port *port;
    Whose whose = port_of(p, a[0], &port);
    if (whose != MINE) {
        return not_mine(p, whose);
    }
    ServedPort *d = port->data;
    if (d->outputs == NULL) {
        return p_badarg(p);
    }
    output_drop_first(d);
    return A_ok;
}

NATIVE(native_loom_port_eof)
{
    Port *port;
    Whose whose = port_of(p, a[0], &port);
    if (whose != MINE) {
        return not_mine(p, whose);
    }
    port_deliver_eof(port);
    return A_ok;
}

NATIVE(native_loom_port_close)
{
    Port *port;
    Whose whose = port_of(p, a[0], &port);
    if (whose != MINE) {
        return not_mine(p, whose);
    }
    if (!is_atom(a[1])) {
        return p_badarg(p);
    }
    port_terminate(port, a[1]);
    return A_ok;
}

NATIVE(native_loom_port_set_control)
{
    Port *port;
    uint64_t command;
    const uint8_t *bytes;
    size_t n;
    Whose whose = port_of(p, a[0], &port);
    if (whose != MINE) {
        return not_mine(p, whose);
    }
    if (!integer_to_uint64(a[1], &command) || command > UINT32_MAX || !is_binary(a[2]) || !binary_bytes(p, a[2],
            &bytes, &n)) {
        return p_badarg(p);
    }
    ServedPort *d = port->data;
    for (Reply **at = &d->replies; *at != NULL; at = &(*at)->next) {
        if ((*at)->command == command) {
            Reply *old = *at;
            *at = old->next;
            vm_free(old);
            break;
        }
    }
    Reply *r = vm_alloc(sizeof *r + n);
    r->next = d->replies;
    r->command = (uint32_t)command;
    r->size = n;
    memcpy(r->bytes, bytes, n);
    d->replies = r;
    return A_ok;
}
