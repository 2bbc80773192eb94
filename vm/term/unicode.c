/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, with eight ASCII bytes a step where text allows. Overlong forms, surrogates and code points above 16#10FFFF
 * are invalid, as in OTP. */
#include "vm/term/unicode.h"

unsigned utf8_encode(uint32_t c, uint8_t *to)
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (uint8_t)(0xc0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (uint8_t)(0xe0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | c >> 18);
    to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* The bytes that a sequence starting with this one has; 0: no start byte. */
static unsigned sequence_length(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

/* The second byte decides over overlong forms, surrogates and the upper limit. */
static bool second_is_valid(uint8_t first, uint8_t second)
{
    if ((second & 0xc0) != 0x80) {
        return false;
    }
    switch (first) {
    case 0xe0:
        return second >= 0xa0;
    case 0xed:
        return second < 0xa0;
    case 0xf0:
        return second >= 0x90;
    case 0xf4:
        return second < 0x90;
    default:
        return true;
    }
}

unsigned utf8_decode(const uint8_t *s, size_t n, uint32_t *c)
{
    if (n == 0) {
        return 0;
    }
    unsigned length = sequence_length(s[0]);
    if (length == 1) {
        *c = s[0];
        return 1;
    }
    if (length == 0 || n < length || !second_is_valid(s[0], s[1])) {
        return 0;
    }
    uint32_t v = s[0] & (0x7f >> length);
    for (unsigned i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        v = v << 6 | (s[i] & 0x3f);
    }
    *c = v;
    return length;
}

unsigned utf8_wanted(uint8_t first)
{
    return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 1;
}

bool utf8_is_incomplete(const uint8_t *s, size_t n)
{
    if (utf8_wanted(s[0]) <= n) {
        return false;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

size_t ascii_prefix(const uint8_t *s, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w;
        memcpy(&w, s + i, sizeof w);
        if (w & UINT64_C(0x8080808080808080)) {
            break;
        }
    }
    while (i < n && s[i] < 0x80) {
        i++;
    }
    return i;
}

size_t utf8_valid_prefix(const uint8_t *s, size_t n, size_t *chars)
{
    size_t i = 0, count = 0;
    uint32_t c;
    unsigned length;
    for (;;) {
        size_t run = ascii_prefix(s + i, n - i);
        i += run;
        count += run;
        if (i == n || (length = utf8_decode(s + i, n - i, &c)) == 0) {
            break;
        }
        i += length;
        count++;
    }
    *chars = count;
    return i;
}
