/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bit fields: reading, writing, copying and comparing runs of bits at any alignment. Byte-aligned runs go
 * through memcpy and memcmp; others move up to 56 bits a step through one 64-bit word.
 */
#include "vm/term/bits.h"
#include "vm/term/binary.h"
#include "vm/term/number.h"

static inline uint64_t load_be64(const uint8_t *b)
{
    uint64_t v;
    memcpy(&v, b, sizeof v);
    return __builtin_bswap64(v);
}

static inline uint64_t low_mask(unsigned n)
{
    return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

uint64_t bits_get(const uint8_t *base, size_t bit, unsigned n)
{
    const uint8_t *b = base + bit / 8;
    unsigned offset = bit & 7;
    unsigned total = offset + n;
    if (n == 0) {
        return 0;
    }
    if (total > 64) {
        uint64_t v = load_be64(b) << offset | b[8] >> (8 - offset);
        return v >> (64 - n);
    }
    unsigned bytes = (total + 7) / 8;
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        v = v << 8 | b[i];
    }
    return v >> (bytes * 8 - total) & low_mask(n);
}

void bits_put(uint8_t *base, size_t bit, unsigned n, uint64_t v)
{
    uint8_t *b = base + bit / 8;
    unsigned offset = bit & 7;
    v &= low_mask(n);
    if (offset && n) {
        unsigned room = 8 - offset;
        if (n <= room) {
            unsigned shift = room - n;
            unsigned mask = (unsigned)low_mask(n) << shift;
            *b = (uint8_t)((*b & ~mask) | (unsigned)(v << shift));
            return;
        }
        n -= room;
        *b = (uint8_t)((*b & ~(unsigned)low_mask(room)) | (unsigned)(v >> n));
        b++;
    }
    while (n >= 8) {
        n -= 8;
        *b++ = (uint8_t)(v >> n);
    }
    if (n) {
        *b = (uint8_t)((*b & low_mask(8 - n)) | (v & low_mask(n)) << (8 - n));
    }
}

uint64_t bits_little_from_big(uint64_t v, unsigned n)
{
    unsigned rest = n & 7;
    if (rest == 0) {
        return n ? __builtin_bswap64(v) >> (64 - n) : 0;
    }
    unsigned whole = n - rest;
    uint64_t top = v & low_mask(rest);
    return top << whole | (whole ? __builtin_bswap64(v >> rest) >> (64 - whole) : 0);
}

uint64_t bits_little_to_big(uint64_t v, unsigned n)
{
    unsigned rest = n & 7;
    v &= low_mask(n);
    if (rest == 0) {
        return n ? __builtin_bswap64(v) >> (64 - n) : 0;
    }
    unsigned whole = n - rest;
    uint64_t top = v >> whole;
    return (whole ? __builtin_bswap64(v << (64 - whole)) << rest : 0) | top;
}

void bits_copy(uint8_t *dst, size_t dst_bit, const uint8_t *src, size_t src_bit, size_t n)
{
    if (n == 0) {
        return; /* there may be no bytes at all */
    }
    dst += dst_bit / 8;
    src += src_bit / 8;
    unsigned d = dst_bit & 7, s = src_bit & 7;
    if (d) {
        unsigned head = 8 - d < n ? 8 - d : (unsigned)n;
        bits_put(dst, d, head, bits_get(src, s, head));
        n -= head;
        d += head;
        s += head;
        if (n == 0) {
            return;
        }
        dst++;
        src += s / 8;
        s &= 7;
    }
    if (s == 0) {
        memcpy(dst, src, n / 8);
        dst += n / 8;
        src += n / 8;
        n &= 7;
    } else {
        /* Each step reads 8 bytes and uses the 56 bits from s on. */
        while (n >= 64) {
            uint64_t v = load_be64(src) << s;
            for (unsigned i = 0; i < 7; i++) {
                dst[i] = (uint8_t)(v >> (56 - 8 * i));
            }
            dst += 7;
            src += 7;
            n -= 56;
        }
        while (n >= 8) {
            *dst++ = (uint8_t)(src[0] << s | src[1] >> (8 - s));
            src++;
            n -= 8;
        }
    }
    if (n) {
        bits_put(dst, 0, (unsigned)n, bits_get(src, s, (unsigned)n));
    }
}

void bits_clear(uint8_t *base, size_t bit, size_t n)
{
    base += bit / 8;
    unsigned offset = bit & 7;
    if (offset && n) {
        unsigned head = 8 - offset < n ? 8 - offset : (unsigned)n;
        bits_put(base, offset, head, 0);
        n -= head;
        if (n == 0) {
            return;
        }
        base++;
    }
    memset(base, 0, n / 8);
    if (n & 7) {
        bits_put(base + n / 8, 0, n & 7, 0);
    }
}

static int sign_of(size_t a, size_t b)
{
    return a < b ? -1 : a > b;
}

int bits_compare(Bits a, Bits b)
{
    size_t n = a.bit_size < b.bit_size ? a.bit_size : b.bit_size;
    const uint8_t *pa = a.base + a.bit_offset / 8, *pb = b.base + b.bit_offset / 8;
    unsigned oa = a.bit_offset & 7, ob = b.bit_offset & 7;
    size_t done = 0;
    if (oa == 0 && ob == 0) {
        int c = memcmp(pa, pb, n / 8);
        if (c) {
            return c < 0 ? -1 : 1;
        }
        done = n & ~(size_t)7;
    }
    while (done < n) {
        unsigned step = n - done < 64 ? (unsigned)(n - done) : 64;
        uint64_t va = bits_get(pa, oa + done, step), vb = bits_get(pb, ob + done, step);
        if (va != vb) {
            return va < vb ? -1 : 1;
        }
        done += step;
    }
    return sign_of(a.bit_size, b.bit_size);
}

