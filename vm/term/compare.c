/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Term order. Whatever can be decided without looking inside is (compare_at_once); most comparisons end there. The rest
 * is a walk over both terms with an explicit stack: what is still to be compared lies in frames, so depth costs memory
 * and never C stack. Frames:
 *
 *   range     the next elements of two arrays (tuples, fun environments, keys and values of flat maps)
 *   tails     the tails of two cons cells whose heads are being compared
 *   tries     two large maps of one size: see TrieCompare
 *
 * The comparison under way always belongs to the top frame. The first two kinds end with the first difference;
 * tries collects results.
 */
#include "vm/term/compare.h"

#include <limits.h>

#include "vm/load/code.h"
#include "vm/term/atom.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

/* Kinds in term order. */
enum { K_NUMBER, K_ATOM, K_REF, K_FUN, K_PORT, K_PID, K_TUPLE, K_MAP, K_NIL, K_LIST, K_BITS };

static const uint8_t kind_of_sub[16] = {
    [SUB_TUPLE] = K_TUPLE,     [SUB_MATCH] = K_BITS,      [SUB_POS_BIG] = K_NUMBER,
    [SUB_NEG_BIG] = K_NUMBER,  [SUB_REF] = K_REF,         [SUB_FUN] = K_FUN,
    [SUB_FLOAT] = K_NUMBER,    [SUB_EXPORT] = K_FUN,      [SUB_REFC_BIN] = K_BITS,
    [SUB_HEAP_BIN] = K_BITS,   [SUB_SUB_BIN] = K_BITS,    [SUB_BUFFER] = K_BITS,
    [SUB_EXT_PID] = K_PID,     [SUB_EXT_PORT] = K_PORT,   [SUB_EXT_REF] = K_REF,
    [SUB_MAP] = K_MAP,
};

static inline unsigned kind_of(Term t)
{
    switch (t & 3) {
    case TAG_LIST:
        return K_LIST;
    case TAG_BOXED:
        return kind_of_sub[boxed_sub(t)];
    default:
        break;
    }
    switch (t & 0xf) {
    case IMM_SMALL:
        return K_NUMBER;
    case IMM_PID:
        return K_PID;
    case IMM_PORT:
        return K_PORT;
    default:
        return is_atom(t) ? K_ATOM : K_NIL;
    }
}

static inline int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* --- leaves --------------------------------------------------------------------------------- */
typedef struct Identity {
    Term node;
    uint64_t creation, data;
} Identity;

static Identity identity_of(Term t, uint64_t local_data)
{
    if (is_immed(t)) {
        return (Identity){.node = A_nonode, .data = local_data};
    }
    const ExtPid *e = (const ExtPid *)boxed_ptr(t);
    return (Identity){e->node, e->creation, e->data};
}

static int compare_nodes(Term a, uint64_t a_creation, Term b, uint64_t b_creation)
{
    return a != b ? atom_compare(a, b) : order(a_creation, b_creation);
}

static int compare_pids(Term a, Term b)
{
    Identity x = identity_of(a, 0), y = identity_of(b, 0);
    x.data = is_immed(a) ? (uint64_t)pid_serial(a) << 32 | pid_number(a) : x.data;
    y.data = is_immed(b) ? (uint64_t)pid_serial(b) << 32 | pid_number(b) : y.data;
    int c = order(x.data, y.data);
    return c ? c : compare_nodes(x.node, x.creation, y.node, y.creation);
}

static int compare_ports(Term a, Term b)
{
    Identity x = identity_of(a, port_number(a)), y = identity_of(b, port_number(b));
    int c = compare_nodes(x.node, x.creation, y.node, y.creation);
    return c ? c : order(x.data, y.data);
}

typedef struct RefNumbers {
    Term node;
    uint64_t creation;
    uint32_t n[6]; /* missing ones are 0 */
} RefNumbers;

static void ref_numbers(Term t, RefNumbers *r)
{
    *r = (RefNumbers){.node = A_nonode};
    if (is_local_ref(t)) {
        const Ref *ref = ref_ptr(t);
        r->n[0] = (uint32_t)ref->n01;
        r->n[1] = (uint32_t)(ref->n01 >> 32);
        r->n[2] = (uint32_t)ref->n2;
        return;
    }
    const ExtRef *e = (const ExtRef *)boxed_ptr(t);
    r->node = e->node;
    r->creation = e->creation;
    for (size_t i = 0; i < e->count && i < 6; i++) {
        r->n[i] = e->n[i];
    }
}

