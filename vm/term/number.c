/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic on numbers of any kinds: smalls here, bignums through big.c, floats as IEEE doubles that
 * must stay finite. The instructions handle small operands themselves and come here for the rest, but the
 * small cases are first here too.
 */
#include "vm/term/number.h"

#include "vm/term/big.h"

bool number_to_double(Term t, double *d)
{
    if (is_small(t)) {
        *d = (double)small_value(t);
        return true;
    }
    if (is_float(t)) {
        *d = float_value(t);
        return true;
    }
    if (!is_big(t)) {
        return false;
    }
    /* Limb by limb from the top, rounding at each step: the value OTP gives, not always the nearest. */
    const uint64_t *limbs = big_digits(t);
    double v = 0.0;
    for (size_t i = big_limbs(t); i-- > 0;) {
        v = v * 18446744073709551616.0 + (double)limbs[i];
        if (!__builtin_isfinite(v)) {
            return false;
        }
    }
    *d = big_is_negative(t) ? -v : v;
    return true;
}

static Term float_result(Proc *p, double d)
{
    return __builtin_isfinite(d) ? heap_float(p, d) : p_badarith(p);
}

/* Both operands as doubles, when at least one is a float. */
static inline bool as_doubles(Term a, Term b, double *x, double *y)
{
    return (is_float(a) || is_float(b)) && number_to_double(a, x) && number_to_double(b, y);
}

Term number_add(Proc *p, Term a, Term b)
{
    if (is_both_small(a, b)) {
        return heap_int64(p, small_value(a) + small_value(b));
    }
    if (is_integer(a) && is_integer(b)) {
        BigView x, y;
        big_view(a, &x);
        big_view(b, &y);
        return big_add(p, &x, &y, false);
    }
    double x, y;
    return as_doubles(a, b, &x, &y) ? float_result(p, x + y) : p_badarith(p);
}

Term number_sub(Proc *p, Term a, Term b)
{
    if (is_both_small(a, b)) {
        return heap_int64(p, small_value(a) - small_value(b));
    }
    if (is_integer(a) && is_integer(b)) {
        BigView x, y;
        big_view(a, &x);
        big_view(b, &y);
        return big_add(p, &x, &y, true);
    }
    double x, y;
    return as_doubles(a, b, &x, &y) ? float_result(p, x - y) : p_badarith(p);
}

Term number_mul(Proc *p, Term a, Term b)
{
    if (is_both_small(a, b)) {
        int64_t r;
        if (!__builtin_mul_overflow(small_value(a), small_value(b), &r)) {
            return heap_int64(p, r);
        }
    }
    if (is_integer(a) && is_integer(b)) {
        BigView x, y;
        big_view(a, &x);
        big_view(b, &y);
        return big_mul(p, &x, &y);
    }
    double x, y;
    return as_doubles(a, b, &x, &y) ? float_result(p, x * y) : p_badarith(p);
}

Term number_div(Proc *p, Term a, Term b)
{
    double x, y;
    if (!number_to_double(a, &x) || !number_to_double(b, &y) || y == 0.0) {
        return p_badarith(p);
    }
    return float_result(p, x / y);
}

Term number_int_div(Proc *p, Term a, Term b)
{
    if (b == make_small(0) || !is_integer(a) || !is_integer(b)) {
        return p_badarith(p);
    }
    if (is_both_small(a, b)) {
        return heap_int64(p, small_value(a) / small_value(b));
    }
    BigView x, y;
    big_view(a, &x);
    big_view(b, &y);
    return big_div(p, &x, &y);
}

Term number_rem(Proc *p, Term a, Term b)
{
    if (b == make_small(0) || !is_integer(a) || !is_integer(b)) {
        return p_badarith(p);
    }
    if (is_both_small(a, b)) {
        return make_small(small_value(a) % small_value(b));
    }
    BigView x, y;
    big_view(a, &x);
    big_view(b, &y);
    return big_rem(p, &x, &y);
}

Term number_neg(Proc *p, Term a)
{
    if (is_small(a)) {
        return heap_int64(p, -small_value(a));
    }
    if (is_float(a)) {
        return heap_float(p, -float_value(a));
    }
    return number_sub(p, make_small(0), a);
}

static Term bit_op(Proc *p, BigBitOp op, Term a, Term b)
{
    if (!is_integer(a) || !is_integer(b)) {
        return p_badarith(p);
    }
    BigView x, y;
    big_view(a, &x);
    big_view(b, &y);
    return big_bit_op(p, op, &x, &y);
}

Term number_band(Proc *p, Term a, Term b)
{
    return is_both_small(a, b) ? a & b : bit_op(p, BIG_AND, a, b);
}

Term number_bor(Proc *p, Term a, Term b)
{
    return is_both_small(a, b) ? a | b : bit_op(p, BIG_OR, a, b);
}

Term number_bxor(Proc *p, Term a, Term b)
{
    return is_both_small(a, b) ? make_small(small_value(a) ^ small_value(b))
                               : bit_op(p, BIG_XOR, a, b);
}

Term number_bnot(Proc *p, Term a)
{
    return is_small(a) ? make_small(~small_value(a)) : bit_op(p, BIG_XOR, a, make_small(-1));
}

