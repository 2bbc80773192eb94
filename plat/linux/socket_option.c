/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * Options of sockets. Linux sets the priority when the type of service is set and the other way round; what was not
 * asked for is put back, as OTP does it.
 */
#include "plat/linux/socket.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

typedef struct OptionName {
    SocketOption option;
    int level, name;
} OptionName;

static const OptionName *option_name(SocketOption option)
{
    static const OptionName names[] = {
        {SOPT_REUSEADDR, SOL_SOCKET, SO_REUSEADDR},
        {SOPT_KEEPALIVE, SOL_SOCKET, SO_KEEPALIVE},
        {SOPT_DONTROUTE, SOL_SOCKET, SO_DONTROUTE},
        {SOPT_BROADCAST, SOL_SOCKET, SO_BROADCAST},
        {SOPT_OOBINLINE, SOL_SOCKET, SO_OOBINLINE},
        {SOPT_SNDBUF, SOL_SOCKET, SO_SNDBUF},
        {SOPT_RCVBUF, SOL_SOCKET, SO_RCVBUF},
        {SOPT_PRIORITY, SOL_SOCKET, SO_PRIORITY},
        {SOPT_TOS, IPPROTO_IP, IP_TOS},
        {SOPT_TTL, IPPROTO_IP, IP_TTL},
        {SOPT_TCLASS, IPPROTO_IPV6, IPV6_TCLASS},
        {SOPT_RECVTOS, IPPROTO_IP, IP_RECVTOS},
        {SOPT_RECVTTL, IPPROTO_IP, IP_RECVTTL},
        {SOPT_RECVTCLASS, IPPROTO_IPV6, IPV6_RECVTCLASS},
        {SOPT_NODELAY, IPPROTO_TCP, TCP_NODELAY},
        {SOPT_NOPUSH, IPPROTO_TCP, TCP_CORK},
        {SOPT_MULTICAST_TTL, IPPROTO_IP, IP_MULTICAST_TTL},
        {SOPT_MULTICAST_LOOP, IPPROTO_IP, IP_MULTICAST_LOOP},
        {SOPT_IPV6_V6ONLY, IPPROTO_IPV6, IPV6_V6ONLY},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].option == option) {
            return &names[i];
        }
    }
    return NULL;
}

static bool get_int(int fd, int level, int name, int *value)
{
    socklen_t n = sizeof *value;
    *value = 0;
    return getsockopt(fd, level, name, value, &n) == 0;
}

static bool set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

Term socket_set_bytes(int fd, int level, int name, const void *bytes, socklen_t n)
{
    int priority, tos;
    bool is_priority = level == SOL_SOCKET && name == SO_PRIORITY, is_tos = level == IPPROTO_IP && name == IP_TOS;
    bool had_priority = get_int(fd, SOL_SOCKET, SO_PRIORITY, &priority);
    bool had_tos = get_int(fd, IPPROTO_IP, IP_TOS, &tos);
    if (setsockopt(fd, level, name, bytes, n) < 0) {
        return socket_error();
    }
    if (is_priority) {
        return NONVALUE;
    }
    if (!is_tos && had_tos && !set_int(fd, IPPROTO_IP, IP_TOS, tos)) {
        return socket_error();
    }
    if (had_priority && !set_int(fd, SOL_SOCKET, SO_PRIORITY, priority) && errno != EPERM) {
        return socket_error();
    }
    return NONVALUE;
}

static Term set_membership(int fd, bool add, const SocketValue *v)
{
    if (v->address.family == NET_INET) {
        struct ip_mreqn m = {.imr_ifindex = v->number};
        memcpy(&m.imr_multiaddr, v->address.bytes, sizeof m.imr_multiaddr);
        memcpy(&m.imr_address, v->interface.bytes, sizeof m.imr_address);
        return socket_set_bytes(fd, IPPROTO_IP, add ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &m, sizeof m);
    }
    struct ipv6_mreq m = {.ipv6mr_interface = (unsigned)v->number};
    memcpy(&m.ipv6mr_multiaddr, v->address.bytes, sizeof m.ipv6mr_multiaddr);
    return socket_set_bytes(fd, IPPROTO_IPV6, add ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &m, sizeof m);
}

