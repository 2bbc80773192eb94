/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * Options of the module socket. One row an option: its number, and how its value is read and built. A row without
 * either is an option that OTP knows by name and does not have here.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <linux/sctp.h> /* needs the ones before it */

#include "plat/linux/esock.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

enum { CONGESTION_MAX = 256, SOURCES_MAX = 1024 };

/* Where an option is set or asked. */
typedef struct At {
    int fd, level, number;
    const EsockKind *kind;
    size_t control_size;
} At;
typedef Term (*OptionSet)(Proc *p, const At *at, Term value);
typedef Term (*OptionGet)(Proc *p, const At *at);

/* --- plain ones ------------------------------------------------------------------------------- */
static Term failed(Proc *p)
{
    return esock_error(p, posix_atom(errno));
}

static Term bad_value(Proc *p)
{
    return esock_invalid(p, A_value);
}

static Term set_raw(Proc *p, const At *at, const void *bytes, size_t n)
{
    Term error = socket_set_bytes(at->fd, at->level, at->number, bytes, (socklen_t)n);
    return error == NONVALUE ? A_ok : esock_error(p, error);
}

static bool get_raw(const At *at, void *bytes, socklen_t n)
{
    memset(bytes, 0, n);
    return getsockopt(at->fd, at->level, at->number, bytes, &n) == 0;
}

static Term set_bool(Proc *p, const At *at, Term value)
{
    int v = value == A_true;
    return is_boolean(value) ? set_raw(p, at, &v, sizeof v) : bad_value(p);
}

static Term get_bool(Proc *p, const At *at)
{
    int v;
    return get_raw(at, &v, sizeof v) ? esock_ok(p, make_boolean(v != 0)) : failed(p);
}

static Term set_int(Proc *p, const At *at, Term value)
{
    int v;
    return esock_int(value, &v) ? set_raw(p, at, &v, sizeof v) : bad_value(p);
}

static Term get_int(Proc *p, const At *at)
{
    int v;
    return get_raw(at, &v, sizeof v) ? esock_ok(p, make_small(v)) : failed(p);
}

/* A list of characters of less than `max`. */
static Term set_string(Proc *p, const At *at, Term value, size_t max)
{
    char text[CONGESTION_MAX + 1];
    size_t n = 0;
    for (; is_cons(value) && n + 1 < max; value = cons_tail(value), n++) {
        Term c = cons_head(value);
        if (!is_small(c) || small_value(c) < 0 || small_value(c) > UINT8_MAX) {
            return bad_value(p);
        }
        text[n] = (char)small_value(c);
    }
    return is_nil(value) ? set_raw(p, at, text, n) : bad_value(p);
}

static Term get_string(Proc *p, const At *at, size_t max, bool without_nul)
{
    uint8_t text[CONGESTION_MAX + 1] = {0};
    socklen_t n = (socklen_t)max;
    if (getsockopt(at->fd, at->level, at->number, text, &n) < 0) {
        return failed(p);
    }
    n -= without_nul && n > 0 && text[n - 1] == 0;
    return esock_ok(p, heap_string(p, text, n));
}

/* --- level socket ----------------------------------------------------------------------------- */
static Term set_device(Proc *p, const At *at, Term value) { return set_string(p, at, value, IFNAMSIZ); }
static Term get_device(Proc *p, const At *at) { return get_string(p, at, IFNAMSIZ + 1, false); }
static Term set_congestion(Proc *p, const At *at, Term value) { return set_string(p, at, value, CONGESTION_MAX + 1); }
static Term get_congestion(Proc *p, const At *at)
{
    return get_string(p, at, CONGESTION_MAX + 1, true);
}

static Term set_linger(Proc *p, const At *at, Term value)
{
    struct linger l = {.l_onoff = 1};
    Term on = is_map(value) ? map_get(value, A_onoff) : NONVALUE;
    Term seconds = is_map(value) ? map_get(value, A_linger) : NONVALUE;
    if (value == A_abort) {
        return set_raw(p, at, &l, sizeof l);
    }
    if (on == NONVALUE || seconds == NONVALUE || !is_boolean(on) || !esock_int(seconds, &l.l_linger) ||
        l.l_linger < 0) {
        return bad_value(p);
    }
    l.l_onoff = on == A_true;
    return set_raw(p, at, &l, sizeof l);
}

