/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation on a process's heap, for natives; and small builders. Nothing here collects or moves a term. */
#include "vm/heap/heap.h"

#include "vm/ops/op.h"
#include "vm/proc/proc.h"
#include "vm/vm.h"

enum { MIN_HEAP_WORDS = STRESS_HEAP ? 0 : 233, FIBONACCI_STEPS = 21, FRAG_MIN_WORDS = STRESS_HEAP ? 0 : 64 };

/* OTP's sizes: 12, 38, then each the sum of the two before and one more; from about a million words on, a fifth more
 * each. */
size_t heap_next_size(size_t words)
{
    size_t before = 12, size = STRESS_HEAP ? words : 38;
    for (int i = 0; size < words; i++) {
        size_t next = i < FIBONACCI_STEPS ? size + before + 1 : size + size / 5;
        before = size;
        size = next;
    }
    return size;
}

void heap_init(Proc *p, size_t min_words)
{
    size_t words = heap_next_size(min_words > MIN_HEAP_WORDS ? min_words : MIN_HEAP_WORDS);
    p->heap = vm_alloc(words * sizeof(Term));
    p->hp = p->high_water = p->heap;
    p->stack_end = p->stop = p->heap + words;
    p->min_heap_words = words;
}

void heap_free_all(Proc *p)
{
    off_heap_release(&p->off_heap); /* first: the list runs through the fragments */
    while (p->frags) {
        HeapFrag *f = p->frags;
        p->frags = f->next;
        frag_free(f);
    }
    vm_free(p->heap);
    vm_free(p->old_heap);
    p->heap = p->hp = p->stop = p->stack_end = p->high_water = NULL;
    p->old_heap = p->old_hp = p->old_end = NULL;
    p->frag_words = 0;
}

static Term *heap_alloc_frag(Proc *p, size_t words)
{
    HeapFrag *f = p->frags;
    if (!f || f->words - f->used < words) {
        f = frag_new(words > FRAG_MIN_WORDS ? words : FRAG_MIN_WORDS);
        f->next = p->frags;
        p->frags = f;
    }
    Term *at = f->mem + f->used;
    f->used += words;
    p->frag_words += words;
    p->flags |= PF_NEEDS_COLLECT;
    return at;
}

Term *heap_alloc(Proc *p, size_t words)
{
    if ((size_t)(p->stop - p->hp) >= words + STACK_RESERVE) {
        Term *at = p->hp;
        p->hp += words;
        return at;
    }
    return heap_alloc_frag(p, words);
}

void heap_trim(Proc *p, Term *used_end)
{
    if (used_end >= p->heap && used_end <= p->hp) {
        p->hp = used_end;
        return;
    }
    HeapFrag *f = p->frags;
    size_t used = (size_t)(used_end - f->mem);
    debug_assert(used <= f->used);
    p->frag_words -= f->used - used;
    f->used = used;
}

OffHeap *heap_off_heap(Proc *p)
{
    return &p->off_heap;
}

void heap_adopt_frag(Proc *p, HeapFrag *f)
{
    if (!f) {
        return;
    }
    off_heap_merge(&p->off_heap, &f->off_heap);
    f->next = p->frags;
    p->frags = f;
    p->frag_words += f->used;
    /* A small message may wait for the next ordinary collection; a heap's worth of fragments may not. */
    if (p->frag_words > (size_t)(p->stack_end - p->heap) || p->off_heap.bytes > p->virtual_bytes) {
        p->flags |= PF_NEEDS_COLLECT;
    }
}

Term heap_list(Proc *p, size_t n, const Term *elements, Term tail)
{
    Term *hp = n ? heap_alloc(p, 2 * n) : NULL;
    Term list = tail;
    for (size_t i = n; i > 0; i--) {
        list = heap_cons(&hp, elements[i - 1], list);
    }
    return list;
}

Term heap_tuple(Proc *p, size_t n, const Term *elements)
{
    Term *o = heap_alloc(p, TUPLE_WORDS(n));
    o[0] = MAKE_HEADER(n, SUB_TUPLE);
    if (n) {
        memcpy(o + 1, elements, n * sizeof(Term));
    }
    return make_boxed(o);
}

Term heap_tuple2(Proc *p, Term a, Term b)
{
    return heap_tuple(p, 2, (Term[]){a, b});
}

Term heap_tuple3(Proc *p, Term a, Term b, Term c)
{
    return heap_tuple(p, 3, (Term[]){a, b, c});
}

Term heap_cons_on(Proc *p, Term head, Term tail)
{
    Term *hp = heap_alloc(p, 2);
    return heap_cons(&hp, head, tail);
}

Term heap_float(Proc *p, double d)
{
    Term *hp = heap_alloc(p, FLOAT_WORDS);
    return make_float(&hp, d);
}

static Term build_one_limb(Term **hp, uint64_t magnitude, unsigned sub)
{
    Term *o = *hp;
    o[0] = MAKE_HEADER(1, sub);
    o[1] = magnitude;
    *hp = o + 2;
    return make_boxed(o);
}

Term build_int64(Term **hp, int64_t v)
{
    if (small_fits(v)) {
        return make_small(v);
    }
    return v < 0 ? build_one_limb(hp, -(uint64_t)v, SUB_NEG_BIG) : build_one_limb(hp, (uint64_t)v, SUB_POS_BIG);
}

Term build_uint64(Term **hp, uint64_t v)
{
    return v <= (uint64_t)SMALL_MAX ? make_small((int64_t)v) : build_one_limb(hp, v, SUB_POS_BIG);
}

Term heap_int64(Proc *p, int64_t v)
{
    if (small_fits(v)) {
        return make_small(v);
    }
    Term *hp = heap_alloc(p, INT64_WORDS);
    return build_int64(&hp, v);
}

Term heap_uint64(Proc *p, uint64_t v)
{
    if (v <= (uint64_t)SMALL_MAX) {
        return make_small((int64_t)v);
    }
    Term *hp = heap_alloc(p, INT64_WORDS);
    return build_uint64(&hp, v);
}

Term heap_string(Proc *p, const uint8_t *bytes, size_t n)
{
    Term *hp = n ? heap_alloc(p, 2 * n) : NULL;
    Term list = NIL;
    for (size_t i = n; i > 0; i--) {
        list = heap_cons(&hp, make_small(bytes[i - 1]), list);
    }
    return list;
}

void heap_append(Proc *p, ListTail *list, Term element)
{
    Term *cell = heap_alloc(p, 2);
    cell[0] = element;
    cell[1] = NIL;
    *(list->last ? list->last : &list->first) = make_list(cell);
    list->last = &cell[1];
}
