/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators of module erlang as functions: arithmetic, booleans, rounding. The instructions do the common
 * cases themselves; these are what apply, guards' slow paths and `fun erlang:'+'/2` reach.
 */
#include "gen/natives.h"
#include "vm/term/number.h"

#define ARITH_2(native, function) \
    NATIVE(native)                \
    {                             \
        return function(p, a[0], a[1]); \
    }
ARITH_2(native_plus_2, number_add)
ARITH_2(native_minus_2, number_sub)
ARITH_2(native_times, number_mul)
ARITH_2(native_divide, number_div)
ARITH_2(native_div, number_int_div)
ARITH_2(native_rem, number_rem)
ARITH_2(native_band, number_band)
ARITH_2(native_bor, number_bor)
ARITH_2(native_bxor, number_bxor)
ARITH_2(native_bsl, number_bsl)
ARITH_2(native_bsr, number_bsr)

NATIVE(native_plus_1)
{
    return is_number(a[0]) ? a[0] : p_badarith(p);
}

NATIVE(native_minus_1)
{
    return number_neg(p, a[0]);
}

NATIVE(native_bnot)
{
    return number_bnot(p, a[0]);
}

NATIVE(native_not)
{
    return is_boolean(a[0]) ? make_boolean(a[0] == A_false) : p_badarg(p);
}

NATIVE(native_and)
{
    return is_boolean(a[0]) && is_boolean(a[1]) ? make_boolean(a[0] == A_true && a[1] == A_true)
                                                : p_badarg(p);
}

NATIVE(native_or)
{
    return is_boolean(a[0]) && is_boolean(a[1]) ? make_boolean(a[0] == A_true || a[1] == A_true)
                                                : p_badarg(p);
}

NATIVE(native_xor)
{
    return is_boolean(a[0]) && is_boolean(a[1]) ? make_boolean(a[0] != a[1]) : p_badarg(p);
}

NATIVE(native_abs)
{
    if (is_float(a[0])) {
        double d = float_value(a[0]);
        return d < 0.0 ? heap_float(p, -d) : a[0];
    }
    if (!is_integer(a[0])) {
        return p_badarg(p);
    }
    bool negative = is_small(a[0]) ? small_value(a[0]) < 0 : big_is_negative(a[0]);
    return negative ? number_neg(p, a[0]) : a[0];
}

NATIVE(native_float)
{
    double d;
    if (is_float(a[0])) {
        return a[0];
    }
    return number_to_double(a[0], &d) ? heap_float(p, d) : p_badarg(p);
}

/* Half away from zero; adding 0.5 would be wrong just below a half and above 2^52. */
static double round_half_away(double d)
{
    double whole = trunc(d), rest = d - whole;
    return rest >= 0.5 ? whole + 1.0 : rest <= -0.5 ? whole - 1.0 : whole;
}

static Term to_integer(Proc *p, Term t, double (*rounding)(double))
{
    if (is_float(t)) {
        return number_from_double(p, rounding(float_value(t)));
    }
    return is_integer(t) ? t : p_badarg(p);
}

NATIVE(native_round)
{
    return to_integer(p, a[0], round_half_away);
}

NATIVE(native_trunc)
{
    return to_integer(p, a[0], trunc);
}

NATIVE(native_floor)
{
    return to_integer(p, a[0], floor);
}

NATIVE(native_ceil)
{
    return to_integer(p, a[0], ceil);
}
