/* SPDX-License-Identifier: Apache-2.0 */
/* The external term format, both ways. */
#pragma once

#include "vm/heap/heap.h"

enum { ETF_SAFE = 1 }; /* no new atoms, no references to functions that do not exist */

/* Decoding in two steps so that any area can be the target. The data starts after the version byte 131.
 * Returns false for malformed input. *consumed: bytes used. */
bool etf_decoded_words(const uint8_t *data, size_t n, unsigned flags, size_t *words, size_t *consumed);
/* Only after etf_decoded_words succeeded on the same bytes. Still NONVALUE when a map has a key twice or the atom table
 * is full; then the words from *hp on are garbage, but what was linked into oh stays valid and must be released. */
Term etf_decode(const uint8_t *data, size_t n, unsigned flags, Term **hp, OffHeap *oh);
/* Whole: 131 ..., compressed (80) too. NONVALUE when malformed. *used may be NULL. */
Term etf_to_term(Proc *p, const uint8_t *data, size_t n, unsigned flags, size_t *used);
/* 131, 80: the uncompressed form (starting after 131) in memory to free with vm_free; NULL when bad. */
uint8_t *etf_inflate(const uint8_t *data, size_t n, size_t *size, size_t *used);

/* Encoding: appended to a growing buffer (start with zeros; free `data` with vm_free). With `cut_binaries` the bytes
 * of large binaries stay out of it: cuts[i] says that at this offset of `data` the bytes of that binary belong. */
typedef struct EtfCut {
    size_t offset;
    Term binary;
} EtfCut;
typedef struct EtfBuffer {
    uint8_t *data;
    size_t size, capacity;
    bool cut_binaries;
    EtfCut *cuts;
    size_t cut_count;
    uint64_t cut_bytes; /* in all of them */
    /* what erlang:external_size says beyond the real size (OTP takes two numbers of a fun as 5 bytes) */
    size_t uncounted;
} EtfBuffer;
/* Without 131. Terms created for it (sorted keys) are none: nothing is allocated on any heap. */
void etf_encode(EtfBuffer *b, Term t, unsigned minor_version, bool deterministic);
/* Deflated form 131, 80, ... of data (without its 131); NULL when it would not be smaller. */
uint8_t *etf_deflate(const uint8_t *data, size_t n, int level, size_t *size);
