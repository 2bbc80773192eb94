/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bit syntax, matching. A match context walks over the bytes of a binary; each instruction reads a field at its
 * offset, and on success moves the offset on. Contexts are made by bs_start_match and saved and set back with
 * bs_get_position and bs_set_position.
 *
 * The operand that must be a context is checked: a module that hands over something else gets badarg. Helpers that
 * build terms run after OP_SAVE, allocate with heap_alloc what ENSURE has made room for, and take no address of an
 * instruction's locals, so that the instructions stay jumps.
 */
#include "vm/ops/op.h"
#include "vm/term/big.h"
#include "vm/term/binary.h"
#include "vm/term/bits.h"
#include "vm/term/number.h"
#include "vm/term/unicode.h"

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
#define NO_SIZE SIZE_MAX

INLINE MatchCtx *context_of(Term t)
{
    return is_boxed_sub(t, SUB_MATCH) ? (MatchCtx *)boxed_ptr(t) : NULL;
}
/* Binds `m`; raises badarg when operand i is no context. */
#define CONTEXT(m, i)                       \
    MatchCtx *m = context_of(SRC(i));       \
    if (__builtin_expect(!m, 0)) {          \
        OP_SAVE();                          \
        p_badarg(p);                        \
        RAISE();                            \
    }

INLINE size_t bits_left(const MatchCtx *m) { return m->end - m->offset; }

/* Bits of a field; NO_SIZE for a size that can match nothing. */
INLINE size_t field_size(Term size, Word unit)
{
    size_t n;
    if (!is_small(size) || small_value(size) < 0 ||
        __builtin_mul_overflow((size_t)small_value(size), (size_t)unit, &n)) {
        return NO_SIZE;
    }
    return n;
}

/* --- contexts ------------------------------------------------------------------------------- */

NOINLINE Term make_context(Proc *p, Term t)
{
    size_t start;
    Term origin = binary_origin(t, &start);
    if (boxed_sub(origin) == SUB_REFC_BIN && ((RefcBin *)boxed_ptr(origin))->writable) {
        /* From now on a pointer into its bytes exists: they must not be reallocated (op_bits_make.c). */
        ((RefcBin *)boxed_ptr(origin))->writable = 2;
    }
    MatchCtx *m = (MatchCtx *)heap_alloc(p, MATCH_CTX_WORDS);
    m->header = MAKE_HEADER(MATCH_CTX_WORDS - 1, SUB_MATCH);
    m->base = binary_origin_bytes(origin);
    m->offset = m->start = start;
    m->end = start + bitstring_bit_size(t);
    m->orig = origin;
    return make_boxed((Term *)m);
}

OP(bs_start_match3)
{
    Term t = SRC(2);
    if (is_boxed_sub(t, SUB_MATCH)) {
        DST(4) = t;
        NEXT(5);
    }
    if (!is_bitstring(t)) {
        FAIL(1);
    }
    ENSURE_KEEPING(MATCH_CTX_WORDS, (unsigned)ARG(3), t);
    OP_SAVE();
    t = make_context(p, t);
    OP_LOAD();
    DST(4) = t;
    NEXT(5);
}

OP(bs_start_match4_fail)
{
    Term t = SRC(3);
    if (is_boxed_sub(t, SUB_MATCH)) {
        DST(4) = t;
        NEXT(5);
    }
    if (!is_bitstring(t)) {
        FAIL(1);
    }
    ENSURE_KEEPING(MATCH_CTX_WORDS, (unsigned)ARG(2), t);
    OP_SAVE();
    t = make_context(p, t);
    OP_LOAD();
    DST(4) = t;
    NEXT(5);
}

OP(bs_start_match4_sure)
{
    Term t = SRC(3);
    if (is_boxed_sub(t, SUB_MATCH)) {
        DST(4) = t;
        NEXT(5);
    }
    if (!is_bitstring(t)) {
        OP_SAVE();
        p_badarg(p);
        RAISE();
    }
    ENSURE_KEEPING(MATCH_CTX_WORDS, (unsigned)ARG(2), t);
    OP_SAVE();
    t = make_context(p, t);
    OP_LOAD();
    DST(4) = t;
    NEXT(5);
}

