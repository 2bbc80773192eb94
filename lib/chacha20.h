/* SPDX-License-Identifier: Apache-2.0 */
/* ChaCha20 (RFC 8439) as a generator of bytes that nobody can guess: the block function; a key that erases itself. */
#pragma once

#include "lib/cstd.h"

enum { CHACHA20_KEY_BYTES = 32, CHACHA20_NONCE_BYTES = 12, CHACHA20_BLOCK_BYTES = 64 };

/* One block of the stream (2.3). */
void chacha20_block(const uint8_t key[CHACHA20_KEY_BYTES], uint32_t counter, const uint8_t nonce[CHACHA20_NONCE_BYTES],
                    uint8_t block[CHACHA20_BLOCK_BYTES]);

/*
 * A generator is its key. chacha20_draw puts the stream's first 32 bytes in the key's place and hands out those that
 * follow: whoever sees the key later cannot find out what was handed out before (Bernstein, "Fast-key-erasure
 * random-number generators", 2017). At most CHACHA20_DRAW bytes at a time. Callers see to it that one draws at a time.
 */
enum { CHACHA20_DRAW = 65536 };
void chacha20_draw(uint8_t key[CHACHA20_KEY_BYTES], uint8_t *bytes, size_t n);
