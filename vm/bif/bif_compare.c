/* SPDX-License-Identifier: Apache-2.0 */
/* Comparison operators and type tests as functions. */
#include "gen/natives.h"
#include "vm/term/binary.h"
#include "vm/term/compare.h"

#define TEST_2(native, condition)         \
    NATIVE(native)                        \
    {                                     \
        (void)p;                          \
        return make_boolean(condition);   \
    }
TEST_2(native_eq, term_equal(a[0], a[1]))
TEST_2(native_ne, !term_equal(a[0], a[1]))
TEST_2(native_eq_exact, term_identical(a[0], a[1]))
TEST_2(native_ne_exact, !term_identical(a[0], a[1]))
TEST_2(native_lt, term_compare(a[0], a[1]) < 0)
TEST_2(native_le, term_compare(a[0], a[1]) <= 0)
TEST_2(native_gt, term_compare(a[0], a[1]) > 0)
TEST_2(native_ge, term_compare(a[0], a[1]) >= 0)

#define TEST_1(native, test)              \
    NATIVE(native)                        \
    {                                     \
        (void)p;                          \
        return make_boolean(test(a[0]));  \
    }
TEST_1(native_is_atom, is_atom)
TEST_1(native_is_boolean, is_boolean)
TEST_1(native_is_integer, is_integer)
TEST_1(native_is_float, is_float)
TEST_1(native_is_number, is_number)
TEST_1(native_is_list, is_list)
TEST_1(native_is_tuple, is_tuple)
TEST_1(native_is_binary, is_binary)
TEST_1(native_is_bitstring, is_bitstring)
TEST_1(native_is_pid, is_pid)
TEST_1(native_is_port, is_port)
TEST_1(native_is_reference, is_ref)

/* The order of map keys: integers before floats. */
NATIVE(native_erts_internal_cmp_term)
{
    (void)p;
    return make_small(term_compare_exact(a[0], a[1]));
}

static Term boxed_type(Term t)
{
    switch (boxed_sub(t)) {
    case SUB_TUPLE:
        return A_tuple;
    case SUB_POS_BIG:
    case SUB_NEG_BIG:
        return A_bignum;
    case SUB_REF:
        return A_reference;
    case SUB_FUN:
        return A_fun;
    case SUB_FLOAT:
        return A_hfloat;
    case SUB_EXPORT:
        return A_export;
    case SUB_REFC_BIN:
        return A_refc_binary;
    case SUB_HEAP_BIN:
        return A_heap_binary;
    case SUB_SUB_BIN:
        return A_sub_binary;
    case SUB_EXT_PID:
        return A_external_pid;
    case SUB_EXT_PORT:
        return A_external_port;
    case SUB_EXT_REF:
        return A_external_reference;
    case SUB_MAP:
        return is_flat_map(t) ? A_flatmap : is_map(t) ? A_hashmap : A_hashmap_node;
    default:
        return A_matchstate;
    }
}

NATIVE(native_erts_internal_term_type)
{
    (void)p;
    Term t = a[0];
    if (is_boxed(t)) {
        return boxed_type(t);
    }
    if (is_cons(t)) {
        return A_list;
    }
    return is_small(t) ? A_fixnum : is_atom(t) ? A_atom : is_nil(t) ? A_nil
           : is_local_pid(t) ? A_pid : A_port;
}
