/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm/net/socket.h over a service written in Erlang (doc/netstack.md). A socket keeps here all that has to be known at
 * once: its addresses, its options, whether it listens, bytes that have come, room for bytes to go. The service and
 * the processes of its connections get messages {loom_socket, Id, What} and answer through the natives of the module
 * loom_socket, which name a socket by its Id. So no call waits for a process, and a service that starts again finds
 * its listeners and datagram sockets where they were.
 *
 *     served.c         the table of sockets, life, connections
 *     served_data.c    bytes and datagrams
 *     served_option.c  options, names, interfaces
 *     served_native.c  the module loom_socket
 *
 * Everything is under the port lock, save what moves data (send, recv and the like: their port is pinned, so the socket
 * stays): that is under the socket's own lock.
 */
#pragma once

#include "vm/lock.h"
#include "vm/net/served.h"
#include "vm/proc/letter.h"
#include "vm/proc/port.h"
#include "vm/proc/timer.h"

/* Bytes that have come and nobody has read, or a datagram. */
typedef struct ServedChunk {
    struct ServedChunk *next;
    Binary *binary; /* kept alive; NULL: own */
    const uint8_t *at;
    size_t left;
    NetAddress from;
    uint8_t tos, ttl;
    uint8_t own[];
} ServedChunk;

typedef enum { SERVED_OPEN, SERVED_CONNECTING, SERVED_CONNECTED, SERVED_LISTENING } ServedState;
enum { SERVED_OPTIONS = SOPT_NOPUSH + 1 };
/* Settings of TCP that have a number only on Linux: {raw, 6, 4..6, _}. */
enum { KEEP_IDLE, KEEP_INTERVAL, KEEP_COUNT, KEEP_SETTINGS };

typedef struct ServedGroup {
    struct ServedGroup *next;
    NetAddress group;
} ServedGroup;

typedef struct Served {
    Socket head;
    uint64_t id;
    struct Served *next;                   /* of the same place in the table of ids */
    struct Served *port_next, **port_link; /* among those bound to ports of the same place; link NULL: in none */
    NetFamily family;
    NetType type;
    ServedState state;
    Term pid; /* who moves its bytes; NONVALUE: the service */
    NetAddress local, peer;
    bool bound, peer_known;
    unsigned want;
    Timer *kick; /* an event that is due at once */
    int32_t options[SERVED_OPTIONS];
    int32_t linger_on, linger_seconds, multicast_if, keep[KEEP_SETTINGS];
    ServedGroup *groups;
    /* A listener's connections that nobody has accepted, oldest first; `listener` is set in those. */
    struct Served *pending, **pending_end, *pending_next, *listener;
    int backlog, pending_count;
    /* Under lock. */
    SpinLock lock;
    ServedChunk *in, **in_end;
    size_t in_bytes, unreported; /* unreported: read, and the connection's process not told */
    bool in_ended, shut_read, shut_write;
    Term error; /* told once; NONVALUE: none */
    size_t room; /* bytes that may be sent */
} Served;

static inline Served *served_of(Socket *s) { return (Served *)(void *)s; }

/* What the service has said about the machine. */
typedef struct ServedHost {
    NetInterface *interfaces;
    size_t count;
    NetAddress default_source[2]; /* IPv4, IPv6; family NET_UNSPEC: no way out */
    char name[64];
} ServedHost;

/* --- served.c -------------------------------------------------------------------------------------------- */
Served *served_find(uint64_t id); /* NULL: closed */
Served *served_new(NetFamily family, NetType type);
/* Sockets bound to a port, one after another: start with NULL. */
Served *served_at_port(uint16_t port, Served *after);
Term served_service(void);
/* Makes p the service: false while another living process is. Connections of the last one are reset; listeners and
 * memberships are told to the new one. */
bool served_register(Term pid);
/* Tells the socket's owner what it waits for. s may be gone afterwards. */
void served_fire(Served *s);
void served_fail(Served *s, Term reason);
/* An IPv4 address as one of IPv6's, for a socket of that family. */
void served_map(NetAddress *a, NetFamily family);
void served_unmap(NetAddress *a); /* the other way round: what goes on the wire */
Term served_bind_any(Served *s);  /* to a port of our choice, unless it is bound */
bool served_is_any(const NetAddress *a);
bool served_same_ip(const NetAddress *a, const NetAddress *b);
ServedHost *served_host(void);

/* --- served_data.c ---------------------------------------------------------------------------------------- */
void served_in_add(Served *s, Binary *binary, const uint8_t *bytes, size_t n, const NetAddress *from, uint8_t tos,
                   uint8_t ttl);
void served_in_clear(Served *s);
int64_t served_send(Socket *h, const SocketVec *v, size_t count, Term *error);
int64_t served_recv(Socket *h, uint8_t *buf, size_t n, Term *error);
int64_t served_send_to(Socket *h, const NetAddress *to, SocketVec data, const SocketExtra *extras, size_t count,
                       Term *error);
int64_t served_recv_from(Socket *h, uint8_t *buf, size_t n, NetAddress *from, SocketExtra *extras, size_t *count,
                         Term *error);
/* Messages to whoever moves s's bytes. {loom_socket, Id, What}. */
enum { SERVED_MESSAGE_WORDS = 4 };
void served_tell(const Served *s, Letter *l, Term what);
void served_tell_atom(const Served *s, Term tag, Term value); /* {Tag, Value} */
void served_tell_number(const Served *s, Term tag, int64_t number);
enum { SERVED_ADDRESS_WORDS = 3 + HEAP_BIN_WORDS(16) };
Term served_address_term(Letter *l, const NetAddress *a); /* {Ip, Port}; SERVED_ADDRESS_WORDS */
enum { SERVED_SETTINGS_WORDS = 8 * 5 };
Term served_settings_term(Letter *l, const Served *s); /* [{Name, Number}]; SERVED_SETTINGS_WORDS */

/* --- served_option.c --------------------------------------------------------------------------------------- */
void served_options_init(Served *s);
void served_groups_clear(Served *s);
bool served_is_member(const Served *s, const NetAddress *group);
void served_groups_tell(const Served *s);
/* An address of this machine to send from: false when there is no way. */
bool served_source(const NetAddress *to, NetAddress *from);
bool served_is_ours(const NetAddress *a);
Term served_set_option(Socket *h, NetFamily family, SocketOption option, const SocketValue *v);
Term served_get_option(Socket *h, NetFamily family, SocketOption option, SocketValue *v);
Term served_packet_extras(Socket *h, NetFamily family, SocketExtra *extras, size_t *count);
Term served_host_name(char *text, size_t n);
int served_service_port(const char *name, const char *protocol);
bool served_service_name(unsigned port, const char *protocol, char *text, size_t n);
Term served_interfaces(const char *netns, NetInterface **list, size_t *count);
void served_set_interface(Socket *h, NetInterfaceField what, const NetInterface *value);
