/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network interfaces as prim_inet asks for them: all with all addresses (getifaddrs), or the older way, names and then
 * what one name has (its first IPv4 address, as the system calls behind it did).
 */
#include "vm/term/atom.h"
#include "vm/net/inet_priv.h"

enum { HARDWARE_SIZE = 6 };

static bool is_ip(const NetAddress *a)
{
    return a->family == NET_INET || a->family == NET_INET6;
}

/* A name's bytes above 127 as UTF-8. */
static void put_name(Answer *a, const char *name)
{
    for (const uint8_t *s = (const uint8_t *)name; *s; s++) {
        if (*s < 0x80) {
            answer_u8(a, *s);
        } else {
            answer_u8(a, (uint8_t)(0xc0 | *s >> 6));
            answer_u8(a, (uint8_t)(0x80 | (*s & 0x3f)));
        }
    }
    answer_u8(a, 0);
}

static void put_address(Answer *a, NetInterfaceField what, const NetAddress *address)
{
    answer_u8(a, (uint8_t)what);
    address_write_ip(a, address);
}

static void put_flags(Answer *a, unsigned flags)
{
    answer_u8(a, NET_IF_FIELD_FLAGS);
    answer_u32(a, flags);
}

static void put_hardware(Answer *a, const uint8_t *bytes, size_t n)
{
    answer_u8(a, NET_IF_FIELD_HARDWARE);
    answer_u16(a, (uint16_t)n);
    answer_bytes(a, bytes, n);
}

static void put_interface(Answer *a, const NetInterface *i)
{
    put_name(a, i->name);
    put_flags(a, i->flags);
    if (is_ip(&i->address)) {
        put_address(a, NET_IF_FIELD_ADDRESS, &i->address);
        if (is_ip(&i->netmask)) {
            put_address(a, NET_IF_FIELD_NETMASK, &i->netmask);
        }
        if (is_ip(&i->destination)) {
            put_address(a, NET_IF_FIELD_DESTINATION, &i->destination);
        } else if (is_ip(&i->broadcast)) {
            put_address(a, NET_IF_FIELD_BROADCAST, &i->broadcast);
        }
    } else if (i->hardware_size > 1) {
        put_hardware(a, i->hardware, i->hardware_size);
    }
    answer_u8(a, 0);
}

static void put_all(Answer *a, const NetInterface *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_interface(a, &list[i]);
    }
}

static void put_names(Answer *a, const NetInterface *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].address.family == NET_INET) {
            answer_bytes(a, list[i].name, strlen(list[i].name) + 1);
        }
    }
}

/* --- one interface --------------------------------------------------------------------------------------------- */
typedef struct Found {
    const NetInterface *any, *ip4, *hardware; /* NULL: there is none */
} Found;

static Found find(const NetInterface *list, size_t count, const char *name)
{
    Found f = {0};
    for (size_t i = 0; i < count; i++) {
        const NetInterface *at = &list[i];
        if (strcmp(at->name, name) != 0) {
            continue;
        }
        f.any = f.any ? f.any : at;
        f.ip4 = f.ip4 || at->address.family != NET_INET ? f.ip4 : at;
        f.hardware = f.hardware || !at->hardware_size ? f.hardware : at;
    }
    return f;
}

/* An address that the interface has not got is 0.0.0.0, or for a destination its own. */
static void put_ip4(Answer *a, NetInterfaceField what, const NetAddress *address, const NetAddress *otherwise)
{
    static const NetAddress zero = {.family = NET_INET, .size = 4};
    put_address(a, what, address->family == NET_INET ? address : otherwise ? otherwise : &zero);
}

