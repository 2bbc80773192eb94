/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTP's socket ports, tcp_inet and udp_inet, as OTP's own prim_inet.erl drives them: commands are port_control
 * requests of bytes, answered with bytes; what takes time is answered by a message {inet_async, Port, Ref, Result} or
 * {inet_reply, Port, Result}. Everything that Erlang code can observe of a socket is here, once for all platforms; the
 * bytes move through SocketOps.
 *
 *     inet.c          life of a port, requests that both kinds have
 *     inet_address.c  addresses as bytes
 *     inet_option.c   setopts and getopts
 *     inet_interface.c  interfaces
 *     inet_message.c  messages to processes
 *     tcp.c           requests of streams, connecting, accepting
 *     tcp_recv.c      input: packets out of the stream, active modes
 *     tcp_send.c      output: the queue, watermarks, shutdown, files
 *     udp.c           datagrams
 *
 * An entry into this code (request, command, event, timer) may decide that the port ends. It notes that (inet_exit)
 * and the port ends when the entry is left (inet_leave): so nothing in between finds itself freed. Entries do not nest.
 */
#pragma once

#include "vm/bif/bif_binary_packet.h"
#include "vm/net/inet.h"
#include "vm/net/socket.h"
#include "vm/proc/letter.h"
#include "vm/proc/port.h"
#include "vm/proc/timer.h"

/* --- prim_inet's numbers (OTP: inet_int.hrl) -------------------------------------------------------- */
enum { INET_COMMAND_BASE = 0x03f1a300 };
enum {
    REQ_OPEN = 1, REQ_CLOSE, REQ_CONNECT, REQ_PEER, REQ_NAME, REQ_BIND, REQ_SETOPTS, REQ_GETOPTS,
    REQ_GETSTAT = 11, REQ_GETHOSTNAME, REQ_FDOPEN, REQ_GETFD, REQ_GETTYPE, REQ_GETSTATUS, REQ_GETSERVBYNAME,
    REQ_GETSERVBYPORT, REQ_SETNAME, REQ_SETPEER, REQ_GETIFLIST, REQ_IFGET, REQ_IFSET, REQ_SUBSCRIBE, REQ_GETIFADDRS,
    REQ_ACCEPT, REQ_LISTEN, REQ_IGNOREFD, REQ_GETLADDRS, REQ_GETPADDRS,
    REQ_TCP_RECV = 42, REQ_TCP_UNRECV, REQ_TCP_SHUTDOWN, REQ_TCP_SENDFILE, REQ_PACKET_RECV = 60,
};
enum { REP_ERROR = 0, REP_OK = 1 };
enum { STATE_OPEN = 1, STATE_CONNECTED = 4, STATE_LISTENING = 8, STATE_CONNECTING = 16, STATE_ACCEPTING = 32,
       STATE_BUSY = 128 };
typedef enum { PASSIVE = 0, ACTIVE = 1, ACTIVE_ONCE = 2, ACTIVE_MULTI = 3 } ActiveMode;
#define INET_FOREVER UINT32_MAX /* as a time-out */

/* Driver options: numbered with SocketOption's. */
enum {
    OPT_BUFFER = 20, OPT_HEADER, OPT_ACTIVE, OPT_PACKET, OPT_MODE, OPT_DELIVER, OPT_EXIT_ON_CLOSE, OPT_HIGH_WATERMARK,
    OPT_LOW_WATERMARK, OPT_SEND_TIMEOUT = 30, OPT_DELAY_SEND, OPT_PACKET_SIZE, OPT_READ_PACKETS,
    OPT_SEND_TIMEOUT_CLOSE = 35, OPT_HIGH_MSGQ, OPT_LOW_MSGQ, OPT_NETNS, OPT_SHOW_ECONNRESET, OPT_LINE_DELIMITER,
    OPT_PKTOPTIONS = 45, OPT_DEBUG = 99,
};

/* --- what a port has ---------------------------------------------------------------------------------- */
typedef struct InetStats {
    uint64_t octets, count, max;
    double average, deviation;
} InetStats;

/* A request that is answered later. */
typedef struct AsyncOp {
    bool pending;
    uint16_t id;
    Term caller;
} AsyncOp;

