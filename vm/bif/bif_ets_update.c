/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ets:update_counter and ets:update_element: all operations are worked out against the object first, then written at
 * once. Where old and new values are immediates they are written in place, else a new object takes the old one's place.
 */
#include "vm/bif/ets_priv.h"

#include "gen/natives.h"
#include "vm/term/number.h"

typedef struct Change {
    size_t index; /* 0-based */
    Term value;
} Change;
typedef struct Changes {
    Change *at;
    size_t count;
    Change few[8];
} Changes;

static bool changes_init(Changes *c, Term ops)
{
    int64_t n = is_list(ops) ? list_length(ops) : 1;
    c->count = 0;
    c->at = n <= (int64_t)(sizeof c->few / sizeof *c->few) ? c->few : vm_alloc((size_t)n * sizeof(Change));
    return n >= 0;
}

static void changes_free(Changes *c)
{
    if (c->at != c->few) {
        vm_free(c->at);
    }
}

/* What the element will be after the changes so far. */
static Term changes_value(const Changes *c, const Term *elements, size_t index)
{
    for (size_t i = c->count; i > 0; i--) {
        if (c->at[i - 1].index == index) {
            return c->at[i - 1].value;
        }
    }
    return elements[index];
}

static void changes_add(Changes *c, size_t index, Term value) { c->at[c->count++] = (Change){index, value}; }

/* Writes the changes into object o of the store. */
static void changes_write(EtsStore *s, EtsObject *o, const Changes *c)
{
    Term *e = tuple_elements(o->tuple);
    bool in_place = true;
    for (size_t i = 0; i < c->count; i++) {
        in_place = in_place && is_immed(c->at[i].value) && is_immed(e[c->at[i].index]);
    }
    if (in_place) {
        for (size_t i = 0; i < c->count; i++) {
            e[c->at[i].index] = c->at[i].value;
        }
        return;
    }
    size_t words = TUPLE_WORDS(tuple_arity(o->tuple));
    Term *made = vm_alloc(words * sizeof(Term));
    memcpy(made, boxed_ptr(o->tuple), words * sizeof(Term));
    for (size_t i = 0; i < c->count; i++) {
        made[1 + c->at[i].index] = c->at[i].value;
    }
    store_replace(s, o, make_boxed(made));
    vm_free(made);
}

/* --- update_counter ----------------------------------------------------------------------------------- */

typedef struct CounterOp {
    Term position, increment, threshold, value; /* threshold NONVALUE: none */
} CounterOp;

static bool counter_op_parse(const EtsStore *s, Term t, CounterOp *op)
{
    op->threshold = op->value = NONVALUE;
    if (is_integer(t)) {
        op->position = make_small((int64_t)s->keypos + 1);
        op->increment = t;
        return true;
    }
    if (is_tuple_arity(t, 4)) {
        op->threshold = tuple_elements(t)[2];
        op->value = tuple_elements(t)[3];
        if (!is_integer(op->threshold) || !is_integer(op->value)) {
            return false;
        }
    } else if (!is_tuple_arity(t, 2)) {
        return false;
    }
    op->position = tuple_elements(t)[0];
    op->increment = tuple_elements(t)[1];
    return is_small(op->position) && is_integer(op->increment);
}

static bool is_negative(Term t) { return is_small(t) ? small_value(t) < 0 : big_is_negative(t); }

/* Adds one change; NONVALUE after an exception, else the counter's new value. */
static Term counter_op_apply(Proc *p, const EtsStore *s, Term tuple, Changes *c, Term t)
{
    CounterOp op;
    if (!counter_op_parse(s, t, &op)) {
        return p_badarg(p);
    }
    int64_t position = small_value(op.position);
    if (position < 1 || (uint64_t)position > tuple_arity(tuple)) {
        return p_badarg_cause(p, A_position);
    }
    if (position == s->keypos) {
        return p_badarg_cause(p, A_keypos);
    }
    size_t index = (size_t)position - 1;
    Term old = changes_value(c, tuple_elements(tuple), index);
    if (!is_integer(old)) {
        return p_badarg(p);
    }
    Term value = number_add(p, ets_term_copy(p, old), op.increment);
    if (value == NONVALUE) {
        return NONVALUE;
    }
    if (op.threshold != NONVALUE) {
        int order = number_compare(value, op.threshold);
        if (is_negative(op.increment) ? order < 0 : order > 0) {
            value = op.value;
        }
    }
    changes_add(c, index, value);
    return value;
}

