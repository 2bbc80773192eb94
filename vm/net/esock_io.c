/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting, accepting and moving data. Each native takes its side's lock, sees whether the caller may act,
 * makes one system call and turns its outcome into an answer and a new state of the side. See esock.h.
 */
#include "gen/natives.h"
#include "vm/net/esock.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

enum { STACK_BUFFER = 16384, VECTOR_MAX = 1024, FILE_PART = 1 << 20, FILE_PARTS = 16, CONTROL_MAX = 1 << 20 };
#define RECEIVE_MAX (UINT64_C(1) << 40)

/* Lets go of the side, and watches for what it wants. */
static Term leave(Esock *e, EsockSide *side, Term answer)
{
    spin_unlock(&side->lock);
    esock_sync(e);
    return answer;
}

static bool is_stream(const Esock *e)
{
    return e->kind.type == A_stream;
}

static void count_packet(EsockCounters *c, uint64_t n)
{
    c->packets++;
    c->bytes += n;
    c->packet_now += n;
    c->packet_max = c->packet_now > c->packet_max ? c->packet_now : c->packet_max;
    c->packet_now = 0;
}

/* --- names and connections -------------------------------------------------------------------- */
/* What a call without data answers. */
static Term answer_to(Proc *p, Term error)
{
    return error == NONVALUE ? A_ok : esock_error(p, error);
}

NATIVE(native_esock_bind)
{
    Esock *e = esock_of(a[0]);
    EsockAddress address;
    if (!e) {
        return p_badarg(p);
    }
    if (!esock_ops()->address_read(p, a[1], &address)) {
        return esock_invalid(p, A_sockaddr);
    }
    spin_lock(&e->in.lock);
    Term error = esock_is_open(&e->in) ? esock_ops()->bind(e->socket, &address) : A_closed;
    e->in.state |= error == NONVALUE ? ES_BOUND : 0;
    spin_unlock(&e->in.lock);
    return answer_to(p, error);
}

NATIVE(native_esock_listen)
{
    Esock *e = esock_of(a[0]);
    int backlog;
    if (!e) {
        return p_badarg(p);
    }
    if (!esock_int(a[1], &backlog)) {
        return esock_not_int(p, a[1]);
    }
    spin_lock(&e->in.lock);
    Term error = esock_is_open(&e->in) ? esock_ops()->listen(e->socket, backlog) : A_closed;
    e->in.state |= error == NONVALUE ? ES_LISTENING : 0;
    spin_unlock(&e->in.lock);
    return answer_to(p, error);
}

NATIVE(native_esock_shutdown)
{
    Esock *e = esock_of(a[0]);
    if (!e) {
        return p_badarg(p);
    }
    if (a[1] != A_read && a[1] != A_write && a[1] != A_read_write) {
        return esock_raise(p, heap_tuple2(p, A_how, a[1]));
    }
    ShutdownHow how = a[1] == A_read ? SHUT_READ : a[1] == A_write ? SHUT_WRITE : SHUT_BOTH;
    esock_lock_all(e);
    Term error = esock_is_open(&e->in) ? esock_ops()->shutdown(e->socket, how) : A_closed;
    esock_unlock_all(e);
    return answer_to(p, error);
}

static Term name_of(Proc *p, Term ref, bool of_peer)
{
    Esock *e = esock_of(ref);
    EsockAddress address = {.size = 0};
    if (!e) {
        return p_badarg(p);
    }
    spin_lock(&e->in.lock);
    Term error = esock_is_open(&e->in) ? esock_ops()->name(e->socket, of_peer, &address) : A_closed;
    spin_unlock(&e->in.lock);
    return error == NONVALUE ? esock_ok(p, esock_ops()->address_build(p, &address)) : esock_error(p, error);
}

NATIVE(native_esock_sockname)
{
    return name_of(p, a[0], false);
}

NATIVE(native_esock_peername)
{
    return name_of(p, a[0], true);
}

