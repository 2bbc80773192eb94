/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What GMP, PCRE2, zlib and musl in the image need of a system: memory, and ends. Debian builds the first three against
 * glibc with checked variants of functions, which musl does not have: they are here, over the unchecked ones.
 */
#include "kernel/mm/heap.h"
#include "kernel/panic/panic.h"
#include "lib/cstd.h"

void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *mem, size_t bytes);
void free(void *mem);
_Noreturn void abort(void);
int raise(int signal);
_Noreturn void __stack_chk_fail(void);
void *__memcpy_chk(void *dst, const void *src, size_t n, size_t room);
int __fprintf_chk(void *stream, int flag, const char *format, ...);

void *malloc(size_t bytes) { return kmalloc(bytes != 0 ? bytes : 1); }

void *calloc(size_t count, size_t bytes)
{
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all)) {
        return NULL;
    }
    return kcalloc(all != 0 ? all : 1);
}

void *realloc(void *mem, size_t bytes) { return krealloc(mem, bytes != 0 ? bytes : 1); }
void free(void *mem) { kfree(mem); }

_Noreturn void abort(void) { panic("a library called abort"); }

int raise(int signal) { panic("a library raised signal %d", signal); }

_Noreturn void __stack_chk_fail(void) { panic("a library wrote past the end of an array on its stack"); }

void *__memcpy_chk(void *dst, const void *src, size_t n, size_t room)
{
    if (n > room) {
        panic("a library copied %zu bytes into %zu", n, room);
    }
    return memcpy(dst, src, n);
}

/* GMP's last words before abort: the text alone says what it is. */
int __fprintf_chk(void *stream, int flag, const char *format, ...)
{
    (void)stream;
    (void)flag;
    panic("a library failed: %s", format);
}
