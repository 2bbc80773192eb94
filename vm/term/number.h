/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integers of any size and floats: arithmetic, conversion, text. Results go to p's heap (heap_alloc, so
 * nothing moves). Kernels are GMP's mpn layer. A result above the limit (OTP's: 2^26-ish limbs) is
 * system_limit.
 */
#pragma once

#include "vm/heap/heap.h"

/* Each returns NONVALUE after p_fault(): badarith, or system_limit for a too large result. Any terms allowed. */
Term number_add(Proc *p, Term a, Term b);
Term number_sub(Proc *p, Term a, Term b);
Term number_mul(Proc *p, Term a, Term b);
Term number_div(Proc *p, Term a, Term b); /* `/` */
Term number_int_div(Proc *p, Term a, Term b);
Term number_rem(Proc *p, Term a, Term b);
Term number_neg(Proc *p, Term a);
Term number_band(Proc *p, Term a, Term b);
Term number_bor(Proc *p, Term a, Term b);
Term number_bxor(Proc *p, Term a, Term b);
Term number_bnot(Proc *p, Term a);
Term number_bsl(Proc *p, Term a, Term b);
Term number_bsr(Proc *p, Term a, Term b);

/* -1, 0, 1 for two numbers of any kinds, OTP's exact int/float comparison. */
int number_compare(Term a, Term b);
/* Integer to double; false when it overflows. */
bool number_to_double(Term t, double *d);
/* Truncated double (must be finite) as integer. */
Term number_from_double(Proc *p, double d);
/* True and *v when the integer fits. */
bool integer_to_int64(Term t, int64_t *v);
bool integer_to_uint64(Term t, uint64_t *v);

/* Magnitude bytes, for bit syntax and the external format: little-endian two's complement or magnitude. */
size_t big_magnitude_bytes(Term t); /* smalls too */
void integer_to_bytes(Term t, uint8_t *buf, size_t n, bool big_endian); /* two's complement, truncated to n bytes */
/* From n bytes; `is_signed`: two's complement. Small when it fits. Words bound: (n+7)/8+1. */
Term integer_from_bytes(Term **hp, const uint8_t *buf, size_t n, bool big_endian, bool is_signed);
Term integer_from_magnitude(Term **hp, const uint64_t *limbs, size_t n, bool negative); /* normalises */

/* Text. Parses [+-]digits in base 2..36. NONVALUE after p_badarg (not an integer) or p_system_limit. */
Term integer_parse(Proc *p, const uint8_t *s, size_t n, unsigned base);
/* Digits of t in base, into memory to free with vm_free; *n its length. */
uint8_t *integer_format(Term t, unsigned base, size_t *n);
/* Shortest text that reads back as d, as OTP's float_to_list(F, [short]) writes; returns length. buf >= 32. */
size_t float_format_short(double d, char *buf);
/* Digits of t as text; as float_to_list does it. Each returns the length, 0 when it does not fit in cap. */
size_t float_format_scientific(double d, unsigned decimals, char *buf, size_t cap); /* 1.50e+00 */
size_t float_format_decimals(double d, unsigned decimals, bool compact, char *buf, size_t cap);
enum { FLOAT_TEXT_MAX = 256 }; /* OTP's bound on a float's text, with its NUL */
/* Reads [+-]D.D[e[+-]D] at the start of s. Returns the bytes used, 0 when there is no float or it overflows. */
size_t float_parse(const uint8_t *s, size_t n, double *d);