OP(bs_get_position)
{
    CONTEXT(m, 1);
    DST(2) = make_small((int64_t)m->offset);
    NEXT(4);
}

OP(bs_set_position)
{
    CONTEXT(m, 1);
    Term position = SRC(2);
    if (!is_small(position) || (uint64_t)small_value(position) > m->end ||
        (uint64_t)small_value(position) < m->start) {
        OP_SAVE();
        p_badarg(p);
        RAISE();
    }
    m->offset = (size_t)small_value(position);
    NEXT(3);
}

NOINLINE Term context_part(Proc *p, MatchCtx *m, size_t n)
{
    bool copied = n <= HEAP_BIN_MAX * 8 && (n & 7) == 0;
    Term *hp = heap_alloc(p, copied ? HEAP_BIN_WORDS(n / 8) : SUB_BIN_WORDS);
    Term t = binary_build_part(&hp, m->orig, m->offset, n);
    m->offset += n;
    return t;
}

OP(bs_get_tail)
{
    Term context = SRC(1);
    ENSURE_KEEPING(BINARY_PART_WORDS, (unsigned)ARG(3), context);
    MatchCtx *m = context_of(context);
    if (__builtin_expect(!m, 0)) {
        OP_SAVE();
        p_badarg(p);
        RAISE();
    }
    size_t offset = m->offset;
    OP_SAVE();
    Term t = context_part(p, m, bits_left(m));
    OP_LOAD();
    m->offset = offset; /* the context may be used again */
    DST(2) = t;
    NEXT(4);
}

/* --- tests ------------------------------------------------------------------------------------ */

OP(bs_test_tail2)
{
    CONTEXT(m, 2);
    if (bits_left(m) != ARG(3)) {
        FAIL(1);
    }
    NEXT(4);
}

OP(bs_test_unit)
{
    CONTEXT(m, 2);
    size_t unit = ARG(3), left = bits_left(m);
    if (unit == 8 ? left & 7 : unit == 0 || left % unit != 0) {
        FAIL(1);
    }
    NEXT(4);
}

NOINLINE bool string_matches(const MatchCtx *m, const uint8_t *bytes, size_t n)
{
    Bits a = {m->base, m->offset, n}, b = {bytes, 0, n};
    return bits_compare(a, b) == 0;
}

OP(bs_match_string)
{
    CONTEXT(m, 2);
    size_t n = ARG(3);
    if (n > bits_left(m) || !string_matches(m, (const uint8_t *)ARG(4), n)) {
        FAIL(1);
    }
    m->offset += n;
    NEXT(5);
}

OP(bs_skip_bits2)
{
    CONTEXT(m, 2);
    Term size = SRC(3);
    if (size == A_all) {
        if (ARG(4) == 0 || bits_left(m) % ARG(4) != 0) {
            FAIL(1);
        }
        m->offset = m->end;
        NEXT(6);
    }
    size_t n = field_size(size, ARG(4));
    if (n > bits_left(m)) {
        FAIL(1);
    }
    m->offset += n;
    NEXT(6);
}

/* --- integers, floats, binaries ------------------------------------------------------------------ */

/* NONVALUE: larger than integers may be; then nothing is read. */
NOINLINE Term wide_integer(Proc *p, MatchCtx *m, size_t n, Word flags)
{
    Term *hp = heap_alloc(p, bits_integer_words(n)), *start = hp;
    Term t = bits_get_integer(&hp, m->base, m->offset, n, flags & BS_LITTLE, flags & BS_SIGNED);
    if (n > BIG_MAX_BITS && is_big(t) && big_limbs(t) > BIG_MAX_LIMBS) {
        heap_trim(p, start);
        return NONVALUE;
    }
    if (hp <= start + bits_integer_words(n)) {
        heap_trim(p, hp);
    }
    m->offset += n;
    return t;
}

