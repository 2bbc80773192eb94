/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small hash map from 64-bit keys to 64-bit values: pids (links), reference ids (monitors, aliases, timers), names.
 * Open addressing, linear probing, no tombstones. An empty map owns no memory, so that a process
 * without links costs one pointer. Key 0 is not allowed (no pid, atom or reference id is 0).
 */
#pragma once

#include "lib/cstd.h"

typedef struct IdSlot {
    uint64_t key; /* 0: free */
    uint64_t value;
} IdSlot;
typedef struct IdMap {
    uint32_t count;
    uint32_t mask; /* slots - 1 */
    IdSlot slot[];
} IdMap;

/* The value's place, or NULL. Valid until the next put or delete. */
uint64_t *idmap_find(const IdMap *map, uint64_t key);
/* Sets key to value; makes or grows *map. Returns false when the key was there (its value is replaced). */
bool idmap_put(IdMap **map, uint64_t key, uint64_t value);
/* Returns false when absent. Frees the map with its last key. *value (may be NULL) gets what it held. */
bool idmap_delete(IdMap **map, uint64_t key, uint64_t *value);
void idmap_free(IdMap **map);
static inline size_t idmap_count(const IdMap *map) { return map ? map->count : 0; }
size_t idmap_bytes(const IdMap *map);
/* Iteration: for (size_t i = 0; (s = idmap_next(map, &i));). The map must not change meanwhile. */
static inline const IdSlot *idmap_next(const IdMap *map, size_t *i)
{
    while (map && *i <= map->mask) {
        const IdSlot *s = &map->slot[(*i)++];
        if (s->key) {
            return s;
        }
    }
    return NULL;
}
