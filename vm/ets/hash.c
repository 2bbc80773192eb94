/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash storage: linear hashing, which grows and shrinks one bucket at a time, so that no insertion is slow.
 *
 * Buckets are chains. The nodes of one key stand together, newest first: walking a chain and consing gives
 * them oldest first, which is the order lookups promise. While the table is fixed the number of buckets
 * stands still and deleted nodes stay in their chains, marked dead: a traversal that remembers a key or a
 * bucket number goes on from there.
 */
#include "vm/ets/table.h"
#include "vm/term/hash.h"
#include "vm/vm.h"

enum { GROW_STEPS = 4, DEAD_LIST_MIN = 64 };

uint32_t hash_key(Term key)
{
    if (is_immed(key)) {
        uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
        return (uint32_t)(h >> 32) ^ (uint32_t)(h >> 13);
    }
    return term_hash_internal(key, 0);
}

static void segment_add(HashStore *h)
{
    if (h->segment_count == h->segment_capacity) {
        h->segment_capacity = h->segment_capacity ? h->segment_capacity * 2 : 1;
        h->segments = vm_realloc(h->segments, h->segment_capacity * sizeof *h->segments);
    }
    h->segments[h->segment_count++] = vm_calloc(HASH_SEGMENT * sizeof(HashNode *));
}

void hash_init(EtsStore *s)
{
    HashStore *h = &s->u.hash;
    *h = (HashStore){0};
    segment_add(h);
    h->active = HASH_SEGMENT;
}

HashNode **hash_bucket(const EtsStore *s, size_t index)
{
    return &s->u.hash.segments[index / HASH_SEGMENT][index % HASH_SEGMENT];
}

size_t hash_bucket_of(const EtsStore *s, uint32_t hash)
{
    size_t active = s->u.hash.active; /* at least HASH_SEGMENT, so active - 1 > 0 */
    size_t mask = ((size_t)2 << (63 - __builtin_clzl(active - 1))) - 1;
    size_t i = hash & mask;
    return i < active ? i : i & (mask >> 1);
}

static bool node_has_key(const EtsStore *s, const HashNode *n, uint32_t hash, Term key)
{
    return n->hash == hash && term_identical(object_key(s, &n->o), key);
}

/* The link to the first node of the key, dead or live; or the link at the end of its bucket. */
static HashNode **hash_locate(const EtsStore *s, uint32_t hash, Term key)
{
    HashNode **at = hash_bucket(s, hash_bucket_of(s, hash));
    while (*at && !node_has_key(s, *at, hash, key)) {
        at = &(*at)->next;
    }
    return at;
}

HashNode *hash_find(const EtsStore *s, Term key)
{
    HashNode *n = *hash_locate(s, hash_key(key), key);
    return n && n->dead ? hash_find_more(s, n) : n;
}

HashNode *hash_find_raw(const EtsStore *s, Term key) { return *hash_locate(s, hash_key(key), key); }

HashNode *hash_find_more_raw(const EtsStore *s, const HashNode *n)
{
    HashNode *m = n->next;
    return m && node_has_key(s, m, n->hash, object_key(s, &n->o)) ? m : NULL;
}

HashNode *hash_find_more(const EtsStore *s, const HashNode *n)
{
    HashNode *m = hash_find_more_raw(s, n);
    while (m && m->dead) {
        m = hash_find_more_raw(s, m);
    }
    return m;
}

static size_t node_words(const HashNode *n) { return sizeof(HashNode) / sizeof(Word) + n->o.words; }

static void hash_free_node(EtsStore *s, HashNode *n)
{
    s->words -= node_words(n);
    object_free(&n->o);
}

static HashNode *hash_new_node(EtsStore *s, uint32_t hash, Term tuple)
{
    HashNode *n = object_new(sizeof(HashNode), tuple);
    n->hash = hash;
    n->dead = false;
    s->words += node_words(n);
    return n;
}

