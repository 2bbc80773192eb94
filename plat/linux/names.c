/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * prim_net's natives, behind the module net: hosts, services and interfaces by name, address and number. The
 * resolver's calls block their scheduler as long as it takes to ask, as in OTP.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>

#include "gen/natives_linux.h"
#include "plat/linux/sockaddr.h"
#include "plat/linux/socket.h"
#include "vm/bif/native.h"
#include "vm/proc/port_priv.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

static Term ok_with(Proc *p, Term value)
{
    return heap_tuple2(p, A_ok, value);
}

static Term error_with(Proc *p, Term reason)
{
    return heap_tuple2(p, A_error, reason);
}

static Term text_list(Proc *p, const char *s)
{
    return heap_string(p, (const uint8_t *)s, strlen(s));
}

/* A list of characters as text; NULL: it is none. Free with vm_free. */
static char *text_of(Term t)
{
    size_t n;
    char *s = is_nil(t) || is_cons(t) ? (char *)port_name_text(t, &n) : NULL;
    if (s && strlen(s) != n) {
        vm_free(s);
        return NULL;
    }
    return s;
}

/* Only kept: there is nothing that it makes us print. */
static struct NamesState {
    Term debug; /* atomic */
} state = {.debug = A_false};

NATIVE(native_prim_net_info)
{
    (void)a;
    const Term kv[] = {A_debug, __atomic_load_n(&state.debug, __ATOMIC_RELAXED)};
    return map_from_pairs(p, kv, 1);
}

/* {debug, boolean()} */
NATIVE(native_prim_net_command)
{
    const Term *e = is_tuple_arity(a[0], 2) ? tuple_elements(a[0]) : NULL;
    if (!e || e[0] != A_debug || !is_boolean(e[1])) {
        return error_with(p, A_einval);
    }
    __atomic_store_n(&state.debug, e[1], __ATOMIC_RELAXED);
    return A_ok;
}

/* What only another operating system has. */
NATIVE(native_prim_net_notsup)
{
    (void)a;
    return p_fault(p, FAULT_ERROR, A_notsup);
}

NATIVE(native_prim_net_gethostname)
{
    char name[256];
    (void)a;
    Term error = socket_host_name(name, sizeof name);
    return error == NONVALUE ? ok_with(p, text_list(p, name)) : error_with(p, error);
}

/* --- hosts and services ----------------------------------------------------------------------- */
static Term resolver_error(int code)
{
    switch (code) {
    case EAI_AGAIN: return A_eagain;
    case EAI_BADFLAGS: return A_ebadflags;
    case EAI_FAIL: return A_efail;
    case EAI_FAMILY: return A_efamily;
    case EAI_MEMORY: return A_emem;
    case EAI_NONAME: return A_enoname;
    case EAI_SERVICE: return A_eservice;
    case EAI_SOCKTYPE: return A_esocktype;
    case EAI_SYSTEM: return A_esystem;
    case EAI_ADDRFAMILY: return A_eaddrfamily;
    case EAI_NODATA: return A_enodata;
    case EAI_OVERFLOW: return A_eoverflow;
    default: return A_unknown;
    }
}

static Term info_to_map(Proc *p, const struct addrinfo *i)
{
    const Term kv[] = {A_family,   sockaddr_family_name(i->ai_family),
                       A_type,     socket_type_name(i->ai_socktype),
                       A_protocol, make_small(i->ai_protocol),
                       A_addr,     sockaddr_to_map(p, i->ai_addr, i->ai_addrlen)};
    return map_from_pairs(p, kv, 4);
}

/* The protocol stays a number: prim_net.erl looks it up among nif_supports(protocols). */
NATIVE(native_prim_net_getaddrinfo)
{
    struct addrinfo *list = NULL;
    char *host = text_of(a[0]), *service = text_of(a[1]);
    if ((!host && a[0] != A_undefined) || (!service && a[1] != A_undefined)) {
        vm_free(host);
        vm_free(service);
        return p_badarg(p);
    }
    int code = getaddrinfo(host, service, NULL, &list);
    vm_free(host);
    vm_free(service);
    if (code != 0) {
        return error_with(p, resolver_error(code));
    }
    size_t n = 0;
    for (const struct addrinfo *i = list; i; i = i->ai_next) {
        n++;
    }
    Term *maps = vm_alloc((n + 1) * sizeof *maps);
    n = 0;
    for (const struct addrinfo *i = list; i; i = i->ai_next) {
        maps[n++] = info_to_map(p, i);
    }
    freeaddrinfo(list);
    Term result = ok_with(p, heap_list(p, n, maps, NIL));
    vm_free(maps);
    return result;
}

static bool name_flags(Term list, int *flags)
{
    *flags = 0;
    if (list == A_undefined) {
        return true;
    }
    for (; is_cons(list); list = cons_tail(list)) {
        switch (cons_head(list)) {
        case A_namereqd: *flags |= NI_NAMEREQD; break;
        case A_dgram: *flags |= NI_DGRAM; break;
        case A_nofqdn: *flags |= NI_NOFQDN; break;
        case A_numerichost: *flags |= NI_NUMERICHOST; break;
        case A_numericserv: *flags |= NI_NUMERICSERV; break;
        case A_idn: *flags |= NI_IDN; break;
        default: return false;
        }
    }
    return is_nil(list);
}

