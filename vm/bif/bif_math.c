/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Module math. An argument that is no number is badarg; one too large for a float, or a result that is not finite,
 * badarith.
 */
#include "gen/natives.h"
#include "vm/term/libm.h"
#include "vm/term/number.h"

/* False: fault set. */
static bool argument(Proc *p, Term t, double *d)
{
    if (number_to_double(t, d)) {
        return true;
    }
    is_number(t) ? p_badarith(p) : p_badarg(p);
    return false;
}

static Term finite_result(Proc *p, double d)
{
    return __builtin_isfinite(d) ? heap_float(p, d) : p_badarith(p);
}

#define MATH_1(function)                                       \
    NATIVE(native_math_##function)                             \
    {                                                          \
        double x;                                              \
        return argument(p, a[0], &x) ? finite_result(p, function(x)) : NONVALUE; \
    }
MATH_1(cos)
MATH_1(cosh)
MATH_1(sin)
MATH_1(sinh)
MATH_1(tan)
MATH_1(tanh)
MATH_1(acos)
MATH_1(acosh)
MATH_1(asin)
MATH_1(asinh)
MATH_1(atan)
MATH_1(atanh)
MATH_1(erf)
MATH_1(erfc)
MATH_1(exp)
MATH_1(log)
MATH_1(log2)
MATH_1(log10)
MATH_1(sqrt)
MATH_1(floor)
MATH_1(ceil)

#define MATH_2(function)                                                  \
    NATIVE(native_math_##function)                                        \
    {                                                                     \
        double x, y;                                                      \
        return argument(p, a[0], &x) && argument(p, a[1], &y) ? finite_result(p, function(x, y)) \
                                                              : NONVALUE; \
    }
MATH_2(atan2)
MATH_2(pow)
MATH_2(fmod)
