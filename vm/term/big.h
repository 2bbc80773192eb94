/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integers as magnitude and sign, whatever their term looks like: what number.c and big*.c share. A BigView
 * refers into itself for smalls, so it is filled in place and never copied.
 */
#pragma once

#include "vm/heap/heap.h"
#include "vm/term/mpn.h"
#include "vm/proc/proc.h"

enum { BIG_MAX_LIMBS = (1 << 19) - 1 }; /* OTP's bound: 2^25 - 64 bits; more is system_limit */
enum { BIG_MAX_BITS = BIG_MAX_LIMBS * 64 };

typedef struct BigView {
    const MpnLimb *d;
    size_t n; /* limbs; 0 for zero; the top one is not zero */
    bool neg;
    MpnLimb one;
} BigView;

static inline bool limb_fits_small(MpnLimb d, bool neg)
{
    return d <= (MpnLimb)SMALL_MAX + neg;
}

/* t must be an integer. */
static inline void big_view(Term t, BigView *v)
{
    if (is_small(t)) {
        int64_t s = small_value(t);
        v->neg = s < 0;
        v->one = s < 0 ? -(MpnLimb)s : (MpnLimb)s;
        v->n = s != 0;
        v->d = &v->one;
        return;
    }
    v->neg = big_is_negative(t);
    v->n = big_limbs(t);
    v->d = (const MpnLimb *)big_digits(t);
}

/* Bits of the magnitude; 0 for zero. */
static inline size_t big_view_bits(const BigView *v)
{
    return v->n == 0 ? 0 : v->n * 64 - (size_t)__builtin_clzl(v->d[v->n - 1]);
}

int big_view_compare(const BigView *a, const BigView *b); /* signed */
int big_magnitude_compare(const BigView *a, const BigView *b);

/* Space on p's heap for a result of up to n limbs: header word first. */
static inline Term *big_alloc(Proc *p, size_t n)
{
    return heap_alloc(p, 1 + n);
}
/* Ends a result begun with big_alloc (no other allocation between): drops leading zeros, makes a small
 * where it fits, gives unused words back. NONVALUE (system_limit) when above the bound. */
Term big_finish(Proc *p, Term *o, size_t n, bool neg);

Term big_add(Proc *p, const BigView *a, const BigView *b, bool subtract);
Term big_mul(Proc *p, const BigView *a, const BigView *b);
Term big_div(Proc *p, const BigView *a, const BigView *b); /* b not zero; truncates */
Term big_rem(Proc *p, const BigView *a, const BigView *b);
typedef enum { BIG_AND, BIG_OR, BIG_XOR } BigBitOp;
Term big_bit_op(Proc *p, BigBitOp op, const BigView *a, const BigView *b);
Term big_shift_left(Proc *p, const BigView *a, uint64_t count);
Term big_shift_right(Proc *p, const BigView *a, uint64_t count); /* rounds to minus infinity */