NATIVE(native_prim_net_getnameinfo)
{
    struct sockaddr_storage address;
    socklen_t n;
    int flags;
    char host[NI_MAXHOST], service[NI_MAXSERV];
    if (!name_flags(a[1], &flags) || !sockaddr_from_map(p, a[0], &address, &n)) {
        return p_badarg(p);
    }
    int code = getnameinfo((struct sockaddr *)&address, n, host, sizeof host, service, sizeof service, flags);
    if (code != 0) {
        return error_with(p, resolver_error(code));
    }
    const Term kv[] = {A_host, text_list(p, host), A_service, text_list(p, service)};
    return ok_with(p, map_from_pairs(p, kv, 2));
}

/* --- interfaces ------------------------------------------------------------------------------- */
static Term flag_list(Proc *p, unsigned flags)
{
    const struct {
        unsigned bit;
        Term name;
    } names[] = {{IFF_UP, A_up}, {IFF_BROADCAST, A_broadcast}, {IFF_DEBUG, A_debug}, {IFF_LOOPBACK, A_loopback},
                 {IFF_POINTOPOINT, A_pointopoint}, {IFF_NOTRAILERS, A_notrailers}, {IFF_RUNNING, A_running},
                 {IFF_NOARP, A_noarp}, {IFF_PROMISC, A_promisc}, {IFF_MASTER, A_master}, {IFF_SLAVE, A_slave},
                 {IFF_MULTICAST, A_multicast}, {IFF_PORTSEL, A_portsel}, {IFF_AUTOMEDIA, A_automedia},
                 {IFF_DYNAMIC, A_dynamic}};
    Term list = NIL;
    for (size_t i = sizeof names / sizeof *names; i-- > 0;) {
        list = flags & names[i].bit ? heap_cons_on(p, names[i].name, list) : list;
    }
    return list;
}

static Term interface_to_map(Proc *p, const struct ifaddrs *i)
{
    enum { PAIRS = 5 };
    Term kv[2 * PAIRS] = {A_name, text_list(p, i->ifa_name), A_flags, flag_list(p, i->ifa_flags)};
    size_t n = 2;
    bool to = i->ifa_flags & IFF_POINTOPOINT, broadcast = i->ifa_flags & IFF_BROADCAST;
    const struct {
        Term key;
        const struct sockaddr *address;
    } more[] = {{A_addr, i->ifa_addr}, {A_netmask, i->ifa_netmask},
                {broadcast ? A_broadaddr : A_dstaddr, broadcast || to ? i->ifa_dstaddr : NULL}};
    for (size_t k = 0; k < sizeof more / sizeof *more; k++) {
        if (more[k].address) {
            kv[2 * n] = more[k].key;
            kv[2 * n + 1] = sockaddr_to_map(p, more[k].address, 0);
            n++;
        }
    }
    return map_from_pairs(p, kv, n);
}

static Term list_here(void *arg)
{
    return getifaddrs(arg) < 0 ? socket_error() : NONVALUE;
}

NATIVE(native_prim_net_getifaddrs)
{
    struct ifaddrs *all = NULL;
    Term list = NIL, name = is_map(a[0]) ? map_get(a[0], A_netns) : NONVALUE;
    char *netns = name == NONVALUE ? NULL : text_of(name);
    if (!is_map(a[0]) || (name != NONVALUE && !netns)) {
        return p_badarg(p);
    }
    Term error = socket_in_netns(netns, list_here, &all);
    vm_free(netns);
    if (error != NONVALUE) {
        return error_with(p, error);
    }
    size_t n = 0;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        n++;
    }
    Term *maps = vm_alloc((n + 1) * sizeof *maps);
    n = 0;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        maps[n++] = interface_to_map(p, i);
    }
    freeifaddrs(all);
    list = heap_list(p, n, maps, NIL);
    vm_free(maps);
    return ok_with(p, list);
}

NATIVE(native_prim_net_if_name2index)
{
    char *name = text_of(a[0]);
    if (!name) {
        return p_badarg(p);
    }
    unsigned index = if_nametoindex(name);
    Term result = index ? ok_with(p, make_small(index)) : error_with(p, posix_atom(errno));
    vm_free(name);
    return result;
}

NATIVE(native_prim_net_if_index2name)
{
    char name[IF_NAMESIZE];
    uint64_t index;
    if (!integer_to_uint64(a[0], &index) || index > UINT32_MAX) {
        return p_badarg(p);
    }
    return if_indextoname((unsigned)index, name) ? ok_with(p, text_list(p, name)) : error_with(p, posix_atom(errno));
}

NATIVE(native_prim_net_if_names)
{
    Term list = NIL;
    struct if_nameindex *all = if_nameindex();
    size_t n = 0;
    (void)a;
    if (!all) {
        return error_with(p, posix_atom(errno));
    }
    while (all[n].if_index) {
        n++;
    }
    while (n-- > 0) {
        Term pair = heap_tuple2(p, make_small(all[n].if_index), text_list(p, all[n].if_name));
        list = heap_cons_on(p, pair, list);
    }
    if_freenameindex(all);
    return ok_with(p, list);
}