static Term get_linger(Proc *p, const At *at)
{
    struct linger l;
    if (!get_raw(at, &l, sizeof l)) {
        return failed(p);
    }
    const Term kv[] = {A_onoff, make_boolean(l.l_onoff != 0), A_linger, make_small(l.l_linger)};
    return esock_ok(p, map_from_pairs(p, kv, 2));
}

static Term get_domain(Proc *p, const At *at)
{
    int v;
    return get_raw(at, &v, sizeof v) ? esock_ok(p, sockaddr_family_name(v)) : failed(p);
}

static Term get_type(Proc *p, const At *at)
{
    int v;
    return get_raw(at, &v, sizeof v) ? esock_ok(p, socket_type_name(v)) : failed(p);
}

static Term get_protocol(Proc *p, const At *at)
{
    int v;
    if (!get_raw(at, &v, sizeof v)) {
        return failed(p);
    }
    return esock_ok(p, v == 0 && at->kind->domain == A_local ? A_default : make_small(v));
}

/* --- levels ip and ipv6 ----------------------------------------------------------------------- */
/* The numbers are the same for both. */
static bool discover_read(Term t, int *v)
{
    switch (t) {
    case A_want: *v = IP_PMTUDISC_WANT; return true;
    case A_dont: *v = IP_PMTUDISC_DONT; return true;
    case A_do: *v = IP_PMTUDISC_DO; return true;
    case A_probe: *v = IP_PMTUDISC_PROBE; return true;
    default: return esock_int(t, v);
    }
}

static Term set_discover(Proc *p, const At *at, Term value)
{
    int v;
    return discover_read(value, &v) ? set_raw(p, at, &v, sizeof v) : bad_value(p);
}

static Term get_discover(Proc *p, const At *at)
{
    const Term names[] = {[IP_PMTUDISC_DONT] = A_dont, [IP_PMTUDISC_WANT] = A_want, [IP_PMTUDISC_DO] = A_do,
                          [IP_PMTUDISC_PROBE] = A_probe};
    int v;
    if (!get_raw(at, &v, sizeof v)) {
        return failed(p);
    }
    return esock_ok(p, v >= 0 && v < (int)(sizeof names / sizeof *names) ? names[v] : make_small(v));
}

static Term set_tos(Proc *p, const At *at, Term value)
{
    int v;
    return esock_tos_read(value, &v) ? set_raw(p, at, &v, sizeof v) : bad_value(p);
}

static Term get_tos(Proc *p, const At *at)
{
    int v;
    return get_raw(at, &v, sizeof v) ? esock_ok(p, esock_tos_build(v)) : failed(p);
}

static Term set_multicast_if(Proc *p, const At *at, Term value)
{
    struct in_addr a;
    return in_addr_of(value, &a) ? set_raw(p, at, &a, sizeof a) : bad_value(p);
}

static Term get_multicast_if(Proc *p, const At *at)
{
    struct in_addr a;
    return get_raw(at, &a, sizeof a) ? esock_ok(p, in_addr_tuple(p, &a)) : failed(p);
}

static bool in_addr_at(Term map, Term key, struct in_addr *a)
{
    Term t = is_map(map) ? map_get(map, key) : NONVALUE;
    return t != NONVALUE && in_addr_of(t, a);
}

static Term set_membership(Proc *p, const At *at, Term value)
{
    struct ip_mreq m;
    if (!in_addr_at(value, A_multiaddr, &m.imr_multiaddr) || !in_addr_at(value, A_interface, &m.imr_interface)) {
        return bad_value(p);
    }
    return set_raw(p, at, &m, sizeof m);
}

static Term set_source(Proc *p, const At *at, Term value)
{
    struct ip_mreq_source m;
    if (!in_addr_at(value, A_multiaddr, &m.imr_multiaddr) || !in_addr_at(value, A_interface, &m.imr_interface) ||
        !in_addr_at(value, A_sourceaddr, &m.imr_sourceaddr)) {
        return bad_value(p);
    }
    return set_raw(p, at, &m, sizeof m);
}

