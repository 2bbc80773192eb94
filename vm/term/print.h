/* SPDX-License-Identifier: Apache-2.0 */
/* Terms as text, the way erlang:display/1 and crash reports show them. */
#pragma once

#include "vm/term/term.h"

/* Writes into buf (always NUL-terminated when cap > 0), at most cap - 1 bytes; returns the full length wanted. */
size_t term_print(Term t, char *buf, size_t cap);
