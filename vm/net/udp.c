/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams: the port driver udp_inet. A command is an address, options that go with the packet, and the packet. A
 * passive socket reads one packet a request, an active one at most read_packets at a time.
 */
#include "vm/term/atom.h"
#include "vm/net/inet_priv.h"
#include "vm/term/binary.h"

enum { READ_PACKETS = 5 };

static void udp_ready(void *owner, unsigned events);

static void *udp_open(Port *port, Term name, Term options, Term *error)
{
    (void)name;
    (void)options;
    if (!inet_ops()) {
        *error = A_badarg;
        return NULL;
    }
    Udp *u = vm_calloc(sizeof *u);
    inet_init(&u->inet, port, false);
    u->read_packets = READ_PACKETS;
    return u;
}

static void udp_close(void *data)
{
    Udp *u = data;
    inet_async_error(&u->inet, A_closed);
    inet_free(&u->inet);
    vm_free(u);
}

/* --- input ---------------------------------------------------------------------------------------------------- */
static void deliver(Inet *d, Binary *buf, size_t n, const NetAddress *from, const SocketExtra *extras, size_t count,
                    bool with_extras)
{
    InetData data = {d->binary && n * 4 >= buf->size * 3 ? buf : NULL, buf->data, n};
    inet_count_in(d, n);
    inet_deliver_datagram(d, from, data, extras, count, with_extras);
}

static void read_failed(Udp *u, Term error)
{
    Inet *d = &u->inet;
    if (d->active) {
        inet_tell_owner(d, A_udp_error, error);
    } else {
        inet_timer_stop(&d->timer);
        inet_unwatch(d, SOCKET_READ);
        inet_async_error(d, error);
    }
}

/* One packet. False: there was none. */
static bool read_one(Udp *u)
{
    Inet *d = &u->inet;
    NetAddress from = d->peer;
    SocketExtra extras[SOCKET_EXTRAS];
    size_t count = SOCKET_EXTRAS;
    Term error = NONVALUE;
    bool connected = d->state & STATE_CONNECTED, with_extras = d->extras && !connected;
    Binary *buf = binary_alloc((size_t)d->buffer);
    inet_call_begin(d);
    int64_t n = connected ? inet_ops()->recv(d->socket, buf->data, buf->size, &error)
                          : inet_ops()->recv_from(d->socket, buf->data, buf->size, &from, extras,
                                                  with_extras ? &count : NULL, &error);
    inet_call_end(d);
    if (n >= 0) {
        deliver(d, buf, (size_t)n, &from, extras, with_extras ? count : 0, with_extras);
        if (!d->active) {
            inet_timer_stop(&d->timer);
            inet_unwatch(d, SOCKET_READ);
        }
    } else if (error != A_eagain) {
        read_failed(u, error);
    }
    binary_release(buf);
    return n >= 0 || error != A_eagain;
}

static void udp_ready(void *owner, unsigned events)
{
    Udp *u = owner;
    Inet *d = &u->inet;
    if (inet_is_away(d)) {
        return;
    }
    for (int32_t i = 0; i < u->read_packets && (events & d->watched & SOCKET_READ); i++) {
        if (!read_one(u)) {
            break;
        }
    }
    if (!d->active && !d->op.pending) {
        inet_unwatch(d, SOCKET_READ);
    }
    inet_leave(d);
}

static void recv_timeout(void *arg)
{
    Udp *u = arg;
    u->inet.timer = NULL;
    if (inet_is_away(&u->inet)) {
        inet_timer(&u->inet.timer, 1, recv_timeout, u);
        return;
    }
    inet_unwatch(&u->inet, SOCKET_READ);
    inet_async_error(&u->inet, A_timeout);
    inet_leave(&u->inet);
}

static bool request_recv(Udp *u, Request *r, Answer *a, Term caller)
{
    Inet *d = &u->inet;
    uint16_t id;
    if (!(d->state & STATE_OPEN)) {
        return answer_error(a, A_exbadport);
    }
    if (d->active || r->left != 8) {
        return answer_error(a, A_einval);
    }
    if (!inet_async_start(d, caller, &id)) {
        return answer_error(a, A_ealready);
    }
    uint32_t timeout = request_u32(r);
    if (!read_one(u)) {
        inet_watch(d, SOCKET_READ);
        if (timeout != INET_FOREVER) {
            inet_timer(&d->timer, timeout, recv_timeout, u);
        }
    }
    answer_ok(a);
    answer_u16(a, id);
    return true;
}

/* --- connecting -------------------------------------------------------------------------------------------------- */
static void disconnect(Inet *d)
{
    inet_ops()->connect(d->socket, NULL); /* a socket without peer has nothing to lose */
    d->state &= ~(unsigned)STATE_CONNECTED;
}