/* Splits one bucket into itself and a new last one. */
static void hash_grow(EtsStore *s)
{
    HashStore *h = &s->u.hash;
    size_t to = h->active;
    size_t from = to & ~((size_t)1 << (63 - __builtin_clzl(to)));
    if (to / HASH_SEGMENT == h->segment_count) {
        segment_add(h);
    }
    h->active++;
    HashNode **keep = hash_bucket(s, from), **move = hash_bucket(s, to);
    *move = NULL;
    for (HashNode *n = *keep; n; n = n->next) {
        if (hash_bucket_of(s, n->hash) == to) {
            *move = n;
            move = &n->next;
        } else {
            *keep = n;
            keep = &n->next;
        }
    }
    *keep = *move = NULL;
}

/* Merges the last bucket into the one it was split from. */
static void hash_merge(EtsStore *s)
{
    HashStore *h = &s->u.hash;
    HashNode **last = hash_bucket(s, h->active - 1);
    HashNode *chain = *last;
    *last = NULL;
    h->active--;
    HashNode **to = hash_bucket(s, h->active & ~((size_t)1 << (63 - __builtin_clzl(h->active))));
    while (*to) {
        to = &(*to)->next;
    }
    *to = chain;
    if (h->active % HASH_SEGMENT == 0) {
        vm_free(h->segments[--h->segment_count]);
    }
}

static void hash_grow_as_needed(EtsStore *s)
{
    for (int i = 0; i < GROW_STEPS && s->count > s->u.hash.active; i++) {
        hash_grow(s);
    }
}

void hash_shrink(EtsStore *s)
{
    for (int i = 0; i < GROW_STEPS; i++) {
        if (s->u.hash.active <= HASH_SEGMENT || s->count >= s->u.hash.active / 2) {
            return;
        }
        hash_merge(s);
    }
}

static HashNode *hash_put_in_place(EtsStore *s, HashNode **at, Term tuple)
{
    HashNode *old = *at;
    HashNode *n = hash_new_node(s, old->hash, tuple);
    n->next = old->next;
    *at = n;
    if (old->dead) {
        s->u.hash.dead_count--;
        s->count++;
    }
    hash_free_node(s, old);
    return n;
}

HashNode *hash_replace(EtsStore *s, HashNode *n, Term tuple)
{
    HashNode **at = hash_bucket(s, hash_bucket_of(s, n->hash));
    while (*at != n) {
        at = &(*at)->next;
    }
    return hash_put_in_place(s, at, tuple);
}

void hash_insert(EtsStore *s, Term tuple, bool fixed)
{
    Term key = tuple_elements(tuple)[s->keypos - 1];
    uint32_t hash = hash_key(key);
    HashNode **at = hash_locate(s, hash, key);
    if (*at && s->type == ETS_SET) {
        hash_put_in_place(s, at, tuple);
        return;
    }
    if (s->type == ETS_BAG) {
        for (HashNode *n = *at; n && node_has_key(s, n, hash, key); n = n->next) {
            if (!n->dead && object_is(&n->o, tuple)) {
                return;
            }
        }
    }
    if (!*at) {
        at = hash_bucket(s, hash_bucket_of(s, hash));
    }
    HashNode *n = hash_new_node(s, hash, tuple);
    n->next = *at;
    *at = n;
    s->count++;
    if (!fixed) {
        hash_grow_as_needed(s);
    }
}

static void dead_list_add(HashStore *h, size_t bucket)
{
    if (h->dead_listed > 0 && h->dead_listed <= h->dead_capacity && h->dead_buckets[h->dead_listed - 1] == bucket) {
        return;
    }
    if (h->dead_listed > h->dead_capacity) {
        return; /* given up: purge looks at all */
    }
    if (h->dead_listed == h->dead_capacity) {
        if (h->dead_capacity > h->active / 4) {
            h->dead_listed = h->dead_capacity + 1;
            return;
        }
        h->dead_capacity = h->dead_capacity ? h->dead_capacity * 2 : DEAD_LIST_MIN;
        h->dead_buckets = vm_realloc(h->dead_buckets, h->dead_capacity * sizeof *h->dead_buckets);
    }
    h->dead_buckets[h->dead_listed++] = bucket;
}

