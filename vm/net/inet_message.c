/* SPDX-License-Identifier: Apache-2.0 */
/* What socket ports tell processes: answers to requests, and data. Each message is built once, in its own fragment. */
#include "vm/term/atom.h"
#include "vm/net/inet_priv.h"
#include "vm/term/binary.h"
#include "vm/trace/trace.h"

enum { PAIR = 3, TRIPLE = 4, QUAD = 5, FIVE = 6, SIX = 7 }; /* words of tuples */

static Term pair(Letter *l, Term a, Term b)
{
    return letter_tuple(l, 2, (const Term[]){a, b});
}

static void send_message(const Inet *d, Letter *l, Term to, Term message)
{
    if (d->port && trace_port_on(d->port, TRACE_SEND)) {
        trace_port_says(d->port, to, message);
    }
    letter_send(l, to, message);
}

/* --- answers -------------------------------------------------------------------------------------------------- */
/* {inet_async, S, Id, Result} */
static void send_async(const Inet *d, Letter *l, uint16_t id, Term to, Term result)
{
    send_message(d, l, to, letter_tuple(l, 4, (const Term[]){A_inet_async, d->id, make_small(id), result}));
}

void inet_async_answer(Inet *d, uint16_t id, Term to, Term tag, Term value)
{
    Letter l = letter_new(QUAD + PAIR);
    send_async(d, &l, id, to, value == NONVALUE ? tag : pair(&l, tag, value));
}

void inet_async_ok(Inet *d)
{
    if (d->op.pending) {
        d->op.pending = false;
        inet_async_answer(d, d->op.id, d->op.caller, A_ok, NONVALUE);
    }
}

void inet_async_error(Inet *d, Term reason)
{
    if (d->op.pending) {
        d->op.pending = false;
        inet_async_answer(d, d->op.id, d->op.caller, A_error, reason);
    }
}

void inet_reply(Inet *d, Term reason)
{
    if (d->caller != NONVALUE) {
        Letter l = letter_new(TRIPLE + PAIR);
        Term status = reason == NONVALUE ? A_ok : pair(&l, A_error, reason);
        send_message(d, &l, d->caller, letter_tuple(&l, 3, (const Term[]){A_inet_reply, d->id, status}));
        d->caller = NONVALUE;
    }
}

void inet_tell_owner(Inet *d, Term tag, Term value)
{
    if (d->port) {
        Letter l = letter_new(TRIPLE);
        size_t n = value == NONVALUE ? 2 : 3;
        send_message(d, &l, d->port->owner, letter_tuple(&l, n, (const Term[]){tag, d->id, value}));
    }
}

void inet_tell_sendfile(Inet *d, Term to, Term error, uint64_t sent)
{
    Letter l = letter_new(2 * TRIPLE);
    Term result = error != NONVALUE ? pair(&l, A_error, error)
                                    : letter_tuple(&l, 3, (const Term[]){A_ok, make_small((int64_t)(sent & UINT32_MAX)),
                                                                         make_small((int64_t)(sent >> 32))});
    send_message(d, &l, to, letter_tuple(&l, 3, (const Term[]){A_sendfile, d->id, result}));
}

void inet_tell_empty(Inet *d)
{
    for (size_t i = 0; i < d->subscriber_count; i++) {
        Letter l = letter_new(PAIR);
        send_message(d, &l, d->subscribers[i], pair(&l, A_empty_out_q, d->id));
    }
    d->subscriber_count = 0;
}

/* --- data --------------------------------------------------------------------------------------------------------- */
static bool as_list(const Inet *d, size_t size)
{
    return !d->binary || d->header > size;
}

static size_t data_words(const Inet *d, size_t size)
{
    return as_list(d, size) ? 2 * size : 2 * (size_t)d->header + LETTER_BINARY_WORDS(size - d->header);
}

