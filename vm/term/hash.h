/* SPDX-License-Identifier: Apache-2.0 */
/* Hash functions over terms. */
#pragma once

#include "vm/term/term.h"

uint32_t term_hash_phash(Term t, uint32_t range);  /* erlang:phash/2 (range 0 means 2^32) */
uint32_t term_hash_phash2(Term t);                 /* erlang:phash2/1: 27 bits of OTP's value; the native masks */
uint32_t term_hash_portable2(Term t);              /* full 32 bits behind phash2 */
/* Fast, seeded, for HAMT and ETS; equal (=:=) terms hash equally; `salt` gives fresh bits per level. */
uint32_t term_hash_internal(Term t, uint32_t salt);
/* As above where 1 and 1.0 need not differ: never used for == tables. */
