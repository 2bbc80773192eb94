/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps: operations over both forms, and the flat form itself. An update of a flat map that adds no key shares the keys
 * tuple with the old map: maps of one record-like shape have one keys tuple among them.
 */
#include "vm/term/map_priv.h"

Term map_empty(Proc *p) { return map_from_pairs(p, NULL, 0); }

/* --- flat ---------------------------------------------------------------------------------------- */
/* Index of the key or -1. */
static intptr_t flat_find(Term map, Term key)
{
    size_t n = map_size(map);
    const Term *keys = tuple_elements(flat_map_keys(map));
    if (is_immed(key)) {
        for (size_t i = 0; i < n; i++) {
            if (keys[i] == key) {
                return (intptr_t)i;
            }
        }
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (term_identical(keys[i], key)) {
            return (intptr_t)i;
        }
    }
    return -1;
}

static Term *flat_copy(Proc *p, Term map)
{
    size_t words = FLAT_MAP_WORDS(map_size(map));
    Term *m = heap_alloc(p, words);
    memcpy(m, boxed_ptr(map), words * sizeof(Term));
    return m;
}

static Term flat_with(Proc *p, Term map, size_t at, Term value)
{
    if (flat_map_values(map)[at] == value) {
        return map;
    }
    Term *m = flat_copy(p, map);
    m[3 + at] = value;
    return make_boxed(m);
}

/* All pairs of a flat map, then (when there is one) one more, to kv. */
static size_t flat_pairs(Term map, Term *kv)
{
    size_t n = map_size(map);
    const Term *keys = tuple_elements(flat_map_keys(map)), *values = flat_map_values(map);
    for (size_t i = 0; i < n; i++) {
        kv[2 * i] = keys[i];
        kv[2 * i + 1] = values[i];
    }
    return n;
}

