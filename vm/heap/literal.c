/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Literal areas: terms that no process owns (module literals, persistent terms). All come from one reserved
 * address range, so that the collector and the copier recognise them with one comparison. Inside the range: a
 * list of free spans ordered by address, first fit, neighbours merged; memory is committed as the top grows.
 *
 * An area that goes (a purged module's, an erased persistent term's) is retired, then released together with what else
 * was retired by then: from the moment a release begins, messages and the like carry copies of its literals
 * (literal_stays), and each process is asked to copy those that it has (release.c). When all have, the memory is freed.
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

struct LiteralRange literal_range, literal_released;

/* Guarded by `lock`: loading and persistent_term are rare. */
static struct {
    SpinLock lock;
    Span *free;          /* by address */
    uintptr_t top;       /* first byte never handed out */
    uintptr_t committed; /* end of the memory behind the range */
    size_t used;
    /* Written alone: */
    LiteralArea *retired;
    LiteralArea **released; /* by address */
    size_t retired_count, released_count;
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

/* --- release -------------------------------------------------------------------------------------------------- */
void literal_area_retire(LiteralArea *area)
{
    if (area) {
        area->next = literals.retired;
        literals.retired = area;
        literals.retired_count++;
    }
}

/* Heap sort: in place, and never quadratic. */
static void areas_sift_down(LiteralArea **a, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        child += child + 1 < n && a[child]->start < a[child + 1]->start;
        if (a[root]->start >= a[child]->start) {
            return;
        }
        LiteralArea *t = a[root];
        a[root] = a[child];
        a[child] = t;
    }
}

static void areas_sort(LiteralArea **a, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) {
        areas_sift_down(a, i, n);
    }
    for (size_t i = n; i-- > 1;) {
        LiteralArea *t = a[0];
        a[0] = a[i];
        a[i] = t;
        areas_sift_down(a, 0, i);
    }
}

bool literal_release_next(void)
{
    for (size_t i = 0; i < literals.released_count; i++) {
        literal_area_free(literals.released[i]);
    }
    vm_free(literals.released);
    size_t n = literals.released_count = literals.retired_count;
    literals.released = NULL;
    literal_released = (struct LiteralRange){0};
    if (n == 0) {
        return false;
    }
    literals.released = vm_alloc(n * sizeof *literals.released);
    for (size_t i = 0; i < n; i++) {
        literals.released[i] = literals.retired;
        literals.retired = literals.retired->next;
    }
    literals.retired_count = 0;
    areas_sort(literals.released, n);
    literal_released.start = (uintptr_t)literals.released[0]->start;
    literal_released.size = (uintptr_t)(literals.released[n - 1]->start + literals.released[n - 1]->words) -
                            literal_released.start;
    return true;
}

size_t literal_released_count(void)
{
    return literals.released_count;
}

const LiteralArea *literal_released_area(const void *ptr, size_t *index)
{
    if ((uintptr_t)ptr - literal_released.start >= literal_released.size) {
        return NULL;
    }
    size_t low = 0, high = literals.released_count; /* areas before low start at ptr or before it */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if ((const void *)literals.released[middle]->start <= ptr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const LiteralArea *area = low > 0 ? literals.released[low - 1] : NULL;
    if (!area || (uintptr_t)ptr - (uintptr_t)area->start >= area->words * sizeof(Term)) {
        return NULL;
    }
    *index = low - 1;
    return area;
}

bool literal_is_released(const void *ptr)
{
    size_t index;
    return literal_released_area(ptr, &index) != NULL;
}
