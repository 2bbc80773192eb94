/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps: flat to 32 keys (sorted key tuple, shared between maps of one shape), HAMT above (16-way,
 * layout in term.h). All builders allocate on p's heap through heap_alloc: nothing moves.
 *
 * The form is canonical: the shape of a map and the order of its iteration depend on its set of keys
 * alone, never on how it was made. So two maps with =:= keys have the same keys at the same places of a parallel
 * iteration. Design notes: doc/maps.md.
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
/* Flat map over a keys tuple that is sorted already (a literal): the fast path of map construction. */
Term map_flat_from(Proc *p, Term keys, const Term *values);

/* Iteration in the map's own order: map_iter_init, then while (map_iter_next(&it, &k, &v)). Nothing allocated.
 * The collector must not run meanwhile. */
enum { MAP_LEVELS = 8 };
typedef struct MapIter {
    Term map;
    size_t index;   /* flat: next pair. HAMT: next pair of the bucket on top of the path */
    unsigned depth; /* nodes on the path */
    Term node[MAP_LEVELS + 1];
    uint8_t slot[MAP_LEVELS + 1]; /* ordinal of the child to visit next */
} MapIter;
void map_iter_init(MapIter *it, Term map);
bool map_iter_next(MapIter *it, Term *key, Term *value);
/* Position as an integer: map_iter_path after init or next names the next pair (false: there is none); 0 is the start.
 * Any integer may be given to map_iter_seek: it goes to the first pair at or behind. */
bool map_iter_path(MapIter *it, uint64_t *path);
void map_iter_seek(MapIter *it, Term map, uint64_t path);

/* Instructions put_map_assoc / put_map_exact: n pairs at kv. put_exact: NONVALUE and *missing set when a key is
 * absent. */
Term map_put_assoc(Proc *p, Term map, const Term *kv, size_t n);
Term map_put_exact(Proc *p, Term map, const Term *kv, size_t n, Term *missing);

/* Building outside a process (external format, literals): bound on words for n pairs, then build at *hp.
 * Duplicate keys: later wins unless `strict`, then NONVALUE. kv is reordered in place. */
size_t map_build_words(size_t n);
Term map_build(Term **hp, Term *kv, size_t n, bool strict);
