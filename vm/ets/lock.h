/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spinning reader-writer locks in one word: 0 free, n > 0 readers, -1 a writer. Holders are natives, which
 * never block and never switch process while they hold one, so waiting is short and a waiter may spin.
 */
#pragma once

#include "lib/cstd.h"

typedef struct EtsLock {
    int32_t word; /* atomic */
} EtsLock;

static inline void ets_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}
static inline void ets_read_lock(EtsLock *l)
{
    for (;;) {
        int32_t v = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
        /* Acquire: pairs with the release in the unlocks. */
        if (v >= 0 && __atomic_compare_exchange_n(&l->word, &v, v + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return;
        }
        ets_relax();
    }
}
static inline void ets_read_unlock(EtsLock *l) { __atomic_fetch_sub(&l->word, 1, __ATOMIC_RELEASE); }
static inline void ets_write_lock(EtsLock *l)
{
    for (;;) {
        int32_t v = 0;
        if (__atomic_compare_exchange_n(&l->word, &v, -1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return;
        }
        ets_relax();
    }
}
static inline void ets_write_unlock(EtsLock *l) { __atomic_store_n(&l->word, 0, __ATOMIC_RELEASE); }
