/* SPDX-License-Identifier: Apache-2.0 */
/* MD5 as RFC 1321 describes it. */
#include "lib/md5.h"

static const uint32_t sine[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
#define MIX_1(b, c, d) (d ^ (b & (c ^ d)))
#define MIX_2(b, c, d) (c ^ (d & (b ^ c)))
#define MIX_3(b, c, d) (b ^ c ^ d)
#define MIX_4(b, c, d) (c ^ (b | ~d))
#define STEP(mix, a, b, c, d, k, by, i)                  \
    do {                                                 \
        a += mix(b, c, d) + sine[i] + word[(k) % 16];    \
        a = b + (a << (by) | a >> (32 - (by)));          \
    } while (0)
/* Word number of step i: times * i + plus. The variables take turns by name, so that nothing is moved. */
#define FOUR_STEPS(mix, i, times, plus, by0, by1, by2, by3)            \
    STEP(mix, a, b, c, d, (times) * (i) + (plus), by0, i);             \
    STEP(mix, d, a, b, c, (times) * ((i) + 1) + (plus), by1, (i) + 1); \
    STEP(mix, c, d, a, b, (times) * ((i) + 2) + (plus), by2, (i) + 2); \
    STEP(mix, b, c, d, a, (times) * ((i) + 3) + (plus), by3, (i) + 3);
/* Written out, so that constants and words stand in the instructions. */
#define ROUND(mix, first, times, plus, by0, by1, by2, by3)                  \
    FOUR_STEPS(mix, first, times, plus, by0, by1, by2, by3)                 \
    FOUR_STEPS(mix, (first) + 4, times, plus, by0, by1, by2, by3)           \
    FOUR_STEPS(mix, (first) + 8, times, plus, by0, by1, by2, by3)           \
    FOUR_STEPS(mix, (first) + 12, times, plus, by0, by1, by2, by3)

static void add_block(uint32_t state[4], const uint8_t *block)
{
    uint32_t word[16], a = state[0], b = state[1], c = state[2], d = state[3];
    for (int i = 0; i < 16; i++) {
        word[i] = (uint32_t)block[4 * i] | (uint32_t)block[4 * i + 1] << 8 |
                  (uint32_t)block[4 * i + 2] << 16 | (uint32_t)block[4 * i + 3] << 24;
    }
    ROUND(MIX_1, 0, 1, 0, 7, 12, 17, 22)
    ROUND(MIX_2, 16, 5, 1, 5, 9, 14, 20)
    ROUND(MIX_3, 32, 3, 5, 4, 11, 16, 23)
    ROUND(MIX_4, 48, 7, 0, 6, 10, 15, 21)
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void md5_start(Md5 *m)
{
    *m = (Md5){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

void md5_add(Md5 *m, const void *data, size_t n)
{
    const uint8_t *s = data;
    size_t held = (size_t)(m->bits / 8 % 64);
    m->bits += (uint64_t)n * 8;
    if (held + n < 64) {
        memcpy(m->block + held, s, n);
        return;
    }
    if (held > 0) {
        memcpy(m->block + held, s, 64 - held);
        add_block(m->state, m->block);
        s += 64 - held;
        n -= 64 - held;
    }
    for (; n >= 64; n -= 64, s += 64) {
        add_block(m->state, s);
    }
    memcpy(m->block, s, n);
}

void md5_end(Md5 *m, uint8_t digest[MD5_BYTES])
{
    uint64_t bits = m->bits;
    uint8_t pad[72] = {0x80};
    size_t held = (size_t)(bits / 8 % 64), n = (held < 56 ? 56 : 120) - held;
    for (int i = 0; i < 8; i++) {
        pad[n + (size_t)i] = (uint8_t)(bits >> (8 * i));
    }
    md5_add(m, pad, n + 8);
    for (int i = 0; i < 16; i++) {
        digest[i] = (uint8_t)(m->state[i / 4] >> (i % 4 * 8));
    }
}

void md5_of(const void *data, size_t n, uint8_t digest[MD5_BYTES])
{
    Md5 m;
    md5_start(&m);
    md5_add(&m, data, n);
    md5_end(&m, digest);
}
