/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ETS: operations on single objects, keys and slots. Each takes the table with its lock, works, and lets go before it
 * raises an exception; objects are copied out under the lock.
 */
#include "vm/bif/ets_priv.h"

#include "gen/natives.h"
#include "vm/term/number.h"

Term ets_object_copy(Proc *p, const EtsObject *o)
{
    size_t arity = tuple_arity(o->tuple);
    Term *hp = heap_alloc(p, o->words);
    if (o->words == TUPLE_WORDS(arity)) { /* all immediates */
        memcpy(hp, boxed_ptr(o->tuple), o->words * sizeof(Term));
        return make_boxed(hp);
    }
    return term_copy_whole(o->tuple, &hp, heap_off_heap(p));
}

Term ets_term_copy(Proc *p, Term t) { return is_immed(t) ? t : heap_copy(p, t); }

/* Consing from the chain's newest to its oldest leaves the oldest first. */
static Term copy_all_of_key(Proc *p, const EtsStore *s, EtsObject *o)
{
    Term list = NIL;
    if (s->type == ETS_ORDERED_SET || s->type == ETS_SET) {
        return heap_cons_on(p, ets_object_copy(p, o), list);
    }
    for (HashNode *n = (HashNode *)o; n; n = hash_find_more(s, n)) {
        list = heap_cons_on(p, ets_object_copy(p, &n->o), list);
        p_charge(p, 1);
    }
    return list;
}

NATIVE(native_ets_lookup)
{
    Table *t = table_get(p, a[0], ACCESS_READ, false);
    if (!t) {
        return NONVALUE;
    }
    EtsObject *o = store_find(&t->store, a[1]);
    Term list = o ? copy_all_of_key(p, &t->store, o) : NIL;
    table_read_unlock(t);
    return list;
}

NATIVE(native_ets_member)
{
    Table *t = table_get(p, a[0], ACCESS_READ, false);
    if (!t) {
        return NONVALUE;
    }
    bool there = store_find(&t->store, a[1]) != NULL;
    table_read_unlock(t);
    return make_boolean(there);
}

static Term element_of_all(Proc *p, const EtsStore *s, EtsObject *o, size_t i)
{
    Term list = NIL;
    for (HashNode *n = (HashNode *)o; n; n = hash_find_more(s, n)) {
        if (i >= tuple_arity(n->o.tuple)) {
            return p_badarg(p);
        }
        list = heap_cons_on(p, ets_term_copy(p, tuple_elements(n->o.tuple)[i]), list);
    }
    return list;
}

NATIVE(native_ets_lookup_element)
{
    Table *t = table_get(p, a[0], ACCESS_READ, false);
    if (!t) {
        return NONVALUE;
    }
    const EtsStore *s = &t->store;
    EtsObject *o = store_find(s, a[1]);
    Term result;
    if (!is_small(a[2]) || small_value(a[2]) < 1) {
        result = p_badarg(p);
    } else if (!o) {
        result = p_badarg_cause(p, A_badkey);
    } else {
        size_t i = (size_t)small_value(a[2]) - 1;
        if (s->type == ETS_BAG || s->type == ETS_DUPLICATE_BAG) {
            result = element_of_all(p, s, o, i);
        } else if (i >= tuple_arity(o->tuple)) {
            result = p_badarg(p);
        } else {
            result = ets_term_copy(p, tuple_elements(o->tuple)[i]);
        }
    }
    table_read_unlock(t);
    return result;
}

/* --- insertion -------------------------------------------------------------------------------------- */

static bool is_object(const EtsStore *s, Term t) { return is_tuple(t) && tuple_arity(t) >= s->keypos; }

/* A tuple or a proper list of tuples, all with a key. */
static bool are_objects(const EtsStore *s, Term t)
{
    if (!is_list(t)) {
        return is_object(s, t);
    }
    for (; is_cons(t); t = cons_tail(t)) {
        if (!is_object(s, cons_head(t))) {
            return false;
        }
    }
    return is_nil(t);
}

static void insert_list(Proc *p, EtsStore *s, Term list, bool fixed)
{
    /* OTP puts a bag's objects in from the last to the first, and that can be seen. */
    if (s->type == ETS_BAG && is_cons(list) && is_cons(cons_tail(list))) {
        Term turned = NIL;
        for (; is_cons(list); list = cons_tail(list)) {
            turned = heap_cons_on(p, cons_head(list), turned);
        }
        list = turned;
    }
    for (; is_cons(list); list = cons_tail(list)) {
        store_insert(s, cons_head(list), fixed);
        p_charge(p, 1);
    }
}

