/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bit syntax, construction: bs_create_bin, and the family of instructions it replaced (bs_init2, bs_append, bs_put_*),
 * which compilers before OTP 25 emit.
 *
 * Appending in place. The result of an append is a SubBin with is_writable set over a RefcBin whose Binary has room
 * behind its used bytes. RefcBin.size counts the used bytes, Binary.size the capacity. Only the one SubBin that ends
 * where the used bytes end may be extended, and the flag moves on to the result; so n appends cost O(n).
 * RefcBin.writable says more: 1: the bytes may also be reallocated. 2: they may not, since a match context points at
 * them; then a full Binary is left alone and copied. Copies of a term (messages, ETS) have both flags clear
 * (heap/copy.c).
 *
 * bs_put_* write through Sched.build, which names the process and its collection count: bytecode that
 * puts other instructions between bs_init and bs_put gets badarg, not a write into memory that has moved.
 */
#include "vm/ops/op.h"
#include "vm/term/binary.h"
#include "vm/term/bits.h"
#include "vm/term/number.h"
#include "vm/term/unicode.h"

#define NOINLINE static __attribute__((noinline))
enum { WRITABLE_MIN_BYTES = 256, WRITABLE_HINT_DEFAULT = 1024, WRITABLE_HINT_MAX = 1 << 26 };
enum { APPEND_WORDS = REFC_BIN_WORDS + SUB_BIN_WORDS };
enum { BITS_PER_REDUCTION = 1024 * 8 };
#ifndef MAX_BITS                   /* fuzz targets have less memory */
#define MAX_BITS ((size_t)1 << 40) /* 128 GiB: larger binaries are system_limit */
#endif

/* Why construction failed: what error_info's cause says, {Segment, Type, Error, Value}. */
typedef struct Failure {
    Term reason; /* badarg or system_limit; NONVALUE: none */
    Term type, error, value;
    size_t segment;
} Failure;

static bool fail_as(Failure *f, Term reason, Term type, Term error, Term value)
{
    f->reason = reason;
    f->type = type;
    f->error = error;
    f->value = value;
    return false;
}

static void raise_failure(Proc *p, const Failure *f)
{
    p_fault(p, FAULT_ERROR, f->reason);
    if (f->segment) {
        Term *hp = heap_alloc(p, TUPLE_WORDS(4));
        hp[0] = MAKE_HEADER(4, SUB_TUPLE);
        hp[1] = make_small((int64_t)f->segment);
        hp[2] = f->type;
        hp[3] = f->error;
        hp[4] = f->value;
        p->fault_cause = make_boxed(hp);
    }
}

/* A size operand in bits. */
static bool size_in_bits(Term size, size_t unit, Term type, size_t *bits, Failure *f)
{
    if (is_big(size) && !big_is_negative(size)) {
        return fail_as(f, A_system_limit, type, A_size, size);
    }
    if (!is_small(size) || small_value(size) < 0) {
        return fail_as(f, A_badarg, type, A_size, size);
    }
    if (__builtin_mul_overflow((size_t)small_value(size), unit, bits) || *bits > MAX_BITS) {
        return fail_as(f, A_system_limit, type, A_size, size);
    }
    return true;
}

/* --- writing one field ---------------------------------------------------------------------------- */

/* Where fields go. */
typedef struct Target {
    uint8_t *base;
    size_t offset, end;
} Target;

/* Only wrong bytecode makes a field that the result has no room for. */
static bool target_has(const Target *w, size_t bits, Term type, Failure *f)
{
    return bits <= w->end - w->offset || fail_as(f, A_badarg, type, A_size, NIL);
}

static bool put_integer(Target *w, Term t, size_t bits, Word flags, Failure *f)
{
    if (!is_integer(t)) {
        return fail_as(f, A_badarg, A_integer, A_type, t);
    }
    if (!target_has(w, bits, A_integer, f)) {
        return false;
    }
    if (bits == 0) {
        return true; /* there may be no bytes at all */
    }
    if (bits % 8 == 0 && bits <= 64 && (w->offset & 7) == 0 && is_small(t) && !(flags & BS_LITTLE)) {
        uint8_t *to = w->base + w->offset / 8;
        int64_t v = small_value(t);
        for (size_t i = bits / 8; i > 0; i--, v >>= 8) {
            to[i - 1] = (uint8_t)v;
        }
    } else {
        bits_put_integer(w->base, w->offset, bits, flags & BS_LITTLE, t);
    }
    w->offset += bits;
    return true;
}

