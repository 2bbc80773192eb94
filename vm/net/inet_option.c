/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setopts and getopts. An option is a byte and, when set, 32 bits and whatever else it needs. The driver's own
 * options are fields of Inet and Tcp; the others go to the socket. When a socket refuses one, setopts goes on
 * regardless, except for the few where OTP reports it; getopts leaves out what the socket does not know.
 */
#include "vm/term/atom.h"
#include "vm/net/inet_priv.h"

enum { MAX_ANSWER = 64 * 1024, UDP_BUFFER_MAX = 1 << 16, DEVICE_NAME = 16 };

typedef enum { DONE, BAD, EXITED } Outcome;

static Tcp *stream_of(Inet *d)
{
    return d->tcp && d->type == NET_STREAM ? (Tcp *)d : NULL;
}

/* --- the driver's own ----------------------------------------------------------------------------------------- */
/* An end of the connection that a passive socket found is told when it becomes active. */
static Outcome tell_late_close(Inet *d)
{
    Tcp *t = stream_of(d);
    if (!t || d->active == PASSIVE || d->state) {
        return DONE;
    }
    if (t->closed_reset) {
        t->closed_reset = false;
        inet_tell_owner(d, A_tcp_error, A_econnreset);
    }
    tcp_tell_closed(t);
    if (d->exit_on_close) {
        inet_exit(d, A_normal);
        return EXITED;
    }
    return DONE;
}

static Outcome set_active(Inet *d, int32_t value, Request *r)
{
    if (value < PASSIVE || value > ACTIVE_MULTI) {
        return BAD;
    }
    d->active = (ActiveMode)value;
    if (d->active == ACTIVE_MULTI) {
        int count = d->active_count + (int16_t)request_u16(r);
        if (r->short_ || count > INT16_MAX || count < INT16_MIN) {
            return BAD;
        }
        d->active_count = count < 0 ? 0 : count;
        if (d->active_count == 0) {
            d->active = PASSIVE;
            inet_tell_owner(d, d->tcp ? A_tcp_passive : A_udp_passive, NONVALUE);
        }
    } else {
        d->active_count = 0;
    }
    return tell_late_close(d);
}

static Outcome set_netns(Inet *d, int32_t size, Request *r)
{
    const uint8_t *name = size < 0 ? NULL : request_bytes(r, (size_t)size);
    if (!name) {
        return BAD;
    }
    vm_free(d->netns);
    d->netns = vm_alloc((size_t)size + 1);
    memcpy(d->netns, name, (size_t)size);
    d->netns[size] = 0;
    return DONE;
}

/* Options of streams; without meaning, and no error, for others. */
static void set_stream_option(Inet *d, uint8_t option, int32_t value)
{
    Tcp *t = option == OPT_SHOW_ECONNRESET && d->tcp ? (Tcp *)d : stream_of(d);
    if (!t) {
        return;
    }
    int32_t mark = value < 0 ? 0 : value;
    switch (option) {
    case OPT_HIGH_WATERMARK:
        t->high = mark;
        t->low = t->low > mark ? mark : t->low;
        break;
    case OPT_LOW_WATERMARK:
        t->low = mark;
        t->high = t->high < mark ? mark : t->high;
        break;
    case OPT_SEND_TIMEOUT: t->send_timeout = (uint32_t)value; break;
    case OPT_SEND_TIMEOUT_CLOSE: t->send_timeout_close = value; break;
    case OPT_DELAY_SEND: t->delay_send = value != 0; break;
    default: t->show_econnreset = value != 0; break;
    }
}

static Outcome set_msgq_mark(Inet *d, bool high, int32_t value)
{
    if (value < 1) {
        return BAD;
    }
    if (high) {
        d->msgq_high = value;
        d->msgq_low = d->msgq_low > value ? value : d->msgq_low;
    } else {
        d->msgq_low = value;
        d->msgq_high = d->msgq_high < value ? value : d->msgq_high;
    }
    return DONE;
}

