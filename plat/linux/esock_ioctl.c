/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/* socket:ioctl: interfaces asked and set by name, through a socket. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "plat/linux/esock.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

static const EsockName requests[] = {
    {"gifname", SIOCGIFNAME}, {"gifindex", SIOCGIFINDEX}, {"gifflags", SIOCGIFFLAGS}, {"gifaddr", SIOCGIFADDR},
    {"gifdstaddr", SIOCGIFDSTADDR}, {"gifbrdaddr", SIOCGIFBRDADDR}, {"gifnetmask", SIOCGIFNETMASK},
    {"gifmtu", SIOCGIFMTU}, {"gifhwaddr", SIOCGIFHWADDR}, {"gifmap", SIOCGIFMAP}, {"giftxqlen", SIOCGIFTXQLEN},
    {"gifconf", SIOCGIFCONF}, {"sifflags", SIOCSIFFLAGS}, {"sifaddr", SIOCSIFADDR}, {"sifdstaddr", SIOCSIFDSTADDR},
    {"sifbrdaddr", SIOCSIFBRDADDR}, {"sifmtu", SIOCSIFMTU}, {"siftxqlen", SIOCSIFTXQLEN}};

static const EsockName flags[] = {
    {"up", IFF_UP}, {"broadcast", IFF_BROADCAST}, {"debug", IFF_DEBUG}, {"loopback", IFF_LOOPBACK},
    {"pointopoint", IFF_POINTOPOINT}, {"notrailers", IFF_NOTRAILERS}, {"knowsepoch", 0}, {"running", IFF_RUNNING},
    {"noarp", IFF_NOARP}, {"promisc", IFF_PROMISC}, {"allmulti", IFF_ALLMULTI}, {"master", IFF_MASTER}, {"oactive", 0},
    {"slave", IFF_SLAVE}, {"simplex", 0}, {"multicast", IFF_MULTICAST}, {"link0", 0}, {"link1", 0}, {"link2", 0},
    {"portsel", IFF_PORTSEL}, {"automedia", IFF_AUTOMEDIA}, {"dynamic", IFF_DYNAMIC}, {"cantconfig", 0},
    {"lower_up", 1 << 16}, {"ppromisc", 0}, {"dormant", 1 << 17}, {"monitor", 0}, {"echo", 1 << 18}, {"staticarp", 0},
    {"dying", 0}, {"renaming", 0}, {"nogroup", 0}};
enum { FLAGS = sizeof flags / sizeof *flags };

Term esock_ioctl_table(Proc *p)
{
    return esock_names(p, requests, sizeof requests / sizeof *requests);
}

Term esock_ioctl_flag_table(Proc *p)
{
    return esock_names(p, flags, FLAGS);
}

static Term failed(Proc *p)
{
    return esock_error(p, posix_atom(errno));
}

static Term name_build(Proc *p, const char name[IFNAMSIZ])
{
    return heap_string(p, (const uint8_t *)name, strnlen(name, IFNAMSIZ));
}

/* A list of characters, cut to what a name can be. False: it is none. */
static bool name_read(Term t, struct ifreq *r)
{
    size_t n = 0;
    for (; is_cons(t); t = cons_tail(t), n++) {
        Term c = cons_head(t);
        if (!is_small(c) || small_value(c) < 0 || small_value(c) > UINT8_MAX) {
            return false;
        }
        if (n < IFNAMSIZ - 1) {
            r->ifr_name[n] = (char)small_value(c);
        }
    }
    return is_nil(t);
}

static Term interfaces(Proc *p, int fd)
{
    struct ifconf c = {.ifc_len = 0};
    if (ioctl(fd, SIOCGIFCONF, &c) < 0) {
        return failed(p);
    }
    int room = c.ifc_len + 16 * (int)sizeof(struct ifreq); /* some may come meanwhile */
    c.ifc_len = room;
    c.ifc_buf = vm_alloc((size_t)room);
    Term list = NIL;
    if (ioctl(fd, SIOCGIFCONF, &c) < 0) {
        vm_free(c.ifc_buf);
        return failed(p);
    }
    for (size_t i = (size_t)c.ifc_len / sizeof(struct ifreq); i-- > 0;) {
        const struct ifreq *r = &c.ifc_req[i];
        const Term kv[] = {A_name, name_build(p, r->ifr_name), A_addr, sockaddr_to_map(p, &r->ifr_addr, 0)};
        list = heap_cons_on(p, map_from_pairs(p, kv, 2), list);
    }
    vm_free(c.ifc_buf);
    return esock_ok(p, list);
}

static Term interface_name(Proc *p, int fd, Term index)
{
    struct ifreq r = {0};
    if (!esock_int(index, &r.ifr_ifindex)) {
        return p_badarg(p);
    }
    return ioctl(fd, SIOCGIFNAME, &r) < 0 ? failed(p) : esock_ok(p, name_build(p, r.ifr_name));
}

