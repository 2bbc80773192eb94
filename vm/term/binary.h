/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binaries and bitstrings: views over their bytes, construction, and the run-time side of the bit
 * syntax instructions (see doc/binaries.md).
 */
#pragma once

#include "vm/heap/heap.h"

/* A flat view of any bitstring (heap, refc, sub): valid until the next collection. */
typedef struct Bits {
    const uint8_t *base;
    size_t bit_offset; /* of the first bit from base */
    size_t bit_size;
} Bits;
/* t must be a bitstring. */
Bits bits_view(Term t);
/* Byte-aligned fast path: true when t is a binary (whole bytes) whose bytes are at *data; an unaligned binary
 * is copied into memory of p (a heap binary), so this never fails for a binary. False if t is no binary. */
bool binary_bytes(Proc *p, Term t, const uint8_t **data, size_t *size);
bool is_binary(Term t);            /* whole bytes */
size_t bitstring_bit_size(Term t);

/* New binary on p's heap with uninitialised bytes at *data (heap bin to 64 bytes, refc above). */
Term binary_new(Proc *p, size_t size, uint8_t **data);
Term binary_from_bytes(Proc *p, const void *data, size_t size);
Term binary_from_cstr(Proc *p, const char *s);
/* Sub-bitstring of t: bits [offset, offset + size) relative to t. */
Term binary_sub(Proc *p, Term t, size_t bit_offset, size_t bit_size);

/* Copies n bits; any alignment; regions do not overlap. */
void bits_copy(uint8_t *dst, size_t dst_bit, const uint8_t *src, size_t src_bit, size_t n);
int bits_compare(Bits a, Bits b); /* term order */
bool bits_equal(Bits a, Bits b);

/* iodata. Walks any iolist without recursion. */
typedef enum { IO_OK, IO_BADARG, IO_OVERFLOW } IoResult;
IoResult iolist_size_of(Term t, size_t *bytes);       /* bytes; a bitstring that is not whole bytes is BADARG */
IoResult iolist_copy(Term t, uint8_t *buf, size_t cap); /* cap from iolist_size_of */
/* Flattens into memory the caller frees with vm_free; NULL when bad. Also NUL-terminates. */
uint8_t *iolist_to_memory(Term t, size_t *bytes);