static bool put_float(Target *w, Term t, size_t bits, Word flags, Term size, Failure *f)
{
    double d;
    if (bits != 64 && bits != 32 && bits != 16) {
        return fail_as(f, A_badarg, A_float, A_invalid, size);
    }
    if (!is_number(t)) {
        return fail_as(f, A_badarg, A_float, A_type, t);
    }
    if (!number_to_double(t, &d)) {
        return fail_as(f, A_badarg, A_float, A_no_float, t);
    }
    if (!target_has(w, bits, A_float, f)) {
        return false;
    }
    bits_put_float(w->base, w->offset, bits, flags & BS_LITTLE, d);
    w->offset += bits;
    return true;
}

/* The first `bits` bits of t; all of them when bits is SIZE_MAX. */
static bool put_binary(Target *w, Term t, size_t bits, size_t unit, Failure *f)
{
    if (!is_bitstring(t)) {
        return fail_as(f, A_badarg, A_binary, A_type, t);
    }
    Bits b = bits_view(t);
    if (bits == SIZE_MAX) {
        bits = b.bit_size;
        if (unit == 0 || bits % unit != 0) {
            return fail_as(f, A_badarg, A_binary, A_unit, t);
        }
    } else if (bits > b.bit_size) {
        return fail_as(f, A_badarg, A_binary, A_short, t);
    }
    if (!target_has(w, bits, A_binary, f)) {
        return false;
    }
    if (bits == 0) {
        return true;
    }
    bits_copy(w->base, w->offset, b.base, b.bit_offset, bits);
    w->offset += bits;
    return true;
}

static bool is_code_point(Term t)
{
    return is_small(t) && small_value(t) >= 0 && unicode_is_valid((uint64_t)small_value(t));
}
static size_t utf8_bits(Term t)
{
    return is_code_point(t) ? 8 * (size_t)utf8_length((uint32_t)small_value(t)) : 32;
}
static size_t utf16_bits(Term t)
{
    return is_small(t) && (uint64_t)small_value(t) < 0x10000 ? 16 : 32;
}

