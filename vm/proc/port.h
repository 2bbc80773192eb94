/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: identifiers with an owner, links and data, and a driver behind them. A driver is a table of C functions
 * (plat/linux: fd, spawn, tty_sl, inet) or an Erlang process (bare metal).
 */
#pragma once

#include "vm/proc/proc.h"

typedef struct Port Port;
typedef struct PortDriver {
    const char *name; /* "fd", "spawn", "tty_sl", "udp_inet", ... as open_port names it */
    /* Opens for `owner` with the option list as given; returns driver data or NULL with *error set to an atom (posix or badarg). */
    void *(*open)(Port *port, Term name, Term options, Term *error);
    void (*close)(void *data); /* frees data */
    /* Data from the owner ({Pid, {command, _}} or port_command), flattened. False: badarg/einval -> port closes with epipe. */
    bool (*output)(void *data, const uint8_t *bytes, size_t n);
    /* port_control: the reply is built on caller's heap (list or binary by port flags); NONVALUE = badarg. */
    Term (*control)(Proc *caller, void *data, unsigned command, const uint8_t *bytes, size_t n);
    Term (*call)(Proc *caller, void *data, unsigned command, Term argument);
} PortDriver;

struct Port {
    Term id;
    Term owner;       /* connected process */
    Term name;        /* atom when registered */
    const PortDriver *driver;
    void *data;
    char *label;      /* port_info name */
    bool binary;      /* deliver binaries, not lists */
    bool eof, exit_status, closing;
    uint8_t packet;   /* 0, 1, 2, 4 */
    size_t line;      /* {line, N}, 0 none */
    HeapFrag *user_data_frag;
    Term user_data;   /* port_set_data */
    uint64_t input, output; /* byte counts */
    struct IdMap *links;    /* proc/link.h */
    struct IdMap *monitors; /* proc/monitor.h */
    int os_pid;       /* or 0 */
    Port *next;
};

void port_table_init(size_t limit);
Port *port_lookup(Term id_or_name); /* NULL when closed */
void port_each(void (*fn)(Port *port, void *arg), void *arg);
/* From the platform: data arrived; delivers {Port, {data, Data}} (or eol/noeol forms) to the owner. */
void port_deliver_data(Port *port, const uint8_t *bytes, size_t n);
/* Any term as {Port, Term} built by the platform in frag. */
void port_deliver(Port *port, Term message, HeapFrag *frag);
/* Closes with a reason: owner and links get {'EXIT', Port, Reason} signals; driver->close is called. */
void port_terminate(Port *port, Term reason);
/* The connected process died, or a link of the port broke. */
void port_owner_exit(Term port, Term from, Term reason);
/* `Port ! Msg` */
void port_receive_message(Proc *from, Term port, Term message);
