/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/* See sockaddr.h. */
#include "plat/linux/sockaddr.h"

#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stddef.h>
#include <sys/un.h>

#include "vm/net/esock.h"
#include "vm/term/atom.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

typedef struct Name {
    int number;
    Term name;
} Name;

static Term name_of(Proc *p, const Name *names, size_t count, int number)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return heap_int64(p, number);
}
#define NAME_OF(p, names, number) name_of(p, names, sizeof names / sizeof *names, number)

/* --- families, types, numbers of addresses ---------------------------------------------------- */
bool sockaddr_family_of(Term t, int *family)
{
    switch (t) {
    case A_inet: *family = AF_INET; return true;
    case A_inet6: *family = AF_INET6; return true;
    case A_local: *family = AF_UNIX; return true;
    case A_unspec: *family = AF_UNSPEC; return true;
    default: return esock_int(t, family);
    }
}

Term sockaddr_family_name(int family)
{
    switch (family) {
    case AF_INET: return A_inet;
    case AF_INET6: return A_inet6;
    case AF_UNIX: return A_local;
    case AF_UNSPEC: return A_unspec;
    default: return make_small(family);
    }
}

bool socket_type_of(Term t, int *type)
{
    switch (t) {
    case A_stream: *type = SOCK_STREAM; return true;
    case A_dgram: *type = SOCK_DGRAM; return true;
    case A_raw: *type = SOCK_RAW; return true;
    case A_seqpacket: *type = SOCK_SEQPACKET; return true;
    default: return esock_int(t, type);
    }
}

Term socket_type_name(int type)
{
    switch (type) {
    case SOCK_STREAM: return A_stream;
    case SOCK_DGRAM: return A_dgram;
    case SOCK_RAW: return A_raw;
    case SOCK_SEQPACKET: return A_seqpacket;
    case SOCK_RDM: return A_rdm;
    default: return make_small(type);
    }
}

