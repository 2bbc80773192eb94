/* SPDX-License-Identifier: Apache-2.0 */
/* Natives of maps: module maps, the guards of erlang, and what erts_internal and erts_debug look inside with. */
#include "gen/natives.h"
#include "vm/term/compare.h"
#include "vm/term/map.h"

static Term badmap(Proc *p, Term t) { return p_error2(p, A_badmap, t); }

/* Pairs are cheap to copy: a reduction pays for sixteen. */
static void charge_pairs(Proc *p, size_t n) { p_charge(p, (intptr_t)(n / 16)); }

static Term get_or_badkey(Proc *p, Term map, Term key)
{
    if (!is_map(map)) {
        return badmap(p, map);
    }
    Term value = map_get(map, key);
    return value != NONVALUE ? value : p_error2(p, A_badkey, key);
}

NATIVE(native_map_get) { return get_or_badkey(p, a[1], a[0]); }
NATIVE(native_maps_get) { return get_or_badkey(p, a[1], a[0]); }

static Term is_key(Proc *p, Term map, Term key)
{
    return is_map(map) ? make_boolean(map_get(map, key) != NONVALUE) : badmap(p, map);
}

NATIVE(native_is_map_key) { return is_key(p, a[1], a[0]); }
NATIVE(native_maps_is_key) { return is_key(p, a[1], a[0]); }

NATIVE(native_map_size)
{
    return is_map(a[0]) ? make_small((int64_t)map_size(a[0])) : badmap(p, a[0]);
}

NATIVE(native_is_map)
{
    (void)p;
    return make_boolean(is_map(a[0]));
}

NATIVE(native_maps_find)
{
    if (!is_map(a[1])) {
        return badmap(p, a[1]);
    }
    Term value = map_get(a[1], a[0]);
    return value == NONVALUE ? A_error : heap_tuple2(p, A_ok, value);
}

NATIVE(native_maps_put)
{
    return is_map(a[2]) ? map_put(p, a[2], a[0], a[1]) : badmap(p, a[2]);
}

NATIVE(native_maps_update)
{
    if (!is_map(a[2])) {
        return badmap(p, a[2]);
    }
    Term map = map_update_exact(p, a[2], a[0], a[1]);
    return map != NONVALUE ? map : p_error2(p, A_badkey, a[0]);
}

NATIVE(native_maps_remove)
{
    return is_map(a[1]) ? map_remove(p, a[1], a[0]) : badmap(p, a[1]);
}

NATIVE(native_maps_take)
{
    if (!is_map(a[1])) {
        return badmap(p, a[1]);
    }
    Term value = map_get(a[1], a[0]);
    return value == NONVALUE ? A_error : heap_tuple2(p, value, map_remove(p, a[1], a[0]));
}

NATIVE(native_maps_merge)
{
    if (!is_map(a[0])) {
        return badmap(p, a[0]);
    }
    if (!is_map(a[1])) {
        return badmap(p, a[1]);
    }
    charge_pairs(p, map_size(a[0]) + map_size(a[1]));
    return map_merge(p, a[0], a[1]);
}

/* The keys (or values) of the map as a list in its order. */
static Term one_side(Proc *p, Term map, bool keys)
{
    size_t n = map_size(map);
    if (n == 0) {
        return NIL;
    }
    Term *cells = heap_alloc(p, 2 * n), *hp = cells, key, value;
    MapIter it;
    map_iter_init(&it, map);
    while (map_iter_next(&it, &key, &value)) {
        hp[0] = keys ? key : value;
        hp[1] = make_list(hp + 2);
        hp += 2;
    }
    hp[-1] = NIL;
    charge_pairs(p, n);
    return make_list(cells);
}

NATIVE(native_maps_keys) { return is_map(a[0]) ? one_side(p, a[0], true) : badmap(p, a[0]); }
NATIVE(native_maps_values) { return is_map(a[0]) ? one_side(p, a[0], false) : badmap(p, a[0]); }

/* A map from n pairs of scratch memory that it frees. */
static Term from_scratch(Proc *p, Term *kv, size_t n)
{
    Term map = map_from_pairs(p, kv, n);
    vm_free(kv);
    charge_pairs(p, n);
    return map;
}

NATIVE(native_maps_from_list)
{
    int64_t n = list_length(a[0]);
    if (n < 0) {
        return p_badarg(p);
    }
    Term *kv = vm_alloc(2 * (size_t)n * sizeof(Term)), *to = kv;
    for (Term l = a[0]; is_cons(l); l = cons_tail(l)) {
        Term pair = cons_head(l);
        if (!is_tuple_arity(pair, 2)) {
            vm_free(kv);
            return p_badarg(p);
        }
        *to++ = tuple_elements(pair)[0];
        *to++ = tuple_elements(pair)[1];
    }
    return from_scratch(p, kv, (size_t)n);
}

NATIVE(native_maps_from_keys)
{
    int64_t n = list_length(a[0]);
    if (n < 0) {
        return p_badarg(p);
    }
    Term *kv = vm_alloc(2 * (size_t)n * sizeof(Term)), *to = kv;
    for (Term l = a[0]; is_cons(l); l = cons_tail(l)) {
        *to++ = cons_head(l);
        *to++ = a[1];
    }
    return from_scratch(p, kv, (size_t)n);
}

