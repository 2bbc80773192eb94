/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both kinds of socket ports have: opening, closing, the frame of a request, and the requests that need
 * no more than the socket itself. See inet_priv.h.
 */
#include "vm/term/atom.h"
#include "vm/net/inet_priv.h"
#include "vm/plat.h"
#include "vm/proc/clock.h"
#include "vm/proc/sched.h"

enum { DEFAULT_BUFFER = 1460, MSGQ_HIGH = 8192, MSGQ_LOW = 4096, NAME_SIZE = 256 };
enum { STAT_RECV_CNT = 1, STAT_RECV_MAX, STAT_RECV_AVG, STAT_RECV_DVI, STAT_SEND_CNT, STAT_SEND_MAX, STAT_SEND_AVG,
       STAT_SEND_PEND, STAT_RECV_OCT, STAT_SEND_OCT };
enum { SUBSCRIBE_EMPTY_QUEUE = 1 };
#define NS_PER_MS INT64_C(1000000)

const SocketOps *inet_ops(void)
{
    return plat_sockets();
}

/* --- bytes ------------------------------------------------------------------------------------------------ */
static uint64_t request_number(Request *r, unsigned n)
{
    uint64_t v = 0;
    const uint8_t *s = request_bytes(r, n);
    for (unsigned i = 0; s && i < n; i++) {
        v = v << 8 | s[i];
    }
    return v;
}

const uint8_t *request_bytes(Request *r, size_t n)
{
    const uint8_t *at = r->at;
    if (r->left < n) {
        r->short_ = true;
        r->left = 0;
        return NULL;
    }
    r->at += n;
    r->left -= n;
    return at;
}

uint8_t request_u8(Request *r) { return (uint8_t)request_number(r, 1); }
uint16_t request_u16(Request *r) { return (uint16_t)request_number(r, 2); }
uint32_t request_u32(Request *r) { return (uint32_t)request_number(r, 4); }
uint64_t request_u64(Request *r) { return request_number(r, 8); }

void answer_bytes(Answer *a, const void *bytes, size_t n)
{
    if (a->size + n > a->capacity) {
        a->capacity = (a->size + n) * 2 + 32;
        a->bytes = vm_realloc(a->bytes, a->capacity);
    }
    memcpy(a->bytes + a->size, bytes, n);
    a->size += n;
}

static void answer_number(Answer *a, uint64_t v, unsigned n)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(v >> 8 * (n - 1 - i));
    }
    answer_bytes(a, bytes, n);
}

void answer_u8(Answer *a, uint8_t v) { answer_number(a, v, 1); }
void answer_u16(Answer *a, uint16_t v) { answer_number(a, v, 2); }
void answer_u32(Answer *a, uint32_t v) { answer_number(a, v, 4); }
void answer_u64(Answer *a, uint64_t v) { answer_number(a, v, 8); }

bool answer_ok(Answer *a)
{
    answer_u8(a, REP_OK);
    return true;
}

bool answer_error(Answer *a, Term reason)
{
    size_t n;
    const uint8_t *text = atom_text(reason, &n);
    a->size = 0;
    answer_u8(a, REP_ERROR);
    answer_bytes(a, text, n);
    return true;
}

/* --- life ---------------------------------------------------------------------------------------------------- */
void inet_init(Inet *d, Port *port, bool tcp)
{
    d->port = port;
    d->id = port ? port->id : NONVALUE;
    d->tcp = tcp;
    d->ending = NONVALUE;
    d->caller = NONVALUE;
    d->buffer = DEFAULT_BUFFER;
    d->delimiter = '\n';
    d->exit_on_close = 1;
    d->msgq_high = MSGQ_HIGH;
    d->msgq_low = MSGQ_LOW;
}

void inet_close_socket(Inet *d)
{
    d->subscriber_count = 0;
    if (!d->socket) {
        return;
    }
    if (d->borrowed && d->port && !d->port->closing) { /* stays as it is, only without events */
        inet_unwatch(d, SOCKET_READ | SOCKET_WRITE);
        return;
    }
    inet_ops()->close(d->socket, d->borrowed);
    d->socket = NULL;
    d->watched = 0;
    d->ignored = 0;
    d->state = 0;
}

void inet_free(Inet *d)
{
    inet_timer_stop(&d->timer);
    inet_close_socket(d);
    vm_free(d->netns);
    vm_free(d->name_set);
    vm_free(d->peer_set);
    vm_free(d->subscribers);
}

void inet_exit(Inet *d, Term reason)
{
    if (d->port && d->ending == NONVALUE) {
        d->ending = reason;
    }
}

void inet_leave(Inet *d)
{
    d->caller = NONVALUE;
    if (!d->port) {
        tcp_linger_end((Tcp *)d);
    } else if (d->ending != NONVALUE) {
        port_terminate_quietly(d->port, d->ending);
    }
}