/* The caller has been told that its connection is there, or is not. */
static Term connect_finish(Proc *p, Esock *e)
{
    esock_next(e, &e->out);
    Term error = esock_ops()->connected(e->socket);
    e->out.state |= error == NONVALUE ? ES_CONNECTED : 0;
    return answer_to(p, error);
}

/* address NULL: only to finish. */
static Term connect_locked(Proc *p, Esock *e, Term handle, const EsockAddress *address)
{
    EsockSide *out = &e->out;
    if (!esock_is_open(out)) {
        return esock_error(p, A_closed);
    }
    if (out->first && out->first->pid != p->id && !proc_lookup(out->first->pid)) {
        esock_next(e, out);
    }
    if (out->first && out->role != ESOCK_CONNECT) {
        return esock_error_invalid(p, A_state);
    }
    if (out->first && out->first->pid == p->id) {
        return connect_finish(p, e);
    }
    if (!address) {
        return esock_raise(p, A_state);
    }
    if (out->first) {
        return esock_error(p, A_already);
    }
    Term error = esock_ops()->connect(e->socket, address);
    if (error != A_einprogress) {
        out->state |= error == NONVALUE ? ES_CONNECTED : 0;
        return answer_to(p, error);
    }
    esock_become_current(p, out, ESOCK_CONNECT, handle);
    esock_want(out);
    out->state |= ES_CONNECTING;
    return A_select;
}

NATIVE(native_esock_connect_3)
{
    Esock *e = esock_of(a[0]);
    EsockAddress address;
    if (!e || !is_ref(a[1])) {
        return p_badarg(p);
    }
    if (!esock_ops()->address_read(p, a[2], &address)) {
        return esock_invalid(p, A_sockaddr);
    }
    spin_lock(&e->out.lock);
    return leave(e, &e->out, connect_locked(p, e, a[1], &address));
}

NATIVE(native_esock_connect_1)
{
    Esock *e = esock_of(a[0]);
    if (!e) {
        return p_badarg(p);
    }
    spin_lock(&e->out.lock);
    return leave(e, &e->out, connect_locked(p, e, A_undefined, NULL));
}

static Term accept_failed(Proc *p, Esock *e, Term handle, Term error)
{
    EsockSide *in = &e->in;
    if (error == A_eagain) {
        e->accepts.waits += in->first != NULL;
        esock_become_current(p, in, ESOCK_ACCEPT, handle);
        esock_want(in);
        in->state |= ES_ACCEPTING;
        return A_select;
    }
    e->accepts.fails++;
    esock_abort_others(e, in, error);
    return esock_error(p, error);
}

static Term accept_locked(Proc *p, Esock *e, Term handle)
{
    Term answer = NONVALUE, error = NONVALUE;
    if (!esock_is_open(&e->in)) {
        return esock_error(p, A_closed);
    }
    if (!esock_may_act(p, e, &e->in, ESOCK_ACCEPT, handle, true, &answer)) {
        return answer;
    }
    e->accepts.tries++;
    Socket *s = esock_ops()->accept(e->socket, &error);
    if (!s) {
        return accept_failed(p, e, handle, error);
    }
    e->accepts.packets++;
    Term ref = esock_new(p, s, &e->kind, p->id, e);
    spin_lock(&e->out.lock);
    e->out.state |= ES_CONNECTED; /* of the listener: as OTP has it */
    spin_unlock(&e->out.lock);
    esock_register(esock_of(ref));
    esock_next(e, &e->in);
    return esock_ok(p, ref);
}

NATIVE(native_esock_accept)
{
    Esock *e = esock_of(a[0]);
    if (!e) {
        return p_badarg(p);
    }
    spin_lock(&e->in.lock);
    return leave(e, &e->in, accept_locked(p, e, a[1]));
}

/* --- sending ---------------------------------------------------------------------------------- */
static bool send_allowed(Proc *p, Esock *e, Term handle, Term *answer)
{
    if (!esock_is_open(&e->out)) {
        *answer = esock_error(p, A_closed);
        return false;
    }
    return esock_may_act(p, e, &e->out, ESOCK_TRANSFER, handle, true, answer);
}