static bool put_field(Answer *a, NetInterfaceField what, const Found *f)
{
    switch (what) {
    case NET_IF_FIELD_ADDRESS:
        if (f->ip4) {
            put_ip4(a, what, &f->ip4->address, NULL);
        }
        return true;
    case NET_IF_FIELD_BROADCAST:
        if (f->ip4) {
            put_ip4(a, what, &f->ip4->broadcast, NULL);
        }
        return true;
    case NET_IF_FIELD_DESTINATION:
        if (f->ip4) {
            put_ip4(a, what, &f->ip4->destination, &f->ip4->address);
        }
        return true;
    case NET_IF_FIELD_NETMASK:
        if (f->ip4) {
            put_ip4(a, what, &f->ip4->netmask, NULL);
        }
        return true;
    case NET_IF_FIELD_MTU:
        if (f->any) {
            answer_u8(a, NET_IF_FIELD_MTU);
            answer_u32(a, (uint32_t)f->any->mtu);
        }
        return true;
    case NET_IF_FIELD_FLAGS:
        put_flags(a, f->any ? f->any->flags : 0);
        return true;
    case NET_IF_FIELD_HARDWARE:
        if (f->hardware) {
            uint8_t bytes[HARDWARE_SIZE] = {0};
            memcpy(bytes, f->hardware->hardware,
                   f->hardware->hardware_size < HARDWARE_SIZE ? f->hardware->hardware_size : HARDWARE_SIZE);
            put_hardware(a, bytes, HARDWARE_SIZE);
        }
        return true;
    default:
        return false;
    }
}

static bool request_name(Request *r, char *name, size_t room)
{
    size_t n = request_u8(r);
    const uint8_t *bytes = request_bytes(r, n);
    if (!bytes) {
        return false;
    }
    n = n < room ? n : room - 1;
    memcpy(name, bytes, n);
    name[n] = 0;
    return true;
}

static bool put_fields(Answer *a, Request *r, const NetInterface *list, size_t count)
{
    char name[16];
    if (!request_name(r, name, sizeof name)) {
        return false;
    }
    Found f = find(list, count, name);
    while (r->left) {
        if (!put_field(a, (NetInterfaceField)request_u8(r), &f)) {
            return false;
        }
    }
    return true;
}

/* --- changing one ------------------------------------------------------------------------------------------------ */
static bool read_ip(Request *r, NetAddress *a)
{
    uint8_t family = request_u8(r);
    if (family != NET_INET && family != NET_INET6) {
        return false;
    }
    *a = (NetAddress){.family = family, .size = family == NET_INET ? 4 : 16};
    const uint8_t *bytes = request_bytes(r, a->size);
    if (bytes) {
        memcpy(a->bytes, bytes, a->size);
    }
    return bytes != NULL;
}

static bool read_field(Request *r, NetInterfaceField what, NetInterface *i)
{
    const uint8_t *bytes;
    switch (what) {
    case NET_IF_FIELD_ADDRESS: return read_ip(r, &i->address);
    case NET_IF_FIELD_BROADCAST: return read_ip(r, &i->broadcast);
    case NET_IF_FIELD_DESTINATION: return read_ip(r, &i->destination);
    case NET_IF_FIELD_NETMASK: return read_ip(r, &i->netmask);
    case NET_IF_FIELD_MTU:
        i->mtu = (int)request_u32(r);
        return !r->short_;
    case NET_IF_FIELD_FLAGS:
        i->flags = request_u32(r);
        return !r->short_;
    case NET_IF_FIELD_HARDWARE:
        i->hardware_size = request_u16(r);
        bytes = request_bytes(r, i->hardware_size);
        if (!bytes || i->hardware_size > sizeof i->hardware) {
            return false;
        }
        memcpy(i->hardware, bytes, i->hardware_size);
        return true;
    default:
        return false;
    }
}

static bool request_change(Inet *d, Request *r, Answer *a)
{
    NetInterface i = {0};
    if (!request_name(r, i.name, 16)) {
        return answer_error(a, A_einval);
    }
    while (r->left) {
        NetInterfaceField what = request_u8(r);
        if (!read_field(r, what, &i)) {
            return answer_error(a, A_einval);
        }
        inet_ops()->set_interface(d->socket, what, &i);
    }
    return answer_ok(a);
}

bool inet_interface_request(Inet *d, unsigned command, Request *r, Answer *a)
{
    NetInterface *list;
    size_t count;
    if (!(d->state & STATE_OPEN) || !d->socket) {
        return answer_error(a, A_exbadport);
    }
    if (command == REQ_IFSET) {
        return request_change(d, r, a);
    }
    Term error = inet_ops()->interfaces(d->netns, &list, &count);
    if (error != NONVALUE) {
        return answer_error(a, error);
    }
    bool good = true;
    answer_ok(a);
    if (command == REQ_GETIFADDRS) {
        put_all(a, list, count);
    } else if (command == REQ_GETIFLIST) {
        put_names(a, list, count);
    } else {
        good = put_fields(a, r, list, count);
    }
    vm_free(list);
    return good ? true : answer_error(a, A_einval);
}
