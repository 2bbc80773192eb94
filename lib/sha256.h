/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4): the one hash of Loom's boot chain and bundles. No allocation, no state outside the context. */
#pragma once

#include "lib/cstd.h"

enum { SHA256_BYTES = 32, SHA256_HEX = 64 };

typedef struct Sha256 {
    uint32_t state[8];
    uint64_t total;   /* bytes hashed so far */
    uint8_t block[64]; /* the begun block: total % 64 bytes of it are filled */
} Sha256;

void sha256_init(Sha256 *s);
void sha256_update(Sha256 *s, const void *data, size_t n);
void sha256_final(Sha256 *s, uint8_t digest[SHA256_BYTES]);
/* All in one. */
void sha256_of(const void *data, size_t n, uint8_t digest[SHA256_BYTES]);
/* Lower-case hexadecimal with a closing NUL. */
void sha256_to_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX + 1]);
/* Reads exactly 64 hexadecimal digits; false if there is anything else among them. */
bool sha256_from_hex(const char *hex, uint8_t digest[SHA256_BYTES]);
