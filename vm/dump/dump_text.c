/* SPDX-License-Identifier: Apache-2.0 */
/* See dump_priv.h. Text goes to the platform or into memory by the buffer; when the platform takes no more, all further
 * text is dropped. */
#include "vm/dump/dump_priv.h"

#include "vm/heap/heap.h"
#include "vm/plat.h"
#include "vm/term/print.h"

enum { SHOWN_MAX = 4096, FORMAT_MAX = 512 };

void dump_flush(Dump *d)
{
    if (d->kept) {
        d->text = vm_realloc(d->text, d->text_n + d->n + 1);
        memcpy(d->text + d->text_n, d->buffer, d->n);
        d->text_n += d->n;
    } else if (d->n > 0 && !d->full) {
        d->full = !plat_dump_write(d->buffer, d->n);
    }
    d->n = 0;
}

void dump_bytes(Dump *d, const void *bytes, size_t n)
{
    const char *from = bytes;
    while (n > 0 && !d->full) {
        if (d->n == DUMP_BUFFER) {
            dump_flush(d);
        }
        size_t part = n < DUMP_BUFFER - d->n ? n : DUMP_BUFFER - d->n;
        memcpy(d->buffer + d->n, from, part);
        d->n += part;
        from += part;
        n -= part;
    }
}

void dump_format(Dump *d, const char *format, ...)
{
    char text[FORMAT_MAX];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    dump_bytes(d, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

void dump_shown(Dump *d, Term t)
{
    char text[SHOWN_MAX];
    size_t n = term_print(t, text, sizeof text);
    dump_bytes(d, text, n < sizeof text ? n : sizeof text - 1);
}

void dump_base64(Dump *d, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n && !d->full; i += 3) {
        uint32_t left = (uint32_t)(n - i);
        uint32_t second = left > 1 ? bytes[i + 1] : 0, third = left > 2 ? bytes[i + 2] : 0;
        uint32_t v = (uint32_t)bytes[i] << 16 | second << 8 | third;
        char out[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                       left > 2 ? digits[v & 63] : '='};
        dump_bytes(d, out, sizeof out);
    }
}