static int compare_refs(Term a, Term b)
{
    RefNumbers x, y;
    ref_numbers(a, &x);
    ref_numbers(b, &y);
    int c = compare_nodes(x.node, x.creation, y.node, y.creation);
    for (int i = 5; i >= 0 && c == 0; i--) {
        c = order(x.n[i], y.n[i]);
    }
    return c;
}

static int compare_exports(const Export *a, const Export *b)
{
    int c = atom_compare(export_module(a), export_module(b));
    c = c ? c : atom_compare(export_function(a), export_function(b));
    return c ? c : order(export_arity(a), export_arity(b));
}

static size_t fun_free_count(const Fun *f)
{
    return header_arity(f->header) - 2;
}

/* Funs but for their environments; 0 for two equal export funs. Local funs come before export funs. */
static int compare_fun_heads(Term a, Term b)
{
    bool a_local = is_local_fun(a), b_local = is_local_fun(b);
    if (!a_local || !b_local) {
        return a_local != b_local ? (a_local ? -1 : 1)
                                  : compare_exports(export_fun_export(a), export_fun_export(b));
    }
    const Fun *f = fun_ptr(a), *g = fun_ptr(b);
    int c = f->entry->module == g->entry->module
                ? 0 : atom_compare(f->entry->module, g->entry->module);
    c = c ? c : order(f->entry->old_index, g->entry->old_index);
    c = c ? c : order(f->entry->old_uniq, g->entry->old_uniq);
    return c ? c : order(fun_free_count(f), fun_free_count(g));
}

static int bits_compare_terms(Term a, Term b)
{
    if (boxed_sub(a) == SUB_HEAP_BIN && boxed_sub(b) == SUB_HEAP_BIN) {
        const HeapBin *x = (HeapBin *)boxed_ptr(a), *y = (HeapBin *)boxed_ptr(b);
        int c = memcmp(x->data, y->data, x->size < y->size ? x->size : y->size);
        return c ? (c < 0 ? -1 : 1) : order(x->size, y->size);
    }
    return bits_compare(bits_view(a), bits_view(b));
}

static int compare_numbers(Term a, Term b, bool exact)
{
    if (is_float(a) && is_float(b)) {
        double x = float_value(a), y = float_value(b);
        return (x > y) - (x < y);
    }
    if (exact && is_float(a) != is_float(b)) {
        return is_float(a) ? 1 : -1;
    }
    return number_compare(a, b);
}

/* --- frames --------------------------------------------------------------------------------- */
typedef enum { FRAME_RANGE, FRAME_TAILS, FRAME_TRIES } FrameKind;

/*
 * Two large maps of one size. The one with the smallest key that the other has not is the smaller; if
 * the keys are the same (then both tries have one form and iterate in step), the values of the smallest key
 * with different values decide.
 */
typedef enum { TRIE_SCAN_A, TRIE_SCAN_B, TRIE_KEYS_DIFFER, TRIE_VALUES, TRIE_KEY_OF_VALUES } TrieStep;
typedef struct TrieCompare {
    Term map_a, map_b;
    MapIter a, b;
    Term low_a, low_b; /* smallest key so far that is only in a, in b, or (low_a) whose values differ */
    Term key;          /* being compared with it */
    int verdict;       /* for low_a */
    int pending;       /* for key */
    TrieStep step;
} TrieCompare;

typedef struct Frame {
    FrameKind kind;
    bool exact;
    union {
        struct {
            const Term *a, *b;
            size_t n;
        } range;
        struct {
            Term a, b;
        } tails;
        TrieCompare *tries;
    } u;
} Frame;

enum { LOCAL_FRAMES = 32 };
typedef struct Walk {
    Frame *frames;
    size_t count, capacity;
    Frame local[LOCAL_FRAMES];
} Walk;

static Frame *walk_push(Walk *w, FrameKind kind, bool exact)
{
    if (w->count == w->capacity) {
        w->frames = vm_stack_grow(w->frames, w->local, &w->capacity, sizeof(Frame));
    }
    Frame *f = &w->frames[w->count++];
    f->kind = kind;
    f->exact = exact;
    return f;
}

static void push_range(Walk *w, const Term *a, const Term *b, size_t n, bool exact)
{
    if (n > 0 && a != b) {
        Frame *f = walk_push(w, FRAME_RANGE, exact);
        f->u.range.a = a;
        f->u.range.b = b;
        f->u.range.n = n;
    }
}

static void walk_pop(Walk *w)
{
    Frame *f = &w->frames[--w->count];
    if (f->kind == FRAME_TRIES) {
        vm_free(f->u.tries);
    }
}

