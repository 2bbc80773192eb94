/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input of streams: bytes become packets. A packet that fills most of the buffer is delivered as a view of the
 * buffer, which then is the message's; others are copied. The buffer grows with the bytes that come, not with what a
 * header promises.
 */
#include "vm/term/atom.h"
#include "vm/net/inet_priv.h"

enum { RECV_MAX = 64 << 20, GROW_STEP = 1 << 20 };

/* --- the buffer ------------------------------------------------------------------------------------------------ */
void tcp_input_clear(Tcp *t)
{
    if (t->input) {
        binary_release(t->input);
    }
    t->input = NULL;
    t->start = t->end = t->input_size = t->wanted = 0;
}

static void input_new(Tcp *t, size_t size)
{
    t->input = binary_alloc(size);
    t->input_size = size;
    t->start = t->end = 0;
}

static void input_compact(Tcp *t)
{
    if (t->start) {
        memmove(t->input->data, t->input->data + t->start, t->end - t->start);
        t->end -= t->start;
        t->start = 0;
    }
}

/* Room for a packet of `size` bytes from start on; when that is a lot, for a part of it. */
static void input_expand(Tcp *t, size_t size)
{
    size_t step = t->input_size < GROW_STEP ? GROW_STEP : t->input_size;
    if (t->start + size > t->input_size) {
        input_compact(t);
    }
    if (size > t->input_size) {
        size_t to = size - t->input_size > step ? t->input_size + step : size;
        t->input = binary_realloc(t->input, to);
        t->input_size = to;
    }
}

void tcp_push_back(Tcp *t, const uint8_t *bytes, size_t n)
{
    if (!t->input) {
        input_new(t, n ? n : 1);
        memcpy(t->input->data, bytes, n);
        t->end = n;
    } else if (n <= t->start) {
        t->start -= n;
        memcpy(t->input->data + t->start, bytes, n);
    } else {
        size_t filled = t->end - t->start;
        Binary *more = binary_alloc(t->input_size + n);
        memcpy(more->data, bytes, n);
        memcpy(more->data + n, t->input->data + t->start, filled);
        binary_release(t->input);
        t->input = more;
        t->input_size += n;
        t->start = 0;
        t->end = n + filled;
    }
    t->wanted = 0;
    if (t->inet.active) {
        tcp_deliver_buffered(t);
    }
}

/* --- packets ------------------------------------------------------------------------------------------------------ */
static PacketType packet_type(Tcp *t)
{
    static const PacketType types[] = {PACKET_RAW, PACKET_1, PACKET_2, PACKET_4, PACKET_ASN1, PACKET_SUNRM, PACKET_CDR,
                                       PACKET_FCGI, PACKET_LINE, PACKET_TPKT, PACKET_HTTP, PACKET_HTTPH, PACKET_SSL_TLS,
                                       PACKET_HTTP_BIN, PACKET_HTTPH_BIN};
    size_t i = (size_t)(uint32_t)t->inet.packet;
    PacketType type = i < sizeof types / sizeof *types ? types[i] : PACKET_RAW;
    if (type == PACKET_HTTPH || type == PACKET_HTTPH_BIN) {
        t->http_header = true;
    } else if (t->http_header && type == PACKET_HTTP) {
        type = PACKET_HTTPH;
    } else if (t->http_header && type == PACKET_HTTP_BIN) {
        type = PACKET_HTTPH_BIN;
    }
    return type;
}

typedef enum { PACKET_BAD, PACKET_WHOLE, PACKET_PART } Found;

/* Whether a packet stands at the start. Whole: *size. Part: more is to be read, and there is room for it. */
static Found find_packet(Tcp *t, size_t *size)
{
    const Inet *d = &t->inet;
    size_t n = t->end - t->start, header;
    PacketOptions o = {d->packet_size, t->input_size, d->delimiter};
    int64_t length = packet_length(packet_type(t), t->input->data + t->start, n, &o, &header);
    if (length == PACKET_INVALID) {
        return PACKET_BAD;
    }
    if (length > 0 && (size_t)length <= n) {
        *size = (size_t)length;
        return PACKET_WHOLE;
    }
    if (length > 0) {
        t->wanted = (size_t)length - n;
        input_expand(t, (size_t)length);
        return PACKET_PART;
    }
    t->wanted = 0;
    if (t->end == t->input_size) {
        if (t->start == 0) {
            if (d->packet_size <= n) {
                return PACKET_BAD;
            }
            input_expand(t, d->packet_size);
        } else {
            input_compact(t);
        }
    }
    return PACKET_PART;
}

static bool is_special(PacketType type)
{
    return type >= PACKET_HTTP || type == PACKET_SSL_TLS;
}

