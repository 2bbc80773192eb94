/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTP's portable hashes, phash2 and the older phash. Their values are a public interface (Mnesia and others store
 * them), so every constant and every odd turn here is fixed. phash2 feeds 32-bit pairs to Bob Jenkins's
 * 1996 mixing step; phash multiplies by primes. Both walk with an explicit stack.
 */
#include "vm/load/code.h"
#include "vm/term/atom.h"
#include "vm/term/big.h"
#include "vm/term/binary.h"
#include "vm/term/hash.h"
#include "vm/term/map.h"

/* --- Jenkins ------------------------------------------------------------------------------------ */
#define GOLDEN 0x9e3779b9u
/* phash2 seeds each kind of term with a multiple of the golden ratio. */
#define SEED(k) ((uint32_t)(k) * GOLDEN)
enum {
    KIND_SMALL = 1, KIND_NIL = 2, KIND_ATOM = 3, KIND_STRING = 4, KIND_PID = 5, KIND_PORT = 6,
    KIND_REF = 7, KIND_TUPLE = 9, KIND_NEGATIVE = 10, KIND_POSITIVE = 11, KIND_FLOAT = 12,
    KIND_BINARY = 13, KIND_EXPORT = 14, KIND_TAIL_BITS = 15, KIND_MAP = 16, KIND_MAP_END = 19,
};

static inline uint32_t jenkins(uint32_t a, uint32_t b, uint32_t c)
{
    a = (a - b - c) ^ (c >> 13);
    b = (b - c - a) ^ (a << 8);
    c = (c - a - b) ^ (b >> 13);
    a = (a - b - c) ^ (c >> 12);
    b = (b - c - a) ^ (a << 16);
    c = (c - a - b) ^ (b >> 5);
    a = (a - b - c) ^ (c >> 3);
    b = (b - c - a) ^ (a << 10);
    c = (c - a - b) ^ (b >> 15);
    return c;
}

static inline uint32_t add_pair(uint32_t h, uint32_t x, uint32_t y, unsigned kind)
{
    return jenkins(SEED(kind) + x, SEED(kind) + y, h);
}

static inline uint32_t add_one(uint32_t h, uint32_t x, unsigned kind)
{
    return add_pair(h, x, 0, kind);
}

static uint32_t little_endian(const uint8_t *p, size_t n)
{
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint32_t)p[i] << (8 * i);
    }
    return v;
}

static uint32_t jenkins_bytes(const uint8_t *data, size_t n, uint32_t start)
{
    uint32_t a = GOLDEN, b = GOLDEN, c = start;
    size_t left = n;
    for (; left >= 12; left -= 12, data += 12) {
        a += little_endian(data, 4);
        b += little_endian(data + 4, 4);
        c = c + little_endian(data + 8, 4);
        /* The step changes all three; only here are a and b carried on. */
        a = (a - b - c) ^ (c >> 13);
        b = (b - c - a) ^ (a << 8);
        c = (c - a - b) ^ (b >> 13);
        a = (a - b - c) ^ (c >> 12);
        b = (b - c - a) ^ (a << 16);
        c = (c - a - b) ^ (b >> 5);
        a = (a - b - c) ^ (c >> 3);
        b = (b - c - a) ^ (a << 10);
        c = (c - a - b) ^ (b >> 15);
    }
    c += (uint32_t)n;
    a += little_endian(data, left < 4 ? left : 4);
    b += left > 4 ? little_endian(data + 4, left < 8 ? left - 4 : 4) : 0;
    c += left > 8 ? little_endian(data + 8, left - 8) << 8 : 0; /* its low byte is the length */
    return jenkins(a, b, c);
}

/* --- bits ------------------------------------------------------------------------------------------ */
typedef struct Bytes {
    const uint8_t *data;
    size_t n;       /* whole bytes */
    unsigned bits;  /* more bits after them, 0..7 */
    unsigned tail;  /* their value */
    uint8_t *owned;
} Bytes;

static void bytes_of(Term t, Bytes *b)
{
    Bits v = bits_view(t);
    b->n = v.bit_size / 8;
    b->bits = v.bit_size % 8;
    b->owned = NULL;
    if (v.bit_offset % 8 == 0) {
        b->data = v.base + v.bit_offset / 8;
    } else {
        b->owned = vm_alloc(b->n + 1);
        b->owned[b->n] = 0;
        bits_copy(b->owned, 0, v.base, v.bit_offset, v.bit_size);
        b->data = b->owned;
    }
    b->tail = b->bits ? b->data[b->n] >> (8 - b->bits) : 0;
}

