/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between OTP's socket ports (vm/net) and whoever moves the bytes: the operating system
 * (plat/linux/socket*.c) or, on bare metal, the network service. Nothing here waits: a call that cannot go on answers
 * A_eagain (connect: A_einprogress), and `ready` tells when to try again. Errors are posix atoms, NONVALUE is success.
 *
 * Sockets are called and call back on the scheduler that handles events, or under the lock of their port.
 */
#pragma once

#include "lib/cstd.h"
#include "vm/term/term.h"

/* Values as in OTP's inet_int.hrl, as are those of SocketOption. */
typedef enum {
    NET_UNSPEC = 0,
    NET_INET = 1,
    NET_INET6 = 2,
    NET_ANY = 3,      /* only in requests: the wildcard address of the socket's family */
    NET_LOOPBACK = 4, /* only in requests */
    NET_LOCAL = 5,
    NET_UNDEFINED = 6, /* a family that is none of these */
} NetFamily;
typedef enum { NET_STREAM = 1, NET_DGRAM = 2 } NetType;

typedef struct NetAddress {
    uint8_t family;      /* NetFamily */
    uint8_t size;        /* of bytes in use */
    uint16_t port;
    uint32_t flow, scope; /* NET_INET6 */
    uint8_t bytes[108];  /* address in network order; NET_LOCAL: a path, or an abstract name after a zero byte */
} NetAddress;

typedef enum {
    SOPT_REUSEADDR = 0,
    SOPT_KEEPALIVE = 1,
    SOPT_DONTROUTE = 2,
    SOPT_LINGER = 3, /* number: on or off, number2: seconds */
    SOPT_BROADCAST = 4,
    SOPT_OOBINLINE = 5,
    SOPT_SNDBUF = 6,
    SOPT_RCVBUF = 7,
    SOPT_PRIORITY = 8,
    SOPT_TOS = 9,
    SOPT_NODELAY = 10,
    SOPT_MULTICAST_IF = 11,    /* address (NET_INET) or number: index of the interface (NET_INET6) */
    SOPT_MULTICAST_TTL = 12,
    SOPT_MULTICAST_LOOP = 13,
    SOPT_ADD_MEMBERSHIP = 14,  /* address: the group, interface: of its, number: index of the interface */
    SOPT_DROP_MEMBERSHIP = 15,
    SOPT_IPV6_V6ONLY = 16,
    SOPT_RAW = 34,             /* level, name, bytes */
    SOPT_TCLASS = 41,
    SOPT_BIND_TO_DEVICE = 42,  /* bytes */
    SOPT_RECVTOS = 43,
    SOPT_RECVTCLASS = 44,
    SOPT_TTL = 46,
    SOPT_RECVTTL = 47,
    SOPT_NOPUSH = 48,
} SocketOption;

typedef struct SocketValue {
    int32_t number, number2;
    int32_t level, name;
    NetAddress address, interface;
    uint8_t *bytes; /* get: room for `size` bytes, of which `size` are then in use */
    size_t size;
} SocketValue;

/* What goes with a datagram, or with a stream's last packet: type of service and the like. */
typedef struct SocketExtra {
    SocketOption option; /* SOPT_TOS, SOPT_TCLASS or SOPT_TTL */
    int64_t value;
} SocketExtra;
enum { SOCKET_EXTRAS = 4 };

typedef struct SocketVec {
    const uint8_t *bytes;
    size_t size;
} SocketVec;

/* One address of a network interface; those without an address tell the hardware's. */
typedef struct NetInterface {
    char name[64];
    unsigned flags;  /* NET_IF_* */
    int mtu;
    NetAddress address, netmask, destination, broadcast; /* family NET_UNSPEC: none */
    uint8_t hardware[32];
    size_t hardware_size;
} NetInterface;
enum {
    NET_IF_UP = 1,
    NET_IF_BROADCAST = 2,
    NET_IF_LOOPBACK = 4,
    NET_IF_POINTTOPOINT = 8,
    NET_IF_RUNNING = 16,
    NET_IF_MULTICAST = 32,
};

