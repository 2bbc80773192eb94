/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * Control messages, and flags, of sendmsg and recvmsg. A message is #{level, type, data => Bytes} and, when its
 * type is one we can read, value. To send one, data or value is given, not both.
 */
#include <time.h>
#include <sys/time.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "plat/linux/esock.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

typedef enum { VALUE_NONE, VALUE_TIME, VALUE_TOS, VALUE_INT, VALUE_BYTE, VALUE_PKTINFO, VALUE_PKTINFO6, VALUE_ADDRESS,
               VALUE_ERROR } ValueKind;

typedef struct ControlType {
    int level, type;
    const char *name;
    ValueKind kind;
    bool sendable; /* with value */
} ControlType;

static const ControlType types[] = {
    {SOL_SOCKET, SCM_CREDENTIALS, "credentials", VALUE_NONE, false},
    {SOL_SOCKET, SCM_RIGHTS, "rights", VALUE_NONE, false},
    {SOL_SOCKET, SCM_TIMESTAMP, "timestamp", VALUE_TIME, true},
    {IPPROTO_IP, IP_TOS, "tos", VALUE_TOS, true},
    {IPPROTO_IP, IP_TTL, "ttl", VALUE_INT, true},
    {IPPROTO_IP, IP_RECVTTL, "recvttl", VALUE_BYTE, false},
    {IPPROTO_IP, IP_PKTINFO, "pktinfo", VALUE_PKTINFO, false},
    {IPPROTO_IP, IP_ORIGDSTADDR, "origdstaddr", VALUE_ADDRESS, false},
    {IPPROTO_IP, IP_RECVTOS, "recvtos", VALUE_TOS, false},
    {IPPROTO_IP, IP_RECVERR, "recverr", VALUE_ERROR, false},
    {IPPROTO_IPV6, IPV6_PKTINFO, "pktinfo", VALUE_PKTINFO6, false},
    {IPPROTO_IPV6, IPV6_HOPLIMIT, "hoplimit", VALUE_INT, true},
    {IPPROTO_IPV6, IPV6_TCLASS, "tclass", VALUE_INT, true},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, "recvtclass", VALUE_INT, false},
    {IPPROTO_IPV6, IPV6_RECVERR, "recverr", VALUE_ERROR, false},
};

static const ControlType *type_by_number(int level, int type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].level == level && types[i].type == type) {
            return &types[i];
        }
    }
    return NULL;
}

static const ControlType *type_by_name(int level, Term name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].level == level && atom_put_cstr(types[i].name) == name) {
            return &types[i];
        }
    }
    return NULL;
}

/* --- flags ------------------------------------------------------------------------------------ */
static const EsockName flag_names[] = {
    {"cmsg_cloexec", MSG_CMSG_CLOEXEC}, {"confirm", MSG_CONFIRM}, {"ctrunc", MSG_CTRUNC}, {"dontroute", MSG_DONTROUTE},
    {"eor", MSG_EOR}, {"errqueue", MSG_ERRQUEUE}, {"more", MSG_MORE}, {"nosignal", MSG_NOSIGNAL}, {"oob", MSG_OOB},
    {"peek", MSG_PEEK}, {"trunc", MSG_TRUNC}};
enum { FLAGS = sizeof flag_names / sizeof *flag_names };

Term esock_message_flags(Proc *p, int flags)
{
    return esock_flags(p, flag_names, FLAGS, (unsigned)flags);
}

Term esock_message_flag_table(Proc *p)
{
    return esock_names(p, flag_names, FLAGS);
}

/* --- received --------------------------------------------------------------------------------- */
static Term pktinfo_build(Proc *p, const struct in_pktinfo *i)
{
    const Term kv[] = {A_ifindex,  heap_uint64(p, (unsigned)i->ipi_ifindex),
                       A_spec_dst, in_addr_tuple(p, &i->ipi_spec_dst),
                       A_addr,     in_addr_tuple(p, &i->ipi_addr)};
    return map_from_pairs(p, kv, 3);
}

static Term pktinfo6_build(Proc *p, const struct in6_pktinfo *i)
{
    const Term kv[] = {A_addr, in6_addr_tuple(p, &i->ipi6_addr), A_ifindex, heap_int64(p, (int)i->ipi6_ifindex)};
    return map_from_pairs(p, kv, 2);
}

typedef struct NumberName {
    int number;
    Term name;
} NumberName;

static Term number_name(Proc *p, const NumberName *names, size_t count, int number)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return heap_int64(p, number);
}
#define NUMBER_NAME(p, names, number) number_name(p, names, sizeof names / sizeof *names, number)

enum { POLICY_FAIL = 5, REJECT_ROUTE = 6 }; /* ICMP6_DST_UNREACH's codes that the header lacks */

