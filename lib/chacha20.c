/* SPDX-License-Identifier: Apache-2.0 */
/* ChaCha20 as RFC 8439 describes it: sixteen words, twenty rounds, columns and diagonals in turn. */
#include "lib/chacha20.h"

enum { WORDS = 16, DOUBLE_ROUNDS = 10 };

static uint32_t word_at(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint32_t rotated(uint32_t w, int by) { return w << by | w >> (32 - by); }

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotated(*d ^ *a, 16);
    *c += *d;
    *b = rotated(*b ^ *c, 12);
    *a += *b;
    *d = rotated(*d ^ *a, 8);
    *c += *d;
    *b = rotated(*b ^ *c, 7);
}

static void double_round(uint32_t s[WORDS])
{
    for (int column = 0; column < 4; column++) {
        quarter_round(&s[column], &s[column + 4], &s[column + 8], &s[column + 12]);
    }
    for (int diagonal = 0; diagonal < 4; diagonal++) {
        quarter_round(&s[diagonal], &s[4 + (diagonal + 1) % 4], &s[8 + (diagonal + 2) % 4],
                      &s[12 + (diagonal + 3) % 4]);
    }
}

void chacha20_block(const uint8_t key[CHACHA20_KEY_BYTES], uint32_t counter, const uint8_t nonce[CHACHA20_NONCE_BYTES],
                    uint8_t block[CHACHA20_BLOCK_BYTES])
{
    uint32_t start[WORDS] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, [12] = counter}; /* expand 32-byte k */
    uint32_t s[WORDS];
    for (int i = 0; i < 8; i++) {
        start[4 + i] = word_at(key + 4 * i);
    }
    for (int i = 0; i < 3; i++) {
        start[13 + i] = word_at(nonce + 4 * i);
    }
    memcpy(s, start, sizeof s);
    for (int i = 0; i < DOUBLE_ROUNDS; i++) {
        double_round(s);
    }
    for (int i = 0; i < WORDS; i++) {
        uint32_t w = s[i] + start[i];
        block[4 * i] = (uint8_t)w;
        block[4 * i + 1] = (uint8_t)(w >> 8);
        block[4 * i + 2] = (uint8_t)(w >> 16);
        block[4 * i + 3] = (uint8_t)(w >> 24);
    }
}

/* Memory that is not read again; the compiler may not know that. */
static void wipe(void *mem, size_t n)
{
    memset(mem, 0, n);
    __asm__ volatile("" : : "r"(mem) : "memory");
}

void chacha20_draw(uint8_t key[CHACHA20_KEY_BYTES], uint8_t *bytes, size_t n)
{
    static const uint8_t nonce[CHACHA20_NONCE_BYTES]; /* zero: no key is used twice */
    uint8_t old[CHACHA20_KEY_BYTES], block[CHACHA20_BLOCK_BYTES];
    memcpy(old, key, sizeof old);
    size_t skip = CHACHA20_KEY_BYTES;
    chacha20_block(old, 0, nonce, block);
    memcpy(key, block, CHACHA20_KEY_BYTES);
    for (uint32_t counter = 1; n > 0; counter++) {
        size_t part = sizeof block - skip < n ? sizeof block - skip : n;
        memcpy(bytes, block + skip, part);
        bytes += part;
        n -= part;
        skip = 0;
        if (n > 0) {
            chacha20_block(old, counter, nonce, block);
        }
    }
    wipe(old, sizeof old);
    wipe(block, sizeof block);
}
