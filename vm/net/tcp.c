/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: the port driver tcp_inet, its requests, connecting and accepting. Input is in tcp_recv.c, output in
 * tcp_send.c.
 *
 * Processes that wait for a connection stand in a queue and are served in order. A dead one is passed over when its
 * turn comes (and when the queue grows), so nobody needs to be told of deaths.
 */
#include "vm/term/atom.h"
#include "vm/net/inet_priv.h"

enum { HIGH_WATERMARK = 8192, LOW_WATERMARK = 4096, ACCEPTORS_BEFORE_PURGE = 64, READS_AT_ONCE = 16 };

static void tcp_ready(void *owner, unsigned events);

/* --- life ---------------------------------------------------------------------------------------------------- */
static Tcp *tcp_new(Port *port)
{
    Tcp *t = vm_calloc(sizeof *t);
    inet_init(&t->inet, port, true);
    t->queue_end = &t->queue;
    t->acceptors_end = &t->acceptors;
    t->acceptor_limit = ACCEPTORS_BEFORE_PURGE;
    t->high = HIGH_WATERMARK;
    t->low = LOW_WATERMARK;
    t->send_timeout = INET_FOREVER;
    t->busy_caller = NONVALUE;
    return t;
}

static void *tcp_open(Port *port, Term name, Term options, Term *error)
{
    (void)name;
    (void)options;
    if (!inet_ops()) {
        *error = A_badarg;
        return NULL;
    }
    return tcp_new(port);
}

static void tcp_own(Tcp *t, Socket *s)
{
    s->owner = t;
    s->ready = tcp_ready;
}

static void tcp_free(Tcp *t)
{
    inet_free(&t->inet);
    vm_free(t);
}

static void stop_timers(Tcp *t)
{
    inet_timer_stop(&t->inet.timer);
    inet_timer_stop(&t->recv_timer);
    inet_timer_stop(&t->send_timer);
    inet_timer_stop(&t->delay_timer);
}

void tcp_close_socket(Tcp *t)
{
    tcp_input_clear(t);
    tcp_queue_clear(t);
    tcp_unbusy(t);
    if (t->sending_file) {
        t->sending_file = false;
        inet_ops()->file_close(t->file.file);
    }
    inet_close_socket(&t->inet);
}

/* The port ends. Output that was waiting for the peer is still sent, as long as that takes. */
static void tcp_close(void *data)
{
    Tcp *t = data;
    Inet *d = &t->inet;
    bool discard = !(d->watched & SOCKET_WRITE) || t->linger_zero || t->sending_file || !t->queued;
    tcp_close_pending(t, A_closed);
    stop_timers(t);
    d->port = NULL;
    if (discard || !d->socket) {
        tcp_close_socket(t);
        tcp_free(t);
        return;
    }
    tcp_input_clear(t);
    inet_unwatch(d, SOCKET_READ);
}

void tcp_linger_end(Tcp *t)
{
    if (!t->queued || !t->inet.socket) {
        tcp_close_socket(t);
        tcp_free(t);
    }
}

static size_t tcp_queued(void *data)
{
    return ((Tcp *)data)->queued;
}

/* --- connecting -------------------------------------------------------------------------------------------------- */
static void connect_timeout(void *arg)
{
    Tcp *t = arg;
    t->inet.timer = NULL;
    tcp_close_socket(t);
    inet_async_error(&t->inet, A_timeout);
    inet_leave(&t->inet);
}

static bool request_connect(Tcp *t, Request *r, Answer *a, Term caller)
{
    Inet *d = &t->inet;
    NetAddress at;
    uint16_t id;
    if (!(d->state & STATE_OPEN)) {
        return answer_error(a, A_exbadport);
    }
    if (d->state & STATE_CONNECTED) {
        return answer_error(a, A_eisconn);
    }
    if ((d->state & STATE_CONNECTING) || r->left < 6) {
        return answer_error(a, A_einval);
    }
    uint32_t timeout = request_u32(r);
    Term error = address_read(r, d->family, &at);
    if (error == NONVALUE) {
        error = inet_ops()->connect(d->socket, &at);
    }
    if (error != NONVALUE && error != A_einprogress) {
        return answer_error(a, error);
    }
    if (!inet_async_start(d, caller, &id)) {
        return answer_error(a, A_ealready);
    }
    if (error == A_einprogress) {
        d->state = STATE_OPEN | STATE_CONNECTING;
        inet_watch(d, SOCKET_WRITE);
        if (timeout != INET_FOREVER) {
            inet_timer(&d->timer, timeout, connect_timeout, t);
        }
    } else {
        d->state = STATE_OPEN | STATE_CONNECTED;
        if (d->active) {
            inet_watch(d, SOCKET_READ);
        }
        inet_async_ok(d);
    }
    answer_ok(a);
    answer_u16(a, id);
    return true;
}

