/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals: all that one process does to another. A Signal begins with a Message, so that an ordinary
 * message is a signal that needs no second allocation. `Proc.in` is a lock-free stack of arrived signals, newest
 * first: producers push with compare-and-swap, the owner takes all at once and reverses them, so signals from one
 * sender keep their order. A dead process's stack is SIGNALS_CLOSED: a push fails and the sender acts as
 * it must towards the dead.
 */
#pragma once

#include "vm/proc/msg.h"

typedef enum {
    SIG_MESSAGE,
    SIG_MESSAGE_FROM,  /* the same with all fields of a Signal: for receivers that are traced, and for tokens */
    SIG_ALIAS_MESSAGE, /* id: the alias */
    SIG_EXIT,          /* exit/2: term = reason */
    SIG_EXIT_LINKED,   /* a link broke: term = reason */
    SIG_LINK,
    SIG_UNLINK,        /* id: to acknowledge */
    SIG_UNLINK_ACK,
    SIG_MONITOR,       /* id; term: name it was asked for by, or NIL; from: the monitoring process */
    SIG_DEMONITOR,     /* id */
    SIG_DOWN,          /* id; term = reason */
    SIG_GROUP_LEADER,  /* term = the new leader */
    SIG_TASK,          /* call() at a point where p may collect: outside the interpreter */
    SIG_CALL,          /* call() where signals are handled; also with dead set when the process has ended */
} SignalKind;

struct Signal {
    Message head; /* next, term, frag, kind */
    Term from;    /* pid or port, immediate; NONVALUE from outside */
    uint64_t id;
    /* SIG_TASK, SIG_CALL: runs in p's context; p is dead (only id and messages to others make sense) when `dead`. */
    void (*call)(Proc *p, Signal *s, bool dead);
};
#define SIGNALS_CLOSED ((Signal *)1)

Signal *signal_new(SignalKind kind, Term from, uint64_t id);
/* As above with a copy of `term` and room for `spare` words behind it in the fragment. */
Signal *signal_new_term(SignalKind kind, Term from, uint64_t id, Term term, size_t spare);
void signal_free(Signal *s);
/* Takes s in any case. False when the receiver is dead: s is freed. */
bool signal_push(Proc *to, Signal *s);
bool signal_send(Term pid, Signal *s);
/* Acts on all signals now: for a process that is not running (claimed by the caller) or is the caller itself. */
void signal_handle_all(Proc *p);
/* What a process that ends owes the senders of signals it never handled. */
void signal_close_all(Proc *p);

/* An exit signal as if `from` (pid or port) sent it; sender: that process, NULL when it is none. Not to oneself while
 * running: see bif_exit_2. */
void signal_exit(Proc *sender, Term from, Term to, Term reason, bool linked);
/* Adds words for terms to the end of a signal's fragment; makes a fragment if there is none. The place to build. */
Term *signal_room(Signal *s, size_t words);
/* Turns a signal into a message to p of this term (built in the signal's fragment) and appends it to p's queue. */
void signal_to_message(Proc *p, Signal *s, Term term);