/* A tuple of n numbers of `width` bytes each. */
static bool get_tuple(Term t, size_t n, size_t width, uint8_t *bytes)
{
    if (!is_tuple_arity(t, n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t v;
        if (!is_integer(tuple_elements(t)[i]) || !integer_to_uint64(tuple_elements(t)[i], &v) || v >> (8 * width)) {
            return false;
        }
        for (size_t k = 0; k < width; k++) {
            bytes[i * width + k] = (uint8_t)(v >> 8 * (width - 1 - k));
        }
    }
    return true;
}

bool in_addr_of(Term t, struct in_addr *a)
{
    a->s_addr = htonl(t == A_loopback ? INADDR_LOOPBACK : t == A_broadcast ? INADDR_BROADCAST : INADDR_ANY);
    return t == A_any || t == A_loopback || t == A_broadcast || get_tuple(t, 4, 1, (uint8_t *)a);
}

bool in6_addr_of(Term t, struct in6_addr *a)
{
    *a = t == A_loopback ? in6addr_loopback : in6addr_any;
    return t == A_any || t == A_loopback || get_tuple(t, 8, 2, (uint8_t *)a);
}

Term in_addr_tuple(Proc *p, const void *bytes)
{
    Term e[4];
    for (size_t i = 0; i < 4; i++) {
        e[i] = make_small(((const uint8_t *)bytes)[i]);
    }
    return heap_tuple(p, 4, e);
}

Term in6_addr_tuple(Proc *p, const void *bytes)
{
    const uint8_t *b = bytes;
    Term e[8];
    for (size_t i = 0; i < 8; i++) {
        e[i] = make_small(b[2 * i] << 8 | b[2 * i + 1]);
    }
    return heap_tuple(p, 8, e);
}

/* --- to maps ---------------------------------------------------------------------------------- */
static Term in_to_map(Proc *p, const struct sockaddr_in *a)
{
    const Term kv[] = {A_family, A_inet, A_port, make_small(ntohs(a->sin_port)),
                       A_addr,   in_addr_tuple(p, &a->sin_addr)};
    return map_from_pairs(p, kv, 3);
}

static Term in6_to_map(Proc *p, const struct sockaddr_in6 *a)
{
    const Term kv[] = {A_family,   A_inet6,
                       A_port,     make_small(ntohs(a->sin6_port)),
                       A_addr,     in6_addr_tuple(p, &a->sin6_addr),
                       A_flowinfo, make_small(a->sin6_flowinfo),
                       A_scope_id, make_small(a->sin6_scope_id)};
    return map_from_pairs(p, kv, 5);
}

static Term un_to_map(Proc *p, const struct sockaddr_un *a, socklen_t n)
{
    size_t room = n > offsetof(struct sockaddr_un, sun_path) ? n - offsetof(struct sockaddr_un, sun_path) : 0;
    size_t size = room && a->sun_path[0] ? strnlen(a->sun_path, room) : room;
    const Term kv[] = {A_family, A_local, A_path, binary_from_bytes(p, a->sun_path, size)};
    return map_from_pairs(p, kv, 2);
}

static Term packet_to_map(Proc *p, const struct sockaddr_ll *a)
{
    const Name kinds[] = {{PACKET_HOST, A_host}, {PACKET_BROADCAST, A_broadcast}, {PACKET_MULTICAST, A_multicast},
                          {PACKET_OTHERHOST, A_otherhost}, {PACKET_OUTGOING, A_outgoing},
                          {PACKET_LOOPBACK, A_loopback}};
    const Name hardware[] = {{ARPHRD_NETROM, A_netrom}, {ARPHRD_ETHER, A_ether}, {ARPHRD_EETHER, A_eether},
                             {ARPHRD_AX25, A_ax25}, {ARPHRD_PRONET, A_pronet}, {ARPHRD_CHAOS, A_chaos},
                             {ARPHRD_IEEE802, A_ieee802}, {ARPHRD_ARCNET, A_arcnet}, {ARPHRD_APPLETLK, A_appletlk},
                             {ARPHRD_DLCI, A_dlci}, {ARPHRD_ATM, A_atm}, {ARPHRD_METRICOM, A_metricom},
                             {ARPHRD_IEEE1394, A_ieee1394}, {ARPHRD_EUI64, A_eui64}, {ARPHRD_INFINIBAND, A_infiniband},
                             {ARPHRD_TUNNEL, A_tunnel}, {ARPHRD_TUNNEL6, A_tunnel6}, {ARPHRD_LOOPBACK, A_loopback},
                             {ARPHRD_LOCALTLK, A_localtlk}, {ARPHRD_NONE, A_none}, {ARPHRD_VOID, A_void}};
    size_t size = a->sll_halen < sizeof a->sll_addr ? a->sll_halen : sizeof a->sll_addr;
    const Term kv[] = {A_family,   A_packet,
                       A_protocol, make_small(ntohs(a->sll_protocol)),
                       A_ifindex,  make_small(a->sll_ifindex),
                       A_hatype,   NAME_OF(p, hardware, a->sll_hatype),
                       A_pkttype,  NAME_OF(p, kinds, a->sll_pkttype),
                       A_addr,     binary_from_bytes(p, a->sll_addr, size)};
    return map_from_pairs(p, kv, 6);
}

static Term bytes_to_map(Proc *p, Term family, const struct sockaddr *a, socklen_t n)
{
    size_t size = n > offsetof(struct sockaddr, sa_data) ? n - offsetof(struct sockaddr, sa_data) : 0;
    const Term kv[] = {A_family, family, A_addr, binary_from_bytes(p, a->sa_data, size)};
    return map_from_pairs(p, kv, 2);
}

Term sockaddr_to_map(Proc *p, const struct sockaddr *a, socklen_t n)
{
    if (n > 0 && n < offsetof(struct sockaddr, sa_data)) {
        return binary_from_bytes(p, a, n);
    }
    switch (a->sa_family) {
    case AF_INET:
        return n && n < sizeof(struct sockaddr_in) ? bytes_to_map(p, A_inet, a, n) : in_to_map(p, (const void *)a);
    case AF_INET6:
        return n && n < sizeof(struct sockaddr_in6) ? bytes_to_map(p, A_inet6, a, n) : in6_to_map(p, (const void *)a);
    case AF_UNIX:
        return un_to_map(p, (const void *)a, n);
    case AF_PACKET:
        return n && n < sizeof(struct sockaddr_ll) ? bytes_to_map(p, A_packet, a, n)
                                                   : packet_to_map(p, (const void *)a);
    default:
        return bytes_to_map(p, sockaddr_family_name(a->sa_family), a, n);
    }
}

Term sockaddr_hardware_to_map(Proc *p, const struct sockaddr *a, socklen_t n)
{
    const Name names[] = {{ARPHRD_NETROM, A_netrom}, {ARPHRD_ETHER, A_ether}, {ARPHRD_IEEE802, A_ieee802},
                          {ARPHRD_DLCI, A_dlci}, {ARPHRD_IEEE1394, A_ieee1394}, {ARPHRD_LOOPBACK, A_loopback},
                          {ARPHRD_NONE, A_none}};
    return bytes_to_map(p, NAME_OF(p, names, a->sa_family), a, n);
}

/* --- from maps -------------------------------------------------------------------------------- */
static bool get_int(Term map, Term key, int *v)
{
    Term t = map_get(map, key);
    return t != NONVALUE && esock_int(t, v);
}

static bool get_uint(Term map, Term key, uint32_t *v)
{
    uint64_t n;
    Term t = map_get(map, key);
    if (t == NONVALUE || !is_integer(t) || !integer_to_uint64(t, &n) || n > UINT32_MAX) {
        return false;
    }
    *v = (uint32_t)n;
    return true;
}

static bool in_from_map(Term map, struct sockaddr_in *a)
{
    int port;
    Term t = map_get(map, A_addr);
    if (t == NONVALUE || !get_int(map, A_port, &port)) {
        return false;
    }
    a->sin_family = AF_INET;
    a->sin_port = htons((uint16_t)port);
    return in_addr_of(t, &a->sin_addr);
}

static bool in6_from_map(Term map, struct sockaddr_in6 *a)
{
    int port;
    Term t = map_get(map, A_addr);
    if (t == NONVALUE || !get_int(map, A_port, &port) || !get_uint(map, A_flowinfo, &a->sin6_flowinfo) ||
        !get_uint(map, A_scope_id, &a->sin6_scope_id)) {
        return false;
    }
    a->sin6_family = AF_INET6;
    a->sin6_port = htons((uint16_t)port);
    return in6_addr_of(t, &a->sin6_addr);
}

static bool get_bytes(Proc *p, Term map, Term key, const uint8_t **bytes, size_t *size)
{
    Term t = map_get(map, key);
    return t != NONVALUE && esock_bytes(p, t, bytes, size);
}

/* A path needs its zero byte; an abstract name begins with one. */
static bool un_from_map(Proc *p, Term map, struct sockaddr_un *a, socklen_t *n)
{
    const uint8_t *bytes;
    size_t size;
    if (!get_bytes(p, map, A_path, &bytes, &size) || size + (size > 0 && bytes[0] != 0) > sizeof a->sun_path) {
        return false;
    }
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path, bytes, size);
    *n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return true;
}

