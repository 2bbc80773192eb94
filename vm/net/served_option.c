/* SPDX-License-Identifier: Apache-2.0 */
/* What served sockets keep about themselves and the machine: options, groups, interfaces, names. See served_priv.h. */
#include "vm/net/served_priv.h"

#include "vm/term/atom.h"

enum { RECEIVE_ROOM = 256 << 10, SEND_ROOM = 256 << 10, DEFAULT_TTL = 64 };
enum { IDLE_S = 7200, INTERVAL_S = 75, PROBES = 9 };
enum { RAW_TCP = 6, RAW_TCP_KEEPIDLE = 4 };

void served_options_init(Served *s)
{
    s->options[SOPT_SNDBUF] = SEND_ROOM;
    s->options[SOPT_RCVBUF] = RECEIVE_ROOM;
    s->options[SOPT_TTL] = DEFAULT_TTL;
    s->options[SOPT_MULTICAST_TTL] = 1;
    s->options[SOPT_MULTICAST_LOOP] = 1;
    s->keep[KEEP_IDLE] = IDLE_S;
    s->keep[KEEP_INTERVAL] = INTERVAL_S;
    s->keep[KEEP_COUNT] = PROBES;
}

/* --- groups --------------------------------------------------------------------------------------------------- */
static void group_tell(const Served *s, Term how, const NetAddress *group)
{
    Letter l = letter_new(SERVED_MESSAGE_WORDS + 4 + HEAP_BIN_WORDS(sizeof group->bytes));
    Term ip = letter_binary(&l, group->bytes, group->size);
    served_tell(s, &l, letter_tuple(&l, 3, (const Term[]){A_group, how, ip}));
}

void served_groups_tell(const Served *s)
{
    for (const ServedGroup *g = s->groups; g; g = g->next) {
        group_tell(s, A_join, &g->group);
    }
}

bool served_is_member(const Served *s, const NetAddress *group)
{
    const ServedGroup *g = s->groups;
    while (g && !served_same_ip(&g->group, group)) {
        g = g->next;
    }
    return g != NULL;
}

void served_groups_clear(Served *s)
{
    while (s->groups) {
        ServedGroup *g = s->groups;
        s->groups = g->next;
        group_tell(s, A_leave, &g->group);
        vm_free(g);
    }
}

static bool is_multicast(const NetAddress *a)
{
    return a->family == NET_INET ? (a->bytes[0] & 0xf0) == 0xe0 : a->bytes[0] == 0xff;
}

static Term join(Served *s, const NetAddress *group)
{
    if (!is_multicast(group)) {
        return A_einval;
    }
    if (served_is_member(s, group)) {
        return A_eaddrinuse;
    }
    ServedGroup *g = vm_calloc(sizeof *g);
    *g = (ServedGroup){s->groups, *group};
    s->groups = g;
    group_tell(s, A_join, group);
    return NONVALUE;
}

static Term leave(Served *s, const NetAddress *group)
{
    ServedGroup **at = &s->groups;
    while (*at && !served_same_ip(&(*at)->group, group)) {
        at = &(*at)->next;
    }
    if (!*at) {
        return A_eaddrnotavail;
    }
    ServedGroup *g = *at;
    *at = g->next;
    group_tell(s, A_leave, group);
    vm_free(g);
    return NONVALUE;
}

/* --- options -------------------------------------------------------------------------------------------------- */
/* Those that a connection's process acts on. */
static const struct {
    SocketOption option;
    Term name;
} settings[] = {{SOPT_NODELAY, A_nodelay}, {SOPT_KEEPALIVE, A_keepalive}, {SOPT_RCVBUF, A_recbuf},
                {SOPT_TOS, A_tos}, {SOPT_TTL, A_ttl}};
static const Term keep_names[KEEP_SETTINGS] = {A_keepidle, A_keepintvl, A_keepcnt};

Term served_settings_term(Letter *l, const Served *s)
{
    Term list = NIL;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        Term value = make_small(s->options[settings[i].option]);
        list = heap_cons(&l->hp, letter_tuple(l, 2, (const Term[]){settings[i].name, value}), list);
    }
    for (size_t i = 0; i < KEEP_SETTINGS; i++) {
        Term value = make_small(s->keep[i]);
        list = heap_cons(&l->hp, letter_tuple(l, 2, (const Term[]){keep_names[i], value}), list);
    }
    return list;
}

static void tell_setting(const Served *s, Term name, int32_t value)
{
    if (s->type != NET_STREAM || (s->state != SERVED_CONNECTED && s->state != SERVED_CONNECTING)) {
        return;
    }
    Letter l = letter_new(SERVED_MESSAGE_WORDS + 4);
    served_tell(s, &l, letter_tuple(&l, 3, (const Term[]){A_option, name, make_small(value)}));
}

