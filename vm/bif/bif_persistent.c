/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent terms: a hash table from keys to values that stand in literal areas, so that get/1 hands out the term
 * itself without copying.
 *
 * Each entry has an area of its own. When put/2 or erase/1 drops one, its area is retired: processes that have the old
 * value make a copy of their own (bif_literals.c).
 *
 * Readers take no lock: writers run alone (their rows in persistent.tab say so), so no reader is in the middle of a
 * probe, and what is replaced can be freed at once. The table is between a quarter and half full, as OTP's: tests of
 * OTP measure it.
 */
#include "gen/natives.h"
#include "vm/bif/bif_literals.h"
#include "vm/bif/bif_persistent.h"
#include "vm/term/compare.h"
#include "vm/term/hash.h"
#include "vm/term/map.h"

typedef struct Entry {
    uint32_t hash;
    Term key, value;
    LiteralArea *area; /* NULL: both are immediate */
} Entry;

typedef struct Table {
    size_t mask;
    Entry *slots[];
} Table;

enum { FIRST_SLOTS = 8 };

static struct {
    Table *table;  /* atomic; NULL until the first put */
    size_t count, words;
} persistent;

static size_t area_words(const Entry *e) { return e->area ? e->area->words : 0; }

/* The slot that holds the key, or NULL. */
static Entry **find_slot(Table *t, Term key, uint32_t hash)
{
    if (!t) {
        return NULL;
    }
    for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        Entry *e = __atomic_load_n(&t->slots[i], __ATOMIC_ACQUIRE);
        if (!e) {
            return NULL;
        }
        if (e->hash == hash && term_identical(e->key, key)) {
            return &t->slots[i];
        }
    }
}

Term persistent_get(Term key)
{
    Table *t = __atomic_load_n(&persistent.table, __ATOMIC_ACQUIRE);
    Entry **slot = find_slot(t, key, term_hash_internal(key, 0));
    return slot ? (*slot)->value : NONVALUE;
}

void persistent_each(void (*fn)(Term key, Term value, void *arg), void *arg)
{
    const Table *t = persistent.table;
    for (size_t i = 0; t && i <= t->mask; i++) {
        if (t->slots[i]) {
            fn(t->slots[i]->key, t->slots[i]->value, arg);
        }
    }
}

/* --- writing ------------------------------------------------------------------------------------------------------ */
static void insert_fresh(Table *t, Entry *e)
{
    size_t i = e->hash & t->mask;
    while (t->slots[i]) {
        i = (i + 1) & t->mask;
    }
    t->slots[i] = e;
}

static void resize(size_t slots)
{
    Table *old = persistent.table;
    Table *t = vm_calloc(sizeof *t + slots * sizeof t->slots[0]);
    t->mask = slots - 1;
    for (size_t i = 0; old && i <= old->mask; i++) {
        if (old->slots[i]) {
            insert_fresh(t, old->slots[i]);
        }
    }
    __atomic_store_n(&persistent.table, t, __ATOMIC_RELEASE);
    vm_free(old);
}

static void make_room(void)
{
    size_t slots = persistent_slots();
    if (!slots || persistent.count >= slots / 2) {
        resize(slots ? slots * 2 : FIRST_SLOTS);
    }
}

static void shrink_when_sparse(void)
{
    size_t slots = persistent_slots();
    if (slots > FIRST_SLOTS && persistent.count < slots / 4) {
        resize(slots / 2);
    }
}

/* Empties a slot and moves back what a probe would no longer find behind it. */
static void remove_slot(Table *t, Entry **slot)
{
    size_t hole = (size_t)(slot - t->slots);
    for (size_t i = (hole + 1) & t->mask; t->slots[i]; i = (i + 1) & t->mask) {
        size_t home = t->slots[i]->hash & t->mask;
        if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = NULL;
}

static Entry *entry_new(Term key, Term value, uint32_t hash)
{
    Entry *e = vm_calloc(sizeof *e);
    Term terms[] = {key, value};
    bool shares;
    size_t words = term_size_sharing(terms, 2, &shares);
    *e = (Entry){.hash = hash, .key = key, .value = value};
    if (words > 0) {
        e->area = literal_area_new(words);
        Term *hp = e->area->start;
        if (shares) {
            term_copy_sharing(terms, 2, &hp, &e->area->off_heap);
        } else {
            terms[0] = term_copy_whole(key, &hp, &e->area->off_heap);
            terms[1] = term_copy_whole(value, &hp, &e->area->off_heap);
        }
        e->key = terms[0];
        e->value = terms[1];
    }
    persistent.words += words;
    return e;
}

static void drop(Entry *e)
{
    persistent.words -= area_words(e);
    literal_area_retire(e->area);
    vm_free(e);
}

static void put(Term key, Term value)
{
    uint32_t hash = term_hash_internal(key, 0);
    Entry **slot = find_slot(persistent.table, key, hash);
    if (slot && term_identical((*slot)->value, value)) {
        return; /* as OTP: nothing changes, nobody is disturbed */
    }
    Entry *fresh = entry_new(key, value, hash);
    if (slot) {
        Entry *old = *slot;
        __atomic_store_n(slot, fresh, __ATOMIC_RELEASE);
        drop(old);
        return;
    }
    make_room();
    insert_fresh(persistent.table, fresh);
    persistent.count++;
}

/* --- natives ------------------------------------------------------------------------------------------------------ */
NATIVE(native_persistent_term_get_1)
{
    Term value = persistent_get(a[0]);
    return value != NONVALUE ? value : p_badarg(p);
}

NATIVE(native_persistent_term_get_2)
{
    (void)p;
    Term value = persistent_get(a[0]);
    return value != NONVALUE ? value : a[1];
}

NATIVE(native_persistent_term_put)
{
    (void)p;
    put(a[0], a[1]);
    literals_release();
    return A_ok;
}

NATIVE(native_persistent_term_erase)
{
    (void)p;
    Entry **slot = find_slot(persistent.table, a[0], term_hash_internal(a[0], 0));
    if (slot) {
        Entry *old = *slot;
        remove_slot(persistent.table, slot);
        persistent.count--;
        drop(old);
        shrink_when_sparse();
        literals_release();
    }
    return make_boolean(slot);
}

NATIVE(native_persistent_term_get_0)
{
    (void)a;
    Table *t = persistent.table;
    Term list = NIL;
    for (size_t i = 0; t && i <= t->mask; i++) {
        Entry *e = t->slots[i];
        if (e) {
            list = heap_cons_on(p, heap_tuple2(p, e->key, e->value), list);
        }
    }
    p_charge(p, (intptr_t)persistent.count);
    return list;
}

size_t persistent_slots(void) { return persistent.table ? persistent.table->mask + 1 : 0; }

static size_t memory_bytes(void)
{
    return persistent_slots() * sizeof(Entry *) + persistent.count * sizeof(Entry) + persistent.words * sizeof(Term);
}

NATIVE(native_persistent_term_info)
{
    (void)a;
    Term pairs[] = {A_count, make_small((int64_t)persistent.count), A_memory,
                    make_small((int64_t)memory_bytes())};
    return map_from_pairs(p, pairs, 2);
}

NATIVE(native_erts_internal_erase_persistent_terms)
{
    (void)p;
    (void)a;
    Table *t = persistent.table;
    for (size_t i = 0; t && i <= t->mask; i++) {
        if (t->slots[i]) {
            drop(t->slots[i]);
            t->slots[i] = NULL;
        }
    }
    persistent.count = 0;
    if (t) {
        resize(FIRST_SLOTS);
    }
    literals_release();
    return A_ok;
}