/* Removes the node at a link, or marks it dead. Returns the link to go on from. */
static HashNode **hash_drop(EtsStore *s, size_t bucket, HashNode **at, bool fixed)
{
    HashNode *n = *at;
    s->count--;
    if (fixed) {
        n->dead = true;
        s->u.hash.dead_count++;
        dead_list_add(&s->u.hash, bucket);
        return &n->next;
    }
    *at = n->next;
    hash_free_node(s, n);
    return at;
}

size_t hash_remove(EtsStore *s, Term key, Term tuple, bool fixed)
{
    uint32_t hash = hash_key(key);
    size_t bucket = hash_bucket_of(s, hash), removed = 0;
    HashNode **at = hash_locate(s, hash, key);
    while (*at && node_has_key(s, *at, hash, key)) {
        if ((*at)->dead || (tuple != NONVALUE && !object_is(&(*at)->o, tuple))) {
            at = &(*at)->next;
            continue;
        }
        at = hash_drop(s, bucket, at, fixed);
        removed++;
    }
    if (removed && !fixed) {
        hash_shrink(s);
    }
    return removed;
}

void hash_remove_node(EtsStore *s, size_t bucket, HashNode *n, bool fixed)
{
    HashNode **at = hash_bucket(s, bucket);
    while (*at != n) {
        at = &(*at)->next;
    }
    hash_drop(s, bucket, at, fixed);
}

HashNode *hash_first_from(const EtsStore *s, size_t *index, bool raw)
{
    for (; *index < s->u.hash.active; ++*index) {
        for (HashNode *n = *hash_bucket(s, *index); n; n = n->next) {
            if (raw || !n->dead) {
                return n;
            }
        }
    }
    return NULL;
}

bool hash_next_key(const EtsStore *s, Term key, bool raw, HashNode **next)
{
    uint32_t hash = hash_key(key);
    HashNode *n = *hash_locate(s, hash, key);
    if (!n) {
        return false;
    }
    do {
        n = n->next;
    } while (n && ((n->dead && !raw) || node_has_key(s, n, hash, key)));
    if (!n) {
        size_t bucket = hash_bucket_of(s, hash) + 1;
        n = hash_first_from(s, &bucket, raw);
    }
    *next = n;
    return true;
}

void hash_kill_all(EtsStore *s)
{
    for (size_t i = 0; i < s->u.hash.active; i++) {
        for (HashNode *n = *hash_bucket(s, i); n; n = n->next) {
            if (!n->dead) {
                n->dead = true;
                s->u.hash.dead_count++;
            }
        }
    }
    s->u.hash.dead_listed = s->u.hash.dead_capacity + 1;
    s->count = 0;
}

static void hash_purge_bucket(EtsStore *s, size_t bucket)
{
    HashNode **at = hash_bucket(s, bucket);
    while (*at) {
        HashNode *n = *at;
        if (!n->dead) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        s->u.hash.dead_count--;
        hash_free_node(s, n);
    }
}

void hash_purge(EtsStore *s)
{
    HashStore *h = &s->u.hash;
    if (h->dead_listed > h->dead_capacity) {
        for (size_t i = 0; i < h->active && h->dead_count; i++) {
            hash_purge_bucket(s, i);
        }
    } else {
        for (size_t i = 0; i < h->dead_listed; i++) {
            hash_purge_bucket(s, h->dead_buckets[i]);
        }
    }
    vm_assert(h->dead_count == 0);
    vm_free(h->dead_buckets);
    h->dead_buckets = NULL;
    h->dead_listed = h->dead_capacity = 0;
    hash_grow_as_needed(s);
    hash_shrink(s);
}

bool hash_free_some(EtsStore *s, size_t budget)
{
    HashStore *h = &s->u.hash;
    while (h->active > 0) {
        HashNode **at = hash_bucket(s, h->active - 1);
        while (*at) {
            if (budget-- == 0) {
                return false;
            }
            HashNode *n = *at;
            *at = n->next;
            hash_free_node(s, n);
        }
        h->active--;
    }
    for (size_t i = 0; i < h->segment_count; i++) {
        vm_free(h->segments[i]);
    }
    vm_free(h->segments);
    vm_free(h->dead_buckets);
    *h = (HashStore){0};
    return true;
}
