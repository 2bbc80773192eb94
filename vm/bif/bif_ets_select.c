/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ETS: everything that runs a match specification over a table.
 *
 * A scan looks at some thousands of objects, then leaves the processor: it traps to '$ets':scan/7 with where it is. A
 * hash table that needs more than one slice is fixed meanwhile; a tree goes on behind the last key it saw. Scans with a
 * limit end with a continuation that the user passes back; its shape is OTP's, since ets.erl looks into it:
 *
 *   {Table, Bucket, Limit, Spec, Rest, RestCount}           hash; Bucket -1: no more. Rest: found, not yet given out
 *   {Table, LastKey, [], Limit, Spec, [], Reverse, 0}       tree
 */
#include "vm/bif/ets_priv.h"

#include "gen/natives.h"
#include "vm/ets/match.h"
#include "vm/load/code.h"

typedef enum { SCAN_SELECT, SCAN_COUNT, SCAN_DELETE, SCAN_REPLACE } ScanKind;
enum { SCAN_BUDGET = 2000, FLAG_REVERSE = 1 << 4, FLAG_FIXED = 1 << 5, KIND_MASK = 0xf };

typedef struct Scan {
    Proc *p;
    Table *t; /* locked: for writing when the kind changes it; retained */
    Magic *spec;
    ScanKind kind;
    bool reverse, fixed; /* fixed: by this scan */
    size_t limit;        /* 0: none */
    Term list;           /* found; newest first */
    size_t got;
    size_t budget;
    bool bad;            /* a replacement that is none */
    Term position;       /* of a scan interrupted: bucket or key */
    MatchRun run;
} Scan;

typedef enum { SCAN_END, SCAN_CHUNK, SCAN_PAUSE } ScanState;

static bool scan_writes(ScanKind kind) { return kind == SCAN_DELETE || kind == SCAN_REPLACE; }

static void scan_unlock(Scan *s)
{
    Magic *m = s->t->magic;
    if (scan_writes(s->kind)) {
        table_write_unlock(s->t);
    } else {
        table_read_unlock(s->t);
    }
    magic_release(m);
}

/* Fixes or unfixes, whatever lock is held. A table that dies meanwhile is empty afterwards. */
static void scan_set_fixed(Scan *s, bool fix)
{
    if (s->fixed == fix) {
        return;
    }
    if (!scan_writes(s->kind)) {
        table_read_unlock(s->t);
        write_lock(&s->t->lock);
    }
    if (s->t->alive && fix) {
        table_fix(s->t, s->p->id);
    } else if (s->t->alive) {
        table_unfix(s->t, s->p->id);
    }
    if (!scan_writes(s->kind)) {
        table_write_unlock(s->t);
        read_lock(&s->t->lock);
    }
    s->fixed = fix;
}

/* --- one object ------------------------------------------------------------------------------------- */

/* Runs the spec on o. True: the object is to be deleted or, with *made set, replaced. */
static bool scan_object(Scan *s, const EtsObject *o, Term *made)
{
    s->budget -= s->budget > 0;
    Term v = match_run(&s->run, o->tuple);
    if (v == NONVALUE) {
        return false;
    }
    switch (s->kind) {
    case SCAN_SELECT:
        s->list = heap_cons_on(s->p, v, s->list);
        s->got++;
        return false;
    case SCAN_REPLACE: {
        const EtsStore *store = &s->t->store;
        if (!is_tuple(v) || tuple_arity(v) < store->keypos ||
            !term_identical(tuple_elements(v)[store->keypos - 1], object_key(store, o))) {
            s->bad = true;
            return false;
        }
        s->got++;
        *made = v;
        return true;
    }
    default:
        s->got += v == A_true;
        return v == A_true && s->kind == SCAN_DELETE;
    }
}

static void scan_hash_node(Scan *s, size_t bucket, HashNode *n)
{
    Term made = NONVALUE;
    if (n->dead || !scan_object(s, &n->o, &made)) {
        return;
    }
    if (made != NONVALUE) {
        hash_replace(&s->t->store, n, made);
    } else {
        hash_remove_node(&s->t->store, bucket, n, table_is_fixed(s->t));
    }
}

static void scan_tree_node(Scan *s, TreeNode *n)
{
    Term made = NONVALUE;
    if (!scan_object(s, &n->o, &made)) {
        return;
    }
    if (made != NONVALUE) {
        tree_replace(&s->t->store, n, made);
    } else {
        tree_remove(&s->t->store, object_key(&s->t->store, &n->o));
    }
}

