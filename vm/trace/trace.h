/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracing: who is traced by whom (two words in each process and port), and the messages that events become. An event is
 * noticed where it happens, behind `trace_on`, and costs one test there while nobody traces. Messages are built
 * outside of any heap and pushed into the tracer's queue at once, so a tracee's messages arrive in the order of its
 * events.
 *
 * Calls are traced by breakpoints: breakpoint.h and call.h. doc/tracing.md tells the whole.
 */
#pragma once

#include "vm/ets/match.h"
#include "vm/proc/port.h"
#include "vm/proc/proc.h"

enum { /* Proc.trace_flags and Port.trace_flags */
    TRACE_SEND = 1 << 0,
    TRACE_RECEIVE = 1 << 1,
    TRACE_CALL = 1 << 2,
    TRACE_SILENT = 1 << 3,
    TRACE_RETURN_TO = 1 << 4,
    TRACE_PROCS = 1 << 5,
    TRACE_PORTS = 1 << 6,
    TRACE_RUNNING = 1 << 7,
    TRACE_EXITING = 1 << 8,
    TRACE_RUNNING_PROCS = 1 << 9,
    TRACE_RUNNING_PORTS = 1 << 10,
    TRACE_GC = 1 << 11,
    TRACE_ARITY = 1 << 12,
    TRACE_ON_SPAWN = 1 << 13,
    TRACE_ON_FIRST_SPAWN = 1 << 14,
    TRACE_ON_LINK = 1 << 15,
    TRACE_ON_FIRST_LINK = 1 << 16,
    TRACE_SCHEDULER_ID = 1 << 17,
    TRACE_TIMESTAMP = 1 << 18,
    TRACE_STRICT_MONOTONIC = 1 << 19,
    TRACE_MONOTONIC = 1 << 20,
    TRACE_TIMES = TRACE_TIMESTAMP | TRACE_STRICT_MONOTONIC | TRACE_MONOTONIC,
    TRACE_ALL = (1 << 21) - 1,
    TRACE_SCHEDULED = TRACE_RUNNING | TRACE_RUNNING_PROCS,
};

/* True when p is traced for (one of) these: then build the event. */
static inline bool trace_on(const Proc *p, uint32_t flags)
{
    return __builtin_expect(p->trace_flags & flags, 0) && !(p->flags & PF_SENSITIVE);
}
static inline bool trace_port_on(const Port *port, uint32_t flags)
{
    return __builtin_expect(port->trace_flags & flags, 0);
}

/* --- the switchboard ----------------------------------------------------------------------------------- */
/* A flag's name; 0: there is none. */
uint32_t trace_flag_of(Term name);
/* [Flag] in OTP's order, on p's heap. */
Term trace_flag_list(Proc *p, uint32_t flags);
/* True while `tracer` (pid or port) is there to be told. */
bool trace_tracer_alive(Term tracer);
/* Likewise of p's tracer; when that is gone, nothing of p is traced any more. */
bool trace_proc_has_tracer(Proc *p);
/* Switches flags of a tracee. tracer NIL: keep the one there is. False: somebody else traces it already. */
bool trace_switch(Term *tracer_place, uint32_t *flags_place, Term tracer, bool on, uint32_t flags);
bool trace_switch_proc(Proc *p, Term tracer, bool on, uint32_t flags);
bool trace_switch_port(Port *port, Term tracer, bool on, uint32_t flags);
/* For processes and ports to come: what they begin with. */
typedef struct TraceDefaults {
    Term proc_tracer, port_tracer; /* NIL: none */
    uint32_t proc_flags, port_flags;
    Magic *send_spec, *receive_spec; /* NULL: no pattern */
    bool send_off, receive_off;      /* trace_pattern(send, false, []) */
    bool cpu_times;                  /* time stamps are in CPU time */
} TraceDefaults;
TraceDefaults *trace_defaults(void);

/* --- messages ------------------------------------------------------------------------------------------- */
/* {trace, Tracee, Tag, Data..., [Extra,] [Scheduler,] [Time]} to the tracer; `extra` NONVALUE when there is none.
 * n <= TRACE_DATA_MAX. */
enum { TRACE_DATA_MAX = 3, TRACE_TIME_WORDS = 12 };
typedef struct TraceEvent {
    Term tracee, tracer;
    uint32_t flags; /* of them: times, scheduler id */
    Term tag;
    unsigned n;
    Term data[TRACE_DATA_MAX];
    Term extra;
} TraceEvent;
void trace_send_event(const TraceEvent *e);
/* An event of p with n data. */
void trace_proc_event(Proc *p, Term tag, unsigned n, const Term *data);
void trace_port_event(Port *port, Term tag, unsigned n, const Term *data);
static inline void trace_proc_event1(Proc *p, Term tag, Term data) { trace_proc_event(p, tag, 1, &data); }
/* A time stamp as flags ask for, in `space`; NONVALUE: none is asked for. */
Term trace_time(uint32_t flags, Term space[TRACE_TIME_WORDS]);

/* --- events ------------------------------------------------------------------------------------------------ */
void trace_message_sent(Proc *p, Term to, Term message);
/* from: pid, port, or an atom for others. */
void trace_message_received(Proc *p, Term from, Term message);
void trace_spawned(Proc *parent, Proc *child, Term m, Term f, Term args, bool linked);
/* Switches flags of another process, by a signal; nothing happens if somebody else traces it. */
void trace_change(Term pid, Term tracer, uint32_t off, uint32_t on);
/* in, out, ...: with the function that p is in. */
void trace_scheduled(Proc *p, Term tag);
void trace_collecting(Proc *p, bool full, bool start, size_t words);
void trace_port_opened(Proc *p, Port *port);
/* from has said {from, What} to the port: What is {command, IoData}, {connect, Pid}, close, ... or something odd. */
void trace_port_told(Proc *from, Port *port, Term what);
void trace_port_says(Port *port, Term to, Term message);
/* {M, F, Arity} of where p continues, built at *space (4 words); make_small(0) when it is nowhere. */
Term trace_where(const Proc *p, Term space[4]);
