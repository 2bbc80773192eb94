/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See safe.h. Epochs: retiring something raises the epoch and marks it with the new number; a scheduler writes down,
 * at each safe point, the epoch it has seen there. What is marked e may go when all have seen e. A scheduler that
 * stands or sleeps has seen everything, so it writes the greatest number. That one word is also how a scheduler that
 * wants to be alone sees that the others stand.
 */
#include "vm/proc/safe.h"

#include "vm/lock.h"
#include "vm/vm.h"

SafeState safe_state;

typedef struct Retired {
    uint64_t epoch;
    void *mem;
    void (*release)(void *mem);
} Retired;

/* --- freeing later ------------------------------------------------------------------------------------------------ */
void safe_free_later(void *mem, void (*release)(void *mem))
{
    Sched *s = plat_sched();
    if (s->retired_count == s->retired_capacity) {
        s->retired_capacity = s->retired_capacity ? s->retired_capacity * 2 : 64;
        s->retired = vm_realloc(s->retired, s->retired_capacity * sizeof *s->retired);
    }
    /* The epoch is raised once for all that was retired since the last safe point: there. */
    uint64_t epoch = __atomic_load_n(&safe_state.epoch, __ATOMIC_ACQUIRE) + 1;
    s->retired[s->retired_count++] = (Retired){epoch, mem, release};
}

/* The epoch that every scheduler has seen. */
static uint64_t safe_seen_by_all(void)
{
    uint64_t least = SAFE_STANDING;
    for (unsigned i = 0; i < sched_count(); i++) {
        uint64_t seen = __atomic_load_n(&sched_get(i)->seen, __ATOMIC_SEQ_CST);
        least = seen < least ? seen : least;
    }
    return least;
}

static void safe_release(Sched *s)
{
    /* Oldest first, so the last one has the highest mark. */
    uint64_t newest = s->retired[s->retired_count - 1].epoch;
    uint64_t epoch = __atomic_load_n(&safe_state.epoch, __ATOMIC_SEQ_CST);
    if (newest > epoch && __atomic_compare_exchange_n(&safe_state.epoch, &epoch, newest, false, __ATOMIC_SEQ_CST,
                                                      __ATOMIC_SEQ_CST)) {
        epoch = newest;
    }
    __atomic_store_n(&s->seen, epoch, __ATOMIC_SEQ_CST);
    uint64_t seen = safe_seen_by_all();
    size_t n = 0;
    while (n < s->retired_count && s->retired[n].epoch <= seen) {
        s->retired[n].release(s->retired[n].mem);
        n++;
    }
    s->retired_count -= n;
    if (n) {
        memmove(s->retired, s->retired + n, s->retired_count * sizeof *s->retired);
    }
}

/* --- standing still ----------------------------------------------------------------------------------------------- */
void safe_sleep(Sched *s)
{
    __atomic_store_n(&s->seen, SAFE_STANDING, __ATOMIC_SEQ_CST);
}

/* Sequentially consistent both here and in safe_alone_begin: either this scheduler sees who wants to be alone, or that
 * one sees it moving. */
void safe_awake(Sched *s)
{
    unsigned spins = 0;
    for (;;) {
        __atomic_store_n(&s->seen, __atomic_load_n(&safe_state.epoch, __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
        Sched *alone = __atomic_load_n(&safe_state.alone, __ATOMIC_SEQ_CST);
        if (!alone || alone == s) {
            return;
        }
        safe_sleep(s);
        while (__atomic_load_n(&safe_state.alone, __ATOMIC_SEQ_CST)) {
            lock_pause(&spins);
        }
    }
}

void safe_point_slow(Sched *s)
{
    if (s->retired_count) {
        safe_release(s);
    }
    if (__atomic_load_n(&safe_state.alone, __ATOMIC_SEQ_CST)) {
        safe_sleep(s);
        safe_awake(s);
    }
}

void safe_alone_begin(void)
{
    Sched *s = plat_sched();
    if (__atomic_load_n(&safe_state.alone, __ATOMIC_RELAXED) == s) {
        safe_state.depth++;
        return;
    }
    Sched *nobody = NULL;
    while (!__atomic_compare_exchange_n(&safe_state.alone, &nobody, s, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        safe_sleep(s); /* another is: stand still for it, then try again */
        safe_awake(s);
        nobody = NULL;
    }
    safe_state.depth = 1;
    for (unsigned i = 0; i < sched_count(); i++) {
        const Sched *other = sched_get(i);
        unsigned spins = 0;
        while (other != s && __atomic_load_n(&other->seen, __ATOMIC_SEQ_CST) != SAFE_STANDING) {
            lock_pause(&spins);
        }
    }
}

void safe_alone_end(void)
{
    if (--safe_state.depth == 0) {
        __atomic_store_n(&safe_state.alone, NULL, __ATOMIC_SEQ_CST);
    }
}
