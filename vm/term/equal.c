/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equality, == and =:=. Cheaper than order: sizes are looked at first, and nothing but "different" is wanted.
 * A walk with an explicit stack. Equal maps have one form (see map_priv.h), so two tries are equal when their
 * nodes are, pair by pair; keys are always compared with =:=.
 */
#include "vm/load/code.h"
#include "vm/proc/proc.h"
#include "vm/term/binary.h"
#include "vm/term/compare.h"
#include "vm/term/number.h"

/* What the two arrays of a frame hold: terms; children of trie nodes; key, value, key, value ... of a bucket. */
typedef enum { HOLDS_TERMS, HOLDS_CHILDREN, HOLDS_PAIRS } Holds;
typedef struct Frame {
    const Term *a, *b;
    size_t n;
    Holds holds;
    bool exact;
} Frame;

enum { LOCAL_FRAMES = 32 };
typedef struct Walk {
    Frame *frames;
    size_t count, capacity;
    Frame local[LOCAL_FRAMES];
} Walk;

static void push(Walk *w, Holds holds, const Term *a, const Term *b, size_t n, bool exact)
{
    if (n == 0 || a == b) {
        return;
    }
    if (w->count == w->capacity) {
        w->frames = vm_stack_grow(w->frames, w->local, &w->capacity, sizeof(Frame));
    }
    w->frames[w->count++] = (Frame){a, b, n, holds, exact};
}

static bool equal_nodes(Walk *w, Term a, Term b, bool exact)
{
    const Term *x = boxed_ptr(a), *y = boxed_ptr(b);
    if (*x != *y) {
        return false;
    }
    size_t skip = map_header_kind(*x) == MAP_HEAD ? 2 : 1;
    if (skip == 2 && x[1] != y[1]) {
        return false;
    }
    size_t n = (size_t)__builtin_popcount(map_header_bitmap(*x));
    push(w, HOLDS_CHILDREN, x + skip, y + skip, n, exact);
    return true;
}

static bool equal_maps(Walk *w, Term a, Term b, bool exact)
{
    if (!is_flat_map(a) || !is_flat_map(b)) {
        return equal_nodes(w, a, b, exact);
    }
    size_t n = map_size(a);
    if (n != map_size(b)) {
        return false;
    }
    push(w, HOLDS_TERMS, flat_map_values(a), flat_map_values(b), n, exact);
    if (flat_map_keys(a) != flat_map_keys(b)) {
        push(w, HOLDS_TERMS, tuple_elements(flat_map_keys(a)), tuple_elements(flat_map_keys(b)), n, true);
    }
    return true;
}

static bool equal_funs(Walk *w, Term a, Term b, bool exact)
{
    const Fun *f = fun_ptr(a), *g = fun_ptr(b);
    if (f->entry != g->entry || f->header != g->header) {
        return false;
    }
    push(w, HOLDS_TERMS, f->env, g->env, header_arity(f->header) - 2, exact);
    return true;
}

/* Boxed terms of one subtag that equal_at_once has left. */
static bool equal_boxed(Walk *w, Term a, Term b, bool exact)
{
    const Word *x = boxed_ptr(a), *y = boxed_ptr(b);
    switch (header_sub(*x)) {
    case SUB_POS_BIG:
    case SUB_NEG_BIG:
        return *x == *y && memcmp(x + 1, y + 1, header_arity(*x) * sizeof(Word)) == 0;
    case SUB_FUN:
        return equal_funs(w, a, b, exact);
    case SUB_EXPORT:
        return export_fun_export(a) == export_fun_export(b);
    case SUB_MAP:
        return equal_maps(w, a, b, exact);
    default:
        return term_compare_slow(a, b) == 0; /* references, identifiers of other nodes: flat and rare */
    }
}

