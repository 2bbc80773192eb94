/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the map implementation: HAMT helpers and the two-step builder.
 *
 * A HAMT child is a leaf (cons cell [Key|Value]), an inner node (map object of kind MAP_NODE), or, below the last
 * level only, a bucket: a tuple {K1, V1, K2, V2, ...} of two or more pairs whose keys agree in all hash bits,
 * sorted by term_compare_exact.
 */
#pragma once

#include "vm/term/compare.h"
#include "vm/term/hash.h"
#include "vm/term/map.h"

static inline uint32_t hamt_hash(Term key) { return term_hash_internal(key, 0); }
/* Level 0 (the head) takes the top four bits, so that numeric order of hashes is order of iteration. */
static inline unsigned hamt_slot(uint32_t hash, unsigned level) { return (hash >> (28 - 4 * level)) & 15; }
static inline unsigned hamt_ordinal(unsigned bitmap, unsigned slot)
{
    return (unsigned)__builtin_popcount(bitmap & ((1u << slot) - 1));
}
static inline Term *hamt_children(Term *node)
{
    return node + (map_header_kind(*node) == MAP_HEAD ? 2 : 1);
}
static inline unsigned hamt_bitmap(Term node) { return map_header_bitmap(*boxed_ptr(node)); }
static inline unsigned hamt_child_count(Term node) { return (unsigned)__builtin_popcount(hamt_bitmap(node)); }
static inline bool hamt_is_node(Term child) { return is_map_object(child); }
static inline size_t bucket_pairs(Term bucket) { return tuple_arity(bucket) / 2; }

/* Index of the pair with that key (*found), or where it belongs. */
size_t bucket_search(Term bucket, Term key, bool *found);

/* Put into the subtree `node` (head or inner, at `level`). Returns the new node of the same kind; the same node when
 * nothing changes. With `overwrite` false a key that is there stays. A head's size is adjusted. */
Term hamt_put(Proc *p, Term node, unsigned level, Term key, Term value, bool overwrite, bool *added);
Term hamt_get(Term map, Term key);
Term hamt_remove(Proc *p, Term map, Term key); /* a map with more than 33 keys; same map when absent */
Term hamt_merge(Proc *p, Term a, Term b);      /* two heads; b's values win */

/* Step 1 decides form and exact size of a map from pairs, step 2 writes it. */
typedef struct MapPlan {
    size_t count; /* different keys */
    size_t words;
    const Term *kv;
    uint64_t *entries; /* HAMT: hash << 32 | index into kv, sorted, one for each key; NULL for flat */
    Term keys[MAP_FLAT_MAX], values[MAP_FLAT_MAX]; /* flat */
} MapPlan;
/* False: duplicate under `strict` (nothing to free then). kv must stay until plan_finish. */
bool map_plan(MapPlan *plan, const Term *kv, size_t n, bool strict);
Term map_plan_write(MapPlan *plan, Term **hp); /* writes plan->words words; frees what the plan holds */