/* Type and code, as ICMP's where it was ICMP that said so. */
static void error_names(Proc *p, const struct sock_extended_err *e, Term *type, Term *code)
{
    const NumberName types4[] = {{ICMP_DEST_UNREACH, A_dest_unreach}, {ICMP_TIME_EXCEEDED, A_time_exceeded}};
    const NumberName types6[] = {{ICMP6_DST_UNREACH, A_dest_unreach}, {ICMP6_PACKET_TOO_BIG, A_pkt_toobig},
                                 {ICMP6_TIME_EXCEEDED, A_time_exceeded}};
    const NumberName codes4[] = {{ICMP_NET_UNREACH, A_net_unreach}, {ICMP_HOST_UNREACH, A_host_unreach},
                                 {ICMP_PORT_UNREACH, A_port_unreach}, {ICMP_FRAG_NEEDED, A_frag_needed},
                                 {ICMP_NET_UNKNOWN, A_net_unknown}, {ICMP_HOST_UNKNOWN, A_host_unknown}};
    const NumberName codes6[] = {{ICMP6_DST_UNREACH_NOROUTE, A_noroute}, {ICMP6_DST_UNREACH_ADMIN, A_adm_prohibited},
                                 {ICMP6_DST_UNREACH_BEYONDSCOPE, A_not_neighbour},
                                 {ICMP6_DST_UNREACH_ADDR, A_addr_unreach},
                                 {ICMP6_DST_UNREACH_NOPORT, A_port_unreach}, {POLICY_FAIL, A_policy_fail},
                                 {REJECT_ROUTE, A_reject_route}};
    *type = make_small(e->ee_type);
    *code = make_small(e->ee_code);
    if (e->ee_origin == SO_EE_ORIGIN_ICMP) {
        *type = NUMBER_NAME(p, types4, e->ee_type);
        *code = e->ee_type == ICMP_DEST_UNREACH ? NUMBER_NAME(p, codes4, e->ee_code) : *code;
    } else if (e->ee_origin == SO_EE_ORIGIN_ICMP6) {
        *type = NUMBER_NAME(p, types6, e->ee_type);
        *code = e->ee_type == ICMP6_DST_UNREACH ? NUMBER_NAME(p, codes6, e->ee_code) : *code;
    }
}

static Term error_build(Proc *p, const struct sock_extended_err *e, size_t size)
{
    const NumberName origins[] = {{SO_EE_ORIGIN_NONE, A_none}, {SO_EE_ORIGIN_LOCAL, A_local},
                                  {SO_EE_ORIGIN_ICMP, A_icmp},
                                  {SO_EE_ORIGIN_ICMP6, A_icmp6}, {SO_EE_ORIGIN_TXSTATUS, A_txstatus},
                                  {SO_EE_ORIGIN_ZEROCOPY, A_zerocopy}, {SO_EE_ORIGIN_TXTIME, A_txtime}};
    Term type, code;
    error_names(p, e, &type, &code);
    Term kv[14] = {A_error, posix_atom((int)e->ee_errno), A_origin, NUMBER_NAME(p, origins, e->ee_origin),
                   A_type,  type,                         A_code,   code,
                   A_info,  heap_int64(p, (int)e->ee_info), A_data, heap_int64(p, (int)e->ee_data)};
    size_t n = 6;
    if (size > sizeof *e) {
        struct sockaddr_storage offender = {0};
        size_t rest = size - sizeof *e < sizeof offender ? size - sizeof *e : sizeof offender;
        memcpy(&offender, e + 1, rest);
        kv[12] = A_offender;
        kv[13] = sockaddr_to_map(p, (const struct sockaddr *)&offender, (socklen_t)rest);
        n++;
    }
    return map_from_pairs(p, kv, n);
}

static Term time_build(Proc *p, const struct timeval *t)
{
    const Term kv[] = {A_sec, heap_int64(p, t->tv_sec), A_usec, heap_int64(p, t->tv_usec)};
    return map_from_pairs(p, kv, 2);
}

/* NONVALUE: it has none that we can read, or is too short. Data is aligned as cmsghdr is. */
static Term value_build(Proc *p, ValueKind kind, const uint8_t *data, size_t size)
{
    struct sockaddr_storage address = {0};
    int v;
    switch (kind) {
    case VALUE_TIME: return size < sizeof(struct timeval) ? NONVALUE : time_build(p, (const void *)data);
    case VALUE_TOS: return size < 1 ? NONVALUE : esock_tos_build(data[0]);
    case VALUE_BYTE: return size < 1 ? NONVALUE : make_small(data[0]);
    case VALUE_INT:
        if (size < sizeof v) {
            return NONVALUE;
        }
        memcpy(&v, data, sizeof v);
        return heap_int64(p, v);
    case VALUE_PKTINFO: return size < sizeof(struct in_pktinfo) ? NONVALUE : pktinfo_build(p, (const void *)data);
    case VALUE_PKTINFO6: return size < sizeof(struct in6_pktinfo) ? NONVALUE : pktinfo6_build(p, (const void *)data);
    case VALUE_ADDRESS:
        size = size < sizeof address ? size : sizeof address;
        memcpy(&address, data, size);
        return sockaddr_to_map(p, (const struct sockaddr *)&address, (socklen_t)size);
    case VALUE_ERROR:
        return size < sizeof(struct sock_extended_err) ? NONVALUE : error_build(p, (const void *)data, size);
    default: return NONVALUE;
    }
}

