/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module socket: sockets as prim_socket.erl drives them. No ports: a socket is a reference {'$socket', Ref},
 * a call that cannot go on answers `select`, and a message {'$socket', Socket, select, Handle} says when to call
 * again. What a program can observe of that (who is current, who waits in line, owners, counters, closing) is
 * here, once for all platforms; addresses, options and control messages are the operating system's own business
 * in this module, so the platform translates them (EsockOps).
 *
 *     esock.c       life of a socket: open, owner, close; the registry; waiting in line and select messages
 *     esock_io.c    connecting, accepting, moving data
 *     esock_info.c  info, counters, options of level otp
 *
 * Locks: each side of a socket, in and out, has its own, held during system calls; none of those waits. What is
 * watched for changes under ports_lock() (events are handled under it), which is taken before a side's lock,
 * never after: so an operation only notes that it wants to be told (`wanted`), and esock_sync() makes it so when
 * it has let go of the side.
 */
#pragma once

#include "vm/heap/heap.h"
#include "vm/lock.h"
#include "vm/net/socket.h"
#include "vm/proc/proc.h"

typedef struct EsockAddress {
    uint32_t size;
    _Alignas(8) uint8_t bytes[256]; /* as the platform has it */
} EsockAddress;

/* What a socket is: atoms or small integers as the module socket knows them. */
typedef struct EsockKind {
    Term domain, type;
    int protocol;
} EsockKind;

typedef struct EsockMessage {
    const EsockAddress *to; /* send; NULL: the peer */
    EsockAddress *from;     /* receive; NULL: not wanted */
    const SocketVec *out;   /* send: `count` parts */
    size_t count;
    uint8_t *in;            /* receive: room for `room` bytes */
    size_t room;
    uint8_t *control;       /* NULL: none. control_size: bytes in use; before a receive: room */
    size_t control_size;
    int flags;              /* receive: becomes the message's flags */
} EsockMessage;

/* Errors are posix atoms, A_eagain: not now. Terms are built on p's heap. */
typedef struct EsockOps {
    /* NULL: *result is what the native answers. */
    Socket *(*open)(Proc *p, Term domain, Term type, int protocol, Term options, EsockKind *kind, Term *result);
    Socket *(*adopt)(Proc *p, int fd, Term options, EsockKind *kind, bool *connected, bool *borrowed, Term *result);
    void (*close)(Socket *s, bool keep_descriptor); /* frees s; does not wait, lingering or not */
    void (*watch)(Socket *s, unsigned want);        /* under ports_lock() */
    int (*descriptor)(const Socket *s);

    bool (*address_read)(Proc *p, Term map, EsockAddress *a); /* false: the map is none */
    Term (*address_build)(Proc *p, const EsockAddress *a);
    Term (*bind)(Socket *s, const EsockAddress *a);
    Term (*connect)(Socket *s, const EsockAddress *a); /* A_einprogress: told of by SOCKET_WRITE */
    Term (*connected)(Socket *s);
    Term (*listen)(Socket *s, int backlog);
    Socket *(*accept)(Socket *s, Term *error);
    Term (*shutdown)(Socket *s, ShutdownHow how);
    Term (*name)(Socket *s, bool of_peer, EsockAddress *a);

    /* Bytes moved, or -1 with *error. */
    int64_t (*send)(Socket *s, const EsockMessage *m, Term *error);
    int64_t (*receive)(Socket *s, EsockMessage *m, Term *error);
    /* Control messages [#{level, type, data or value}] as bytes; false: they are wrong, or too long. */
    bool (*control_read)(Proc *p, Term list, uint8_t *room, size_t size, size_t *used);
    Term (*control_build)(Proc *p, uint8_t *bytes, size_t size);
    Term (*flags_build)(Proc *p, int flags);
    /* The file behind a reference of prim_file's, kept until file_close; -1 with *error. */
    int (*file_open)(Term file, Term *error);
    int64_t (*send_file)(Socket *s, int file, uint64_t offset, uint64_t n, Term *error);
    void (*file_close)(int file);

    /* What the natives answer: ok, {ok, Value}, {error, Reason}, {invalid, What}. spec NONVALUE: value as it is
     * known by. */
    Term (*set_option)(Proc *p, Socket *s, Term level, int option, Term value, bool native);
    Term (*get_option)(Proc *p, Socket *s, const EsockKind *kind, Term level, int option, Term spec,
                       size_t control_size);
    Term (*ioctl)(Proc *p, Socket *s, Term request, const Term *args, unsigned count);
    Term (*supports)(Proc *p, Term what); /* NONVALUE: what there is at all */
    size_t vector_max; /* parts that one message may have */
} EsockOps;

enum { /* EsockSide.state, in the order in which info/1 tells them */
    ES_BOUND = 1 << 0,
    ES_LISTENING = 1 << 1,
    ES_ACCEPTING = 1 << 2,
    ES_CONNECTING = 1 << 3,
    ES_CONNECTED = 1 << 4,
    ES_SELECTED = 1 << 5,
    ES_CLOSING = 1 << 6,
    ES_CLOSED = 1 << 7,
};

