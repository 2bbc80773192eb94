/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that guards and bodies of match specifications may call. Those that are more than a few lines are the
 * guard natives of module erlang; the rest is here, so that the common ones cost a call and no more.
 */
#include "vm/ets/match_priv.h"

#include "vm/bif/native.h"
#include "vm/term/binary.h"
#include "vm/term/compare.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

#define UNUSED_P (void)p
#define TYPE_TEST(name, test)                             \
    static Term name(Proc *p, const Term *a)              \
    {                                                     \
        UNUSED_P;                                         \
        return make_boolean(test(a[0]));                  \
    }
#define COMPARISON(name, condition)                       \
    static Term name(Proc *p, const Term *a)              \
    {                                                     \
        UNUSED_P;                                         \
        return make_boolean(condition);                   \
    }
#define ARITHMETIC(name, function) \
    static Term name(Proc *p, const Term *a) { return function(p, a[0], a[1]); }

TYPE_TEST(f_is_atom, is_atom)
TYPE_TEST(f_is_float, is_float)
TYPE_TEST(f_is_integer, is_integer)
TYPE_TEST(f_is_list, is_list)
TYPE_TEST(f_is_number, is_number)
TYPE_TEST(f_is_pid, is_pid)
TYPE_TEST(f_is_port, is_port)
TYPE_TEST(f_is_reference, is_ref)
TYPE_TEST(f_is_tuple, is_tuple)
TYPE_TEST(f_is_map, is_map)
TYPE_TEST(f_is_binary, is_binary)
TYPE_TEST(f_is_function, is_any_fun)

COMPARISON(f_eq, term_equal(a[0], a[1]))
COMPARISON(f_ne, !term_equal(a[0], a[1]))
COMPARISON(f_eq_exact, term_identical(a[0], a[1]))
COMPARISON(f_ne_exact, !term_identical(a[0], a[1]))
COMPARISON(f_lt, term_compare(a[0], a[1]) < 0)
COMPARISON(f_le, term_compare(a[0], a[1]) <= 0)
COMPARISON(f_gt, term_compare(a[0], a[1]) > 0)
COMPARISON(f_ge, term_compare(a[0], a[1]) >= 0)

ARITHMETIC(f_add, number_add)
ARITHMETIC(f_sub, number_sub)
ARITHMETIC(f_mul, number_mul)
ARITHMETIC(f_divide, number_div)
ARITHMETIC(f_div, number_int_div)
ARITHMETIC(f_rem, number_rem)
ARITHMETIC(f_band, number_band)
ARITHMETIC(f_bor, number_bor)
ARITHMETIC(f_bxor, number_bxor)
ARITHMETIC(f_bsl, number_bsl)
ARITHMETIC(f_bsr, number_bsr)

static Term f_neg(Proc *p, const Term *a) { return number_neg(p, a[0]); }
static Term f_bnot(Proc *p, const Term *a) { return number_bnot(p, a[0]); }
static Term f_self(Proc *p, const Term *a)
{
    (void)a;
    return p->id;
}

static Term f_plus(Proc *p, const Term *a)
{
    UNUSED_P;
    return is_number(a[0]) ? a[0] : NONVALUE;
}

static Term f_not(Proc *p, const Term *a)
{
    UNUSED_P;
    return is_boolean(a[0]) ? make_boolean(a[0] == A_false) : NONVALUE;
}

static Term f_xor(Proc *p, const Term *a)
{
    UNUSED_P;
    return is_boolean(a[0]) && is_boolean(a[1]) ? make_boolean(a[0] != a[1]) : NONVALUE;
}

static Term f_hd(Proc *p, const Term *a)
{
    UNUSED_P;
    return is_cons(a[0]) ? cons_head(a[0]) : NONVALUE;
}

static Term f_tl(Proc *p, const Term *a)
{
    UNUSED_P;
    return is_cons(a[0]) ? cons_tail(a[0]) : NONVALUE;
}

static Term f_element(Proc *p, const Term *a)
{
    UNUSED_P;
    if (!is_small(a[0]) || !is_tuple(a[1])) {
        return NONVALUE;
    }
    int64_t i = small_value(a[0]);
    return i >= 1 && (uint64_t)i <= tuple_arity(a[1]) ? tuple_elements(a[1])[i - 1] : NONVALUE;
}

static Term f_length(Proc *p, const Term *a)
{
    UNUSED_P;
    int64_t n = list_length(a[0]);
    return n < 0 ? NONVALUE : make_small(n);
}

