/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Atomics and counters: arrays of 64-bit words behind magic references. All arithmetic wraps. A counter array of kind
 * write_concurrency is the same array with only its own operations: its weaker promises allow that.
 */
#include "gen/natives.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

typedef struct Atomics {
    bool is_signed;
    size_t size;
    uint64_t v[];
} Atomics;

enum { OPT_SIGNED = 1 };
#define MAX_ATOMICS (SIZE_MAX / 64)

static void atomics_destroy(Magic *m) { vm_free(m->data); }
static const MagicKind atomics_kind = {"atomics", atomics_destroy};
static const MagicKind counters_kind = {"counters", atomics_destroy};

static Term atomics_new(Proc *p, const MagicKind *kind, Term size, bool is_signed)
{
    int64_t n;
    if (is_big(size) && !big_is_negative(size)) {
        return p_system_limit(p);
    }
    if (!is_small(size) || (n = small_value(size)) <= 0) {
        return p_badarg(p);
    }
    if ((uint64_t)n > MAX_ATOMICS) {
        return p_system_limit(p);
    }
    Atomics *at = vm_calloc(sizeof *at + (size_t)n * sizeof at->v[0]);
    at->is_signed = is_signed;
    at->size = (size_t)n;
    p_charge(p, n / 64);
    return heap_magic_ref(p, magic_new(kind, at));
}

/* The word, or NULL. */
static uint64_t *word_of(const MagicKind *kind, Term ref, Term index, Atomics **array)
{
    Magic *m = magic_of(ref, kind);
    if (!m || !is_small(index)) {
        return NULL;
    }
    Atomics *at = *array = m->data;
    size_t i = (size_t)small_value(index) - 1;
    return i < at->size ? at->v + i : NULL;
}

/* A value to store: must fit the array's type. */
static bool value_of(const Atomics *at, Term t, uint64_t *v)
{
    int64_t s;
    if (!at->is_signed) {
        return integer_to_uint64(t, v);
    }
    if (!integer_to_int64(t, &s)) {
        return false;
    }
    *v = (uint64_t)s;
    return true;
}

/* An increment: whatever fits 64 bits with or without sign. */
static bool increment_of(Term t, uint64_t *v)
{
    int64_t s;
    if (integer_to_int64(t, &s)) {
        *v = (uint64_t)s;
        return true;
    }
    return integer_to_uint64(t, v);
}

static Term value_term(Proc *p, const Atomics *at, uint64_t v)
{
    return at->is_signed ? heap_int64(p, (int64_t)v) : heap_uint64(p, v);
}

static Term get(Proc *p, const MagicKind *kind, Term *a)
{
    Atomics *at;
    uint64_t *w = word_of(kind, a[0], a[1], &at);
    return w ? value_term(p, at, __atomic_load_n(w, __ATOMIC_SEQ_CST)) : p_badarg(p);
}

static Term put(Proc *p, const MagicKind *kind, Term *a)
{
    Atomics *at;
    uint64_t v, *w = word_of(kind, a[0], a[1], &at);
    if (!w || !value_of(at, a[2], &v)) {
        return p_badarg(p);
    }
    __atomic_store_n(w, v, __ATOMIC_SEQ_CST);
    return A_ok;
}

static Term add(Proc *p, const MagicKind *kind, Term *a, bool want_result)
{
    Atomics *at;
    uint64_t v, *w = word_of(kind, a[0], a[1], &at);
    if (!w || !increment_of(a[2], &v)) {
        return p_badarg(p);
    }
    v = __atomic_add_fetch(w, v, __ATOMIC_SEQ_CST);
    return want_result ? value_term(p, at, v) : A_ok;
}

NATIVE(native_erts_internal_atomics_new)
{
    if (!is_small(a[1])) {
        return p_badarg(p);
    }
    return atomics_new(p, &atomics_kind, a[0], small_value(a[1]) & OPT_SIGNED);
}

NATIVE(native_erts_internal_counters_new) { return atomics_new(p, &counters_kind, a[0], true); }
NATIVE(native_atomics_get) { return get(p, &atomics_kind, a); }
NATIVE(native_atomics_put) { return put(p, &atomics_kind, a); }
NATIVE(native_atomics_add) { return add(p, &atomics_kind, a, false); }
NATIVE(native_atomics_add_get) { return add(p, &atomics_kind, a, true); }
NATIVE(native_erts_internal_counters_get) { return get(p, &counters_kind, a); }
NATIVE(native_erts_internal_counters_put) { return put(p, &counters_kind, a); }
NATIVE(native_erts_internal_counters_add) { return add(p, &counters_kind, a, false); }

NATIVE(native_atomics_exchange)
{
    Atomics *at;
    uint64_t v, *w = word_of(&atomics_kind, a[0], a[1], &at);
    if (!w || !value_of(at, a[2], &v)) {
        return p_badarg(p);
    }
    return value_term(p, at, __atomic_exchange_n(w, v, __ATOMIC_SEQ_CST));
}

NATIVE(native_atomics_compare_exchange)
{
    Atomics *at;
    uint64_t expected, v, *w = word_of(&atomics_kind, a[0], a[1], &at);
    if (!w || !value_of(at, a[2], &expected) || !value_of(at, a[3], &v)) {
        return p_badarg(p);
    }
    bool done = __atomic_compare_exchange_n(w, &expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return done ? A_ok : value_term(p, at, expected);
}

static size_t memory_bytes(const Atomics *at)
{
    return sizeof(Magic) + sizeof *at + at->size * sizeof at->v[0];
}

NATIVE(native_atomics_info)
{
    Magic *m = magic_of(a[0], &atomics_kind);
    if (!m) {
        return p_badarg(p);
    }
    const Atomics *at = m->data;
    Term max = at->is_signed ? heap_int64(p, INT64_MAX) : heap_uint64(p, UINT64_MAX);
    Term min = at->is_signed ? heap_int64(p, INT64_MIN) : make_small(0);
    Term pairs[] = {A_max, max, A_memory, make_small((int64_t)memory_bytes(at)), A_min, min, A_size,
                    make_small((int64_t)at->size)};
    return map_from_pairs(p, pairs, 4);
}

NATIVE(native_erts_internal_counters_info)
{
    Magic *m = magic_of(a[0], &counters_kind);
    if (!m) {
        return p_badarg(p);
    }
    const Atomics *at = m->data;
    Term pairs[] = {A_memory, make_small((int64_t)memory_bytes(at)), A_size, make_small((int64_t)at->size)};
    return map_from_pairs(p, pairs, 2);
}