static Term set_filter(Proc *p, const At *at, Term value)
{
    union {
        struct ip_msfilter f;
        uint8_t room[IP_MSFILTER_SIZE(SOURCES_MAX)];
    } u;
    Term mode = is_map(value) ? map_get(value, A_mode) : NONVALUE;
    Term list = is_map(value) ? map_get(value, A_slist) : NONVALUE;
    if (value == A_null) {
        return set_raw(p, at, NULL, 0);
    }
    if (!in_addr_at(value, A_multiaddr, &u.f.imsf_multiaddr) || !in_addr_at(value, A_interface, &u.f.imsf_interface) ||
        (mode != A_include && mode != A_exclude) || list == NONVALUE) {
        return bad_value(p);
    }
    u.f.imsf_fmode = mode == A_include ? MCAST_INCLUDE : MCAST_EXCLUDE;
    u.f.imsf_numsrc = 0;
    struct in_addr *to = (struct in_addr *)(void *)(u.room + IP_MSFILTER_SIZE(0));
    for (; is_cons(list) && u.f.imsf_numsrc < SOURCES_MAX; list = cons_tail(list)) {
        if (!in_addr_of(cons_head(list), &to[u.f.imsf_numsrc++])) {
            return bad_value(p);
        }
    }
    return is_nil(list) ? set_raw(p, at, &u, IP_MSFILTER_SIZE(u.f.imsf_numsrc)) : bad_value(p);
}

static Term set_membership6(Proc *p, const At *at, Term value)
{
    struct ipv6_mreq m;
    Term t = is_map(value) ? map_get(value, A_multiaddr) : NONVALUE;
    if (t == NONVALUE || !in6_addr_of(t, &m.ipv6mr_multiaddr) ||
        !esock_get_uint(value, A_interface, &m.ipv6mr_interface)) {
        return bad_value(p);
    }
    return set_raw(p, at, &m, sizeof m);
}

static Term set_form(Proc *p, const At *at, Term value)
{
    int v;
    return sockaddr_family_of(value, &v) ? set_raw(p, at, &v, sizeof v) : bad_value(p);
}

static Term set_hops(Proc *p, const At *at, Term value)
{
    int v = -1;
    if (value != A_default && (!esock_int(value, &v) || v < 0 || v > UINT8_MAX)) {
        return bad_value(p);
    }
    return set_raw(p, at, &v, sizeof v);
}

static Term get_packet_options(Proc *p, const At *at)
{
    uint8_t *room = vm_calloc(at->control_size);
    socklen_t n = (socklen_t)at->control_size;
    Term answer = getsockopt(at->fd, at->level, at->number, room, &n) < 0
                      ? failed(p)
                      : esock_ok(p, esock_control_build(p, room, n));
    vm_free(room);
    return answer;
}

/* --- level sctp ------------------------------------------------------------------------------- */
static bool get_u16(Term map, Term key, uint16_t *v)
{
    unsigned n;
    if (!esock_get_uint(map, key, &n)) {
        return false;
    }
    *v = (uint16_t)n;
    return true;
}

static bool get_id(Term map, Term key, sctp_assoc_t *v)
{
    Term t = map_get(map, key);
    int64_t n;
    if (t == NONVALUE || !is_integer(t) || !integer_to_int64(t, &n) || n < INT32_MIN || n > UINT32_MAX) {
        return false;
    }
    *v = (sctp_assoc_t)n;
    return true;
}

static Term set_association(Proc *p, const At *at, Term value)
{
    struct sctp_assocparams a = {0};
    if (!is_map(value) || !get_id(value, A_assoc_id, &a.sasoc_assoc_id) ||
        !get_u16(value, A_asocmaxrxt, &a.sasoc_asocmaxrxt) ||
        !get_u16(value, A_number_peer_destinations, &a.sasoc_number_peer_destinations) ||
        !esock_get_uint(value, A_peer_rwnd, &a.sasoc_peer_rwnd) ||
        !esock_get_uint(value, A_local_rwnd, &a.sasoc_local_rwnd) ||
        !esock_get_uint(value, A_cookie_life, &a.sasoc_cookie_life)) {
        return bad_value(p);
    }
    return set_raw(p, at, &a, sizeof a);
}

