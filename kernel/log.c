/* SPDX-License-Identifier: Apache-2.0 */
/* See log.h. */
#include "kernel/log.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/serial.h"
#include "kernel/console/screen.h"
#include "kernel/smp/lock.h"
#include "kernel/smp/smp.h"
#include "kernel/time/clock.h"
#include "lib/fmt.h"

enum { LOG_LINE = 512, EARLY_LINES = 4, EARLY_LINE = 120 };

/* A line from before the clock ran: held until it can be stamped. */
typedef struct EarlyLine {
    uint64_t tsc;
    char text[EARLY_LINE];
} EarlyLine;

static struct Log {
    KLock lock;
    char ring[LOG_RING_BYTES];
    uint64_t total; /* bytes ever written */
    EarlyLine early[EARLY_LINES];
    unsigned early_count;
} kernel_log;

/* A panic does not wait: whoever holds the lock may have been stopped. */
static bool log_lock(void) { return smp_is_stopping() ? interrupts_save() : klock_acquire(&kernel_log.lock); }
static void log_unlock(bool on) { klock_release(&kernel_log.lock, on); }

void log_write(const char *text, size_t n)
{
    bool on = log_lock();
    for (size_t i = 0; i < n; i++) {
        kernel_log.ring[kernel_log.total++ % LOG_RING_BYTES] = text[i];
    }
    serial_write(text, n);
    screen_write(text, n);
    log_unlock(on);
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

static int stamp(char *line, int64_t ns)
{
    uint64_t tenths = (uint64_t)ns / 100000;
    return fmt_buf(line, LOG_LINE, "[%5llu.%llu ms] ", (unsigned long long)(tenths / 10),
                   (unsigned long long)(tenths % 10));
}

static void hold(const char *format, va_list ap)
{
    EarlyLine *e = &kernel_log.early[kernel_log.early_count++];
    e->tsc = tsc_read();
    fmt_vbuf(e->text, sizeof e->text, format, ap);
}

void klog(const char *format, ...)
{
    char line[LOG_LINE];
    va_list ap;
    va_start(ap, format);
    if (clock_is_ready()) {
        write_format(format, ap, stamp(line, clock_now_ns()), line);
        log_write("\n", 1);
    } else if (kernel_log.early_count < EARLY_LINES) {
        hold(format, ap);
    } else {
        write_format(format, ap, 0, line);
        log_write("\n", 1);
    }
    va_end(ap);
}

void log_stamp_early(uint64_t zero_tsc)
{
    char line[LOG_LINE];
    for (unsigned i = 0; i < kernel_log.early_count; i++) {
        const EarlyLine *e = &kernel_log.early[i];
        int n = 0;
        if (clock_is_ready()) {
            n = stamp(line, (int64_t)((e->tsc - zero_tsc) * 1000000 / (clock_tsc_hz() / 1000)));
        }
        n += fmt_buf(line + n, (size_t)(LOG_LINE - n), "%s\n", e->text);
        log_write(line, (size_t)n);
    }
    kernel_log.early_count = 0;
}

void log_show(void)
{
    uint64_t kept = kernel_log.total < LOG_RING_BYTES ? kernel_log.total : LOG_RING_BYTES;
    for (uint64_t at = kernel_log.total - kept; at < kernel_log.total; at++) {
        screen_write(&kernel_log.ring[at % LOG_RING_BYTES], 1);
    }
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