/* --- objects of given keys ----------------------------------------------------------------------------- */

static bool same_key(const EtsStore *store, Term a, Term b)
{
    return store_is_tree(store) ? term_equal(a, b) : term_identical(a, b);
}

/* Whether the heads allow only objects of certain keys. */
static bool scan_is_keyed(const Scan *s)
{
    const MatchProg *m = match_magic_prog(s->spec);
    for (size_t i = 0; i < match_clause_count(m); i++) {
        Term key;
        if (match_clause_key(m, i, s->t->store.keypos, &key) == KEY_ANY) {
            return false;
        }
    }
    return true;
}

static bool key_is_new(const Scan *s, size_t clause, Term key)
{
    const MatchProg *m = match_magic_prog(s->spec);
    for (size_t i = 0; i < clause; i++) {
        Term other;
        if (match_clause_key(m, i, s->t->store.keypos, &other) == KEY_BOUND && same_key(&s->t->store, key, other)) {
            return false;
        }
    }
    return true;
}

static void scan_key(Scan *s, Term key)
{
    EtsStore *store = &s->t->store;
    if (store_is_tree(store)) {
        TreeNode *n = tree_find(store, key);
        if (n) {
            scan_tree_node(s, n);
        }
        return;
    }
    size_t bucket = hash_bucket_of(store, hash_key(key));
    HashNode *n = hash_find(store, key);
    while (n && !s->bad) {
        HashNode *next = hash_find_more(store, n);
        scan_hash_node(s, bucket, n);
        n = next;
    }
}

static void scan_keys(Scan *s)
{
    const MatchProg *m = match_magic_prog(s->spec);
    for (size_t i = 0; i < match_clause_count(m) && !s->bad; i++) {
        Term key;
        if (match_clause_key(m, i, s->t->store.keypos, &key) == KEY_BOUND && key_is_new(s, i, key)) {
            scan_key(s, key);
        }
    }
}

/* --- whole tables ------------------------------------------------------------------------------------------ */

/* From a bucket on. After it, position is the bucket to go on with (-1: none). */
static ScanState scan_buckets(Scan *s, size_t bucket)
{
    EtsStore *store = &s->t->store;
    for (; bucket < store->u.hash.active; bucket++) {
        if (s->limit && s->got >= s->limit) {
            s->position = make_small((int64_t)bucket);
            return SCAN_CHUNK;
        }
        if (s->budget == 0) {
            s->position = make_small((int64_t)bucket);
            return SCAN_PAUSE;
        }
        s->budget--;
        for (HashNode *n = *hash_bucket(store, bucket), *next; n && !s->bad; n = next) {
            next = n->next;
            scan_hash_node(s, bucket, n);
        }
    }
    s->position = make_small(-1);
    return s->limit && s->got > s->limit ? SCAN_CHUNK : SCAN_END;
}

/* Ascending when a chunk is turned round afterwards or the scan is a reverse one. */
static int scan_side(const Scan *s) { return s->limit ? !s->reverse : s->reverse; }

/* Beyond a key (NONVALUE: from the edge), leaving the tree as it is. */
static ScanState scan_tree(Scan *s, Term key)
{
    const EtsStore *store = &s->t->store;
    TreeWalk w;
    Term prefix;
    bool ranged = match_key_prefix(match_magic_prog(s->spec), store->keypos, &prefix);
    if (key != NONVALUE) {
        tree_walk_beyond(&w, store, scan_side(s), key);
    } else if (ranged) {
        tree_walk_range(&w, store, scan_side(s), match_prefix_compare, prefix);
    } else {
        tree_walk_start(&w, store, scan_side(s));
    }
    for (TreeNode *n; (n = tree_walk_next(&w));) {
        if (ranged && match_prefix_compare(object_key(store, &n->o), prefix) != 0) {
            break;
        }
        scan_tree_node(s, n);
        bool chunk = s->limit && s->got >= s->limit;
        if (chunk || s->budget == 0) {
            s->position = ets_term_copy(s->p, object_key(store, &n->o));
            return chunk ? SCAN_CHUNK : SCAN_PAUSE;
        }
    }
    return SCAN_END;
}

