/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: identifiers with an owner, links and data, and a driver behind them. A driver is a table of C functions
 * (plat/linux: fd, spawn, tty_sl) or, on bare metal, an Erlang process. Framing ({packet, N}, {line, N}, lists or
 * binaries) is done here, so a driver moves plain bytes.
 *
 * What processes do to a port takes effect when they do it: there is no queue of signals to a port. Replies and data
 * are messages. A port is freed by port_terminate(); a driver function that calls it returns at once.
 */
#pragma once

#include "vm/proc/proc.h"

typedef struct Port Port;
typedef struct PortDriver {
    const char *name; /* "fd", "spawn", "tty_sl", "udp_inet", ... as open_port names it */
    /* Opens for `owner` with the option list as given; returns driver data or NULL with *error set to an atom (posix
     * or badarg). */
    void *(*open)(Port *port, Term name, Term options, Term *error);
    void (*close)(void *data); /* frees data, after what is still to be written was written */
    /* Data from the owner ({Pid, {command, _}} or port_command), flattened. False: the port closes with epipe. */
    bool (*output)(void *data, const uint8_t *bytes, size_t n);
    /* Instead of output: iodata of `size` bytes as it is, and who sent it. May end the port. */
    void (*command)(void *data, Term caller, Term iodata, size_t size);
    /* port_control: the reply is built on caller's heap (list or binary by port flags); NONVALUE = badarg. */
    Term (*control)(Proc *caller, void *data, unsigned command, const uint8_t *bytes, size_t n);
    Term (*call)(Proc *caller, void *data, unsigned command, Term argument);
    /* Bytes waiting to be written, for port_info(queue_size). NULL: 0. */
    size_t (*queued)(void *data);
} PortDriver;

struct Port {
    Term id;
    Term owner;       /* connected process */
    Term name;        /* atom when registered, else NIL */
    const PortDriver *driver;
    void *data;
    char *label;      /* port_info name */
    bool binary;      /* deliver binaries, not lists */
    bool eof, exit_status, closing;
    bool in, out;     /* directions asked for: both when neither was */
    bool parallelism;
    bool busy;        /* port_command waits: see port_set_busy */
    bool pinned;      /* see port_pin */
    unsigned pin_depth;
    uint8_t packet;   /* 0, 1, 2, 4 */
    size_t line;      /* {line, N}, 0 none */
    HeapFrag *user_data_frag;
    Term user_data;   /* port_set_data; NONVALUE until set */
    uint64_t input, output; /* byte counts */
    struct IdMap *links;
    struct IdMap *monitors;
    int os_pid;       /* or 0 */
    uint32_t trace_flags; /* trace/trace.h */
    Term tracer;      /* pid or port; NIL: nobody */
    /* Input that is not a whole packet or line yet. */
    uint8_t *partial;
    size_t partial_size, partial_capacity;
    /* Processes in port_command that wait for `busy` to end. */
    Term *waiters;
    size_t waiter_count, waiter_capacity;
};

/* One lock for all ports and what their drivers keep: natives about ports, messages and exit signals to them, and the
 * platform while it handles events hold it. Nests. */
void ports_lock(void);
void ports_unlock(void);
/* A driver lets the lock go while it makes a system call for this port. Nobody else sees the port meanwhile:
 * port_lookup waits, and the driver's own events and timers must look at `pinned`. */
void port_pin(Port *port);
void port_unpin(Port *port);

void port_table_init(size_t limit);
size_t port_table_limit(void);
size_t port_count(void);
/* Drivers that open_port({spawn_driver, _}) knows by name. */
bool port_driver_known(const char *name);
void port_driver_each(void (*fn)(const char *name, void *arg), void *arg);
Port *port_lookup(Term id_or_name); /* NULL when closed. Under ports_lock(), like all that takes a Port */
void port_each(void (*fn)(Port *port, void *arg), void *arg);
/* All bytes that ports took in and gave out since the start: statistics(io). */
void port_io_totals(uint64_t *input, uint64_t *output);

/* From the platform: data arrived; delivers {Port, {data, Data}} (or eol/noeol forms) to the owner. */
void port_deliver_data(Port *port, const uint8_t *bytes, size_t n);
/* One message whose data is a list of `head` with, as its tail, the bytes as the port delivers data (list or binary);
 * without a tail where bytes is NULL. For drivers of protocols; packets and lines do not matter to it. */
void port_deliver_with_head(Port *port, const uint8_t *head, size_t head_size, const uint8_t *bytes, size_t n);
/* Input has ended: an unfinished line is delivered, then {Port, eof} or, without the option eof, the port closes with
 * reason normal (and is gone). */
void port_deliver_eof(Port *port);
/* Any term as {Port, Term} built by the platform in frag. */
void port_deliver(Port *port, Term message, HeapFrag *frag);
/* The driver's queue is long (true) or short again (false, which lets waiting processes go on). */
void port_set_busy(Port *port, bool busy);
/* Closes with a reason: owner and links get {'EXIT', Port, Reason} signals; driver->close is called. */
void port_terminate(Port *port, Term reason);
/* Closes because the driver says so; the connected process is told otherwise, so its link goes first. */
void port_terminate_quietly(Port *port, Term reason);
/* A link of the port broke: `from` ended (the connected process, or another). */
void port_owner_exit(Term port, Term from, Term reason);
/* `Port ! Msg` */
void port_receive_message(Proc *from, Term port, Term message);

/* --- for natives (bif_port.c) ----------------------------------------------------------------------- */
/* Opens and links to the owner. The port, or NONVALUE with *error an atom: badarg, badopt, system_limit, a posix
 * error. */
Term port_open(Proc *owner, Term name, Term options, Term *error);
/* A port that a driver makes itself (an accepted connection), linked to the owner. NULL: too many, or the owner is
 * dead. */
Port *port_new(Term owner, const PortDriver *driver, void *data);
/* One packet out; the port may be gone afterwards. False: data is no iodata. caller: the sending process or
 * NONVALUE. */
bool port_output(Port *port, Term caller, Term data);
void port_output_bytes(Port *port, const uint8_t *data, size_t n);
void port_connect(Port *port, Term pid); /* pid: local and alive */
/* Makes the running process wait until the port is not busy: `return port_wait(p, port)` in a native. */
Term port_wait(Proc *p, Port *port);