static Term get_association(Proc *p, const At *at)
{
    struct sctp_assocparams a;
    if (!get_raw(at, &a, sizeof a)) {
        return failed(p);
    }
    const Term kv[] = {A_assoc_id, heap_uint64(p, (unsigned)a.sasoc_assoc_id),
                       A_asocmaxrxt, make_small(a.sasoc_asocmaxrxt),
                       A_number_peer_destinations, make_small(a.sasoc_number_peer_destinations),
                       A_peer_rwnd, heap_uint64(p, a.sasoc_peer_rwnd),
                       A_local_rwnd, heap_uint64(p, a.sasoc_local_rwnd),
                       A_cookie_life, heap_uint64(p, a.sasoc_cookie_life)};
    return esock_ok(p, map_from_pairs(p, kv, 6));
}

static Term set_events(Proc *p, const At *at, Term value)
{
    const Term keys[] = {A_data_io, A_association, A_address, A_send_failure, A_peer_error, A_shutdown,
                         A_partial_delivery, A_adaptation_layer, A_authentication, A_sender_dry};
    uint8_t on[sizeof keys / sizeof *keys]; /* the first ten bytes of sctp_event_subscribe */
    for (size_t i = 0; i < sizeof on; i++) {
        Term t = is_map(value) ? map_get(value, keys[i]) : NONVALUE;
        if (t == NONVALUE || !is_boolean(t)) {
            return bad_value(p);
        }
        on[i] = t == A_true;
    }
    return set_raw(p, at, on, sizeof on);
}

static Term set_initmsg(Proc *p, const At *at, Term value)
{
    struct sctp_initmsg m;
    if (!is_map(value) || !get_u16(value, A_num_outstreams, &m.sinit_num_ostreams) ||
        !get_u16(value, A_max_instreams, &m.sinit_max_instreams) ||
        !get_u16(value, A_max_attempts, &m.sinit_max_attempts) ||
        !get_u16(value, A_max_init_timeo, &m.sinit_max_init_timeo)) {
        return bad_value(p);
    }
    return set_raw(p, at, &m, sizeof m);
}

static Term get_initmsg(Proc *p, const At *at)
{
    struct sctp_initmsg m;
    if (!get_raw(at, &m, sizeof m)) {
        return failed(p);
    }
    const Term kv[] = {A_num_outstreams, make_small(m.sinit_num_ostreams),
                       A_max_instreams,  make_small(m.sinit_max_instreams),
                       A_max_attempts,   make_small(m.sinit_max_attempts),
                       A_max_init_timeo, make_small(m.sinit_max_init_timeo)};
    return esock_ok(p, map_from_pairs(p, kv, 4));
}

static Term set_rtoinfo(Proc *p, const At *at, Term value)
{
    struct sctp_rtoinfo r;
    if (!is_map(value) || !get_id(value, A_assoc_id, &r.srto_assoc_id) ||
        !esock_get_uint(value, A_initial, &r.srto_initial) || !esock_get_uint(value, A_max, &r.srto_max) ||
        !esock_get_uint(value, A_min, &r.srto_min)) {
        return bad_value(p);
    }
    return set_raw(p, at, &r, sizeof r);
}

static Term get_rtoinfo(Proc *p, const At *at)
{
    struct sctp_rtoinfo r;
    if (!get_raw(at, &r, sizeof r)) {
        return failed(p);
    }
    const Term kv[] = {A_assoc_id, heap_uint64(p, (unsigned)r.srto_assoc_id), A_initial, heap_uint64(p, r.srto_initial),
                       A_max,      heap_uint64(p, r.srto_max),                A_min,     heap_uint64(p, r.srto_min)};
    return esock_ok(p, map_from_pairs(p, kv, 4));
}