static Term send_failed(Proc *p, Esock *e, Term error)
{
    e->write.fails++;
    if (error != A_einval && e->out.first) {
        esock_abort_others(e, &e->out, error);
    }
    return esock_error(p, error);
}

/* Not all went out: written < 0, nothing. */
static Term send_again(Proc *p, Esock *e, int64_t written, Term handle)
{
    if (written >= 0) {
        if (!is_stream(e)) {
            count_packet(&e->write, (uint64_t)written);
            esock_next(e, &e->out);
            return esock_ok(p, heap_int64(p, written));
        }
        e->write.packet_now += (uint64_t)written;
    }
    esock_become_current(p, &e->out, ESOCK_TRANSFER, handle);
    if (handle == A_iov) {
        return heap_tuple2(p, A_iov, heap_int64(p, written));
    }
    esock_want(&e->out);
    e->write.waits++;
    return written < 0 ? A_select : heap_tuple2(p, A_select, heap_int64(p, written));
}

/* size: of what m has; more: the caller has more parts than a message takes. */
static Term send_message(Proc *p, Esock *e, const EsockMessage *m, size_t size, bool more, Term handle)
{
    Term error = NONVALUE;
    e->write.tries++;
    int64_t n = esock_ops()->send(e->socket, m, &error);
    if (n < 0) {
        return error == A_eagain || error == A_eintr ? send_again(p, e, -1, handle) : send_failed(p, e, error);
    }
    if ((uint64_t)n < size) {
        return send_again(p, e, n, handle);
    }
    if (more) {
        return send_again(p, e, n, A_iov);
    }
    count_packet(&e->write, (uint64_t)n);
    esock_next(e, &e->out);
    return A_ok;
}

static Term send_binary(Proc *p, Term *a, const EsockAddress *to, Term flags, Term handle)
{
    Esock *e = esock_of(a[0]);
    SocketVec vec;
    EsockMessage m = {.to = to, .out = &vec, .count = 1};
    if (!is_ref(handle) || !esock_bytes(p, a[1], &vec.bytes, &vec.size)) {
        return p_badarg(p);
    }
    if (!esock_int(flags, &m.flags)) {
        return esock_not_int(p, flags);
    }
    spin_lock(&e->out.lock);
    Term answer = NONVALUE;
    if (send_allowed(p, e, handle, &answer)) {
        answer = send_message(p, e, &m, vec.size, false, handle);
    }
    return leave(e, &e->out, answer);
}

NATIVE(native_esock_send)
{
    return esock_of(a[0]) ? send_binary(p, a, NULL, a[2], a[3]) : p_badarg(p);
}

NATIVE(native_esock_sendto)
{
    EsockAddress to;
    int flags;
    if (!esock_of(a[0]) || !is_ref(a[4]) || (!is_binary(a[1]) && !is_cons(a[1]) && !is_nil(a[1]))) {
        return p_badarg(p);
    }
    if (!esock_int(a[3], &flags)) {
        return esock_not_int(p, a[3]);
    }
    if (!esock_ops()->address_read(p, a[2], &to)) {
        return esock_invalid(p, A_sockaddr);
    }
    return send_binary(p, a, &to, a[3], a[4]);
}

/* The binaries at the front of a list, as many as a message takes. *rest: those behind. False: it is no list of
 * binaries. */
static bool vector_of(Proc *p, Term list, SocketVec *vec, size_t max, size_t *count, size_t *size, Term *rest)
{
    size_t n = 0;
    *size = 0;
    for (; is_cons(list) && n < max; list = cons_tail(list), n++) {
        Term t = cons_head(list);
        if (!is_binary(t) || !binary_bytes(p, t, &vec[n].bytes, &vec[n].size)) {
            return false;
        }
        *size += vec[n].size;
    }
    while (is_cons(list) && is_binary(cons_head(list)) && bitstring_bit_size(cons_head(list)) == 0) {
        list = cons_tail(list);
    }
    *count = n;
    *rest = list;
    return is_cons(list) || is_nil(list);
}