/* Delivers `size` bytes at the start. Returns true when the buffer is the message's now. */
static bool deliver_packet(Tcp *t, size_t size)
{
    Inet *d = &t->inet;
    PacketType type = packet_type(t);
    PacketOptions o = {0, 0, d->delimiter};
    const uint8_t *packet = t->input->data + t->start;
    if (is_special(type) && !d->deliver_port) {
        inet_deliver_packet(t, type, packet, size);
        return false;
    }
    size_t head = 0;
    if (type != PACKET_RAW && packet_length(type, packet, size, &o, &head) < 0) {
        head = 0;
    }
    /* Of a packet with a length in front only the body; of the others all. */
    size_t tail = size >= head + packet_padding(type, packet) ? packet_padding(type, packet) : 0;
    InetData data = {size * 4 >= t->input->size * 3 && d->binary ? t->input : NULL, packet + head, size - head - tail};
    if (d->deliver_port) {
        inet_deliver_to_port(d, data);
    } else {
        inet_deliver_stream(t, data);
    }
    return data.binary && __atomic_load_n(&data.binary->refc, __ATOMIC_ACQUIRE) > 1;
}

/* Takes what was delivered out of the buffer. */
static void input_take(Tcp *t, size_t size, bool given_away)
{
    t->start += size;
    t->wanted = 0;
    if (t->start == t->end) {
        tcp_input_clear(t);
    } else if (given_away) {
        Binary *old = t->input;
        size_t at = t->start, left = t->end - at, room = t->input_size;
        input_new(t, room);
        memcpy(t->input->data, old->data + at, left);
        t->end = left;
        binary_release(old);
    }
}

static Received stream_error(Tcp *t, Term reason);

/* Delivers a packet of `size` bytes and, to an active socket, all that follow whole. */
static Received deliver(Tcp *t, size_t size)
{
    Inet *d = &t->inet;
    for (;;) {
        inet_count_in(d, size);
        input_take(t, size, deliver_packet(t, size));
        if (!d->active) {
            inet_timer_stop(&t->recv_timer);
            inet_unwatch(d, SOCKET_READ);
            if (t->input) {
                input_compact(t);
            }
            return RECV_DELIVERED;
        }
        if (!t->input) {
            return RECV_DELIVERED;
        }
        Found found = find_packet(t, &size);
        if (found == PACKET_BAD) {
            return stream_error(t, A_emsgsize);
        }
        if (found == PACKET_PART) {
            return RECV_DELIVERED;
        }
    }
}

void tcp_deliver_buffered(Tcp *t)
{
    size_t size;
    if (!t->input || t->wanted) {
        return;
    }
    if (t->start == t->end) {
        return;
    }
    Found found = find_packet(t, &size);
    if (found == PACKET_WHOLE) {
        deliver(t, size);
    }
}

/* --- ends --------------------------------------------------------------------------------------------------------- */
void tcp_tell_closed(Tcp *t)
{
    if (!t->close_sent) {
        t->close_sent = true;
        inet_tell_owner(&t->inet, A_tcp_closed, NONVALUE);
    }
}

/* Sends that wait will not go on. True when somebody was told. */
static bool end_output(Tcp *t, Term sendfile_reason)
{
    Inet *d = &t->inet;
    bool told = false;
    if (d->state & STATE_BUSY) {
        tcp_queue_clear(t);
        tcp_unbusy(t);
        inet_reply(d, A_closed);
        told = true;
    }
    if (t->sending_file) {
        tcp_sendfile_abort(t, sendfile_reason);
        told = true;
    }
    return told;
}

static void end_input(Tcp *t, Term told, Term exit_reason)
{
    Inet *d = &t->inet;
    bool was_active = d->active;
    inet_timer_stop(&t->recv_timer);
    tcp_input_clear(t);
    if (was_active) {
        if (exit_reason != A_normal) {
            inet_tell_owner(d, A_tcp_error, told);
        }
        tcp_tell_closed(t);
    }
    if (!d->exit_on_close) {
        inet_unwatch(d, SOCKET_READ);
    } else if (was_active) {
        inet_exit(d, exit_reason);
    } else {
        tcp_close_socket(t);
    }
    if (!was_active) {
        inet_async_error(d, told);
    }
}

static Received stream_closed(Tcp *t)
{
    if (!end_output(t, A_enotconn)) {
        t->closed_send = true;
    }
    end_input(t, A_closed, A_normal);
    return RECV_ENDED;
}

