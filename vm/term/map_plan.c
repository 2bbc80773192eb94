/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a map from pairs. Few keys: insertion into a sorted array, cheap when the pairs come sorted. Many: the
 * hashes are radix-sorted (stable, so that "later wins" is kept), runs of one hash are made unique, and the tree is
 * written from the sorted array without any intermediate node.
 *
 * Comes from: natives, put_map_assoc, the external format decoder. Goes to: any memory area.
 */
#include "vm/term/map_priv.h"

/* Position of the key in keys[0..n), or where it goes. */
static size_t sorted_search(const Term *keys, size_t n, Term key, bool *found)
{
    size_t low = 0, high = n;
    *found = false;
    if (n > 0 && term_compare_exact(keys[n - 1], key) < 0) {
        return n; /* pairs often come in order */
    }
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = term_compare_exact(keys[mid], key);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

typedef enum { FLAT_OK, FLAT_DUPLICATE, FLAT_TOO_MANY } FlatResult;

static FlatResult plan_flat(MapPlan *plan, const Term *kv, size_t n, bool strict)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        bool found;
        size_t at = sorted_search(plan->keys, count, kv[2 * i], &found);
        if (found) {
            if (strict) {
                return FLAT_DUPLICATE;
            }
            plan->values[at] = kv[2 * i + 1];
            continue;
        }
        if (count == MAP_FLAT_MAX) {
            return FLAT_TOO_MANY;
        }
        memmove(plan->keys + at + 1, plan->keys + at, (count - at) * sizeof(Term));
        memmove(plan->values + at + 1, plan->values + at, (count - at) * sizeof(Term));
        plan->keys[at] = kv[2 * i];
        plan->values[at] = kv[2 * i + 1];
        count++;
    }
    plan->count = count;
    plan->words = FLAT_MAP_WORDS(count) + TUPLE_WORDS(count);
    plan->entries = NULL;
    return FLAT_OK;
}

/* Sorts by the upper half (the hash), stable. The result is in `a`. */
static void sort_entries(uint64_t *a, uint64_t *scratch, size_t n)
{
    for (unsigned shift = 32; shift < 64; shift += 8) {
        size_t start[257] = {0};
        for (size_t i = 0; i < n; i++) {
            start[((a[i] >> shift) & 255) + 1]++;
        }
        for (unsigned b = 0; b < 256; b++) {
            start[b + 1] += start[b];
        }
        for (size_t i = 0; i < n; i++) {
            scratch[start[(a[i] >> shift) & 255]++] = a[i];
        }
        uint64_t *t = a;
        a = scratch;
        scratch = t;
    }
}

static Term entry_key(const MapPlan *plan, uint64_t entry) { return plan->kv[2 * (uint32_t)entry]; }

/* One run of equal hashes, in input order, becomes its different keys sorted, the last pair of each. Returns how many
 * are kept, 0 for a duplicate under strict. */
static size_t unique_run(const MapPlan *plan, uint64_t *to, const uint64_t *run, size_t n, bool strict)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t entry = run[i]; /* `to` may overlap `run` at or before i */
        size_t low = 0, high = kept;
        bool found = false;
        while (low < high && !found) {
            size_t mid = (low + high) / 2;
            int c = term_compare_exact(entry_key(plan, to[mid]), entry_key(plan, entry));
            if (c == 0) {
                found = true;
                low = mid;
            } else if (c < 0) {
                low = mid + 1;
            } else {
                high = mid;
            }
        }
        if (found) {
            if (strict) {
                return 0;
            }
            to[low] = entry;
        } else {
            memmove(to + low + 1, to + low, (kept - low) * sizeof *to);
            to[low] = entry;
            kept++;
        }
    }
    return kept;
}

/* Hash digits (of four bits) that two entries share. */
static unsigned common_levels(uint64_t a, uint64_t b)
{
    uint32_t x = (uint32_t)(a >> 32) ^ (uint32_t)(b >> 32);
    return x == 0 ? MAP_LEVELS : (unsigned)__builtin_clz(x) / 4;
}

/* Exact words of the tree over sorted unique entries: a node stands at each prefix that two neighbours share. */
static size_t tree_words(const uint64_t *entries, size_t n)
{
    size_t nodes = 1, words = 1; /* the head, and its size word */
    size_t slots = 1;            /* children in all nodes, counting the head itself */
    unsigned last = 0;
    for (size_t i = 0; i < n; i++) {
        bool with_last = i > 0 && common_levels(entries[i - 1], entries[i]) == MAP_LEVELS;
        bool with_next = i + 1 < n && common_levels(entries[i], entries[i + 1]) == MAP_LEVELS;
        words += 2; /* as a leaf, or as part of a bucket */
        if (!with_last) {
            slots++; /* a leaf's or a bucket's */
            words += with_next; /* header of the bucket */
        }
        if (i + 1 < n) {
            unsigned shared = common_levels(entries[i], entries[i + 1]);
            unsigned deepest = shared < MAP_LEVELS - 1 ? shared : MAP_LEVELS - 1;
            if (deepest > last) {
                nodes += deepest - last;
                slots += deepest - last;
            }
            last = deepest;
        }
    }
    return words + nodes + slots - 1;
}

