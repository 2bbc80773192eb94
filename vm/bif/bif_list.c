/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Natives on lists. `--` looks few elements up one by one; from a dozen on it sorts what is to be taken away and counts
 * it, so that it costs O((n + m) log m).
 */
#include "gen/natives.h"
#include "vm/term/compare.h"

static void charge_cells(Proc *p, size_t n) { p_charge(p, (intptr_t)(n / 16)); }

NATIVE(native_hd) { return is_cons(a[0]) ? cons_head(a[0]) : p_badarg(p); }
NATIVE(native_tl) { return is_cons(a[0]) ? cons_tail(a[0]) : p_badarg(p); }

NATIVE(native_length)
{
    int64_t n = list_length(a[0]);
    if (n < 0) {
        return p_badarg(p);
    }
    charge_cells(p, (size_t)n);
    return make_small(n);
}

NATIVE(native_lists_member)
{
    Term l = a[1];
    size_t seen = 0;
    for (; is_cons(l); l = cons_tail(l)) {
        seen++;
        if (term_identical(cons_head(l), a[0])) {
            charge_cells(p, seen);
            return A_true;
        }
    }
    charge_cells(p, seen);
    return is_nil(l) ? A_false : p_badarg(p);
}

NATIVE(native_lists_reverse_2)
{
    int64_t n = list_length(a[0]);
    if (n < 0) {
        return p_badarg(p);
    }
    Term *hp = heap_alloc(p, 2 * (size_t)n), result = a[1];
    for (Term l = a[0]; is_cons(l); l = cons_tail(l)) {
        result = heap_cons(&hp, cons_head(l), result);
    }
    charge_cells(p, (size_t)n);
    return result;
}

/* --- tuples by key --------------------------------------------------------------------------------------------- */
/* The first tuple of the list whose Position-th element == key; NIL when none; NONVALUE after badarg. */
static Term key_search(Proc *p, Term key, Term position, Term l)
{
    if (!is_small(position) || small_value(position) < 1) {
        return p_badarg(p);
    }
    size_t i = (size_t)small_value(position) - 1, seen = 0;
    for (; is_cons(l); l = cons_tail(l)) {
        Term t = cons_head(l);
        seen++;
        if (is_tuple(t) && i < tuple_arity(t) && term_equal(tuple_elements(t)[i], key)) {
            charge_cells(p, seen);
            return t;
        }
    }
    charge_cells(p, seen);
    return is_nil(l) ? NIL : p_badarg(p);
}

NATIVE(native_lists_keyfind)
{
    Term t = key_search(p, a[0], a[1], a[2]);
    return t == NIL ? A_false : t;
}

NATIVE(native_lists_keymember)
{
    Term t = key_search(p, a[0], a[1], a[2]);
    return t == NONVALUE ? NONVALUE : make_boolean(t != NIL);
}

NATIVE(native_lists_keysearch)
{
    Term t = key_search(p, a[0], a[1], a[2]);
    return t == NONVALUE ? NONVALUE : t == NIL ? A_false : heap_tuple2(p, A_value, t);
}

/* --- ++ ---------------------------------------------------------------------------------------------------------- */
NATIVE(native_append)
{
    int64_t n = list_length(a[0]);
    if (n < 0) {
        return p_badarg(p);
    }
    if (n == 0) {
        return a[1];
    }
    if (is_nil(a[1])) {
        return a[0];
    }
    Term *cells = heap_alloc(p, 2 * (size_t)n), *hp = cells;
    for (Term l = a[0]; is_cons(l); l = cons_tail(l)) {
        hp[0] = cons_head(l);
        hp[1] = make_list(hp + 2);
        hp += 2;
    }
    hp[-1] = a[1];
    charge_cells(p, (size_t)n);
    return make_list(cells);
}

/* --- -- ---------------------------------------------------------------------------------------------------------- */
/* What is still to be taken away: different elements sorted by term_compare_exact, with counts. */
typedef struct Removal {
    Term term;
    size_t count;
} Removal;

/* Bottom-up merge sort; the result is in `from`. */
static void sort_removals(Removal *from, Removal *scratch, size_t n)
{
    Removal *home = from;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t middle = low + width < n ? low + width : n;
            size_t high = middle + width < n ? middle + width : n;
            size_t i = low, j = middle;
            for (size_t k = low; k < high; k++) {
                bool left = j == high || (i < middle && term_compare_exact(from[i].term, from[j].term) <= 0);
                scratch[k] = left ? from[i++] : from[j++];
            }
        }
        Removal *t = from;
        from = scratch;
        scratch = t;
    }
    if (from != home) {
        memcpy(home, from, n * sizeof *home);
    }
}

static size_t unique_removals(Removal *r, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (count > 0 && term_compare_exact(r[count - 1].term, r[i].term) == 0) {
            r[count - 1].count++;
        } else {
            r[count++] = r[i];
        }
    }
    return count;
}

static Removal *find_sorted(Removal *r, size_t n, Term t)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = r[middle].term == t ? 0 : term_compare_exact(r[middle].term, t);
        if (c == 0) {
            return r + middle;
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static Removal *find_linear(Removal *r, size_t n, Term t)
{
    for (size_t i = 0; i < n; i++) {
        if (r[i].count > 0 && term_identical(r[i].term, t)) {
            return r + i;
        }
    }
    return NULL;
}

/* Copies `l` (n elements) without the m removals. What stands behind the last one removed is shared. */
static Term subtract_list(Proc *p, Term l, size_t n, Removal *r, size_t m, size_t left, bool sorted)
{
    Term *cells = heap_alloc(p, 2 * n), *hp = cells, result = NIL, *slot = &result;
    for (; is_cons(l) && left > 0; l = cons_tail(l)) {
        Term t = cons_head(l);
        Removal *found = sorted ? find_sorted(r, m, t) : find_linear(r, m, t);
        if (found && found->count > 0) {
            found->count--;
            left--;
            continue;
        }
        *slot = make_list(hp);
        hp[0] = t;
        slot = hp + 1;
        hp += 2;
    }
    *slot = l;
    heap_trim(p, hp);
    return result;
}

NATIVE(native_subtract)
{
    enum { LINEAR_MAX = 12 };
    int64_t n = list_length(a[0]), m = list_length(a[1]);
    if (n < 0 || m < 0) {
        return p_badarg(p);
    }
    if (n == 0 || m == 0) {
        return a[0];
    }
    Removal few[LINEAR_MAX], *r = m <= LINEAR_MAX ? few : vm_alloc(2 * (size_t)m * sizeof *r);
    size_t count = 0;
    for (Term l = a[1]; is_cons(l); l = cons_tail(l)) {
        r[count++] = (Removal){cons_head(l), 1};
    }
    if (r != few) {
        sort_removals(r, r + m, count);
        count = unique_removals(r, count);
    }
    Term result = subtract_list(p, a[0], (size_t)n, r, count, (size_t)m, r != few);
    if (r != few) {
        vm_free(r);
    }
    charge_cells(p, 4 * (size_t)(n + m));
    return result;
}