typedef struct Inet {
    Port *port;      /* NULL: closed, and only output still goes on */
    Term id;         /* of the port */
    Socket *socket;  /* NULL: none */
    unsigned watched; /* SOCKET_READ, SOCKET_WRITE */
    bool tcp;        /* the port is tcp_inet */
    bool borrowed;   /* the socket's descriptor is somebody else's */
    Term ending;     /* the port is to end with this reason when the entry is left */
    NetFamily family;
    NetType type;    /* 0 until it is open */
    unsigned state;  /* STATE_* */
    AsyncOp op;      /* connect or receive */
    uint16_t next_op;
    Timer *timer;    /* tcp: of connect; udp: of receive, or to go on reading */
    Term caller;     /* whose command is being handled: gets {inet_reply, ...}; NONVALUE: nobody */

    int32_t buffer;  /* bytes asked for at once */
    bool buffer_set;
    uint32_t header; /* bytes delivered as a list before the binary */
    bool binary;     /* mode */
    bool deliver_port; /* {Port, {data, _}} instead of {tcp, Port, _} */
    ActiveMode active;
    int active_count;
    int32_t packet;  /* as set: TCP_PB_* */
    uint32_t packet_size;
    uint8_t delimiter;
    int32_t exit_on_close;
    int32_t msgq_high, msgq_low;
    unsigned extras; /* RECV_* asked for */
    unsigned ignored; /* IGNORE_*: somebody else uses the descriptor */
    bool debug;
    char *netns;

    NetAddress *name_set, *peer_set; /* set by setsockname and setpeername */
    NetAddress peer; /* udp: connected to */
    InetStats in, out;
    Term *subscribers; /* told once when the output queue is empty */
    size_t subscriber_count;
} Inet;
enum { RECV_TOS = 1, RECV_TCLASS = 2, RECV_TTL = 4 };
enum { IGNORE_READ = 1, IGNORE_WRITE = 2, IGNORE_PASSIVE = 4 };

/* Someone who waits for a connection. */
typedef struct Acceptor {
    struct Acceptor *next;
    struct Tcp *listener;
    uint16_t id;
    Term caller;
    Timer *timer;
} Acceptor;

/* Bytes on their way out: of a binary that is kept alive, or its own. */
typedef struct OutChunk {
    struct OutChunk *next;
    Binary *binary;
    const uint8_t *at;
    size_t left;
    uint8_t own[];
} OutChunk;

typedef struct SendFile {
    int file;
    uint64_t offset, left, sent;
    size_t before; /* bytes of the queue that go first */
    Term caller;
} SendFile;

typedef struct Tcp {
    Inet inet; /* first */
    /* Input: bytes [start, end) of input, which has room for input_size. */
    Binary *input;
    size_t start, end, input_size;
    size_t wanted;    /* bytes of a packet whose length is known that have not come; 0: not known */
    bool http_header; /* packet type http: the first line is through */
    Timer *recv_timer;
    /* Output. */
    OutChunk *queue, **queue_end;
    size_t queued;
    int32_t high, low;
    uint32_t send_timeout;
    int32_t send_timeout_close;
    Timer *send_timer, *delay_timer;
    Term busy_caller;
    bool delay_send, show_econnreset, linger_zero, sending_file;
    bool close_sent;         /* {tcp_closed, _} */
    /* the next receive, send finds out that the peer has closed (with a reset) */
    bool closed_recv, closed_send, closed_reset;
    bool shut_pending, shut_done;
    ShutdownHow shut_how;
    SendFile file;
    /* Listening. */
    Acceptor *acceptors, **acceptors_end;
    size_t acceptor_count, acceptor_limit;
} Tcp;

typedef struct Udp {
    Inet inet; /* first */
    int32_t read_packets;
} Udp;

/* --- bytes of requests and answers ---------------------------------------------------------------------- */
/* A request's bytes. Taking more than there is yields zeros and sets `short_`. */
typedef struct Request {
    const uint8_t *at;
    size_t left;
    bool short_;
} Request;
uint8_t request_u8(Request *r);
uint16_t request_u16(Request *r);
uint32_t request_u32(Request *r);
uint64_t request_u64(Request *r);
const uint8_t *request_bytes(Request *r, size_t n); /* NULL when there are not as many */

typedef struct Answer {
    uint8_t *bytes;
    size_t size, capacity;
} Answer;
void answer_bytes(Answer *a, const void *bytes, size_t n);
void answer_u8(Answer *a, uint8_t v);
void answer_u16(Answer *a, uint16_t v);
void answer_u32(Answer *a, uint32_t v);
void answer_u64(Answer *a, uint64_t v);
/* Whole answers. A false request function is badarg. */
bool answer_ok(Answer *a);
bool answer_error(Answer *a, Term reason); /* an atom */

/* --- inet.c -------------------------------------------------------------------------------------------- */
const SocketOps *inet_ops(void);
void inet_init(Inet *d, Port *port, bool tcp);
/* A request that both kinds have. `a` is empty. */
bool inet_request(Inet *d, unsigned command, Request *r, Answer *a, Term caller);
Term inet_open(Inet *d, NetFamily family, NetType type);
bool inet_request_open(Inet *d, Request *r, Answer *a, bool adopt);
/* The socket goes; what was borrowed stays open. */
void inet_close_socket(Inet *d);
void inet_free(Inet *d); /* all but d itself and what the kinds have */
/* Around calls that move data: the port lock is let go. */
static inline void inet_call_begin(Inet *d)
{
    if (d->port) {
        port_pin(d->port);
    }
}
static inline void inet_call_end(Inet *d)
{
    if (d->port) {
        port_unpin(d->port);
    }
}
/* Such a call is under way elsewhere: an event comes again, a timer is to. */
static inline bool inet_is_away(const Inet *d) { return d->port && d->port->pinned; }
void inet_watch(Inet *d, unsigned more);
void inet_unwatch(Inet *d, unsigned less);
void inet_exit(Inet *d, Term reason);
/* d may be gone afterwards. */
void inet_leave(Inet *d);
/* The answer's bytes as the list that port_control gives; frees them. */
Term inet_control(Inet *d, Proc *caller, unsigned command, const uint8_t *bytes, size_t n,
                  bool (*request)(Inet *d, unsigned command, Request *r, Answer *a, Term caller));
