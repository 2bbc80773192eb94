/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses as prim_inet writes them: family, then port and IP address (and flow and scope when sent to us), or a
 * path with its length in one byte.
 */
#include "vm/term/atom.h"
#include "vm/net/inet_priv.h"

enum { IP4_SIZE = 4, IP6_SIZE = 16 };

static size_t ip_size(NetFamily family)
{
    return family == NET_INET ? IP4_SIZE : family == NET_INET6 ? IP6_SIZE : 0;
}

/* The wildcard or loopback address of a family. */
static Term read_special(Request *r, NetFamily family, bool loopback, NetAddress *a)
{
    if (r->left < 2 || !ip_size(family)) {
        return A_einval;
    }
    a->family = family;
    a->port = request_u16(r);
    a->size = (uint8_t)ip_size(family);
    if (loopback) {
        a->bytes[0] = family == NET_INET ? 127 : 0;
        a->bytes[a->size - 1] = 1;
    }
    return NONVALUE;
}

static Term read_local(Request *r, NetAddress *a)
{
    size_t n = request_u8(r);
    const uint8_t *path = request_bytes(r, n);
    if (!path) {
        return A_einval;
    }
    /* A path needs a zero behind it, an abstract name does not. */
    bool is_path = n == 0 || path[0] != 0;
    if (n + is_path > sizeof a->bytes) {
        return A_einval;
    }
    memcpy(a->bytes, path, n);
    a->family = NET_LOCAL;
    a->size = (uint8_t)n;
    return NONVALUE;
}

Term address_read(Request *r, NetFamily family, NetAddress *a)
{
    *a = (NetAddress){0};
    if (r->left < 1) {
        return A_einval;
    }
    NetFamily tag = request_u8(r);
    switch (tag) {
    case NET_ANY:
        return read_special(r, family, false, a);
    case NET_LOOPBACK:
        return read_special(r, family, true, a);
    case NET_LOCAL:
        return read_local(r, a);
    case NET_INET: case NET_INET6:
        break;
    default:
        return A_eafnosupport;
    }
    a->family = tag;
    a->size = (uint8_t)ip_size(tag);
    a->port = request_u16(r);
    const uint8_t *ip = request_bytes(r, a->size);
    if (!ip) {
        return A_einval;
    }
    memcpy(a->bytes, ip, a->size);
    if (tag == NET_INET6) {
        a->flow = request_u32(r);
        a->scope = request_u32(r);
    }
    return r->short_ ? A_einval : NONVALUE;
}

bool address_write(Answer *out, const NetAddress *a)
{
    switch (a->family) {
    case NET_INET: case NET_INET6:
        answer_u8(out, a->family);
        answer_u16(out, a->port);
        answer_bytes(out, a->bytes, a->size);
        return true;
    case NET_LOCAL:
        answer_u8(out, NET_LOCAL);
        answer_u8(out, a->size);
        answer_bytes(out, a->bytes, a->size);
        return true;
    default:
        answer_u8(out, a->family == NET_UNSPEC ? NET_UNSPEC : NET_UNDEFINED);
        return false;
    }
}

void address_write_ip(Answer *out, const NetAddress *a)
{
    answer_u8(out, a->family);
    answer_bytes(out, a->bytes, a->size);
}