/* The same when objects are deleted or replaced: each step finds its next before. */
static ScanState scan_tree_changing(Scan *s, Term key)
{
    EtsStore *store = &s->t->store;
    Term prefix;
    bool ranged = match_key_prefix(match_magic_prog(s->spec), store->keypos, &prefix);
    TreeNode *n = key != NONVALUE ? tree_beyond(store, key, 1) : tree_edge(store, 0);
    if (key == NONVALUE && ranged) {
        TreeWalk w;
        tree_walk_range(&w, store, 1, match_prefix_compare, prefix);
        n = tree_walk_next(&w);
    }
    while (n && !s->bad) {
        if (ranged && match_prefix_compare(object_key(store, &n->o), prefix) != 0) {
            break;
        }
        TreeNode *next = tree_beyond(store, object_key(store, &n->o), 1);
        Term last = s->budget <= 1 ? ets_term_copy(s->p, object_key(store, &n->o)) : NONVALUE;
        scan_tree_node(s, n);
        if (s->budget == 0 && next) {
            s->position = last;
            return SCAN_PAUSE;
        }
        n = next;
    }
    return SCAN_END;
}

static ScanState scan_from(Scan *s, Term position)
{
    if (!store_is_tree(&s->t->store)) {
        return scan_buckets(s, position == NONVALUE ? 0 : (size_t)small_value(position));
    }
    return scan_writes(s->kind) ? scan_tree_changing(s, position) : scan_tree(s, position);
}

/* --- results --------------------------------------------------------------------------------------------------- */

static Term list_turn(Proc *p, Term list)
{
    Term turned = NIL;
    for (; is_cons(list); list = cons_tail(list)) {
        turned = heap_cons_on(p, cons_head(list), turned);
    }
    return turned;
}

/* A copy of the first n cells. */
static Term list_take(Proc *p, Term list, size_t n)
{
    Term *hp = heap_alloc(p, 2 * n);
    Term taken = NIL, *tail = &taken;
    for (; n > 0; n--, list = cons_tail(list)) {
        *tail = heap_cons(&hp, cons_head(list), NIL);
        tail = &list_ptr(*tail)[1];
    }
    return taken;
}

static Term list_drop(Term list, size_t n)
{
    for (; n > 0; n--) {
        list = cons_tail(list);
    }
    return list;
}

static Term scan_continuation(Scan *s, Term rest, size_t rest_count)
{
    Term spec = heap_magic_ref(s->p, s->spec), limit = make_small((int64_t)s->limit);
    if (store_is_tree(&s->t->store)) {
        const Term c[8] = {table_id(s->p, s->t), s->position, NIL, limit, spec, NIL, make_small(s->reverse),
            make_small(0)};
        return heap_tuple(s->p, 8, c);
    }
    /* The position has a meaning in this table only, not in another of its name. */
    const Term c[6] = {heap_magic_ref(s->p, s->t->magic), s->position, limit, spec, rest,
        make_small((int64_t)rest_count)};
    return heap_tuple(s->p, 6, c);
}

static Term scan_chunk(Scan *s, ScanState state)
{
    if (state == SCAN_END && s->got == 0) {
        return A_end_of_table;
    }
    size_t over = s->got > s->limit ? s->got - s->limit : 0; /* trees stop in time */
    Term list = store_is_tree(&s->t->store) ? list_turn(s->p, s->list) : list_drop(s->list, over);
    if (state == SCAN_END) {
        return heap_tuple2(s->p, list, A_end_of_table);
    }
    return heap_tuple2(s->p, list, scan_continuation(s, list_take(s->p, s->list, over), over));
}

static Term scan_pause(Scan *s)
{
    unsigned flags = s->kind | (s->reverse ? FLAG_REVERSE : 0) | (s->fixed ? FLAG_FIXED : 0);
    const Term args[7] = {heap_magic_ref(s->p, s->t->magic), heap_magic_ref(s->p, s->spec), make_small(flags),
        s->position,
                          make_small((int64_t)s->limit), s->list, make_small((int64_t)s->got)};
    scan_unlock(s);
    return p_trap(s->p, export_put(A_dollar_ets, A_scan, 7), 7, args);
}