static Term sendmsg_locked(Proc *p, Esock *e, Term message, int flags, Term handle, Term list)
{
    SocketVec vec[VECTOR_MAX];
    EsockAddress to;
    EsockMessage m = {.out = vec, .flags = flags};
    const EsockOps *ops = esock_ops();
    Term rest, address = map_get(message, A_addr), control = map_get(message, A_ctrl);
    size_t size, max = ops->vector_max < VECTOR_MAX ? ops->vector_max : VECTOR_MAX;
    Term answer = NONVALUE;
    if (!send_allowed(p, e, handle, &answer)) {
        return answer;
    }
    if (address != NONVALUE && !ops->address_read(p, address, &to)) {
        return esock_invalid(p, A_addr);
    }
    m.to = address != NONVALUE ? &to : NULL;
    if (!vector_of(p, list, vec, max, &m.count, &size, &rest) || (is_cons(rest) && !is_stream(e))) {
        return esock_invalid(p, A_iov);
    }
    if (control != NONVALUE) {
        m.control = vm_calloc(e->write_control_size);
        if (!ops->control_read(p, control, m.control, e->write_control_size, &m.control_size)) {
            vm_free(m.control);
            return esock_invalid(p, A_ctrl);
        }
    }
    answer = send_message(p, e, &m, size, is_cons(rest), handle);
    vm_free(m.control);
    return answer;
}

NATIVE(native_esock_sendmsg)
{
    Esock *e = esock_of(a[0]);
    int flags;
    if (!e || !is_ref(a[3]) || !is_map(a[1])) {
        return p_badarg(p);
    }
    if (!esock_int(a[2], &flags)) {
        return esock_not_int(p, a[2]);
    }
    spin_lock(&e->out.lock);
    return leave(e, &e->out, sendmsg_locked(p, e, a[1], flags, a[3], a[4]));
}

/* --- files ------------------------------------------------------------------------------------ */
static void file_end(Esock *e)
{
    if (e->file >= 0) {
        esock_ops()->file_close(e->file);
        e->file = -1;
    }
}

static Term file_failed(Proc *p, Esock *e, Term reason)
{
    file_end(e);
    e->files_counted = true;
    e->files.fails++;
    esock_abort_others(e, &e->out, is_atom(reason) ? reason : A_einval);
    return esock_error(p, reason);
}

/* Sends until all is sent (n 0: to the end of the file), the socket takes no more, or this has been long enough: then
 * the caller is told to come back as if it took no more. */
static Term file_send(Proc *p, Esock *e, uint64_t offset, uint64_t n, Term handle)
{
    Term error = NONVALUE;
    uint64_t sent = 0;
    for (unsigned part = 0; part < FILE_PARTS; part++) {
        uint64_t room = n && n - sent < FILE_PART ? n - sent : FILE_PART;
        int64_t got = esock_ops()->send_file(e->socket, e->file, offset + sent, room, &error);
        e->file_calls++;
        if (got < 0 && error != A_eagain) {
            return file_failed(p, e, error);
        }
        if (got < 0) {
            break;
        }
        if (got > 0) {
            e->files.packets++;
            e->files.bytes += (uint64_t)got;
            sent += (uint64_t)got;
        }
        if (got == 0 || (n && sent == n)) {
            e->files.packet_max = sent > e->files.packet_max ? sent : e->files.packet_max;
            file_end(e);
            esock_next(e, &e->out);
            return esock_ok(p, heap_uint64(p, sent));
        }
    }
    e->files.packet_max = sent > e->files.packet_max ? sent : e->files.packet_max;
    e->files.waits++;
    esock_become_current(p, &e->out, ESOCK_TRANSFER, handle);
    esock_want(&e->out);
    return heap_tuple2(p, A_select, heap_uint64(p, sent));
}