static void push_tries(Walk *w, Term a, Term b, bool exact)
{
    TrieCompare *t = vm_alloc(sizeof *t);
    *t = (TrieCompare){.map_a = a, .map_b = b, .step = TRIE_SCAN_A};
    map_iter_init(&t->a, a);
    walk_push(w, FRAME_TRIES, exact)->u.tries = t;
}

typedef struct Pair {
    Term a, b;
    bool exact;
} Pair;

/* Next key of `it` that `other` has not; NONVALUE at the end. */
static Term next_missing(MapIter *it, Term other)
{
    Term key, value;
    while (map_iter_next(it, &key, &value)) {
        if (map_get(other, key) == NONVALUE) {
            return key;
        }
    }
    return NONVALUE;
}

/* Goes on with the scan of one side. True: `next` is to be compared. */
static bool trie_scan(MapIter *it, Term other, Term *low, Term *candidate, Pair *next)
{
    for (;;) {
        Term key = next_missing(it, other);
        if (key == NONVALUE) {
            return false;
        }
        if (*low == NONVALUE) {
            *low = key;
            continue;
        }
        *candidate = key;
        *next = (Pair){key, *low, true};
        return true;
    }
}

/* Goes on after a comparison that gave r (`first`: there was none). True: compare *next; false: *result is known. */
static bool trie_step(TrieCompare *t, bool exact, bool first, int r, Pair *next, int *result)
{
    Term value_a, value_b, key_b;
    switch (t->step) {
    case TRIE_SCAN_A:
        if (!first && r < 0) {
            t->low_a = t->key;
        }
        if (trie_scan(&t->a, t->map_b, &t->low_a, &t->key, next)) {
            return true;
        }
        map_iter_init(&t->b, t->map_b);
        if (t->low_a == NONVALUE) {
            map_iter_init(&t->a, t->map_a);
            t->step = TRIE_VALUES;
            r = 0;
            break;
        }
        t->step = TRIE_SCAN_B;
        r = 0;
        __attribute__((fallthrough));
    case TRIE_SCAN_B:
        if (r < 0) {
            t->low_b = t->key;
        }
        if (trie_scan(&t->b, t->map_a, &t->low_b, &t->key, next)) {
            return true;
        }
        t->step = TRIE_KEYS_DIFFER;
        *next = (Pair){t->low_a, t->low_b, true};
        return true;
    case TRIE_KEYS_DIFFER:
        *result = r;
        return false;
    case TRIE_VALUES:
        if (r != 0 && t->low_a != NONVALUE) {
            t->pending = r;
            t->step = TRIE_KEY_OF_VALUES;
            *next = (Pair){t->key, t->low_a, true};
            return true;
        }
        if (r != 0) {
            t->low_a = t->key;
            t->verdict = r;
        }
        break;
    case TRIE_KEY_OF_VALUES:
        if (r < 0) {
            t->low_a = t->key;
            t->verdict = t->pending;
        }
        t->step = TRIE_VALUES;
        break;
    }
    if (map_iter_next(&t->a, &t->key, &value_a) && map_iter_next(&t->b, &key_b, &value_b)) {
        *next = (Pair){value_a, value_b, exact};
        return true;
    }
    *result = t->verdict;
    return false;
}

/* --- the walk --------------------------------------------------------------------------------- */
enum { INSIDE = INT_MAX }; /* no order yet: both are containers of one kind, to be looked into */

/* Two different terms, as far as that needs no looking inside. */
static int compare_apart(Term a, Term b, bool exact)
{
    unsigned kind = kind_of(a), kind_b = kind_of(b);
    if (kind != kind_b) {
        return kind < kind_b ? -1 : 1;
    }
    switch (kind) {
    case K_NUMBER:
        return compare_numbers(a, b, exact);
    case K_ATOM:
        return atom_compare(a, b) < 0 ? -1 : 1;
    case K_REF:
        return compare_refs(a, b);
    case K_PORT:
        return compare_ports(a, b);
    case K_PID:
        return compare_pids(a, b);
    case K_TUPLE:
        return tuple_arity(a) != tuple_arity(b) ? order(tuple_arity(a), tuple_arity(b)) : tuple_arity(a) ? INSIDE : 0;
    case K_BITS:
        return bits_compare_terms(a, b);
    case K_MAP:
    case K_FUN:
    case K_LIST:
        return INSIDE;
    default:
        return 0; /* nil */
    }
}

static inline int compare_at_once(Term a, Term b, bool exact)
{
    if (is_both_small(a, b)) {
        return ((int64_t)a > (int64_t)b) - ((int64_t)a < (int64_t)b);
    }
    return a == b ? 0 : compare_apart(a, b, exact);
}

