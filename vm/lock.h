/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spinning locks for a few instructions' worth of work on shared tables. Holders never sleep and never run Erlang code
 * while they hold one. A thread of a hosted machine can lose its core while it holds a lock, so a waiter gives its own
 * core away after a while (plat_relax). Zero is the unlocked state.
 *
 * Order, where two are held: timer wheel, process timer list; port lock before everything it calls; table before name.
 */
#pragma once

#include "lib/cstd.h"
#include "vm/plat.h"

typedef struct SpinLock {
    uint32_t word; /* atomic */
} SpinLock;
/* Many readers or one writer: 0 free, n > 0 readers, -1 a writer. */
typedef struct RwLock {
    int32_t word; /* atomic */
} RwLock;

enum { LOCK_SPINS = 200 };

static inline void core_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static inline void lock_pause(unsigned *spins)
{
    if (++*spins < LOCK_SPINS) {
        core_pause();
    } else {
        plat_relax();
    }
}

static inline void spin_lock(SpinLock *l)
{
    unsigned spins = 0;
    while (__atomic_load_n(&l->word, __ATOMIC_RELAXED) || __atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE)) {
        lock_pause(&spins);
    }
}

static inline void spin_unlock(SpinLock *l)
{
    __atomic_store_n(&l->word, 0, __ATOMIC_RELEASE);
}

static inline void read_lock(RwLock *l)
{
    unsigned spins = 0;
    for (;;) {
        int32_t v = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
        if (v >= 0 && __atomic_compare_exchange_n(&l->word, &v, v + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return;
        }
        lock_pause(&spins);
    }
}

static inline void read_unlock(RwLock *l)
{
    __atomic_fetch_sub(&l->word, 1, __ATOMIC_RELEASE);
}

static inline void write_lock(RwLock *l)
{
    unsigned spins = 0;
    for (;;) {
        int32_t v = 0;
        if (__atomic_compare_exchange_n(&l->word, &v, -1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return;
        }
        lock_pause(&spins);
    }
}

static inline void write_unlock(RwLock *l)
{
    __atomic_store_n(&l->word, 0, __ATOMIC_RELEASE);
}
