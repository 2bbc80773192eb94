/* SPDX-License-Identifier: Apache-2.0 */
/* ets:info and what erts_internal offers for looking into tables. */
#include "vm/bif/ets_priv.h"

#include "gen/natives.h"
#include "vm/ets/ets.h"
#include "vm/load/code.h"

/* --- items ----------------------------------------------------------------------------------------- */

static Term type_name(const Table *t)
{
    static const Term names[] = {A_set, A_bag, A_duplicate_bag, A_ordered_set};
    return names[t->store.type];
}

static Term protection_name(const Table *t)
{
    static const Term names[] = {A_private, A_protected, A_public};
    return names[t->protection];
}

/* {Time, [{Pid, Count}]} of the fixations, false when there are none. */
static Term fixed_info(Proc *p, const Table *t, bool monotonic)
{
    if (!table_is_fixed(t)) {
        return A_false;
    }
    Term list = NIL;
    for (const EtsFix *f = t->fixes; f; f = f->next) {
        list = heap_cons_on(p, heap_tuple2(p, f->pid, heap_uint64(p, f->count)), list);
    }
    if (monotonic) {
        return heap_tuple2(p, heap_int64(p, t->fixed_mono_ns), list);
    }
    int64_t us = t->fixed_wall_ns / 1000;
    Term stamp = heap_tuple3(p, make_small(us / 1000000000000), make_small(us / 1000000 % 1000000),
                             make_small(us % 1000000));
    return heap_tuple2(p, stamp, list);
}

static double square_root(double v)
{
    if (v <= 0) {
        return 0;
    }
    double r = v > 1 ? v : 1;
    for (int i = 0; i < 80; i++) { /* Newton from above: falls until it stands */
        double next = (r + v / r) / 2;
        if (next >= r) {
            break;
        }
        r = next;
    }
    return r;
}

/* {Buckets, Mean, Deviation, Expected deviation, Shortest, Longest, Dead, Locks} of the chains. */
static Term hash_stats(Proc *p, const EtsStore *s)
{
    size_t n = s->u.hash.active, nodes = 0, longest = 0, shortest = SIZE_MAX;
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = 0;
        for (const HashNode *node = *hash_bucket(s, i); node; node = node->next) {
            length++;
        }
        nodes += length;
        squares += (double)length * (double)length;
        longest = length > longest ? length : longest;
        shortest = length < shortest ? length : shortest;
    }
    p_charge(p, (intptr_t)(n / 16));
    double mean = (double)nodes / (double)n;
    const Term items[8] = {
        make_small((int64_t)n),
        heap_float(p, mean),
        heap_float(p, square_root((squares - (double)nodes * mean) / (double)n)),
        heap_float(p, square_root(mean * (1 - 1 / (double)n))),
        make_small((int64_t)shortest),
        make_small((int64_t)longest),
        make_small((int64_t)s->u.hash.dead_count),
        make_small(1),
    };
    return heap_tuple(p, 8, items);
}

static Term heap_words_of(Proc *p, const Table *t)
{
    return heap_uint64(p, sizeof(Table) / sizeof(Word) + store_memory_words(&t->store));
}

static Term node_name(Proc *p)
{
    const NativeRow *row = native_find(A_erlang, A_node, 0);
    return row ? row->fn(p, NULL) : A_nonode;
}

/* NONVALUE: no such item. */
static Term info_item(Proc *p, const Table *t, Term item)
{
    switch (item) {
    case A_compressed:
        return make_boolean(t->compressed);
    case A_decentralized_counters:
        return make_boolean(t->decentralized_counters);
    case A_fixed:
        return make_boolean(table_is_fixed(t));
    case A_heir:
        return table_has_heir(t) ? t->heir : A_none;
    case A_id:
        return heap_magic_ref(p, t->magic);
    case A_keypos:
        return make_small(t->store.keypos);
    case A_memory:
        return heap_words_of(p, t);
    case A_name:
        return t->name;
    case A_named_table:
        return make_boolean(t->named);
    case A_node:
        return node_name(p);
    case A_owner:
        return t->owner;
    case A_protection:
        return protection_name(t);
    case A_read_concurrency:
        return make_boolean(t->read_concurrency);
    case A_write_concurrency:
        return t->debug_locks ? heap_tuple2(p, A_debug_hash_fixed_number_of_locks, t->debug_locks)
            : t->write_concurrency;
    case A_safe_fixed:
        return fixed_info(p, t, false);
    case A_safe_fixed_monotonic_time:
        return fixed_info(p, t, true);
    case A_size:
        return make_small((int64_t)t->store.count);
    case A_stats:
        return store_is_tree(&t->store) ? A_false : hash_stats(p, &t->store);
    case A_type:
        return type_name(t);
    default:
        return NONVALUE;
    }
}