/* Each of these compares two containers as far as it can. INSIDE: go on with *next, what follows it is in frames. */
static int walk_array(Walk *w, const Term *a, const Term *b, size_t n, bool exact, Pair *next)
{
    for (size_t i = 0; i < n; i++) {
        int r = compare_at_once(a[i], b[i], exact);
        if (r == INSIDE) {
            push_range(w, a + i + 1, b + i + 1, n - i - 1, exact);
            *next = (Pair){a[i], b[i], exact};
        }
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

static int walk_lists(Walk *w, Term a, Term b, bool exact, Pair *next)
{
    while (is_cons(a) && is_cons(b) && a != b) {
        Term x = cons_head(a), y = cons_head(b);
        a = cons_tail(a);
        b = cons_tail(b);
        int r = compare_at_once(x, y, exact);
        if (r == INSIDE) {
            Frame *f = walk_push(w, FRAME_TAILS, exact);
            f->u.tails.a = a;
            f->u.tails.b = b;
            *next = (Pair){x, y, exact};
        }
        if (r != 0) {
            return r;
        }
    }
    *next = (Pair){a, b, exact};
    return compare_at_once(a, b, exact);
}

static int walk_maps(Walk *w, Term a, Term b, bool exact, Pair *next)
{
    size_t n = map_size(a);
    if (n != map_size(b)) {
        return order(n, map_size(b));
    }
    if (is_flat_map(a) && is_flat_map(b)) {
        push_range(w, flat_map_values(a), flat_map_values(b), n, exact);
        return walk_array(w, tuple_elements(flat_map_keys(a)), tuple_elements(flat_map_keys(b)), n, true, next);
    }
    int r;
    push_tries(w, a, b, exact);
    if (trie_step(w->frames[w->count - 1].u.tries, exact, true, 0, next, &r)) {
        return compare_at_once(next->a, next->b, next->exact);
    }
    walk_pop(w);
    return r;
}

static int walk_pair(Walk *w, Pair pair, Pair *next)
{
    if (pair.a == pair.b) { /* from a frame */
        return 0;
    }
    switch (kind_of(pair.a)) {
    case K_LIST:
        return walk_lists(w, pair.a, pair.b, pair.exact, next);
    case K_TUPLE:
        return walk_array(w, tuple_elements(pair.a), tuple_elements(pair.b), tuple_arity(pair.a), pair.exact, next);
    case K_MAP:
        return walk_maps(w, pair.a, pair.b, pair.exact, next);
    default: {
        const Fun *f = fun_ptr(pair.a), *g = fun_ptr(pair.b);
        int c = compare_fun_heads(pair.a, pair.b);
        return c || !is_local_fun(pair.a) ? c : walk_array(w, f->env, g->env, fun_free_count(f), pair.exact, next);
    }
    }
}

/* Takes result r up the frames until one has more to compare. False: r is final. */
static bool walk_advance(Walk *w, int *r, Pair *next)
{
    while (w->count > 0) {
        Frame *f = &w->frames[w->count - 1];
        if (f->kind == FRAME_TRIES) {
            if (trie_step(f->u.tries, f->exact, false, *r, next, r)) {
                return true;
            }
            walk_pop(w);
        } else if (*r != 0) {
            walk_pop(w);
        } else if (f->kind == FRAME_TAILS) {
            *next = (Pair){f->u.tails.a, f->u.tails.b, f->exact};
            walk_pop(w);
            return true;
        } else {
            *next = (Pair){*f->u.range.a++, *f->u.range.b++, f->exact};
            if (--f->u.range.n == 0) {
                walk_pop(w);
            }
            return true;
        }
    }
    return false;
}

static int compare_inside(Term a, Term b, bool exact)
{
    Walk w;
    w.frames = w.local;
    w.count = 0;
    w.capacity = LOCAL_FRAMES;
    Pair next = {a, b, exact};
    int r = INSIDE;
    do {
        while (r == INSIDE) {
            r = walk_pair(&w, next, &next);
        }
        if (!walk_advance(&w, &r, &next)) {
            break;
        }
        r = compare_at_once(next.a, next.b, next.exact);
    } while (true);
    if (w.frames != w.local) {
        vm_free(w.frames);
    }
    return r;
}

int term_compare_slow(Term a, Term b)
{
    int r = compare_at_once(a, b, false);
    return r == INSIDE ? compare_inside(a, b, false) : r;
}

int term_compare_exact(Term a, Term b)
{
    int r = compare_at_once(a, b, true);
    return r == INSIDE ? compare_inside(a, b, true) : r;
}
