/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's locks: spinning, held for a few hundred instructions at most. A lock that handlers take too is taken
 * with interrupts off (KLock); the one of the memory allocators is not, and its holder may take it again (mm_lock).
 * A panic takes none.
 */
#pragma once

#include "kernel/arch/x86_64/cpu.h"

typedef struct KLock {
    uint32_t word; /* atomic */
} KLock;

/* What klock_release needs: were interrupts on? */
static inline bool klock_acquire(KLock *l)
{
    bool on = interrupts_save();
    while (__atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE)) {
        cpu_pause();
    }
    return on;
}

static inline void klock_release(KLock *l, bool on)
{
    __atomic_store_n(&l->word, 0, __ATOMIC_RELEASE);
    interrupts_restore(on);
}

/* Over page frames, page tables, areas and the heap together: they call each other. */
void mm_lock(void);
void mm_unlock(void);
static inline void mm_unlock_at_end(const int *held)
{
    (void)held;
    mm_unlock();
}
/* First line of a function: held until it returns. */
#define MM_LOCKED() \
    mm_lock(); \
    const int held_ __attribute__((cleanup(mm_unlock_at_end), unused)) = 0
