/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: programs (compiled patterns) and their cache. The natives are in bif_re.c. */
#pragma once

#include "vm/heap/heap.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* What a pattern is compiled with. */
typedef struct ReFlags {
    uint32_t options; /* PCRE2_ compile options out of RE_OPTIONS */
    uint32_t newline; /* PCRE2_NEWLINE_ */
    uint32_t bsr;     /* PCRE2_BSR_ */
} ReFlags;
#define RE_OPTIONS                                                                                       \
    (PCRE2_UTF | PCRE2_ANCHORED | PCRE2_CASELESS | PCRE2_DOLLAR_ENDONLY | PCRE2_DOTALL | PCRE2_EXTENDED | \
     PCRE2_FIRSTLINE | PCRE2_MULTILINE | PCRE2_NO_AUTO_CAPTURE | PCRE2_DUPNAMES | PCRE2_UNGREEDY |        \
     PCRE2_NO_START_OPTIMIZE | PCRE2_UCP | PCRE2_NEVER_UTF)

/* A compiled pattern, counted. Immutable but for `refc` and `spare`. */
typedef struct ReProgram {
    struct ReProgram *next;
    int64_t refc;             /* atomic; the cache holds one */
    uint64_t used;            /* cache clock at the last use */
    pcre2_code *code;
    pcre2_match_data *spare;  /* atomic: match data to take and give back */
    uint32_t hash;
    size_t key_size;
    uint8_t *key;             /* what the pattern's binary holds */
} ReProgram;

/* Bytes of the binary in {re_pattern, _, _, _, Binary}: a header with the flags, then the source of the pattern. */
enum { RE_KEY_HEADER = 16 };
/* Writes a key of RE_KEY_HEADER + n bytes into memory for vm_free. */
uint8_t *re_key_make(const ReFlags *f, const uint8_t *pattern, size_t n);
/* The flags in a key; false when it is none. */
bool re_key_flags(const uint8_t *key, size_t size, ReFlags *f);

/* The program for a key, retained; NULL with *code (PCRE2's) and *offset of the fault, when it does not compile. */
ReProgram *re_program(const uint8_t *key, size_t size, int *code, size_t *offset);
void re_program_release(ReProgram *r);
pcre2_match_data *re_program_take_data(ReProgram *r);
void re_program_give_data(ReProgram *r, pcre2_match_data *d);
pcre2_match_context *re_match_context(uint32_t match_limit, uint32_t depth_limit); /* to be freed by PCRE2 */
/* OTP's text for a compile error. */
const char *re_error_text(int code);
const char *re_version(void);

/* bif_re_adapt.c: would writing the pattern anew help against this error of PCRE2? And the pattern so written, for
 * vm_free. */
bool re_adapt_needed(int code);
uint8_t *re_adapt(const uint8_t *s, size_t n, int code, size_t *size);
bool re_has_word_escape(const uint8_t *s, size_t n);

/* Subjects are checked for valid UTF-8 once, at the first call of a global match: the Binary of the last one
 * checked. */
bool re_subject_is_known(const Binary *b, const uint8_t *data, size_t size);
void re_subject_remember(Binary *b, const uint8_t *data, size_t size); /* b NULL: forget */
