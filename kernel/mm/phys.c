/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See phys.h. Free blocks hold their own list links, so the lists cost nothing. Memory enters the lists in pieces of
 * 4 MiB, when what is there does not do: until then it is not touched, which matters where the first touch of a page is
 * what makes a hypervisor find one. Not locked: one processor allocates, and interrupt handlers never do.
 */
#include "kernel/mm/phys.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/panic/panic.h"
#include "kernel/smp/lock.h"

enum { MAX_ORDER = 19, MAX_RANGES = BOOT_MEMORY_MAX + 16, MAX_HOLES = 3, FEED_FRAMES = 1024 };
#define LOW_END UINT64_C(0x100000)
#define FOUR_GIB (UINT64_C(1) << 32)

typedef struct Range {
    uint64_t base, end;
} Range;

typedef struct FreeBlock {
    struct FreeBlock *next, *prev;
} FreeBlock;

static struct Phys {
    Range ranges[MAX_RANGES]; /* what has not yet entered the lists */
    unsigned range_count, range_next;
    Range holes[MAX_HOLES]; /* never allocated: low memory, kernel, bundle */
    uint64_t early_next, early_end;
    unsigned early_range;
    Page *pages; /* one per frame from 0 */
    uint64_t frame_count;
    FreeBlock lists[MAX_ORDER + 1]; /* heads of rings */
    size_t free_pages, total_pages;
} phys;

static uint64_t page_up(uint64_t v) { return (v + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1); }
static uint64_t page_down(uint64_t v) { return v & ~(uint64_t)(PAGE_SIZE - 1); }

static void add_range(uint64_t base, uint64_t end, unsigned hole)
{
    if (base >= end) {
        return;
    }
    if (hole == MAX_HOLES) {
        if (phys.range_count < MAX_RANGES) {
            phys.ranges[phys.range_count++] = (Range){base, end};
        }
        return;
    }
    const Range *h = &phys.holes[hole];
    if (h->end <= base || h->base >= end) {
        add_range(base, end, hole + 1);
        return;
    }
    add_range(base, h->base, hole + 1);
    add_range(h->end, end, hole + 1);
}

/* Early pages come from the largest plain RAM range below 4 GiB, which loaders' tables certainly map. */
static void choose_early(unsigned plain_ranges)
{
    uint64_t best = 0;
    for (unsigned i = 0; i < plain_ranges; i++) {
        uint64_t end = phys.ranges[i].end < FOUR_GIB ? phys.ranges[i].end : FOUR_GIB;
        if (phys.ranges[i].base < end && end - phys.ranges[i].base > best) {
            best = end - phys.ranges[i].base;
            phys.early_range = i;
            phys.early_next = phys.ranges[i].base;
            phys.early_end = end;
        }
    }
}

static void add_ranges_of(const BootInfo *info, uint32_t type)
{
    for (uint32_t i = 0; i < info->memory_count; i++) {
        const BootMemory *m = &info->memory[i];
        if (m->type == type) {
            add_range(page_up(m->base), page_down(m->base + m->size), 0);
        }
    }
}

void phys_init(const BootInfo *info)
{
    phys.holes[0] = (Range){0, LOW_END};
    phys.holes[1] = (Range){info->kernel_phys, page_up(info->kernel_phys + info->kernel_size)};
    phys.holes[2] = (Range){page_down(info->bundle_phys), page_up(info->bundle_phys + info->bundle_size)};
    add_ranges_of(info, BOOT_RAM);
    choose_early(phys.range_count);
    add_ranges_of(info, BOOT_LOADER);
}

void *phys_early_page(void)
{
    if (phys.early_end - phys.early_next < PAGE_SIZE) {
        return NULL;
    }
    void *page = phys_to_virt(phys.early_next);
    phys.early_next += PAGE_SIZE;
    return page;
}

Page *phys_page(const void *mem)
{
    uint64_t frame = virt_to_phys(mem) / PAGE_SIZE;
    return is_direct(mem) && frame < phys.frame_count ? &phys.pages[frame] : NULL;
}

static void list_add(unsigned order, uint64_t frame)
{
    FreeBlock *block = phys_to_virt(frame * PAGE_SIZE), *head = &phys.lists[order];
    block->next = head->next;
    block->prev = head;
    head->next->prev = block;
    head->next = block;
    phys.pages[frame].kind = PAGE_FREE;
    phys.pages[frame].order = (uint8_t)order;
}

static void list_remove(uint64_t frame)
{
    FreeBlock *block = phys_to_virt(frame * PAGE_SIZE);
    block->next->prev = block->prev;
    block->prev->next = block->next;
    phys.pages[frame].kind = PAGE_NONE;
}

/* Frees a naturally aligned block, joined with its buddy for as long as that is free too. */
static void free_block(uint64_t frame, unsigned order)
{
    phys.free_pages += (size_t)1 << order;
    while (order < MAX_ORDER) {
        uint64_t buddy = frame ^ (UINT64_C(1) << order);
        if (buddy >= phys.frame_count || phys.pages[buddy].kind != PAGE_FREE || phys.pages[buddy].order != order) {
            break;
        }
        list_remove(buddy);
        frame &= ~(UINT64_C(1) << order);
        order++;
    }
    list_add(order, frame);
}