/* --- events and timers --------------------------------------------------------------------------------------- */
void inet_watch(Inet *d, unsigned more)
{
    if (d->ignored) {
        d->ignored |= ((more & SOCKET_READ) ? IGNORE_READ : 0) | ((more & SOCKET_WRITE) ? IGNORE_WRITE : 0);
    } else if (d->socket && (d->watched & more) != more) {
        d->watched |= more;
        inet_ops()->watch(d->socket, d->watched);
    }
}

void inet_unwatch(Inet *d, unsigned less)
{
    if (d->socket && (d->watched & less)) {
        d->watched &= ~less;
        inet_ops()->watch(d->socket, d->watched);
    }
}

void inet_timer(Timer **slot, uint32_t ms, void (*fn)(void *arg), void *arg)
{
    inet_timer_stop(slot);
    *slot = timer_start_call(clock_uptime_ns() + (int64_t)ms * NS_PER_MS, fn, arg);
}

void inet_timer_stop(Timer **slot)
{
    if (*slot) {
        timer_cancel_call(*slot);
        *slot = NULL;
    }
}

/* --- counting --------------------------------------------------------------------------------------------------- */
static void count(InetStats *s, size_t n)
{
    double size = (double)n;
    s->count++;
    s->octets += n;
    s->average += (size - s->average) / (double)s->count;
    s->deviation += (size - s->average - s->deviation) / (double)s->count;
    s->max = n > s->max ? n : s->max;
}

void inet_count_in(Inet *d, size_t n)
{
    count(&d->in, n);
}

void inet_count_out(Inet *d, size_t n)
{
    count(&d->out, n);
}

static bool request_statistics(Inet *d, Request *r, Answer *a)
{
    const InetStats *in = &d->in, *out = &d->out;
    answer_ok(a);
    while (r->left) {
        uint8_t what = request_u8(r);
        answer_u8(a, what);
        switch (what) {
        case STAT_RECV_CNT: answer_u32(a, (uint32_t)in->count); break;
        case STAT_RECV_MAX: answer_u32(a, (uint32_t)in->max); break;
        case STAT_RECV_AVG: answer_u32(a, (uint32_t)in->average); break;
        case STAT_RECV_DVI: answer_u32(a, (uint32_t)(in->deviation < 0 ? -in->deviation : in->deviation)); break;
        case STAT_SEND_CNT: answer_u32(a, (uint32_t)out->count); break;
        case STAT_SEND_MAX: answer_u32(a, (uint32_t)out->max); break;
        case STAT_SEND_AVG: answer_u32(a, (uint32_t)out->average); break;
        case STAT_SEND_PEND: answer_u32(a, d->tcp ? (uint32_t)((Tcp *)d)->queued : 0); break;
        case STAT_RECV_OCT: answer_u64(a, in->octets); break;
        case STAT_SEND_OCT: answer_u64(a, out->octets); break;
        default: return false;
        }
    }
    return true;
}

