/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying terms between memory areas. The copy is breadth first: an object is copied as it is, then the target
 * is scanned and what its words point to is copied behind it, so that depth costs no C stack. Sharing is not
 * kept (as in OTP): a subterm reached twice is copied twice.
 */
#include "vm/heap/offheap.h"
#include "vm/vm.h"

/* An explicit stack of terms still to be measured. */
typedef struct TermStack {
    Term *items;
    size_t count, capacity;
    Term first[64];
} TermStack;

static void stack_push(TermStack *s, Term t)
{
    if (s->count == s->capacity) {
        size_t bytes = s->capacity * 2 * sizeof(Term);
        if (s->items == s->first) {
            s->items = memcpy(vm_alloc(bytes), s->first, sizeof s->first);
        } else {
            s->items = vm_realloc(s->items, bytes);
        }
        s->capacity *= 2;
    }
    s->items[s->count++] = t;
}

static bool is_skipped(const void *ptr, bool whole)
{
    return !whole && is_literal_ptr(ptr);
}

static size_t size_object(TermStack *s, const Term *object, bool whole)
{
    size_t words = header_object_words(object);
    for (size_t i = 1 + header_raw_words(*object); i < words; i++) {
        Term t = object[i];
        if (!is_immed(t) && !is_skipped((void *)(uintptr_t)(t & ~(Term)3), whole)) {
            stack_push(s, t);
        }
    }
    return words;
}

static size_t size_walk(Term root, bool whole)
{
    size_t total = 0;
    TermStack s = {.items = s.first, .capacity = sizeof s.first / sizeof(Term)};
    stack_push(&s, root);
    while (s.count > 0) {
        Term t = s.items[--s.count];
        while (is_cons(t) && !is_skipped(list_ptr(t), whole)) {
            total += 2;
            if (!is_immed(cons_head(t))) {
                stack_push(&s, cons_head(t));
            }
            t = cons_tail(t);
        }
        if (is_boxed(t) && !is_skipped(boxed_ptr(t), whole)) {
            total += size_object(&s, boxed_ptr(t), whole);
        }
    }
    if (s.items != s.first) {
        vm_free(s.items);
    }
    return total;
}

size_t term_size(Term t)
{
    return is_immed(t) ? 0 : size_walk(t, false);
}

size_t term_size_whole(Term t)
{
    return is_immed(t) ? 0 : size_walk(t, true);
}

/* Copies a list's spine into adjacent cells; the heads are copied when the scan reaches them. */
static Term copy_spine(Term t, Term **hp, bool whole)
{
    Term *cell = *hp;
    Term result = make_list(cell);
    for (;;) {
        cell[0] = cons_head(t);
        t = cons_tail(t);
        *hp = cell + 2;
        if (!is_cons(t) || is_skipped(list_ptr(t), whole)) {
            cell[1] = t;
            return result;
        }
        cell[1] = make_list(cell + 2);
        cell += 2;
    }
}

static Term copy_object(Term t, Term **hp, OffHeap *oh)
{
    const Term *from = boxed_ptr(t);
    Term *to = *hp;
    size_t words = header_object_words(from);
    memcpy(to, from, words * sizeof(Term));
    *hp = to + words;
    if (header_sub(*to) == SUB_REFC_BIN) {
        ((RefcBin *)to)->writable = 0;
        binary_retain(((RefcBin *)to)->bin);
        oh->bytes += ((RefcBin *)to)->bin->size;
        off_heap_link(oh, to);
    } else if (off_heap_holds_count(*to)) {
        magic_retain(((Ref *)to)->magic);
        off_heap_link(oh, to);
    } else if (header_sub(*to) == SUB_SUB_BIN) {
        ((SubBin *)to)->is_writable = 0;
    }
    return make_boxed(to);
}

static Term copy_one(Term t, const Term *own_start, Term **hp, OffHeap *oh, bool whole)
{
    if (is_immed(t)) {
        return t;
    }
    const Term *ptr = (const Term *)(uintptr_t)(t & ~(Term)3);
    if (is_skipped(ptr, whole) || (ptr >= own_start && ptr < *hp)) {
        return t;
    }
    return is_cons(t) ? copy_spine(t, hp, whole) : copy_object(t, hp, oh);
}

static Term copy_walk(Term root, Term **hp, OffHeap *oh, bool whole)
{
    Term *start = *hp;
    Term *scan = start;
    Term result = copy_one(root, start, hp, oh, whole);
    while (scan < *hp) {
        if (!is_header(*scan)) {
            *scan = copy_one(*scan, start, hp, oh, whole);
            scan++;
            continue;
        }
        Term *object = scan;
        Term *end = object + header_object_words(object);
        for (scan += 1 + header_raw_words(*object); scan < end; scan++) {
            *scan = copy_one(*scan, start, hp, oh, whole);
        }
    }
    return result;
}

Term term_copy(Term t, Term **hp, OffHeap *oh)
{
    return is_immed(t) ? t : copy_walk(t, hp, oh, false);
}

Term term_copy_whole(Term t, Term **hp, OffHeap *oh)
{
    return is_immed(t) ? t : copy_walk(t, hp, oh, true);
}

Term heap_copy(Proc *p, Term t)
{
    if (is_immed(t)) {
        return t;
    }
    Term *hp = heap_alloc(p, term_size(t));
    return term_copy(t, &hp, heap_off_heap(p));
}

HeapFrag *frag_new(size_t words)
{
    HeapFrag *f = vm_alloc(sizeof(HeapFrag) + words * sizeof(Term));
    *f = (HeapFrag){.words = words};
    return f;
}

void frag_free(HeapFrag *f)
{
    off_heap_release(&f->off_heap);
    vm_free(f);
}

HeapFrag *frag_copy_term(Term t, Term *copy)
{
    size_t words = term_size(t);
    if (words == 0) {
        *copy = t;
        return NULL;
    }
    HeapFrag *f = frag_new(words);
    Term *hp = f->mem;
    *copy = term_copy(t, &hp, &f->off_heap);
    f->used = (size_t)(hp - f->mem);
    debug_assert(f->used == words);
    return f;
}
