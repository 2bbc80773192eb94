/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying terms between memory areas. The copy is breadth first: an object is copied as it is, then the target
 * is scanned and what its words point to is copied behind it, so that depth costs no C stack. What is copied last and
 * points to nothing (a string, a binary, a tuple of numbers) is not scanned again. Sharing is not kept (as in OTP): a
 * subterm reached twice is copied twice. Literals are left where they are, unless their area is being released.
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
        s->items = vm_stack_grow(s->items, s->first, &s->capacity, sizeof(Term));
    }
    s->items[s->count++] = t;
}

static bool is_skipped(const void *ptr, bool whole)
{
    return !whole && literal_stays(ptr);
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
    TermStack s; /* not initialised as a whole: `first` is large and most terms are small */
    s.items = s.first;
    s.capacity = sizeof s.first / sizeof(Term);
    s.items[0] = root;
    s.count = 1;
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

/* Where a copy is being made. */
typedef struct Target {
    Term *start;
    Term *hp;
    Term *clean; /* what is from here to hp needs no scan */
    OffHeap *oh;
    bool whole; /* literals too */
} Target;

/* Copies a list's spine into adjacent cells; heads that are not immediate are copied when the scan reaches them.
 * All are immediate if their tags' bits are set in what `&` makes of them. */
static Term copy_spine(Term t, Target *to)
{
    Term *cell = to->hp;
    Term result = make_list(cell), heads = ~(Term)0;
    for (;;) {
        Term head = cons_head(t);
        cell[0] = head;
        heads &= head;
        t = cons_tail(t);
        if (!is_cons(t) || is_skipped(list_ptr(t), to->whole)) {
            break;
        }
        cell[1] = make_list(cell + 2);
        cell += 2;
    }
    cell[1] = t;
    to->hp = cell + 2;
    if (!is_immed(heads) || !is_immed(t)) {
        to->clean = to->hp;
    }
    return result;
}

void off_heap_retain(Term *copy, OffHeap *oh)
{
    if (header_sub(*copy) == SUB_REFC_BIN) {
        ((RefcBin *)copy)->writable = 0;
        binary_retain(((RefcBin *)copy)->bin);
        oh->bytes += ((RefcBin *)copy)->bin->size;
        off_heap_link(oh, copy);
    } else if (off_heap_holds_count(*copy)) {
        magic_retain(((Ref *)copy)->magic);
        off_heap_link(oh, copy);
    } else if (header_sub(*copy) == SUB_SUB_BIN) {
        ((SubBin *)copy)->is_writable = 0;
    }
}

static Term copy_object(Term t, Target *to)
{
    const Term *from = boxed_ptr(t);
    Term *copy = to->hp, *end = copy + header_object_words(from);
    if (header_sub(*from) == SUB_TUPLE) {
        Term all = ~(Term)0;
        *copy = *from;
        for (Term *at = copy + 1; at < end; at++) {
            *at = *++from;
            all &= *at;
        }
        to->clean = is_immed(all) ? to->clean : end;
    } else {
        memcpy(copy, from, (size_t)(end - copy) * sizeof(Term));
        off_heap_retain(copy, to->oh);
        to->clean = copy + 1 + header_raw_words(*copy) == end ? to->clean : end;
    }
    to->hp = end;
    return make_boxed(copy);
}

static Term copy_pointer(Term t, Target *to)
{
    const Term *ptr = (const Term *)(uintptr_t)(t & ~(Term)3);
    if (is_skipped(ptr, to->whole) || (ptr >= to->start && ptr < to->hp)) {
        return t;
    }
    return is_cons(t) ? copy_spine(t, to) : copy_object(t, to);
}

static Term copy_walk(Term root, Term **hp, OffHeap *oh, bool whole)
{
    Target to = {.start = *hp, .hp = *hp, .clean = *hp, .oh = oh, .whole = whole};
    Term result = copy_pointer(root, &to);
    for (Term *scan = to.start; scan < to.clean; scan++) {
        Term word = *scan;
        if (is_immed(word)) {
            continue;
        }
        if (is_header(word)) {
            scan += header_raw_words(word);
        } else {
            *scan = copy_pointer(word, &to);
        }
    }
    *hp = to.hp;
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

static HeapFrag *frag_copy(Term t, Term *copy, size_t words, bool whole)
{
    if (words == 0) {
        *copy = t;
        return NULL;
    }
    HeapFrag *f = frag_new(words);
    Term *hp = f->mem;
    *copy = copy_walk(t, &hp, &f->off_heap, whole);
    f->used = (size_t)(hp - f->mem);
    debug_assert(f->used == words);
    return f;
}

HeapFrag *frag_copy_term(Term t, Term *copy)
{
    return frag_copy(t, copy, term_size(t), false);
}

HeapFrag *frag_copy_whole(Term t, Term *copy)
{
    return frag_copy(t, copy, term_size_whole(t), true);
}
