/* SPDX-License-Identifier: Apache-2.0 */
/* Integers to and from bytes: for the bit syntax, the external format and hashing. */
#include "vm/term/big.h"
#include "vm/term/number.h"

size_t big_magnitude_bytes(Term t)
{
    BigView v;
    big_view(t, &v);
    return (big_view_bits(&v) + 7) / 8;
}

void integer_to_bytes(Term t, uint8_t *buf, size_t n, bool big_endian)
{
    BigView v;
    big_view(t, &v);
    unsigned carry = 1;
    for (size_t i = 0; i < n; i++) {
        unsigned byte = i / 8 < v.n ? (unsigned)(v.d[i / 8] >> (i % 8 * 8)) & 0xff : 0;
        if (v.neg) {
            byte = (byte ^ 0xff) + carry;
            carry = byte >> 8;
        }
        buf[big_endian ? n - 1 - i : i] = (uint8_t)byte;
    }
}

/* Ends an integer whose n limbs stand at *hp + 1. */
static Term finish_at(Term **hp, size_t n, bool neg)
{
    Term *o = *hp;
    while (n > 0 && o[n] == 0) {
        n--;
    }
    if (n == 0) {
        return make_small(0);
    }
    if (n == 1 && limb_fits_small(o[1], neg)) {
        return make_small((int64_t)(neg ? -o[1] : o[1]));
    }
    o[0] = MAKE_HEADER(n, neg ? SUB_NEG_BIG : SUB_POS_BIG);
    *hp = o + 1 + n;
    return make_boxed(o);
}

Term integer_from_magnitude(Term **hp, const uint64_t *limbs, size_t n, bool negative)
{
    memmove(*hp + 1, limbs, n * sizeof *limbs);
    return finish_at(hp, n, negative);
}

Term integer_from_bytes(Term **hp, const uint8_t *buf, size_t n, bool big_endian, bool is_signed)
{
    bool neg = is_signed && n > 0 && (buf[big_endian ? 0 : n - 1] & 0x80);
    Term *o = *hp;
    unsigned carry = 1;
    if (n <= 7) { /* cannot reach past a small: keep the heap untouched */
        uint64_t v = neg ? UINT64_MAX : 0;
        for (size_t i = 0; i < n; i++) {
            v = v << 8 | buf[big_endian ? i : n - 1 - i];
        }
        return make_small((int64_t)v);
    }
    size_t limbs = (n + 7) / 8;
    memset(o + 1, 0, limbs * sizeof *o);
    for (size_t i = 0; i < n; i++) {
        unsigned byte = buf[big_endian ? n - 1 - i : i];
        if (neg) {
            byte = (byte ^ 0xff) + carry;
            carry = byte >> 8;
            byte &= 0xff;
        }
        o[1 + i / 8] |= (uint64_t)byte << (i % 8 * 8);
    }
    return finish_at(hp, limbs, neg);
}
