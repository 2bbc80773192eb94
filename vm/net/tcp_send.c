/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of streams. What is sent goes straight from the sender's terms to the socket; only what the socket does not
 * take is kept, large binaries by reference. A sender who finds the queue long (high watermark) is answered when it is
 * short again, and others wait until then (the port is busy).
 */
#include "vm/term/atom.h"
#include "vm/net/inet_priv.h"
#include "vm/term/binary.h"
#include "vm/term/bits.h"

enum { VECTOR = 64, SCRATCH = 4096, BY_REFERENCE = 256 };
#define SENDFILE_STEP UINT64_C(0x3fffffff)

/* --- the queue ------------------------------------------------------------------------------------------------- */
static void queue_add(Tcp *t, Binary *binary, const uint8_t *bytes, size_t n)
{
    if (n == 0) {
        return;
    }
    bool own = !binary || n < BY_REFERENCE;
    OutChunk *c = vm_alloc(sizeof *c + (own ? n : 0));
    *c = (OutChunk){.binary = own ? NULL : binary, .at = own ? c->own : bytes, .left = n};
    if (own) {
        memcpy(c->own, bytes, n);
    } else {
        binary_retain(binary);
    }
    *t->queue_end = c;
    t->queue_end = &c->next;
    t->queued += n;
}

static void queue_drop(Tcp *t, size_t n)
{
    t->queued -= n;
    while (t->queue && n >= t->queue->left) {
        OutChunk *c = t->queue;
        n -= c->left;
        t->queue = c->next;
        if (c->binary) {
            binary_release(c->binary);
        }
        vm_free(c);
    }
    if (!t->queue) {
        t->queue_end = &t->queue;
    } else {
        t->queue->at += n;
        t->queue->left -= n;
    }
}

void tcp_queue_clear(Tcp *t)
{
    queue_drop(t, t->queued);
    t->file.before = 0;
    inet_tell_empty(&t->inet);
}

bool tcp_unbusy(Tcp *t)
{
    Inet *d = &t->inet;
    if (!(d->state & STATE_BUSY)) {
        return false;
    }
    d->caller = t->busy_caller;
    t->busy_caller = NONVALUE;
    d->state &= ~(unsigned)STATE_BUSY;
    inet_timer_stop(&t->send_timer);
    if (d->port) {
        port_set_busy(d->port, false);
    }
    return true;
}

/* --- errors ---------------------------------------------------------------------------------------------------- */
/* The connection is gone, sending has found. */
static void output_failed(Tcp *t, Term error)
{
    Inet *d = &t->inet;
    bool show = error == A_econnreset && t->show_econnreset, was_file = t->sending_file;
    if (!d->port) { /* only emptying the queue */
        tcp_close_socket(t);
        return;
    }
    tcp_unbusy(t);
    if (d->active) {
        if (show) {
            inet_tell_owner(d, A_tcp_error, error);
        }
        tcp_tell_closed(t);
        if (!was_file) {
            inet_reply(d, show ? error : A_closed);
        }
        if (d->exit_on_close) {
            inet_exit(d, A_normal);
        } else {
            tcp_close_socket(t);
        }
        return;
    }
    tcp_close_pending(t, A_closed);
    if (d->caller == NONVALUE) {
        t->closed_send = true;
    } else if (!was_file) {
        inet_reply(d, show ? error : A_closed);
    }
    tcp_close_socket(t);
    t->closed_recv = true;
    t->closed_reset = show;
}

static void send_failed(Tcp *t, Term error)
{
    output_failed(t, error == A_epipe && !t->shut_done ? A_econnreset : error);
}

/* --- from terms to the socket ------------------------------------------------------------------------------------- */
/* What goes out in one call. Bytes and small binaries are collected in scratch. */
typedef struct Gather {
    Tcp *t;
    SocketVec v[VECTOR];
    Binary *binary[VECTOR]; /* that v points into; NULL: scratch, or a heap binary */
    size_t count, used;     /* of v, of scratch */
    bool queue_only;
    Term error;
    uint8_t scratch[SCRATCH];
} Gather;