bool bits_equal(Bits a, Bits b)
{
    return a.bit_size == b.bit_size && bits_compare(a, b) == 0;
}

/* A field as bytes of two's complement: *bytes whole bytes in the field's own byte order, sign-extended at the
 * most significant end. */
static void field_to_bytes(uint8_t *out, const uint8_t *base, size_t bit, size_t n, bool little,
                           bool is_signed)
{
    size_t bytes = (n + 7) / 8;
    unsigned rest = n & 7;
    if (little) {
        bits_copy(out, 0, base, bit, n - rest);
        if (rest) {
            uint64_t v = bits_get(base, bit + n - rest, rest);
            if (is_signed && v >> (rest - 1)) {
                v |= 0xff & ~low_mask(rest);
            }
            out[bytes - 1] = (uint8_t)v;
        }
        return;
    }
    if (rest) {
        out[0] = is_signed && bits_get(base, bit, 1) ? 0xff : 0;
    }
    bits_copy(out, bytes * 8 - n, base, bit, n);
}

enum { FIELD_STACK_BYTES = 256 };

Term bits_get_integer(Term **hp, const uint8_t *base, size_t bit, size_t n, bool little, bool is_signed)
{
    if (n <= 64) {
        uint64_t v = bits_get(base, bit, (unsigned)n);
        if (little) {
            v = bits_little_from_big(v, (unsigned)n);
        }
        if (is_signed && n) {
            return build_int64(hp, (int64_t)(v << (64 - n)) >> (64 - n));
        }
        return build_uint64(hp, v);
    }
    size_t bytes = (n + 7) / 8;
    uint8_t local[FIELD_STACK_BYTES];
    uint8_t *buf = bytes <= sizeof local ? local : vm_alloc(bytes);
    field_to_bytes(buf, base, bit, n, little, is_signed);
    Term t = integer_from_bytes(hp, buf, bytes, !little, is_signed);
    if (buf != local) {
        vm_free(buf);
    }
    return t;
}

void bits_put_integer(uint8_t *base, size_t bit, size_t n, bool little, Term t)
{
    if (is_small(t) && n <= 64) {
        uint64_t v = (uint64_t)small_value(t);
        bits_put(base, bit, (unsigned)n, little ? bits_little_to_big(v, (unsigned)n) : v);
        return;
    }
    size_t bytes = (n + 7) / 8;
    unsigned rest = n & 7;
    uint8_t local[FIELD_STACK_BYTES];
    uint8_t *buf = bytes <= sizeof local ? local : vm_alloc(bytes);
    integer_to_bytes(t, buf, bytes, !little);
    if (little) {
        bits_copy(base, bit, buf, 0, n - rest);
        if (rest) {
            bits_put(base, bit + n - rest, rest, buf[bytes - 1]);
        }
    } else {
        bits_copy(base, bit, buf, bytes * 8 - n, n);
    }
    if (buf != local) {
        vm_free(buf);
    }
}

/* Half precision by the rules of IEEE 754: 1 sign, 5 exponent, 10 fraction bits. As in OTP a double is rounded to
 * single precision first, then to half; too large values become infinity. */
static double half_to_double(uint64_t h)
{
    unsigned exponent = (unsigned)(h >> 10) & 0x1f, fraction = (unsigned)h & 0x3ff;
    double v = exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, (int)exponent - 25);
    return h & 0x8000 ? -v : v;
}

static uint64_t double_to_half(double d)
{
    float f = (float)d;
    uint32_t w;
    memcpy(&w, &f, sizeof w);
    uint64_t sign = w >> 16 & 0x8000;
    int exponent = (int)(w >> 23 & 0xff) - 127 + 15;
    uint32_t fraction = (w & 0x7fffff) | 0x800000;
    if (exponent >= 31) {
        return sign | 0x7c00;
    }
    int shift = 13;
    if (exponent <= 0) {
        shift += 1 - exponent;
        exponent = 1; /* the hidden bit then stands for exponent 1, or is shifted out */
        if (shift > 25) {
            return sign;
        }
    }
    uint32_t kept = fraction >> shift, lost = fraction & ((UINT32_C(1) << shift) - 1);
    uint32_t halfway = UINT32_C(1) << (shift - 1);
    kept += lost > halfway || (lost == halfway && (kept & 1));
    return sign | (((uint64_t)(exponent - 1) << 10) + kept);
}

bool bits_get_float(const uint8_t *base, size_t bit, size_t n, bool little, double *d)
{
    uint64_t v = bits_get(base, bit, (unsigned)n);
    if (little) {
        v = bits_little_from_big(v, (unsigned)n);
    }
    if (n == 64) {
        memcpy(d, &v, sizeof *d);
        return (v >> 52 & 0x7ff) != 0x7ff;
    }
    if (n == 32) {
        uint32_t w = (uint32_t)v;
        float f;
        memcpy(&f, &w, sizeof f);
        *d = (double)f;
        return (w >> 23 & 0xff) != 0xff;
    }
    *d = half_to_double(v);
    return (v >> 10 & 0x1f) != 0x1f;
}

void bits_put_float(uint8_t *base, size_t bit, size_t n, bool little, double d)
{
    uint64_t v;
    if (n == 64) {
        memcpy(&v, &d, sizeof v);
    } else if (n == 32) {
        float f = (float)d;
        uint32_t w;
        memcpy(&w, &f, sizeof w);
        v = w;
    } else {
        v = double_to_half(d);
    }
    bits_put(base, bit, (unsigned)n, little ? bits_little_to_big(v, (unsigned)n) : v);
}
