/* SPDX-License-Identifier: Apache-2.0 */
/* Tests and selects: go on, or jump to the fail label (operand 1; in selects: the default). */
#include "vm/load/code.h"
#include "vm/ops/op.h"
#include "vm/term/binary.h"
#include "vm/term/compare.h"

#define TEST(condition, words)  \
    do {                        \
        if (condition) {        \
            NEXT(words);        \
        }                       \
        FAIL(1);                \
    } while (0)

/* Tests that the fail branch is as likely as the other: each term test as one function over any source. */
#define TYPE_TEST(name, predicate) OP(name) { TEST(predicate(SRC(2)), 3); }
TYPE_TEST(is_integer, is_integer)
TYPE_TEST(is_float, is_float)
TYPE_TEST(is_number, is_number)
TYPE_TEST(is_atom, is_atom)
TYPE_TEST(is_pid, is_pid)
TYPE_TEST(is_reference, is_ref)
TYPE_TEST(is_port, is_port)
TYPE_TEST(is_nil, is_nil)
TYPE_TEST(is_list, is_list)
TYPE_TEST(is_nonempty_list, is_cons)
TYPE_TEST(is_tuple, is_tuple)
TYPE_TEST(is_map, is_map)
TYPE_TEST(is_boolean, is_boolean)
TYPE_TEST(is_function, is_any_fun)

/* A match context may stand where its binary did. */
static inline bool is_any_bits(Term t) { return is_bitstring(t) || is_boxed_sub(t, SUB_MATCH); }
TYPE_TEST(is_bitstr, is_any_bits)
TYPE_TEST(is_binary, is_binary)

OP(is_integer_x) { TEST(is_small(REG_X(2)) || is_big(REG_X(2)), 3); }
OP(is_atom_x) { TEST(is_atom(REG_X(2)), 3); }
OP(is_nil_x) { TEST(is_nil(REG_X(2)), 3); }
OP(is_list_x) { TEST(is_list(REG_X(2)), 3); }
OP(is_nonempty_list_x) { TEST(is_cons(REG_X(2)), 3); }
OP(is_tuple_x) { TEST(is_tuple(REG_X(2)), 3); }

/* fun_arity: what the caller sees. */
static bool is_function_of(Term f, Term arity)
{
    if (is_local_fun(f)) {
        return make_small(fun_ptr(f)->entry->arity) == arity;
    }
    return is_export_fun(f) && make_small(export_arity(export_fun_export(f))) == arity;
}
OP(is_function2) { TEST(is_function_of(SRC(2), SRC(3)), 4); }

/* --- tuples; operand 3 is the header word ------------------------------------------------------------------ */
OP(test_arity_x) { TEST(*boxed_ptr(REG_X(2)) == ARG(3), 4); }
OP(test_arity) { TEST(*boxed_ptr(SRC(2)) == ARG(3), 4); }
OP(is_tuple_of_arity_x) { TEST(is_boxed(REG_X(2)) && *boxed_ptr(REG_X(2)) == ARG(3), 4); }
OP(is_tuple_of_arity)
{
    Term t = SRC(2);
    TEST(is_boxed(t) && *boxed_ptr(t) == ARG(3), 4);
}
OP(is_tagged_tuple_x)
{
    Term t = REG_X(2);
    TEST(is_boxed(t) && boxed_ptr(t)[0] == ARG(3) && boxed_ptr(t)[1] == ARG(4), 5);
}
OP(is_tagged_tuple)
{
    Term t = SRC(2);
    TEST(is_boxed(t) && boxed_ptr(t)[0] == ARG(3) && boxed_ptr(t)[1] == ARG(4), 5);
}