/* A table to ask about; NULL with *result set: undefined, or NONVALUE after badarg. */
static Table *info_table(Proc *p, Term id, Term *result)
{
    Term cause;
    Table *t = table_find(p, id, ACCESS_INFO, false, &cause);
    if (!t) {
        *result = cause == A_id ? A_undefined : p_badarg_cause(p, cause);
    }
    return t;
}

NATIVE(native_ets_info_1)
{
    static const Term items[] = {A_id, A_decentralized_counters, A_read_concurrency, A_write_concurrency, A_compressed,
                                 A_memory, A_owner, A_heir, A_name, A_size, A_node, A_named_table, A_type, A_keypos,
                                 A_protection};
    Term list = NIL;
    Table *t = info_table(p, a[0], &list);
    if (!t) {
        return list;
    }
    for (size_t i = sizeof items / sizeof *items; i > 0; i--) {
        list = heap_cons_on(p, heap_tuple2(p, items[i - 1], info_item(p, t, items[i - 1])), list);
    }
    table_read_unlock(t);
    return list;
}

NATIVE(native_ets_info_2)
{
    Term result;
    Table *t = info_table(p, a[0], &result);
    if (!t) {
        return result;
    }
    if (a[1] == A_binary) {
        table_read_unlock(t);
        return p_trap(p, export_put(A_erts_internal, A_ets_info_binary, 1), 1, a);
    }
    result = info_item(p, t, a[1]);
    table_read_unlock(t);
    return result == NONVALUE ? p_badarg(p) : result;
}

/* --- erts_internal ------------------------------------------------------------------------------------ */

NATIVE(native_erts_internal_ets_super_user)
{
    if (!is_boolean(a[0])) {
        return p_badarg(p);
    }
    if (a[0] == A_true) {
        p->flags |= PF_ETS_SUPER_USER;
    } else {
        p->flags &= ~(unsigned)PF_ETS_SUPER_USER;
    }
    return A_ok;
}

/* The raw walk and lookup see dead objects too: their binaries are still held. */
NATIVE(native_erts_internal_ets_raw_first) { return ets_edge_key(p, a[0], 0, true); }
NATIVE(native_erts_internal_ets_raw_next) { return ets_beyond_key(p, a[0], a[1], 1, true); }

/* {Address, Size, Count} of each counted binary in the object. */
static Term object_binaries(Proc *p, const EtsObject *o, Term list)
{
    for (const Word *w = o->off_heap; w;) {
        if (header_sub(*w) == SUB_REFC_BIN) {
            const RefcBin *b = (const RefcBin *)w;
            int64_t count = __atomic_load_n(&b->bin->refc, __ATOMIC_RELAXED);
            list = heap_cons_on(p, heap_tuple3(p, heap_uint64(p, (uintptr_t)b->bin), heap_uint64(p, b->bin->size),
                                               heap_int64(p, count)), list);
            w = (const Word *)b->next;
        } else {
            w = (const Word *)((const Ref *)w)->u.next;
        }
    }
    return list;
}

NATIVE(native_erts_internal_ets_lookup_binary_info)
{
    Table *t = table_get(p, a[0], ACCESS_READ, false);
    if (!t) {
        return NONVALUE;
    }
    Term list = NIL;
    if (store_is_tree(&t->store)) {
        EtsObject *o = store_find(&t->store, a[1]);
        list = o ? object_binaries(p, o, list) : NIL;
    } else {
        for (HashNode *n = hash_find_raw(&t->store, a[1]); n; n = hash_find_more_raw(&t->store, n)) {
            list = object_binaries(p, &n->o, list);
        }
    }
    table_read_unlock(t);
    return list;
}
