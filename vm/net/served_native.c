/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module loom_socket: what the network service and the processes of its connections say (doc/netstack.md). A
 * socket is named by its Id; one that is closed answers {error, closed}. Addresses are {Ip, Port}, Ip a binary of 4 or
 * 16 bytes.
 */
#include "gen/natives.h"
#include "vm/net/served_priv.h"
#include "vm/term/binary.h"
#include "vm/term/number.h"

/* --- arguments ------------------------------------------------------------------------------------------------ */
static Term closed(Proc *p) { return heap_tuple2(p, A_error, A_closed); }

/* False: no Id at all. *s NULL: closed. */
static bool socket_arg(Term t, Served **s)
{
    *s = is_small(t) ? served_find((uint64_t)small_value(t)) : NULL;
    return is_small(t);
}

static bool ip_arg(Proc *p, Term t, NetAddress *a)
{
    const uint8_t *bytes;
    size_t n;
    if (!is_binary(t) || !binary_bytes(p, t, &bytes, &n) || (n != 4 && n != 16)) {
        return false;
    }
    *a = (NetAddress){.family = n == 4 ? NET_INET : NET_INET6, .size = (uint8_t)n};
    memcpy(a->bytes, bytes, n);
    return true;
}

static bool address_arg(Proc *p, Term t, NetAddress *a)
{
    if (!is_tuple(t) || tuple_arity(t) != 2) {
        return false;
    }
    const Term *e = tuple_elements(t);
    if (!is_small(e[1]) || small_value(e[1]) < 0 || small_value(e[1]) > UINT16_MAX || !ip_arg(p, e[0], a)) {
        return false;
    }
    a->port = (uint16_t)small_value(e[1]);
    return true;
}

static bool byte_arg(Term t, uint8_t *v)
{
    *v = is_small(t) ? (uint8_t)small_value(t) : 0;
    return is_small(t) && small_value(t) >= 0 && small_value(t) <= UINT8_MAX;
}

/* The bytes of a binary, and what keeps them. */
static bool data_arg(Proc *p, Term t, Binary **binary, const uint8_t **bytes, size_t *n)
{
    size_t offset;
    *binary = NULL;
    if (!is_binary(t) || !binary_bytes(p, t, bytes, n)) {
        return false;
    }
    Term origin = binary_origin(t, &offset);
    if (boxed_sub(origin) == SUB_REFC_BIN && !(offset & 7)) {
        *binary = ((RefcBin *)boxed_ptr(origin))->bin;
    }
    return true;
}

/* --- the service ---------------------------------------------------------------------------------------------- */
NATIVE(native_loom_socket_register)
{
    (void)a;
    return served_register(p->id) ? A_ok : heap_tuple2(p, A_error, A_taken);
}

NATIVE(native_loom_socket_own)
{
    Served *s;
    if (!socket_arg(a[0], &s)) {
        return p_badarg(p);
    }
    if (!s) {
        return closed(p);
    }
    s->pid = p->id;
    return A_ok;
}

/* --- streams -------------------------------------------------------------------------------------------------- */
NATIVE(native_loom_socket_deliver)
{
    Served *s;
    Binary *binary;
    const uint8_t *bytes;
    size_t n;
    if (!socket_arg(a[0], &s) || list_length(a[1]) < 0) {
        return p_badarg(p);
    }
    for (Term t = a[1]; is_cons(t); t = cons_tail(t)) {
        if (!is_binary(cons_head(t))) {
            return p_badarg(p);
        }
    }
    if (!s) {
        return closed(p);
    }
    for (Term t = a[1]; is_cons(t) && !s->shut_read; t = cons_tail(t)) {
        if (data_arg(p, cons_head(t), &binary, &bytes, &n) && n) {
            served_in_add(s, binary, bytes, n, NULL, 0, 0);
        }
    }
    served_fire(s);
    return A_ok;
}

NATIVE(native_loom_socket_eof)
{
    Served *s;
    if (!socket_arg(a[0], &s)) {
        return p_badarg(p);
    }
    if (!s) {
        return closed(p);
    }
    spin_lock(&s->lock);
    s->in_ended = true;
    spin_unlock(&s->lock);
    served_fire(s);
    return A_ok;
}

NATIVE(native_loom_socket_fail)
{
    Served *s;
    if (!socket_arg(a[0], &s) || !is_atom(a[1])) {
        return p_badarg(p);
    }
    if (!s) {
        return closed(p);
    }
    served_fail(s, a[1]);
    return A_ok;
}

NATIVE(native_loom_socket_connected)
{
    Served *s;
    if (!socket_arg(a[0], &s)) {
        return p_badarg(p);
    }
    if (!s) {
        return closed(p);
    }
    if (s->state == SERVED_CONNECTING) {
        s->state = SERVED_CONNECTED;
        served_fire(s);
    }
    return A_ok;
}