static Outcome set_read_packets(Inet *d, int32_t value)
{
    if (d->type == NET_DGRAM && !d->tcp) {
        if (value <= 0) {
            return BAD;
        }
        ((Udp *)d)->read_packets = value;
    }
    return DONE;
}

/* True when the option is one of ours. */
static bool set_own_option(Inet *d, uint8_t option, int32_t value, Request *r, Outcome *outcome)
{
    *outcome = DONE;
    switch (option) {
    case OPT_HEADER: d->header = (uint32_t)value; return true;
    case OPT_MODE: d->binary = value != 0; return true;
    case OPT_DELIVER: d->deliver_port = value == 0; return true;
    case OPT_BUFFER:
        d->buffer = value < 1 ? 1 : value;
        d->buffer_set = true;
        return true;
    case OPT_ACTIVE: *outcome = set_active(d, value, r); return true;
    case OPT_PACKET: d->packet = value; return true;
    case OPT_PACKET_SIZE: d->packet_size = (uint32_t)value; return true;
    case OPT_EXIT_ON_CLOSE: d->exit_on_close = value; return true;
    case OPT_HIGH_WATERMARK: case OPT_LOW_WATERMARK: case OPT_SEND_TIMEOUT: case OPT_SEND_TIMEOUT_CLOSE:
    case OPT_DELAY_SEND: case OPT_SHOW_ECONNRESET:
        set_stream_option(d, option, value);
        return true;
    case OPT_HIGH_MSGQ: case OPT_LOW_MSGQ:
        *outcome = set_msgq_mark(d, option == OPT_HIGH_MSGQ, value);
        return true;
    case OPT_READ_PACKETS: *outcome = set_read_packets(d, value); return true;
    case OPT_NETNS: *outcome = set_netns(d, value, r); return true;
    case OPT_LINE_DELIMITER: d->delimiter = (uint8_t)value; return true;
    case OPT_DEBUG: d->debug = value != 0; return true;
    default: return false;
    }
}

/* --- the socket's ------------------------------------------------------------------------------------------------ */
static bool read_ip(Request *r, NetFamily family, NetAddress *a)
{
    a->family = family;
    a->size = family == NET_INET ? 4 : 16;
    const uint8_t *bytes = request_bytes(r, a->size);
    if (bytes) {
        memcpy(a->bytes, bytes, a->size);
    }
    return bytes != NULL;
}

/* `family` of the group is what the option's number said. */
static bool read_membership(const Inet *d, NetFamily family, Request *r, SocketValue *v)
{
    v->number = (int32_t)request_u32(r);
    return family == d->family && (family == NET_INET || family == NET_INET6) && read_ip(r, family, &v->address) &&
           (family == NET_INET6 || read_ip(r, family, &v->interface));
}

static bool read_raw(Request *r, SocketValue *v)
{
    v->level = v->number;
    v->name = (int32_t)request_u32(r);
    uint32_t size = request_u32(r);
    const uint8_t *bytes = request_bytes(r, size);
    v->bytes = (uint8_t *)(uintptr_t)bytes;
    v->size = size;
    return bytes != NULL;
}

/* What follows the first 32 bits, for options with more. */
static bool read_value(const Inet *d, uint8_t option, Request *r, SocketValue *v)
{
    switch (option) {
    case SOPT_LINGER:
        v->number2 = (int32_t)request_u32(r);
        return !r->short_;
    case SOPT_ADD_MEMBERSHIP: case SOPT_DROP_MEMBERSHIP:
        return read_membership(d, (NetFamily)v->number, r, v);
    case SOPT_MULTICAST_IF:
        for (unsigned i = 0; i < 4; i++) {
            v->address.bytes[i] = (uint8_t)((uint32_t)v->number >> 8 * (3 - i));
        }
        v->address.family = NET_INET;
        v->address.size = 4;
        return d->family == NET_INET || d->family == NET_INET6;
    case SOPT_RAW:
        return read_raw(r, v);
    case SOPT_BIND_TO_DEVICE:
        v->size = (size_t)v->number;
        v->bytes = v->number < 0 || v->number > DEVICE_NAME ? NULL
                                                            : (uint8_t *)(uintptr_t)request_bytes(r, v->size);
        return v->bytes != NULL;
    default:
        return true;
    }
}

