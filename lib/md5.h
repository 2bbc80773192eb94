/* SPDX-License-Identifier: Apache-2.0 */
/* MD5 (RFC 1321): for erlang:md5 and the identity of modules; not for security. */
#pragma once

#include "lib/cstd.h"

enum { MD5_BYTES = 16 };
typedef struct Md5 {
    uint32_t state[4];
    uint64_t bits;      /* length so far */
    uint8_t block[64];  /* its first (bits / 8) % 64 bytes are waiting */
} Md5;

void md5_start(Md5 *m);
void md5_add(Md5 *m, const void *data, size_t n);
void md5_end(Md5 *m, uint8_t digest[MD5_BYTES]);
void md5_of(const void *data, size_t n, uint8_t digest[MD5_BYTES]);
