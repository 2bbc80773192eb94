/* SPDX-License-Identifier: Apache-2.0 */
/* The external term format, both ways. */
#pragma once

#include "vm/heap/heap.h"

enum { ETF_SAFE = 1 }; /* no new atoms, no new funs */

/* Decoding in two steps so that any area can be the target. `data` starts after the version byte 131 if
 * `versioned` is false, at it otherwise. Returns false for malformed input. *consumed: bytes used. */
bool etf_decoded_words(const uint8_t *data, size_t n, unsigned flags, size_t *words, size_t *consumed);
/* Only after etf_decoded_words succeeded on the same bytes. */
Term etf_decode(const uint8_t *data, size_t n, unsigned flags, Term **hp, OffHeap *oh);
/* Whole: 131 ..., compressed (80) too. NONVALUE when malformed. *used may be NULL. */
Term etf_to_term(Proc *p, const uint8_t *data, size_t n, unsigned flags, size_t *used);

/* Encoding: appended to a growing buffer. */
typedef struct EtfBuffer {
    uint8_t *data;
    size_t size, capacity;
} EtfBuffer;
void etf_encode(EtfBuffer *b, Term t, unsigned minor_version, bool deterministic); /* without 131 */