/* The key is not there and there is room. */
static Term flat_insert(Proc *p, Term map, Term key, Term value)
{
    size_t n = map_size(map), low = 0, high = n;
    const Term *old_keys = tuple_elements(flat_map_keys(map)), *old_values = flat_map_values(map);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (term_compare_exact(old_keys[mid], key) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    Term *keys = heap_alloc(p, TUPLE_WORDS(n + 1) + FLAT_MAP_WORDS(n + 1));
    Term *m = keys + TUPLE_WORDS(n + 1);
    keys[0] = MAKE_HEADER(n + 1, SUB_TUPLE);
    m[0] = MAP_HEADER(MAP_FLAT, 0);
    m[1] = n + 1;
    m[2] = make_boxed(keys);
    keys[1 + low] = key;
    m[3 + low] = value;
    memcpy(keys + 1, old_keys, low * sizeof(Term));
    memcpy(keys + 2 + low, old_keys + low, (n - low) * sizeof(Term));
    memcpy(m + 3, old_values, low * sizeof(Term));
    memcpy(m + 4 + low, old_values + low, (n - low) * sizeof(Term));
    return make_boxed(m);
}

static Term flat_put(Proc *p, Term map, Term key, Term value)
{
    intptr_t at = flat_find(map, key);
    if (at >= 0) {
        return flat_with(p, map, (size_t)at, value);
    }
    if (map_size(map) < MAP_FLAT_MAX) {
        return flat_insert(p, map, key, value);
    }
    Term kv[2 * MAP_FLAT_MAX + 2];
    size_t n = flat_pairs(map, kv);
    kv[2 * n] = key;
    kv[2 * n + 1] = value;
    return map_from_pairs(p, kv, n + 1);
}

static Term flat_remove(Proc *p, Term map, Term key)
{
    intptr_t at = flat_find(map, key);
    if (at < 0) {
        return map;
    }
    size_t n = map_size(map) - 1, i = (size_t)at;
    const Term *old_keys = tuple_elements(flat_map_keys(map)), *old_values = flat_map_values(map);
    Term *keys = heap_alloc(p, TUPLE_WORDS(n) + FLAT_MAP_WORDS(n));
    Term *m = keys + TUPLE_WORDS(n);
    keys[0] = MAKE_HEADER(n, SUB_TUPLE);
    m[0] = MAP_HEADER(MAP_FLAT, 0);
    m[1] = n;
    m[2] = make_boxed(keys);
    memcpy(keys + 1, old_keys, i * sizeof(Term));
    memcpy(keys + 1 + i, old_keys + i + 1, (n - i) * sizeof(Term));
    memcpy(m + 3, old_values, i * sizeof(Term));
    memcpy(m + 3 + i, old_values + i + 1, (n - i) * sizeof(Term));
    return make_boxed(m);
}

Term map_flat_from(Proc *p, Term keys, const Term *values)
{
    size_t n = tuple_arity(keys);
    Term *m = heap_alloc(p, FLAT_MAP_WORDS(n));
    m[0] = MAP_HEADER(MAP_FLAT, 0);
    m[1] = n;
    m[2] = keys;
    memcpy(m + 3, values, n * sizeof(Term));
    return make_boxed(m);
}

/* --- both forms ---------------------------------------------------------------------------------- */
Term map_get(Term map, Term key)
{
    if (!is_flat_map(map)) {
        return hamt_get(map, key);
    }
    intptr_t at = flat_find(map, key);
    return at < 0 ? NONVALUE : flat_map_values(map)[at];
}

Term map_put(Proc *p, Term map, Term key, Term value)
{
    bool added;
    return is_flat_map(map) ? flat_put(p, map, key, value) : hamt_put(p, map, 0, key, value, true, &added);
}

Term map_update_exact(Proc *p, Term map, Term key, Term value)
{
    if (is_flat_map(map)) {
        intptr_t at = flat_find(map, key);
        return at < 0 ? NONVALUE : flat_with(p, map, (size_t)at, value);
    }
    bool added;
    return hamt_get(map, key) == NONVALUE ? NONVALUE : hamt_put(p, map, 0, key, value, true, &added);
}

/* A HAMT of 33 keys without one of them. */
static Term shrink(Proc *p, Term map, Term key)
{
    Term kv[2 * MAP_FLAT_MAX];
    size_t n = 0;
    Term k, v;
    MapIter it;
    map_iter_init(&it, map);
    while (map_iter_next(&it, &k, &v)) {
        if (!term_identical(k, key)) {
            kv[2 * n] = k;
            kv[2 * n + 1] = v;
            n++;
        }
    }
    return map_from_pairs(p, kv, n);
}

Term map_remove(Proc *p, Term map, Term key)
{
    if (is_flat_map(map)) {
        return flat_remove(p, map, key);
    }
    if (map_size(map) > MAP_FLAT_MAX + 1) {
        return hamt_remove(p, map, key);
    }
    return hamt_get(map, key) == NONVALUE ? map : shrink(p, map, key);
}

/* Adds n pairs by way of an array of all pairs. */
static Term put_through_array(Proc *p, Term map, const Term *kv, size_t n)
{
    enum { ON_STACK = 2 * MAP_FLAT_MAX };
    Term small[2 * ON_STACK];
    size_t total = map_size(map) + n;
    Term *all = total <= ON_STACK ? small : vm_alloc(2 * total * sizeof(Term));
    size_t old = flat_pairs(map, all);
    memcpy(all + 2 * old, kv, 2 * n * sizeof(Term));
    Term result = map_from_pairs(p, all, total);
    if (all != small) {
        vm_free(all);
    }
    return result;
}

Term map_put_assoc(Proc *p, Term map, const Term *kv, size_t n)
{
    if (!is_flat_map(map)) {
        bool added;
        for (size_t i = 0; i < n; i++) {
            map = hamt_put(p, map, 0, kv[2 * i], kv[2 * i + 1], true, &added);
        }
        return map;
    }
    if (n == 1) {
        return flat_put(p, map, kv[0], kv[1]);
    }
    if (map_size(map) == 0) {
        return map_from_pairs(p, kv, n);
    }
    intptr_t at[MAP_FLAT_MAX];
    if (n <= MAP_FLAT_MAX) {
        size_t i = 0;
        while (i < n && (at[i] = flat_find(map, kv[2 * i])) >= 0) {
            i++;
        }
        if (i == n) { /* no new key: keys are shared */
            Term *m = flat_copy(p, map);
            for (i = 0; i < n; i++) {
                m[3 + at[i]] = kv[2 * i + 1];
            }
            return make_boxed(m);
        }
    }
    return put_through_array(p, map, kv, n);
}

Term map_put_exact(Proc *p, Term map, const Term *kv, size_t n, Term *missing)
{
    if (!is_flat_map(map) || n == 1) {
        for (size_t i = 0; i < n; i++) {
            Term next = map_update_exact(p, map, kv[2 * i], kv[2 * i + 1]);
            if (next == NONVALUE) {
                *missing = kv[2 * i];
                return NONVALUE;
            }
            map = next;
        }
        return map;
    }
    Term *m = flat_copy(p, map);
    for (size_t i = 0; i < n; i++) {
        intptr_t at = flat_find(map, kv[2 * i]);
        if (at < 0) {
            heap_trim(p, m);
            *missing = kv[2 * i];
            return NONVALUE;
        }
        m[3 + at] = kv[2 * i + 1];
    }
    return make_boxed(m);
}

/* --- merge --------------------------------------------------------------------------------------- */
/* Two flat maps: one pass over both sorted key tuples; the result takes over a's or b's tuple when it has the same
 * keys. */
static Term flat_merge(Proc *p, Term a, Term b)
{
    size_t na = map_size(a), nb = map_size(b), i = 0, j = 0, n = 0;
    const Term *ka = tuple_elements(flat_map_keys(a)), *va = flat_map_values(a);
    const Term *kb = tuple_elements(flat_map_keys(b)), *vb = flat_map_values(b);
    Term kv[4 * MAP_FLAT_MAX], values[2 * MAP_FLAT_MAX];
    if (nb == 0) {
        return a;
    }
    while (i < na || j < nb) {
        int c = i == na ? 1 : j == nb ? -1 : ka[i] == kb[j] ? 0 : term_compare_exact(ka[i], kb[j]);
        kv[2 * n] = c < 0 ? ka[i] : kb[j];
        values[n] = kv[2 * n + 1] = c < 0 ? va[i] : vb[j];
        n++;
        i += c <= 0;
        j += c >= 0;
    }
    if (n == nb) {
        return b; /* all keys are b's, and so are all values */
    }
    return n == na ? map_flat_from(p, flat_map_keys(a), values) : map_from_pairs(p, kv, n);
}

/* Puts the pairs of the flat map into the big one. */
static Term merge_flat_into(Proc *p, Term big, Term flat, bool overwrite)
{
    bool added;
    size_t n = map_size(flat);
    const Term *keys = tuple_elements(flat_map_keys(flat)), *values = flat_map_values(flat);
    for (size_t i = 0; i < n; i++) {
        big = hamt_put(p, big, 0, keys[i], values[i], overwrite, &added);
    }
    return big;
}

Term map_merge(Proc *p, Term a, Term b)
{
    if (is_flat_map(a)) {
        return is_flat_map(b) ? flat_merge(p, a, b) : merge_flat_into(p, b, a, false);
    }
    return is_flat_map(b) ? merge_flat_into(p, a, b, true) : hamt_merge(p, a, b);
}

/* --- iteration ----------------------------------------------------------------------------------- */
void map_iter_init(MapIter *it, Term map)
{
    it->map = map;
    it->index = 0;
    it->depth = 0;
    if (!is_flat_map(map)) {
        it->depth = 1;
        it->node[0] = map;
        it->slot[0] = 0;
    }
}

static Term iter_child(const MapIter *it)
{
    Term node = it->node[it->depth - 1];
    return hamt_children(boxed_ptr(node))[it->slot[it->depth - 1]];
}

/* Walks to the next leaf or bucket, which is then at the end of the path. False at the end of the map. */
static bool iter_settle(MapIter *it)
{
    while (it->depth > 0) {
        unsigned top = it->depth - 1;
        if (it->slot[top] == hamt_child_count(it->node[top])) {
            it->depth--;
            if (it->depth > 0) {
                it->slot[it->depth - 1]++;
            }
            continue;
        }
        Term child = iter_child(it);
        if (!hamt_is_node(child)) {
            if (is_cons(child) || it->index < bucket_pairs(child)) {
                return true;
            }
            it->index = 0;
            it->slot[top]++;
            continue;
        }
        it->node[it->depth] = child;
        it->slot[it->depth++] = 0;
    }
    return false;
}

bool map_iter_next(MapIter *it, Term *key, Term *value)
{
    if (is_flat_map(it->map)) {
        if (it->index >= map_size(it->map)) {
            return false;
        }
        *key = tuple_elements(flat_map_keys(it->map))[it->index];
        *value = flat_map_values(it->map)[it->index++];
        return true;
    }
    if (!iter_settle(it)) {
        return false;
    }
    Term child = iter_child(it);
    if (is_cons(child)) {
        *key = cons_head(child);
        *value = cons_tail(child);
        it->slot[it->depth - 1]++;
    } else {
        *key = tuple_elements(child)[2 * it->index];
        *value = tuple_elements(child)[2 * it->index + 1];
        it->index++;
    }
    return true;
}

/* Bit number of the n-th set bit. */
static unsigned nth_slot(unsigned bitmap, unsigned n)
{
    while (n-- > 0) {
        bitmap &= bitmap - 1;
    }
    return (unsigned)__builtin_ctz(bitmap);
}

/* A path is the slots from the head down as hash digits, and the index in the bucket above bit 32. */
bool map_iter_path(MapIter *it, uint64_t *path)
{
    if (is_flat_map(it->map)) {
        *path = it->index;
        return it->index < map_size(it->map);
    }
    if (!iter_settle(it)) {
        return false;
    }
    uint32_t digits = 0;
    for (unsigned i = 0; i < it->depth; i++) {
        digits |= nth_slot(hamt_bitmap(it->node[i]), it->slot[i]) << (28 - 4 * i);
    }
    *path = (uint64_t)it->index << 32 | digits;
    return true;
}

void map_iter_seek(MapIter *it, Term map, uint64_t path)
{
    map_iter_init(it, map);
    if (is_flat_map(map)) {
        it->index = path < map_size(map) ? (size_t)path : map_size(map);
        return;
    }
    for (Term node = map;;) {
        unsigned top = it->depth - 1, bitmap = hamt_bitmap(node), slot = hamt_slot((uint32_t)path, top);
        it->slot[top] = (uint8_t)hamt_ordinal(bitmap, slot);
        if (!(bitmap >> slot & 1)) {
            return; /* the next greater slot, or past the end of this node: iter_settle goes on */
        }
        Term child = iter_child(it);
        if (!hamt_is_node(child)) {
            it->index = is_cons(child) ? 0 : (size_t)(path >> 32);
            return;
        }
        node = child;
        it->node[it->depth] = child;
        it->slot[it->depth++] = 0;
    }
}
