/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequential tracing: a process may hold a token, {Flags, Label, Serial, From, LastSerial}; what it sends carries a
 * copy, and whoever takes a message out of its queue takes over its token. A message without one (Message.token NIL)
 * ends the receiver's; messages of the machine itself (timers, ports, 'DOWN', traces: A_undefined) leave it alone.
 */
#pragma once

#include "vm/proc/signal.h"

enum { SEQ_SEND = 1, SEQ_RECEIVE = 2, SEQ_PRINT = 4, SEQ_TIMESTAMP = 8, SEQ_STRICT_MONOTONIC = 16, SEQ_MONOTONIC = 32 };

/* The process or port that is told; A_false: nobody. False: the new one is neither alive nor false. */
Term seq_tracer(void);
bool seq_tracer_set(Term tracer);
/* seq_trace/2 and the action of match specifications (`quiet`: the old value is not asked for, true is returned).
 * NONVALUE: badarg. */
Term seq_trace_set(Proc *p, Term item, Term value, bool quiet);
Term seq_trace_info(Proc *p, Term item); /* {Item, Value}; NONVALUE: badarg */
/* The running process sends / prints: the serial goes up, the tracer is told. `to` NIL: print. */
void seq_trace_sent(Proc *p, Term to, Term message);
bool seq_trace_print(Proc *p, Term info);
/* p takes m out of its queue. */
void seq_trace_taken(Proc *p, const Message *m);
/* The child of a process with a token: it inherits it, as if asked by a message and answering with one. */
typedef struct SeqSpawn {
    Term ref, options, reply_tag;
    Term *reply_token; /* not NULL: the answer will really come as a message, with this token */
} SeqSpawn;
void seq_trace_spawned(Proc *parent, Proc *child, const SeqSpawn *spawn, Term mfa, Term args);
/* A copy of the token in the signal: for messages and exits. */
void seq_trace_attach(Signal *s, Term token);
/* system_flag(reset_seq_trace, true): no process and no queue holds a token any more. */
void seq_trace_reset_all(void);
