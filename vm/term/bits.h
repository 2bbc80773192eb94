/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bit fields in byte strings: the arithmetic under the bit syntax. Bit 0 is the most significant bit of
 * byte 0. Nothing here allocates from a process; all reads stay inside the bytes that hold the bits named.
 */
#pragma once

#include "vm/heap/heap.h"

/* n bits (0..64) at `bit` as an unsigned big-endian number; and the reverse: the low n bits of v. */
uint64_t bits_get(const uint8_t *base, size_t bit, unsigned n);
void bits_put(uint8_t *base, size_t bit, unsigned n, uint64_t v);
/* Turns an n-bit field read as big endian into the value of a little-endian field, and the reverse. A little-endian
 * field that is not whole bytes has its most significant bits in the last, short, byte. */
uint64_t bits_little_from_big(uint64_t v, unsigned n);
uint64_t bits_little_to_big(uint64_t v, unsigned n);

/* Words that the integer of an n-bit field may need on the heap. */
static inline size_t bits_integer_words(size_t n)
{
    return n < SMALL_BITS ? 0 : (n + 63) / 64 + 2;
}
/* The integer in n bits at `bit`. */
Term bits_get_integer(Term **hp, const uint8_t *base, size_t bit, size_t n, bool little, bool is_signed);
/* Writes the integer t, truncated to n bits. */
void bits_put_integer(uint8_t *base, size_t bit, size_t n, bool little, Term t);

/* Floats of 16, 32 or 64 bits. False when the bits are no finite number. */
bool bits_get_float(const uint8_t *base, size_t bit, size_t n, bool little, double *d);
void bits_put_float(uint8_t *base, size_t bit, size_t n, bool little, double d);

/* Sets n bits to zero. */
void bits_clear(uint8_t *base, size_t bit, size_t n);
