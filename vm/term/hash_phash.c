/* SPDX-License-Identifier: Apache-2.0 */
/* erlang:phash/2: the older portable hash. Every value is fixed for ever; see hash_portable.c. */
#include "vm/load/code.h"
#include "vm/term/atom.h"
#include "vm/term/big.h"
#include "vm/term/binary.h"
#include "vm/term/hash.h"

/* Primes just above 2^28, one for each use. */
enum {
    P_ATOM = 268440163, P_BYTE = 268439161, P_POSITIVE = 268435459, P_NEGATIVE = 268436141,
    P_PID = 268438633, P_PID_END = 268437017, P_LIST_END = 268437511, P_TUPLE_END = 268439627,
    P_REF_END = 268440479, P_EXPORT = 268440577, P_BITS = 268440581, P_MAP = 268440593,
    P_MAP_ADD = 268440611,
};

typedef enum { DO_TERM, DO_ELEMENTS, DO_ENV, DO_TAIL, DO_LIST_END } Todo;
typedef struct Entry {
    Todo todo;
    Term term; /* the term, or the tail of a list */
    const Term *next;
    size_t n, arity;
} Entry;

enum { LOCAL_ENTRIES = 24 };
typedef struct Hasher {
    uint32_t h;
    Entry *entries;
    size_t count, capacity;
    Entry local[LOCAL_ENTRIES];
} Hasher;

static void push(Hasher *s, Entry e)
{
    if (s->count == s->capacity) {
        s->entries = vm_stack_grow(s->entries, s->local, &s->capacity, sizeof(Entry));
    }
    s->entries[s->count++] = e;
}

/* n bytes of v, lowest first. */
static uint32_t add_bytes(uint32_t h, uint64_t v, unsigned n, uint32_t prime)
{
    for (unsigned i = 0; i < n; i++, v >>= 8) {
        h = h * prime + (uint32_t)(v & 0xff);
    }
    return h;
}

static uint32_t add_integer(uint32_t h, Term t)
{
    BigView b;
    big_view(t, &b);
    for (size_t i = 0; i + 1 < b.n; i++) {
        h = add_bytes(h, b.d[i], 8, P_BYTE);
    }
    uint64_t top = b.n ? b.d[b.n - 1] : 0;
    h = add_bytes(h, top, top >> 32 ? 8 : 4, P_BYTE);
    return h * (b.neg ? (uint32_t)P_NEGATIVE : (uint32_t)P_POSITIVE);
}

static uint32_t add_bits(uint32_t h, Term t)
{
    Bits v = bits_view(t);
    size_t n = v.bit_size / 8;
    unsigned extra = v.bit_size % 8;
    uint8_t byte = 0;
    for (size_t i = 0; i < n; i++) {
        bits_copy(&byte, 0, v.base, v.bit_offset + 8 * i, 8);
        h = h * P_ATOM + byte;
    }
    if (extra) {
        byte = 0;
        bits_copy(&byte, 0, v.base, v.bit_offset + 8 * n, extra);
        h = (h * P_ATOM + (uint32_t)(byte >> (8 - extra))) * P_BITS + extra;
    }
    return h * P_NEGATIVE + (uint32_t)n;
}

static uint32_t add_id(uint32_t h, uint64_t number, uint32_t step, uint32_t end)
{
    if (number >> 32) { /* ports only */
        h = add_bytes(h, number >> 32, 4, P_EXPORT);
    }
    return add_bytes(h, number, 4, step) * end;
}

static uint32_t add_immediate(uint32_t h, Term t)
{
    if (is_small(t)) {
        return add_integer(h, t);
    }
    if (is_atom(t)) {
        return h * P_ATOM + atom_hash(t);
    }
    if (is_local_pid(t)) {
        return add_id(h, pid_number(t), P_PID, P_PID_END);
    }
    if (is_local_port(t)) {
        return add_id(h, port_number(t), P_TUPLE_END, P_REF_END);
    }
    return h * P_POSITIVE + 1; /* nil */
}

static void visit_fun(Hasher *s, const Fun *f)
{
    size_t n = header_arity(f->header) - 2;
    uint32_t h = s->h * P_REF_END + (uint32_t)n;
    h = h * P_ATOM + atom_hash(f->entry->module);
    h = h * P_BYTE + f->entry->old_index;
    s->h = h * P_BYTE + f->entry->old_uniq;
    push(s, (Entry){.todo = DO_ENV, .next = f->env, .n = n});
}