/* As OTP numbers them. NET_IF_FIELD_FLAGS when set: flags are switched on, or off by their bit << 8. */
typedef enum {
    NET_IF_FIELD_ADDRESS = 1,
    NET_IF_FIELD_BROADCAST = 2,
    NET_IF_FIELD_DESTINATION = 3,
    NET_IF_FIELD_MTU = 4,
    NET_IF_FIELD_NETMASK = 5,
    NET_IF_FIELD_FLAGS = 6,
    NET_IF_FIELD_HARDWARE = 7,
} NetInterfaceField;

enum { SOCKET_READ = 1, SOCKET_WRITE = 2 };
/* The head of every platform's socket. */
typedef struct Socket {
    void (*ready)(void *owner, unsigned events); /* set by the owner before it watches; may close the socket */
    void *owner;
} Socket;

typedef enum { SHUT_READ = 0, SHUT_WRITE = 1, SHUT_BOTH = 2 } ShutdownHow;

typedef struct SocketOps {
    /* netns: name of a network name space, or NULL. */
    Socket *(*open)(NetFamily family, NetType type, bool tcp, const char *netns, Term *error);
    /* A descriptor that somebody else opened and closes. *connected: it has a peer. check: it must be of that
     * family. */
    Socket *(*adopt)(int fd, NetFamily family, bool check, bool *connected, Term *error);
    void (*close)(Socket *s, bool keep_descriptor); /* frees s */
    void (*watch)(Socket *s, unsigned want);
    int (*descriptor)(const Socket *s); /* -1: there are none */

    Term (*bind)(Socket *s, const NetAddress *a);
    Term (*connect)(Socket *s, const NetAddress *a); /* a NULL: a datagram socket forgets its peer */
    Term (*connected)(Socket *s);                    /* how a connect that was in progress ended */
    Term (*listen)(Socket *s, int backlog);
    Socket *(*accept)(Socket *s, NetAddress *from, Term *error);
    Term (*shutdown)(Socket *s, ShutdownHow how);
    Term (*name)(Socket *s, NetAddress *a);
    Term (*peer)(Socket *s, NetAddress *a);

    /* Bytes moved, 0 at the end of a stream, or -1 with *error. */
    int64_t (*send)(Socket *s, const SocketVec *v, size_t count, Term *error);
    int64_t (*recv)(Socket *s, uint8_t *buf, size_t n, Term *error);
    /* to NULL: the peer. */
    int64_t (*send_to)(Socket *s, const NetAddress *to, SocketVec data, const SocketExtra *extras, size_t count,
        Term *error);
    /* *count: SOCKET_EXTRAS at most; NULL: none wanted. */
    int64_t (*recv_from)(Socket *s, uint8_t *buf, size_t n, NetAddress *from, SocketExtra *extras, size_t *count,
                         Term *error);
    /* What a file handle of prim_file's stands for, kept until file_close; -1 with *error. */
    int (*file_open)(const uint8_t *handle, size_t n, Term *error);
    int64_t (*send_file)(Socket *s, int file, uint64_t offset, uint64_t n, Term *error);
    void (*file_close)(int file);

    Term (*set_option)(Socket *s, NetFamily family, SocketOption option, const SocketValue *v);
    Term (*get_option)(Socket *s, NetFamily family, SocketOption option, SocketValue *v);
    /* Those of the last packet, as SOPT_RECV* options asked for. */
    Term (*packet_extras)(Socket *s, NetFamily family, SocketExtra *extras, size_t *count);

    Term (*host_name)(char *text, size_t n);
    int (*service_port)(const char *name, const char *protocol); /* -1: unknown */
    bool (*service_name)(unsigned port, const char *protocol, char *text, size_t n);
    /* All there are, in order; freed with vm_free. */
    Term (*interfaces)(const char *netns, NetInterface **list, size_t *count);
    /* Changes one setting of the interface value->name: the field that `what` names. The outcome is not told. */
    void (*set_interface)(Socket *s, NetInterfaceField what, const NetInterface *value);
} SocketOps;