static Served *connection_new(Served *listener, const NetAddress *local, const NetAddress *peer, Term pid)
{
    Served *s = served_new(listener->family, NET_STREAM);
    memcpy(s->options, listener->options, sizeof s->options);
    memcpy(s->keep, listener->keep, sizeof s->keep);
    s->linger_on = listener->linger_on;
    s->linger_seconds = listener->linger_seconds;
    s->room = (size_t)s->options[SOPT_SNDBUF];
    s->local = *local;
    s->peer = *peer;
    served_map(&s->local, s->family);
    served_map(&s->peer, s->family);
    s->bound = s->peer_known = true;
    s->state = SERVED_CONNECTED;
    s->pid = pid;
    s->listener = listener;
    *listener->pending_end = s;
    listener->pending_end = &s->pending_next;
    listener->pending_count++;
    return s;
}

NATIVE(native_loom_socket_accepted)
{
    Served *s;
    NetAddress local, peer;
    if (!socket_arg(a[0], &s) || !address_arg(p, a[1], &local) || !address_arg(p, a[2], &peer)) {
        return p_badarg(p);
    }
    if (!s || s->state != SERVED_LISTENING) {
        return closed(p);
    }
    if (s->pending_count >= s->backlog) {
        return heap_tuple2(p, A_error, A_full);
    }
    uint64_t id = connection_new(s, &local, &peer, p->id)->id;
    served_fire(s);
    return heap_tuple2(p, A_ok, make_small((int64_t)id));
}

NATIVE(native_loom_socket_credit)
{
    Served *s;
    if (!socket_arg(a[0], &s) || !is_small(a[1]) || small_value(a[1]) < 0) {
        return p_badarg(p);
    }
    if (!s) {
        return closed(p);
    }
    spin_lock(&s->lock);
    s->room += (size_t)small_value(a[1]);
    spin_unlock(&s->lock);
    served_fire(s);
    return A_ok;
}

/* --- datagrams ------------------------------------------------------------------------------------------------ */
/* How well a socket fits a datagram: 0 not at all. */
static int fit(const Served *s, const NetAddress *local, const NetAddress *peer)
{
    bool other = s->family != (NetFamily)local->family;
    if (s->type != NET_DGRAM || (other && (s->family == NET_INET || s->options[SOPT_IPV6_V6ONLY]))) {
        return 0;
    }
    if (s->peer_known && (s->peer.port != peer->port || !served_same_ip(&s->peer, peer))) {
        return 0;
    }
    bool any = served_is_any(&s->local);
    if (!any && !served_same_ip(&s->local, local) && !served_is_member(s, local)) {
        return 0;
    }
    return s->peer_known ? 3 : any ? 1 : 2;
}

static void datagram_to(Served *s, const NetAddress *peer, Binary *binary, const uint8_t *bytes, size_t n, uint8_t tos,
                        uint8_t ttl)
{
    NetAddress from = *peer;
    served_map(&from, s->family);
    if (s->in_bytes < (size_t)s->options[SOPT_RCVBUF] && !s->shut_read) { /* the last one may go beyond */
        served_in_add(s, binary, bytes, n, &from, tos, ttl);
    }
    served_fire(s);
}

static bool is_for_many(const NetAddress *a)
{
    return a->family == NET_INET ? (a->bytes[0] & 0xf0) == 0xe0 : a->bytes[0] == 0xff;
}

/* The sockets that get it: their ids, since telling one may close another. */
static size_t receivers(const NetAddress *local, const NetAddress *peer, uint64_t *ids, size_t max)
{
    size_t count = 0;
    int best = 0;
    for (Served *s = served_at_port(local->port, NULL); s; s = served_at_port(local->port, s)) {
        int how = fit(s, local, peer);
        if (is_for_many(local)) {
            if (how && served_is_member(s, local) && count < max) {
                ids[count++] = s->id;
            }
        } else if (how > best) {
            best = how;
            ids[0] = s->id;
            count = 1;
        }
    }
    return count;
}

NATIVE(native_loom_socket_datagram)
{
    enum { RECEIVERS = 32 };
    NetAddress local, peer;
    uint8_t tos, ttl;
    Binary *binary;
    const uint8_t *bytes;
    size_t n;
    uint64_t ids[RECEIVERS];
    if (!address_arg(p, a[0], &local) || !address_arg(p, a[1], &peer) || !byte_arg(a[2], &tos) ||
        !byte_arg(a[3], &ttl) || !data_arg(p, a[4], &binary, &bytes, &n)) {
        return p_badarg(p);
    }
    size_t count = receivers(&local, &peer, ids, RECEIVERS);
    for (size_t i = 0; i < count; i++) {
        Served *s = served_find(ids[i]);
        if (s) {
            datagram_to(s, &peer, binary, bytes, n, tos, ttl);
        }
    }
    return make_small((int64_t)count);
}

