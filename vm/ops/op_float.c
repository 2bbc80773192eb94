/* SPDX-License-Identifier: Apache-2.0 */
/* Float registers: those of the scheduler, never alive across a call. Results must be finite. */
#include "vm/ops/op.h"
#include "vm/term/number.h"

#define F(i) (p->sched->f[ip[i]])
#define BADARITH()     \
    do {               \
        OP_SAVE();     \
        p_badarith(p); \
        RAISE();       \
    } while (0)

OP(fmove_fd)
{
    Term *object = hp;
    object[0] = MAKE_HEADER(1, SUB_FLOAT);
    memcpy(object + 1, &F(1), sizeof(double));
    hp += FLOAT_WORDS;
    DST(2) = make_boxed(object);
    NEXT(3);
}
OP(fmove_sf)
{
    Term t = SRC(1);
    if (!is_float(t)) {
        BADARITH();
    }
    F(2) = float_value(t);
    NEXT(3);
}
OP(fmove_ff)
{
    F(2) = F(1);
    NEXT(3);
}
OP(fconv)
{
    Term t = SRC(1);
    if (is_small(t)) {
        F(2) = (double)small_value(t);
        NEXT(3);
    }
    if (is_float(t)) {
        F(2) = float_value(t);
        NEXT(3);
    }
    if (!is_big(t) || !number_to_double(t, &F(2))) {
        BADARITH();
    }
    NEXT(3);
}
#define FLOAT_OP(name, operator)                        \
    OP(name)                                            \
    {                                                   \
        double r = F(1) operator F(2);                  \
        if (!__builtin_isfinite(r)) {                   \
            BADARITH();                                 \
        }                                               \
        F(3) = r;                                       \
        NEXT(4);                                        \
    }
FLOAT_OP(fadd, +)
FLOAT_OP(fsub, -)
FLOAT_OP(fmul, *)
FLOAT_OP(fdiv, /)
OP(fnegate)
{
    F(2) = 0.0 - F(1); /* of 0.0 it is 0.0, as OTP's instruction says; of the operator it is -0.0 */
    NEXT(3);
}