static void connect_finish(Tcp *t)
{
    Inet *d = &t->inet;
    inet_unwatch(d, SOCKET_WRITE);
    inet_timer_stop(&d->timer);
    Term error = inet_ops()->connected(d->socket);
    if (error != NONVALUE) {
        d->state = STATE_OPEN;
        inet_async_error(d, error);
        return;
    }
    d->state = STATE_OPEN | STATE_CONNECTED;
    if (d->active) {
        inet_watch(d, SOCKET_READ);
    }
    inet_async_ok(d);
}

/* --- accepting ---------------------------------------------------------------------------------------------------- */
static void acceptor_unlink(Tcp *t, Acceptor **at)
{
    Acceptor *acceptor = *at;
    *at = acceptor->next;
    if (t->acceptors_end == &acceptor->next) {
        t->acceptors_end = at;
    }
    t->acceptor_count--;
    inet_timer_stop(&acceptor->timer);
    if (!t->acceptors) {
        t->inet.state &= ~(unsigned)STATE_ACCEPTING;
        inet_unwatch(&t->inet, SOCKET_READ);
    }
}

static void acceptors_purge(Tcp *t)
{
    for (Acceptor **at = &t->acceptors; *at;) {
        Acceptor *acceptor = *at;
        if (proc_lookup(acceptor->caller)) {
            at = &acceptor->next;
        } else {
            acceptor_unlink(t, at);
            vm_free(acceptor);
        }
    }
}

static void accept_timeout(void *arg)
{
    Acceptor *acceptor = arg;
    Tcp *t = acceptor->listener;
    acceptor->timer = NULL;
    Acceptor **at = &t->acceptors;
    while (*at != acceptor) {
        at = &(*at)->next;
    }
    acceptor_unlink(t, at);
    inet_async_answer(&t->inet, acceptor->id, acceptor->caller, A_error, A_timeout);
    vm_free(acceptor);
    inet_leave(&t->inet);
}

static void acceptor_add(Tcp *t, uint16_t id, Term caller, uint32_t timeout)
{
    if (t->acceptor_count >= t->acceptor_limit) {
        acceptors_purge(t);
        size_t twice = 2 * t->acceptor_count;
        t->acceptor_limit = twice < ACCEPTORS_BEFORE_PURGE ? ACCEPTORS_BEFORE_PURGE : twice;
    }
    Acceptor *acceptor = vm_calloc(sizeof *acceptor);
    *acceptor = (Acceptor){.listener = t, .id = id, .caller = caller};
    *t->acceptors_end = acceptor;
    t->acceptors_end = &acceptor->next;
    t->acceptor_count++;
    if (timeout != INET_FOREVER) {
        inet_timer(&acceptor->timer, timeout, accept_timeout, acceptor);
    }
    t->inet.state |= STATE_ACCEPTING;
    inet_watch(&t->inet, SOCKET_READ);
}

/* A port for a connection, with the listener's modes. NULL: no room, or nobody to own it. Takes s. */
static Tcp *connection_new(const Tcp *t, Socket *s, Term owner)
{
    const Inet *l = &t->inet;
    Tcp *c = tcp_new(NULL);
    Inet *d = &c->inet;
    d->port = port_new(owner, &tcp_inet_driver, c);
    if (!d->port) {
        inet_ops()->close(s, false);
        tcp_free(c);
        return NULL;
    }
    d->id = d->port->id;
    d->socket = s;
    tcp_own(c, s);
    d->binary = l->binary;
    d->exit_on_close = l->exit_on_close;
    d->deliver_port = l->deliver_port;
    d->packet = l->packet;
    d->packet_size = l->packet_size;
    d->type = l->type;
    d->family = l->family;
    d->header = l->header;
    d->buffer = l->buffer;
    d->msgq_high = l->msgq_high;
    d->msgq_low = l->msgq_low;
    c->high = t->high;
    c->low = t->low;
    c->send_timeout = t->send_timeout;
    c->send_timeout_close = t->send_timeout_close;
    c->show_econnreset = t->show_econnreset;
    c->linger_zero = t->linger_zero;
    d->state = STATE_OPEN | STATE_CONNECTED;
    return c;
}

/* Accepts one connection for `caller`: A_eagain when there is none; else the answer has been sent. */
static Term accept_one(Tcp *t, uint16_t id, Term caller)
{
    Inet *d = &t->inet;
    NetAddress from;
    Term error = NONVALUE;
    Socket *s = inet_ops()->accept(d->socket, &from, &error);
    if (!s) {
        return error;
    }
    const Tcp *c = connection_new(t, s, caller);
    if (!c) {
        return A_system_limit;
    }
    inet_async_answer(d, id, caller, A_ok, c->inet.id);
    return NONVALUE;
}

