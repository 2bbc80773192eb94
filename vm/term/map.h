/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps: flat to 32 keys (sorted key tuple, shared between maps of one shape), HAMT above (16-way,
 * layout in term.h). All builders allocate on p's heap through heap_alloc: nothing moves.
 */
#pragma once

#include "vm/heap/heap.h"

Term map_empty(Proc *p);
/* NONVALUE when absent. Keys compare with =:=. */
Term map_get(Term map, Term key);
Term map_put(Proc *p, Term map, Term key, Term value);
/* NONVALUE when the key is absent (map_update_exact); map_remove returns the same map when absent. */
Term map_update_exact(Proc *p, Term map, Term key, Term value);
Term map_remove(Proc *p, Term map, Term key);
/* From n pairs kv[0]=k0, kv[1]=v0, ...; later pairs win. */
Term map_from_pairs(Proc *p, const Term *kv, size_t n);
Term map_merge(Proc *p, Term a, Term b);

/* Iteration in the map's own order: map_iter_init, then while (map_iter_next(&it, &k, &v)). Nothing allocated. */
typedef struct MapIter {
    Term map;
    size_t index;
    unsigned depth;
    Term node[16];
    uint8_t slot[16];
} MapIter;
void map_iter_init(MapIter *it, Term map);
bool map_iter_next(MapIter *it, Term *key, Term *value);

/* Instructions put_map_assoc / put_map_exact: n pairs at kv. put_exact: NONVALUE and *missing set when a key is absent. */
Term map_put_assoc(Proc *p, Term map, const Term *kv, size_t n);
Term map_put_exact(Proc *p, Term map, const Term *kv, size_t n, Term *missing);

/* Building outside a process (external format, literals): bound on words for n pairs, then build at *hp.
 * Duplicate keys: later wins unless `strict`, then NONVALUE. kv is reordered in place. */
size_t map_build_words(size_t n);
Term map_build(Term **hp, Term *kv, size_t n, bool strict);
