/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's log: to the serial line, to the screen while the kernel owns it, and into a ring that keeps the last 16
 * KiB.
 */
#pragma once

#include "lib/cstd.h"

enum { LOG_RING_BYTES = 16384 };

/* One line "[    3.1 ms] text": milliseconds since the loader handed over. The first few lines wait for the clock to be
 * stamped. */
void klog(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Text as it is. */
void klog_raw(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_write(const char *text, size_t n);
/* Writes the lines held so far: by clock_start, and by a panic before that. zero_tsc: the counter at hand-over. */
void log_stamp_early(uint64_t zero_tsc);
/* Writes what the ring holds to the screen: when that becomes usable. */
void log_show(void);
/* Waits until the serial line has sent everything. */
void log_flush(void);
/* The oldest kept bytes first; returns how many were copied. */
size_t log_copy(char *buf, size_t cap);
