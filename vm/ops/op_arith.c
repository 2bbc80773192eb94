/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic and calls of natives from guards and expressions. Two smalls are done in place: a tagged small is
 * value * 16 + 15, so that sums and differences need no shifting, and 64-bit overflow is small overflow.
 * Everything else goes to term/number.c or to the native; those allocate without collecting, so afterwards the result
 * is kept in the scratch register above the live ones when a collection is due.
 */
#include "vm/load/code.h"
#include "vm/ops/fault.h"
#include "vm/ops/op.h"
#include "vm/term/number.h"

#define UNLIKELY(c) __builtin_expect((c), 0)

/* Stores a result that may have needed memory in `d`. live: registers in use. */
#define STORE_GC(r, live, d, words)                                                \
    do {                                                                           \
        if (UNLIKELY(p->flags & PF_NEEDS_COLLECT)) {                               \
            OP_SAVE();                                                             \
            p->ip = ip;                                                            \
            x[live] = (r);                                                         \
            if (!heap_collect_gc(p, STACK_RESERVE, x, (unsigned)(live) + 1)) {     \
                OP_LEAVE(RUN_EXITED);                                              \
            }                                                                      \
            OP_LOAD();                                                             \
            (d) = x[live];                                                         \
        } else {                                                                   \
            (d) = (r);                                                             \
        }                                                                          \
        NEXT(words);                                                               \
    } while (0)

/* Operands: fail, live, a, b, destination. */
#define ARITH_SLOW(fn, name, d, words)                 \
    do {                                               \
        OP_SAVE();                                     \
        Term r_ = fn(p, a, b);                         \
        OP_LOAD();                                     \
        if (UNLIKELY(r_ == NONVALUE)) {                \
            if (ARG(1)) {                              \
                FAIL(1);                               \
            }                                          \
            if (name) {                                \
                OP_SAVE();                             \
                fault_blame_operator(p, name, a, b);   \
            }                                          \
            RAISE();                                   \
        }                                              \
        STORE_GC(r_, ARG(2), d, words);                \
    } while (0)

/* An operator with its fast path for two smalls (it ends the instruction), A and B how to fetch the operands, D the
 * destination in the form this variant has it. */