static bool bytes_from_map(Proc *p, Term map, int family, struct sockaddr_storage *a, socklen_t *n)
{
    const uint8_t *bytes;
    size_t size, start = offsetof(struct sockaddr, sa_data);
    if (!get_bytes(p, map, A_addr, &bytes, &size) || size > sizeof *a - start) {
        return false;
    }
    a->ss_family = (sa_family_t)family;
    memcpy((uint8_t *)a + start, bytes, size);
    *n = (socklen_t)(start + size);
    return true;
}

bool sockaddr_from_map(Proc *p, Term map, struct sockaddr_storage *a, socklen_t *n)
{
    int family;
    Term name = is_map(map) ? map_get(map, A_family) : NONVALUE;
    memset(a, 0, sizeof *a);
    if (name == NONVALUE || !sockaddr_family_of(name, &family)) {
        return false;
    }
    switch (name) {
    case A_inet:
        *n = sizeof(struct sockaddr_in);
        return in_from_map(map, (struct sockaddr_in *)a);
    case A_inet6:
        *n = sizeof(struct sockaddr_in6);
        return in6_from_map(map, (struct sockaddr_in6 *)a);
    case A_local:
        return un_from_map(p, map, (struct sockaddr_un *)a, n);
    default:
        return bytes_from_map(p, map, family, a, n);
    }
}
