/* SPDX-License-Identifier: Apache-2.0 */
/* Natives on tuples. */
#include "gen/natives.h"
#include "vm/term/binary.h"

enum { MAX_TUPLE = (1 << 24) - 1 };

/* True and *index (0-based) when `position` is one of tuple's places. */
static bool place_of(Term position, Term tuple, size_t *index)
{
    if (!is_small(position) || !is_tuple(tuple)) {
        return false;
    }
    *index = (size_t)(small_value(position) - 1); /* below 1 wraps to beyond any arity */
    return *index < tuple_arity(tuple);
}

/* An unfilled tuple on p's heap. */
static Term *tuple_alloc(Proc *p, size_t n)
{
    Term *t = heap_alloc(p, TUPLE_WORDS(n));
    t[0] = MAKE_HEADER(n, SUB_TUPLE);
    p_charge(p, (intptr_t)(n / 32));
    return t;
}

NATIVE(native_element)
{
    size_t i;
    return place_of(a[0], a[1], &i) ? tuple_elements(a[1])[i] : p_badarg(p);
}

NATIVE(native_setelement)
{
    size_t i;
    if (!place_of(a[0], a[1], &i)) {
        return p_badarg(p);
    }
    size_t n = tuple_arity(a[1]);
    Term *t = tuple_alloc(p, n);
    memcpy(t + 1, tuple_elements(a[1]), n * sizeof(Term));
    t[1 + i] = a[2];
    return make_boxed(t);
}

NATIVE(native_tuple_size)
{
    return is_tuple(a[0]) ? make_small((int64_t)tuple_arity(a[0])) : p_badarg(p);
}

NATIVE(native_size)
{
    if (is_tuple(a[0])) {
        return make_small((int64_t)tuple_arity(a[0]));
    }
    return is_bitstring(a[0]) ? make_small((int64_t)(bitstring_bit_size(a[0]) / 8)) : p_badarg(p);
}

NATIVE(native_list_to_tuple)
{
    int64_t n = list_length(a[0]);
    if (n < 0 || n > MAX_TUPLE) {
        return p_badarg(p);
    }
    Term *t = tuple_alloc(p, (size_t)n), *to = t + 1;
    for (Term l = a[0]; is_cons(l); l = cons_tail(l)) {
        *to++ = cons_head(l);
    }
    return make_boxed(t);
}

NATIVE(native_tuple_to_list)
{
    if (!is_tuple(a[0])) {
        return p_badarg(p);
    }
    size_t n = tuple_arity(a[0]);
    p_charge(p, (intptr_t)(n / 16));
    return heap_list(p, n, tuple_elements(a[0]), NIL);
}

static Term *filled_tuple(Proc *p, Term arity, Term value)
{
    if (!is_small(arity) || small_value(arity) < 0 || small_value(arity) > MAX_TUPLE) {
        return NULL;
    }
    size_t n = (size_t)small_value(arity);
    Term *t = tuple_alloc(p, n);
    for (size_t i = 1; i <= n; i++) {
        t[i] = value;
    }
    return t;
}

NATIVE(native_make_tuple_2)
{
    Term *t = filled_tuple(p, a[0], a[1]);
    return t ? make_boxed(t) : p_badarg(p);
}

NATIVE(native_make_tuple_3)
{
    Term *t = filled_tuple(p, a[0], a[1]);
    if (!t) {
        return p_badarg(p);
    }
    Term tuple = make_boxed(t), l = a[2];
    for (; is_cons(l); l = cons_tail(l)) {
        Term pair = cons_head(l);
        size_t i;
        if (!is_tuple_arity(pair, 2) || !place_of(tuple_elements(pair)[0], tuple, &i)) {
            return p_badarg(p);
        }
        t[1 + i] = tuple_elements(pair)[1];
    }
    return is_nil(l) ? tuple : p_badarg(p);
}

/* A copy with `value` before the element of that index (0-based; the arity: behind the last). */
static Term with_inserted(Proc *p, Term tuple, size_t index, Term value)
{
    size_t n = tuple_arity(tuple);
    if (n >= MAX_TUPLE) {
        return p_badarg(p);
    }
    Term *t = tuple_alloc(p, n + 1);
    memcpy(t + 1, tuple_elements(tuple), index * sizeof(Term));
    t[1 + index] = value;
    memcpy(t + 2 + index, tuple_elements(tuple) + index, (n - index) * sizeof(Term));
    return make_boxed(t);
}

NATIVE(native_append_element)
{
    return is_tuple(a[0]) ? with_inserted(p, a[0], tuple_arity(a[0]), a[1]) : p_badarg(p);
}

NATIVE(native_insert_element)
{
    if (!is_small(a[0]) || !is_tuple(a[1])) {
        return p_badarg(p);
    }
    size_t i = (size_t)(small_value(a[0]) - 1);
    return i <= tuple_arity(a[1]) ? with_inserted(p, a[1], i, a[2]) : p_badarg(p);
}

NATIVE(native_delete_element)
{
    size_t i;
    if (!place_of(a[0], a[1], &i)) {
        return p_badarg(p);
    }
    size_t n = tuple_arity(a[1]) - 1;
    Term *t = tuple_alloc(p, n);
    memcpy(t + 1, tuple_elements(a[1]), i * sizeof(Term));
    memcpy(t + 1 + i, tuple_elements(a[1]) + i + 1, (n - i) * sizeof(Term));
    return make_boxed(t);
}

static bool has_tag(Term t, Term tag)
{
    return is_tuple(t) && tuple_arity(t) > 0 && tuple_elements(t)[0] == tag;
}

NATIVE(native_is_record_2)
{
    return is_atom(a[1]) ? make_boolean(has_tag(a[0], a[1])) : p_badarg(p);
}

NATIVE(native_is_record_3)
{
    if (!is_atom(a[1]) || !is_small(a[2])) {
        return p_badarg(p);
    }
    return make_boolean(has_tag(a[0], a[1]) && (int64_t)tuple_arity(a[0]) == small_value(a[2]));
}
