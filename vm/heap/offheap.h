/* SPDX-License-Identifier: Apache-2.0 */
/* The off-heap list itself, for the collector and the copier; everybody else uses heap.h. */
#pragma once

#include "vm/heap/heap.h"

/* The link field of an object that holds a count: a RefcBin or a magic Ref. */
static inline Word **off_heap_next(Word *object)
{
    return header_sub(*object) == SUB_REFC_BIN ? (Word **)&((RefcBin *)object)->next
                                               : (Word **)&((Ref *)object)->u.next;
}
static inline bool off_heap_holds_count(Word header)
{
    return header_sub(header) == SUB_REFC_BIN || header == MAKE_HEADER(REF_MAGIC_ARITY, SUB_REF);
}
void off_heap_link(OffHeap *oh, Word *object);
/* Memory behind all refc binaries of the machine. */
int64_t binary_total_bytes(void);
/* `copy` has just been copied word by word: from here on it holds a count of its own, in `oh`, and no
 * right to write. */
void off_heap_retain(Word *copy, OffHeap *oh);
/* Gives up the count that this object holds. */
void off_heap_drop(Word *object);
