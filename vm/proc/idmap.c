/* SPDX-License-Identifier: Apache-2.0 */
/* See idmap.h. At most three quarters full; deletion shifts later keys of the run back, so probes stay short. */
#include "vm/proc/idmap.h"

#include "vm/heap/heap.h"

enum { FIRST_SLOTS = 4 };

static uint32_t idmap_home(const IdMap *map, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(h >> 32) & map->mask;
}

static IdMap *idmap_new(uint32_t slots)
{
    IdMap *map = vm_calloc(sizeof(IdMap) + slots * sizeof(IdSlot));
    map->mask = slots - 1;
    return map;
}

static void idmap_insert_new(IdMap *map, uint64_t key, uint64_t value)
{
    uint32_t i = idmap_home(map, key);
    while (map->slot[i].key) {
        i = (i + 1) & map->mask;
    }
    map->slot[i] = (IdSlot){key, value};
    map->count++;
}

uint64_t *idmap_find(const IdMap *map, uint64_t key)
{
    if (!map) {
        return NULL;
    }
    uint32_t i = idmap_home(map, key);
    for (; map->slot[i].key; i = (i + 1) & map->mask) {
        if (map->slot[i].key == key) {
            return (uint64_t *)&map->slot[i].value;
        }
    }
    return NULL;
}

static void idmap_resize(IdMap **map, uint32_t slots)
{
    IdMap *old = *map, *bigger = idmap_new(slots);
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(old, &i));) {
        idmap_insert_new(bigger, s->key, s->value);
    }
    vm_free(old);
    *map = bigger;
}

bool idmap_put(IdMap **map, uint64_t key, uint64_t value)
{
    uint64_t *place = idmap_find(*map, key);
    if (place) {
        *place = value;
        return false;
    }
    if (!*map) {
        *map = idmap_new(FIRST_SLOTS);
    } else if (((*map)->count + 1) * 4 > ((*map)->mask + 1) * 3) {
        idmap_resize(map, ((*map)->mask + 1) * 2);
    }
    idmap_insert_new(*map, key, value);
    return true;
}

static void idmap_close_gap(IdMap *map, uint32_t gap)
{
    for (uint32_t i = (gap + 1) & map->mask; map->slot[i].key; i = (i + 1) & map->mask) {
        uint32_t home = idmap_home(map, map->slot[i].key);
        /* Move it when its home does not lie cyclically in (gap, i]. */
        if (((i - home) & map->mask) >= ((i - gap) & map->mask)) {
            map->slot[gap] = map->slot[i];
            gap = i;
        }
    }
    map->slot[gap] = (IdSlot){0, 0};
}

bool idmap_delete(IdMap **map, uint64_t key, uint64_t *value)
{
    uint64_t *place = idmap_find(*map, key);
    if (!place) {
        return false;
    }
    if (value) {
        *value = *place;
    }
    IdSlot *s = (IdSlot *)(void *)((char *)place - offsetof(IdSlot, value));
    idmap_close_gap(*map, (uint32_t)(s - (*map)->slot));
    uint32_t count = --(*map)->count, slots = (*map)->mask + 1;
    if (count == 0) {
        idmap_free(map);
    } else if (slots > 64 && count < slots / 8) {
        idmap_resize(map, slots / 4);
    }
    return true;
}

void idmap_free(IdMap **map)
{
    vm_free(*map);
    *map = NULL;
}

size_t idmap_bytes(const IdMap *map)
{
    return map ? sizeof(IdMap) + ((size_t)map->mask + 1) * sizeof(IdSlot) : 0;
}