static bool is_plain_option(uint8_t option)
{
    switch (option) {
    case SOPT_REUSEADDR: case SOPT_KEEPALIVE: case SOPT_DONTROUTE: case SOPT_BROADCAST: case SOPT_OOBINLINE:
    case SOPT_SNDBUF: case SOPT_RCVBUF: case SOPT_PRIORITY: case SOPT_TOS: case SOPT_NODELAY: case SOPT_MULTICAST_TTL:
    case SOPT_MULTICAST_LOOP: case SOPT_IPV6_V6ONLY: case SOPT_TCLASS: case SOPT_RECVTOS: case SOPT_RECVTCLASS:
    case SOPT_TTL: case SOPT_RECVTTL: case SOPT_NOPUSH:
        return true;
    default:
        return false;
    }
}

static bool is_socket_option(uint8_t option)
{
    return is_plain_option(option) || option == SOPT_LINGER || option == SOPT_MULTICAST_IF || option == SOPT_RAW ||
           option == SOPT_BIND_TO_DEVICE || option == SOPT_ADD_MEMBERSHIP || option == SOPT_DROP_MEMBERSHIP;
}

/* Options whose refusal setopts reports. */
static bool is_reported(uint8_t option)
{
    switch (option) {
    case SOPT_PRIORITY: case SOPT_TOS: case SOPT_TCLASS: case SOPT_TTL: case SOPT_RECVTOS: case SOPT_RECVTCLASS:
    case SOPT_RECVTTL: case SOPT_IPV6_V6ONLY: case SOPT_BIND_TO_DEVICE:
        return true;
    default:
        return false;
    }
}

static unsigned extra_bit(uint8_t option)
{
    return option == SOPT_RECVTOS ? RECV_TOS : option == SOPT_RECVTCLASS ? RECV_TCLASS : option == SOPT_RECVTTL
        ? RECV_TTL : 0;
}

/* What the driver itself has to know about options of the socket. */
static void note_option(Inet *d, uint8_t option, const SocketValue *v, bool accepted)
{
    if (option == SOPT_RCVBUF && !d->buffer_set) {
        if (v->number > UDP_BUFFER_MAX && d->type == NET_DGRAM) {
            d->buffer = UDP_BUFFER_MAX;
        } else if (v->number > d->buffer) {
            d->buffer = v->number;
        }
    } else if (option == SOPT_LINGER && d->tcp) {
        ((Tcp *)d)->linger_zero = v->number && v->number2 == 0;
    } else if (extra_bit(option) && accepted) {
        d->extras = v->number ? d->extras | extra_bit(option) : d->extras & ~extra_bit(option);
    }
}

static Outcome set_socket_option(Inet *d, uint8_t option, int32_t value, Request *r)
{
    SocketValue v = {.number = value};
    if (!is_socket_option(option) || !read_value(d, option, r, &v)) {
        return BAD;
    }
    Term error = d->socket ? inet_ops()->set_option(d->socket, d->family, (SocketOption)option, &v) : A_ebadf;
    note_option(d, option, &v, error == NONVALUE);
    return error != NONVALUE && is_reported(option) ? BAD : DONE;
}

/* --- setopts ------------------------------------------------------------------------------------------------------ */
/* A change of mode or packet type shows what is already there in a new light. */
static void react(Inet *d, ActiveMode was_active, int32_t was_packet)
{
    Tcp *t = stream_of(d);
    bool usable = t ? (d->state & STATE_CONNECTED) != 0 : (d->state & STATE_OPEN) && d->type == NET_DGRAM;
    if (!usable) {
        return;
    }
    if (t && was_active == PASSIVE && d->active > ACTIVE && d->packet == was_packet) {
        if (tcp_recv(t, 0) != RECV_ENDED && d->active) {
            inet_watch(d, SOCKET_READ);
        }
        return;
    }
    if (d->active != was_active) {
        if (d->active) {
            inet_watch(d, SOCKET_READ);
        } else {
            if (!t) {
                inet_timer_stop(&d->timer);
            }
            inet_unwatch(d, SOCKET_READ);
        }
    }
    if (t && d->active && (was_active == PASSIVE || d->packet != was_packet)) {
        tcp_deliver_buffered(t);
    }
}

