/* SPDX-License-Identifier: Apache-2.0 */
/* Integers to and from text in bases 2 to 36. Short ones here, long ones by GMP's divide and conquer. */
#include "vm/term/big.h"
#include "vm/term/number.h"

/* Digit value of a character, 36 or more for none. */
static inline unsigned digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* More digits than 59 bits surely hold, whatever the base? */
static size_t short_digits(unsigned base)
{
    return base <= 10 ? (base <= 2 ? 59 : 17) : 11;
}

static Term parse_long(Proc *p, const uint8_t *digits, size_t n, unsigned base, bool neg)
{
    unsigned bits_per_digit = 0; /* rounded up */
    while ((1u << bits_per_digit) < base) {
        bits_per_digit++;
    }
    /* Each digit but the first adds at least bits - 1 (or bits, for powers of two) bits. */
    size_t least = (1u << bits_per_digit) == base ? bits_per_digit : bits_per_digit - 1;
    if ((n - 1) * least > (size_t)BIG_MAX_LIMBS * 64) {
        return p_system_limit(p);
    }
    size_t limbs = n * bits_per_digit / 64 + 2;
    Term *o = big_alloc(p, limbs);
    size_t used = (size_t)__gmpn_set_str((MpnLimb *)(o + 1), digits, n, (int)base);
    p_charge(p, (intptr_t)(n / 16));
    return big_finish(p, o, used, neg);
}

Term integer_parse(Proc *p, const uint8_t *s, size_t n, unsigned base)
{
    bool neg = n > 0 && s[0] == '-';
    if (n > 0 && (s[0] == '-' || s[0] == '+')) {
        s++;
        n--;
    }
    if (n == 0) {
        return p_badarg(p);
    }
    if (n <= short_digits(base)) {
        int64_t v = 0;
        for (size_t i = 0; i < n; i++) {
            unsigned d = digit_value(s[i]);
            if (d >= base) {
                return p_badarg(p);
            }
            v = v * base + d;
        }
        return heap_int64(p, neg ? -v : v);
    }
    uint8_t *digits = vm_alloc(n);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = digit_value(s[i]);
        if (d >= base) {
            vm_free(digits);
            return p_badarg(p);
        }
        if (count > 0 || d > 0) {
            digits[count++] = (uint8_t)d;
        }
    }
    Term t = count == 0 ? make_small(0) : parse_long(p, digits, count, base, neg);
    vm_free(digits);
    return t;
}

static const char digit_chars[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static uint8_t *format_limb(uint64_t v, bool neg, unsigned base, size_t *n)
{
    char buf[66];
    size_t at = sizeof buf;
    do {
        buf[--at] = digit_chars[v % base];
        v /= base;
    } while (v);
    if (neg) {
        buf[--at] = '-';
    }
    *n = sizeof buf - at;
    return memcpy(vm_alloc(*n), buf + at, *n);
}

uint8_t *integer_format(Term t, unsigned base, size_t *n)
{
    BigView v;
    big_view(t, &v);
    if (v.n <= 1) {
        return format_limb(v.n ? v.d[0] : 0, v.neg, base, n);
    }
    MpnLimb *copy = vm_alloc((v.n + 1) * sizeof *copy); /* destroyed by the conversion */
    memcpy(copy, v.d, v.n * sizeof *copy);
    uint8_t *text = vm_alloc(__gmpn_sizeinbase(v.d, (MpnSize)v.n, (int)base) + 3);
    size_t sign = v.neg;
    size_t count = __gmpn_get_str(text + sign, (int)base, copy, (MpnSize)v.n);
    vm_free(copy);
    size_t zeros = 0;
    while (zeros + 1 < count && text[sign + zeros] == 0) {
        zeros++;
    }
    if (sign) {
        text[0] = '-';
    }
    for (size_t i = zeros; i < count; i++) {
        text[sign + i - zeros] = (uint8_t)digit_chars[text[sign + i]];
    }
    *n = sign + count - zeros;
    return text;
}
