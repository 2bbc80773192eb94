/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting for lists:sort/1, usort/1, keysort/2 and ukeysort/2: stable bottom-up merges between two arrays.
 *
 * A short list is sorted at once in arrays of C. A long one lies in two tuples on the process's own heap, and the work
 * is cut into slices of reductions: sort_more traps to itself with where it stands. These tuples are written to
 * although they may have become old: that is safe because every element in them is at least as old. Nobody else ever
 * sees them, since no export leads to sort_more.
 *
 * OTP's sort/1 is not stable: where two elements are equal and yet not the same (1 and 1.0), their order is what its
 * algorithm makes of it. As soon as a comparison finds such a pair, the list is left to the function's own body.
 */
#include "vm/bif/assist.h"
#include "vm/load/code.h"
#include "vm/term/compare.h"

enum {
    AT_ONCE = 2000,         /* elements that are sorted without a pause */
    RUN = 6,                /* elements sorted by insertion before merging begins */
    COMPARES_REDUCTION = 8, /* how many comparisons cost one */
};

typedef enum { SORT_ALL, SORT_UNIQUE } SortKind;

/* Elements are `stride` words: the key, and with stride 2 the tuple it was taken from. The pass under way merges runs
 * of `width` elements of `from` into `to`; it stands in the runs that begin at `low`, at i and j of them, and at k of
 * `to`. */
typedef struct Merge {
    Term *from, *to;
    size_t count, width, low, i, j, k;
    unsigned stride;
    bool declined; /* equal elements that are not the same: stride 1 only */
} Merge;

static inline size_t merge_end(size_t at, size_t count) { return at < count ? at : count; }

static inline void element_copy(Term *to, const Term *from, unsigned stride)
{
    to[0] = from[0];
    if (stride == 2) {
        to[1] = from[1];
    }
}

/* Whether b belongs before a, which is the first of the two. */
static inline __attribute__((always_inline)) bool is_less(Merge *m, const Term *b, const Term *a, unsigned stride)
{
    int c = term_compare(b[0], a[0]);
    if (stride == 1 && c == 0 && !term_identical(a[0], b[0])) {
        m->declined = true;
    }
    return c < 0;
}

static inline __attribute__((always_inline)) void sort_runs(Merge *m, unsigned stride)
{
    Term *a = m->from;
    size_t count = m->count;
    for (size_t low = 0; low < count; low += RUN) {
        size_t end = merge_end(low + RUN, count);
        for (size_t i = low + 1; i < end; i++) {
            Term e[2];
            element_copy(e, a + i * stride, stride);
            size_t k = i;
            for (; k > low && is_less(m, e, a + (k - 1) * stride, stride); k--) {
                element_copy(a + k * stride, a + (k - 1) * stride, stride);
            }
            element_copy(a + k * stride, e, stride);
        }
    }
}

static void merge_next_runs(Merge *m, size_t low)
{
    m->low = m->i = m->k = low;
    m->j = merge_end(low + m->width, m->count);
}

/* Goes on with the two runs until they are merged (true) or the budget is spent. */
static inline __attribute__((always_inline)) bool merge_runs(Merge *m, size_t *budget, unsigned stride)
{
    const Term *from = m->from;
    size_t i = m->i, j = m->j, k = m->k;
    size_t middle = merge_end(m->low + m->width, m->count), high = merge_end(middle + m->width, m->count);
    if (i < middle && j < high && j == middle &&
        !is_less(m, from + j * stride, from + (middle - 1) * stride, stride)) {
        memcpy(m->to + k * stride, from + i * stride, (high - i) * stride * sizeof(Term)); /* in order as they stand */
        *budget -= (high - i) / 8 < *budget ? (high - i) / 8 : *budget;
        return true;
    }
    size_t left = *budget;
    for (; i < middle && j < high && left > 0; k++, left--) {
        bool second = is_less(m, from + j * stride, from + i * stride, stride);
        element_copy(m->to + k * stride, from + (second ? j : i) * stride, stride);
        i += !second;
        j += second;
    }
    *budget = left;
    if (i < middle && j < high) {
        m->i = i;
        m->j = j;
        m->k = k;
        return false;
    }
    memcpy(m->to + k * stride, from + i * stride, (middle - i) * stride * sizeof(Term));
    memcpy(m->to + (k + middle - i) * stride, from + j * stride, (high - j) * stride * sizeof(Term));
    return true;
}

