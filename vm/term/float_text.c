/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floats to and from text. A given number of digits comes from the C library's printf, which is exact; the shortest
 * form from float_shortest.c.
 */
#include "vm/term/float_shortest.h"
#include "vm/term/number.h"

/* Decimal digits of |d| and the exponent of ten of the first: d = 0.D1 D2 D3... * 10^(point). */
typedef struct Digits {
    char digit[20];
    int count;
    int point;
} Digits;

static void shortest_digits(double d, Digits *g)
{
    int exponent;
    uint64_t v = float_shortest(d, &exponent);
    g->count = 0;
    for (uint64_t rest = v; rest; rest /= 10) {
        g->count++;
    }
    for (int i = g->count; i > 0; i--, v /= 10) {
        g->digit[i - 1] = (char)('0' + v % 10);
    }
    g->point = g->count + exponent;
}

static char *put_zeros(char *o, int n)
{
    while (n-- > 0) {
        *o++ = '0';
    }
    return o;
}

static char *put_digits(char *o, const char *digits, int n)
{
    memcpy(o, digits, (size_t)n);
    return o + n;
}

static char *put_fixed(char *o, const Digits *g)
{
    if (g->point <= 0) {
        *o++ = '0';
        *o++ = '.';
        o = put_zeros(o, -g->point);
        return put_digits(o, g->digit, g->count);
    }
    int whole = g->count < g->point ? g->count : g->point;
    o = put_digits(o, g->digit, whole);
    o = put_zeros(o, g->point - whole);
    *o++ = '.';
    if (whole == g->count) {
        *o++ = '0';
        return o;
    }
    return put_digits(o, g->digit + whole, g->count - whole);
}

static char *put_scientific(char *o, const Digits *g, int exponent)
{
    *o++ = g->digit[0];
    *o++ = '.';
    if (g->count == 1) {
        *o++ = '0';
    } else {
        o = put_digits(o, g->digit + 1, g->count - 1);
    }
    *o++ = 'e';
    return o + snprintf(o, 8, "%d", exponent);
}

/* Lengths of the two forms decide which is taken: the shorter, fixed when equal. */
static bool is_fixed_shorter(const Digits *g)
{
    int fixed, exponent = g->point - 1;
    if (g->point <= 0) {
        fixed = 2 - g->point + g->count;
    } else {
        fixed = g->count <= g->point ? g->point + 2 : g->count + 1;
    }
    int scientific = (g->count == 1 ? 3 : g->count + 1) + 2 + (exponent < 0);
    int magnitude = exponent < 0 ? -exponent : exponent;
    scientific += (magnitude >= 10) + (magnitude >= 100);
    return fixed <= scientific;
}

size_t float_format_short(double d, char *buf)
{
    char *o = buf;
    if (__builtin_signbit(d)) {
        *o++ = '-';
        d = -d;
    }
    if (d == 0.0) {
        memcpy(o, "0.0", 4);
        return (size_t)(o - buf) + 3;
    }
    Digits g = {0};
    shortest_digits(d, &g);
    /* From 2^53 on not every integer is a float: always scientific. */
    o = d < 9007199254740992.0 && is_fixed_shorter(&g) ? put_fixed(o, &g)
                                                        : put_scientific(o, &g, g.point - 1);
    *o = '\0';
    return (size_t)(o - buf);
}

size_t float_format_scientific(double d, unsigned decimals, char *buf, size_t cap)
{
    int n = snprintf(buf, cap, "%.*e", (int)decimals, d);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

/*
 * OTP's own way for few decimals and moderate sizes: the fraction is scaled in floating point and
 * rounded half up, so that the last digits can differ from the exact ones. Returns the length.
 */
static int format_scaled(double d, unsigned decimals, char *buf, size_t cap)
{
    uint64_t scale = 1;
    for (unsigned i = 0; i < decimals; i++) {
        scale *= 10;
    }
    double magnitude = __builtin_fabs(d);
    uint64_t whole = (uint64_t)magnitude;
    double scaled = (magnitude - (double)whole) * (double)scale;
    uint64_t fraction = (uint64_t)scaled;
    fraction += scaled - (double)fraction >= 0.5;
    if (fraction >= scale) {
        whole++;
        fraction -= scale;
    }
    const char *sign = __builtin_signbit(d) ? "-" : "";
    if (decimals == 0) {
        return snprintf(buf, cap, "%s%llu", sign, (unsigned long long)whole);
    }
    return snprintf(buf, cap, "%s%llu.%0*llu", sign, (unsigned long long)whole, (int)decimals,
                    (unsigned long long)fraction);
}

size_t float_format_decimals(double d, unsigned decimals, bool compact, char *buf, size_t cap)
{
    enum { MOST_SCALED = 18 };
    bool scaled = decimals <= MOST_SCALED && __builtin_fabs(d) <= 9007199254740992.0;
    int n = scaled ? format_scaled(d, decimals, buf, cap)
                   : snprintf(buf, cap, "%.*f", (int)decimals, d);
    if (n <= 0 || (size_t)n >= cap) {
        return 0;
    }
    if (compact && (decimals > 0 || !scaled)) { /* OTP drops zeros of huge whole numbers too */
        while (buf[n - 1] == '0' && buf[n - 2] != '.') {
            n--;
        }
        buf[n] = '\0';
    }
    return (size_t)n;
}

static size_t skip_digits(const uint8_t *s, size_t n, size_t i)
{
    while (i < n && s[i] >= '0' && s[i] <= '9') {
        i++;
    }
    return i;
}

/* End of the float's text at the start of s; 0 when there is none. */
static size_t float_extent(const uint8_t *s, size_t n)
{
    size_t i = n > 0 && (s[0] == '-' || s[0] == '+');
    size_t whole = skip_digits(s, n, i);
    if (whole == i || whole == n || (s[whole] != '.' && s[whole] != ',')) { /* OTP takes both */
        return 0;
    }
    size_t end = skip_digits(s, n, whole + 1);
    if (end == whole + 1) {
        return 0;
    }
    if (end < n && (s[end] == 'e' || s[end] == 'E')) {
        size_t e = end + 1;
        e += e < n && (s[e] == '-' || s[e] == '+');
        size_t exponent_end = skip_digits(s, n, e);
        if (exponent_end > e) {
            end = exponent_end;
        }
    }
    return end;
}

size_t float_parse(const uint8_t *s, size_t n, double *d)
{
    size_t end = float_extent(s, n);
    if (end == 0) {
        return 0;
    }
    char local[64], *text = end < sizeof local ? local : vm_alloc(end + 1);
    memcpy(text, s, end);
    text[end] = '\0';
    char *comma = strchr(text, ',');
    if (comma) {
        *comma = '.';
    }
    *d = strtod(text, NULL);
    if (text != local) {
        vm_free(text);
    }
    return __builtin_isfinite(*d) ? end : 0;
}
