/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Microstate accounting: what a scheduler's thread spends its time with. Each scheduler always knows its
 * state, which costs a store at a change; clocks are read at changes only while the accounting is on.
 */
#pragma once

#include "vm/proc/sched.h"

/* All times so far, atomic, and the clock at the last change. */
extern bool msacc_on; /* atomic; written alone */
void msacc_account(Sched *s, MsaccState until_now);

/* s, whose thread this is, turns to something else; returns what it did before. */
static inline MsaccState msacc_enter(Sched *s, MsaccState state)
{
    MsaccState old = (MsaccState)s->msacc.state;
    __atomic_store_n(&s->msacc.state, (uint8_t)state, __ATOMIC_RELAXED);
    if (__builtin_expect(__atomic_load_n(&msacc_on, __ATOMIC_RELAXED), 0)) {
        msacc_account(s, old);
    }
    return old;
}

/* Whether it was on. */
bool msacc_switch(bool on);
void msacc_reset(void);
/* Time in a state up to now. */
int64_t msacc_time(const Sched *s, MsaccState state);