static bool request_connect(Udp *u, Request *r, Answer *a, Term caller)
{
    Inet *d = &u->inet;
    uint16_t id;
    NetAddress at = {0};
    if (!(d->state & STATE_OPEN)) {
        return answer_error(a, A_exbadport);
    }
    if (r->left > 0 && r->left < 6) {
        return answer_error(a, A_einval);
    }
    bool leave = r->left == 0;
    if (leave) {
        disconnect(d);
    } else {
        request_u32(r);
        Term error = address_read(r, d->family, &at);
        if (error != NONVALUE) {
            return answer_error(a, error);
        }
        if (d->state & STATE_CONNECTED) {
            disconnect(d);
        }
        error = inet_ops()->connect(d->socket, &at);
        if (error != NONVALUE) {
            disconnect(d);
            return answer_error(a, error);
        }
        d->peer = at;
        d->state |= STATE_CONNECTED;
    }
    if (!inet_async_start(d, caller, &id)) {
        return answer_error(a, A_ealready);
    }
    inet_async_ok(d);
    answer_ok(a);
    answer_u16(a, id);
    return true;
}

/* --- output ------------------------------------------------------------------------------------------------------ */
/* Options that go with the packet, in their own length. False: there is something else. */
static bool read_extras(Request *r, SocketExtra extras[SOCKET_EXTRAS], size_t *count)
{
    size_t size = request_u32(r);
    const uint8_t *bytes = request_bytes(r, size);
    Request e = {bytes, bytes ? size : 0, false};
    *count = 0;
    while (e.left) {
        SocketOption option = request_u8(&e);
        bool known = option == SOPT_TOS || option == SOPT_TTL || option == SOPT_TCLASS;
        if (!known || *count == SOCKET_EXTRAS) {
            return false;
        }
        extras[(*count)++] = (SocketExtra){option, (int32_t)request_u32(&e)};
    }
    return bytes && !e.short_ && !r->short_;
}

static Term send_packet(Udp *u, Request *r)
{
    Inet *d = &u->inet;
    NetAddress to;
    SocketExtra extras[SOCKET_EXTRAS];
    size_t count;
    if (!(d->state & STATE_OPEN)) {
        return A_einval;
    }
    Term error = address_read(r, d->family, &to);
    if (error != NONVALUE) {
        return error;
    }
    if (!read_extras(r, extras, &count)) {
        return A_einval;
    }
    inet_count_out(d, r->left);
    bool connected = d->state & STATE_CONNECTED;
    inet_call_begin(d);
    inet_ops()->send_to(d->socket, connected ? NULL : &to, (SocketVec){r->at, r->left}, extras, count, &error);
    inet_call_end(d);
    return error;
}

static void udp_command(void *data, Term caller, Term iodata, size_t size)
{
    Udp *u = data;
    uint8_t *bytes = iolist_to_memory(iodata, &size);
    Request r = {bytes, bytes ? size : 0, false};
    u->inet.caller = caller;
    inet_reply(&u->inet, send_packet(u, &r));
    vm_free(bytes);
    inet_leave(&u->inet);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */
static bool request_open(Udp *u, bool adopt, Request *r, Answer *a)
{
    Inet *d = &u->inet;
    const Socket *before = d->socket;
    bool good = inet_request_open(d, r, a, adopt);
    if (d->socket && d->socket != before) {
        d->socket->owner = u;
        d->socket->ready = udp_ready;
        if (d->active) {
            inet_watch(d, SOCKET_READ);
        }
    }
    return good;
}

static bool udp_request(Inet *d, unsigned command, Request *r, Answer *a, Term caller)
{
    Udp *u = (Udp *)d;
    switch (command) {
    case REQ_OPEN: return request_open(u, false, r, a);
    case REQ_FDOPEN: return request_open(u, true, r, a);
    case REQ_CONNECT: return request_connect(u, r, a, caller);
    case REQ_PACKET_RECV: return request_recv(u, r, a, caller);
    case REQ_CLOSE:
        inet_async_error(d, A_closed);
        inet_timer_stop(&d->timer);
        inet_close_socket(d);
        return answer_ok(a);
    default: return inet_request(d, command, r, a, caller);
    }
}

static Term udp_control(Proc *caller, void *data, unsigned command, const uint8_t *bytes, size_t n)
{
    return inet_control(data, caller, command, bytes, n, udp_request);
}

const PortDriver udp_inet_driver = {
    .name = "udp_inet",
    .open = udp_open,
    .close = udp_close,
    .command = udp_command,
    .control = udp_control,
};