/* True when `from` is sorted, or the list turned out to be none of ours; false when the budget is spent. */
static inline __attribute__((always_inline)) bool merge_passes(Merge *m, size_t *budget, unsigned stride)
{
    while (m->width < m->count && !m->declined) {
        if (!merge_runs(m, budget, stride)) {
            return false;
        }
        if (m->declined) {
            return true;
        }
        size_t next = m->low + 2 * m->width;
        if (next < m->count) {
            merge_next_runs(m, next);
            continue;
        }
        Term *t = m->from;
        m->from = m->to;
        m->to = t;
        m->width *= 2;
        merge_next_runs(m, 0);
    }
    return true;
}

static bool merge_some(Merge *m, size_t *budget)
{
    return m->stride == 1 ? merge_passes(m, budget, 1) : merge_passes(m, budget, 2);
}

static void merge_start(Merge *m)
{
    if (m->stride == 1) {
        sort_runs(m, 1);
    } else {
        sort_runs(m, 2);
    }
    m->width = RUN;
    merge_next_runs(m, 0);
}

/* The sorted elements as a list; SORT_UNIQUE: of equal ones the first. */
static Term merge_result(Proc *p, const Merge *m, SortKind kind)
{
    Term *cells = heap_alloc(p, 2 * m->count), *hp = cells;
    for (size_t i = 0; i < m->count; i++) {
        const Term *e = m->from + i * m->stride;
        if (kind == SORT_UNIQUE && i > 0 && term_equal(e[0], *(e - m->stride))) {
            continue;
        }
        hp[0] = e[m->stride - 1];
        hp[1] = make_list(hp + 2);
        hp += 2;
    }
    hp[-1] = NIL;
    heap_trim(p, hp);
    return make_list(cells);
}

/* --- long lists --------------------------------------------------------------------------------------------------- */
/* The state between slices: a tuple of these. */
enum { S_FROM, S_TO, S_LIST, S_KIND, S_STRIDE, S_COUNT, S_WIDTH, S_LOW, S_I, S_J, S_K, S_SIZE };

static Term sort_pause(Proc *p, const Merge *m, Term list, SortKind kind)
{
    Term *s = heap_alloc(p, TUPLE_WORDS(S_SIZE));
    s[0] = MAKE_HEADER(S_SIZE, SUB_TUPLE);
    s[1 + S_FROM] = make_boxed(m->from - 1);
    s[1 + S_TO] = make_boxed(m->to - 1);
    s[1 + S_LIST] = list;
    const size_t numbers[] = {kind, m->stride, m->count, m->width, m->low, m->i, m->j, m->k};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        s[1 + S_KIND + i] = make_small((int64_t)numbers[i]);
    }
    Term state = make_boxed(s);
    return p_trap(p, assist_more(), 1, &state);
}

/* Calls the function again, whose assist then declines. */
static Term sort_by_body(Proc *p, Term list, SortKind kind)
{
    p->flags |= PF_ASSIST_DECLINES;
    return p_trap(p, export_put(A_lists, kind == SORT_UNIQUE ? A_usort : A_sort, 1), 1, &list);
}

static Term sort_slice(Proc *p, Merge *m, Term list, SortKind kind)
{
    size_t budget = p->fcalls > 0 ? (size_t)p->fcalls * COMPARES_REDUCTION : 1, before = budget;
    bool done = merge_some(m, &budget);
    p_charge(p, (intptr_t)((before - budget) / COMPARES_REDUCTION));
    if (m->declined) {
        return sort_by_body(p, list, kind);
    }
    return done ? merge_result(p, m, kind) : sort_pause(p, m, list, kind);
}

