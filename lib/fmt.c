/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The printf subset of fmt.h. One output cursor counts all characters and stores those that fit, so a cut
 * text costs nothing extra and never overruns.
 */
#include "lib/fmt.h"

typedef struct Out {
    char *buf;
    size_t cap;
    size_t length;
} Out;

typedef struct Spec {
    bool left, zero, upper;
    int width, precision; /* precision -1: none */
    int longs;            /* 0 int, 1 long, 2 long long, 3 size_t */
} Spec;

static void out_char(Out *o, char c)
{
    if (o->length + 1 < o->cap) {
        o->buf[o->length] = c;
    }
    o->length++;
}

static void out_fill(Out *o, char c, int count)
{
    for (int i = 0; i < count; i++) {
        out_char(o, c);
    }
}

static void out_text(Out *o, const Spec *spec, const char *text)
{
    int n = 0;
    while ((spec->precision < 0 || n < spec->precision) && text[n] != '\0') {
        n++;
    }
    out_fill(o, ' ', spec->left ? 0 : spec->width - n);
    for (int i = 0; i < n; i++) {
        out_char(o, text[i]);
    }
    out_fill(o, ' ', spec->left ? spec->width - n : 0);
}

static void out_number(Out *o, const Spec *spec, uint64_t value, unsigned base, const char *prefix)
{
    char digits[24];
    int n = 0;
    do {
        unsigned digit = (unsigned)(value % base);
        digits[n++] = (char)(digit < 10 ? '0' + digit : (spec->upper ? 'A' : 'a') + digit - 10);
        value /= base;
    } while (value != 0);
    int prefix_length = (int)strlen(prefix);
    int pad = spec->width - n - prefix_length;
    out_fill(o, ' ', spec->left || spec->zero ? 0 : pad);
    for (int i = 0; i < prefix_length; i++) {
        out_char(o, prefix[i]);
    }
    out_fill(o, '0', spec->zero && !spec->left ? pad : 0);
    while (n > 0) {
        out_char(o, digits[--n]);
    }
    out_fill(o, ' ', spec->left ? pad : 0);
}

static const char *parse_count(const char *f, int *count, int star)
{
    if (*f == '*') {
        *count = star;
        return f + 1;
    }
    int n = 0;
    while (*f >= '0' && *f <= '9' && n < 10000) {
        n = n * 10 + (*f++ - '0');
    }
    *count = n;
    return f;
}

static const char *parse_flags(const char *f, Spec *spec)
{
    for (;; f++) {
        if (*f == '-') {
            spec->left = true;
        } else if (*f == '0') {
            spec->zero = true;
        } else {
            return f;
        }
    }
}

static const char *parse_size(const char *f, Spec *spec)
{
    while (*f == 'l' && spec->longs < 2) {
        spec->longs++;
        f++;
    }
    if (*f == 'z') {
        spec->longs = 3;
        f++;
    }
    return f;
}

/* A va_list that is passed on must sit in a struct: as an argument it may be an array that decays. */
typedef struct Args {
    va_list ap;
} Args;

static uint64_t next_unsigned(Args *args, int longs)
{
    switch (longs) {
    case 0: return va_arg(args->ap, unsigned);
    case 1: return va_arg(args->ap, unsigned long);
    case 3: return va_arg(args->ap, size_t);
    default: return va_arg(args->ap, unsigned long long);
    }
}

static int64_t next_signed(Args *args, int longs)
{
    switch (longs) {
    case 0: return va_arg(args->ap, int);
    case 1: return va_arg(args->ap, long);
    case 3: return (int64_t)va_arg(args->ap, size_t);
    default: return va_arg(args->ap, long long);
    }
}

/* Handles one conversion; f points after '%'. Returns where the format goes on. */
static const char *convert(Out *o, const char *f, Args *args)
{
    const char *start = f;
    Spec spec = {.precision = -1};
    f = parse_flags(f, &spec);
    f = parse_count(f, &spec.width, *f == '*' ? va_arg(args->ap, int) : 0);
    if (*f == '.') {
        f++;
        f = parse_count(f, &spec.precision, *f == '*' ? va_arg(args->ap, int) : 0);
    }
    f = parse_size(f, &spec);
    char one[2] = {0, 0};
    const char *text;
    int64_t value;
    switch (*f) {
    case 's':
        text = va_arg(args->ap, const char *);
        out_text(o, &spec, text != NULL ? text : "(null)");
        return f + 1;
    case 'c':
        one[0] = (char)va_arg(args->ap, int);
        out_text(o, &spec, one);
        return f + 1;
    case 'd':
    case 'i':
        value = next_signed(args, spec.longs);
        out_number(o, &spec, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0 ? "-" : "");
        return f + 1;
    case 'u': out_number(o, &spec, next_unsigned(args, spec.longs), 10, ""); return f + 1;
    case 'x':
    case 'X':
        spec.upper = *f == 'X';
        out_number(o, &spec, next_unsigned(args, spec.longs), 16, "");
        return f + 1;
    case 'p': out_number(o, &spec, (uintptr_t)va_arg(args->ap, void *), 16, "0x"); return f + 1;
    case '%': out_char(o, '%'); return f + 1;
    default: out_char(o, '%'); return start;
    }
}

int fmt_vbuf(char *buf, size_t cap, const char *format, va_list ap)
{
    Out o = {buf, cap, 0};
    Args args;
    va_copy(args.ap, ap);
    while (*format != '\0') {
        if (*format == '%') {
            format = convert(&o, format + 1, &args);
        } else {
            out_char(&o, *format++);
        }
    }
    va_end(args.ap);
    if (cap > 0) {
        buf[o.length < cap ? o.length : cap - 1] = '\0';
    }
    return (int)o.length;
}

int fmt_buf(char *buf, size_t cap, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = fmt_vbuf(buf, cap, format, ap);
    va_end(ap);
    return n;
}
