/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process dictionary: a chained hash table whose entries lie in one array, so that erasing and growing are cheap
 * and an unused dictionary costs nothing. Keys and values are roots of the collector (dict_each_slot); the hash of a
 * key is kept, because a key's address changes and term_hash_internal does not depend on it.
 */
#include "gen/natives.h"
#include "vm/proc/table.h"
#include "vm/term/compare.h"
#include "vm/term/hash.h"

typedef struct Dict Dict;

typedef struct DictEntry {
    Term key, value;
    uint32_t hash;
    uint32_t next; /* index + 1 of the next in its chain or in the free list; 0: none */
} DictEntry;

struct Dict {
    uint32_t count, capacity; /* entries in use; a power of two, also the number of chains */
    uint32_t free;            /* index + 1 of the first free entry */
    DictEntry *entry;
    uint32_t *chain; /* index + 1 of the first entry */
};

enum { FIRST_CAPACITY = 8 };

static void dict_rebuild(Dict *d, uint32_t capacity)
{
    DictEntry *old = d->entry;
    uint32_t old_capacity = d->capacity;
    vm_free(d->chain);
    d->entry = vm_calloc(capacity * sizeof(DictEntry));
    d->chain = vm_calloc(capacity * sizeof(uint32_t));
    d->capacity = capacity;
    uint32_t n = 0;
    for (uint32_t i = 0; i < old_capacity; i++) {
        if (old[i].key != NONVALUE) {
            uint32_t *head = &d->chain[old[i].hash & (capacity - 1)];
            d->entry[n] = old[i];
            d->entry[n].next = *head;
            *head = ++n;
        }
    }
    vm_free(old);
    d->free = 0;
    for (uint32_t i = capacity; i > n; i--) {
        d->entry[i - 1].next = d->free;
        d->free = i;
    }
}

/* The chain link that leads to the key's entry, or to 0. */
static uint32_t *dict_find(Dict *d, Term key, uint32_t hash)
{
    uint32_t *link = &d->chain[hash & (d->capacity - 1)];
    while (*link) {
        DictEntry *e = &d->entry[*link - 1];
        if (e->hash == hash && term_identical(e->key, key)) {
            break;
        }
        link = &e->next;
    }
    return link;
}

static Term dict_get(Proc *p, Term key)
{
    if (!p->dict) {
        return A_undefined;
    }
    uint32_t at = *dict_find(p->dict, key, term_hash_internal(key, 0));
    return at ? p->dict->entry[at - 1].value : A_undefined;
}

static Term dict_put(Proc *p, Term key, Term value)
{
    uint32_t hash = term_hash_internal(key, 0);
    if (!p->dict) {
        p->dict = vm_calloc(sizeof *p->dict);
        dict_rebuild(p->dict, FIRST_CAPACITY);
    }
    Dict *d = p->dict;
    uint32_t at = *dict_find(d, key, hash);
    if (at) {
        Term old = d->entry[at - 1].value;
        d->entry[at - 1].value = value;
        return old;
    }
    if (!d->free) {
        dict_rebuild(d, d->capacity * 2);
    }
    uint32_t *link = dict_find(d, key, hash);
    at = d->free;
    DictEntry *e = &d->entry[at - 1];
    d->free = e->next;
    *e = (DictEntry){key, value, hash, 0};
    *link = at;
    d->count++;
    return A_undefined;
}

static Term dict_erase(Proc *p, Term key)
{
    Dict *d = p->dict;
    uint32_t *link = d ? dict_find(d, key, term_hash_internal(key, 0)) : NULL;
    if (!link || !*link) {
        return A_undefined;
    }
    uint32_t at = *link;
    DictEntry *e = &d->entry[at - 1];
    Term old = e->value;
    *link = e->next;
    *e = (DictEntry){.next = d->free};
    d->free = at;
    if (--d->count == 0) {
        dict_free(d);
        p->dict = NULL;
    }
    return old;
}

void dict_free(struct Dict *d)
{
    vm_free(d->entry);
    vm_free(d->chain);
    vm_free(d);
}

void dict_each_slot(struct Dict *d, void (*fn)(Term *slot, void *arg), void *arg)
{
    for (uint32_t i = 0; i < d->capacity; i++) {
        if (d->entry[i].key != NONVALUE) {
            fn(&d->entry[i].key, arg);
            fn(&d->entry[i].value, arg);
        }
    }
}

size_t dict_bytes(const struct Dict *d)
{
    return d ? sizeof *d + d->capacity * (sizeof(DictEntry) + sizeof(uint32_t)) : 0;
}

/* [{Key, Value}], or only keys, or keys with that value; copied to `to`'s heap when it is another process. */
static Term dict_list(Proc *to, Proc *of, bool pairs, Term wanted)
{
    Term list = NIL;
    for (uint32_t i = 0; of->dict && i < of->dict->capacity; i++) {
        const DictEntry *e = &of->dict->entry[i];
        if (e->key == NONVALUE || (wanted != NONVALUE && !term_identical(e->value, wanted))) {
            continue;
        }
        Term key = to == of ? e->key : heap_copy(to, e->key), item = key;
        if (pairs) {
            item = heap_tuple2(to, key, to == of ? e->value : heap_copy(to, e->value));
        }
        list = heap_cons_on(to, item, list);
    }
    return list;
}

Term dict_to_list(Proc *to, Proc *of)
{
    return dict_list(to, of, true, NONVALUE);
}

NATIVE(native_put) { return dict_put(p, a[0], a[1]); }
NATIVE(native_get_1) { return dict_get(p, a[0]); }
NATIVE(native_erase_1) { return dict_erase(p, a[0]); }
NATIVE(native_get_0)
{
    (void)a;
    return dict_list(p, p, true, NONVALUE);
}
NATIVE(native_get_keys_0)
{
    (void)a;
    return dict_list(p, p, false, NONVALUE);
}
NATIVE(native_get_keys_1) { return dict_list(p, p, false, a[0]); }
NATIVE(native_erase_0)
{
    (void)a;
    Term all = dict_list(p, p, true, NONVALUE);
    if (p->dict) {
        dict_free(p->dict);
        p->dict = NULL;
    }
    return all;
}