static uint32_t phash2_bits(uint32_t h, Term t)
{
    Bytes b;
    bytes_of(t, &b);
    uint32_t start = SEED(KIND_BINARY) + h;
    if (b.n == 0 && b.bits == 0) {
        h = start;
    } else {
        h = jenkins_bytes(b.data, b.n, start);
        if (b.bits) {
            h = add_pair(h, b.bits, b.tail, KIND_TAIL_BITS);
        }
    }
    vm_free(b.owned);
    return h;
}

/* --- phash2 -------------------------------------------------------------------------------------------- */
/*
 * The stack holds terms, and three marks for maps: since iteration order must not matter, each pair of a map is
 * hashed from 0, all pairs are combined by xor, and that is mixed into the hash before the map.
 */
typedef enum { DO_TERM, DO_ARRAY, DO_PAIR_END, DO_MAP_NEXT } Todo;
typedef struct HashMap { /* the state around one map */
    MapIter it;
    uint32_t outer;     /* hash before it */
    uint32_t outer_xor; /* xor of the map around it */
} HashMap;
typedef struct Entry {
    Todo todo;
    union {
        Term term;
        struct {
            const Term *next;
            size_t n;
        } array;
        HashMap *map;
    } u;
} Entry;

enum { LOCAL_ENTRIES = 24 };
typedef struct Hasher {
    uint32_t h, pairs_xor;
    Entry *entries;
    size_t count, capacity;
    Entry local[LOCAL_ENTRIES];
} Hasher;

static Entry *hasher_push(Hasher *s, Todo todo)
{
    if (s->count == s->capacity) {
        s->entries = vm_stack_grow(s->entries, s->local, &s->capacity, sizeof(Entry));
    }
    Entry *e = &s->entries[s->count++];
    e->todo = todo;
    return e;
}

static void push_term(Hasher *s, Term t)
{
    hasher_push(s, DO_TERM)->u.term = t;
}

static void push_array(Hasher *s, const Term *next, size_t n)
{
    if (n > 0) {
        Entry *e = hasher_push(s, DO_ARRAY);
        e->u.array.next = next;
        e->u.array.n = n;
    }
}

static uint32_t phash2_integer(uint32_t h, Term t)
{
    if (is_small(t)) {
        int64_t v = small_value(t);
        if (v >= -(1 << 27) && v < 1 << 27) {
            uint32_t x = (uint32_t)v;
            if (v < 0) { /* negative ones are mixed twice */
                h = add_one(h, -x, KIND_SMALL);
            }
            return add_one(h, x, KIND_SMALL);
        }
    }
    BigView b;
    big_view(t, &b);
    for (size_t i = 0; i < b.n; i++) {
        h = add_pair(h, (uint32_t)b.d[i], (uint32_t)(b.d[i] >> 32),
                     b.neg ? KIND_NEGATIVE : KIND_POSITIVE);
    }
    return h;
}

static uint64_t float_bits(Term t)
{
    double d = float_value(t);
    uint64_t v;
    d = d == 0.0 ? 0.0 : d; /* no negative zero */
    memcpy(&v, &d, sizeof v);
    return v;
}

static uint32_t phash2_immediate(uint32_t h, Term t)
{
    if (is_small(t)) {
        return phash2_integer(h, t);
    }
    if (is_atom(t)) {
        return h == 0 ? atom_hash(t) : add_one(h, atom_hash(t), KIND_ATOM);
    }
    if (is_local_pid(t)) {
        return add_one(h, pid_number(t), KIND_PID);
    }
    if (is_local_port(t)) {
        uint64_t n = port_number(t);
        return add_pair(h, (uint32_t)n, (uint32_t)(n >> 32), KIND_PORT);
    }
    return h == 0 ? 3468870702u : add_one(h, 2, KIND_NIL);
}

static void phash2_fun(Hasher *s, const Fun *f)
{
    const FunEntry *e = f->entry;
    size_t n = header_arity(f->header) - 2;
    s->h = add_pair(s->h, (uint32_t)n, atom_hash(e->module), KIND_SMALL);
    s->h = add_pair(s->h, e->old_index, e->old_uniq, KIND_SMALL);
    push_array(s, f->env, n);
}

static void phash2_map(Hasher *s, Term t)
{
    size_t n = map_size(t);
    s->h = add_one(s->h, (uint32_t)n, KIND_MAP);
    if (n == 0) {
        return;
    }
    HashMap *m = vm_alloc(sizeof *m);
    m->outer = s->h;
    m->outer_xor = s->pairs_xor;
    map_iter_init(&m->it, t);
    s->h = 0;
    s->pairs_xor = 0;
    hasher_push(s, DO_MAP_NEXT)->u.map = m;
}