/* Only these disturb priority and type of service. */
static bool may_disturb(SocketOption option)
{
    return option == SOPT_TOS || option == SOPT_TCLASS || option == SOPT_PRIORITY;
}

Term socket_set_option(Socket *s, NetFamily family, SocketOption option, const SocketValue *v)
{
    int fd = socket_fd(s);
    struct linger linger = {v->number, v->number2};
    switch (option) {
    case SOPT_LINGER:
        return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0 ? socket_error() : NONVALUE;
    case SOPT_MULTICAST_IF:
        return family == NET_INET
                   ? socket_set_bytes(fd, IPPROTO_IP, IP_MULTICAST_IF, v->address.bytes, sizeof(struct in_addr))
                   : socket_set_bytes(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &v->number, sizeof v->number);
    case SOPT_ADD_MEMBERSHIP: case SOPT_DROP_MEMBERSHIP:
        return set_membership(fd, option == SOPT_ADD_MEMBERSHIP, v);
    case SOPT_RAW:
        return socket_set_bytes(fd, v->level, v->name, v->bytes, (socklen_t)v->size);
    case SOPT_BIND_TO_DEVICE:
        return socket_set_bytes(fd, SOL_SOCKET, SO_BINDTODEVICE, v->bytes, (socklen_t)v->size);
    default: break;
    }
    const OptionName *n = option_name(option);
    if (!n) {
        return A_einval;
    }
    if (may_disturb(option)) {
        return socket_set_bytes(fd, n->level, n->name, &v->number, sizeof v->number);
    }
    return set_int(fd, n->level, n->name, v->number) ? NONVALUE : socket_error();
}

static Term get_bytes(int fd, int level, int name, SocketValue *v)
{
    socklen_t n = (socklen_t)v->size;
    if (getsockopt(fd, level, name, v->bytes, &n) < 0) {
        return socket_error();
    }
    v->size = n;
    return NONVALUE;
}

Term socket_get_option(Socket *s, NetFamily family, SocketOption option, SocketValue *v)
{
    int fd = socket_fd(s);
    struct linger linger = {0};
    socklen_t size = sizeof linger;
    switch (option) {
    case SOPT_LINGER:
        if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) < 0) {
            return socket_error();
        }
        v->number = linger.l_onoff;
        v->number2 = linger.l_linger;
        return NONVALUE;
    case SOPT_MULTICAST_IF:
        if (family == NET_INET6) {
            return get_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &v->number) ? NONVALUE : socket_error();
        }
        size = sizeof(struct in_addr);
        return getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, v->address.bytes, &size) < 0 ? socket_error() : NONVALUE;
    case SOPT_RAW:
        return get_bytes(fd, v->level, v->name, v);
    case SOPT_BIND_TO_DEVICE:
        return get_bytes(fd, SOL_SOCKET, SO_BINDTODEVICE, v);
    default: break;
    }
    const OptionName *n = option_name(option);
    if (!n) {
        return A_einval;
    }
    return get_int(fd, n->level, n->name, &v->number) ? NONVALUE : socket_error();
}

Term socket_packet_extras(Socket *s, NetFamily family, SocketExtra *extras, size_t *count)
{
    enum { ENOUGH = 256 };
    _Alignas(struct cmsghdr) uint8_t control[ENOUGH];
    socklen_t n = sizeof control;
    int level = family == NET_INET ? IPPROTO_IP : IPPROTO_IPV6;
    int name = family == NET_INET ? IP_PKTOPTIONS : IPV6_2292PKTOPTIONS;
    if (getsockopt(socket_fd(s), level, name, control, &n) < 0) {
        return socket_error();
    }
    struct msghdr m = {.msg_control = control, .msg_controllen = n};
    *count = socket_extras_read(&m, extras, *count);
    return NONVALUE;
}