/* offset and count, or what is wrong with them. */
static Term file_arguments(Proc *p, const Term *a, uint64_t *offset, uint64_t *n)
{
    int64_t at;
    if (!is_ref(a[1]) || !is_integer(a[3])) {
        return p_badarg(p);
    }
    if (!is_integer(a[2]) || !integer_to_int64(a[2], &at)) { /* OTP does not look whether it is one */
        return esock_invalid(p, heap_tuple2(p, A_integer_range, a[2]));
    }
    if (!integer_to_uint64(a[3], n)) {
        return esock_not_int(p, a[3]);
    }
    *offset = (uint64_t)at;
    return A_ok;
}

static Term file_begin(Proc *p, Esock *e, Term file, uint64_t offset, uint64_t n, Term handle)
{
    Term error = NONVALUE, answer = NONVALUE;
    if (!send_allowed(p, e, handle, &answer)) {
        return answer;
    }
    if (e->file >= 0) {
        return esock_error_invalid(p, A_state);
    }
    e->file = esock_ops()->file_open(file, &error);
    if (e->file < 0) {
        return file_failed(p, e, error == NONVALUE ? esock_invalid(p, A_efile) : error);
    }
    e->files_counted = true;
    e->files.tries++;
    return file_send(p, e, offset, n, handle);
}

NATIVE(native_esock_sendfile_5)
{
    Esock *e = esock_of(a[0]);
    uint64_t offset, n;
    Term wrong = e ? file_arguments(p, a, &offset, &n) : p_badarg(p);
    if (wrong != A_ok) {
        return wrong;
    }
    if (!is_ref(a[4])) {
        return p_badarg(p);
    }
    spin_lock(&e->out.lock);
    return leave(e, &e->out, file_begin(p, e, a[4], offset, n, a[1]));
}

static Term file_continue(Proc *p, Esock *e, uint64_t offset, uint64_t n, Term handle)
{
    if (!esock_is_open(&e->out)) {
        return esock_error(p, A_closed);
    }
    if (e->out.first && e->out.role == ESOCK_CONNECT) {
        return esock_error_invalid(p, A_state);
    }
    if (e->file < 0 || !e->out.first || e->out.first->pid != p->id) {
        return esock_raise(p, A_state);
    }
    return file_send(p, e, offset, n, handle);
}

NATIVE(native_esock_sendfile_4)
{
    Esock *e = esock_of(a[0]);
    uint64_t offset, n;
    Term wrong = e ? file_arguments(p, a, &offset, &n) : p_badarg(p);
    if (wrong != A_ok) {
        return wrong;
    }
    spin_lock(&e->out.lock);
    return leave(e, &e->out, file_continue(p, e, offset, n, a[1]));
}

NATIVE(native_esock_sendfile_1)
{
    Esock *e = esock_of(a[0]);
    if (!e) {
        return p_badarg(p);
    }
    spin_lock(&e->out.lock);
    bool sending = e->file >= 0;
    file_end(e);
    spin_unlock(&e->out.lock);
    return sending ? A_ok : esock_error_invalid(p, A_state);
}

/* --- receiving -------------------------------------------------------------------------------- */
/* Where a receive puts its bytes: on the C stack when they are few, else in what becomes the binary. */
typedef struct Inlet {
    uint8_t *bytes;
    size_t size;
    Binary *binary;
} Inlet;

static void inlet_open(Inlet *in, size_t size, uint8_t stack[STACK_BUFFER])
{
    in->size = size;
    in->binary = size > STACK_BUFFER ? binary_alloc(size) : NULL;
    in->bytes = in->binary ? in->binary->data : stack;
}

static void inlet_drop(Inlet *in)
{
    if (in->binary) {
        binary_release(in->binary);
    }
}

static Term inlet_take(Proc *p, Inlet *in, size_t n)
{
    if (!in->binary) {
        return binary_from_bytes(p, in->bytes, n);
    }
    if (n < in->size / 4 * 3) {
        in->binary = binary_realloc(in->binary, n ? n : 1);
    }
    return binary_take(p, in->binary, n);
}