NATIVE(sort_more)
{
    const Term *s = tuple_elements(a[0]);
    size_t n[S_SIZE];
    for (unsigned i = S_KIND; i < S_SIZE; i++) {
        n[i] = (size_t)small_value(s[i]);
    }
    Merge m = {tuple_elements(s[S_FROM]), tuple_elements(s[S_TO]), n[S_COUNT], n[S_WIDTH], n[S_LOW], n[S_I], n[S_J],
        n[S_K],
               (unsigned)n[S_STRIDE], false};
    return sort_slice(p, &m, s[S_LIST], (SortKind)n[S_KIND]);
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */
/* The elements of list l, and before each the key at place i (stride 2). False: one has no such key. */
static bool sort_fetch(const Merge *m, Term l, size_t i)
{
    for (Term *to = m->from; is_cons(l); l = cons_tail(l), to += m->stride) {
        Term t = cons_head(l);
        to[m->stride - 1] = t;
        if (m->stride == 2) {
            if (!is_tuple(t) || i >= tuple_arity(t)) {
                return false;
            }
            to[0] = tuple_elements(t)[i];
        }
    }
    return true;
}

static Term sort_short(Proc *p, Merge *m, Term l, size_t i, SortKind kind)
{
    enum { LOCAL_WORDS = 128 };
    Term local[2 * LOCAL_WORDS];
    size_t words = m->count * m->stride, budget = SIZE_MAX;
    m->from = words <= LOCAL_WORDS ? local : vm_alloc(2 * words * sizeof(Term));
    Term *memory = m->from, result = NONVALUE;
    m->to = m->from + words;
    if (sort_fetch(m, l, i)) {
        merge_start(m);
        merge_some(m, &budget);
        p_charge(p, (intptr_t)(m->count + (SIZE_MAX - budget) / COMPARES_REDUCTION));
        result = m->declined ? NONVALUE : merge_result(p, m, kind);
    }
    if (memory != local) {
        vm_free(memory);
    }
    return result;
}

static Term sort_long(Proc *p, Merge *m, Term l, size_t i, SortKind kind)
{
    size_t words = m->count * m->stride;
    Term *hp = heap_alloc(p, 2 * TUPLE_WORDS(words));
    hp[0] = hp[1 + words] = MAKE_HEADER(words, SUB_TUPLE);
    m->from = hp + 1;
    m->to = hp + 2 + words;
    if (!sort_fetch(m, l, i)) {
        heap_trim(p, hp);
        return NONVALUE;
    }
    merge_start(m);
    memcpy(m->to, m->from, words * sizeof(Term)); /* terms, whatever collects before they are written */
    p_charge(p, (intptr_t)(m->count / 2));
    return sort_slice(p, m, l, kind);
}

/* Declines what is no proper list of two elements at least. */
static Term sort_list(Proc *p, Term l, unsigned stride, size_t i, SortKind kind)
{
    int64_t n = list_length(l);
    Merge m = {.count = n > 0 ? (size_t)n : 0, .stride = stride};
    if (n < 2 || (p->flags & PF_ASSIST_DECLINES)) {
        p->flags &= ~(unsigned)PF_ASSIST_DECLINES;
        return NONVALUE;
    }
    return n <= AT_ONCE ? sort_short(p, &m, l, i, kind) : sort_long(p, &m, l, i, kind);
}

static Term sort_by_key(Proc *p, Term position, Term l, SortKind kind)
{
    bool valid = is_small(position) && small_value(position) >= 1;
    return valid ? sort_list(p, l, 2, (size_t)small_value(position) - 1, kind) : NONVALUE;
}

NATIVE(assist_sort) { return sort_list(p, a[0], 1, 0, SORT_ALL); }
NATIVE(assist_usort) { return sort_list(p, a[0], 1, 0, SORT_UNIQUE); }
NATIVE(assist_keysort) { return sort_by_key(p, a[0], a[1], SORT_ALL); }
NATIVE(assist_ukeysort) { return sort_by_key(p, a[0], a[1], SORT_UNIQUE); }