/* --- the table -------------------------------------------------------------------------------- */
typedef struct Option {
    const char *name;
    int number;
    OptionSet set;
    OptionGet get;
} Option;
typedef struct Level {
    int number;
    const Option *options;
    size_t count;
} Level;
#define ABSENT(name) {name, 0, NULL, NULL}
#define FLAG(name, number) {name, number, set_bool, get_bool}
#define NUMBER(name, number) {name, number, set_int, get_int}

static const Option socket_options[] = {
    FLAG("acceptconn", SO_ACCEPTCONN), ABSENT("acceptfilter"),
    {"bindtodevice", SO_BINDTODEVICE, set_device, get_device},
    FLAG("broadcast", SO_BROADCAST), ABSENT("busy_poll"), NUMBER("debug", SO_DEBUG),
    {"domain", SO_DOMAIN, NULL, get_domain},
    FLAG("dontroute", SO_DONTROUTE), ABSENT("error"), FLAG("keepalive", SO_KEEPALIVE),
    {"linger", SO_LINGER, set_linger, get_linger},
    ABSENT("mark"), FLAG("oobinline", SO_OOBINLINE), FLAG("passcred", SO_PASSCRED), NUMBER("peek_off", SO_PEEK_OFF),
    ABSENT("peercred"), NUMBER("priority", SO_PRIORITY),
    {"protocol", SO_PROTOCOL, NULL, get_protocol},
    NUMBER("rcvbuf", SO_RCVBUF), ABSENT("rcvbufforce"), NUMBER("rcvlowat", SO_RCVLOWAT), ABSENT("rcvtimeo"),
    FLAG("reuseaddr", SO_REUSEADDR), FLAG("reuseport", SO_REUSEPORT), ABSENT("rxq_ovfl"), ABSENT("setfib"),
    NUMBER("sndbuf", SO_SNDBUF), ABSENT("sndbufforce"), NUMBER("sndlowat", SO_SNDLOWAT), ABSENT("sndtimeo"),
    FLAG("timestamp", SO_TIMESTAMP),
    {"type", SO_TYPE, NULL, get_type},
};

static const Option ip_options[] = {
    {"add_membership", IP_ADD_MEMBERSHIP, set_membership, NULL},
    {"add_source_membership", IP_ADD_SOURCE_MEMBERSHIP, set_source, NULL},
    {"block_source", IP_BLOCK_SOURCE, set_source, NULL},
    ABSENT("dontfrag"),
    {"drop_membership", IP_DROP_MEMBERSHIP, set_membership, NULL},
    {"drop_source_membership", IP_DROP_SOURCE_MEMBERSHIP, set_source, NULL},
    FLAG("freebind", IP_FREEBIND), FLAG("hdrincl", IP_HDRINCL), NUMBER("minttl", IP_MINTTL),
    {"msfilter", IP_MSFILTER, set_filter, NULL},
    {"mtu", IP_MTU, NULL, get_int},
    {"mtu_discover", IP_MTU_DISCOVER, set_discover, get_discover},
    FLAG("multicast_all", IP_MULTICAST_ALL),
    {"multicast_if", IP_MULTICAST_IF, set_multicast_if, get_multicast_if},
    FLAG("multicast_loop", IP_MULTICAST_LOOP), NUMBER("multicast_ttl", IP_MULTICAST_TTL), FLAG("nodefrag", IP_NODEFRAG),
    ABSENT("options"), FLAG("pktinfo", IP_PKTINFO),
    {"pktoptions", IP_PKTOPTIONS, NULL, get_packet_options},
    ABSENT("recvdstaddr"), FLAG("recverr", IP_RECVERR), ABSENT("recvif"), FLAG("recvopts", IP_RECVOPTS),
    FLAG("recvorigdstaddr", IP_RECVORIGDSTADDR), FLAG("recvtos", IP_RECVTOS), FLAG("recvttl", IP_RECVTTL),
    FLAG("retopts", IP_RETOPTS), NUMBER("router_alert", IP_ROUTER_ALERT), ABSENT("sendsrcaddr"),
    {"tos", IP_TOS, set_tos, get_tos},
    FLAG("transparent", IP_TRANSPARENT), NUMBER("ttl", IP_TTL),
    {"unblock_source", IP_UNBLOCK_SOURCE, set_source, NULL},
};

