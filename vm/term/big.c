/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bignum arithmetic over sign and magnitude. Each function writes its result straight into p's heap
 * and normalises there, so a result costs one allocation. Scratch beyond that comes from vm_alloc.
 */
#include "vm/term/big.h"

static inline MpnLimb *limbs_of(Term *o)
{
    return (MpnLimb *)(o + 1);
}

Term big_finish(Proc *p, Term *o, size_t n, bool neg)
{
    const MpnLimb *d = limbs_of(o);
    while (n > 0 && d[n - 1] == 0) {
        n--;
    }
    if (n == 0 || (n == 1 && limb_fits_small(d[0], neg))) {
        int64_t v = n == 0 ? 0 : (int64_t)(neg ? -d[0] : d[0]);
        heap_trim(p, o);
        return make_small(v);
    }
    if (n > BIG_MAX_LIMBS) {
        heap_trim(p, o);
        return p_system_limit(p);
    }
    o[0] = MAKE_HEADER(n, neg ? SUB_NEG_BIG : SUB_POS_BIG);
    heap_trim(p, o + 1 + n);
    return make_boxed(o);
}

int big_magnitude_compare(const BigView *a, const BigView *b)
{
    if (a->n != b->n) {
        return a->n < b->n ? -1 : 1;
    }
    if (a->n == 0) {
        return 0;
    }
    int c = __gmpn_cmp(a->d, b->d, (MpnSize)a->n);
    return (c > 0) - (c < 0);
}

int big_view_compare(const BigView *a, const BigView *b)
{
    if (a->neg != b->neg) {
        return a->neg ? -1 : 1;
    }
    int c = big_magnitude_compare(a, b);
    return a->neg ? -c : c;
}

static Term copy_signed(Proc *p, const BigView *a, bool neg)
{
    Term *o = big_alloc(p, a->n);
    memcpy(limbs_of(o), a->d, a->n * sizeof(MpnLimb));
    return big_finish(p, o, a->n, neg);
}

/* |a| + |b|, |a| not shorter than |b|. */
static Term add_magnitudes(Proc *p, const BigView *a, const BigView *b, bool neg)
{
    Term *o = big_alloc(p, a->n + 1);
    MpnLimb *r = limbs_of(o);
    r[a->n] = __gmpn_add(r, a->d, (MpnSize)a->n, b->d, (MpnSize)b->n);
    return big_finish(p, o, a->n + 1, neg);
}

Term big_add(Proc *p, const BigView *a, const BigView *b, bool subtract)
{
    bool b_neg = b->neg != subtract;
    if (b->n == 0) {
        return copy_signed(p, a, a->neg);
    }
    if (a->n == 0) {
        return copy_signed(p, b, b_neg);
    }
    if (a->neg == b_neg) {
        return a->n >= b->n ? add_magnitudes(p, a, b, a->neg) : add_magnitudes(p, b, a, a->neg);
    }
    int c = big_magnitude_compare(a, b);
    if (c == 0) {
        return make_small(0);
    }
    const BigView *more = c > 0 ? a : b, *less = c > 0 ? b : a;
    Term *o = big_alloc(p, more->n);
    __gmpn_sub(limbs_of(o), more->d, (MpnSize)more->n, less->d, (MpnSize)less->n);
    return big_finish(p, o, more->n, c > 0 ? a->neg : b_neg);
}

Term big_mul(Proc *p, const BigView *a, const BigView *b)
{
    if (a->n < b->n) {
        const BigView *t = a;
        a = b;
        b = t;
    }
    if (b->n == 0) {
        return make_small(0);
    }
    size_t n = a->n + b->n;
    if (n - 1 > BIG_MAX_LIMBS) {
        return p_system_limit(p);
    }
    Term *o = big_alloc(p, n);
    MpnLimb *r = limbs_of(o);
    if (b->n == 1) {
        r[a->n] = __gmpn_mul_1(r, a->d, (MpnSize)a->n, b->d[0]);
    } else if (a->d == b->d && a->n == b->n) {
        __gmpn_sqr(r, a->d, (MpnSize)a->n);
    } else {
        __gmpn_mul(r, a->d, (MpnSize)a->n, b->d, (MpnSize)b->n);
    }
    p_charge(p, (intptr_t)(b->n < 16 ? n / 64 : n * (b->n / 16 + 1) / 64));
    return big_finish(p, o, n, a->neg != b->neg);
}

/* Work of dividing n limbs by d, in reductions. */
static void charge_division(Proc *p, size_t n, size_t d)
{
    p_charge(p, (intptr_t)((n - d + 1) * (d / 16 + 1) / 64));
}