static Term receive_drop_current(Proc *p, Esock *e, Term reason)
{
    e->read.fails++;
    esock_abort_others(e, &e->in, reason);
    return esock_error(p, reason);
}

static Term receive_failed(Proc *p, Esock *e, Term error, Term handle)
{
    if (error != A_eagain) {
        return receive_drop_current(p, e, error);
    }
    if (handle == A_zero) {
        return A_ok;
    }
    e->read_part = 0;
    esock_become_current(p, &e->in, ESOCK_TRANSFER, handle);
    esock_want(&e->in);
    return A_select;
}

/* A stream's buffer is full and the caller asked for no length: {more, Bytes} until read_parts are through. */
static Term receive_full(Proc *p, Esock *e, Inlet *inlet, Term handle)
{
    if (++e->read_part < e->read_parts) {
        e->read.bytes += inlet->size;
        e->read.packet_now += inlet->size;
        esock_become_current(p, &e->in, ESOCK_TRANSFER, handle);
        return heap_tuple2(p, A_more, inlet_take(p, inlet, inlet->size));
    }
    e->read_part = 0;
    count_packet(&e->read, inlet->size);
    esock_next(e, &e->in);
    return esock_ok(p, inlet_take(p, inlet, inlet->size));
}

static Term receive_stream(Proc *p, Esock *e, Inlet *inlet, int64_t n, uint64_t asked, Term handle)
{
    if (n == 0 && is_stream(e)) {
        inlet_drop(inlet);
        return receive_drop_current(p, e, A_closed);
    }
    bool full = (uint64_t)n == inlet->size;
    if (full && asked == 0 && is_stream(e)) {
        return receive_full(p, e, inlet, handle);
    }
    if (!full && asked && is_stream(e) && handle != A_zero) {
        e->read.bytes += (uint64_t)n;
        esock_become_current(p, &e->in, ESOCK_TRANSFER, handle);
        esock_want(&e->in);
        return heap_tuple2(p, A_select, inlet_take(p, inlet, (size_t)n));
    }
    e->read_part = full ? e->read_part : 0;
    count_packet(&e->read, (uint64_t)n);
    esock_next(e, &e->in);
    return esock_ok(p, inlet_take(p, inlet, (size_t)n));
}

static Term receive_from(Proc *p, Esock *e, Inlet *inlet, int64_t n, const EsockMessage *m)
{
    if (n == 0 && is_stream(e)) {
        e->read.fails++;
        inlet_drop(inlet);
        return esock_error(p, A_closed);
    }
    e->read.packets++;
    e->read.bytes += (uint64_t)n;
    esock_next(e, &e->in);
    Term from = esock_ops()->address_build(p, m->from), data = inlet_take(p, inlet, (size_t)n);
    if (!m->control) {
        return esock_ok(p, heap_tuple2(p, from, data));
    }
    const Term kv[] = {A_iov,   heap_cons_on(p, data, NIL),
                       A_ctrl,  esock_ops()->control_build(p, m->control, m->control_size),
                       A_flags, esock_ops()->flags_build(p, m->flags),
                       A_addr,  from};
    return esock_ok(p, map_from_pairs(p, kv, m->from->size ? 4 : 3));
}

/* asked: how much the caller wants, 0: what comes. m: from for recvfrom, and control for recvmsg. */
static Term receive_locked(Proc *p, Esock *e, uint64_t asked, EsockMessage *m, Term handle)
{
    uint8_t stack[STACK_BUFFER];
    Inlet inlet;
    Term answer = NONVALUE, error = NONVALUE;
    if (!esock_is_open(&e->in)) {
        return esock_error(p, A_closed);
    }
    if (!esock_may_act(p, e, &e->in, ESOCK_TRANSFER, handle, handle != A_zero, &answer)) {
        return answer;
    }
    inlet_open(&inlet, asked ? asked : e->read_size, stack);
    m->in = inlet.bytes;
    m->room = inlet.size;
    e->read.tries++;
    int64_t n = esock_ops()->receive(e->socket, m, &error);
    if (n < 0) {
        inlet_drop(&inlet);
        return receive_failed(p, e, error, handle);
    }
    return m->from ? receive_from(p, e, &inlet, n, m) : receive_stream(p, e, &inlet, n, asked, handle);
}

