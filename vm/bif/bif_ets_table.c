/* SPDX-License-Identifier: Apache-2.0 */
/* ETS: tables as a whole: making, deleting, naming, owning, fixing. */
#include "vm/bif/ets_priv.h"

#include "gen/natives.h"
#include "vm/ets/ets.h"
#include "vm/load/code.h"
#include "vm/proc/msg.h"
#include "vm/proc/sched.h"

enum { FREE_BUDGET = 2000, FREE_PER_REDUCTION = 4 };
enum { MIN_LOCKS = 64, MAX_LOCKS = 32768 }; /* of debug_hash_fixed_number_of_locks, which only info shows */

/* --- options -------------------------------------------------------------------------------------- */

static bool option_atom(TableOptions *o, Term t)
{
    switch (t) {
    case A_set:
        o->type = ETS_SET;
        return true;
    case A_bag:
        o->type = ETS_BAG;
        return true;
    case A_duplicate_bag:
        o->type = ETS_DUPLICATE_BAG;
        return true;
    case A_ordered_set:
        o->type = ETS_ORDERED_SET;
        return true;
    case A_private:
        o->protection = ETS_PRIVATE;
        return true;
    case A_protected:
        o->protection = ETS_PROTECTED;
        return true;
    case A_public:
        o->protection = ETS_PUBLIC;
        return true;
    case A_named_table:
        o->named = true;
        return true;
    case A_compressed:
        o->compressed = true;
        return true;
    default:
        return false;
    }
}

/* {heir, none} | {heir, Pid, Data} */
static bool option_heir(Term t, Term *heir, Term *data)
{
    if (is_tuple_arity(t, 2) && tuple_elements(t)[1] == A_none) {
        *heir = A_none;
        *data = NIL;
        return true;
    }
    if (is_tuple_arity(t, 3) && is_local_pid(tuple_elements(t)[1])) {
        *heir = tuple_elements(t)[1];
        *data = tuple_elements(t)[2];
        return true;
    }
    return false;
}

/* What OTP makes of a wished number of locks. */
static Term lock_count(int64_t wished)
{
    int64_t n = MIN_LOCKS;
    while (n * 2 <= wished) {
        n *= 2;
    }
    return make_small(n);
}

/* `decentralized` stays NONVALUE until it is asked for. */
static bool option_tuple(TableOptions *o, Term t, Term *decentralized)
{
    if (!is_tuple(t) || tuple_arity(t) < 2) {
        return false;
    }
    Term key = tuple_elements(t)[0], value = tuple_elements(t)[1];
    if (key == A_heir) {
        return option_heir(t, &o->heir, &o->heir_data);
    }
    if (tuple_arity(t) != 2) {
        return false;
    }
    switch (key) {
    case A_keypos:
        if (!is_small(value) || small_value(value) < 1 || small_value(value) > INT32_MAX) {
            return false;
        }
        o->keypos = (unsigned)small_value(value);
        return true;
    case A_write_concurrency:
        o->write_concurrency = value;
        o->debug_locks = 0;
        if (is_tuple_arity(value, 2) && tuple_elements(value)[0] == A_debug_hash_fixed_number_of_locks &&
            is_small(tuple_elements(value)[1]) && small_value(tuple_elements(value)[1]) > 0 &&
            small_value(tuple_elements(value)[1]) <= MAX_LOCKS) {
            o->write_concurrency = A_true;
            o->debug_locks = lock_count(small_value(tuple_elements(value)[1]));
            return true;
        }
        return is_boolean(value) || value == A_auto;
    case A_read_concurrency:
        o->read_concurrency = value == A_true;
        return is_boolean(value);
    case A_decentralized_counters:
        *decentralized = value;
        return is_boolean(value);
    default:
        return false;
    }
}

