/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Literal areas: terms that no process owns (module literals, persistent terms). All come from one reserved
 * address range, so that the collector and the copier recognise them with one comparison. Inside the range: a
 * list of free spans ordered by address, first fit, neighbours merged; memory is committed as the top grows.
 */
#include "vm/heap/literal.h"
#include "vm/plat.h"
#include "vm/lock.h"
#include "vm/vm.h"

enum { LITERAL_COMMIT_STEP = 256 * 1024, LITERAL_GRAIN = 16 };
#define LITERAL_RESERVE ((size_t)1 << 30)

typedef struct Span {
    uintptr_t start;
    size_t size;
    struct Span *next;
} Span;

struct LiteralRange literal_range;

/* Guarded by `lock`: loading and persistent_term are rare. */
static struct {
    SpinLock lock;
    Span *free;          /* by address */
    uintptr_t top;       /* first byte never handed out */
    uintptr_t committed; /* end of the memory behind the range */
    size_t used;
} literals;

void literal_init(void)
{
    void *start = plat_reserve(LITERAL_RESERVE);
    if (!start) {
        vm_panic("cannot reserve %zu bytes of address space for literals", LITERAL_RESERVE);
    }
    literal_range.start = (uintptr_t)start;
    literal_range.size = LITERAL_RESERVE;
    literals.top = literals.committed = (uintptr_t)start;
}

size_t literal_used_bytes(void)
{
    return literals.used;
}

static uintptr_t literal_take_free(size_t bytes)
{
    for (Span **link = &literals.free; *link; link = &(*link)->next) {
        Span *span = *link;
        if (span->size < bytes) {
            continue;
        }
        uintptr_t start = span->start;
        span->start += bytes;
        span->size -= bytes;
        if (span->size == 0) {
            *link = span->next;
            vm_free(span);
        }
        return start;
    }
    return 0;
}

static uintptr_t literal_take_top(size_t bytes)
{
    uintptr_t start = literals.top;
    uintptr_t end = start + bytes;
    if (end > literal_range.start + literal_range.size) {
        vm_panic("out of memory: literals need more than %zu bytes", literal_range.size);
    }
    if (end > literals.committed) {
        size_t step = (end - literals.committed + LITERAL_COMMIT_STEP - 1) & ~(size_t)(LITERAL_COMMIT_STEP - 1);
        if (!plat_commit((void *)literals.committed, step)) {
            vm_out_of_memory(step);
        }
        literals.committed += step;
    }
    literals.top = end;
    return start;
}

static size_t literal_round(size_t words)
{
    return (words * sizeof(Term) + LITERAL_GRAIN - 1) & ~(size_t)(LITERAL_GRAIN - 1);
}

LiteralArea *literal_area_new(size_t words)
{
    LiteralArea *area = vm_calloc(sizeof *area);
    size_t bytes = literal_round(words ? words : 1);
    spin_lock(&literals.lock);
    uintptr_t start = literal_take_free(bytes);
    if (!start) {
        start = literal_take_top(bytes);
    }
    literals.used += bytes;
    spin_unlock(&literals.lock);
    area->start = (Term *)start;
    area->words = words ? words : 1;
    return area;
}

void literal_area_free(LiteralArea *area)
{
    if (!area) {
        return;
    }
    off_heap_release(&area->off_heap);
    size_t bytes = literal_round(area->words);
    Span *span = vm_alloc(sizeof *span);
    *span = (Span){.start = (uintptr_t)area->start, .size = bytes};
    vm_free(area);
    spin_lock(&literals.lock);
    literals.used -= bytes;
    Span *before = NULL, **link = &literals.free;
    while (*link && (*link)->start < span->start) {
        before = *link;
        link = &before->next;
    }
    span->next = *link;
    *link = span;
    if (span->next && span->start + span->size == span->next->start) {
        Span *after = span->next;
        span->size += after->size;
        span->next = after->next;
        vm_free(after);
    }
    if (before && before->start + before->size == span->start) {
        before->size += span->size;
        before->next = span->next;
        vm_free(span);
    }
    spin_unlock(&literals.lock);
}