bool inet_set_options(Inet *d, Request *r, Answer *a)
{
    ActiveMode was_active = d->active;
    int32_t was_packet = d->packet;
    while (r->left >= 5) {
        Outcome outcome;
        uint8_t option = request_u8(r);
        int32_t value = (int32_t)request_u32(r);
        if (!set_own_option(d, option, value, r, &outcome)) {
            outcome = set_socket_option(d, option, value, r);
        }
        if (outcome != DONE) {
            return outcome == BAD ? answer_error(a, A_einval) : answer_ok(a);
        }
    }
    react(d, was_active, was_packet);
    return answer_ok(a);
}

/* --- getopts ------------------------------------------------------------------------------------------------------ */
static void put_option(Answer *a, uint8_t option, int32_t value)
{
    answer_u8(a, option);
    answer_u32(a, (uint32_t)value);
}

static void get_stream_option(Inet *d, uint8_t option, Answer *a)
{
    const Tcp *t = option == OPT_SHOW_ECONNRESET && d->tcp ? (Tcp *)d : stream_of(d);
    if (!t) {
        return;
    }
    switch (option) {
    case OPT_HIGH_WATERMARK: put_option(a, option, t->high); break;
    case OPT_LOW_WATERMARK: put_option(a, option, t->low); break;
    case OPT_SEND_TIMEOUT: put_option(a, option, (int32_t)t->send_timeout); break;
    case OPT_SEND_TIMEOUT_CLOSE: put_option(a, option, t->send_timeout_close); break;
    case OPT_DELAY_SEND: put_option(a, option, t->delay_send); break;
    default: put_option(a, option, t->show_econnreset); break;
    }
}

static void get_active(const Inet *d, Answer *a)
{
    put_option(a, OPT_ACTIVE, d->active);
    if (d->active == ACTIVE_MULTI) {
        answer_u16(a, (uint16_t)d->active_count);
    }
}

static bool get_own_option(Inet *d, uint8_t option, Answer *a)
{
    switch (option) {
    case OPT_BUFFER: put_option(a, option, d->buffer); return true;
    case OPT_HEADER: put_option(a, option, (int32_t)d->header); return true;
    case OPT_MODE: put_option(a, option, d->binary); return true;
    case OPT_DELIVER: put_option(a, option, !d->deliver_port); return true;
    case OPT_ACTIVE: get_active(d, a); return true;
    case OPT_PACKET: put_option(a, option, d->packet); return true;
    case OPT_PACKET_SIZE: put_option(a, option, (int32_t)d->packet_size); return true;
    case OPT_EXIT_ON_CLOSE: put_option(a, option, d->exit_on_close); return true;
    case OPT_HIGH_WATERMARK: case OPT_LOW_WATERMARK: case OPT_SEND_TIMEOUT: case OPT_SEND_TIMEOUT_CLOSE:
    case OPT_DELAY_SEND: case OPT_SHOW_ECONNRESET:
        get_stream_option(d, option, a);
        return true;
    case OPT_HIGH_MSGQ: put_option(a, option, d->msgq_high); return true;
    case OPT_LOW_MSGQ: put_option(a, option, d->msgq_low); return true;
    case OPT_READ_PACKETS:
        if (d->type == NET_DGRAM && !d->tcp) {
            put_option(a, option, ((Udp *)d)->read_packets);
        }
        return true;
    case OPT_NETNS:
        if (d->netns) {
            put_option(a, option, (int32_t)strlen(d->netns));
            answer_bytes(a, d->netns, strlen(d->netns));
        }
        return true;
    case OPT_DEBUG: put_option(a, option, d->debug); return true;
    default: return false;
    }
}

