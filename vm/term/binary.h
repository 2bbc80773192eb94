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
/* The HeapBin or RefcBin behind any bitstring; *bit_offset: where the bitstring starts in it. */
Term binary_origin(Term t, size_t *bit_offset);
const uint8_t *binary_origin_bytes(Term origin);

/* New binary on p's heap with uninitialised bytes at *data (heap bin to 64 bytes, refc above). */
Term binary_new(Proc *p, size_t size, uint8_t **data);
Term binary_from_bytes(Proc *p, const void *data, size_t size);
Term binary_from_cstr(Proc *p, const char *s);
/* As binary_new, for any number of bits. */
Term bitstring_new(Proc *p, size_t bit_size, uint8_t **data);
/* A binary of `size` bytes over b, whose count it takes: small ones are copied to a heap binary and b is released. */
Term binary_take(Proc *p, Binary *b, size_t size);
/* Sub-bitstring of t: bits [offset, offset + size) relative to t. */
Term binary_sub(Proc *p, Term t, size_t bit_offset, size_t bit_size);

/* Builders at *hp. binary_new_words: what binary_build_new needs. */
static inline size_t binary_new_words(size_t size)
{
    return size <= HEAP_BIN_MAX ? HEAP_BIN_WORDS(size) : REFC_BIN_WORDS;
}
Term binary_build_new(Term **hp, OffHeap *oh, size_t size, uint8_t **data);
/* A part of an origin: whole bytes up to HEAP_BIN_MAX are copied (nothing keeps a large binary alive for a few bytes).
 * At most BINARY_PART_WORDS. */
#define BINARY_PART_WORDS HEAP_BIN_WORDS(HEAP_BIN_MAX)
Term binary_build_part(Term **hp, Term origin, size_t bit_offset, size_t bit_size);
/* A match context or a sub-bitstring reference without copying. SUB_BIN_WORDS. */
Term binary_build_sub(Term **hp, Term origin, size_t bit_offset, size_t bit_size);

/* After an allocation of off-heap bytes: asks for a collection when p holds many. */
void binary_note_pressure(Proc *p);

/* Copies n bits; any alignment; regions do not overlap. */
void bits_copy(uint8_t *dst, size_t dst_bit, const uint8_t *src, size_t src_bit, size_t n);
int bits_compare(Bits a, Bits b); /* term order */
bool bits_equal(Bits a, Bits b);

/* iodata. Walks any iolist without recursion. */
typedef enum { IO_OK, IO_BADARG, IO_OVERFLOW } IoResult;
IoResult iolist_size_of(Term t, size_t *bytes);       /* bytes; a bitstring that is not whole bytes is BADARG */
IoResult iolist_copy(Term t, uint8_t *buf, size_t cap); /* cap from iolist_size_of */
/* The same for bitstrings: sizes in bits, parts joined at bit level. */
IoResult bitlist_size_of(Term t, size_t *bits);
IoResult bitlist_copy(Term t, uint8_t *buf, size_t cap_bits);
/* Flattens into memory the caller frees with vm_free; NULL when bad. Also NUL-terminates. */
uint8_t *iolist_to_memory(Term t, size_t *bytes);
/* Walks the leaves of iodata in order: bytes (as smalls) and bitstrings. */
typedef struct IoWalk {
    Term *stack;
    size_t depth, capacity;
    Term here; /* rest of the list being walked */
    Term first[16];
} IoWalk;
void iolist_walk_init(IoWalk *w, Term t);
/* 1: *leaf is the next one; 0: end; -1: no iodata (bytes above 255 and improper tails that are no bitstrings too). */
int iolist_walk_next(IoWalk *w, Term *leaf);
void iolist_walk_end(IoWalk *w); /* frees; always to be called */
