/* SPDX-License-Identifier: Apache-2.0 */
/* Term order and equality, OTP's: number < atom < reference < fun < port < pid < tuple < map < nil < list <
 * bitstring. */
#pragma once

#include "vm/term/term.h"

int term_compare_slow(Term a, Term b);       /* ==, <: 1 == 1.0 */
int term_compare_exact(Term a, Term b);      /* total order of map keys: integers before floats */
bool term_equal_slow(Term a, Term b);        /* == */
bool term_identical_slow(Term a, Term b);    /* =:= */

static inline int term_compare(Term a, Term b)
{
    if (is_both_small(a, b)) {
        return (int64_t)a < (int64_t)b ? -1 : (int64_t)a > (int64_t)b;
    }
    return a == b ? 0 : term_compare_slow(a, b);
}
static inline bool term_identical(Term a, Term b)
{
    /* Two different immediates, or an immediate and a pointer, are never identical. */
    return a == b || (!is_immed(a) && !is_immed(b) && term_identical_slow(a, b));
}
static inline bool term_equal(Term a, Term b)
{
    return a == b || (!(is_immed(a) && is_immed(b)) && term_equal_slow(a, b));
}
