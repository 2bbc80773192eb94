/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The atom table: index <-> name in UTF-8 (at most 255 characters). Atoms are never removed.
 * Well-known atoms are compile-time constants: write A_ok for `ok`, A_badarg for `badarg`; the build
 * scans the C sources for A_ names and makes the table. Names that are not C identifiers stand in
 * vm/tab/atoms.tab (A_EXIT 'EXIT', A_plus '+', ...).
 */
#pragma once

#include "gen/atoms.h"
#include "vm/term/term.h"

#define ATOM_MAX_CHARS 255
#define ATOM_MAX_BYTES (ATOM_MAX_CHARS * 4)

void atom_init(size_t limit); /* limit: maximal count, `+t` */
/* The atom with that UTF-8 name; NONVALUE when too long, not valid UTF-8, or (never for existing) table full. */
Term atom_put(const uint8_t *utf8, size_t bytes);
Term atom_put_cstr(const char *name);
Term atom_put_latin1(const uint8_t *bytes, size_t n);
Term atom_find(const uint8_t *utf8, size_t bytes); /* NONVALUE when there is none */
const uint8_t *atom_text(Term atom, size_t *bytes); /* UTF-8, also NUL-terminated; lives for ever */
bool atom_is_latin1(Term atom);
size_t atom_char_count(Term atom);
uint32_t atom_hash(Term atom); /* OTP's hash of the name (hashpjw over Latin-1/UTF-8), used by phash2 and phash */
int atom_compare(Term a, Term b); /* by name, code point order */
size_t atom_count(void);
size_t atom_limit(void);
static inline bool is_boolean(Term t) { return t == A_true || t == A_false; }
static inline Term make_boolean(bool b) { return b ? A_true : A_false; }