/* Sends; what is left over goes to the queue, and all that follows with it. */
static void gather_flush(Gather *g)
{
    int64_t sent = 0;
    if (!g->queue_only && g->error == NONVALUE && g->count) {
        Term error = NONVALUE;
        inet_call_begin(&g->t->inet);
        sent = inet_ops()->send(g->t->inet.socket, g->v, g->count, &error);
        inet_call_end(&g->t->inet);
        if (sent < 0) {
            sent = 0;
            g->error = error == A_eagain ? NONVALUE : error;
        }
    }
    for (size_t i = 0; i < g->count && g->error == NONVALUE; i++) {
        size_t gone = (size_t)sent < g->v[i].size ? (size_t)sent : g->v[i].size;
        sent -= (int64_t)gone;
        if (gone < g->v[i].size) {
            g->queue_only = true;
            queue_add(g->t, g->binary[i], g->v[i].bytes + gone, g->v[i].size - gone);
        }
    }
    g->count = g->used = 0;
}

/* n bytes of scratch, in line behind what is there. */
static uint8_t *gather_room(Gather *g, size_t n)
{
    if (g->used + n > SCRATCH || g->count == VECTOR) {
        gather_flush(g);
    }
    uint8_t *at = g->scratch + g->used;
    g->used += n;
    if (g->count && !g->binary[g->count - 1] && g->v[g->count - 1].bytes + g->v[g->count - 1].size == at) {
        g->v[g->count - 1].size += n;
    } else {
        g->binary[g->count] = NULL;
        g->v[g->count++] = (SocketVec){at, n};
    }
    return at;
}

static void gather_bits(Gather *g, Bits b)
{
    size_t left = b.bit_size / 8;
    while (left) {
        size_t n = left < SCRATCH / 2 ? left : SCRATCH / 2;
        bits_copy(gather_room(g, n), 0, b.base, b.bit_offset, n * 8);
        b.bit_offset += n * 8;
        left -= n;
    }
}

static void gather_binary(Gather *g, Term leaf)
{
    Bits b = bits_view(leaf);
    size_t n = b.bit_size / 8, offset;
    if (n < BY_REFERENCE || (b.bit_offset & 7)) {
        gather_bits(g, b);
        return;
    }
    Term origin = binary_origin(leaf, &offset);
    if (g->count == VECTOR) {
        gather_flush(g);
    }
    g->binary[g->count] = boxed_sub(origin) == SUB_REFC_BIN ? ((RefcBin *)boxed_ptr(origin))->bin : NULL;
    g->v[g->count++] = (SocketVec){b.base + b.bit_offset / 8, n};
}