static Term ask_socket(Inet *d, SocketOption option, SocketValue *v)
{
    return d->socket ? inet_ops()->get_option(d->socket, d->family, option, v) : A_ebadf;
}

/* {raw, Level, Name, Size or template}: the answer has as many bytes as the socket gave. */
static bool get_raw(Inet *d, Request *r, Answer *a)
{
    SocketValue v = {.level = (int32_t)request_u32(r), .name = (int32_t)request_u32(r)};
    bool has_template = request_u8(r);
    v.size = request_u32(r);
    if (r->short_ || v.size > MAX_ANSWER) {
        return false;
    }
    const uint8_t *template = has_template ? request_bytes(r, v.size) : NULL;
    if (has_template && !template) {
        return false;
    }
    v.bytes = vm_calloc(v.size + 1);
    if (template) {
        memcpy(v.bytes, template, v.size);
    }
    if (ask_socket(d, SOPT_RAW, &v) == NONVALUE) {
        put_option(a, SOPT_RAW, v.level);
        answer_u32(a, (uint32_t)v.name);
        answer_u32(a, (uint32_t)v.size);
        answer_bytes(a, v.bytes, v.size);
    }
    vm_free(v.bytes);
    return true;
}

static void get_device(Inet *d, Answer *a)
{
    uint8_t name[DEVICE_NAME + 1] = {0};
    SocketValue v = {.bytes = name, .size = DEVICE_NAME};
    if (ask_socket(d, SOPT_BIND_TO_DEVICE, &v) == NONVALUE) {
        size_t n = strlen((const char *)name);
        put_option(a, SOPT_BIND_TO_DEVICE, (int32_t)n);
        answer_bytes(a, name, n);
    }
}

static bool get_multicast_interface(Inet *d, Answer *a)
{
    SocketValue v = {0};
    if (d->family != NET_INET && d->family != NET_INET6) {
        return false;
    }
    if (ask_socket(d, SOPT_MULTICAST_IF, &v) == NONVALUE) {
        answer_u8(a, SOPT_MULTICAST_IF);
        if (d->family == NET_INET) {
            answer_bytes(a, v.address.bytes, 4);
        } else {
            answer_u32(a, (uint32_t)v.number);
        }
        answer_u32(a, d->family);
    }
    return true;
}

/* The type of service and the like of a stream's last packet, as options within the option. */
static bool get_packet_options(Inet *d, Answer *a)
{
    SocketExtra extras[SOCKET_EXTRAS];
    size_t count = SOCKET_EXTRAS;
    if (d->family != NET_INET && d->family != NET_INET6) {
        return false;
    }
    if (d->socket && inet_ops()->packet_extras(d->socket, d->family, extras, &count) == NONVALUE) {
        put_option(a, OPT_PKTOPTIONS, (int32_t)(count * 5));
        for (size_t i = 0; i < count; i++) {
            put_option(a, (uint8_t)extras[i].option, (int32_t)extras[i].value);
        }
    }
    return true;
}

static bool get_option(Inet *d, uint8_t option, Request *r, Answer *a)
{
    SocketValue v = {0};
    if (get_own_option(d, option, a)) {
        return true;
    }
    switch (option) {
    case SOPT_RAW: return get_raw(d, r, a);
    case SOPT_BIND_TO_DEVICE: get_device(d, a); return true;
    case SOPT_MULTICAST_IF: return get_multicast_interface(d, a);
    case OPT_PKTOPTIONS: return get_packet_options(d, a);
    default: break;
    }
    if (!is_plain_option(option) && option != SOPT_LINGER) {
        return false;
    }
    if (ask_socket(d, (SocketOption)option, &v) == NONVALUE) {
        put_option(a, option, v.number);
        if (option == SOPT_LINGER) {
            answer_u32(a, (uint32_t)v.number2);
        }
    }
    return true;
}

bool inet_get_options(Inet *d, Request *r, Answer *a)
{
    answer_ok(a);
    while (r->left) {
        if (!get_option(d, request_u8(r), r, a) || a->size > MAX_ANSWER) {
            return answer_error(a, A_einval);
        }
    }
    return true;
}