static void free_frames(uint64_t frame, uint64_t end)
{
    while (frame < end) {
        unsigned order = frame == 0 ? MAX_ORDER : (unsigned)__builtin_ctzll(frame);
        order = order < MAX_ORDER ? order : MAX_ORDER;
        while ((UINT64_C(1) << order) > end - frame) {
            order--;
        }
        free_block(frame, order);
        frame += UINT64_C(1) << order;
    }
}

/* The descriptors of all frames, at the front of the early range. */
static void make_page_table_of_frames(void)
{
    for (unsigned i = 0; i < phys.range_count; i++) {
        uint64_t frames = phys.ranges[i].end / PAGE_SIZE;
        phys.frame_count = frames > phys.frame_count ? frames : phys.frame_count;
    }
    uint64_t bytes = page_up(phys.frame_count * sizeof(Page));
    if (bytes > phys.early_end - phys.early_next) {
        panic("too little memory: no room to describe %llu frames", (unsigned long long)phys.frame_count);
    }
    phys.pages = phys_to_virt(phys.early_next);
    memset(phys.pages, 0, bytes);
    phys.early_next += bytes;
}

void phys_start(void)
{
    make_page_table_of_frames();
    for (unsigned order = 0; order <= MAX_ORDER; order++) {
        phys.lists[order].next = phys.lists[order].prev = &phys.lists[order];
    }
    phys.ranges[phys.early_range].base = phys.early_next;
    phys.early_next = phys.early_end;
    for (unsigned i = 0; i < phys.range_count; i++) {
        phys.free_pages += (phys.ranges[i].end - phys.ranges[i].base) / PAGE_SIZE;
    }
    phys.range_next = phys.early_range; /* the largest, and already in use */
    phys.total_pages = phys.free_pages;
}

/* Lets the next piece of memory enter the lists. False: all has. */
static bool feed(void)
{
    for (unsigned i = 0; i < phys.range_count; i++) {
        Range *r = &phys.ranges[phys.range_next];
        if (r->base < r->end) {
            uint64_t frame = r->base / PAGE_SIZE, last = r->end / PAGE_SIZE;
            uint64_t end = (frame / FEED_FRAMES + 1) * FEED_FRAMES;
            end = end < last ? end : last;
            r->base = end * PAGE_SIZE;
            phys.free_pages -= end - frame;
            free_frames(frame, end);
            return true;
        }
        phys.range_next = (phys.range_next + 1) % phys.range_count;
    }
    return false;
}

/* The smallest order from this one up that has a block, MAX_ORDER + 1 if none has. */
static unsigned find_order(unsigned order)
{
    while (order <= MAX_ORDER && phys.lists[order].next == &phys.lists[order]) {
        order++;
    }
    return order;
}

static uint64_t take_block(unsigned order)
{
    unsigned from = find_order(order);
    while (from > MAX_ORDER) {
        if (!feed()) {
            return 0;
        }
        from = find_order(order);
    }
    uint64_t frame = virt_to_phys(phys.lists[from].next) / PAGE_SIZE;
    list_remove(frame);
    while (from > order) {
        from--;
        list_add(from, frame + (UINT64_C(1) << from));
    }
    phys.free_pages -= (size_t)1 << order;
    return frame;
}

static unsigned order_for(size_t pages)
{
    return pages <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(pages - 1);
}

void *phys_alloc(size_t pages)
{
    MM_LOCKED();
    if (pages == 0 || pages > (size_t)1 << MAX_ORDER) {
        return NULL;
    }
    unsigned order = order_for(pages);
    uint64_t frame = take_block(order);
    if (frame == 0) {
        return NULL;
    }
    free_frames(frame + pages, frame + (UINT64_C(1) << order));
    phys.pages[frame].kind = PAGE_RUN;
    phys.pages[frame].count = (uint32_t)pages;
    return phys_to_virt(frame * PAGE_SIZE);
}

void *phys_alloc_order(unsigned order)
{
    MM_LOCKED();
    return phys_alloc((size_t)1 << order);
}

void phys_free(void *mem)
{
    MM_LOCKED();
    Page *page = phys_page(mem);
    if (page == NULL || ((uint64_t)mem & (PAGE_SIZE - 1)) != 0 || page->kind != PAGE_RUN) {
        panic("phys_free: %p is no allocated block", mem);
    }
    uint64_t frame = virt_to_phys(mem) / PAGE_SIZE;
    page->kind = PAGE_NONE;
    free_frames(frame, frame + page->count);
}

void phys_shrink(void *mem, size_t keep)
{
    MM_LOCKED();
    Page *page = phys_page(mem);
    uint64_t frame = virt_to_phys(mem) / PAGE_SIZE;
    if (page == NULL || page->kind != PAGE_RUN || keep == 0 || keep > page->count) {
        panic("phys_shrink: %p to %zu pages", mem, keep);
    }
    size_t count = page->count;
    page->count = (uint32_t)keep;
    free_frames(frame + keep, frame + count);
}

size_t phys_free_pages(void) { return phys.free_pages; }
size_t phys_total_pages(void) { return phys.total_pages; }