Term big_div(Proc *p, const BigView *a, const BigView *b)
{
    if (big_magnitude_compare(a, b) < 0) {
        return make_small(0);
    }
    size_t n = a->n - b->n + 1;
    Term *o = big_alloc(p, n);
    if (b->n == 1) {
        __gmpn_divrem_1(limbs_of(o), 0, a->d, (MpnSize)a->n, b->d[0]);
    } else {
        MpnLimb *rest = vm_alloc(b->n * sizeof(MpnLimb));
        __gmpn_tdiv_qr(limbs_of(o), rest, 0, a->d, (MpnSize)a->n, b->d, (MpnSize)b->n);
        vm_free(rest);
        charge_division(p, a->n, b->n);
    }
    return big_finish(p, o, n, a->neg != b->neg);
}

Term big_rem(Proc *p, const BigView *a, const BigView *b)
{
    if (big_magnitude_compare(a, b) < 0) {
        return copy_signed(p, a, a->neg);
    }
    Term *o = big_alloc(p, b->n);
    if (b->n == 1) {
        limbs_of(o)[0] = __gmpn_mod_1(a->d, (MpnSize)a->n, b->d[0]);
    } else {
        MpnLimb *quotient = vm_alloc((a->n - b->n + 1) * sizeof(MpnLimb));
        __gmpn_tdiv_qr(quotient, limbs_of(o), 0, a->d, (MpnSize)a->n, b->d, (MpnSize)b->n);
        vm_free(quotient);
        charge_division(p, a->n, b->n);
    }
    return big_finish(p, o, b->n, a->neg);
}

/* Limb i of v in two's complement of any length; carry starts as 1 and belongs to v. */
static inline MpnLimb twos_limb(const BigView *v, size_t i, MpnLimb *carry)
{
    MpnLimb d = i < v->n ? v->d[i] : 0;
    if (!v->neg) {
        return d;
    }
    d = ~d + *carry;
    *carry = *carry && d == 0;
    return d;
}

static inline MpnLimb limb_op(BigBitOp op, MpnLimb a, MpnLimb b)
{
    switch (op) {
    case BIG_AND:
        return a & b;
    case BIG_OR:
        return a | b;
    default:
        return a ^ b;
    }
}

Term big_bit_op(Proc *p, BigBitOp op, const BigView *a, const BigView *b)
{
    size_t n = (a->n > b->n ? a->n : b->n) + 1; /* one more: room for the sign */
    Term *o = big_alloc(p, n);
    MpnLimb *r = limbs_of(o), carry_a = 1, carry_b = 1;
    for (size_t i = 0; i < n; i++) {
        MpnLimb x = twos_limb(a, i, &carry_a);
        r[i] = limb_op(op, x, twos_limb(b, i, &carry_b));
    }
    bool neg = (r[n - 1] >> 63) != 0;
    if (neg) {
        MpnLimb carry = 1;
        for (size_t i = 0; i < n; i++) {
            r[i] = ~r[i] + carry;
            carry = carry && r[i] == 0;
        }
    }
    return big_finish(p, o, n, neg);
}

Term big_shift_left(Proc *p, const BigView *a, uint64_t count)
{
    if (a->n == 0) {
        return make_small(0);
    }
    if (count > (uint64_t)BIG_MAX_LIMBS * 64 ||
        big_view_bits(a) + count > (uint64_t)BIG_MAX_LIMBS * 64) {
        return p_system_limit(p);
    }
    size_t limbs = count / 64, n = a->n + limbs + 1;
    Term *o = big_alloc(p, n);
    MpnLimb *r = limbs_of(o);
    memset(r, 0, limbs * sizeof *r);
    if (count % 64) {
        r[n - 1] = __gmpn_lshift(r + limbs, a->d, (MpnSize)a->n, count % 64);
    } else {
        memcpy(r + limbs, a->d, a->n * sizeof *r);
        r[n - 1] = 0;
    }
    p_charge(p, (intptr_t)(n / 64));
    return big_finish(p, o, n, a->neg);
}

/* True when one of the lowest `count` bits is set. count < bits of a. */
static bool low_bits_set(const BigView *a, uint64_t count)
{
    size_t limbs = count / 64;
    for (size_t i = 0; i < limbs; i++) {
        if (a->d[i]) {
            return true;
        }
    }
    return count % 64 && (a->d[limbs] << (64 - count % 64)) != 0;
}

Term big_shift_right(Proc *p, const BigView *a, uint64_t count)
{
    if (count >= big_view_bits(a)) {
        return make_small(a->neg ? -1 : 0);
    }
    size_t limbs = count / 64, n = a->n - limbs;
    Term *o = big_alloc(p, n + 1);
    MpnLimb *r = limbs_of(o);
    if (count % 64) {
        __gmpn_rshift(r, a->d + limbs, (MpnSize)n, count % 64);
    } else {
        memcpy(r, a->d + limbs, n * sizeof *r);
    }
    r[n] = 0;
    if (a->neg && low_bits_set(a, count)) {
        for (size_t i = 0; ++r[i] == 0; i++) {
        }
    }
    return big_finish(p, o, n + 1, a->neg);
}
