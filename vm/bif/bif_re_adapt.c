/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where OTP's PCRE (8.44) and PCRE2 read the same pattern differently. A pattern is handed to PCRE2 as it is; only
 * when that refuses something which the older library took, it is written anew, once, in a form that means to PCRE2
 * what the pattern meant to the older one:
 *   [\d-z]   a hyphen behind a class of characters stands for itself: [\d\-z]
 *   [\R]     what means something only outside of brackets is the letter
 *   \8 \9    the digits, when there is no such group
 *   \c        takes any ASCII character behind it: \x of what it gives
 * Comes from: bif_re_program.c, with what PCRE2 complained of.
 */
#include "vm/bif/bif_re.h"

#include "vm/heap/heap.h"

enum { ESCAPE_IN_CLASS = 107, NO_GROUP = 115, RANGE = 150, CONTROL = 168 };

typedef struct Rewrite {
    const uint8_t *s;
    size_t n, i;
    uint8_t *to;
    size_t count;
} Rewrite;

static void keep(Rewrite *r, size_t n)
{
    for (; n > 0 && r->i < r->n; n--) {
        r->to[r->count++] = r->s[r->i++];
    }
}

static uint8_t ahead(const Rewrite *r, size_t k)
{
    return r->i + k < r->n ? r->s[r->i + k] : 0;
}

/* Up to and with `end`, which is left out of nothing: all is kept when it does not come. */
static void keep_through(Rewrite *r, const char *end)
{
    size_t length = strlen(end);
    while (r->i < r->n && !(r->i + length <= r->n && memcmp(r->s + r->i, end, length) == 0)) {
        keep(r, 1);
    }
    keep(r, length);
}

/* \cX. */
static void rewrite_control(Rewrite *r)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t c = ahead(r, 2);
    if (r->i + 2 >= r->n || c >= 128) {
        keep(r, 2);
        return;
    }
    uint8_t value = (c >= 'a' && c <= 'z' ? c - 32 : c) ^ 0x40;
    const uint8_t escape[4] = {'\\', 'x', (uint8_t)digits[value >> 4], (uint8_t)digits[value & 15]};
    memcpy(r->to + r->count, escape, sizeof escape);
    r->count += sizeof escape;
    r->i += 3;
}

/* An escape or [:class:] within brackets. True: it stands for a class of characters. */
static bool rewrite_class_item(Rewrite *r)
{
    if (r->s[r->i] == '[') {
        keep_through(r, ":]");
        return true;
    }
    uint8_t c = ahead(r, 1);
    if (c && strchr("ABCGKRXZgkz", c)) {
        r->i++;
        keep(r, 1);
        return false;
    }
    if (c == 'c') {
        rewrite_control(r);
        return false;
    }
    keep(r, 2);
    if ((c == 'p' || c == 'P') && ahead(r, 0) == '{') {
        keep_through(r, "}");
    } else if (c == 'p' || c == 'P') {
        keep(r, 1);
    }
    return c && strchr("dDsSwWhHvVpP", c);
}

/* From behind the opening bracket through the closing one. */
static void rewrite_class(Rewrite *r)
{
    if (ahead(r, 0) == '^') {
        keep(r, 1);
    }
    if (ahead(r, 0) == ']') {
        keep(r, 1);
    }
    while (r->i < r->n && r->s[r->i] != ']') {
        uint8_t c = r->s[r->i];
        if (c == '\\' && ahead(r, 1) == 'Q') {
            keep_through(r, "\\E");
        } else if (c == '\\' || (c == '[' && ahead(r, 1) == ':')) {
            if (rewrite_class_item(r) && ahead(r, 0) == '-' && ahead(r, 1) != ']') {
                r->to[r->count++] = '\\';
                keep(r, 1);
            }
        } else {
            keep(r, 1);
        }
    }
    keep(r, 1);
}

bool re_adapt_needed(int code)
{
    return code == ESCAPE_IN_CLASS || code == NO_GROUP || code == RANGE || code == CONTROL;
}

uint8_t *re_adapt(const uint8_t *s, size_t n, int code, size_t *size)
{
    Rewrite r = {.s = s, .n = n, .to = vm_alloc(n * 2 + 1)};
    while (r.i < n) {
        uint8_t c = s[r.i], next = ahead(&r, 1);
        if (c == '\\' && next == 'Q') {
            keep_through(&r, "\\E");
        } else if (c == '\\' && code == NO_GROUP && (next == '8' || next == '9')) {
            r.i++;
            keep(&r, 1);
        } else if (c == '\\' && next == 'c') {
            rewrite_control(&r);
        } else if (c == '\\') {
            keep(&r, 2);
        } else if (c == '[') {
            keep(&r, 1);
            rewrite_class(&r);
        } else {
            keep(&r, 1);
        }
    }
    *size = r.count;
    return r.to;
}

/* Does \w stand in the pattern? */
bool re_has_word_escape(const uint8_t *s, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (s[i] == '\\' && s[++i] == 'w') {
            return true;
        }
    }
    return false;
}