static Term set_raw(Served *s, const SocketValue *v)
{
    int which = v->name - RAW_TCP_KEEPIDLE;
    int32_t value;
    if (v->level != RAW_TCP || which < 0 || which >= KEEP_SETTINGS) {
        return A_enoprotoopt;
    }
    if (v->size < sizeof value) {
        return A_einval;
    }
    memcpy(&value, v->bytes, sizeof value);
    if (value < 1 || value > INT16_MAX) {
        return A_einval;
    }
    s->keep[which] = value;
    tell_setting(s, keep_names[which], value);
    return NONVALUE;
}

static Term get_raw(const Served *s, SocketValue *v)
{
    int which = v->name - RAW_TCP_KEEPIDLE;
    if (v->level != RAW_TCP || which < 0 || which >= KEEP_SETTINGS) {
        return A_enoprotoopt;
    }
    v->size = v->size < sizeof s->keep[which] ? v->size : sizeof s->keep[which];
    memcpy(v->bytes, &s->keep[which], v->size);
    return NONVALUE;
}

/* The value as the option keeps it. False: out of its range. */
static bool normal(NetFamily family, SocketOption option, int32_t *value)
{
    switch (option) {
    case SOPT_SNDBUF: case SOPT_RCVBUF:
        *value = *value < 4096 ? 4096 : *value > 4 << 20 ? 4 << 20 : *value;
        return true;
    case SOPT_TOS: case SOPT_TCLASS:
        return (option == SOPT_TOS || family == NET_INET6) && *value >= 0 && *value <= UINT8_MAX;
    case SOPT_TTL:
        return *value >= 1 && *value <= UINT8_MAX;
    case SOPT_MULTICAST_TTL:
        return *value >= 0 && *value <= UINT8_MAX;
    case SOPT_RECVTCLASS: case SOPT_IPV6_V6ONLY:
        *value = *value != 0;
        return family == NET_INET6;
    case SOPT_PRIORITY:
        return *value >= 0 && *value <= 6;
    default:
        *value = *value != 0;
        return true;
    }
}

Term served_set_option(Socket *h, NetFamily family, SocketOption option, const SocketValue *v)
{
    Served *s = served_of(h);
    int32_t value = v->number;
    switch (option) {
    case SOPT_LINGER:
        s->linger_on = v->number != 0;
        s->linger_seconds = v->number2;
        return NONVALUE;
    case SOPT_ADD_MEMBERSHIP: return join(s, &v->address);
    case SOPT_DROP_MEMBERSHIP: return leave(s, &v->address);
    case SOPT_MULTICAST_IF:
        s->multicast_if = v->number;
        return NONVALUE;
    case SOPT_RAW: return set_raw(s, v);
    case SOPT_BIND_TO_DEVICE: return A_enoprotoopt;
    default: break;
    }
    if (!normal(family, option, &value)) {
        return A_einval;
    }
    if (option == SOPT_SNDBUF) { /* what is under way still comes back as room */
        spin_lock(&s->lock);
        int64_t room = (int64_t)s->room + value - s->options[SOPT_SNDBUF];
        s->room = room < 1 ? 1 : (size_t)room;
        spin_unlock(&s->lock);
    }
    s->options[option] = value;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (settings[i].option == option) {
            tell_setting(s, settings[i].name, value);
        }
    }
    return NONVALUE;
}

Term served_get_option(Socket *h, NetFamily family, SocketOption option, SocketValue *v)
{
    const Served *s = served_of(h);
    switch (option) {
    case SOPT_LINGER:
        v->number = s->linger_on;
        v->number2 = s->linger_seconds;
        return NONVALUE;
    case SOPT_RAW: return get_raw(s, v);
    case SOPT_BIND_TO_DEVICE: return A_enoprotoopt;
    case SOPT_MULTICAST_IF:
        v->number = s->multicast_if;
        for (unsigned i = 0; i < 4; i++) {
            v->address.bytes[i] = (uint8_t)((uint32_t)s->multicast_if >> 8 * (3 - i));
        }
        return NONVALUE;
    case SOPT_TCLASS: case SOPT_RECVTCLASS: case SOPT_IPV6_V6ONLY:
        if (family != NET_INET6) {
            return A_enoprotoopt;
        }
        break;
    case SOPT_NODELAY: case SOPT_NOPUSH:
        if (s->type != NET_STREAM) {
            return A_enoprotoopt;
        }
        break;
    default: break;
    }
    v->number = s->options[option];
    return NONVALUE;
}

Term served_packet_extras(Socket *h, NetFamily family, SocketExtra *extras, size_t *count)
{
    const Served *s = served_of(h);
    (void)family;
    (void)extras;
    *count = 0;
    return s->type == NET_STREAM ? NONVALUE : A_enoprotoopt;
}

