/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few functions of GMP's mpn layer that Loom uses, declared here so that the machine stays free of
 * system headers (<gmp.h> brings stdio). Limbs are 64 bits, least significant first.
 */
#pragma once

#include "lib/cstd.h"

typedef unsigned long MpnLimb;
typedef long MpnSize;
_Static_assert(sizeof(MpnLimb) == 8, "64-bit limbs");

/* Carry (borrow) out is returned. un >= vn. */
MpnLimb __gmpn_add(MpnLimb *r, const MpnLimb *u, MpnSize un, const MpnLimb *v, MpnSize vn);
MpnLimb __gmpn_sub(MpnLimb *r, const MpnLimb *u, MpnSize un, const MpnLimb *v, MpnSize vn);
int __gmpn_cmp(const MpnLimb *u, const MpnLimb *v, MpnSize n);
/* un >= vn >= 1; r has un + vn limbs, distinct from both. Returns the top limb. */
MpnLimb __gmpn_mul(MpnLimb *r, const MpnLimb *u, MpnSize un, const MpnLimb *v, MpnSize vn);
MpnLimb __gmpn_mul_1(MpnLimb *r, const MpnLimb *u, MpnSize n, MpnLimb v);
void __gmpn_sqr(MpnLimb *r, const MpnLimb *u, MpnSize n);
/* q has nn - dn + 1 limbs, r dn; zero must be 0. d's top limb is not zero. */
void __gmpn_tdiv_qr(MpnLimb *q, MpnLimb *r, MpnSize zero, const MpnLimb *n, MpnSize nn,
                    const MpnLimb *d, MpnSize dn);
/* q = n / d; returns the remainder. fraction must be 0. */
MpnLimb __gmpn_divrem_1(MpnLimb *q, MpnSize fraction, const MpnLimb *n, MpnSize nn, MpnLimb d);
MpnLimb __gmpn_mod_1(const MpnLimb *n, MpnSize nn, MpnLimb d);
/* Shift by 1..63 bits; the bits shifted out are returned. */
MpnLimb __gmpn_lshift(MpnLimb *r, const MpnLimb *u, MpnSize n, unsigned count);
MpnLimb __gmpn_rshift(MpnLimb *r, const MpnLimb *u, MpnSize n, unsigned count);
/* Digit values (not characters), most significant first. get_str destroys u. */
size_t __gmpn_get_str(unsigned char *s, int base, MpnLimb *u, MpnSize n);
MpnSize __gmpn_set_str(MpnLimb *r, const unsigned char *s, size_t n, int base);
size_t __gmpn_sizeinbase(const MpnLimb *u, MpnSize n, int base);