/* A field that fits a small. */
INLINE Term small_integer(const MatchCtx *m, unsigned n, Word flags)
{
    if (n == 8 && (m->offset & 7) == 0) {
        uint8_t byte = m->base[m->offset / 8];
        return make_small(flags & BS_SIGNED ? (int64_t)(int8_t)byte : (int64_t)byte);
    }
    uint64_t v = bits_get(m->base, m->offset, n);
    if (flags & BS_LITTLE) {
        v = bits_little_from_big(v, n);
    }
    if ((flags & BS_SIGNED) && n) {
        return make_small((int64_t)(v << (64 - n)) >> (64 - n));
    }
    return make_small((int64_t)v);
}

OP(bs_get_integer2)
{
    CONTEXT(m, 2);
    size_t n = field_size(SRC(4), ARG(5));
    if (n > bits_left(m)) {
        FAIL(1);
    }
    if (__builtin_expect(n < SMALL_BITS, 1)) {
        Term v = small_integer(m, (unsigned)n, ARG(6));
        m->offset += n;
        DST(7) = v;
        NEXT(8);
    }
    Term context = SRC(2);
    ENSURE_KEEPING(bits_integer_words(n), (unsigned)ARG(3), context);
    m = context_of(context);
    OP_SAVE();
    Term t = wide_integer(p, m, n, ARG(6));
    OP_LOAD();
    if (__builtin_expect(t == NONVALUE, 0)) {
        FAIL(1);
    }
    DST(7) = t;
    NEXT(8);
}

NOINLINE bool float_field_is_good(const MatchCtx *m, size_t n, Word flags)
{
    double d;
    return bits_get_float(m->base, m->offset, n, flags & BS_LITTLE, &d);
}

/* A field of a constant size: mostly a byte. */
OP_SLOW(bs_get_integer_xi_slow)
{
    MatchCtx *m = context_of(REG_X(2));
    if (!m) {
        OP_SAVE();
        p_badarg(p);
        RAISE();
    }
    size_t n = field_size(ARG(4), ARG(5));
    if (n > bits_left(m)) {
        FAIL(1);
    }
    if (n < SMALL_BITS) {
        Term v = small_integer(m, (unsigned)n, ARG(6));
        m->offset += n;
        REG_X(7) = v;
        NEXT(8);
    }
    ENSURE(bits_integer_words(n), (unsigned)ARG(3));
    OP_SAVE();
    Term t = wide_integer(p, context_of(REG_X(2)), n, ARG(6));
    OP_LOAD();
    if (__builtin_expect(t == NONVALUE, 0)) {
        FAIL(1);
    }
    REG_X(7) = t;
    NEXT(8);
}
OP(bs_get_integer_xi)
{
    MatchCtx *m = context_of(REG_X(2));
    if (__builtin_expect(m && ARG(4) == MAKE_SMALL(8) && ARG(5) == 1 && ARG(6) == 0 && (m->offset & 7) == 0 &&
                         bits_left(m) >= 8, 1)) {
        REG_X(7) = make_small(m->base[m->offset / 8]);
        m->offset += 8;
        NEXT(8);
    }
    OP_TAIL(bs_get_integer_xi_slow);
}

NOINLINE Term float_field(Proc *p, MatchCtx *m, size_t n, Word flags)
{
    double d = 0;
    bits_get_float(m->base, m->offset, n, flags & BS_LITTLE, &d);
    m->offset += n;
    return heap_float(p, d);
}

OP(bs_get_float2)
{
    CONTEXT(m, 2);
    size_t n = field_size(SRC(4), ARG(5));
    if ((n != 64 && n != 32 && n != 16) || n > bits_left(m) || !float_field_is_good(m, n, ARG(6))) {
        FAIL(1);
    }
    Term context = SRC(2);
    ENSURE_KEEPING(FLOAT_WORDS, (unsigned)ARG(3), context);
    m = context_of(context);
    OP_SAVE();
    Term t = float_field(p, m, n, ARG(6));
    OP_LOAD();
    DST(7) = t;
    NEXT(8);
}