/* Whether a receive's length fits, and its flags; else what it answers. */
static Term receive_arguments(Proc *p, Term length, Term flags, Term handle, uint64_t *n, int *f)
{
    if ((!is_ref(handle) && handle != A_zero) || !is_integer(length) || !is_integer(flags)) {
        return p_badarg(p);
    }
    if (!integer_to_uint64(length, n) || *n > INT64_MAX) {
        return esock_not_int(p, length);
    }
    if (!esock_int(flags, f)) {
        return esock_not_int(p, flags);
    }
    return *n > RECEIVE_MAX ? esock_error(p, A_enomem) : A_ok;
}

NATIVE(native_esock_recv)
{
    Esock *e = esock_of(a[0]);
    EsockMessage m = {.flags = 0};
    uint64_t asked;
    Term wrong = e ? receive_arguments(p, a[1], a[2], a[3], &asked, &m.flags) : p_badarg(p);
    if (wrong != A_ok) {
        return wrong;
    }
    spin_lock(&e->in.lock);
    return leave(e, &e->in, receive_locked(p, e, asked, &m, a[3]));
}

NATIVE(native_esock_recvfrom)
{
    Esock *e = esock_of(a[0]);
    EsockAddress from = {.size = 0};
    EsockMessage m = {.from = &from};
    uint64_t asked;
    Term wrong = e ? receive_arguments(p, a[1], a[2], a[3], &asked, &m.flags) : p_badarg(p);
    if (wrong != A_ok) {
        return wrong;
    }
    spin_lock(&e->in.lock);
    return leave(e, &e->in, receive_locked(p, e, asked, &m, a[3]));
}

NATIVE(native_esock_recvmsg)
{
    Esock *e = esock_of(a[0]);
    EsockAddress from = {.size = 0};
    EsockMessage m = {.from = &from};
    uint64_t asked, control_size;
    if (!e || !is_integer(a[2])) {
        return p_badarg(p);
    }
    Term wrong = receive_arguments(p, a[1], a[3], a[4], &asked, &m.flags);
    if (wrong != A_ok) {
        return wrong;
    }
    if (!integer_to_uint64(a[2], &control_size)) {
        return esock_not_int(p, a[2]);
    }
    spin_lock(&e->in.lock);
    m.control_size = control_size ? control_size : e->read_control_size;
    m.control_size = m.control_size > CONTROL_MAX ? CONTROL_MAX : m.control_size;
    m.control = vm_calloc(m.control_size);
    Term answer = leave(e, &e->in, receive_locked(p, e, asked, &m, a[4]));
    vm_free(m.control);
    return answer;
}

/* --- cancelling ------------------------------------------------------------------------------- */
NATIVE(native_esock_cancel)
{
    Esock *e = esock_of(a[0]);
    if (!e || !is_atom(a[1]) || !is_ref(a[2])) {
        return p_badarg(p);
    }
    bool in = a[1] == A_recv || a[1] == A_recvfrom || a[1] == A_recvmsg || a[1] == A_accept;
    bool out = a[1] == A_send || a[1] == A_sendto || a[1] == A_sendmsg || a[1] == A_sendfile || a[1] == A_connect;
    EsockRole role = a[1] == A_accept ? ESOCK_ACCEPT : a[1] == A_connect ? ESOCK_CONNECT : ESOCK_TRANSFER;
    EsockSide *side = out ? &e->out : &e->in;
    spin_lock(&side->lock);
    Term answer = !esock_is_open(side) ? esock_error(p, A_closed)
                : !in && !out          ? p_badarg(p)
                                       : esock_cancel(p, e, side, role, a[2]);
    return leave(e, side, answer);
}
