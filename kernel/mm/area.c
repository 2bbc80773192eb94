/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See area.h. Free address space is a sorted list of spans; first fit. There are few areas (stacks, the machine's
 * reservations, huge blocks), so a list does.
 */
#include "kernel/mm/area.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/phys.h"
#include "kernel/panic/panic.h"
#include "kernel/smp/lock.h"
#include "kernel/smp/smp.h"

typedef struct Span {
    struct Span *next;
    uint64_t base, end;
} Span;

static struct Areas {
    Span *free;
    Span first; /* the list's first node needs no allocation */
} areas;

static size_t page_up(size_t v) { return (v + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1); }

void area_init(void)
{
    areas.first = (Span){NULL, AREA_BASE + PAGE_SIZE, AREA_END};
    areas.free = &areas.first;
}

void *area_reserve(size_t bytes)
{
    MM_LOCKED();
    size_t span_bytes = page_up(bytes) + PAGE_SIZE;
    for (Span **link = &areas.free; *link != NULL; link = &(*link)->next) {
        Span *s = *link;
        if (s->end - s->base < span_bytes) {
            continue;
        }
        uint64_t start = s->base;
        s->base += span_bytes;
        if (s->base == s->end && s != &areas.first) {
            *link = s->next;
            kfree(s);
        }
        return (void *)start;
    }
    return NULL;
}

static bool commit(void *start, size_t bytes, bool zeroed)
{
    MM_LOCKED();
    uint64_t at = (uint64_t)start & ~(uint64_t)(PAGE_SIZE - 1);
    uint64_t end = (uint64_t)start + bytes;
    for (uint64_t phys; at < end; at += PAGE_SIZE) {
        if (paging_translate((const void *)at, &phys)) {
            continue;
        }
        void *page = phys_alloc(1);
        if (page == NULL) {
            return false;
        }
        if (zeroed) {
            memset(page, 0, PAGE_SIZE);
        }
        if (!paging_map(at, virt_to_phys(page), PAGE_SIZE, MAP_WRITE)) {
            phys_free(page);
            return false;
        }
    }
    return true;
}

bool area_commit(void *start, size_t bytes)
{
    return commit(start, bytes, true);
}

void area_decommit(void *start, size_t bytes)
{
    MM_LOCKED();
    uint64_t at = (uint64_t)start & ~(uint64_t)(PAGE_SIZE - 1);
    uint64_t end = (uint64_t)start + bytes;
    uint64_t phys;
    for (at = paging_next(at, end); at < end; at = paging_next(at + PAGE_SIZE, end)) {
        if (paging_translate((const void *)at, &phys)) {
            paging_unmap(at, PAGE_SIZE);
            phys_free(phys_to_virt(phys));
        }
    }
    smp_flush_tlbs(); /* before the addresses are used again: nobody uses them until then */
}

static void join_with_next(Span *s)
{
    Span *next = s->next;
    if (next != NULL && s->end == next->base) {
        s->end = next->end;
        s->next = next->next;
        kfree(next);
    }
}

void area_release(void *start, size_t bytes)
{
    MM_LOCKED();
    area_decommit(start, bytes);
    uint64_t base = (uint64_t)start, end = base + page_up(bytes) + PAGE_SIZE;
    Span **link = &areas.free;
    Span *before = NULL;
    while (*link != NULL && (*link)->base < base) {
        before = *link;
        link = &before->next;
    }
    if (*link != NULL && (*link)->base == end) {
        (*link)->base = base;
    } else if (before != NULL && before->end == base) {
        before->end = end;
    } else {
        Span *s = kmalloc(sizeof *s);
        if (s == NULL) {
            return; /* this address space is lost, its memory is not; there are 16 TiB */
        }
        *s = (Span){*link, base, end};
        *link = s;
        return;
    }
    if (before != NULL && before->next != &areas.first) { /* that node is the rest of the range, and no allocation */
        join_with_next(before);
    }
}

void *area_stack(size_t bytes)
{
    MM_LOCKED();
    uint8_t *base = area_reserve(bytes + PAGE_SIZE);
    if (base == NULL || !commit(base + PAGE_SIZE, bytes, false)) {
        return NULL;
    }
    return base + PAGE_SIZE + page_up(bytes);
}

bool area_is_hole(uint64_t address)
{
    uint64_t phys;
    return address >= AREA_BASE && address < AREA_END && !paging_translate((const void *)address, &phys);
}