static Term message_build(Proc *p, const struct cmsghdr *c)
{
    const uint8_t *data = CMSG_DATA(c);
    size_t size = c->cmsg_len - CMSG_LEN(0);
    const ControlType *t = type_by_number(c->cmsg_level, c->cmsg_type);
    Term value = t ? value_build(p, t->kind, data, size) : NONVALUE;
    const Term kv[] = {A_level, esock_level_build(c->cmsg_level),
                       A_type,  t ? atom_put_cstr(t->name) : heap_int64(p, c->cmsg_type),
                       A_data,  binary_from_bytes(p, data, size),
                       A_value, value};
    return map_from_pairs(p, kv, value == NONVALUE ? 3 : 4);
}

Term esock_control_build(Proc *p, uint8_t *bytes, size_t size)
{
    enum { MANY = 256 };
    struct msghdr m = {.msg_control = bytes, .msg_controllen = size};
    Term found[MANY];
    size_t n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c && n < MANY; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_len < CMSG_LEN(0) || (uint8_t *)c + c->cmsg_len > bytes + size) {
            found[n++] = A_bad_data;
            break;
        }
        found[n++] = message_build(p, c);
    }
    return heap_list(p, n, found, NIL);
}

/* --- to be sent ------------------------------------------------------------------------------- */
/* A message of `size` bytes at room; NULL: there is no room. */
static void *message_begin(uint8_t *room, size_t left, size_t size, size_t *used)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)room;
    if (left < CMSG_SPACE(size)) {
        return NULL;
    }
    memset(c, 0, CMSG_SPACE(size));
    c->cmsg_len = CMSG_LEN(size);
    *used = CMSG_SPACE(size);
    return CMSG_DATA(c);
}

static bool put_bytes(const void *bytes, size_t size, uint8_t *room, size_t left, size_t *used)
{
    void *to = message_begin(room, left, size, used);
    if (to) {
        memcpy(to, bytes, size);
    }
    return to != NULL;
}

static bool put_value(ValueKind kind, Term value, uint8_t *room, size_t left, size_t *used)
{
    struct timeval time;
    int64_t sec, usec;
    int v;
    switch (kind) {
    case VALUE_TIME: {
        Term s = is_map(value) ? map_get(value, A_sec) : NONVALUE;
        Term u = is_map(value) ? map_get(value, A_usec) : NONVALUE;
        if (s == NONVALUE || u == NONVALUE || !is_integer(s) || !is_integer(u) || !integer_to_int64(s, &sec) ||
            !integer_to_int64(u, &usec)) {
            return false;
        }
        time = (struct timeval){sec, usec};
        return put_bytes(&time, sizeof time, room, left, used);
    }
    case VALUE_TOS: return esock_tos_read(value, &v) && put_bytes(&v, sizeof v, room, left, used);
    case VALUE_INT: return esock_int(value, &v) && put_bytes(&v, sizeof v, room, left, used);
    default: return false;
    }
}

static bool put_data(Proc *p, Term data, uint8_t *room, size_t left, size_t *used)
{
    const uint8_t *bytes;
    size_t size;
    int v;
    if (esock_bytes(p, data, &bytes, &size)) {
        return put_bytes(bytes, size, room, left, used);
    }
    if (is_boolean(data)) {
        v = data == A_true;
    } else if (!esock_int(data, &v)) {
        return false;
    }
    return put_bytes(&v, sizeof v, room, left, used);
}

static bool message_read(Proc *p, Term map, uint8_t *room, size_t left, size_t *used)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)room;
    int level, type;
    if (!is_map(map)) {
        return false;
    }
    Term l = map_get(map, A_level), t = map_get(map, A_type), data = map_get(map, A_data);
    Term value = map_get(map, A_value);
    if (l == NONVALUE || t == NONVALUE || !esock_level_read(l, &level) || (data == NONVALUE) == (value == NONVALUE)) {
        return false;
    }
    const ControlType *known = is_atom(t) ? type_by_name(level, t) : NULL;
    if (data == NONVALUE) {
        if (!known || !known->sendable || !put_value(known->kind, value, room, left, used)) {
            return false;
        }
        type = known->type;
    } else {
        if (known) {
            type = known->type;
        } else if (!esock_int(t, &type)) {
            return false;
        }
        if (!put_data(p, data, room, left, used)) {
            return false;
        }
    }
    c->cmsg_level = level;
    c->cmsg_type = type;
    return true;
}

bool esock_control_read(Proc *p, Term list, uint8_t *room, size_t size, size_t *used)
{
    *used = 0;
    for (; is_cons(list); list = cons_tail(list)) {
        size_t n = 0;
        if (!message_read(p, cons_head(list), room + *used, size - *used, &n)) {
            return false;
        }
        *used += n;
    }
    return is_nil(list);
}
