/* SPDX-License-Identifier: Apache-2.0 */
/*
 * General memory, 16-byte aligned, from 1 byte to all there is.
 *
 *     to 8 KiB         slabs of equal objects; to 4 KiB from the processor's own stock, without a lock
 *     above            runs of whole pages in the direct map
 *     no such run left (memory is in pieces) and 64 KiB or more: single pages put together in an area
 *
 * What a block is stands in its frame's descriptor (phys.h), so kfree needs no size and checks what it gets.
 * Not for interrupt handlers.
 */
#pragma once

#include "lib/cstd.h"

/* NULL when there is no memory, or bytes is 0. Not cleared. */
void *kmalloc(size_t bytes) __attribute__((malloc));
void *kcalloc(size_t bytes) __attribute__((malloc));
/* As realloc: NULL leaves the old block as it is; krealloc(NULL, n) allocates. */
void *krealloc(void *mem, size_t bytes);
void kfree(void *mem);
/* Bytes that the block really has. */
size_t kmalloc_size(const void *mem);

typedef struct HeapStats {
    size_t total_bytes, free_bytes; /* whole pages */
    size_t slab_pages, run_pages, area_pages;
} HeapStats;
void kheap_stats(HeapStats *stats);
/* Gives back the free objects that this processor keeps for itself. */
void kheap_trim(void);
/* Checks all lists; panics on a fault. */
void kheap_check(void);
