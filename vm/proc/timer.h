/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of one scheduler: a hierarchical wheel in milliseconds. Receive timeouts, send_after, start_timer. */
#pragma once

#include "vm/proc/sched.h"

typedef struct Timer Timer;
/* Receive timeout for the running process: sets PS_TIMEOUT and makes it ready after `ms`. Keeps one already running. */
void timer_set_receive(Proc *p, uint64_t ms);
void timer_cancel_receive(Proc *p);
/* Fires what is due. Returns nanoseconds until the next one, -1 when there is none. now_ns: clock_uptime_ns(). */
int64_t timer_run(Sched *s, int64_t now_ns);
void timer_init(Sched *s);

/* A timer that sends `message` (in frag, taken) to a pid or registered name when clock_uptime_ns() >= due_ns.
 * `id` is the timer reference's, made by ref_new_id(s). A pid's timers end with it. */
void timer_start_message(Sched *s, int64_t due_ns, Term target, uint64_t id, Term message, HeapFrag *frag);
/* Milliseconds left of the timer with that reference, -1 when there is none. */
int64_t timer_read(uint64_t id);
int64_t timer_cancel(uint64_t id);
/* The timers that are to send a message to p, which has a pid as their target. */
void timer_each(Proc *p, void (*fn)(Term to, Term message, int64_t ms_left, void *arg), void *arg);
/* p ends: no timer refers to it any more. */
void timer_owner_exit(Proc *p);
/* A timer that calls fn(arg), for ports. Started and cancelled under the port lock, which fn is called under too; the
 * owner of arg cancels it unless it has been called. */
Timer *timer_start_call(int64_t due_ns, void (*fn)(void *arg), void *arg);
void timer_cancel_call(Timer *t);
size_t timer_count(const Sched *s);
size_t timer_message_bytes(void); /* memory of all message timers, without the messages */