static Received stream_error(Tcp *t, Term reason)
{
    end_output(t, reason);
    end_input(t, reason, reason);
    return RECV_ENDED;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */
/* Reads into the room at the end, for the wanted bytes or any. NONVALUE: *n came, 0 at the end of the stream. */
static Term read_some(Tcp *t, size_t *n, bool *full)
{
    Term error = NONVALUE;
    size_t room = t->input_size - t->end;
    size_t ask = t->wanted && t->wanted < room ? t->wanted : room;
    inet_call_begin(&t->inet);
    int64_t got = inet_ops()->recv(t->inet.socket, t->input->data + t->end, ask, &error);
    inet_call_end(&t->inet);
    *n = got > 0 ? (size_t)got : 0;
    *full = *n == ask;
    t->end += *n;
    if (t->wanted) {
        t->wanted -= *n;
    }
    return got < 0 ? error : NONVALUE;
}

/* Prepares the buffer. RECV_MORE: read. */
static Received prepare(Tcp *t, size_t request)
{
    size_t size;
    if (!t->input) {
        input_new(t, request ? (request < GROW_STEP ? request : GROW_STEP) : (size_t)t->inet.buffer);
        t->wanted = request;
    } else if (request) {
        if (t->end - t->start >= request) {
            return deliver(t, request);
        }
        t->wanted = request - (t->end - t->start);
        input_expand(t, request);
    } else if (!t->wanted) {
        Found found = t->start == t->end ? PACKET_PART : find_packet(t, &size);
        if (found == PACKET_BAD) {
            return stream_error(t, A_emsgsize);
        }
        if (found == PACKET_WHOLE) {
            return deliver(t, size);
        }
    }
    if (t->wanted && t->end == t->input_size) { /* a part of a large packet has filled what was given */
        input_expand(t, t->end - t->start + t->wanted);
    }
    return RECV_MORE;
}

static Received recv_once(Tcp *t, size_t request, bool *full)
{
    size_t n, size;
    *full = false;
    Received prepared = prepare(t, request);
    if (prepared != RECV_MORE) {
        return prepared;
    }
    bool was_wanted = t->wanted != 0;
    Term error = read_some(t, &n, full);
    if (error == A_eagain) {
        return RECV_MORE;
    }
    if (error != NONVALUE) {
        return error == A_econnreset && !t->show_econnreset ? stream_closed(t) : stream_error(t, error);
    }
    if (n == 0) {
        return stream_closed(t);
    }
    if (was_wanted) {
        return t->wanted ? RECV_MORE : deliver(t, t->end - t->start);
    }
    switch (find_packet(t, &size)) {
    case PACKET_BAD: return stream_error(t, A_emsgsize);
    case PACKET_WHOLE: return deliver(t, size);
    default: return RECV_MORE;
    }
}

Received tcp_recv(Tcp *t, size_t request)
{
    bool full;
    return recv_once(t, request, &full);
}

void tcp_ready_read(Tcp *t, unsigned times)
{
    Inet *d = &t->inet;
    bool full = true;
    while (times-- && full && (d->watched & SOCKET_READ)) {
        if (recv_once(t, 0, &full) == RECV_ENDED) {
            return;
        }
    }
}

static void recv_timeout(void *arg)
{
    Tcp *t = arg;
    t->recv_timer = NULL;
    if (inet_is_away(&t->inet)) {
        inet_timer(&t->recv_timer, 1, recv_timeout, t);
        return;
    }
    inet_unwatch(&t->inet, SOCKET_READ);
    t->wanted = 0;
    inet_async_error(&t->inet, A_timeout);
    inet_leave(&t->inet);
}

/* The next receive after the peer has closed while something was sent. */
static bool answer_not_connected(Tcp *t, Answer *a)
{
    if (!t->closed_recv) {
        return answer_error(a, A_enotconn);
    }
    bool reset = t->closed_reset;
    t->closed_recv = t->closed_send = t->closed_reset = false;
    return answer_error(a, reset ? A_econnreset : A_closed);
}

bool tcp_request_recv(Tcp *t, Request *r, Answer *a, Term caller)
{
    Inet *d = &t->inet;
    uint16_t id;
    if (!(d->state & STATE_CONNECTED)) {
        return answer_not_connected(t, a);
    }
    if (d->active || r->left != 8) {
        return answer_error(a, A_einval);
    }
    uint32_t timeout = request_u32(r), size = request_u32(r);
    if (d->packet != 0 && size != 0) {
        return answer_error(a, A_einval);
    }
    if (size > RECV_MAX) {
        return answer_error(a, A_enomem);
    }
    if (!inet_async_start(d, caller, &id)) {
        return answer_error(a, A_ealready);
    }
    if (d->ignored || tcp_recv(t, size) == RECV_MORE) {
        if (timeout == 0) {
            inet_async_error(d, A_timeout);
        } else {
            if (timeout != INET_FOREVER) {
                inet_timer(&t->recv_timer, timeout, recv_timeout, t);
            }
            inet_watch(d, SOCKET_READ);
        }
    }
    answer_ok(a);
    answer_u16(a, id);
    return true;
}