static const Option ipv6_options[] = {
    {"addrform", IPV6_ADDRFORM, set_form, NULL},
    {"add_membership", IPV6_JOIN_GROUP, set_membership6, NULL},
    FLAG("authhdr", IPV6_AUTHHDR), ABSENT("auth_level"), ABSENT("checksum"),
    {"drop_membership", IPV6_LEAVE_GROUP, set_membership6, NULL},
    FLAG("dstopts", IPV6_DSTOPTS), ABSENT("esp_network_level"), ABSENT("esp_trans_level"), ABSENT("faith"),
    FLAG("flowinfo", 11), /* IPV6_FLOWINFO, which only the kernel's own header names */
    FLAG("hoplimit", IPV6_HOPLIMIT), FLAG("hopopts", IPV6_HOPOPTS), ABSENT("ipcomp_level"), ABSENT("join_group"),
    ABSENT("leave_group"), NUMBER("mtu", IPV6_MTU),
    {"mtu_discover", IPV6_MTU_DISCOVER, set_discover, get_discover},
    {"multicast_hops", IPV6_MULTICAST_HOPS, set_hops, get_int},
    NUMBER("multicast_if", IPV6_MULTICAST_IF), FLAG("multicast_loop", IPV6_MULTICAST_LOOP), ABSENT("portrange"),
    ABSENT("pktoptions"), FLAG("recverr", IPV6_RECVERR), FLAG("recvhoplimit", IPV6_RECVHOPLIMIT),
    FLAG("recvpktinfo", IPV6_RECVPKTINFO), FLAG("recvtclass", IPV6_RECVTCLASS),
    NUMBER("router_alert", IPV6_ROUTER_ALERT), FLAG("rthdr", IPV6_RTHDR), NUMBER("tclass", IPV6_TCLASS),
    {"unicast_hops", IPV6_UNICAST_HOPS, set_hops, get_int},
    ABSENT("use_min_mtu"), FLAG("v6only", IPV6_V6ONLY),
};

static const Option sctp_options[] = {
    ABSENT("adaption_layer"),
    {"associnfo", SCTP_ASSOCINFO, set_association, get_association},
    ABSENT("auth_active_key"), ABSENT("auth_chunk"), ABSENT("auth_delete_key"), ABSENT("auth_key"),
    NUMBER("autoclose", SCTP_AUTOCLOSE), ABSENT("context"), ABSENT("default_send_params"), ABSENT("delayed_ack_time"),
    FLAG("disable_fragments", SCTP_DISABLE_FRAGMENTS), ABSENT("hmac_ident"),
    {"events", SCTP_EVENTS, set_events, NULL},
    ABSENT("explicit_eor"), ABSENT("fragment_interleave"), ABSENT("get_peer_addr_info"),
    {"initmsg", SCTP_INITMSG, set_initmsg, get_initmsg},
    ABSENT("i_want_mapped_v4_addr"), ABSENT("local_auth_chunks"), NUMBER("maxseg", SCTP_MAXSEG), ABSENT("maxburst"),
    FLAG("nodelay", SCTP_NODELAY), ABSENT("partial_delivery_point"), ABSENT("peer_addr_params"),
    ABSENT("peer_auth_chunks"), ABSENT("primary_addr"), ABSENT("reset_streams"),
    {"rtoinfo", SCTP_RTOINFO, set_rtoinfo, get_rtoinfo},
    ABSENT("set_peer_primary_addr"), ABSENT("status"), ABSENT("use_ext_recvinfo"),
};

static const Option tcp_options[] = {
    {"congestion", TCP_CONGESTION, set_congestion, get_congestion},
    FLAG("cork", TCP_CORK), ABSENT("info"), ABSENT("keepcnt"), ABSENT("keepidle"), ABSENT("keepintvl"),
    NUMBER("maxseg", TCP_MAXSEG), ABSENT("md5sig"), FLAG("nodelay", TCP_NODELAY), ABSENT("noopt"), ABSENT("nopush"),
    ABSENT("syncnt"), ABSENT("user_timeout"),
};

static const Option udp_options[] = {FLAG("cork", UDP_CORK)};

