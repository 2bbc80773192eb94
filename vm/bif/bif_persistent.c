/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent terms: a hash table from keys to values that stand in literal areas, so that get/1 hands out the term
 * itself without copying.
 *
 * Each entry has an area of its own. When put/2 or erase/1 drops one, its area is retired: it is freed when no process
 * refers to it any more. Looking through all heaps is dear, so it is done only when the retired words have
 * grown past a threshold, which doubles with what had to stay. (OTP instead makes every process that refers to the old
 * value collect its heap.)
 *
 * Readers take no lock: writers run alone (their rows in persistent.tab say so), so no reader is in the middle of a
 * probe, and what is replaced can be freed at once.
 */
#include "gen/natives.h"
#include "vm/bif/bif_persistent.h"
#include "vm/term/compare.h"
#include "vm/term/hash.h"
#include "vm/proc/signal.h"
#include "vm/term/map.h"

typedef struct Entry {
    uint32_t hash;
    Term key, value;
    LiteralArea *area; /* NULL: both are immediate */
    struct Entry *next_retired;
} Entry;

typedef struct Table {
    size_t mask, used; /* used: entries and graves */
    Entry *slots[];
} Table;

enum { FIRST_SLOTS = 64, SWEEP_WORDS = 32 * 1024 };

static struct {
    Table *table;  /* atomic; NULL until the first put */
    size_t count, words;
    Entry *retired;
    size_t retired_words, sweep_at;
} persistent;

/* Stands where an entry was erased, so that probes go on behind it. */
static Entry grave;

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
        if (e->hash == hash && e != &grave && term_identical(e->key, key)) {
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
        if (t->slots[i] && t->slots[i] != &grave) {
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
    __atomic_store_n(&t->slots[i], e, __ATOMIC_RELEASE);
    t->used++;
}

/* Room for one more, and no graves when it grew: at most two thirds are used. */
static void make_room(void)
{
    Table *old = persistent.table;
    if (old && (old->used + 1) * 3 <= (old->mask + 1) * 2) {
        return;
    }
    size_t slots = FIRST_SLOTS;
    while (slots < 4 * persistent.count) {
        slots *= 2;
    }
    Table *t = vm_calloc(sizeof *t + slots * sizeof t->slots[0]);
    t->mask = slots - 1;
    for (size_t i = 0; old && i <= old->mask; i++) {
        if (old->slots[i] && old->slots[i] != &grave) {
            insert_fresh(t, old->slots[i]);
        }
    }
    __atomic_store_n(&persistent.table, t, __ATOMIC_RELEASE);
    vm_free(old);
}

static Entry *entry_new(Term key, Term value, uint32_t hash)
{
    Entry *e = vm_calloc(sizeof *e);
    size_t words = term_size_whole(key) + term_size_whole(value);
    *e = (Entry){.hash = hash, .key = key, .value = value};
    if (words > 0) {
        e->area = literal_area_new(words);
        Term *hp = e->area->start;
        e->key = term_copy_whole(key, &hp, &e->area->off_heap);
        e->value = term_copy_whole(value, &hp, &e->area->off_heap);
    }
    persistent.words += words;
    return e;
}

static void entry_free(Entry *e)
{
    literal_area_free(e->area);
    vm_free(e);
}

/* --- freeing what was dropped ------------------------------------------------------------------------------------- */
/* The retired entries by address, and which of them somebody refers to. */
typedef struct Search {
    Entry **entries;
    bool *found;
    size_t count, left;
} Search;

static uintptr_t area_start(const Entry *e) { return (uintptr_t)e->area->start; }

/* Heap sort: in place, and never quadratic. */
static void sift_down(Entry **e, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        child += child + 1 < n && area_start(e[child]) < area_start(e[child + 1]);
        if (area_start(e[root]) >= area_start(e[child])) {
            return;
        }
        Entry *t = e[root];
        e[root] = e[child];
        e[child] = t;
    }
}

static void sort_by_address(Entry **e, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) {
        sift_down(e, i, n);
    }
    for (size_t i = n; i-- > 1;) {
        Entry *t = e[0];
        e[0] = e[i];
        e[i] = t;
        sift_down(e, 0, i);
    }
}

