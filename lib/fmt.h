/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formatting into a buffer: the part of printf that a boot loader, a kernel and a panic need, without a C
 * library, allocation, locale or floating point.
 *
 * Conversions: %s %c %d %i %u %x %X %p %%, sizes l ll z, flags - and 0, width and precision (numbers or *;
 * precision only for %s). Anything else is copied as it stands, so that a mistake is seen.
 */
#pragma once

#include "lib/cstd.h"

/* Write at most cap bytes including the closing NUL (always there if cap > 0). Return the length the
 * text would have had, so >= cap means it was cut off. */
int fmt_buf(char *buf, size_t cap, const char *format, ...) __attribute__((format(printf, 3, 4)));
int fmt_vbuf(char *buf, size_t cap, const char *format, va_list ap) __attribute__((format(printf, 3, 0)));