/* ICMP says that a datagram did not arrive: only sockets with a peer are told, as everywhere. */
NATIVE(native_loom_socket_datagram_error)
{
    NetAddress local, peer;
    if (!address_arg(p, a[0], &local) || !address_arg(p, a[1], &peer) || !is_atom(a[2])) {
        return p_badarg(p);
    }
    for (Served *s = served_at_port(local.port, NULL); s; s = served_at_port(local.port, s)) {
        if (s->peer_known && fit(s, &local, &peer)) {
            spin_lock(&s->lock);
            s->error = a[2];
            spin_unlock(&s->lock);
            served_fire(s);
            break;
        }
    }
    return A_ok;
}

/* --- the machine ---------------------------------------------------------------------------------------------- */
static void set_bits(NetAddress *mask, const NetAddress *address, int64_t prefix)
{
    *mask = (NetAddress){.family = address->family, .size = address->size};
    for (int64_t i = 0; i < prefix; i++) {
        mask->bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
    }
}

/* {Ip, Prefix} of the interface that `head` describes. */
static bool address_of(Proc *p, Term t, const NetInterface *head, NetInterface *i)
{
    if (!is_tuple(t) || tuple_arity(t) != 2) {
        return false;
    }
    const Term *e = tuple_elements(t);
    *i = *head;
    i->hardware_size = 0;
    if (!ip_arg(p, e[0], &i->address) || !is_small(e[1]) || small_value(e[1]) < 0 ||
        small_value(e[1]) > i->address.size * 8) {
        return false;
    }
    set_bits(&i->netmask, &i->address, small_value(e[1]));
    if (i->address.family == NET_INET && (i->flags & NET_IF_BROADCAST)) {
        i->broadcast = i->address;
        for (unsigned k = 0; k < 4; k++) {
            i->broadcast.bytes[k] |= (uint8_t)~i->netmask.bytes[k];
        }
    }
    return true;
}

/* {Name, Flags, Mtu, Mac, Addresses}: one entry for the hardware, and one for each address. */
static bool interface_of(Proc *p, Term t, ServedHost *host)
{
    const uint8_t *name, *mac;
    size_t name_size, mac_size;
    NetInterface head = {0};
    if (!is_tuple(t) || tuple_arity(t) != 5) {
        return false;
    }
    const Term *e = tuple_elements(t);
    if (!is_binary(e[0]) || !binary_bytes(p, e[0], &name, &name_size) || name_size >= sizeof head.name ||
        !is_small(e[1]) || !is_small(e[2]) || !is_binary(e[3]) || !binary_bytes(p, e[3], &mac, &mac_size) ||
        mac_size > sizeof head.hardware || list_length(e[4]) < 0) {
        return false;
    }
    memcpy(head.name, name, name_size);
    head.flags = (unsigned)small_value(e[1]);
    head.mtu = (int)small_value(e[2]);
    memcpy(head.hardware, mac, mac_size);
    head.hardware_size = mac_size;
    size_t room = host->count + 1 + (size_t)list_length(e[4]);
    host->interfaces = vm_realloc(host->interfaces, room * sizeof head);
    host->interfaces[host->count++] = head;
    for (Term l = e[4]; is_cons(l); l = cons_tail(l)) {
        if (!address_of(p, cons_head(l), &head, &host->interfaces[host->count])) {
            return false;
        }
        host->count++;
    }
    return true;
}

/* interfaces(Interfaces, Sources): all there are, and the addresses to send from to far away. */
NATIVE(native_loom_socket_interfaces)
{
    ServedHost *host = served_host(), fresh = {0};
    bool good = list_length(a[0]) >= 0 && list_length(a[1]) >= 0;
    for (Term t = a[0]; good && is_cons(t); t = cons_tail(t)) {
        good = interface_of(p, cons_head(t), &fresh);
    }
    for (Term t = a[1]; good && is_cons(t); t = cons_tail(t)) {
        NetAddress source;
        good = ip_arg(p, cons_head(t), &source);
        if (good) {
            fresh.default_source[source.family == NET_INET6] = source;
        }
    }
    if (!good) {
        vm_free(fresh.interfaces);
        return p_badarg(p);
    }
    vm_free(host->interfaces);
    host->interfaces = fresh.interfaces;
    host->count = fresh.count;
    memcpy(host->default_source, fresh.default_source, sizeof host->default_source);
    return A_ok;
}

NATIVE(native_loom_socket_host_name)
{
    const uint8_t *name;
    size_t n;
    ServedHost *host = served_host();
    if (!is_binary(a[0]) || !binary_bytes(p, a[0], &name, &n) || n >= sizeof host->name) {
        return p_badarg(p);
    }
    memset(host->name, 0, sizeof host->name);
    memcpy(host->name, name, n);
    return A_ok;
}