#define LEVEL(number, options) {number, options, sizeof options / sizeof *options}
static const Level levels[] = {
    LEVEL(SOL_SOCKET, socket_options), LEVEL(IPPROTO_IP, ip_options),   LEVEL(IPPROTO_IPV6, ipv6_options),
    LEVEL(IPPROTO_SCTP, sctp_options), LEVEL(IPPROTO_TCP, tcp_options), LEVEL(IPPROTO_UDP, udp_options),
};
enum { LEVELS = sizeof levels / sizeof *levels };

Term esock_option_table(Proc *p)
{
    Term table = NIL;
    for (size_t i = 0; i < LEVELS; i++) {
        Term list = NIL;
        for (size_t k = 0; k < levels[i].count; k++) {
            const Option *o = &levels[i].options[k];
            Term name = atom_put_cstr(o->name);
            list = heap_cons_on(p, o->set || o->get ? heap_tuple2(p, name, make_small(o->number)) : name, list);
        }
        table = heap_cons_on(p, heap_tuple2(p, esock_level_build(levels[i].number), list), table);
    }
    return table;
}

static const Option *option_find(int level, int number)
{
    for (size_t i = 0; i < LEVELS; i++) {
        for (size_t k = 0; levels[i].number == level && k < levels[i].count; k++) {
            const Option *o = &levels[i].options[k];
            if (o->number == number && (o->set || o->get)) {
                return o;
            }
        }
    }
    return NULL;
}

/* --- as numbers and bytes --------------------------------------------------------------------- */
static Term set_native(Proc *p, const At *at, Term value)
{
    const uint8_t *bytes;
    size_t size;
    int v;
    if (esock_bytes(p, value, &bytes, &size)) {
        return set_raw(p, at, bytes, size);
    }
    if (is_boolean(value)) {
        v = value == A_true;
    } else if (!esock_int(value, &v)) {
        return esock_error_invalid(p, A_value);
    }
    return set_raw(p, at, &v, sizeof v);
}

/* initial NULL: zeros. */
static Term get_bytes(Proc *p, const At *at, const uint8_t *initial, size_t size)
{
    enum { ENOUGH = 1 << 20 };
    if (size > ENOUGH) {
        return esock_error(p, A_einval);
    }
    uint8_t *room = vm_calloc(size + 1);
    socklen_t n = (socklen_t)size;
    if (initial) {
        memcpy(room, initial, size);
    }
    int status = getsockopt(at->fd, at->level, at->number, size ? room : NULL, size || initial ? &n : NULL);
    Term answer = status < 0 ? failed(p) : size || initial ? esock_ok(p, binary_from_bytes(p, room, n)) : A_ok;
    vm_free(room);
    return answer;
}

static Term get_native(Proc *p, const At *at, Term spec)
{
    const uint8_t *bytes;
    size_t size;
    int n;
    if (esock_int(spec, &n)) {
        return n < 0 ? esock_invalid(p, A_value) : get_bytes(p, at, NULL, (size_t)n);
    }
    if (is_binary(spec) && binary_bytes(p, spec, &bytes, &size)) {
        return get_bytes(p, at, bytes, size);
    }
    return spec == A_integer ? get_int(p, at) : spec == A_boolean ? get_bool(p, at) : esock_invalid(p, A_value);
}

Term esock_set_option(Proc *p, Socket *s, Term level, int option, Term value, bool native)
{
    At at = {.fd = socket_fd(s), .number = option};
    esock_level_read(level, &at.level);
    if (native) {
        return set_native(p, &at, value);
    }
    const Option *o = option_find(at.level, option);
    return o && o->set ? o->set(p, &at, value) : esock_invalid(p, A_socket_option);
}

Term esock_get_option(Proc *p, Socket *s, const EsockKind *kind, Term level, int option, Term spec, size_t control_size)
{
    At at = {.fd = socket_fd(s), .number = option, .kind = kind, .control_size = control_size};
    esock_level_read(level, &at.level);
    if (spec != NONVALUE) {
        return get_native(p, &at, spec);
    }
    const Option *o = option_find(at.level, option);
    return o && o->get ? o->get(p, &at) : esock_invalid(p, A_socket_option);
}
