/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of one scheduler: a hierarchical wheel in milliseconds. Receive timeouts, send_after, start_timer. */
#pragma once

#include "vm/proc/sched.h"

typedef struct Timer Timer;
/* Receive timeout for the running process: sets PF_TIMEOUT and makes it ready after `ms`. */
void timer_set_receive(Proc *p, uint64_t ms);
void timer_cancel_receive(Proc *p);
/* Fires what is due. Returns nanoseconds until the next one, -1 when there is none. */
int64_t timer_run(Sched *s, int64_t now_ns);
void timer_init(Sched *s);
