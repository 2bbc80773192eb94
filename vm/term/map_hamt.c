/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps of more than 32 keys: hash array mapped tries. Updates copy the nodes on the path (at most eight) and share the
 * rest. Eight levels use up the 32 hash bits; keys that agree in all of them share a sorted bucket, so a collision
 * costs a binary search, never more levels. Removing collapses nodes that are left with one pair, which keeps the
 * form canonical (map.h).
 */
#include "vm/term/map_priv.h"

size_t bucket_search(Term bucket, Term key, bool *found)
{
    const Term *pairs = tuple_elements(bucket);
    size_t low = 0, high = bucket_pairs(bucket);
    *found = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = term_compare_exact(pairs[2 * mid], key);
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

Term hamt_get(Term map, Term key)
{
    uint32_t hash = hamt_hash(key);
    Term *node = boxed_ptr(map);
    for (unsigned level = 0;; level++) {
        unsigned bitmap = map_header_bitmap(*node), slot = hamt_slot(hash, level);
        if (!(bitmap >> slot & 1)) {
            return NONVALUE;
        }
        Term child = hamt_children(node)[hamt_ordinal(bitmap, slot)];
        if (is_cons(child)) {
            return term_identical(cons_head(child), key) ? cons_tail(child) : NONVALUE;
        }
        if (!hamt_is_node(child)) {
            bool found;
            size_t at = bucket_search(child, key, &found);
            return found ? tuple_elements(child)[2 * at + 1] : NONVALUE;
        }
        node = boxed_ptr(child);
    }
}

/* --- building nodes --------------------------------------------------------------------------- */
static Term bucket_insert(Proc *p, Term bucket, size_t at, Term key, Term value)
{
    size_t pairs = bucket_pairs(bucket);
    const Term *old = tuple_elements(bucket);
    Term *b = heap_alloc(p, TUPLE_WORDS(2 * pairs + 2));
    b[0] = MAKE_HEADER(2 * pairs + 2, SUB_TUPLE);
    memcpy(b + 1, old, 2 * at * sizeof(Term));
    b[1 + 2 * at] = key;
    b[2 + 2 * at] = value;
    memcpy(b + 3 + 2 * at, old + 2 * at, 2 * (pairs - at) * sizeof(Term));
    return make_boxed(b);
}

static Term bucket_with(Proc *p, Term bucket, size_t at, Term value)
{
    size_t words = TUPLE_WORDS(tuple_arity(bucket));
    Term *b = heap_alloc(p, words);
    memcpy(b, boxed_ptr(bucket), words * sizeof(Term));
    b[2 + 2 * at] = value;
    return make_boxed(b);
}

/* The child that stands for two leaves whose keys differ and agree in the digits above `level`. */
static Term make_pair(Proc *p, unsigned level, Term leaf_a, uint32_t hash_a, Term leaf_b, uint32_t hash_b)
{
    if (level == MAP_LEVELS) {
        bool swap = term_compare_exact(cons_head(leaf_a), cons_head(leaf_b)) > 0;
        Term first = swap ? leaf_b : leaf_a, second = swap ? leaf_a : leaf_b;
        Term pairs[4] = {cons_head(first), cons_tail(first), cons_head(second), cons_tail(second)};
        return heap_tuple(p, 4, pairs);
    }
    unsigned a = hamt_slot(hash_a, level), b = hamt_slot(hash_b, level);
    if (a == b) {
        Term child = make_pair(p, level + 1, leaf_a, hash_a, leaf_b, hash_b);
        Term *node = heap_alloc(p, 2);
        node[0] = MAP_HEADER(MAP_NODE, 1u << a);
        node[1] = child;
        return make_boxed(node);
    }
    Term *node = heap_alloc(p, 3);
    node[0] = MAP_HEADER(MAP_NODE, 1u << a | 1u << b);
    node[1] = a < b ? leaf_a : leaf_b;
    node[2] = a < b ? leaf_b : leaf_a;
    return make_boxed(node);
}

static Term node_with(Proc *p, Term node, unsigned ordinal, Term child)
{
    size_t words = header_object_words(boxed_ptr(node));
    Term *n = heap_alloc(p, words);
    memcpy(n, boxed_ptr(node), words * sizeof(Term));
    hamt_children(n)[ordinal] = child;
    return make_boxed(n);
}

static Term node_insert(Proc *p, Term node, unsigned slot, Term child)
{
    Term *old = boxed_ptr(node);
    size_t words = header_object_words(old);
    unsigned bitmap = map_header_bitmap(*old), ordinal = hamt_ordinal(bitmap, slot);
    size_t before = (size_t)(hamt_children(old) - old) + ordinal;
    Term *n = heap_alloc(p, words + 1);
    memcpy(n, old, before * sizeof(Term));
    n[before] = child;
    memcpy(n + before + 1, old + before, (words - before) * sizeof(Term));
    n[0] = MAP_HEADER(map_header_kind(*old), bitmap | 1u << slot);
    return make_boxed(n);
}

static Term node_without(Proc *p, Term node, unsigned slot)
{
    Term *old = boxed_ptr(node);
    size_t words = header_object_words(old);
    unsigned bitmap = map_header_bitmap(*old), ordinal = hamt_ordinal(bitmap, slot);
    size_t before = (size_t)(hamt_children(old) - old) + ordinal;
    Term *n = heap_alloc(p, words - 1);
    memcpy(n, old, before * sizeof(Term));
    memcpy(n + before, old + before + 1, (words - before - 1) * sizeof(Term));
    n[0] = MAP_HEADER(map_header_kind(*old), bitmap & ~(1u << slot));
    return make_boxed(n);
}

static void set_head_size(Term node, size_t size)
{
    Term *n = boxed_ptr(node);
    if (map_header_kind(*n) == MAP_HEAD) {
        n[1] = size;
    }
}

/* --- put ---------------------------------------------------------------------------------------- */
typedef struct Path {
    Term node[MAP_LEVELS];
    uint8_t ordinal[MAP_LEVELS];
    unsigned depth;
} Path;

/* Copies the nodes of the path above its last, with `child` below. */
static Term path_rebuild(Proc *p, const Path *path, Term child)
{
    for (unsigned i = path->depth; i-- > 0;) {
        child = node_with(p, path->node[i], path->ordinal[i], child);
    }
    return child;
}

Term hamt_put(Proc *p, Term node, unsigned level, Term key, Term value, bool overwrite, bool *added)
{
    uint32_t hash = hamt_hash(key);
    size_t size = boxed_ptr(node)[1]; /* meaningful for a head only */
    Term child, fresh, result = node;
    Path path = {.depth = 0};
    *added = false;
    for (Term at = node;; at = child) {
        unsigned bitmap = hamt_bitmap(at), slot = hamt_slot(hash, level);
        if (!(bitmap >> slot & 1)) {
            fresh = node_insert(p, at, slot, heap_cons_on(p, key, value));
            *added = true;
            break;
        }
        path.node[path.depth] = at;
        path.ordinal[path.depth] = (uint8_t)hamt_ordinal(bitmap, slot);
        child = hamt_children(boxed_ptr(at))[path.ordinal[path.depth++]];
        level++;
        if (is_cons(child)) {
            if (!term_identical(cons_head(child), key)) {
                fresh = make_pair(p, level, child, hamt_hash(cons_head(child)),
                                  heap_cons_on(p, key, value), hash);
                *added = true;
                break;
            }
            if (!overwrite || cons_tail(child) == value) {
                return node;
            }
            fresh = heap_cons_on(p, cons_head(child), value);
            break;
        }
        if (!hamt_is_node(child)) {
            bool found;
            size_t pair = bucket_search(child, key, &found);
            if (found && (!overwrite || tuple_elements(child)[2 * pair + 1] == value)) {
                return node;
            }
            fresh = found ? bucket_with(p, child, pair, value) : bucket_insert(p, child, pair, key, value);
            *added = !found;
            break;
        }
    }
    result = path_rebuild(p, &path, fresh);
    set_head_size(result, size + *added);
    return result;
}

/* --- remove ------------------------------------------------------------------------------------- */
/* The bucket without that pair: a leaf when one is left. */
static Term bucket_without(Proc *p, Term bucket, size_t at)
{
    const Term *old = tuple_elements(bucket);
    size_t pairs = bucket_pairs(bucket);
    if (pairs == 2) {
        const Term *other = old + 2 * (1 - at);
        return heap_cons_on(p, other[0], other[1]);
    }
    Term *b = heap_alloc(p, TUPLE_WORDS(2 * pairs - 2));
    b[0] = MAKE_HEADER(2 * pairs - 2, SUB_TUPLE);
    memcpy(b + 1, old, 2 * at * sizeof(Term));
    memcpy(b + 1 + 2 * at, old + 2 * at + 2, 2 * (pairs - at - 1) * sizeof(Term));
    return make_boxed(b);
}

/* `leaf` replaces the child on the path: an inner node that would hold nothing else is replaced by it. */
static Term path_rebuild_leaf(Proc *p, Path *path, Term leaf)
{
    while (path->depth > 1 && hamt_child_count(path->node[path->depth - 1]) == 1) {
        path->depth--;
    }
    return path_rebuild(p, path, leaf);
}

Term hamt_remove(Proc *p, Term map, Term key)
{
    uint32_t hash = hamt_hash(key);
    size_t size = map_size(map);
    Path path = {.depth = 0};
    Term result = NONVALUE;
    for (Term at = map; result == NONVALUE;) {
        unsigned bitmap = hamt_bitmap(at), slot = hamt_slot(hash, path.depth);
        if (!(bitmap >> slot & 1)) {
            return map;
        }
        unsigned ordinal = hamt_ordinal(bitmap, slot);
        Term *children = hamt_children(boxed_ptr(at)), child = children[ordinal];
        if (is_cons(child)) {
            if (!term_identical(cons_head(child), key)) {
                return map;
            }
            /* Inner nodes hold two pairs or more, so there is another child, unless this is the head. */
            bool two = path.depth > 0 && hamt_child_count(at) == 2;
            Term other = two ? children[1 - ordinal] : NIL;
            if (two && is_cons(other)) {
                result = path_rebuild_leaf(p, &path, other);
            } else {
                result = path_rebuild(p, &path, node_without(p, at, slot));
            }
            break;
        }
        path.node[path.depth] = at;
        path.ordinal[path.depth++] = (uint8_t)ordinal;
        if (!hamt_is_node(child)) {
            bool found;
            size_t pair = bucket_search(child, key, &found);
            if (!found) {
                return map;
            }
            Term rest = bucket_without(p, child, pair);
            result = is_cons(rest) ? path_rebuild_leaf(p, &path, rest) : path_rebuild(p, &path, rest);
        }
        at = child;
    }
    set_head_size(result, size - 1);
    return result;
}

/* --- merge -------------------------------------------------------------------------------------- */
static size_t child_pairs(Term child)
{
    if (!hamt_is_node(child)) {
        return is_cons(child) ? 1 : bucket_pairs(child);
    }
    size_t pairs = 0;
    for (unsigned i = 0, n = hamt_child_count(child); i < n; i++) {
        pairs += child_pairs(hamt_children(boxed_ptr(child))[i]); /* at most MAP_LEVELS deep */
    }
    return pairs;
}

/* Both are a leaf or a bucket, below the last level; sorted merge. */
static Term merge_buckets(Proc *p, Term a, Term b, size_t *common)
{
    const Term *pa = is_cons(a) ? list_ptr(a) : tuple_elements(a);
    const Term *pb = is_cons(b) ? list_ptr(b) : tuple_elements(b);
    size_t na = child_pairs(a), nb = child_pairs(b), i = 0, j = 0;
    Term *to = heap_alloc(p, TUPLE_WORDS(2 * (na + nb))), *hp = to + 1;
    while (i < na || j < nb) {
        int c = i == na ? 1 : j == nb ? -1 : term_compare_exact(pa[2 * i], pb[2 * j]);
        memcpy(hp, c < 0 ? pa + 2 * i : pb + 2 * j, 2 * sizeof(Term));
        hp += 2;
        *common += c == 0;
        i += c <= 0;
        j += c >= 0;
    }
    to[0] = MAKE_HEADER((size_t)(hp - to) - 1, SUB_TUPLE);
    heap_trim(p, hp);
    return make_boxed(to);
}

static Term merge_nodes(Proc *p, Term a, Term b, unsigned level, size_t *common);

/* Two children of the same place, `level` digits below the head. *common counts keys that are in both. */
static Term merge_children(Proc *p, Term a, Term b, unsigned level, size_t *common)
{
    bool added = false;
    if (a == b) {
        *common += child_pairs(a);
        return b;
    }
    if (hamt_is_node(a) && hamt_is_node(b)) {
        return merge_nodes(p, a, b, level, common);
    }
    if (hamt_is_node(a) || hamt_is_node(b)) { /* then the other is a leaf: buckets are below the last node */
        Term node = hamt_is_node(a) ? a : b, leaf = hamt_is_node(a) ? b : a;
        node = hamt_put(p, node, level, cons_head(leaf), cons_tail(leaf), leaf == b, &added);
        *common += !added;
        return node;
    }
    if (is_cons(a) && is_cons(b)) {
        if (term_identical(cons_head(a), cons_head(b))) {
            ++*common;
            return b;
        }
        return make_pair(p, level, a, hamt_hash(cons_head(a)), b, hamt_hash(cons_head(b)));
    }
    return merge_buckets(p, a, b, common);
}

static Term merge_nodes(Proc *p, Term a, Term b, unsigned level, size_t *common)
{
    unsigned in_a = hamt_bitmap(a), in_b = hamt_bitmap(b), both = in_a | in_b;
    Term *from_a = hamt_children(boxed_ptr(a)), *from_b = hamt_children(boxed_ptr(b));
    bool head = level == 0;
    Term children[16];
    unsigned n = 0;
    for (unsigned slot = 0; slot < 16; slot++) {
        unsigned has = (in_a >> slot & 1) | (in_b >> slot & 1) << 1;
        if (has == 3) {
            children[n++] = merge_children(p, *from_a++, *from_b++, level + 1, common);
        } else if (has != 0) {
            children[n++] = has == 1 ? *from_a++ : *from_b++;
        }
    }
    Term *node = heap_alloc(p, n + 1 + head);
    node[0] = MAP_HEADER(head ? MAP_HEAD : MAP_NODE, both);
    if (head) {
        node[1] = map_size(a) + map_size(b) - *common;
    }
    memcpy(node + 1 + head, children, n * sizeof(Term));
    return make_boxed(node);
}

Term hamt_merge(Proc *p, Term a, Term b)
{
    size_t common = 0;
    return a == b ? a : merge_nodes(p, a, b, 0, &common);
}