static bool plan_tree(MapPlan *plan, const Term *kv, size_t n, bool strict)
{
    uint64_t *entries = vm_alloc(2 * n * sizeof *entries);
    for (size_t i = 0; i < n; i++) {
        entries[i] = (uint64_t)hamt_hash(kv[2 * i]) << 32 | i;
    }
    sort_entries(entries, entries + n, n);
    size_t count = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && entries[end] >> 32 == entries[i] >> 32; end++) {
        }
        size_t kept = 1;
        if (end - i == 1) {
            entries[count] = entries[i];
        } else {
            kept = unique_run(plan, entries + count, entries + i, end - i, strict);
        }
        if (kept == 0 || (strict && kept != end - i)) {
            vm_free(entries);
            return false;
        }
        count += kept;
    }
    plan->count = count;
    plan->entries = entries;
    plan->words = tree_words(entries, count);
    return true;
}

bool map_plan(MapPlan *plan, const Term *kv, size_t n, bool strict)
{
    plan->kv = kv;
    switch (plan_flat(plan, kv, n, strict)) {
    case FLAT_OK:
        return true;
    case FLAT_DUPLICATE:
        return false;
    case FLAT_TOO_MANY:
        break;
    }
    return plan_tree(plan, kv, n, strict);
}

static Term write_flat(const MapPlan *plan, Term **hp)
{
    Term *keys = *hp, *map = keys + TUPLE_WORDS(plan->count);
    keys[0] = MAKE_HEADER(plan->count, SUB_TUPLE);
    memcpy(keys + 1, plan->keys, plan->count * sizeof(Term));
    map[0] = MAP_HEADER(MAP_FLAT, 0);
    map[1] = plan->count;
    map[2] = make_boxed(keys);
    memcpy(map + 3, plan->values, plan->count * sizeof(Term));
    *hp = map + FLAT_MAP_WORDS(plan->count);
    return make_boxed(map);
}

static Term write_bucket(const MapPlan *plan, const uint64_t *entries, size_t n, Term **hp)
{
    Term *bucket = *hp;
    *hp += TUPLE_WORDS(2 * n);
    bucket[0] = MAKE_HEADER(2 * n, SUB_TUPLE);
    for (size_t i = 0; i < n; i++) {
        memcpy(bucket + 1 + 2 * i, plan->kv + 2 * (uint32_t)entries[i], 2 * sizeof(Term));
    }
    return make_boxed(bucket);
}

/* Writes the child for entries that share `level` digits. Recursion is at most MAP_LEVELS deep. */
static Term write_child(const MapPlan *plan, const uint64_t *entries, size_t n, unsigned level, Term **hp)
{
    if (n == 1) {
        const Term *pair = plan->kv + 2 * (uint32_t)entries[0];
        return heap_cons(hp, pair[0], pair[1]);
    }
    if (level == MAP_LEVELS) {
        return write_bucket(plan, entries, n, hp);
    }
    size_t start[17];
    unsigned bitmap = 0, children = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned slot = hamt_slot((uint32_t)(entries[i] >> 32), level);
        if (!(bitmap >> slot & 1)) {
            bitmap |= 1u << slot;
            start[children++] = i;
        }
    }
    start[children] = n;
    Term *node = *hp;
    Term *child;
    if (level == 0) {
        node[0] = MAP_HEADER(MAP_HEAD, bitmap);
        node[1] = plan->count;
        child = node + 2;
    } else {
        node[0] = MAP_HEADER(MAP_NODE, bitmap);
        child = node + 1;
    }
    *hp = child + children;
    for (unsigned i = 0; i < children; i++) {
        child[i] = write_child(plan, entries + start[i], start[i + 1] - start[i], level + 1, hp);
    }
    return make_boxed(node);
}

Term map_plan_write(MapPlan *plan, Term **hp)
{
    if (plan->entries == NULL) {
        return write_flat(plan, hp);
    }
    Term map = write_child(plan, plan->entries, plan->count, 0, hp);
    vm_free(plan->entries);
    plan->entries = NULL;
    return map;
}

/* A node holds two keys or more, so no level has more than n/2 nodes; nor more than 16^level. */
size_t map_build_words(size_t n)
{
    if (n <= MAP_FLAT_MAX) {
        return FLAT_MAP_WORDS(n) + TUPLE_WORDS(n);
    }
    size_t nodes = 1, level_max = 16;
    for (unsigned level = 1; level < MAP_LEVELS; level++) {
        nodes += level_max < n / 2 ? level_max : n / 2;
        level_max = level_max < n ? level_max * 16 : level_max;
    }
    /* leaves, their slots, nodes' headers and slots, bucket headers, the head's size */
    return 3 * n + 2 * nodes + n / 2 + 1;
}

Term map_build(Term **hp, Term *kv, size_t n, bool strict)
{
    MapPlan plan;
    if (!map_plan(&plan, kv, n, strict)) {
        return NONVALUE;
    }
    return map_plan_write(&plan, hp);
}

Term map_from_pairs(Proc *p, const Term *kv, size_t n)
{
    MapPlan plan;
    (void)map_plan(&plan, kv, n, false); /* cannot fail without `strict` */
    Term *hp = heap_alloc(p, plan.words);
    return map_plan_write(&plan, &hp);
}
