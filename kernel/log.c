/* SPDX-License-Identifier: Apache-2.0 */
/* See log.h. */
#include "kernel/log.h"

#include "kernel/arch/x86_64/serial.h"
#include "kernel/console/screen.h"
#include "kernel/time/clock.h"
#include "lib/fmt.h"

enum { LOG_LINE = 512 };

static struct Log {
    char ring[LOG_RING_BYTES];
    uint64_t total; /* bytes ever written */
} kernel_log;

void log_write(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        kernel_log.ring[kernel_log.total++ % LOG_RING_BYTES] = text[i];
    }
    serial_write(text, n);
    screen_write(text, n);
}

static void write_format(const char *format, va_list ap, int prefix, char *line)
{
    int n = prefix + fmt_vbuf(line + prefix, (size_t)(LOG_LINE - prefix - 1), format, ap);
    log_write(line, (size_t)(n < LOG_LINE - 1 ? n : LOG_LINE - 2));
}

void klog_raw(const char *format, ...)
{
    char line[LOG_LINE];
    va_list ap;
    va_start(ap, format);
    write_format(format, ap, 0, line);
    va_end(ap);
}

void klog(const char *format, ...)
{
    char line[LOG_LINE];
    int prefix;
    if (clock_is_ready()) {
        uint64_t tenths = (uint64_t)clock_now_ns() / 100000;
        prefix = fmt_buf(line, sizeof line, "[%5llu.%llu ms] ", (unsigned long long)(tenths / 10),
                         (unsigned long long)(tenths % 10));
    } else {
        prefix = fmt_buf(line, sizeof line, "[          ] ");
    }
    va_list ap;
    va_start(ap, format);
    write_format(format, ap, prefix, line);
    va_end(ap);
    log_write("\n", 1);
}

void log_flush(void) { serial_flush(); }

size_t log_copy(char *buf, size_t cap)
{
    uint64_t kept = kernel_log.total < LOG_RING_BYTES ? kernel_log.total : LOG_RING_BYTES;
    size_t n = kept < cap ? kept : cap;
    for (size_t i = 0; i < n; i++) {
        buf[i] = kernel_log.ring[(kernel_log.total - kept + i) % LOG_RING_BYTES];
    }
    return n;
}