/* Different terms of which one at least is no immediate, as far as that needs no looking inside. */
typedef enum { DIFFERENT, SAME, INSIDE } Verdict;
static Verdict equal_at_once(Term a, Term b, bool exact)
{
    if (is_cons(a) && is_cons(b)) {
        return INSIDE;
    }
    if (!is_boxed(a) || !is_boxed(b)) {
        return !exact && (is_float(a) || is_float(b)) && is_number(a) && is_number(b) && number_compare(a, b) == 0;
    }
    Word x = *boxed_ptr(a), y = *boxed_ptr(b);
    if (header_sub(x) != header_sub(y)) {
        if (is_bitstring(a) && is_bitstring(b)) {
            return bits_equal(bits_view(a), bits_view(b));
        }
        return !exact && is_number(a) && is_number(b) && number_compare(a, b) == 0;
    }
    switch (header_sub(x)) {
    case SUB_TUPLE:
        return x != y ? DIFFERENT : header_arity(x) ? INSIDE : SAME;
    case SUB_FLOAT:
        return float_value(a) == float_value(b); /* 0.0 =:= -0.0 in OTP 25 */
    case SUB_HEAP_BIN: {
        const HeapBin *p = (HeapBin *)boxed_ptr(a), *q = (HeapBin *)boxed_ptr(b);
        return p->size == q->size && memcmp(p->data, q->data, p->size) == 0;
    }
    default:
        return is_bitstring(a) ? (Verdict)bits_equal(bits_view(a), bits_view(b)) : INSIDE;
    }
}

static bool equal_pair(Walk *w, Term a, Term b, bool exact)
{
    while (a != b) {
        if (is_immed(a) && is_immed(b)) {
            return false;
        }
        Verdict v = equal_at_once(a, b, exact);
        if (v != INSIDE) {
            return v == SAME;
        }
        if (is_cons(a)) {
            Term x = cons_head(a), y = cons_head(b);
            if (x != y) {
                v = is_immed(x) && is_immed(y) ? DIFFERENT : equal_at_once(x, y, exact);
                if (v == DIFFERENT) {
                    return false;
                }
                if (v == INSIDE) {
                    push(w, HOLDS_TERMS, list_ptr(a) + 1, list_ptr(b) + 1, 1, exact);
                    a = x;
                    b = y;
                    continue;
                }
            }
            a = cons_tail(a);
            b = cons_tail(b);
        } else if (is_tuple(a)) {
            const Term *x = tuple_elements(a), *y = tuple_elements(b), *end = x + tuple_arity(a);
            for (v = SAME; v == SAME && x < end; x++, y++) {
                v = *x == *y ? SAME : is_immed(*x) && is_immed(*y) ? DIFFERENT : equal_at_once(*x, *y, exact);
            }
            if (v != INSIDE) {
                return v == SAME;
            }
            push(w, HOLDS_TERMS, x, y, (size_t)(end - x), exact);
            a = x[-1];
            b = y[-1];
        } else {
            return equal_boxed(w, a, b, exact);
        }
    }
    return true;
}

/* Children of a trie node: leaf cells, inner nodes, buckets. */
static bool equal_children(Walk *w, Term a, Term b, bool exact)
{
    if (is_cons(a) && is_cons(b)) {
        push(w, HOLDS_PAIRS, list_ptr(a), list_ptr(b), 2, exact);
        return true;
    }
    if (!is_boxed(a) || !is_boxed(b)) {
        return a == b;
    }
    if (is_map_object(a) && is_map_object(b)) {
        return equal_nodes(w, a, b, exact);
    }
    if (*boxed_ptr(a) != *boxed_ptr(b)) {
        return false;
    }
    push(w, HOLDS_PAIRS, tuple_elements(a), tuple_elements(b), tuple_arity(a), exact);
    return true;
}

/* Compares the next elements of the top frame. */
static bool equal_step(Walk *w)
{
    Frame *f = &w->frames[w->count - 1];
    Term a = *f->a++, b = *f->b++;
    bool is_key = f->holds == HOLDS_PAIRS && f->n % 2 == 0, exact = f->exact || is_key;
    Holds holds = f->holds;
    if (--f->n == 0) {
        w->count--;
    }
    if (a == b) {
        return true;
    }
    return holds == HOLDS_CHILDREN ? equal_children(w, a, b, exact) : equal_pair(w, a, b, exact);
}

static bool terms_equal(Term a, Term b, bool exact)
{
    Walk w;
    w.frames = w.local;
    w.count = 0;
    w.capacity = LOCAL_FRAMES;
    bool same = equal_pair(&w, a, b, exact);
    while (same && w.count > 0) {
        same = equal_step(&w);
    }
    if (w.frames != w.local) {
        vm_free(w.frames);
    }
    return same;
}

bool term_equal_slow(Term a, Term b)
{
    return terms_equal(a, b, false);
}

bool term_identical_slow(Term a, Term b)
{
    return terms_equal(a, b, true);
}
