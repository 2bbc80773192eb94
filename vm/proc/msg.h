/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending, and the queue of incoming signals. All that one process does to another is a signal in one
 * ordered multi-producer, single-consumer queue; the receiver handles them at its safe points.
 */
#pragma once

#include "vm/proc/proc.h"

/* Sends a copy of `message` from p to the process (no reply when dead). p may be NULL: from outside. */
void msg_send(Proc *from, Proc *to, Term message);
void msg_send_pid(Proc *from, Term pid, Term message);
/* Takes the fragment that holds `message` (NULL: immediate/literal). For ports, timers, platforms: any thread. */
void msg_send_frag(Term pid, Term message, HeapFrag *frag);
/* The same, saying who it is from, for traces: a port, or A_clock_service. */
void msg_send_frag_from(Term from, Term pid, Term message, HeapFrag *frag);
/* What `!` and erlang:send/2 do with any destination (pid, name, {name,node}, alias, port). Returns the message, or
 * NONVALUE after p_fault (badarg for an unregistered name, ...). */
Term msg_send_any(Proc *p, Term dest, Term message);

/* Moves arrived signals into the private queue and acts on all that are not messages (may end p: then
 * PF_EXITING is set and the exit reason is in fault_reason). Returns true when messages were added. */
bool msg_fetch(Proc *p);

/* Receive instructions. */
static inline Message *msg_current(Proc *p) { return *p->msg_save; } /* NULL: fetch, then wait */
void msg_remove_current(Proc *p); /* remove_message: its fragment joins p's heap; save back to the first */
static inline void msg_skip_current(Proc *p)  /* loop_rec_end; nothing when there is none,
                                    as wrong bytecode may have it */
{
    if (*p->msg_save) {
        p->msg_save = &(*p->msg_save)->next;
    }
    p->msg_peeked = false;
}
static inline void msg_rewind(Proc *p) /* timeout, or leaving a receive */
{
    p->msg_save = &p->msg_first;
    p->msg_peeked = false;
}
/* recv_marker_*: a receive that can only match messages younger than a reference skips the older ones. */
Term msg_marker_reserve(Proc *p);
void msg_marker_bind(Proc *p, Term marker, Term ref);
void msg_marker_clear(Proc *p, Term ref_or_marker);
void msg_marker_use(Proc *p, Term ref); /* sets save when the mark is still known, else leaves it */

/* The collector's part: makes the peeked message a heap root (adopts its fragment). */
void msg_pin_current(Proc *p);
void msg_each_root(Proc *p, void (*fn)(Term *slot, void *arg), void *arg);
void msg_free_all(Proc *p); /* the process ends */
