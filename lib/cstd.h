/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slice of the C library that every build of Loom has: glibc under the Linux program,
 * musl inside the kernel image. Freestanding code includes this instead of system headers, so
 * that what Loom needs from a C library is visible in one place.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
int snprintf(char *restrict buf, size_t cap, const char *restrict format, ...)
    __attribute__((format(printf, 3, 4)));
int vsnprintf(char *restrict buf, size_t cap, const char *restrict format, va_list ap);
double strtod(const char *restrict s, char **restrict end);

double floor(double v);
double ceil(double v);
double trunc(double v);
double fmod(double a, double b);
double ldexp(double v, int exponent);
double frexp(double v, int *exponent);