static bool request_accept(Tcp *t, Request *r, Answer *a, Term caller)
{
    Inet *d = &t->inet;
    if (!(d->state & STATE_LISTENING) || r->left != 4) {
        return answer_error(a, A_einval);
    }
    uint32_t timeout = request_u32(r);
    uint16_t id = d->next_op++;
    Term error = t->acceptors ? A_eagain : accept_one(t, id, caller);
    if (error == A_eagain) {
        acceptor_add(t, id, caller, timeout);
    } else if (error != NONVALUE) {
        return answer_error(a, error);
    }
    answer_ok(a);
    answer_u16(a, id);
    return true;
}

static void accept_waiting(Tcp *t)
{
    acceptors_purge(t);
    while (t->acceptors) {
        Acceptor *acceptor = t->acceptors;
        Term error = accept_one(t, acceptor->id, acceptor->caller);
        if (error == A_eagain) {
            return;
        }
        acceptor_unlink(t, &t->acceptors);
        if (error != NONVALUE) {
            inet_async_answer(&t->inet, acceptor->id, acceptor->caller, A_error, error);
        }
        vm_free(acceptor);
        if (error != NONVALUE) {
            return;
        }
    }
}

static bool request_listen(Tcp *t, Request *r, Answer *a)
{
    Inet *d = &t->inet;
    if (!(d->state & STATE_OPEN)) {
        return answer_error(a, A_exbadport);
    }
    if (r->left != 2) {
        return answer_error(a, A_einval);
    }
    Term error = inet_ops()->listen(d->socket, request_u16(r));
    if (error != NONVALUE) {
        return answer_error(a, error);
    }
    d->state = STATE_OPEN | STATE_LISTENING | (t->acceptors ? STATE_ACCEPTING : 0);
    return answer_ok(a);
}

void tcp_close_pending(Tcp *t, Term reason)
{
    while (t->acceptors) {
        Acceptor *acceptor = t->acceptors;
        acceptor_unlink(t, &t->acceptors);
        inet_async_answer(&t->inet, acceptor->id, acceptor->caller, A_error, reason);
        vm_free(acceptor);
    }
    inet_async_error(&t->inet, reason);
    stop_timers(t);
}

/* --- requests and events ------------------------------------------------------------------------------------------ */
static bool request_open(Tcp *t, bool adopt, Request *r, Answer *a)
{
    const Socket *before = t->inet.socket;
    bool good = inet_request_open(&t->inet, r, a, adopt);
    if (t->inet.socket && t->inet.socket != before) {
        tcp_own(t, t->inet.socket);
    }
    return good;
}

static bool tcp_request(Inet *d, unsigned command, Request *r, Answer *a, Term caller)
{
    Tcp *t = (Tcp *)d;
    switch (command) {
    case REQ_OPEN: return request_open(t, false, r, a);
    case REQ_FDOPEN: return request_open(t, true, r, a);
    case REQ_LISTEN: return request_listen(t, r, a);
    case REQ_CONNECT: return request_connect(t, r, a, caller);
    case REQ_ACCEPT: return request_accept(t, r, a, caller);
    case REQ_TCP_RECV: return tcp_request_recv(t, r, a, caller);
    case REQ_TCP_SHUTDOWN: return tcp_request_shutdown(t, r, a);
    case REQ_TCP_SENDFILE: return tcp_request_sendfile(t, r, a, caller);
    case REQ_CLOSE:
        tcp_close_pending(t, A_closed);
        tcp_close_socket(t);
        return answer_ok(a);
    case REQ_TCP_UNRECV:
        if (!(d->state & STATE_CONNECTED)) {
            return answer_error(a, A_enotconn);
        }
        tcp_push_back(t, r->at, r->left);
        return answer_ok(a);
    case REQ_GETSTATUS:
        acceptors_purge(t); /* dead ones do not make it accepting */
        return inet_request(d, command, r, a, caller);
    default: return inet_request(d, command, r, a, caller);
    }
}

static Term tcp_control(Proc *caller, void *data, unsigned command, const uint8_t *bytes, size_t n)
{
    return inet_control(data, caller, command, bytes, n, tcp_request);
}

static void ready_read(Tcp *t)
{
    Inet *d = &t->inet;
    if (d->state & STATE_LISTENING) {
        accept_waiting(t);
    } else if (d->state & STATE_CONNECTED) {
        tcp_ready_read(t, READS_AT_ONCE);
    } else {
        inet_unwatch(d, SOCKET_READ);
    }
}

static void tcp_ready(void *owner, unsigned events)
{
    Tcp *t = owner;
    Inet *d = &t->inet;
    if (inet_is_away(d)) {
        return;
    }
    if (events & d->watched & SOCKET_READ) {
        ready_read(t);
    }
    if (events & d->watched & SOCKET_WRITE) {
        if (d->state & STATE_CONNECTING) {
            connect_finish(t);
        } else {
            tcp_output(t);
        }
    }
    inet_leave(d);
}

const PortDriver tcp_inet_driver = {
    .name = "tcp_inet",
    .open = tcp_open,
    .close = tcp_close,
    .command = tcp_command,
    .control = tcp_control,
    .queued = tcp_queued,
};
