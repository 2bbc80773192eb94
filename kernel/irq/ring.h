/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interrupt ring: one writer (interrupt handlers of one processor, which do not nest), one reader (its scheduler),
 * no locks. Holds at most one record a vector (irq.c counts repeats in the line), so it can never be full.
 */
#pragma once

#include "lib/cstd.h"

enum { RING_SLOTS = 256 };

typedef struct IrqRecord {
    uint32_t vector;
    uint32_t data; /* how many interrupts the record stands for */
    int64_t time_ns; /* clock_now_ns() in the handler of the first */
} IrqRecord;

typedef struct IrqRing {
    IrqRecord slots[RING_SLOTS];
    uint32_t head; /* writer: next to fill */
    uint32_t tail; /* reader: next to take */
} IrqRing;

/* Writer. False if full. */
static inline bool ring_put(IrqRing *r, IrqRecord record)
{
    uint32_t head = r->head;
    if (head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) == RING_SLOTS) {
        return false;
    }
    r->slots[head % RING_SLOTS] = record;
    __atomic_store_n(&r->head, head + 1, __ATOMIC_RELEASE); /* pairs with the acquire in ring_take */
    return true;
}

static inline bool ring_is_empty(const IrqRing *r)
{
    return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) == r->tail;
}

/* Reader. False if empty. */
static inline bool ring_take(IrqRing *r, IrqRecord *record)
{
    if (ring_is_empty(r)) {
        return false;
    }
    *record = r->slots[r->tail % RING_SLOTS];
    __atomic_store_n(&r->tail, r->tail + 1, __ATOMIC_RELEASE); /* pairs with the acquire in ring_put */
    return true;
}