OP(bs_get_binary2)
{
    CONTEXT(m, 2);
    Term size = SRC(4);
    size_t n = size == A_all ? bits_left(m) : field_size(size, ARG(5));
    if (n > bits_left(m) || (size == A_all && (ARG(5) == 0 || n % ARG(5) != 0))) {
        FAIL(1);
    }
    Term context = SRC(2);
    ENSURE_KEEPING(BINARY_PART_WORDS, (unsigned)ARG(3), context);
    m = context_of(context);
    OP_SAVE();
    Term t = context_part(p, m, n);
    OP_LOAD();
    DST(7) = t;
    NEXT(8);
}

/* --- UTF ---------------------------------------------------------------------------------------- */

/* The code point at the context, which moves on; negative: there is none. */
NOINLINE int64_t take_utf8(MatchCtx *m)
{
    uint8_t bytes[4];
    size_t left = bits_left(m) / 8, n = left < 4 ? left : 4;
    uint32_t c;
    bits_copy(bytes, 0, m->base, m->offset, n * 8);
    size_t used = utf8_decode(bytes, n, &c);
    if (used == 0) {
        return -1;
    }
    m->offset += used * 8;
    return c;
}

NOINLINE int64_t take_utf16(MatchCtx *m, Word flags)
{
    size_t left = bits_left(m);
    if (left < 16) {
        return -1;
    }
    uint64_t c = bits_get(m->base, m->offset, 16);
    c = flags & BS_LITTLE ? bits_little_from_big(c, 16) : c;
    if (c < 0xd800 || c > 0xdfff) {
        m->offset += 16;
        return (int64_t)c;
    }
    if (c > 0xdbff || left < 32) {
        return -1;
    }
    uint64_t low = bits_get(m->base, m->offset + 16, 16);
    low = flags & BS_LITTLE ? bits_little_from_big(low, 16) : low;
    if (low < 0xdc00 || low > 0xdfff) {
        return -1;
    }
    m->offset += 32;
    return (int64_t)(0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff)));
}

NOINLINE int64_t take_utf32(MatchCtx *m, Word flags)
{
    if (bits_left(m) < 32) {
        return -1;
    }
    uint64_t c = bits_get(m->base, m->offset, 32);
    c = flags & BS_LITTLE ? bits_little_from_big(c, 32) : c;
    if (!unicode_is_valid(c)) {
        return -1;
    }
    m->offset += 32;
    return (int64_t)c;
}

OP(bs_get_utf8)
{
    CONTEXT(m, 2);
    if (m->offset < m->end && (m->offset & 7) == 0 && m->base[m->offset / 8] < 0x80 && bits_left(m) >= 8) {
        DST(5) = make_small(m->base[m->offset / 8]);
        m->offset += 8;
        NEXT(6);
    }
    int64_t c = take_utf8(m);
    if (c < 0) {
        FAIL(1);
    }
    DST(5) = make_small(c);
    NEXT(6);
}

OP(bs_skip_utf8)
{
    CONTEXT(m, 2);
    if (take_utf8(m) < 0) {
        FAIL(1);
    }
    NEXT(5);
}

OP(bs_get_utf16)
{
    CONTEXT(m, 2);
    int64_t c = take_utf16(m, ARG(4));
    if (c < 0) {
        FAIL(1);
    }
    DST(5) = make_small(c);
    NEXT(6);
}

OP(bs_skip_utf16)
{
    CONTEXT(m, 2);
    if (take_utf16(m, ARG(4)) < 0) {
        FAIL(1);
    }
    NEXT(5);
}

OP(bs_get_utf32)
{
    CONTEXT(m, 2);
    int64_t c = take_utf32(m, ARG(4));
    if (c < 0) {
        FAIL(1);
    }
    DST(5) = make_small(c);
    NEXT(6);
}

OP(bs_skip_utf32)
{
    CONTEXT(m, 2);
    if (take_utf32(m, ARG(4)) < 0) {
        FAIL(1);
    }
    NEXT(5);
}