static bool put_utf(Target *w, Term t, enum BsSegment kind, Word flags, Failure *f)
{
    Term type = kind == BSC_UTF8 ? A_utf8 : kind == BSC_UTF16 ? A_utf16 : A_utf32;
    if (!is_code_point(t)) {
        return fail_as(f, A_badarg, type, A_type, t);
    }
    uint32_t c = (uint32_t)small_value(t);
    size_t bits = kind == BSC_UTF8 ? utf8_bits(t) : kind == BSC_UTF16 ? utf16_bits(t) : 32;
    if (!target_has(w, bits, type, f)) {
        return false;
    }
    if (kind == BSC_UTF8) {
        uint8_t bytes[4];
        bits_copy(w->base, w->offset, bytes, 0, 8 * (size_t)utf8_encode(c, bytes));
    } else {
        unsigned unit = kind == BSC_UTF16 ? 16 : 32;
        uint64_t v[2] = {c, 0};
        if (bits > unit) {
            v[0] = 0xd800 + ((c - 0x10000) >> 10);
            v[1] = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        for (unsigned i = 0; i * unit < bits; i++) {
            bits_put(w->base, w->offset + i * unit, unit,
                     flags & BS_LITTLE ? bits_little_to_big(v[i], unit) : v[i]);
        }
    }
    w->offset += bits;
    return true;
}

/* --- results ---------------------------------------------------------------------------------------- */

/* A fresh bitstring of `bits` bits; the caller made room: new_words(bits). Zeroed: no old memory shows through when
 * bytecode does not fill it. */
static size_t new_words(size_t bits)
{
    return binary_new_words((bits + 7) / 8) + (bits & 7 ? SUB_BIN_WORDS : 0);
}
static Term new_target(Proc *p, size_t bits, Target *w, bool zeroed)
{
    uint8_t *data;
    Term t = bitstring_new(p, bits, &data);
    if (zeroed) {
        memset(data, 0, (bits + 7) / 8);
    } else if (bits & 7) {
        data[bits / 8] = 0;
    }
    *w = (Target){data, 0, bits};
    return t;
}

/* A SubBin of `bits` bits over a new writable Binary with room for `capacity` bytes. */
static Term new_writable(Proc *p, size_t bits, size_t capacity, uint8_t **data)
{
    Term *hp = heap_alloc(p, APPEND_WORDS);
    Binary *b = binary_alloc(capacity);
    Term origin = build_refc_bin(&hp, heap_off_heap(p), b, b->data, (bits + 7) / 8);
    ((RefcBin *)boxed_ptr(origin))->writable = 1;
    Term t = binary_build_sub(&hp, origin, 0, bits);
    ((SubBin *)boxed_ptr(t))->is_writable = 1;
    *data = b->data;
    binary_note_pressure(p);
    return t;
}

/* The RefcBin behind t when t may be extended in place to `bits` bits in all; makes room for them. */
static RefcBin *extend_in_place(Proc *p, Term t, size_t bits)
{
    const SubBin *s = (SubBin *)boxed_ptr(t);
    if (boxed_sub(t) != SUB_SUB_BIN || !s->is_writable || boxed_sub(s->orig) != SUB_REFC_BIN) {
        return NULL;
    }
    RefcBin *r = (RefcBin *)boxed_ptr(s->orig);
    size_t bytes = (bits + 7) / 8;
    if (!r->writable || s->offset || s->bit_offset || r->data != r->bin->data ||
        s->size + (s->bit_size ? 1 : 0) != r->size) {
        return NULL;
    }
    if (bytes > r->bin->size) {
        if (r->writable != 1 || __atomic_load_n(&r->bin->refc, __ATOMIC_ACQUIRE) != 1) {
            return NULL;
        }
        size_t old = r->bin->size;
        r->bin = binary_realloc(r->bin, bytes * 2);
        r->data = r->bin->data;
        p->off_heap.bytes += r->bin->size - old;
        binary_note_pressure(p);
    }
    return r;
}

/* t extended by `more` bits, which the target then names. `steal`: t itself becomes the result when that is possible
 * (private append: nobody else knows t). Room: APPEND_WORDS. */
static Term append_to(Proc *p, Term t, size_t more, bool steal, Target *w)
{
    size_t old = bitstring_bit_size(t), bits = old + more;
    RefcBin *r = extend_in_place(p, t, bits);
    if (!r) {
        uint8_t *data;
        size_t bytes = (bits + 7) / 8;
        Bits from = bits_view(t);
        Term copy = new_writable(p, bits, bytes * 2 < WRITABLE_MIN_BYTES ? WRITABLE_MIN_BYTES : bytes * 2, &data);
        bits_copy(data, 0, from.base, from.bit_offset, old);
        p_charge(p, (intptr_t)(old / (4 * BITS_PER_REDUCTION)));
        *w = (Target){data, old, bits};
        return copy;
    }
    SubBin *s = (SubBin *)boxed_ptr(t);
    r->size = (bits + 7) / 8;
    *w = (Target){r->data, old, bits};
    if (steal) {
        s->size = bits / 8;
        s->bit_size = bits & 7;
        return t;
    }
    s->is_writable = 0;
    Term *hp = heap_alloc(p, SUB_BIN_WORDS);
    Term result = binary_build_sub(&hp, s->orig, 0, bits);
    ((SubBin *)boxed_ptr(result))->is_writable = 1;
    return result;
}

/* --- bs_create_bin ------------------------------------------------------------------------------------ */

/* Seen from the instruction: its segments, and registers to read sources from. */
typedef struct Segments {
    const BsSegmentWords *s;
    size_t count;
    const Term *x, *E;
} Segments;

static inline Term segment_value(const Segments *g, size_t i) { return op_source(g->s[i].value, g->x, g->E); }
static inline Term segment_size(const Segments *g, size_t i) { return op_source(g->s[i].size, g->x, g->E); }
/* The type word holds the segment's number in the source above the low byte, when the loader kept it. */
static inline enum BsSegment segment_type(const BsSegmentWords *s) { return (enum BsSegment)(s->type & 0xff); }
static size_t segment_number(const Segments *g, size_t i)
{
    return g->s[i].type >> 8 ? (size_t)(g->s[i].type >> 8) : i + 1;
}

/* Bits of one segment. */
static bool segment_bits(const Segments *g, size_t i, size_t *bits, Failure *f)
{
    const BsSegmentWords *s = &g->s[i];
    Term value, size;
    switch (segment_type(s)) {
    case BSC_APPEND:
    case BSC_PRIVATE_APPEND:
    case BSC_BINARY:
        value = segment_value(g, i);
        size = segment_size(g, i);
        if (size != A_all) {
            return size_in_bits(size, s->unit, A_binary, bits, f);
        }
        if (!is_bitstring(value)) {
            return fail_as(f, A_badarg, A_binary, A_type, value);
        }
        *bits = bitstring_bit_size(value);
        if (segment_type(s) == BSC_BINARY) {
            return true; /* whether it is of whole units is asked when its turn comes */
        }
        return (s->unit && *bits % s->unit == 0) || fail_as(f, A_badarg, A_binary, A_unit, value);
    case BSC_INTEGER:
        return size_in_bits(segment_size(g, i), s->unit, A_integer, bits, f);
    case BSC_FLOAT:
        return size_in_bits(segment_size(g, i), s->unit, A_float, bits, f);
    case BSC_UTF8:
        *bits = utf8_bits(segment_value(g, i));
        return true;
    case BSC_UTF16:
        *bits = utf16_bits(segment_value(g, i));
        return true;
    case BSC_UTF32:
        *bits = 32;
        value = segment_value(g, i);
        return is_code_point(value) || fail_as(f, A_badarg, A_utf32, A_type, value);
    case BSC_STRING:
        *bits = (size_t)small_value(s->size) * 8;
        return true;
    }
    return fail_as(f, A_badarg, A_binary, A_type, NIL);
}

/* Sum of all segments in bits; the appended-to binary is not counted, and not looked at before the others are. */
static bool total_bits(const Segments *g, size_t *total, Failure *f)
{
    size_t sum = 0;
    for (size_t i = 0; i < g->count; i++) {
        size_t bits;
        if (segment_type(&g->s[i]) <= BSC_PRIVATE_APPEND) {
            continue;
        }
        f->segment = segment_number(g, i);
        if (!segment_bits(g, i, &bits, f)) {
            return false;
        }
        if (sum + bits > MAX_BITS) {
            return fail_as(f, A_system_limit, A_binary, A_binary, A_size);
        }
        sum += bits;
    }
    *total = sum;
    return true;
}

static bool put_segment(const Segments *g, size_t i, Target *w, Failure *f)
{
    const BsSegmentWords *s = &g->s[i];
    size_t bits;
    f->segment = segment_number(g, i);
    switch (segment_type(s)) {
    case BSC_STRING:
        bits = (size_t)small_value(s->size) * 8;
        if (!target_has(w, bits, A_binary, f)) {
            return false;
        }
        bits_copy(w->base, w->offset, (const uint8_t *)s->value, 0, bits);
        w->offset += bits;
        return true;
    case BSC_UTF8:
    case BSC_UTF16:
    case BSC_UTF32:
        return put_utf(w, segment_value(g, i), segment_type(s), s->flags, f);
    case BSC_APPEND:
    case BSC_PRIVATE_APPEND:
    case BSC_BINARY:
        if (segment_size(g, i) == A_all) {
            return put_binary(w, segment_value(g, i), SIZE_MAX, s->unit, f);
        }
        return segment_bits(g, i, &bits, f) && put_binary(w, segment_value(g, i), bits, s->unit, f);
    case BSC_INTEGER:
        return segment_bits(g, i, &bits, f) && put_integer(w, segment_value(g, i), bits, s->flags, f);
    default:
        return segment_bits(g, i, &bits, f) &&
               put_float(w, segment_value(g, i), bits, s->flags, segment_size(g, i), f);
    }
}

static bool appends(const Segments *g)
{
    return g->count && segment_type(&g->s[0]) <= BSC_PRIVATE_APPEND;
}

/* First pass: words the result needs; SIZE_MAX after recording the exception. Of an appended binary they are known. */
NOINLINE size_t create_words(Proc *p, const Word *ip, const Term *x, const Term *E)
{
    Segments g = {(const BsSegmentWords *)&ip[7], (size_t)ip[6], x, E};
    Failure f = {0};
    size_t bits;
    if (!total_bits(&g, &bits, &f)) {
        raise_failure(p, &f);
        return SIZE_MAX;
    }
    return new_words(bits);
}

/* Second pass. NONVALUE after recording the exception. */
NOINLINE Term create_bin(Proc *p, const Word *ip, const Term *x, const Term *E)
{
    Segments g = {(const BsSegmentWords *)&ip[7], (size_t)ip[6], x, E};
    Failure f = {0};
    size_t bits, first = 0;
    Target w;
    Term result, from = NONVALUE;
    if (!total_bits(&g, &bits, &f)) {
        raise_failure(p, &f);
        return NONVALUE;
    }
    if (appends(&g)) {
        bool private = segment_type(&g.s[0]) == BSC_PRIVATE_APPEND;
        from = segment_value(&g, 0);
        size_t there;
        f.segment = segment_number(&g, 0);
        if (!segment_bits(&g, 0, &there, &f)) {
            raise_failure(p, &f);
            return NONVALUE;
        }
        w = (Target){NULL, 0, 0};
        result = bits ? append_to(p, from, bits, private, &w) : from;
        first = 1;
    } else {
        result = new_target(p, bits, &w, false);
    }
    for (size_t i = first; i < g.count; i++) {
        if (!put_segment(&g, i, &w, &f)) {
            raise_failure(p, &f);
            return NONVALUE;
        }
    }
    p_charge(p, (intptr_t)(bits / BITS_PER_REDUCTION));
    return result;
}

OP(bs_create_bin)
{
    size_t words = APPEND_WORDS;
    if (ARG(6) == 0 || (ARG(7) & 0xff) > BSC_PRIVATE_APPEND) {
        OP_SAVE();
        words = create_words(p, ip, x, E);
        OP_LOAD();
        if (__builtin_expect(words == SIZE_MAX, 0)) {
            if (ARG(1)) {
                FAIL(1);
            }
            RAISE();
        }
    }
    ENSURE(ARG(2) + words, (unsigned)ARG(3));
    OP_SAVE();
    Term t = create_bin(p, ip, x, E);
    OP_LOAD();
    if (__builtin_expect(t == NONVALUE, 0)) {
        if (ARG(1)) {
            FAIL(1);
        }
        RAISE();
    }
    DST(5) = t;
    NEXT(7 + ARG(6) * 5);
}

/* --- the older instructions ------------------------------------------------------------------------------ */

#define BS_RAISE(fail)        \
    do {                      \
        if (fail) {           \
            FAIL(1);          \
        }                     \
        RAISE();              \
    } while (0)

static void build_start(Proc *p, const Target *w)
{
    p->sched->build = (BitBuild){p, p->gc_count, w->base, w->offset, w->end};
}

/* The binary under construction, or badarg. */
static bool build_target(Proc *p, Target *w)
{
    const BitBuild *b = &p->sched->build;
    if (b->p != p || b->gc_count != p->gc_count) {
        p_badarg(p);
        return false;
    }
    *w = (Target){b->base, b->offset, b->end};
    return true;
}

/* Size operand of bs_init: words that the result needs; SIZE_MAX after recording the exception. */
NOINLINE size_t init_words(Proc *p, Term size, size_t unit)
{
    Failure f = {0};
    size_t bits;
    if (!size_in_bits(size, unit, A_binary, &bits, &f)) {
        raise_failure(p, &f);
        return SIZE_MAX;
    }
    return new_words(bits);
}

NOINLINE Term init_bits(Proc *p, size_t bits)
{
    Target w;
    Term t = new_target(p, bits, &w, true);
    build_start(p, &w);
    return t;
}

/* The size is small once its words are known; it is read before a collection, which may not keep its register. */
#define BS_INIT(name, size_operand, unit) \
    OP(name) \
    { \
        Term size = size_operand; \
        OP_SAVE(); \
        size_t words = init_words(p, size, unit); \
        OP_LOAD(); \
        if (words == SIZE_MAX) { \
            BS_RAISE(ARG(1)); \
        } \
        ENSURE(ARG(3) + words, (unsigned)ARG(4)); \
        OP_SAVE(); \
        Term t = init_bits(p, (size_t)small_value(size) * (unit)); \
        OP_LOAD(); \
        DST(6) = t; \
        NEXT(7); \
    }
BS_INIT(bs_init2, SRC(2), 8)
BS_INIT(bs_init_bits, SRC(2), 1)
BS_INIT(bs_init2_u, make_small((int64_t)ARG(2)), 8)
BS_INIT(bs_init_bits_u, make_small((int64_t)ARG(2)), 1)

/* a + b * unit for sizes: NONVALUE after recording the exception. */
NOINLINE Term add_sizes(Proc *p, Term a, Term b, size_t unit)
{
    Failure f = {0};
    size_t na, nb;
    if (!size_in_bits(a, 1, A_binary, &na, &f) || !size_in_bits(b, unit, A_binary, &nb, &f)) {
        raise_failure(p, &f);
        return NONVALUE;
    }
    return make_small((int64_t)(na + nb));
}

OP(bs_add)
{
    OP_SAVE();
    Term t = add_sizes(p, SRC(2), SRC(3), ARG(4));
    OP_LOAD();
    if (t == NONVALUE) {
        BS_RAISE(ARG(1));
    }
    DST(5) = t;
    NEXT(6);
}

/* True when `t` can be appended to with these operands; else the exception is recorded. */
NOINLINE bool append_ready(Proc *p, Term t, Term size, size_t unit)
{
    Failure f = {0};
    size_t bits;
    if (!is_bitstring(t) || (unit > 1 && bitstring_bit_size(t) % unit != 0)) {
        p_badarg(p);
        return false;
    }
    if (!size_in_bits(size, 1, A_binary, &bits, &f)) {
        raise_failure(p, &f);
        return false;
    }
    return true;
}

NOINLINE Term append_start(Proc *p, Term t, Term size, bool private)
{
    Target w;
    Term result = append_to(p, t, (size_t)small_value(size), private, &w);
    build_start(p, &w);
    return result;
}

OP(bs_append)
{
    OP_SAVE();
    bool ready = append_ready(p, SRC(6), SRC(2), ARG(5));
    OP_LOAD();
    if (!ready) {
        BS_RAISE(ARG(1));
    }
    Term size = SRC(2), t = SRC(6); /* size: small */
    ENSURE_KEEPING(ARG(3) + APPEND_WORDS, (unsigned)ARG(4), t);
    OP_SAVE();
    t = append_start(p, t, size, false);
    OP_LOAD();
    DST(8) = t;
    NEXT(9);
}

OP(bs_private_append)
{
    OP_SAVE();
    /* No live count, so no collection: heap_alloc gives a fragment when the block is full. */
    Term t = append_ready(p, SRC(4), SRC(2), ARG(3)) ? append_start(p, SRC(4), SRC(2), true) : NONVALUE;
    OP_LOAD();
    if (t == NONVALUE) {
        BS_RAISE(ARG(1));
    }
    DST(6) = t;
    NEXT(7);
}

/* The compiler's hint is what a comprehension will make, or 256 where it cannot tell: room for exactly that. */
NOINLINE Term empty_writable(Proc *p, Term hint)
{
    size_t capacity = WRITABLE_HINT_DEFAULT;
    uint8_t *data;
    if (is_small(hint) && small_value(hint) >= 0) {
        capacity = small_value(hint) < WRITABLE_HINT_MAX ? (size_t)small_value(hint) : WRITABLE_HINT_MAX;
    }
    return new_writable(p, 0, capacity, &data);
}

OP(bs_init_writable)
{
    ENSURE(APPEND_WORDS, 1);
    OP_SAVE();
    x[0] = empty_writable(p, x[0]);
    OP_LOAD();
    NEXT(1);
}

enum PutKind { PUT_INTEGER, PUT_FLOAT, PUT_BINARY, PUT_UTF8, PUT_UTF16, PUT_UTF32 };

/* One field into the binary under construction. False after recording the exception. */
NOINLINE bool build_put(Proc *p, enum PutKind kind, Term size, size_t unit, Word flags, Term value)
{
    Failure f = {0};
    Target w;
    size_t bits = SIZE_MAX;
    bool done = true;
    if (!build_target(p, &w)) {
        return false;
    }
    if (kind <= PUT_BINARY && size != A_all) {
        done = size_in_bits(size, unit, A_binary, &bits, &f);
    }
    if (done) {
        switch (kind) {
        case PUT_INTEGER:
            done = bits != SIZE_MAX && put_integer(&w, value, bits, flags, &f);
            break;
        case PUT_FLOAT:
            done = put_float(&w, value, bits, flags, size, &f);
            break;
        case PUT_BINARY:
            done = put_binary(&w, value, bits, unit, &f);
            break;
        case PUT_UTF8:
            done = put_utf(&w, value, BSC_UTF8, flags, &f);
            break;
        case PUT_UTF16:
            done = put_utf(&w, value, BSC_UTF16, flags, &f);
            break;
        case PUT_UTF32:
            done = put_utf(&w, value, BSC_UTF32, flags, &f);
            break;
        }
    }
    if (!done) {
        p_fault(p, FAULT_ERROR, f.reason ? f.reason : A_badarg);
        return false;
    }
    p->sched->build.offset = w.offset;
    return true;
}

#define OP_PUT_SIZED(name, kind)                                                 \
    OP(name)                                                                     \
    {                                                                            \
        OP_SAVE();                                                               \
        bool done = build_put(p, kind, SRC(2), ARG(3), ARG(4), SRC(5));          \
        OP_LOAD();                                                               \
        if (!done) {                                                             \
            BS_RAISE(ARG(1));                                                    \
        }                                                                        \
        NEXT(6);                                                                 \
    }
OP_PUT_SIZED(bs_put_integer, PUT_INTEGER)
OP_PUT_SIZED(bs_put_float, PUT_FLOAT)
OP_PUT_SIZED(bs_put_binary, PUT_BINARY)

#define OP_PUT_UTF(name, kind)                                                   \
    OP(name)                                                                     \
    {                                                                            \
        OP_SAVE();                                                               \
        bool done = build_put(p, kind, NIL, 0, ARG(2), SRC(3));                  \
        OP_LOAD();                                                               \
        if (!done) {                                                             \
            BS_RAISE(ARG(1));                                                    \
        }                                                                        \
        NEXT(4);                                                                 \
    }
OP_PUT_UTF(bs_put_utf8, PUT_UTF8)
OP_PUT_UTF(bs_put_utf16, PUT_UTF16)
OP_PUT_UTF(bs_put_utf32, PUT_UTF32)

NOINLINE bool build_put_string(Proc *p, size_t bytes, const uint8_t *s)
{
    Target w;
    Failure f;
    if (!build_target(p, &w)) {
        return false;
    }
    if (!target_has(&w, bytes * 8, A_binary, &f)) {
        p_badarg(p);
        return false;
    }
    bits_copy(w.base, w.offset, s, 0, bytes * 8);
    p->sched->build.offset += bytes * 8;
    return true;
}

OP(bs_put_string)
{
    OP_SAVE();
    bool done = build_put_string(p, ARG(1), (const uint8_t *)ARG(2));
    OP_LOAD();
    if (!done) {
        RAISE();
    }
    NEXT(3);
}

OP(bs_utf8_size)
{
    DST(3) = make_small((int64_t)utf8_bits(SRC(2)) / 8);
    NEXT(4);
}

OP(bs_utf16_size)
{
    DST(3) = make_small((int64_t)utf16_bits(SRC(2)) / 8);
    NEXT(4);
}
