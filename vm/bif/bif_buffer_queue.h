/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of bytes that keeps large binaries by reference and gathers small ones: the store behind prim_buffer and
 * the input of zlib streams. Lives outside any process. */
#pragma once

#include "vm/heap/heap.h"

typedef struct BytePiece {
    struct BytePiece *next;
    Binary *bin; /* one count */
    const uint8_t *data;
    size_t size;
} BytePiece;
typedef struct ByteQueue {
    BytePiece *first, *last;
    size_t size;
} ByteQueue;

void queue_clear(ByteQueue *q);
/* t must be a binary. */
void queue_put_binary(ByteQueue *q, Term t);
/* Each binary of a proper list; false, with nothing added, when it is anything else. */
bool queue_put_iovec(ByteQueue *q, Term list);
/* Drops n bytes from the front; n <= q->size. */
void queue_skip(ByteQueue *q, size_t n);
/* Copies the first n bytes. */
void queue_copy(const ByteQueue *q, uint8_t *to, size_t n);