static bool options_parse(TableOptions *o, Term list)
{
    Term decentralized = NONVALUE;
    *o = (TableOptions){.type = ETS_SET, .protection = ETS_PROTECTED, .keypos = 1, .write_concurrency = A_false,
                        .heir = A_none, .heir_data = NIL};
    for (; is_cons(list); list = cons_tail(list)) {
        Term t = cons_head(list);
        if (!(is_atom(t) ? option_atom(o, t) : option_tuple(o, t, &decentralized))) {
            return false;
        }
    }
    if (o->protection == ETS_PRIVATE) { /* nobody to be concurrent with */
        o->write_concurrency = A_false;
        o->debug_locks = 0;
        o->read_concurrency = false;
    }
    if (o->write_concurrency == A_false) {
        o->decentralized_counters = false;
    } else if (decentralized != NONVALUE) {
        o->decentralized_counters = decentralized == A_true;
    } else {
        o->decentralized_counters = o->write_concurrency == A_auto || o->type == ETS_ORDERED_SET || o->debug_locks;
    }
    return is_nil(list) && !(o->debug_locks && o->type == ETS_ORDERED_SET);
}

NATIVE(native_ets_new)
{
    TableOptions o;
    if (!is_atom(a[0]) || !options_parse(&o, a[1])) {
        return p_badarg(p);
    }
    Table *t = table_create(p, a[0], &o);
    return t ? table_id(p, t) : p_badarg_cause(p, A_already_exists);
}

/* --- deletion --------------------------------------------------------------------------------------- */

/* Frees a detached storage, in slices when it is large; then the result is `result`. */
static Term free_storage(Proc *p, EtsStore *rest, Term result)
{
    if (store_free_some(rest, FREE_BUDGET)) {
        p_charge(p, 1);
        return result;
    }
    p_charge(p, FREE_BUDGET / FREE_PER_REDUCTION);
    Term args[2] = {heap_magic_ref(p, store_magic_new(rest)), result};
    return p_trap(p, export_put(A_dollar_ets, A_free, 2), 2, args);
}

/* '$ets':free(Storage, Result): goes on where free_storage left off. */
NATIVE(native_ets_trap_free)
{
    EtsStore *rest = store_magic_of(a[0]);
    if (!rest) {
        return p_badarg(p);
    }
    p_charge(p, FREE_BUDGET / FREE_PER_REDUCTION);
    if (store_free_some(rest, FREE_BUDGET)) {
        return a[1];
    }
    Term args[2] = {a[0], a[1]};
    return p_trap(p, export_put(A_dollar_ets, A_free, 2), 2, args);
}

