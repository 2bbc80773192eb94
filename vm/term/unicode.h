/* SPDX-License-Identifier: Apache-2.0 */
/* Code points and their encoding in UTF-8. Valid are 0..16#10FFFF without the surrogates. */
#pragma once

#include "lib/cstd.h"

static inline bool unicode_is_valid(uint64_t c)
{
    return c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}
static inline unsigned utf8_length(uint32_t c) /* of a valid code point */
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}
/* Writes a valid code point (1..4 bytes); returns their number. */
unsigned utf8_encode(uint32_t c, uint8_t *to);
/* The code point at s; returns its bytes, 0 when there is no complete valid one in the n bytes. */
unsigned utf8_decode(const uint8_t *s, size_t n, uint32_t *c);
/* Bytes of the sequence that this byte seems to start. */
unsigned utf8_wanted(uint8_t first);
/* After utf8_decode gave 0 with n > 0: are the n bytes the start of a longer sequence? OTP's rule, which looks only at
 * the kinds of the bytes: C0 and ED A0 count as starts though nothing valid begins with them. */
bool utf8_is_incomplete(const uint8_t *s, size_t n);
/* Bytes at the start of s that are 7-bit characters. */
size_t ascii_prefix(const uint8_t *s, size_t n);
/* Bytes at the start of s that are valid UTF-8; *chars: how many characters they are. */
size_t utf8_valid_prefix(const uint8_t *s, size_t n, size_t *chars);