void inet_count_in(Inet *d, size_t n);
void inet_count_out(Inet *d, size_t n);
/* A new operation's id; false when one is under way. */
bool inet_async_start(Inet *d, Term caller, uint16_t *id);
void inet_timer(Timer **slot, uint32_t ms, void (*fn)(void *arg), void *arg);
void inet_timer_stop(Timer **slot);

/* --- inet_address.c --------------------------------------------------------------------------------------- */
/* Reads an address with its family in front; any and loopback are of `family`. Returns the error or NONVALUE. */
Term address_read(Request *r, NetFamily family, NetAddress *a);
bool address_write(Answer *out, const NetAddress *a); /* with family and port; false: of no family we know */
void address_write_ip(Answer *out, const NetAddress *a); /* family and bytes */

/* --- inet_option.c ------------------------------------------------------------------------------------------ */
bool inet_set_options(Inet *d, Request *r, Answer *a);
bool inet_get_options(Inet *d, Request *r, Answer *a);
/* --- inet_interface.c ------------------------------------------------------------------------------------------ */
bool inet_interface_request(Inet *d, unsigned command, Request *r, Answer *a);

/* --- inet_message.c ---------------------------------------------------------------------------------------- */
/* {inet_async, S, Id, Tag | {Tag, Value}} */
void inet_async_answer(Inet *d, uint16_t id, Term to, Term tag, Term value);
void inet_async_ok(Inet *d);
void inet_async_error(Inet *d, Term reason);
void inet_reply(Inet *d, Term reason); /* {inet_reply, S, ok | {error, Reason}} to d->caller; NONVALUE: ok */
void inet_tell_owner(Inet *d, Term tag, Term value); /* {Tag, S} or {Tag, S, Value} */
void inet_tell_sendfile(Inet *d, Term to, Term error, uint64_t sent);
void inet_tell_empty(Inet *d);
/* Data that may stand in a binary: then [at, at + size) is in it. */
typedef struct InetData {
    Binary *binary; /* NULL: copy */
    const uint8_t *at;
    size_t size;
} InetData;
/* To the owner or, when passive, to who asked. */
void inet_deliver_stream(Tcp *t, InetData data);
void inet_deliver_packet(Tcp *t, PacketType type, const uint8_t *packet, size_t n);
void inet_deliver_datagram(Inet *d, const NetAddress *from, InetData data, const SocketExtra *extras,
                           size_t extra_count,
                           bool with_extras);
void inet_deliver_to_port(Inet *d, InetData data);
/* One more packet has been delivered to an active socket. */
void inet_count_active(Inet *d);

/* --- tcp.c, tcp_recv.c, tcp_send.c ---------------------------------------------------------------------------- */
void tcp_close_pending(Tcp *t, Term reason); /* answers whatever waits */
void tcp_close_socket(Tcp *t);
void tcp_input_clear(Tcp *t);
/* Reads once and delivers; request 0: a packet. */
typedef enum { RECV_ENDED, RECV_MORE, RECV_DELIVERED } Received;
Received tcp_recv(Tcp *t, size_t request);
void tcp_deliver_buffered(Tcp *t); /* what is there already, to an active socket */
void tcp_push_back(Tcp *t, const uint8_t *bytes, size_t n);
bool tcp_request_recv(Tcp *t, Request *r, Answer *a, Term caller);
void tcp_ready_read(Tcp *t, unsigned times);

void tcp_command(void *data, Term caller, Term iodata, size_t size);
void tcp_output(Tcp *t);
void tcp_queue_clear(Tcp *t);
/* Ends waiting for the queue: d->caller is the one who waited and is to be answered. False: nobody was waiting. */
bool tcp_unbusy(Tcp *t);
bool tcp_request_shutdown(Tcp *t, Request *r, Answer *a);
bool tcp_request_sendfile(Tcp *t, Request *r, Answer *a, Term caller);
void tcp_sendfile_abort(Tcp *t, Term reason);
void tcp_tell_closed(Tcp *t); /* {tcp_closed, S}, once */
/* The port has closed and all output is out, or never will be: frees t. */
void tcp_linger_end(Tcp *t);