#define ARITH_OP(name, A, B, D, number_fn, blame, ...) \
    OP_SLOW(name##_slow)                               \
    {                                                  \
        Term a = A, b = B;                             \
        ARITH_SLOW(number_fn, blame, D, 6);            \
    }                                                  \
    OP(name)                                           \
    {                                                  \
        Term a = A, b = B;                             \
        __VA_ARGS__                                    \
        OP_TAIL(name##_slow);                          \
    }
#define SMALL_RESULT(d, r) \
    do {                   \
        d = (Term)(r);     \
        NEXT(6);           \
    } while (0)

#define ADD_FAST(d)                                                                                   \
    {                                                                                                 \
        int64_t r;                                                                                    \
        if (is_both_small(a, b) && !__builtin_add_overflow((int64_t)a, (int64_t)(b - IMM_SMALL), &r)) { \
            SMALL_RESULT(d, r);                                                                       \
        }                                                                                             \
    }
#define SUB_FAST(d)                                                                                   \
    {                                                                                                 \
        int64_t r;                                                                                    \
        if (is_both_small(a, b) && !__builtin_sub_overflow((int64_t)a, (int64_t)(b - IMM_SMALL), &r)) { \
            SMALL_RESULT(d, r);                                                                       \
        }                                                                                             \
    }
/* With a constant, a failure is blamed on no operator: as OTP's own instruction for it does, which subtraction of a
 * negative one is not made into. */
#define SUB_BLAME (small_value(b) < 0 ? A_minus : NONVALUE)
/* That instruction adds: -0.0 - 0 is 0.0, except in guards. */
#define SUB_CONSTANT(p, a, b) ((b) == make_small(0) && !ARG(1) ? number_add(p, a, b) : number_sub(p, a, b))
ARITH_OP(add_xix, REG_X(3), ARG(4), REG_X(5), number_add, NONVALUE, ADD_FAST(REG_X(5)))
ARITH_OP(add_si, SRC(3), ARG(4), DST(5), number_add, NONVALUE, ADD_FAST(DST(5)))
ARITH_OP(add_is, ARG(3), SRC(4), DST(5), number_add, NONVALUE, ADD_FAST(DST(5)))
ARITH_OP(add, SRC(3), SRC(4), DST(5), number_add, A_plus, ADD_FAST(DST(5)))
ARITH_OP(add_xxx, REG_X(3), REG_X(4), REG_X(5), number_add, A_plus, ADD_FAST(REG_X(5)))
ARITH_OP(sub_xix, REG_X(3), ARG(4), REG_X(5), SUB_CONSTANT, SUB_BLAME, SUB_FAST(REG_X(5)))
ARITH_OP(sub_si, SRC(3), ARG(4), DST(5), SUB_CONSTANT, SUB_BLAME, SUB_FAST(DST(5)))
ARITH_OP(sub, SRC(3), SRC(4), DST(5), number_sub, A_minus, SUB_FAST(DST(5)))
ARITH_OP(mul, SRC(3), SRC(4), DST(5), number_mul, A_times, {
    int64_t r;
    if (is_both_small(a, b) && !__builtin_mul_overflow(small_value(a), (int64_t)(b - IMM_SMALL), &r)) {
        SMALL_RESULT(DST(5), r + IMM_SMALL);
    }
})
/* SMALL_MIN div -1 is no small. */
ARITH_OP(int_div, SRC(3), SRC(4), DST(5), number_int_div, A_div, {
    if (is_both_small(a, b) && b != make_small(0) && b != make_small(-1)) {
        SMALL_RESULT(DST(5), make_small(small_value(a) / small_value(b)));
    }
})
ARITH_OP(int_rem, SRC(3), SRC(4), DST(5), number_rem, A_rem, {
    if (is_both_small(a, b) && b != make_small(0) && b != make_small(-1)) {
        SMALL_RESULT(DST(5), make_small(small_value(a) % small_value(b)));
    }
})
ARITH_OP(band, SRC(3), SRC(4), DST(5), number_band, A_band, {
    if (is_both_small(a, b)) {
        SMALL_RESULT(DST(5), a & b);
    }
})
ARITH_OP(bor, SRC(3), SRC(4), DST(5), number_bor, A_bor, {
    if (is_both_small(a, b)) {
        SMALL_RESULT(DST(5), a | b);
    }
})
ARITH_OP(bxor, SRC(3), SRC(4), DST(5), number_bxor, A_bxor, {
    if (is_both_small(a, b)) {
        SMALL_RESULT(DST(5), (a ^ b) | IMM_SMALL);
    }
})
ARITH_OP(bsr, SRC(3), SRC(4), DST(5), number_bsr, A_bsr, {
    if (is_both_small(a, b) && (uint64_t)small_value(b) < SMALL_BITS) {
        SMALL_RESULT(DST(5), make_small(small_value(a) >> small_value(b)));
    }
})
ARITH_OP(bsl, SRC(3), SRC(4), DST(5), number_bsl, A_bsl, {
    if (is_both_small(a, b) && (uint64_t)small_value(b) < SMALL_BITS) {
        int64_t v = small_value(a), n = small_value(b);
        int64_t shifted = (int64_t)((uint64_t)v << n);
        if (shifted >> n == v && small_fits(shifted)) {
            SMALL_RESULT(DST(5), make_small(shifted));
        }
    }
})

/* --- natives as instructions ------------------------------------------------------------------------------ */
/* Arguments stand in memory of these helpers, not of the instructions: those must stay jumps. */
static __attribute__((noinline)) Term bif_call(Proc *p, Word fn, const Export *e, unsigned n, Term a, Term b, Term c,
                                               bool blame)
{
    Term args[3] = {a, b, c};
    Term r = fn ? ((NativeFn)(uintptr_t)fn)(p, args) : p_fault(p, FAULT_ERROR, A_undef);
    if (r == NONVALUE && !blame) {
        /* A failed guard leaves nothing behind: its fault may name parts of a message that stays in the queue. */
        p_fault(p, FAULT_NONE, NIL);
    } else if (r == NONVALUE) {
        args[0] = a;
        args[1] = b;
        args[2] = c;
        fault_blame_bif(p, e, n, args);
    }
    return r;
}

#define BIF_FAILED(r)             \
    if (UNLIKELY((r) == NONVALUE)) { \
        if (ARG(1)) {             \
            FAIL(1);              \
        }                         \
        RAISE();                  \
    }
#define BIF_CALL(at, n, a, b, c) bif_call(p, ARG(at), (const Export *)ARG((at) + 1), n, a, b, c, !ARG(1))

OP(bif0)
{
    OP_SAVE();
    Term r = bif_call(p, ARG(1), (const Export *)ARG(2), 0, NIL, NIL, NIL, true);
    OP_LOAD();
    if (r == NONVALUE) {
        RAISE();
    }
    DST(3) = r;
    NEXT(4);
}
OP(bif_self)
{
    DST(1) = p->id;
    NEXT(2);
}
OP(bif1)
{
    Term a = SRC(4);
    OP_SAVE();
    Term r = BIF_CALL(2, 1, a, NIL, NIL);
    OP_LOAD();
    BIF_FAILED(r);
    DST(5) = r;
    NEXT(6);
}
OP(bif2)
{
    Term a = SRC(4), b = SRC(5);
    OP_SAVE();
    Term r = BIF_CALL(2, 2, a, b, NIL);
    OP_LOAD();
    BIF_FAILED(r);
    DST(6) = r;
    NEXT(7);
}
OP(gc_bif1)
{
    Term a = SRC(5);
    OP_SAVE();
    Term r = BIF_CALL(3, 1, a, NIL, NIL);
    OP_LOAD();
    BIF_FAILED(r);
    STORE_GC(r, ARG(2), DST(6), 7);
}
OP(gc_bif2)
{
    Term a = SRC(5), b = SRC(6);
    OP_SAVE();
    Term r = BIF_CALL(3, 2, a, b, NIL);
    OP_LOAD();
    BIF_FAILED(r);
    STORE_GC(r, ARG(2), DST(7), 8);
}
OP(gc_bif3)
{
    Term a = SRC(5), b = SRC(6), c = SRC(7);
    OP_SAVE();
    Term r = BIF_CALL(3, 3, a, b, c);
    OP_LOAD();
    BIF_FAILED(r);
    STORE_GC(r, ARG(2), DST(8), 9);
}

/* The commonest of them in place. */
OP(hd)
{
    Term t = SRC(2);
    if (is_cons(t)) {
        DST(3) = cons_head(t);
        NEXT(4);
    }
    if (ARG(1)) {
        FAIL(1);
    }
    OP_SAVE();
    p_badarg(p);
    fault_blame_unary(p, A_hd, t);
    RAISE();
}
OP(tl)
{
    Term t = SRC(2);
    if (is_cons(t)) {
        DST(3) = cons_tail(t);
        NEXT(4);
    }
    if (ARG(1)) {
        FAIL(1);
    }
    OP_SAVE();
    p_badarg(p);
    fault_blame_unary(p, A_tl, t);
    RAISE();
}
OP(element_is)
{
    Term t = SRC(3);
    if (is_tuple(t)) {
        uint64_t i = (uint64_t)small_value(ARG(2)) - 1;
        if (i < tuple_arity(t)) {
            DST(4) = tuple_elements(t)[i];
            NEXT(5);
        }
    }
    if (ARG(1)) {
        FAIL(1);
    }
    OP_SAVE();
    p_badarg(p);
    fault_blame_operator(p, A_element, ARG(2), t);
    RAISE();
}