NATIVE(native_ets_delete_1)
{
    Table *t = table_get(p, a[0], ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    EtsStore rest;
    table_kill(t, &rest);
    return free_storage(p, &rest, A_true);
}

NATIVE(native_ets_internal_delete_all)
{
    Table *t = table_get(p, a[0], ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    Term result = a[1] == A_undefined ? make_small((int64_t)t->store.count) : a[1];
    if (table_is_fixed(t) && !store_is_tree(&t->store)) {
        p_charge(p, (intptr_t)(t->store.count / FREE_PER_REDUCTION));
        hash_kill_all(&t->store);
        table_write_unlock(t);
        return result;
    }
    EtsStore rest = t->store;
    store_init(&t->store, rest.type, rest.keypos);
    table_write_unlock(t);
    return free_storage(p, &rest, result);
}

/* --- names -------------------------------------------------------------------------------------------- */

NATIVE(native_ets_rename)
{
    Table *t = table_get(p, a[0], ACCESS_WRITE, false);
    if (!t) {
        return NONVALUE;
    }
    Magic *m = t->magic;
    magic_retain(m);
    table_read_unlock(t);
    Term result = is_atom(a[1]) && table_rename(t, a[1]) ? table_id(p, t) : p_badarg(p);
    magic_release(m);
    return result;
}

NATIVE(native_ets_whereis)
{
    if (!is_atom(a[0])) {
        return p_badarg(p);
    }
    Term cause;
    Table *t = table_find(p, a[0], ACCESS_INFO, false, &cause);
    if (!t) {
        return A_undefined;
    }
    Term ref = heap_magic_ref(p, t->magic);
    table_read_unlock(t);
    return ref;
}

typedef struct AllTables {
    Proc *p;
    Term list;
} AllTables;

static void add_table(Table *t, void *arg)
{
    AllTables *all = arg;
    all->list = heap_cons_on(all->p, table_id(all->p, t), all->list);
}

/* ets:all() waits for {Ref, Tables} from each scheduler; one has them all. */
NATIVE(native_ets_internal_request_all)
{
    (void)a;
    AllTables all = {p, NIL};
    table_each(add_table, &all);
    Term ref = heap_new_ref(p);
    for (unsigned i = 0; i < sched_count(); i++) {
        msg_send(p, p, heap_tuple2(p, ref, i == 0 ? all.list : NIL));
    }
    p_charge(p, (intptr_t)ets_table_count());
    return ref;
}

/* --- owners ---------------------------------------------------------------------------------------------- */

static Term give_away_locked(Proc *p, Table *t, Term to)
{
    if (t->owner != p->id) {
        return p_badarg_cause(p, A_not_owner);
    }
    if (to == p->id) {
        return p_badarg_cause(p, A_owner);
    }
    if (!is_local_pid(to) || !proc_lookup(to)) {
        return p_badarg(p);
    }
    table_set_owner(t, to);
    return A_true;
}

NATIVE(native_ets_give_away)
{
    Table *t = table_get(p, a[0], ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    Term result = give_away_locked(p, t, a[1]);
    Term id = result == NONVALUE ? NIL : table_id(p, t);
    table_write_unlock(t);
    if (result != NONVALUE) {
        const Term message[4] = {A_ETS_TRANSFER, id, p->id, a[2]};
        msg_send_pid(p, a[1], heap_tuple(p, 4, message));
    }
    return result;
}

typedef struct SetOptions {
    Term heir, heir_data, protection; /* NONVALUE: as it is */
} SetOptions;

static bool set_option(SetOptions *o, Term t)
{
    if (!is_tuple(t) || tuple_arity(t) < 2) {
        return false;
    }
    if (tuple_elements(t)[0] == A_heir && o->heir == NONVALUE) {
        return option_heir(t, &o->heir, &o->heir_data);
    }
    if (tuple_elements(t)[0] == A_protection && tuple_arity(t) == 2 && o->protection == NONVALUE) {
        o->protection = tuple_elements(t)[1];
        return o->protection == A_private || o->protection == A_protected || o->protection == A_public;
    }
    return false;
}

static bool set_options_parse(SetOptions *o, Term t)
{
    *o = (SetOptions){NONVALUE, NIL, NONVALUE};
    if (!is_list(t)) {
        return set_option(o, t);
    }
    for (; is_cons(t); t = cons_tail(t)) {
        if (!set_option(o, cons_head(t))) {
            return false;
        }
    }
    return is_nil(t);
}

NATIVE(native_ets_setopts)
{
    SetOptions o;
    Table *t = table_get(p, a[0], ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    bool ok = set_options_parse(&o, a[1]) && t->owner == p->id;
    if (ok && o.heir != NONVALUE) {
        table_set_heir(t, o.heir, o.heir_data);
    }
    if (ok && o.protection != NONVALUE) {
        t->protection = o.protection == A_private ? ETS_PRIVATE : o.protection == A_public ? ETS_PUBLIC : ETS_PROTECTED;
    }
    table_write_unlock(t);
    return ok ? A_true : p_badarg(p);
}

/* --- fixing ------------------------------------------------------------------------------------------------ */

NATIVE(native_ets_safe_fixtable)
{
    Table *t = table_get(p, a[0], ACCESS_READ, true);
    if (!t) {
        return NONVALUE;
    }
    bool ok = is_boolean(a[1]);
    if (ok && a[1] == A_true) {
        table_fix(t, p->id);
    } else if (ok) {
        table_unfix(t, p->id);
    }
    table_write_unlock(t);
    return ok ? A_true : p_badarg(p);
}