/* --- comparisons -------------------------------------------------------------------------------------------- */
/* Smalls compare as signed words: the tag is the same in both. Everything else is the rare part. */
#define COMPARE_OP(name, A, B, known_small, operator)                                     \
    OP_SLOW(name##_slow) { TEST(term_compare(A, B) operator 0, 4); }                      \
    OP(name)                                                                              \
    {                                                                                     \
        Term a = A, b = B;                                                                \
        if (known_small) {                                                                \
            TEST((int64_t)a operator (int64_t)b, 4);                                      \
        }                                                                                 \
        OP_TAIL(name##_slow);                                                             \
    }
COMPARE_OP(is_lt_xi, REG_X(2), ARG(3), is_small(a), <)
COMPARE_OP(is_lt_ix, ARG(2), REG_X(3), is_small(b), <)
COMPARE_OP(is_lt_xx, REG_X(2), REG_X(3), is_both_small(a, b), <)
COMPARE_OP(is_lt, SRC(2), SRC(3), is_both_small(a, b), <)
COMPARE_OP(is_ge_xi, REG_X(2), ARG(3), is_small(a), >=)
COMPARE_OP(is_ge_ix, ARG(2), REG_X(3), is_small(b), >=)
COMPARE_OP(is_ge_xx, REG_X(2), REG_X(3), is_both_small(a, b), >=)
COMPARE_OP(is_ge, SRC(2), SRC(3), is_both_small(a, b), >=)

OP(is_eq) { TEST(term_equal(SRC(2), SRC(3)), 4); }
OP(is_ne) { TEST(!term_equal(SRC(2), SRC(3)), 4); }
OP(is_eq_exact_xq) { TEST(REG_X(2) == ARG(3), 4); }
OP(is_eq_exact_yq) { TEST(REG_Y(2) == ARG(3), 4); }
OP(is_ne_exact_xq) { TEST(REG_X(2) != ARG(3), 4); }
OP(is_ne_exact_yq) { TEST(REG_Y(2) != ARG(3), 4); }

OP_SLOW(is_eq_exact_xx_slow) { TEST(term_identical_slow(REG_X(2), REG_X(3)), 4); }
OP(is_eq_exact_xx)
{
    Term a = REG_X(2), b = REG_X(3);
    if (a == b) {
        NEXT(4);
    }
    if (is_immed(a) || is_immed(b)) {
        FAIL(1);
    }
    OP_TAIL(is_eq_exact_xx_slow);
}
OP_SLOW(is_eq_exact_slow) { TEST(term_identical_slow(SRC(2), SRC(3)), 4); }
OP(is_eq_exact)
{
    Term a = SRC(2), b = SRC(3);
    if (a == b) {
        NEXT(4);
    }
    if (is_immed(a) || is_immed(b)) {
        FAIL(1);
    }
    OP_TAIL(is_eq_exact_slow);
}
OP_SLOW(is_ne_exact_slow) { TEST(!term_identical_slow(SRC(2), SRC(3)), 4); }
OP(is_ne_exact)
{
    Term a = SRC(2), b = SRC(3);
    if (a == b) {
        FAIL(1);
    }
    if (is_immed(a) || is_immed(b)) {
        NEXT(4);
    }
    OP_TAIL(is_ne_exact_slow);
}

/* --- selects: operands subject, count, default; values; labels ------------------------------------------------ */
OP(jump_table)
{
    Term t = SRC(1);
    if (is_small(t)) {
        uint64_t i = (uint64_t)(small_value(t) - small_value(ARG(2)));
        if (i < ARG(3)) {
            GOTO((const Word *)ip[5 + i]);
        }
    }
    GOTO(LABEL(4));
}
OP(select_linear)
{
    Term t = SRC(1);
    Word n = ARG(2);
    for (Word i = 0; i < n; i++) {
        if (ip[4 + i] == t) {
            GOTO((const Word *)ip[4 + n + i]);
        }
    }
    GOTO(LABEL(3));
}
OP(select_search)
{
    Term t = SRC(1);
    Word n = ARG(2);
    const Word *values = ip + 4;
    Word low = 0, high = n;
    while (low < high) {
        Word middle = (low + high) / 2;
        if (values[middle] < t) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < n && values[low] == t) {
        GOTO((const Word *)values[n + low]);
    }
    GOTO(LABEL(3));
}
OP(select_equal)
{
    Term t = SRC(1);
    Word n = ARG(2);
    for (Word i = 0; i < n; i++) {
        if (term_identical(ip[4 + i], t)) {
            GOTO((const Word *)ip[4 + n + i]);
        }
    }
    GOTO(LABEL(3));
}
/* The subject is a tuple; values are header words. */
OP(select_arity)
{
    Term t = SRC(1);
    Word n = ARG(2);
    if (is_boxed(t)) {
        Word header = *boxed_ptr(t);
        for (Word i = 0; i < n; i++) {
            if (ip[4 + i] == header) {
                GOTO((const Word *)ip[4 + n + i]);
            }
        }
    }
    GOTO(LABEL(3));
}

/* --- what the verifier could not prove -------------------------------------------------------------------------- */
#define CHECK(condition, words)  \
    do {                         \
        if (condition) {         \
            NEXT(words);         \
        }                        \
        OP_SAVE();               \
        p_badarg(p);             \
        RAISE();                 \
    } while (0)
OP(check_tuple)
{
    Term t = SRC(1);
    CHECK(is_tuple(t) && tuple_arity(t) >= ARG(2), 3);
}
OP(check_cons) { CHECK(is_cons(SRC(1)), 2); }
OP(check_map) { CHECK(is_map(SRC(1)), 2); }
