/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/* What the system knows by name: itself, services, interfaces. */
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "plat/linux/socket.h"
#include "vm/heap/heap.h"

enum { FLAGS_OFF_SHIFT = 8 };

Term socket_host_name(char *text, size_t n)
{
    if (gethostname(text, n) < 0) {
        return socket_error();
    }
    text[n - 1] = 0;
    return NONVALUE;
}

int socket_service_port(const char *name, const char *protocol)
{
    struct servent entry, *found = NULL;
    char text[1024];
    if (getservbyname_r(name, protocol, &entry, text, sizeof text, &found) != 0 || !found) {
        return -1;
    }
    return ntohs((uint16_t)found->s_port);
}

bool socket_service_name(unsigned port, const char *protocol, char *name, size_t n)
{
    struct servent entry, *found = NULL;
    char text[1024];
    int number = htons((uint16_t)port);
    if (getservbyport_r(number, protocol, &entry, text, sizeof text, &found) != 0 || !found) {
        return false;
    }
    snprintf(name, n, "%s", found->s_name);
    return true;
}

/* --- interfaces ------------------------------------------------------------------------------------------------ */
static unsigned flags_from(unsigned flags)
{
    return ((flags & IFF_UP) ? NET_IF_UP | NET_IF_RUNNING : 0) | ((flags & IFF_BROADCAST) ? NET_IF_BROADCAST : 0) |
           ((flags & IFF_LOOPBACK) ? NET_IF_LOOPBACK : 0) | ((flags & IFF_POINTOPOINT) ? NET_IF_POINTTOPOINT : 0) |
           ((flags & IFF_MULTICAST) ? NET_IF_MULTICAST : 0);
}

static void address_of(NetAddress *a, const struct sockaddr *from)
{
    struct sockaddr_storage s = {0};
    if (!from || (from->sa_family != AF_INET && from->sa_family != AF_INET6)) {
        return;
    }
    size_t n = from->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    memcpy(&s, from, n);
    socket_address_from(a, &s, (socklen_t)n);
}

static void name_to(char to[IFNAMSIZ], const char *name)
{
    memcpy(to, name, strnlen(name, IFNAMSIZ - 1)); /* to is all zeros */
}

static int mtu_of(const char *name)
{
    struct ifreq r = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return 0;
    }
    name_to(r.ifr_name, name);
    int mtu = ioctl(fd, SIOCGIFMTU, &r) < 0 ? 0 : r.ifr_mtu;
    close(fd);
    return mtu;
}

static void interface_from(NetInterface *i, const struct ifaddrs *a)
{
    snprintf(i->name, sizeof i->name, "%s", a->ifa_name);
    i->flags = flags_from(a->ifa_flags);
    i->mtu = mtu_of(i->name);
    address_of(&i->address, a->ifa_addr);
    if (i->address.family != NET_UNSPEC) {
        address_of(&i->netmask, a->ifa_netmask);
        address_of((a->ifa_flags & IFF_POINTOPOINT) ? &i->destination : &i->broadcast,
                   (a->ifa_flags & (IFF_POINTOPOINT | IFF_BROADCAST)) ? a->ifa_dstaddr : NULL);
    } else if (a->ifa_addr && a->ifa_addr->sa_family == AF_PACKET) {
        const struct sockaddr_ll *link = (const struct sockaddr_ll *)(const void *)a->ifa_addr;
        i->hardware_size = link->sll_halen < sizeof i->hardware ? link->sll_halen : sizeof i->hardware;
        memcpy(i->hardware, link->sll_addr, i->hardware_size < sizeof link->sll_addr ? i->hardware_size
                                                                                    : sizeof link->sll_addr);
    }
}

static Term list_here(void *arg)
{
    return getifaddrs(arg) < 0 ? socket_error() : NONVALUE;
}

Term socket_interfaces(const char *netns, NetInterface **list, size_t *count)
{
    struct ifaddrs *all = NULL;
    Term error = socket_in_netns(netns, list_here, &all);
    if (error != NONVALUE) {
        return error;
    }
    size_t n = 0;
    for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
        n++;
    }
    *list = vm_calloc((n + 1) * sizeof **list);
    *count = n;
    n = 0;
    for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
        interface_from(&(*list)[n++], a);
    }
    freeifaddrs(all);
    return NONVALUE;
}

/* --- changing one ------------------------------------------------------------------------------------------------ */
static void put_address(struct sockaddr *to, const NetAddress *a)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)to;
    if (a->family == NET_INET) { /* the requests below take no other */
        in->sin_family = AF_INET;
        memcpy(&in->sin_addr, a->bytes, sizeof in->sin_addr);
    }
}

static void set_flags(int fd, struct ifreq *r, unsigned wish)
{
    static const struct {
        unsigned bit;
        short flag;
    } flags[] = {{NET_IF_UP, IFF_UP}, {NET_IF_BROADCAST, IFF_BROADCAST}, {NET_IF_POINTTOPOINT, IFF_POINTOPOINT}};
    short before = ioctl(fd, SIOCGIFFLAGS, r) < 0 ? 0 : r->ifr_flags, after = before;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (wish & flags[i].bit) {
            after = (short)(after | flags[i].flag);
        }
        if (wish & flags[i].bit << FLAGS_OFF_SHIFT) {
            after = (short)(after & ~flags[i].flag);
        }
    }
    if (after != before) {
        r->ifr_flags = after;
        ioctl(fd, SIOCSIFFLAGS, r);
    }
}

void socket_set_interface(Socket *s, NetInterfaceField what, const NetInterface *value)
{
    struct ifreq r = {0};
    int fd = socket_fd(s);
    name_to(r.ifr_name, value->name);
    switch (what) {
    case NET_IF_FIELD_ADDRESS:
        put_address(&r.ifr_addr, &value->address);
        ioctl(fd, SIOCSIFADDR, &r);
        break;
    case NET_IF_FIELD_BROADCAST:
        put_address(&r.ifr_broadaddr, &value->broadcast);
        ioctl(fd, SIOCSIFBRDADDR, &r);
        break;
    case NET_IF_FIELD_DESTINATION:
        put_address(&r.ifr_dstaddr, &value->destination);
        ioctl(fd, SIOCSIFDSTADDR, &r);
        break;
    case NET_IF_FIELD_NETMASK:
        put_address(&r.ifr_netmask, &value->netmask);
        ioctl(fd, SIOCSIFNETMASK, &r);
        break;
    case NET_IF_FIELD_MTU:
        r.ifr_mtu = value->mtu;
        ioctl(fd, SIOCSIFMTU, &r);
        break;
    case NET_IF_FIELD_FLAGS:
        set_flags(fd, &r, value->flags);
        break;
    case NET_IF_FIELD_HARDWARE:
        memcpy(r.ifr_hwaddr.sa_data, value->hardware,
               value->hardware_size < sizeof r.ifr_hwaddr.sa_data ? value->hardware_size : sizeof r.ifr_hwaddr.sa_data);
        ioctl(fd, SIOCSIFHWADDR, &r);
        break;
    }
}
