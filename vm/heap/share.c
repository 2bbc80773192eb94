/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying terms with what they share, for persistent terms: a term of a few objects that refer to one
 * another many times over may be larger than memory when it is written out. A table of the objects
 * that have been met tells them apart; where it says that nothing is shared, the copier that needs
 * no table does the work.
 */
#include "vm/heap/offheap.h"
#include "vm/term/term_stack.h"

/* From addresses of objects to their copies (0 while only sizes are wanted); open addressing. */
typedef struct Met {
    struct MetObject {
        uintptr_t object; /* 0: free */
        Term copy;
    } *slots;
    size_t capacity, count;
} Met;

static struct MetObject *met_place(const Met *m, uintptr_t object)
{
    size_t i = (size_t)((object * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (m->capacity - 1);
    while (m->slots[i].object && m->slots[i].object != object) {
        i = (i + 1) & (m->capacity - 1);
    }
    return &m->slots[i];
}

static void met_grow(Met *m)
{
    Met bigger = {.capacity = m->capacity ? m->capacity * 2 : 64, .count = m->count};
    bigger.slots = vm_calloc(bigger.capacity * sizeof *bigger.slots);
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->slots[i].object) {
            *met_place(&bigger, m->slots[i].object) = m->slots[i];
        }
    }
    vm_free(m->slots);
    *m = bigger;
}

/* The object's row; *fresh: it has been made now. Valid until the next one is made. */
static struct MetObject *met_row(Met *m, uintptr_t object, bool *fresh)
{
    if (m->count * 2 >= m->capacity) {
        met_grow(m);
    }
    struct MetObject *row = met_place(m, object);
    *fresh = !row->object;
    row->object = object;
    m->count += *fresh;
    return row;
}

static uintptr_t object_of(Term t)
{
    return (uintptr_t)(t & ~(Term)3);
}

size_t term_size_sharing(const Term *roots, size_t n, bool *shares)
{
    TermStack stack;
    Met met = {0};
    size_t words = 0;
    Term t;
    *shares = false;
    term_stack_init(&stack);
    term_stack_push_array(&stack, roots, n);
    while (term_stack_pop(&stack, &t)) {
        while (!is_immed(t)) {
            bool fresh;
            met_row(&met, object_of(t), &fresh);
            if (!fresh) {
                *shares = true;
                break;
            }
            if (is_boxed(t)) {
                const Word *o = boxed_ptr(t);
                size_t size = header_object_words(o), raw = header_raw_words(*o);
                words += size;
                term_stack_push_array(&stack, o + 1 + raw, size - 1 - raw);
                break;
            }
            words += 2;
            term_stack_push(&stack, cons_head(t));
            t = cons_tail(t);
        }
    }
    term_stack_free(&stack);
    vm_free(met.slots);
    return words;
}

static Term copy_once(Met *met, Term t, Term **hp, OffHeap *oh)
{
    bool fresh;
    struct MetObject *row = met_row(met, object_of(t), &fresh);
    if (fresh) {
        const Term *from = (const Term *)object_of(t);
        size_t words = is_cons(t) ? 2 : header_object_words(from);
        Term *copy = *hp;
        memcpy(copy, from, words * sizeof(Term));
        *hp = copy + words;
        if (is_boxed(t)) {
            off_heap_retain(copy, oh);
        }
        row->copy = is_cons(t) ? make_list(copy) : make_boxed(copy);
    }
    return row->copy;
}

void term_copy_sharing(Term *roots, size_t n, Term **hp, OffHeap *oh)
{
    Met met = {0};
    Term *scan = *hp;
    for (size_t i = 0; i < n; i++) {
        roots[i] = is_immed(roots[i]) ? roots[i] : copy_once(&met, roots[i], hp, oh);
    }
    for (; scan < *hp; scan++) {
        if (is_header(*scan)) {
            scan += header_raw_words(*scan);
        } else if (!is_immed(*scan)) {
            *scan = copy_once(&met, *scan, hp, oh);
        }
    }
    vm_free(met.slots);
}