static Term binary_of(Letter *l, InetData data)
{
    if (data.binary && data.size > HEAP_BIN_MAX) {
        binary_retain(data.binary);
        return build_refc_bin(&l->hp, &l->frag->off_heap, data.binary, data.at, data.size);
    }
    return letter_binary(l, data.at, data.size);
}

/* As the modes say: a list, or a binary with a few bytes as a list in front. */
static Term make_data(const Inet *d, Letter *l, InetData data)
{
    if (as_list(d, data.size)) {
        return letter_string(l, data.at, data.size, NIL);
    }
    InetData body = {data.binary, data.at + d->header, data.size - d->header};
    return letter_string(l, data.at, d->header, binary_of(l, body));
}

void inet_count_active(Inet *d)
{
    if (d->active == ACTIVE_ONCE) {
        d->active = PASSIVE;
    } else if (d->active == ACTIVE_MULTI && --d->active_count == 0) {
        d->active = PASSIVE;
        inet_tell_owner(d, d->tcp ? A_tcp_passive : A_udp_passive, NONVALUE);
    }
}

/* {Tag, S, Value} to the owner, or {inet_async, S, Id, {ok, Value}} to who asked. */
static void send_value(Inet *d, Letter *l, Term tag, Term value)
{
    if (d->active) {
        send_message(d, l, d->port->owner, letter_tuple(l, 3, (const Term[]){tag, d->id, value}));
        inet_count_active(d);
    } else {
        d->op.pending = false;
        send_async(d, l, d->op.id, d->op.caller, pair(l, A_ok, value));
    }
}

static bool somebody_waits(const Inet *d)
{
    return d->port && (d->active || d->op.pending);
}

void inet_deliver_stream(Tcp *t, InetData data)
{
    Inet *d = &t->inet;
    if (somebody_waits(d)) {
        Letter l = letter_new(QUAD + PAIR + data_words(d, data.size));
        send_value(d, &l, A_tcp, make_data(d, &l, data));
    }
}

static Term make_ssl_data(Letter *l, const SslRecord *r)
{
    uint8_t *to;
    Term data = binary_build_new(&l->hp, &l->frag->off_heap, r->prefix_size + r->body_size, &to);
    memcpy(to, r->prefix, r->prefix_size);
    memcpy(to + r->prefix_size, r->body, r->body_size);
    return data;
}

/* {ssl_tls, S, Type, {Major, Minor}, Data} */
static void deliver_ssl(Inet *d, const uint8_t *packet, size_t n)
{
    SslRecord r;
    packet_ssl(&r, packet, n);
    Letter l = letter_new(QUAD + PAIR + FIVE + PAIR + binary_new_words(r.prefix_size + r.body_size));
    Term version = pair(&l, make_small(r.major), make_small(r.minor));
    const Term e[5] = {A_ssl_tls, d->id, make_small(r.type), version, make_ssl_data(&l, &r)};
    Term record = letter_tuple(&l, 5, e);
    if (d->active) {
        send_message(d, &l, d->port->owner, record);
        inet_count_active(d);
    } else {
        send_value(d, &l, NONVALUE, record);
    }
}

void inet_deliver_packet(Tcp *t, PacketType type, const uint8_t *packet, size_t n)
{
    Inet *d = &t->inet;
    if (!somebody_waits(d)) {
        return;
    }
    if (type == PACKET_SSL_TLS) {
        deliver_ssl(d, packet, n);
        return;
    }
    Letter l = letter_new(QUAD + PAIR + packet_http_words(type, n));
    Term value = packet_http(&l.hp, &l.frag->off_heap, type, packet, n);
    /* Headers follow the first line, until an empty one. */
    if (value == A_http_eoh) {
        t->http_header = false;
    } else if (tuple_elements(value)[0] != A_http_error) {
        t->http_header = true;
    }
    send_value(d, &l, A_http, value);
}

