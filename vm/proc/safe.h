/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Safe points: the moments, between two slices, when a scheduler holds no pointer that it borrowed. Two things rest on
 * them.
 *
 * Freeing later. What others may be looking at without a lock (a Proc found in the table, the old array of a table that
 * has grown) is first taken out of reach, then given to safe_free_later(): it is freed when each scheduler has
 * passed a safe point since. So a pointer borrowed by a native stays valid until that native returns.
 *
 * Running alone. What changes code, or looks into other processes, waits until every other scheduler stands at a safe
 * point and keeps them there. A native whose row says `alone` runs that way from its first instruction to its last. It
 * costs up to a slice of waiting: for rare work only.
 */
#pragma once

#include "vm/proc/sched.h"

/* Between two slices. Waits here while another scheduler runs alone. */
static inline void safe_point(Sched *s);
/* Around the time a scheduler sleeps, or stands outside of Erlang: it counts as standing at a safe point. */
void safe_sleep(Sched *s);
void safe_awake(Sched *s);
/* `mem` is out of reach for everybody who does not hold it already. `release` is called on some scheduler, between
 * slices. */
void safe_free_later(void *mem, void (*release)(void *mem));
/* Nests. On a scheduler that holds no lock and no borrowed pointer. */
void safe_alone_begin(void);
void safe_alone_end(void);

/* --- the inline part ------------------------------------------------------------------------------------------- */
/* A word on a cache line of its own that all schedulers read between slices. */
typedef struct SafeState {
    uint64_t epoch;  /* atomic: grows when something was retired */
    Sched *alone;    /* atomic: who runs alone, or wants to as soon as all others stand still */
    unsigned depth;  /* nesting; of `alone` */
} SafeState;
extern SafeState safe_state;
#define SAFE_STANDING UINT64_MAX /* Sched.seen of a scheduler that stands still or sleeps */

void safe_point_slow(Sched *s);
static inline void safe_point(Sched *s)
{
    uint64_t epoch = __atomic_load_n(&safe_state.epoch, __ATOMIC_ACQUIRE);
    if (s->seen != epoch) {
        __atomic_store_n(&s->seen, epoch, __ATOMIC_RELEASE);
    }
    if (s->retired_count || __atomic_load_n(&safe_state.alone, __ATOMIC_RELAXED)) {
        safe_point_slow(s);
    }
}