/* --- addresses of this machine -------------------------------------------------------------------------------- */
static bool matches(const NetInterface *i, const NetAddress *a)
{
    for (size_t k = 0; k < a->size; k++) {
        if ((i->address.bytes[k] ^ a->bytes[k]) & i->netmask.bytes[k]) {
            return false;
        }
    }
    return true;
}

bool served_is_ours(const NetAddress *a)
{
    const ServedHost *host = served_host();
    for (size_t k = 0; k < host->count; k++) {
        const NetInterface *i = &host->interfaces[k];
        bool loopback = (i->flags & NET_IF_LOOPBACK) && i->address.family == NET_INET && matches(i, a);
        bool broadcast = i->broadcast.family == a->family && served_same_ip(&i->broadcast, a);
        if (i->address.family == a->family && (loopback || broadcast || served_same_ip(&i->address, a))) {
            return true;
        }
    }
    return is_multicast(a) || (a->family == NET_INET && memcmp(a->bytes, "\xff\xff\xff\xff", 4) == 0);
}

bool served_source(const NetAddress *to, NetAddress *from)
{
    const ServedHost *host = served_host();
    const NetAddress *otherwise = &host->default_source[to->family == NET_INET6];
    bool everywhere = is_multicast(to) || (to->family == NET_INET && memcmp(to->bytes, "\xff\xff\xff\xff", 4) == 0);
    for (size_t k = 0; k < host->count; k++) {
        const NetInterface *i = &host->interfaces[k];
        if (i->address.family != to->family) {
            continue;
        }
        if (served_same_ip(&i->address, to) || matches(i, to)) {
            *from = i->address;
            return true;
        }
        if (everywhere && otherwise->family == NET_UNSPEC) {
            otherwise = &i->address;
        }
    }
    *from = *otherwise;
    return otherwise->family != NET_UNSPEC;
}

/* --- names ---------------------------------------------------------------------------------------------------- */
Term served_host_name(char *text, size_t n)
{
    const char *name = served_host()->name[0] ? served_host()->name : "loom";
    size_t size = strlen(name) < n - 1 ? strlen(name) : n - 1;
    memcpy(text, name, size);
    text[size] = 0;
    return NONVALUE;
}

typedef struct Service {
    const char *name;
    int port;
    const char *protocol; /* NULL: both */
} Service;

/* IANA's, the ones programs ask for. */
static const Service services[] = {
    {"echo", 7, NULL},       {"discard", 9, NULL},    {"daytime", 13, "tcp"}, {"ftp-data", 20, "tcp"},
    {"ftp", 21, "tcp"},      {"ssh", 22, "tcp"},      {"telnet", 23, "tcp"},  {"smtp", 25, "tcp"},
    {"time", 37, NULL},      {"domain", 53, NULL},    {"bootps", 67, "udp"},  {"bootpc", 68, "udp"},
    {"tftp", 69, "udp"},     {"http", 80, "tcp"},     {"kerberos", 88, NULL}, {"pop3", 110, "tcp"},
    {"sunrpc", 111, NULL},   {"ntp", 123, "udp"},     {"imap2", 143, "tcp"},  {"snmp", 161, NULL},
    {"ldap", 389, NULL},     {"https", 443, NULL},    {"syslog", 514, "udp"}, {"imaps", 993, "tcp"},
    {"pop3s", 995, "tcp"},   {"mysql", 3306, "tcp"},  {"epmd", 4369, "tcp"},  {"sip", 5060, NULL},
    {"postgresql", 5432, "tcp"},
};

static bool is_protocol(const Service *s, const char *protocol)
{
    bool known = strcmp(protocol, "tcp") == 0 || strcmp(protocol, "udp") == 0;
    return known && (!s->protocol || strcmp(s->protocol, protocol) == 0);
}

int served_service_port(const char *name, const char *protocol)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if (strcmp(services[i].name, name) == 0 && is_protocol(&services[i], protocol)) {
            return services[i].port;
        }
    }
    return -1;
}

bool served_service_name(unsigned port, const char *protocol, char *text, size_t n)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        const Service *s = &services[i];
        if (s->port == (int)port && is_protocol(s, protocol) && strlen(s->name) < n) {
            memcpy(text, s->name, strlen(s->name) + 1);
            return true;
        }
    }
    return false;
}

/* --- interfaces ----------------------------------------------------------------------------------------------- */
Term served_interfaces(const char *netns, NetInterface **list, size_t *count)
{
    const ServedHost *host = served_host();
    if (netns) {
        return A_enoent;
    }
    *count = host->count;
    *list = vm_calloc((host->count + 1) * sizeof **list);
    if (host->count) {
        memcpy(*list, host->interfaces, host->count * sizeof **list);
    }
    return NONVALUE;
}

/* Addresses are changed by the service's own functions. */
void served_set_interface(Socket *h, NetInterfaceField what, const NetInterface *value)
{
    (void)h;
    (void)what;
    (void)value;
}