NATIVE(native_ets_insert)
{
    Table *t = table_get(p, a[0], ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    bool ok = are_objects(&t->store, a[1]);
    if (ok && is_tuple(a[1])) {
        store_insert(&t->store, a[1], table_is_fixed(t));
    } else if (ok) {
        insert_list(p, &t->store, a[1], table_is_fixed(t));
    }
    table_write_unlock(t);
    return ok ? A_true : p_badarg(p);
}

static bool any_key_exists(const EtsStore *s, Term t)
{
    if (is_tuple(t)) {
        return store_find(s, tuple_elements(t)[s->keypos - 1]) != NULL;
    }
    for (; is_cons(t); t = cons_tail(t)) {
        if (store_find(s, tuple_elements(cons_head(t))[s->keypos - 1])) {
            return true;
        }
    }
    return false;
}

NATIVE(native_ets_insert_new)
{
    Table *t = table_get(p, a[0], ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    bool ok = are_objects(&t->store, a[1]);
    bool fresh = ok && !any_key_exists(&t->store, a[1]);
    if (fresh && is_tuple(a[1])) {
        store_insert(&t->store, a[1], table_is_fixed(t));
    } else if (fresh) {
        insert_list(p, &t->store, a[1], table_is_fixed(t));
    }
    table_write_unlock(t);
    return ok ? make_boolean(fresh) : p_badarg(p);
}

/* --- removal -------------------------------------------------------------------------------------------- */

NATIVE(native_ets_delete_2)
{
    Table *t = table_get(p, a[0], ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    p_charge(p, (intptr_t)store_remove(&t->store, a[1], table_is_fixed(t)));
    table_write_unlock(t);
    return A_true;
}

NATIVE(native_ets_delete_object)
{
    Table *t = table_get(p, a[0], ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    EtsStore *s = &t->store;
    bool ok = is_object(s, a[1]);
    if (ok) {
        Term key = tuple_elements(a[1])[s->keypos - 1];
        if (!store_is_tree(s)) {
            p_charge(p, (intptr_t)hash_remove(s, key, a[1], table_is_fixed(t)));
        } else {
            TreeNode *n = tree_find(s, key);
            if (n && object_is(&n->o, a[1])) {
                tree_remove(s, key);
            }
        }
    }
    table_write_unlock(t);
    return ok ? A_true : p_badarg(p);
}

NATIVE(native_ets_take)
{
    Table *t = table_get(p, a[0], ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    EtsObject *o = store_find(&t->store, a[1]);
    Term list = NIL;
    if (o) {
        list = copy_all_of_key(p, &t->store, o);
        store_remove(&t->store, a[1], table_is_fixed(t));
    }
    table_write_unlock(t);
    return list;
}

/* --- keys and slots ----------------------------------------------------------------------------------------- */

static Term key_or_end(Proc *p, const EtsStore *s, const EtsObject *o)
{
    return o ? ets_term_copy(p, object_key(s, o)) : A_end_of_table;
}

Term ets_edge_key(Proc *p, Term id, int side, bool raw)
{
    Table *t = table_get(p, id, ACCESS_READ, false);
    if (!t) {
        return NONVALUE;
    }
    const EtsStore *s = &t->store;
    const EtsObject *o = NULL;
    if (store_is_tree(s)) {
        TreeNode *n = tree_edge(s, side);
        o = n ? &n->o : NULL;
    } else {
        size_t bucket = 0;
        HashNode *n = hash_first_from(s, &bucket, raw);
        o = n ? &n->o : NULL;
    }
    Term key = key_or_end(p, s, o);
    table_read_unlock(t);
    return key;
}

Term ets_beyond_key(Proc *p, Term id, Term key, int side, bool raw)
{
    Table *t = table_get(p, id, ACCESS_READ, false);
    if (!t) {
        return NONVALUE;
    }
    const EtsStore *s = &t->store;
    Term result;
    if (store_is_tree(s) && key == A_end_of_table) {
        result = p_badarg(p);
    } else if (store_is_tree(s)) {
        TreeNode *n = tree_beyond(s, key, side);
        result = key_or_end(p, s, n ? &n->o : NULL);
    } else {
        HashNode *n;
        result = hash_next_key(s, key, raw, &n) ? key_or_end(p, s, n ? &n->o : NULL) : p_badarg(p);
    }
    table_read_unlock(t);
    return result;
}

NATIVE(native_ets_first) { return ets_edge_key(p, a[0], 0, false); }
NATIVE(native_ets_last) { return ets_edge_key(p, a[0], 1, false); }
NATIVE(native_ets_next) { return ets_beyond_key(p, a[0], a[1], 1, false); }
NATIVE(native_ets_prev) { return ets_beyond_key(p, a[0], a[1], 0, false); }

static Term hash_slot(Proc *p, const EtsStore *s, size_t i)
{
    if (i > s->u.hash.active) {
        return p_badarg(p);
    }
    if (i == s->u.hash.active) {
        return A_end_of_table;
    }
    Term list = NIL;
    for (HashNode *n = *hash_bucket(s, i); n; n = n->next) {
        if (!n->dead) {
            list = heap_cons_on(p, ets_object_copy(p, &n->o), list);
        }
    }
    return list;
}

static Term tree_slot(Proc *p, const EtsStore *s, size_t i)
{
    if (i > s->count) {
        return p_badarg(p);
    }
    if (i == s->count) {
        return A_end_of_table;
    }
    const TreeNode *n = tree_at(s, i);
    return heap_cons_on(p, ets_object_copy(p, &n->o), NIL);
}

NATIVE(native_ets_slot)
{
    Table *t = table_get(p, a[0], ACCESS_READ, false);
    if (!t) {
        return NONVALUE;
    }
    Term result;
    if (!is_small(a[1]) || small_value(a[1]) < 0) {
        result = p_badarg(p);
    } else if (store_is_tree(&t->store)) {
        result = tree_slot(p, &t->store, (size_t)small_value(a[1]));
    } else {
        result = hash_slot(p, &t->store, (size_t)small_value(a[1]));
    }
    table_read_unlock(t);
    return result;
}