/* Somebody who was told `select`. */
typedef struct EsockRequest {
    struct EsockRequest *next;
    Term pid;
    Term handle;    /* in frag, when it is no atom */
    HeapFrag *frag;
} EsockRequest;

typedef enum { ESOCK_TRANSFER, ESOCK_ACCEPT, ESOCK_CONNECT } EsockRole;
typedef struct EsockSide {
    SpinLock lock;
    unsigned state;      /* ES_* */
    EsockRole role;      /* what the requests are for */
    EsockRequest *first; /* the current one; the others wait until it is served */
    EsockRequest **last;
    bool wanted;         /* the current one is to be told; atomic */
} EsockSide;

typedef struct EsockCounters {
    uint64_t bytes, fails, packets, packet_max, tries, waits;
    uint64_t packet_now; /* of a packet that is under way */
} EsockCounters;

typedef struct Esock {
    Magic *magic;
    Socket *socket;  /* NULL once closed: that takes ports_lock() and both sides */
    EsockKind kind;
    EsockSide in, out;
    unsigned watched; /* under ports_lock() */

    /* Under in.lock. */
    EsockCounters read, accepts;
    size_t read_size, read_control_size;
    unsigned read_parts, read_part; /* {rcvbuf, {N, Size}}: a stream is read N times before it is given up on */
    /* Under out.lock. */
    EsockCounters write, files;
    size_t write_control_size;
    uint64_t file_calls;
    bool files_counted; /* info tells of sendfile */
    int file;           /* being sent; -1: none */
    HeapFrag *meta_frag;
    Term meta;

    /* Under both. */
    Term owner, closer; /* NIL: none */
    Term *watchers;     /* whose end we are told of */
    size_t watcher_count;
    int adopted;        /* the descriptor it was made from, or -1 */
    bool borrowed;      /* which stays open */
    bool registered;    /* in socket_registry */
    bool debug, iow;
} Esock;

const EsockOps *esock_ops(void);
/* The socket a reference stands for, or NULL. */
Esock *esock_of(Term t);

/* --- answers ---------------------------------------------------------------------------------- */
static inline Term esock_ok(Proc *p, Term value) { return heap_tuple2(p, A_ok, value); }
static inline Term esock_error(Proc *p, Term reason) { return heap_tuple2(p, A_error, reason); }
static inline Term esock_invalid(Proc *p, Term what) { return heap_tuple2(p, A_invalid, what); }
static inline Term esock_error_invalid(Proc *p, Term what) { return esock_error(p, esock_invalid(p, what)); }
static inline Term esock_raise(Proc *p, Term what) { return p_fault(p, FAULT_ERROR, esock_invalid(p, what)); }
/* {invalid, {integer_range, I}}, or badarg when it is no integer at all. */
Term esock_not_int(Proc *p, Term t);
/* What fits C's int. */
bool esock_int(Term t, int *v);
/* The bytes of a binary, or of iodata. Valid until the native ends. */
bool esock_bytes(Proc *p, Term t, const uint8_t **bytes, size_t *size);

/* --- life (esock.c) --------------------------------------------------------------------------- */
/* A socket of the running process; takes s. The reference. */
Term esock_new(Proc *p, Socket *s, const EsockKind *kind, Term owner, const Esock *like);
/* {'$socket', add, Socket} to the registry. */
void esock_register(Esock *e);
static inline bool esock_is_open(const EsockSide *side) { return !(side->state & (ES_CLOSING | ES_CLOSED)); }
void esock_lock_all(Esock *e);
void esock_unlock_all(Esock *e);
void esock_owner_change(Proc *p, Esock *e, Term owner); /* locked */
void esock_configure(Term extra); /* load_nif's argument */

typedef struct EsockGlobals {
    SpinLock watchers_lock; /* of all sockets' lists of watchers; the innermost */
    SpinLock lock;          /* of the counts */
    Term registry;
    bool use_registry, iow, debug, socket_debug;
    uint64_t sockets, dgrams, streams, seqpackets, inet, inet6, local, ip, tcp, udp, sctp;
} EsockGlobals;
EsockGlobals *esock_globals(void);

/* --- waiting (esock.c); under the side's lock ------------------------------------------------- */
/* The running process may act now: it is current, or nobody is. Else it waits in line and *answer says what it
 * gets. */
bool esock_may_act(Proc *p, Esock *e, EsockSide *side, EsockRole role, Term handle, bool queue, Term *answer);
/* It becomes, or stays, the current one. */
void esock_become_current(Proc *p, EsockSide *side, EsockRole role, Term handle);
void esock_want(EsockSide *side); /* the current one is to be told */
void esock_next(Esock *e, EsockSide *side); /* the current one is served */
/* All others are told {'$socket', S, abort, {Handle, Reason}}; nobody is current any more. */
void esock_abort_others(Esock *e, EsockSide *side, Term reason);
Term esock_cancel(Proc *p, Esock *e, EsockSide *side, EsockRole role, Term handle);
/* Without any lock: watches for what is wanted. */
void esock_sync(Esock *e);
size_t esock_request_count(const EsockSide *side, EsockRole role);