static void visit_boxed(Hasher *s, Term t)
{
    const Word *o = boxed_ptr(t);
    switch (header_sub(*o)) {
    case SUB_TUPLE:
        push(s, (Entry){.todo = DO_ELEMENTS, .next = o + 1, .n = header_arity(*o),
                        .arity = header_arity(*o)});
        break;
    case SUB_POS_BIG:
    case SUB_NEG_BIG:
        s->h = add_integer(s->h, t);
        break;
    case SUB_FLOAT: {
        double d = float_value(t);
        uint64_t v;
        d = d == 0.0 ? 0.0 : d;
        memcpy(&v, &d, sizeof v);
        s->h = s->h * P_PID_END + ((uint32_t)v ^ (uint32_t)(v >> 32));
        break;
    }
    case SUB_REF:
        s->h = add_id(s->h, (uint32_t)((const Ref *)o)->n01, P_TUPLE_END, P_REF_END);
        break;
    case SUB_EXT_REF:
        s->h = add_id(s->h, ((const ExtRef *)o)->n[0], P_TUPLE_END, P_REF_END);
        break;
    case SUB_EXT_PID:
        s->h = add_id(s->h, (uint32_t)((const ExtPid *)o)->data, P_PID, P_PID_END);
        break;
    case SUB_EXT_PORT:
        s->h = add_id(s->h, ((const ExtPid *)o)->data, P_TUPLE_END, P_REF_END);
        break;
    case SUB_FUN:
        visit_fun(s, (const Fun *)o);
        break;
    case SUB_EXPORT: {
        const Export *e = ((const ExportFun *)o)->export;
        s->h = s->h * P_EXPORT + export_arity(e);
        s->h = s->h * P_ATOM + atom_hash(export_module(e));
        s->h = s->h * P_ATOM + atom_hash(export_function(e));
        break;
    }
    case SUB_MAP:
        s->h = s->h * P_MAP + P_MAP_ADD + term_hash_portable2(t);
        break;
    default:
        s->h = add_bits(s->h, t);
    }
}

static void visit(Hasher *s, Term t)
{
    while (is_cons(t) && is_small(cons_head(t)) && (uint64_t)small_value(cons_head(t)) < 256) {
        s->h = s->h * P_BYTE + (uint32_t)small_value(cons_head(t));
        t = cons_tail(t);
        if (!is_cons(t)) {
            push(s, (Entry){.todo = DO_LIST_END});
        }
    }
    if (is_cons(t)) {
        push(s, (Entry){.todo = DO_TAIL, .term = cons_tail(t)});
        push(s, (Entry){.todo = DO_TERM, .term = cons_head(t)});
    } else if (is_boxed(t)) {
        visit_boxed(s, t);
    } else {
        s->h = add_immediate(s->h, t);
    }
}

/* Takes the top entry one step on. */
static void step(Hasher *s)
{
    Entry *e = &s->entries[s->count - 1];
    Entry taken = *e;
    if ((e->todo == DO_ELEMENTS || e->todo == DO_ENV) && e->n > 0) {
        e->next++;
        e->n--;
        visit(s, *taken.next);
        return;
    }
    s->count--;
    switch (taken.todo) {
    case DO_TERM:
        visit(s, taken.term);
        break;
    case DO_TAIL:
        if (!is_cons(taken.term)) {
            push(s, (Entry){.todo = DO_LIST_END});
        }
        visit(s, taken.term);
        break;
    case DO_LIST_END:
        s->h *= P_LIST_END;
        break;
    case DO_ELEMENTS:
        s->h = s->h * P_TUPLE_END + (uint32_t)taken.arity;
        break;
    case DO_ENV:
        break;
    }
}

uint32_t term_hash_phash(Term t, uint32_t range)
{
    Hasher s = {.entries = s.local, .capacity = LOCAL_ENTRIES};
    visit(&s, t);
    while (s.count > 0) {
        step(&s);
    }
    if (s.entries != s.local) {
        vm_free(s.entries);
    }
    return range ? 1 + s.h % range : 1 + s.h; /* 2^32 wraps to 0: the native widens */
}