/* Marks the area that this word points into. True ends the search: all are found. */
static bool mark_word(Word w, void *arg)
{
    Search *s = arg;
    uintptr_t address = (uintptr_t)(w & ~(Word)3);
    if (!is_literal_ptr((const void *)address)) {
        return false;
    }
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (area_start(s->entries[middle]) <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low > 0 && address - area_start(s->entries[low - 1]) < area_words(s->entries[low - 1]) * sizeof(Term)) {
        s->left -= !s->found[low - 1];
        s->found[low - 1] = true;
    }
    return s->left == 0;
}

static void mark_words(Search *s, const Term *from, const Term *to)
{
    while (from < to && !mark_word(*from++, s)) {
    }
}

/* p's memory, and what is on its way to p. */
static void mark_process(Proc *p, void *arg)
{
    Search *s = arg;
    heap_find_word(p, mark_word, s);
    const Signal *signal = __atomic_load_n(&p->in, __ATOMIC_ACQUIRE);
    while (signal && signal != SIGNALS_CLOSED) {
        mark_word(signal->head.term, s);
        if (signal->head.frag) {
            mark_words(s, signal->head.frag->mem, signal->head.frag->mem + signal->head.frag->used);
        }
        signal = (const Signal *)(const void *)signal->head.next;
    }
}

/* Frees what no process refers to any more: one pass over all heaps, however many entries there are. */
static void sweep_retired(void)
{
    Search s = {0};
    for (Entry *e = persistent.retired; e; e = e->next_retired) {
        s.count++;
    }
    s.left = s.count;
    s.entries = vm_alloc(s.count * sizeof *s.entries);
    s.found = vm_calloc(s.count);
    size_t n = 0, words = 0;
    for (Entry *e = persistent.retired; e; e = e->next_retired) {
        s.entries[n++] = e;
    }
    sort_by_address(s.entries, n);
    proc_each(mark_process, &s);
    persistent.retired = NULL;
    for (size_t i = 0; i < n; i++) {
        Entry *e = s.entries[i];
        if (s.found[i]) {
            e->next_retired = persistent.retired;
            persistent.retired = e;
            words += area_words(e);
        } else {
            entry_free(e);
        }
    }
    vm_free(s.entries);
    vm_free(s.found);
    persistent.retired_words = words;
    persistent.sweep_at = 2 * words > SWEEP_WORDS ? 2 * words : SWEEP_WORDS;
}

static void retire(Entry *e)
{
    persistent.words -= area_words(e);
    if (!e->area) {
        vm_free(e);
        return;
    }
    e->next_retired = persistent.retired;
    persistent.retired = e;
    persistent.retired_words += area_words(e);
}

static void sweep_when_due(Proc *p)
{
    if (persistent.sweep_at == 0) {
        persistent.sweep_at = SWEEP_WORDS;
    }
    if (persistent.retired_words >= persistent.sweep_at) {
        p_charge(p, (intptr_t)(persistent.retired_words / 64));
        sweep_retired();
    }
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
        retire(old);
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
    put(a[0], a[1]);
    sweep_when_due(p);
    return A_ok;
}

NATIVE(native_persistent_term_erase)
{
    Entry **slot = find_slot(persistent.table, a[0], term_hash_internal(a[0], 0));
    if (slot) {
        Entry *old = *slot;
        __atomic_store_n(slot, &grave, __ATOMIC_RELEASE);
        persistent.count--;
        retire(old);
        sweep_when_due(p);
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
        if (e && e != &grave) {
            list = heap_cons_on(p, heap_tuple2(p, e->key, e->value), list);
        }
    }
    p_charge(p, (intptr_t)persistent.count);
    return list;
}

size_t persistent_slots(void) { return persistent.table ? persistent.table->mask + 1 : 0; }

/* Without the terms that are erased and only wait to be freed. */
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
    (void)a;
    Table *t = persistent.table;
    for (size_t i = 0; t && i <= t->mask; i++) {
        Entry *e = t->slots[i];
        if (e && e != &grave) {
            t->slots[i] = &grave;
            retire(e);
        }
    }
    persistent.count = 0;
    sweep_when_due(p);
    return A_ok;
}