static void phash2_boxed(Hasher *s, Term t)
{
    const Word *o = boxed_ptr(t);
    switch (header_sub(*o)) {
    case SUB_TUPLE:
        s->h = add_one(s->h, (uint32_t)header_arity(*o), KIND_TUPLE);
        push_array(s, o + 1, header_arity(*o));
        break;
    case SUB_POS_BIG:
    case SUB_NEG_BIG:
        s->h = phash2_integer(s->h, t);
        break;
    case SUB_FLOAT:
        s->h = add_pair(s->h, (uint32_t)(float_bits(t) >> 32), (uint32_t)float_bits(t), KIND_FLOAT);
        break;
    case SUB_REF:
        s->h = add_one(s->h, (uint32_t)((const Ref *)o)->n01, KIND_REF);
        break;
    case SUB_EXT_REF:
        s->h = add_one(s->h, ((const ExtRef *)o)->n[0], KIND_REF);
        break;
    case SUB_EXT_PID:
        s->h = add_one(s->h, (uint32_t)((const ExtPid *)o)->data, KIND_PID);
        break;
    case SUB_EXT_PORT: {
        uint64_t n = ((const ExtPid *)o)->data;
        s->h = add_pair(s->h, (uint32_t)n, (uint32_t)(n >> 32), KIND_PORT);
        break;
    }
    case SUB_FUN:
        phash2_fun(s, (const Fun *)o);
        break;
    case SUB_EXPORT: {
        const Export *e = ((const ExportFun *)o)->export;
        s->h = add_pair(s->h, export_arity(e), atom_hash(export_module(e)), KIND_SMALL);
        s->h = add_one(s->h, atom_hash(export_function(e)), KIND_EXPORT);
        break;
    }
    case SUB_MAP:
        phash2_map(s, t);
        break;
    default:
        s->h = phash2_bits(s->h, t);
    }
}

static inline bool is_byte(Term t)
{
    return is_small(t) && (uint64_t)small_value(t) < 256;
}

/* A list: runs of bytes are taken four at a time. What is left is pushed. */
static void phash2_list(Hasher *s, Term t)
{
    uint32_t word = 0;
    unsigned count = 0;
    while (is_cons(t) && is_byte(cons_head(t))) {
        word = word << 8 | (uint32_t)small_value(cons_head(t));
        if (++count == 4) {
            s->h = add_one(s->h, word, KIND_STRING);
            count = 0;
            word = 0;
        }
        t = cons_tail(t);
    }
    if (count > 0) {
        s->h = add_one(s->h, word, KIND_STRING);
    }
    if (is_cons(t)) {
        push_term(s, cons_tail(t));
        t = cons_head(t);
    }
    push_term(s, t);
}

/* Ends a pair (when `ended`) and begins the next one, or ends the map. */
static void phash2_map_next(Hasher *s, HashMap *m, bool ended)
{
    Term key, value;
    if (ended) {
        s->pairs_xor ^= s->h;
        s->h = 0;
    }
    if (map_iter_next(&m->it, &key, &value)) {
        hasher_push(s, DO_PAIR_END)->u.map = m;
        push_term(s, value);
        push_term(s, key);
        return;
    }
    s->h = add_one(m->outer, s->pairs_xor, KIND_MAP_END);
    s->pairs_xor = m->outer_xor;
    vm_free(m);
}

static void phash2_visit(Hasher *s, Term t)
{
    if (is_cons(t)) {
        phash2_list(s, t);
    } else if (is_boxed(t)) {
        phash2_boxed(s, t);
    } else {
        s->h = phash2_immediate(s->h, t);
    }
}

uint32_t term_hash_portable2(Term t)
{
    if (is_immed(t)) {
        return phash2_immediate(0, t);
    }
    Hasher s = {.entries = s.local, .capacity = LOCAL_ENTRIES};
    phash2_visit(&s, t);
    while (s.count > 0) {
        Entry *e = &s.entries[s.count - 1];
        if (e->todo == DO_ARRAY) {
            Term next = *e->u.array.next++;
            if (--e->u.array.n == 0) {
                s.count--;
            }
            phash2_visit(&s, next);
            continue;
        }
        Entry taken = *e;
        s.count--;
        if (taken.todo == DO_TERM) {
            phash2_visit(&s, taken.u.term);
        } else {
            phash2_map_next(&s, taken.u.map, taken.todo == DO_PAIR_END);
        }
    }
    if (s.entries != s.local) {
        vm_free(s.entries);
    }
    return s.h;
}

uint32_t term_hash_phash2(Term t)
{
    return term_hash_portable2(t) & ((1u << 27) - 1);
}