void inet_deliver_to_port(Inet *d, InetData data)
{
    if (!d->port) {
        return;
    }
    /* As a port's data: a list unless the port was opened for binaries, which accepted connections were not. */
    bool list = !d->port->binary;
    Letter l = letter_new(2 * PAIR + (list ? 2 * data.size : data_words(d, data.size)));
    Term value = list ? letter_string(&l, data.at, data.size, NIL) : make_data(d, &l, data);
    value = pair(&l, A_data, value);
    send_message(d, &l, d->port->owner, pair(&l, d->id, value));
    inet_count_active(d);
}

/* --- datagrams ---------------------------------------------------------------------------------------------------- */
enum { ADDRESS_WORDS = PAIR + HEAP_BIN_WORDS(sizeof ((NetAddress *)0)->bytes) + 9 };

/* {A,B,C,D}, {A,...,H}, or {local | unspec | undefined, Path} */
static Term make_address(Letter *l, const NetAddress *a)
{
    Term e[8];
    switch (a->family) {
    case NET_INET:
        for (size_t i = 0; i < 4; i++) {
            e[i] = make_small(a->bytes[i]);
        }
        return letter_tuple(l, 4, e);
    case NET_INET6:
        for (size_t i = 0; i < 8; i++) {
            e[i] = make_small(a->bytes[2 * i] << 8 | a->bytes[2 * i + 1]);
        }
        return letter_tuple(l, 8, e);
    case NET_LOCAL:
        return pair(l, A_local, letter_binary(l, a->bytes, a->size));
    default:
        return pair(l, a->family == NET_UNSPEC ? A_unspec : A_undefined, letter_binary(l, "", 0));
    }
}

static Term make_extras(Letter *l, const SocketExtra *extras, size_t count)
{
    Term list = NIL;
    for (size_t i = count; i-- > 0;) {
        Term name = extras[i].option == SOPT_TOS ? A_tos : extras[i].option == SOPT_TTL ? A_ttl : A_tclass;
        Term item = pair(l, name, build_int64(&l->hp, extras[i].value));
        list = heap_cons(&l->hp, item, list);
    }
    return list;
}
enum { EXTRAS_WORDS = SOCKET_EXTRAS * (PAIR + INT64_WORDS + 2) };

static void deliver_active(Inet *d, const NetAddress *from, InetData data, const SocketExtra *extras, size_t count,
                           bool with_extras)
{
    Letter l = letter_new(SIX + ADDRESS_WORDS + EXTRAS_WORDS + data_words(d, data.size));
    Term address = make_address(&l, from);
    Term list = with_extras ? make_extras(&l, extras, count) : NIL;
    Term e[6] = {A_udp, d->id, address, make_small(from->family == NET_LOCAL ? 0 : from->port)};
    size_t n = 4;
    if (with_extras) {
        e[n++] = list;
    }
    e[n++] = make_data(d, &l, data);
    send_message(d, &l, d->port->owner, letter_tuple(&l, n, e));
    inet_count_active(d);
}

void inet_deliver_datagram(Inet *d, const NetAddress *from, InetData data, const SocketExtra *extras,
                           size_t extra_count,
                           bool with_extras)
{
    if (!somebody_waits(d)) {
        return;
    }
    if (d->active && !d->deliver_port) {
        deliver_active(d, from, data, extras, extra_count, with_extras);
        return;
    }
    Answer address = {0};
    address_write(&address, from);
    if (d->active) {
        answer_bytes(&address, data.at, data.size);
        inet_deliver_to_port(d, (InetData){NULL, address.bytes, address.size});
    } else {
        Letter l = letter_new(QUAD + 2 * PAIR + 2 * address.size + EXTRAS_WORDS + data_words(d, data.size));
        Term value = make_data(d, &l, data);
        value = letter_string(&l, address.bytes, address.size, value);
        if (with_extras) {
            value = pair(&l, value, make_extras(&l, extras, extra_count));
        }
        send_value(d, &l, NONVALUE, value);
    }
    vm_free(address.bytes);
}
