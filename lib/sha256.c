/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 in portable C. Boot time depends on it (the whole bundle is hashed before it is used), so the
 * compression function keeps its eight variables in registers by renaming them instead of moving them.
 */
#include "lib/sha256.h"

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate_right(uint32_t v, unsigned n) { return (v >> n) | (v << (32 - n)); }

/* The builtins, because the nucleus is compiled without: a call for four bytes would cost more than the hash. */
static inline uint32_t load_be32(const uint8_t *p)
{
    uint32_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline void store_be32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    __builtin_memcpy(p, &v, sizeof v);
}

/* The three rotations of a sum share their steps: ror(x, i) ^ ror(x, i + j) ^ ror(x, i + j + k). */
static inline uint32_t sum(uint32_t x, unsigned i, unsigned j, unsigned k)
{
    return rotate_right(rotate_right(rotate_right(x, k) ^ x, j) ^ x, i);
}

/* The majority of a, b, c is b where a and b agree, else c: a ^ b is the next round's b ^ c. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                   \
    do {                                                                                   \
        h += sum(e, 6, 5, 14) + (g ^ (e & (f ^ g))) + round_constants[i] + w[i];           \
        uint32_t differ = a ^ b;                                                           \
        d += h;                                                                            \
        h += sum(a, 2, 11, 9) + (b ^ (agree & differ));                                    \
        agree = differ;                                                                    \
    } while (0)

static void expand(uint32_t w[64], const uint8_t *block)
{
    for (unsigned i = 0; i < 16; i++) {
        w[i] = load_be32(block + 4 * i);
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t s0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ (w[i - 15] >> 3);
        uint32_t s1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    expand(w, block);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    uint32_t agree = b ^ c;
    for (unsigned i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void sha256_init(Sha256 *s)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->state, initial, sizeof initial);
    s->total = 0;
}

void sha256_update(Sha256 *s, const void *data, size_t n)
{
    const uint8_t *bytes = data;
    size_t filled = s->total % 64;
    s->total += n;
    if (filled > 0) {
        size_t take = 64 - filled < n ? 64 - filled : n;
        memcpy(s->block + filled, bytes, take);
        bytes += take;
        n -= take;
        if (filled + take < 64) {
            return;
        }
        compress(s->state, s->block);
    }
    for (; n >= 64; bytes += 64, n -= 64) {
        compress(s->state, bytes);
    }
    if (n > 0) {
        memcpy(s->block, bytes, n);
    }
}

void sha256_final(Sha256 *s, uint8_t digest[SHA256_BYTES])
{
    uint64_t bits = s->total * 8;
    size_t filled = s->total % 64;
    uint8_t tail[72] = {0x80};
    size_t zeros = filled < 56 ? 56 - filled : 120 - filled; /* 0x80 and zeros up to the length field */
    store_be32(tail + zeros, (uint32_t)(bits >> 32));
    store_be32(tail + zeros + 4, (uint32_t)bits);
    sha256_update(s, tail, zeros + 8);
    for (unsigned i = 0; i < 8; i++) {
        store_be32(digest + 4 * i, s->state[i]);
    }
}

void sha256_of(const void *data, size_t n, uint8_t digest[SHA256_BYTES])
{
    Sha256 s;
    sha256_init(&s);
    sha256_update(&s, data, n);
    sha256_final(&s, digest);
}

void sha256_to_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX + 1])
{
    for (unsigned i = 0; i < SHA256_BYTES; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[SHA256_HEX] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sha256_from_hex(const char *hex, uint8_t digest[SHA256_BYTES])
{
    for (unsigned i = 0; i < SHA256_BYTES; i++) {
        int high = hex_value(hex[2 * i]);
        int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        digest[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