static bool request_subscribe(Inet *d, Request *r, Answer *a, Term caller)
{
    answer_ok(a);
    while (r->left) {
        if (request_u8(r) != SUBSCRIBE_EMPTY_QUEUE) {
            return false;
        }
        size_t queued = d->tcp ? ((Tcp *)d)->queued : 0;
        if (queued) {
            d->subscribers = vm_realloc(d->subscribers, (d->subscriber_count + 1) * sizeof *d->subscribers);
            d->subscribers[d->subscriber_count++] = caller;
        }
        answer_u8(a, SUBSCRIBE_EMPTY_QUEUE);
        answer_u32(a, (uint32_t)queued);
    }
    return true;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */
bool inet_async_start(Inet *d, Term caller, uint16_t *id)
{
    if (d->op.pending) {
        return false;
    }
    *id = d->next_op++;
    d->op = (AsyncOp){true, *id, caller};
    return true;
}

/* Answers that came with what was to be an answer are dropped when there was an error. */
static bool answer_result(Answer *a, Term error)
{
    return error == NONVALUE ? answer_ok(a) : answer_error(a, error);
}

Term inet_open(Inet *d, NetFamily family, NetType type)
{
    Term error = NONVALUE;
    if (d->state) {
        return A_exbadseq;
    }
    d->socket = inet_ops()->open(family, type, d->tcp, d->netns, &error);
    if (!d->socket) {
        return error;
    }
    d->state = STATE_OPEN;
    d->family = family;
    d->type = type;
    return NONVALUE;
}

static Term inet_adopt(Inet *d, NetFamily family, NetType type, int fd, bool bound)
{
    Term error = NONVALUE;
    bool connected;
    Socket *s = inet_ops()->adopt(fd, family, bound, &connected, &error);
    if (!s) {
        return error;
    }
    if (d->socket) {
        inet_ops()->close(d->socket, d->borrowed);
    }
    d->socket = s;
    d->watched = 0;
    d->state = type == NET_STREAM && connected ? STATE_OPEN | STATE_CONNECTED : STATE_OPEN;
    d->borrowed = true;
    d->family = family;
    d->type = type;
    return NONVALUE;
}

bool inet_request_open(Inet *d, Request *r, Answer *a, bool adopt)
{
    if (adopt ? r->left != 6 && r->left != 10 : r->left != 2) {
        return answer_error(a, A_einval);
    }
    NetFamily family = request_u8(r);
    NetType type = request_u8(r);
    if (family != NET_INET && family != NET_INET6 && family != NET_LOCAL) {
        return answer_error(a, A_eafnosupport);
    }
    if (type != NET_STREAM && (d->tcp || type != NET_DGRAM)) {
        return answer_error(a, A_einval);
    }
    if (!adopt) {
        return answer_result(a, inet_open(d, family, type));
    }
    int fd = (int)request_u32(r);
    return answer_result(a, inet_adopt(d, family, type, fd, r->left == 0 || request_u32(r) != 0));
}

static Term socket_name(Inet *d, NetAddress *at)
{
    return d->socket ? inet_ops()->name(d->socket, at) : A_ebadf;
}

static Term socket_peer(Inet *d, NetAddress *at)
{
    return d->socket ? inet_ops()->peer(d->socket, at) : A_ebadf;
}

static bool answer_address(Answer *a, const NetAddress *at)
{
    answer_ok(a);
    return address_write(a, at) ? true : answer_error(a, A_einval);
}

static bool request_name(Inet *d, Answer *a)
{
    NetAddress at = {0};
    Term error = d->name_set ? NONVALUE : socket_name(d, &at);
    return error != NONVALUE ? answer_error(a, error) : answer_address(a, d->name_set ? d->name_set : &at);
}

static bool request_peer(Inet *d, Answer *a)
{
    NetAddress at = {0};
    if (!(d->state & STATE_CONNECTED)) {
        return answer_error(a, A_enotconn);
    }
    Term error = d->peer_set ? NONVALUE : socket_peer(d, &at);
    return error != NONVALUE ? answer_error(a, error) : answer_address(a, d->peer_set ? d->peer_set : &at);
}

/* All own or peer addresses: one, for these kinds of sockets. */
static bool request_all(Inet *d, Request *r, Answer *a, Term (*ask)(Inet *d, NetAddress *at))
{
    NetAddress at = {0};
    if (r->left != 4) {
        return answer_error(a, A_einval);
    }
    if (!(d->state & STATE_OPEN)) {
        return answer_error(a, A_exbadport);
    }
    Term error = ask(d, &at);
    if (error != NONVALUE) {
        return answer_error(a, error);
    }
    answer_ok(a);
    address_write(a, &at);
    return true;
}

/* setsockname and setpeername: what sockname and peername are to say. */
static bool request_pretend(Inet *d, NetAddress **place, Request *r, Answer *a)
{
    NetAddress at = {0};
    if (r->left == 0) {
        vm_free(*place);
        *place = NULL;
        return answer_ok(a);
    }
    if (r->left < 2) {
        return answer_error(a, A_einval);
    }
    Term error = address_read(r, d->family, &at);
    if (error != NONVALUE) {
        return answer_error(a, error);
    }
    if (!*place) {
        *place = vm_alloc(sizeof at);
    }
    **place = at;
    return answer_ok(a);
}

static bool request_bind(Inet *d, Request *r, Answer *a)
{
    NetAddress at = {0};
    if (r->left < 2) {
        return answer_error(a, A_einval);
    }
    if (d->state != STATE_OPEN) {
        return answer_error(a, A_exbadport);
    }
    Term error = address_read(r, d->family, &at);
    if (error == NONVALUE) {
        error = inet_ops()->bind(d->socket, &at);
    }
    if (error != NONVALUE) {
        return answer_error(a, error);
    }
    if (at.port == 0 && at.family != NET_LOCAL) {
        socket_name(d, &at); /* the port stays 0 if that fails */
    }
    answer_ok(a);
    answer_u16(a, at.family == NET_LOCAL ? 0 : at.port);
    return true;
}

static bool request_type(Inet *d, Answer *a)
{
    if (d->family == NET_UNSPEC) {
        return answer_error(a, A_einval);
    }
    answer_ok(a);
    answer_u32(a, d->family);
    answer_u32(a, d->type);
    return true;
}

static bool request_host_name(Request *r, Answer *a)
{
    char text[NAME_SIZE];
    if (r->left) {
        return answer_error(a, A_einval);
    }
    Term error = inet_ops()->host_name(text, sizeof text);
    if (error != NONVALUE) {
        return answer_error(a, error);
    }
    answer_ok(a);
    answer_bytes(a, text, strlen(text));
    return true;
}

/* A text with its length in one byte in front. */
static bool request_text(Request *r, char text[NAME_SIZE])
{
    size_t n = request_u8(r);
    const uint8_t *bytes = request_bytes(r, n);
    if (!bytes) {
        return false;
    }
    memcpy(text, bytes, n);
    text[n] = 0;
    return true;
}

static bool request_service_port(Request *r, Answer *a)
{
    char name[NAME_SIZE], protocol[NAME_SIZE];
    if (!request_text(r, name) || !request_text(r, protocol)) {
        return answer_error(a, A_einval);
    }
    int port = inet_ops()->service_port(name, protocol);
    if (port < 0) {
        return answer_error(a, A_einval);
    }
    answer_ok(a);
    answer_u16(a, (uint16_t)port);
    return true;
}

static bool request_service_name(Request *r, Answer *a)
{
    char name[NAME_SIZE], protocol[NAME_SIZE];
    unsigned port = request_u16(r);
    if (!request_text(r, protocol) || !inet_ops()->service_name(port, protocol, name, sizeof name)) {
        return answer_error(a, A_einval);
    }
    answer_ok(a);
    answer_bytes(a, name, strlen(name));
    return true;
}

/* Somebody else reads and writes the descriptor for a while, or does no longer. */
static bool request_ignore(Inet *d, Request *r, Answer *a)
{
    bool ignore = request_u8(r);
    if (!(d->state & STATE_CONNECTED)) {
        return answer_error(a, A_enotconn);
    }
    if (r->short_ || d->type != NET_STREAM || ignore == (d->ignored != 0)) {
        return answer_error(a, A_einval);
    }
    if (ignore) {
        inet_unwatch(d, SOCKET_READ | SOCKET_WRITE);
        d->ignored = d->active ? IGNORE_READ : IGNORE_PASSIVE;
    } else {
        unsigned was = d->ignored;
        d->ignored = 0;
        inet_watch(d, ((was & IGNORE_READ) ? SOCKET_READ : 0) | ((was & IGNORE_WRITE) ? SOCKET_WRITE : 0));
    }
    return answer_ok(a);
}

static bool request_descriptor(Inet *d, Answer *a)
{
    int fd = (d->state & STATE_OPEN) && d->socket ? inet_ops()->descriptor(d->socket) : -1;
    if (fd < 0) {
        return answer_error(a, A_einval);
    }
    answer_ok(a);
    answer_u32(a, (uint32_t)fd);
    return true;
}

bool inet_request(Inet *d, unsigned command, Request *r, Answer *a, Term caller)
{
    switch (command) {
    case REQ_GETSTAT: return request_statistics(d, r, a);
    case REQ_SUBSCRIBE: return request_subscribe(d, r, a, caller);
    case REQ_SETOPTS: return inet_set_options(d, r, a);
    case REQ_GETOPTS: return inet_get_options(d, r, a);
    case REQ_GETIFLIST: case REQ_GETIFADDRS: case REQ_IFGET: case REQ_IFSET:
        return inet_interface_request(d, command, r, a);
    case REQ_GETSTATUS:
        answer_ok(a);
        answer_u32(a, d->state);
        return true;
    case REQ_GETTYPE: return request_type(d, a);
    case REQ_GETFD: return request_descriptor(d, a);
    case REQ_GETHOSTNAME: return request_host_name(r, a);
    case REQ_GETSERVBYNAME: return request_service_port(r, a);
    case REQ_GETSERVBYPORT: return request_service_name(r, a);
    case REQ_PEER: return request_peer(d, a);
    case REQ_NAME: return request_name(d, a);
    case REQ_GETPADDRS: return request_all(d, r, a, socket_peer);
    case REQ_GETLADDRS: return request_all(d, r, a, socket_name);
    case REQ_SETPEER: return request_pretend(d, &d->peer_set, r, a);
    case REQ_SETNAME: return request_pretend(d, &d->name_set, r, a);
    case REQ_BIND: return request_bind(d, r, a);
    case REQ_IGNOREFD: return request_ignore(d, r, a);
    default: return answer_error(a, A_exbadport);
    }
}

Term inet_control(Inet *d, Proc *caller, unsigned command, const uint8_t *bytes, size_t n,
                  bool (*request)(Inet *d, unsigned command, Request *r, Answer *a, Term caller))
{
    Request r = {bytes, n, false};
    Answer a = {0};
    bool good = request(d, command - INET_COMMAND_BASE, &r, &a, caller->id);
    Term list = good ? heap_string(caller, a.bytes, a.size) : NONVALUE;
    vm_free(a.bytes);
    inet_leave(d);
    return list;
}