/* The result of all operations; NONVALUE after an exception. */
static Term counter_ops(Proc *p, const EtsStore *s, Term tuple, Changes *c, Term ops)
{
    if (!is_list(ops)) {
        return counter_op_apply(p, s, tuple, c, ops);
    }
    Term list = NIL;
    for (; is_cons(ops); ops = cons_tail(ops)) {
        if (counter_op_apply(p, s, tuple, c, cons_head(ops)) == NONVALUE) {
            return NONVALUE;
        }
    }
    for (size_t i = c->count; i > 0; i--) {
        list = heap_cons_on(p, c->at[i - 1].value, list);
    }
    return list;
}

/* The default object with the key that was asked for, on p's heap; NONVALUE after an exception. */
static Term counter_default(Proc *p, const EtsStore *s, Term tuple, Term key)
{
    if (!is_tuple(tuple)) {
        return p_badarg(p);
    }
    if (tuple_arity(tuple) < s->keypos) {
        return p_badarg_cause(p, A_position);
    }
    Term made = heap_tuple(p, tuple_arity(tuple), tuple_elements(tuple));
    tuple_elements(made)[s->keypos - 1] = key;
    return made;
}

static Term counter_update_locked(Proc *p, Table *t, Term key, Term ops, Term fallback, Changes *c)
{
    EtsStore *s = &t->store;
    if (s->type == ETS_BAG || s->type == ETS_DUPLICATE_BAG) {
        return p_badarg_cause(p, A_table_type);
    }
    EtsObject *o = store_find(s, key);
    if (o) {
        Term result = counter_ops(p, s, o->tuple, c, ops);
        if (result != NONVALUE) {
            changes_write(s, o, c);
        }
        return result;
    }
    if (fallback == NONVALUE) {
        return p_badarg_cause(p, A_badkey);
    }
    Term tuple = counter_default(p, s, fallback, key);
    if (tuple == NONVALUE) {
        return NONVALUE;
    }
    Term result = counter_ops(p, s, tuple, c, ops);
    if (result != NONVALUE) {
        for (size_t i = 0; i < c->count; i++) {
            tuple_elements(tuple)[c->at[i].index] = c->at[i].value;
        }
        store_insert(s, tuple, table_is_fixed(t));
    }
    return result;
}

static Term counter_update(Proc *p, Term id, Term key, Term ops, Term fallback)
{
    Table *t = table_get(p, id, ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    Changes c;
    Term result = changes_init(&c, ops) ? counter_update_locked(p, t, key, ops, fallback, &c) : p_badarg(p);
    table_write_unlock(t);
    changes_free(&c);
    return result;
}

NATIVE(native_ets_update_counter_3) { return counter_update(p, a[0], a[1], a[2], NONVALUE); }
NATIVE(native_ets_update_counter_4) { return counter_update(p, a[0], a[1], a[2], a[3]); }

/* --- update_element -------------------------------------------------------------------------------------- */

static bool element_op(Proc *p, const EtsStore *s, Term tuple, Changes *c, Term op)
{
    if (!is_tuple_arity(op, 2) || !is_small(tuple_elements(op)[0])) {
        p_badarg(p);
        return false;
    }
    int64_t position = small_value(tuple_elements(op)[0]);
    if (position < 1 || (uint64_t)position > tuple_arity(tuple)) {
        p_badarg(p);
        return false;
    }
    if (position == s->keypos) {
        p_badarg_cause(p, A_keypos);
        return false;
    }
    changes_add(c, (size_t)position - 1, tuple_elements(op)[1]);
    return true;
}

static Term element_update_locked(Proc *p, Table *t, Term key, Term ops, Changes *c, bool proper)
{
    EtsStore *s = &t->store;
    if (s->type == ETS_BAG || s->type == ETS_DUPLICATE_BAG) {
        return p_badarg(p);
    }
    EtsObject *o = store_find(s, key);
    if (!o) {
        return A_false;
    }
    if (!proper) {
        return p_badarg(p);
    }
    if (!is_list(ops)) {
        if (!element_op(p, s, o->tuple, c, ops)) {
            return NONVALUE;
        }
    }
    for (; is_cons(ops); ops = cons_tail(ops)) {
        if (!element_op(p, s, o->tuple, c, cons_head(ops))) {
            return NONVALUE;
        }
    }
    changes_write(s, o, c);
    return A_true;
}

NATIVE(native_ets_update_element)
{
    Table *t = table_get(p, a[0], ACCESS_WRITE, true);
    if (!t) {
        return NONVALUE;
    }
    Changes c;
    bool proper = changes_init(&c, a[2]);
    Term result = element_update_locked(p, t, a[1], a[2], &c, proper);
    table_write_unlock(t);
    changes_free(&c);
    return result;
}