/* --- iterators: erts_internal:map_next/3 --------------------------------------------------------------------- */
enum { ITERATOR_STEP = 32 };

/* {K1, V1, {K2, V2, ... Next}}: Next is `none` or [Path | Map]. */
static Term next_nested(Proc *p, MapIter *it, size_t step)
{
    Term key, value, first = NONVALUE, *slot = &first;
    uint64_t path;
    for (size_t i = 0; i < step && map_iter_next(it, &key, &value); i++) {
        Term *t = heap_alloc(p, TUPLE_WORDS(3));
        t[0] = MAKE_HEADER(3, SUB_TUPLE);
        t[1] = key;
        t[2] = value;
        *slot = make_boxed(t);
        slot = t + 3;
    }
    *slot = map_iter_path(it, &path) ? heap_cons_on(p, make_small((int64_t)path), it->map) : A_none;
    return first;
}

/* All pairs from here on, in order, before `tail`. */
static Term rest_list(Proc *p, MapIter *it, Term tail)
{
    Term key, value, first = tail, *slot = &first;
    size_t n = 0;
    for (; map_iter_next(it, &key, &value); n++) {
        Term *cell = heap_alloc(p, 2 + TUPLE_WORDS(2));
        cell[2] = MAKE_HEADER(2, SUB_TUPLE);
        cell[3] = key;
        cell[4] = value;
        cell[0] = make_boxed(cell + 2);
        *slot = make_list(cell);
        slot = cell + 1;
    }
    *slot = tail;
    charge_pairs(p, n);
    return first;
}

NATIVE(native_erts_internal_map_next)
{
    bool iterator = a[2] == A_iterator;
    if (!is_map(a[1]) || !is_small(a[0]) || small_value(a[0]) < 0 || (!iterator && !is_list(a[2]))) {
        return p_badarg(p);
    }
    MapIter it;
    bool flat = is_flat_map(a[1]); /* always whole; a path is accepted up to its size, as OTP does */
    if (flat && (uint64_t)small_value(a[0]) > map_size(a[1])) {
        return p_badarg(p);
    }
    map_iter_seek(&it, a[1], flat ? 0 : (uint64_t)small_value(a[0]));
    return iterator ? next_nested(p, &it, ITERATOR_STEP) : rest_list(p, &it, a[2]);
}

/* --- looking inside -------------------------------------------------------------------------------------------- */
NATIVE(native_erts_internal_map_to_tuple_keys)
{
    if (!is_map(a[0])) {
        return badmap(p, a[0]);
    }
    return is_flat_map(a[0]) ? flat_map_keys(a[0]) : p_badarg(p);
}

static size_t node_children(Term node, Term **children)
{
    Term *n = boxed_ptr(node);
    *children = n + (map_header_kind(*n) == MAP_HEAD ? 2 : 1);
    return (size_t)__builtin_popcount(map_header_bitmap(*n));
}

/* Nodes are map objects that Erlang code sees only through this function. */
NATIVE(native_erts_internal_map_hashmap_children)
{
    if (!is_map_object(a[0])) {
        return badmap(p, a[0]);
    }
    if (is_flat_map(a[0])) {
        return p_badarg(p);
    }
    Term *children;
    size_t n = node_children(a[0], &children);
    return heap_list(p, n, children, NIL);
}

typedef struct MapStatistics {
    int64_t nodes, leaves, depth;
    int64_t nodes_of[16];    /* by number of children - 1 */
    int64_t leaves_at[16];   /* by depth */
} MapStatistics;

static void gather(MapStatistics *s, Term child, unsigned depth)
{
    s->depth = depth > s->depth ? depth : s->depth;
    if (!is_map_object(child)) {
        int64_t pairs = is_cons(child) ? 1 : (int64_t)tuple_arity(child) / 2;
        s->leaves += pairs;
        s->leaves_at[depth] += pairs;
        return;
    }
    Term *children;
    size_t n = node_children(child, &children);
    s->nodes++;
    s->nodes_of[n - 1]++;
    for (size_t i = 0; i < n; i++) {
        gather(s, children[i], depth + 1); /* at most MAP_LEVELS deep */
    }
}

static Term histogram(Proc *p, Term name, int64_t total, const int64_t *counts)
{
    Term small[16];
    for (unsigned i = 0; i < 16; i++) {
        small[i] = make_small(counts[i]);
    }
    return heap_tuple3(p, name, make_small(total), heap_tuple(p, 16, small));
}

NATIVE(native_erts_debug_map_info)
{
    if (!is_map(a[0]) || is_flat_map(a[0])) {
        return p_badarg(p);
    }
    MapStatistics s = {0};
    gather(&s, a[0], 0);
    Term rows[] = {heap_tuple2(p, A_depth, make_small(s.depth)),
                   heap_tuple3(p, A_arrays, make_small(0), NIL),
                   histogram(p, A_bitmaps, s.nodes, s.nodes_of),
                   histogram(p, A_leafs, s.leaves, s.leaves_at)};
    return heap_list(p, 4, rows, NIL);
}