static Term map_build_of(Proc *p, const struct ifmap *m)
{
    const Term kv[] = {A_mem_start, heap_uint64(p, m->mem_start), A_mem_end, heap_uint64(p, m->mem_end),
                       A_base_addr, make_small(m->base_addr),     A_irq,     make_small(m->irq),
                       A_dma,       make_small(m->dma),           A_port,    make_small(m->port)};
    return map_from_pairs(p, kv, 6);
}

static Term interface_get(Proc *p, int fd, unsigned long request, Term name)
{
    struct ifreq r = {0};
    switch (request) {
    case SIOCGIFNAME: return interface_name(p, fd, name);
    case SIOCGIFINDEX: case SIOCGIFFLAGS: case SIOCGIFADDR: case SIOCGIFDSTADDR: case SIOCGIFBRDADDR:
    case SIOCGIFNETMASK: case SIOCGIFMTU: case SIOCGIFHWADDR: case SIOCGIFMAP: case SIOCGIFTXQLEN: break;
    default: return esock_error(p, A_enotsup);
    }
    if (!name_read(name, &r)) {
        return p_badarg(p);
    }
    if (ioctl(fd, request, &r) < 0) {
        return failed(p);
    }
    switch (request) {
    case SIOCGIFINDEX: return esock_ok(p, heap_int64(p, r.ifr_ifindex));
    case SIOCGIFMTU: return esock_ok(p, heap_int64(p, r.ifr_mtu));
    case SIOCGIFTXQLEN: return esock_ok(p, heap_int64(p, r.ifr_qlen));
    case SIOCGIFFLAGS: return esock_ok(p, esock_flags(p, flags, FLAGS, (unsigned)(int)r.ifr_flags));
    case SIOCGIFHWADDR: return esock_ok(p, sockaddr_hardware_to_map(p, &r.ifr_hwaddr, sizeof r.ifr_hwaddr));
    case SIOCGIFMAP: return esock_ok(p, map_build_of(p, &r.ifr_map));
    default: return esock_ok(p, sockaddr_to_map(p, &r.ifr_addr, 0));
    }
}

/* #{Bit => boolean()} */
static bool flags_read(Term map, short *value)
{
    MapIter it;
    Term key, t;
    int bits = *value, bit;
    if (!is_map(map)) {
        return false;
    }
    map_iter_init(&it, map);
    while (map_iter_next(&it, &key, &t)) {
        if (!esock_int(key, &bit)) {
            return false;
        }
        bits = t == A_true ? bits | bit : bits & ~bit;
    }
    *value = (short)bits;
    return true;
}

static Term flags_set(Proc *p, int fd, Term name, Term value)
{
    struct ifreq r = {0};
    if (!name_read(name, &r)) {
        return p_badarg(p);
    }
    if (ioctl(fd, SIOCGIFFLAGS, &r) < 0) {
        return failed(p);
    }
    if (!flags_read(value, &r.ifr_flags)) {
        return p_badarg(p);
    }
    return ioctl(fd, SIOCSIFFLAGS, &r) < 0 ? failed(p) : A_ok;
}

/* What the value of a request is, when it is wrong: NONVALUE when it was right. */
static Term value_read(Proc *p, unsigned long request, Term value, struct ifreq *r)
{
    struct sockaddr_storage a;
    socklen_t n;
    switch (request) {
    case SIOCSIFMTU: return esock_int(value, &r->ifr_mtu) ? NONVALUE : A_mtu;
    case SIOCSIFTXQLEN: return esock_int(value, &r->ifr_qlen) ? NONVALUE : A_txqlen;
    default:
        if (!sockaddr_from_map(p, value, &a, &n)) {
            return A_sockaddr;
        }
        memcpy(&r->ifr_addr, &a, sizeof r->ifr_addr);
        return NONVALUE;
    }
}

static Term interface_set(Proc *p, int fd, unsigned long request, Term name, Term value)
{
    struct ifreq r = {0};
    switch (request) {
    case SIOCSIFFLAGS: return flags_set(p, fd, name, value);
    case SIOCSIFADDR: case SIOCSIFDSTADDR: case SIOCSIFBRDADDR: case SIOCSIFNETMASK: case SIOCSIFMTU:
    case SIOCSIFTXQLEN: break;
    default: return esock_error(p, A_enotsup);
    }
    if (!name_read(name, &r)) {
        return p_badarg(p);
    }
    Term wrong = value_read(p, request, value, &r);
    if (wrong != NONVALUE) {
        return esock_invalid(p, wrong);
    }
    return ioctl(fd, request, &r) < 0 ? failed(p) : A_ok;
}

Term esock_ioctl(Proc *p, Socket *s, Term request, const Term *args, unsigned count)
{
    uint64_t number = 0;
    integer_to_uint64(request, &number);
    switch (count) {
    case 0: return number == SIOCGIFCONF ? interfaces(p, socket_fd(s)) : esock_error(p, A_enotsup);
    case 1: return interface_get(p, socket_fd(s), number, args[0]);
    default: return interface_set(p, socket_fd(s), number, args[0], args[1]);
    }
}
