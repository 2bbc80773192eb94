/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical memory in 4 KiB pages: a buddy allocator whose results are addresses in the direct map.
 *
 * A request of n pages gets exactly n: the rest of its power-of-two block goes back at once. One 8-byte
 * Page per frame says what the frame is, so that freeing needs no size, and a wrong pointer is found.
 * The first MiB, the kernel image and the bundle never enter it.
 */
#pragma once

#include "include/bootinfo.h"
#include "lib/cstd.h"

typedef enum {
    PAGE_NONE = 0, /* not ours, or inside a block or run */
    PAGE_FREE,     /* head of a free block of 2^order pages */
    PAGE_RUN,      /* head of `count` allocated pages */
    PAGE_SLAB,     /* head of a slab: `order` is its size, see heap.c */
    PAGE_SLAB_TAIL,
    PAGE_AREA_RUN, /* first frame of a large block that heap.c pieced together in an area; count = its pages */
} PageKind;

typedef struct Page {
    uint8_t kind, order;
    uint16_t size_class;
    uint32_t count;
} Page;

/* Finds the free ranges. Then phys_early_page works, until phys_start gives all that is left to the allocator. */
void phys_init(const BootInfo *info);
/* One page that is never freed; NULL when the early range is used up. */
void *phys_early_page(void);
void phys_start(void);

/* Contiguous pages, not cleared; NULL when there are none. */
void *phys_alloc(size_t pages);
/* 2^order pages aligned to their size. */
void *phys_alloc_order(unsigned order);
/* Takes what one of the two gave. */
void phys_free(void *mem);
/* Gives back all pages of a run after the first `keep` (> 0). */
void phys_shrink(void *mem, size_t keep);
/* Descriptor of the frame behind a direct-map address; NULL outside managed memory. */
Page *phys_page(const void *mem);

size_t phys_free_pages(void);
size_t phys_total_pages(void);