/* Lets go of all and gives the result. */
static Term scan_finish(Scan *s, ScanState state)
{
    p_charge(s->p, (intptr_t)(SCAN_BUDGET - s->budget));
    match_end(&s->run);
    Term result;
    if (!s->bad && state == SCAN_PAUSE) {
        result = scan_pause(s);
    } else {
        result = s->bad                      ? p_badarg(s->p)
                 : s->kind != SCAN_SELECT    ? make_small((int64_t)s->got)
                 : s->limit                  ? scan_chunk(s, state)
                                             : s->list;
        scan_set_fixed(s, false);
        if (s->kind == SCAN_DELETE && !table_is_fixed(s->t) && !store_is_tree(&s->t->store)) {
            for (size_t i = 0; i < s->got; i += 2) {
                hash_shrink(&s->t->store);
            }
        }
        scan_unlock(s);
    }
    magic_release(s->spec);
    return result;
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static bool scan_init(Scan *s, Proc *p, Term id, ScanKind kind)
{
    bool writes = scan_writes(kind);
    s->p = p;
    s->kind = kind;
    s->reverse = s->fixed = s->bad = false;
    s->limit = s->got = 0;
    s->list = NIL;
    s->position = NONVALUE;
    s->budget = SCAN_BUDGET;
    s->t = table_get(p, id, writes ? ACCESS_WRITE : ACCESS_READ, writes);
    if (s->t) {
        magic_retain(s->t->magic);
    }
    return s->t != NULL;
}

/* Compiles and retains; the table is locked. */
static bool scan_compile(Scan *s, Term spec)
{
    s->spec = match_compile(s->p, spec, MATCH_TABLE, NULL);
    if (!s->spec) {
        return false;
    }
    magic_retain(s->spec);
    match_start(&s->run, s->p, match_magic_prog(s->spec), true);
    return true;
}

static Term scan_whole(Scan *s)
{
    const EtsStore *store = &s->t->store;
    if (scan_is_keyed(s)) {
        scan_keys(s);
        s->position = make_small(-1);
        return scan_finish(s, s->limit && s->got > s->limit ? SCAN_CHUNK : SCAN_END);
    }
    if (!store_is_tree(store) && store->u.hash.active + store->count > SCAN_BUDGET) {
        scan_set_fixed(s, true);
    }
    return scan_finish(s, scan_from(s, NONVALUE));
}

static Term scan_all(Proc *p, Term id, Term spec, ScanKind kind, bool reverse)
{
    Scan s;
    if (!scan_init(&s, p, id, kind)) {
        return NONVALUE;
    }
    s.reverse = reverse;
    if (kind == SCAN_REPLACE && s.t->store.type == ETS_BAG) { /* two objects might become one */
        scan_unlock(&s);
        return p_badarg_cause(p, A_table_type);
    }
    if (is_nil(spec)) { /* nothing matches, says OTP */
        scan_unlock(&s);
        return kind == SCAN_SELECT ? NIL : make_small(0);
    }
    if (!scan_compile(&s, spec)) {
        scan_unlock(&s);
        return p_badarg(p);
    }
    if (kind == SCAN_REPLACE && !match_keeps_key(match_magic_prog(s.spec), s.t->store.keypos)) {
        s.bad = true;
        return scan_finish(&s, SCAN_END);
    }
    return scan_whole(&s);
}

static Term scan_limited(Proc *p, Term id, Term spec, Term limit, bool reverse)
{
    Scan s;
    if (!scan_init(&s, p, id, SCAN_SELECT)) {
        return NONVALUE;
    }
    s.reverse = reverse;
    if (!is_small(limit) || small_value(limit) < 1 || !scan_compile(&s, spec)) {
        scan_unlock(&s);
        return p_badarg(p);
    }
    s.limit = (size_t)small_value(limit);
    match_set_table(s.spec, s.t->magic->ref_numbers);
    return scan_whole(&s);
}

/* --- going on ----------------------------------------------------------------------------------------------------- */

static bool scan_resume(Scan *s, Term spec)
{
    const MatchProg *m = match_prog_of(spec);
    /* A name may name another table by now; OTP lets that pass for trees. */
    if (!m || (!store_is_tree(&s->t->store) && !match_is_for_table(m, s->t->magic->ref_numbers))) {
        return false;
    }
    s->spec = match_magic_of(spec);
    magic_retain(s->spec);
    match_start(&s->run, s->p, match_magic_prog(s->spec), true);
    return true;
}

/* '$ets':scan(Table, Spec, Flags, Position, Limit, List, Count) */
NATIVE(native_ets_trap_scan)
{
    Scan s;
    if (!is_small(a[2]) || !is_small(a[4]) || !is_small(a[6])) {
        return p_badarg(p);
    }
    if (!scan_init(&s, p, a[0], (ScanKind)(small_value(a[2]) & KIND_MASK))) {
        return NONVALUE;
    }
    s.reverse = small_value(a[2]) & FLAG_REVERSE;
    s.fixed = small_value(a[2]) & FLAG_FIXED;
    s.limit = (size_t)small_value(a[4]);
    s.list = a[5];
    s.got = (size_t)small_value(a[6]);
    if (!scan_resume(&s, a[1])) {
        scan_unlock(&s);
        return p_badarg(p);
    }
    return scan_finish(&s, scan_from(&s, a[3]));
}

/* From what was found before and not given out, then from where the scan stopped. */
static Term continue_hash(Scan *s, const Term *c)
{
    int64_t bucket = small_value(c[1]);
    s->list = c[4];
    s->got = (size_t)small_value(c[5]);
    s->position = c[1];
    if (bucket < 0 || s->got >= s->limit) {
        return scan_finish(s, bucket >= 0 || s->got > s->limit ? SCAN_CHUNK : SCAN_END);
    }
    if (s->t->store.u.hash.active + s->t->store.count > SCAN_BUDGET) {
        scan_set_fixed(s, true);
    }
    return scan_finish(s, scan_from(s, c[1]));
}

static bool continuation_is_hash(const Term *c, size_t n)
{
    return n == 6 && is_small(c[1]) && is_small(c[2]) && small_value(c[2]) > 0 && is_list(c[4]) && is_small(c[5]) &&
           small_value(c[5]) >= 0 && list_length(c[4]) == small_value(c[5]);
}

static bool continuation_is_tree(const Term *c, size_t n)
{
    return n == 8 && is_small(c[3]) && small_value(c[3]) > 0 && is_small(c[6]) && is_small(c[7]);
}

static Term scan_continue(Proc *p, Term continuation)
{
    if (continuation == A_end_of_table) {
        return continuation;
    }
    if (!is_tuple(continuation) || tuple_arity(continuation) == 0) {
        return p_badarg(p);
    }
    const Term *c = tuple_elements(continuation);
    size_t n = tuple_arity(continuation);
    Scan s;
    if (!scan_init(&s, p, c[0], SCAN_SELECT)) {
        return NONVALUE;
    }
    bool tree = store_is_tree(&s.t->store);
    if (!(tree ? continuation_is_tree(c, n) : continuation_is_hash(c, n)) || !scan_resume(&s, c[tree ? 4 : 3])) {
        scan_unlock(&s);
        return p_badarg(p);
    }
    s.limit = (size_t)small_value(c[tree ? 3 : 2]);
    if (!tree) {
        return continue_hash(&s, c);
    }
    s.reverse = c[6] != make_small(0);
    return scan_finish(&s, scan_from(&s, c[1]));
}

/* --- natives ------------------------------------------------------------------------------------------------------ */

/* [{Pattern, [], [Result]}] */
static Term spec_of_pattern(Proc *p, Term pattern, Term result)
{
    return heap_cons_on(p, heap_tuple3(p, pattern, NIL, heap_cons_on(p, result, NIL)), NIL);
}

NATIVE(native_ets_select_1) { return scan_continue(p, a[0]); }
NATIVE(native_ets_select_2) { return scan_all(p, a[0], a[1], SCAN_SELECT, false); }
NATIVE(native_ets_select_3) { return scan_limited(p, a[0], a[1], a[2], false); }
NATIVE(native_ets_select_reverse_2) { return scan_all(p, a[0], a[1], SCAN_SELECT, true); }
NATIVE(native_ets_select_reverse_3) { return scan_limited(p, a[0], a[1], a[2], true); }
NATIVE(native_ets_match_2)
{
    return scan_all(p, a[0], spec_of_pattern(p, a[1], A_dollar_dollar), SCAN_SELECT, false);
}
NATIVE(native_ets_match_3)
{
    return scan_limited(p, a[0], spec_of_pattern(p, a[1], A_dollar_dollar), a[2], false);
}
NATIVE(native_ets_match_object_2)
{
    return scan_all(p, a[0], spec_of_pattern(p, a[1], A_dollar_underscore), SCAN_SELECT, false);
}
NATIVE(native_ets_match_object_3)
{
    return scan_limited(p, a[0], spec_of_pattern(p, a[1], A_dollar_underscore), a[2], false);
}
NATIVE(native_ets_select_count) { return scan_all(p, a[0], a[1], SCAN_COUNT, false); }
NATIVE(native_ets_internal_select_delete) { return scan_all(p, a[0], a[1], SCAN_DELETE, false); }
NATIVE(native_ets_select_replace) { return scan_all(p, a[0], a[1], SCAN_REPLACE, false); }
