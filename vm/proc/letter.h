/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from outside Erlang code (ports, interrupts): a term built in a fragment, which then is the message. */
#pragma once

#include "vm/heap/heap.h"

/* Reserve enough words, build at *hp, then send. */
typedef struct Letter {
    HeapFrag *frag;
    Term *hp;
} Letter;
Letter letter_new(size_t words);
/* A binary with these bytes; LETTER_BINARY_WORDS(n). */
#define LETTER_BINARY_WORDS(n) ((n) <= HEAP_BIN_MAX ? HEAP_BIN_WORDS(n) : (size_t)REFC_BIN_WORDS)
Term letter_binary(Letter *l, const void *bytes, size_t n);
/* A list of these bytes before `tail`; 2 * n words. */
Term letter_string(Letter *l, const uint8_t *bytes, size_t n, Term tail);
Term letter_tuple(Letter *l, size_t n, const Term *elements); /* n + 1 words */
void letter_send(Letter *l, Term pid, Term message);