/* The head and the data to the socket or, behind others, to the queue. Returns the socket's error. */
static Term send_iodata(Tcp *t, const uint8_t *head, size_t head_size, Term iodata, bool queue_only)
{
    Gather g;
    g.t = t;
    g.count = g.used = 0;
    g.queue_only = queue_only;
    g.error = NONVALUE;
    if (head_size) {
        memcpy(gather_room(&g, head_size), head, head_size);
    }
    IoWalk w;
    Term leaf;
    iolist_walk_init(&w, iodata);
    while (g.error == NONVALUE && iolist_walk_next(&w, &leaf) > 0) {
        if (is_small(leaf)) {
            *gather_room(&g, 1) = (uint8_t)small_value(leaf);
        } else {
            gather_binary(&g, leaf);
        }
    }
    iolist_walk_end(&w);
    gather_flush(&g);
    return g.error;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */
static size_t packet_head(const Inet *d, size_t size, uint8_t head[4])
{
    static const uint8_t sizes[] = {0, 1, 2, 4}; /* packet types raw, 1, 2, 4 */
    size_t n = d->packet > 0 && d->packet < 4 ? sizes[d->packet] : 0;
    for (size_t i = 0; i < n; i++) {
        head[i] = (uint8_t)(size >> 8 * (n - 1 - i));
    }
    return n;
}

static void send_timeout(void *arg)
{
    Tcp *t = arg;
    t->send_timer = NULL;
    if (inet_is_away(&t->inet)) {
        inet_timer(&t->send_timer, 1, send_timeout, t);
        return;
    }
    if (tcp_unbusy(t)) {
        inet_reply(&t->inet, A_timeout);
        if (t->send_timeout_close) {
            tcp_close_socket(t);
        }
    }
    inet_leave(&t->inet);
}

static void delayed_output(void *arg)
{
    Tcp *t = arg;
    t->delay_timer = NULL;
    if (inet_is_away(&t->inet)) {
        inet_timer(&t->delay_timer, 1, delayed_output, t);
        return;
    }
    if (t->inet.state & STATE_CONNECTED) {
        tcp_output(t);
    }
    inet_leave(&t->inet);
}

/* The queue is long: the sender waits for its answer. False: it shall not wait. */
static bool wait_for_queue(Tcp *t)
{
    Inet *d = &t->inet;
    if (t->send_timeout == 0) {
        inet_reply(d, A_timeout);
        return true;
    }
    d->state |= STATE_BUSY;
    t->busy_caller = d->caller;
    port_set_busy(d->port, true);
    if (t->send_timeout != INET_FOREVER) {
        inet_timer(&t->send_timer, t->send_timeout, send_timeout, t);
    }
    return true;
}

/* Returns true when the sender has been answered, or will be later. */
static bool tcp_send(Tcp *t, Term iodata, size_t size)
{
    Inet *d = &t->inet;
    uint8_t head[4];
    size_t head_size = packet_head(d, size, head);
    inet_count_out(d, size + head_size);
    bool behind = t->sending_file || t->queued;
    bool later = behind || d->ignored || t->delay_send;
    Term error = send_iodata(t, head, head_size, iodata, later);
    if (error != NONVALUE) {
        send_failed(t, error);
        return true;
    }
    if (behind) {
        return (int64_t)t->queued >= t->high && wait_for_queue(t);
    }
    if (t->queued && t->delay_send && !d->ignored) {
        inet_timer(&t->delay_timer, 0, delayed_output, t);
    } else if (t->queued) {
        inet_watch(d, SOCKET_WRITE);
    }
    return false;
}

void tcp_command(void *data, Term caller, Term iodata, size_t size)
{
    Tcp *t = data;
    Inet *d = &t->inet;
    d->caller = caller;
    if (!(d->state & STATE_CONNECTED)) {
        Term reason = !t->closed_send ? A_enotconn : t->closed_reset ? A_econnreset : A_closed;
        t->closed_send = false;
        inet_reply(d, reason);
    } else if (t->shut_pending) {
        output_failed(t, A_epipe);
    } else if (!tcp_send(t, iodata, size)) {
        inet_reply(d, NONVALUE);
    }
    inet_leave(d);
}

/* --- emptying the queue ------------------------------------------------------------------------------------------- */
static void shutdown_now(Tcp *t)
{
    t->shut_pending = false;
    Term error = inet_ops()->shutdown(t->inet.socket, t->shut_how);
    if (error != NONVALUE) {
        output_failed(t, error);
    } else {
        t->shut_done = true;
    }
}

static void queue_is_empty(Tcp *t)
{
    inet_unwatch(&t->inet, SOCKET_WRITE);
    inet_tell_empty(&t->inet);
    if (t->shut_pending) {
        shutdown_now(t);
    }
}

static void queue_is_shorter(Tcp *t)
{
    if ((int64_t)t->queued <= t->low && tcp_unbusy(t)) {
        inet_reply(&t->inet, NONVALUE);
    }
}

/* Sends from the queue, at most `limit` bytes. NONVALUE: *n went out. */
static Term send_queue(Tcp *t, size_t limit, size_t *n)
{
    SocketVec v[VECTOR];
    size_t count = 0;
    Term error = NONVALUE;
    for (OutChunk *c = t->queue; c && count < VECTOR && limit; c = c->next) {
        size_t size = c->left < limit ? c->left : limit;
        v[count++] = (SocketVec){c->at, size};
        limit -= size;
    }
    inet_call_begin(&t->inet);
    int64_t sent = inet_ops()->send(t->inet.socket, v, count, &error);
    inet_call_end(&t->inet);
    *n = sent > 0 ? (size_t)sent : 0;
    queue_drop(t, *n);
    return sent < 0 ? error : NONVALUE;
}

static void sendfile_go_on(Tcp *t);

void tcp_output(Tcp *t)
{
    if (t->sending_file) {
        sendfile_go_on(t);
        return;
    }
    while (t->queued) {
        size_t n;
        Term error = send_queue(t, SIZE_MAX, &n);
        if (error == A_eagain) {
            inet_watch(&t->inet, SOCKET_WRITE);
            return;
        }
        if (error != NONVALUE) {
            send_failed(t, error);
            return;
        }
        queue_is_shorter(t);
    }
    queue_is_empty(t);
}

bool tcp_request_shutdown(Tcp *t, Request *r, Answer *a)
{
    if (!(t->inet.state & STATE_CONNECTED)) {
        return answer_error(a, A_enotconn);
    }
    if (r->left != 1) {
        return answer_error(a, A_einval);
    }
    ShutdownHow how = request_u8(r);
    if (how != SHUT_READ && t->queued) {
        t->shut_pending = true;
        t->shut_how = how == SHUT_WRITE ? SHUT_WRITE : SHUT_BOTH;
        return answer_ok(a);
    }
    Term error = inet_ops()->shutdown(t->inet.socket, how);
    if (error != NONVALUE) {
        t->shut_done |= how != SHUT_READ;
        return answer_error(a, error);
    }
    return answer_ok(a);
}

/* --- files -------------------------------------------------------------------------------------------------------- */
static void sendfile_end(Tcp *t)
{
    t->sending_file = false;
    inet_ops()->file_close(t->file.file);
}

static void sendfile_tell(Tcp *t, Term reason)
{
    bool closed = reason == A_econnreset || reason == A_enotconn || reason == A_epipe;
    inet_tell_sendfile(&t->inet, t->file.caller, closed ? A_closed : reason, 0);
}

void tcp_sendfile_abort(Tcp *t, Term reason)
{
    sendfile_tell(t, reason);
    sendfile_end(t);
}

static void sendfile_done(Tcp *t)
{
    uint64_t sent = t->file.sent;
    sendfile_end(t);
    queue_is_shorter(t);
    if (!t->queued) {
        queue_is_empty(t);
    }
    inet_tell_sendfile(&t->inet, t->file.caller, NONVALUE, sent);
}

static void sendfile_failed(Tcp *t, Term error)
{
    sendfile_tell(t, error);
    send_failed(t, error); /* which answers nobody else, since a file is being sent */
    if (t->sending_file) {
        sendfile_end(t);
    }
}

static void sendfile_go_on(Tcp *t)
{
    SendFile *f = &t->file;
    Term error = NONVALUE;
    while (f->before && error == NONVALUE) {
        size_t n;
        error = send_queue(t, f->before, &n);
        f->before -= n;
    }
    while (f->left && error == NONVALUE) {
        uint64_t step = f->left < SENDFILE_STEP ? f->left : SENDFILE_STEP;
        inet_call_begin(&t->inet);
        int64_t n = inet_ops()->send_file(t->inet.socket, f->file, f->offset, step, &error);
        inet_call_end(&t->inet);
        if (n == 0) {
            f->left = 0; /* the file is shorter */
        } else if (n > 0) {
            f->sent += (uint64_t)n;
            f->offset += (uint64_t)n;
            f->left -= (uint64_t)n;
        }
    }
    if (error == A_eagain) {
        inet_watch(&t->inet, SOCKET_WRITE);
    } else if (error != NONVALUE) {
        sendfile_failed(t, error);
    } else {
        sendfile_done(t);
        if (t->queued && t->inet.socket) {
            inet_watch(&t->inet, SOCKET_WRITE);
        }
    }
}

bool tcp_request_sendfile(Tcp *t, Request *r, Answer *a, Term caller)
{
    enum { NUMBERS = 16 };
    if (r->left <= NUMBERS) {
        return answer_error(a, A_einval);
    }
    if (!(t->inet.state & STATE_CONNECTED)) {
        return answer_error(a, A_enotconn);
    }
    if (t->sending_file) {
        return answer_error(a, A_einval);
    }
    Term error = NONVALUE;
    size_t n = r->left - NUMBERS;
    const uint8_t *handle = request_bytes(r, n);
    int file = inet_ops()->file_open(handle, n, &error);
    if (file < 0) {
        return answer_error(a, error);
    }
    t->file = (SendFile){.file = file, .before = t->queued, .caller = caller};
    t->file.offset = request_u64(r);
    t->file.left = request_u64(r);
    if (t->file.offset > INT64_MAX || t->file.left > INT64_MAX) {
        inet_ops()->file_close(file);
        return answer_error(a, A_einval);
    }
    t->sending_file = true;
    sendfile_go_on(t);
    return answer_ok(a);
}