static Term f_size(Proc *p, const Term *a)
{
    UNUSED_P;
    if (is_tuple(a[0])) {
        return make_small((int64_t)tuple_arity(a[0]));
    }
    return is_bitstring(a[0]) ? make_small((int64_t)(bitstring_bit_size(a[0]) / 8)) : NONVALUE;
}

static Term f_byte_size(Proc *p, const Term *a)
{
    UNUSED_P;
    return is_bitstring(a[0]) ? make_small((int64_t)((bitstring_bit_size(a[0]) + 7) / 8)) : NONVALUE;
}

static Term f_bit_size(Proc *p, const Term *a)
{
    UNUSED_P;
    return is_bitstring(a[0]) ? make_small((int64_t)bitstring_bit_size(a[0])) : NONVALUE;
}

static Term f_map_size(Proc *p, const Term *a)
{
    UNUSED_P;
    return is_map(a[0]) ? make_small((int64_t)map_size(a[0])) : NONVALUE;
}

static Term f_map_get(Proc *p, const Term *a)
{
    UNUSED_P;
    return is_map(a[1]) ? map_get(a[1], a[0]) : NONVALUE;
}

static Term f_is_map_key(Proc *p, const Term *a)
{
    UNUSED_P;
    return is_map(a[1]) ? make_boolean(map_get(a[1], a[0]) != NONVALUE) : NONVALUE;
}

static Term f_is_record(Proc *p, const Term *a)
{
    UNUSED_P;
    if (!is_atom(a[1]) || !is_small(a[2]) || small_value(a[2]) < 0) {
        return NONVALUE;
    }
    return make_boolean(is_tuple(a[0]) && tuple_arity(a[0]) == (size_t)small_value(a[2]) &&
                        a[2] != make_small(0) && tuple_elements(a[0])[0] == a[1]);
}

static const MatchFunction functions[] = {
    {A_is_atom, 1, f_is_atom, false},
    {A_is_float, 1, f_is_float, false},
    {A_is_integer, 1, f_is_integer, false},
    {A_is_list, 1, f_is_list, false},
    {A_is_number, 1, f_is_number, false},
    {A_is_pid, 1, f_is_pid, false},
    {A_is_port, 1, f_is_port, false},
    {A_is_reference, 1, f_is_reference, false},
    {A_is_tuple, 1, f_is_tuple, false},
    {A_is_map, 1, f_is_map, false},
    {A_is_binary, 1, f_is_binary, false},
    {A_is_function, 1, f_is_function, false},
    {A_is_record, 3, f_is_record, false},
    {A_is_map_key, 2, f_is_map_key, false},
    {A_eq, 2, f_eq, false},
    {A_ne, 2, f_ne, false},
    {A_eq_exact, 2, f_eq_exact, false},
    {A_ne_exact, 2, f_ne_exact, false},
    {A_lt, 2, f_lt, false},
    {A_le, 2, f_le, false},
    {A_gt, 2, f_gt, false},
    {A_ge, 2, f_ge, false},
    {A_plus, 2, f_add, false},
    {A_minus, 2, f_sub, false},
    {A_times, 2, f_mul, false},
    {A_divide, 2, f_divide, false},
    {A_div, 2, f_div, false},
    {A_rem, 2, f_rem, false},
    {A_band, 2, f_band, false},
    {A_bor, 2, f_bor, false},
    {A_bxor, 2, f_bxor, false},
    {A_bsl, 2, f_bsl, true}, /* these may return an argument as it is */
    {A_bsr, 2, f_bsr, true},
    {A_plus, 1, f_plus, true},
    {A_minus, 1, f_neg, false},
    {A_bnot, 1, f_bnot, false},
    {A_not, 1, f_not, false},
    {A_xor, 2, f_xor, false},
    {A_hd, 1, f_hd, true},
    {A_tl, 1, f_tl, true},
    {A_element, 2, f_element, true},
    {A_map_get, 2, f_map_get, true},
    {A_length, 1, f_length, false},
    {A_size, 1, f_size, false},
    {A_byte_size, 1, f_byte_size, false},
    {A_bit_size, 1, f_bit_size, false},
    {A_map_size, 1, f_map_size, false},
    {A_self, 0, f_self, false},
    {A_node, 0, NULL, false},
    {A_node, 1, NULL, false},
    {A_abs, 1, NULL, true},
    {A_round, 1, NULL, true},
    {A_trunc, 1, NULL, true},
    {A_float, 1, NULL, true},
    {A_binary_part, 2, NULL, true},
    {A_binary_part, 3, NULL, true},
};

const MatchFunction *match_function(Term name, unsigned arity)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (functions[i].name == name && functions[i].arity == arity) {
            return &functions[i];
        }
    }
    return NULL;
}