/* a shifted left by `count` bits, right when `right`. */
static Term shift(Proc *p, Term a, uint64_t count, bool right)
{
    if (is_small(a)) {
        int64_t v = small_value(a);
        if (right) {
            return make_small(count < 64 ? v >> count : v >> 63);
        }
        if (count < 59 && v == (int64_t)((uint64_t)v << (count + 4)) >> (count + 4)) {
            return make_small((int64_t)((uint64_t)v << count));
        }
    }
    BigView x;
    big_view(a, &x);
    return right ? big_shift_right(p, &x, count) : big_shift_left(p, &x, count);
}

static Term shift_term(Proc *p, Term a, Term b, bool right)
{
    if (!is_integer(a) || !is_integer(b)) {
        return p_badarith(p);
    }
    bool negative = is_small(b) ? small_value(b) < 0 : big_is_negative(b);
    uint64_t count = UINT64_MAX / 2; /* a bignum: beyond anything there is */
    if (is_small(b)) {
        count = (uint64_t)(negative ? -small_value(b) : small_value(b));
    }
    return shift(p, a, count, right != negative);
}

Term number_bsl(Proc *p, Term a, Term b)
{
    return shift_term(p, a, b, false);
}

Term number_bsr(Proc *p, Term a, Term b)
{
    return shift_term(p, a, b, true);
}

/* Integer against a finite double, exactly. */
static int compare_int_float(Term i, double d)
{
    if (d > -9.2e18 && d < 9.2e18) {
        if (is_big(i)) {
            int64_t wide;
            if (!integer_to_int64(i, &wide)) {
                return big_is_negative(i) ? -1 : 1;
            }
            int64_t whole = (int64_t)d;
            double rest = d - (double)whole;
            return wide != whole ? (wide < whole ? -1 : 1) : rest > 0 ? -1 : rest < 0;
        }
        int64_t v = small_value(i), whole = (int64_t)d;
        double rest = d - (double)whole;
        return v != whole ? (v < whole ? -1 : 1) : rest > 0 ? -1 : rest < 0;
    }
    if (is_small(i)) {
        return d > 0 ? -1 : 1;
    }
    BigView a;
    big_view(i, &a);
    if (a.neg != (d < 0)) {
        return a.neg ? -1 : 1;
    }
    /* Same sign, |d| >= 2^63: an integer of `exponent` bits whose top 53 are the mantissa. */
    int exponent;
    double fraction = frexp(a.neg ? -d : d, &exponent);
    size_t bits = big_view_bits(&a);
    int c;
    if (bits != (size_t)exponent) {
        c = bits < (size_t)exponent ? -1 : 1;
    } else {
        MpnLimb top = (MpnLimb)ldexp(fraction, 64), mine;
        unsigned used = bits % 64;
        mine = a.d[a.n - 1];
        bool rest = false;
        if (used) {
            mine = mine << (64 - used) | (a.n > 1 ? a.d[a.n - 2] >> used : 0);
            rest = a.n > 1 && (a.d[a.n - 2] << (64 - used)) != 0;
        } else {
            rest = a.n > 1 && a.d[a.n - 2] != 0;
        }
        for (size_t k = 2; !rest && k < a.n; k++) {
            rest = a.d[a.n - 1 - k] != 0;
        }
        c = mine != top ? (mine < top ? -1 : 1) : rest;
    }
    return a.neg ? -c : c;
}

int number_compare(Term a, Term b)
{
    if (is_float(a)) {
        if (is_float(b)) {
            double x = float_value(a), y = float_value(b);
            return (x > y) - (x < y);
        }
        return -compare_int_float(b, float_value(a));
    }
    if (is_float(b)) {
        return compare_int_float(a, float_value(b));
    }
    if (is_both_small(a, b)) {
        return (small_value(a) > small_value(b)) - (small_value(a) < small_value(b));
    }
    BigView x, y;
    big_view(a, &x);
    big_view(b, &y);
    return big_view_compare(&x, &y);
}

Term number_from_double(Proc *p, double d)
{
    if (d > -9.2e18 && d < 9.2e18) {
        return heap_int64(p, (int64_t)d);
    }
    int exponent;
    double fraction = frexp(d < 0 ? -d : d, &exponent);
    BigView mantissa = {.n = 1, .neg = d < 0, .one = (MpnLimb)ldexp(fraction, 53)};
    mantissa.d = &mantissa.one;
    return big_shift_left(p, &mantissa, (uint64_t)(exponent - 53));
}

bool integer_to_int64(Term t, int64_t *v)
{
    if (is_small(t)) {
        *v = small_value(t);
        return true;
    }
    if (!is_big(t) || big_limbs(t) != 1) {
        return false;
    }
    uint64_t d = big_digits(t)[0];
    bool neg = big_is_negative(t);
    if (d > (uint64_t)INT64_MAX + neg) {
        return false;
    }
    *v = (int64_t)(neg ? -d : d);
    return true;
}

bool integer_to_uint64(Term t, uint64_t *v)
{
    if (is_small(t)) {
        *v = (uint64_t)small_value(t);
        return small_value(t) >= 0;
    }
    if (!is_big(t) || big_limbs(t) != 1 || big_is_negative(t)) {
        return false;
    }
    *v = big_digits(t)[0];
    return true;
}
