/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Areas: ranges of address space that get memory later, page by page. Used for stacks with guard pages, for what
 * the virtual machine reserves, and for heap blocks too large for contiguous memory.
 * There is an unmapped page after every area, so that running over its end is a page fault.
 */
#pragma once

#include "lib/cstd.h"

void area_init(void);
/* Address space of `bytes` (rounded up to pages) without memory. NULL when there is none left. */
void *area_reserve(size_t bytes);
/* Zeroed memory for the pages that [start, start + bytes) touches and that have none yet. False when
 * memory runs out: pages committed so far stay. */
bool area_commit(void *start, size_t bytes);
/* Takes the memory of those pages back; the address space stays reserved. */
void area_decommit(void *start, size_t bytes);
/* Gives up a whole reservation (start and size as reserved), with its memory. */
void area_release(void *start, size_t bytes);
/* A stack of `bytes`, not cleared, with an unmapped page below it: its top, 16-byte aligned; NULL when out of
 * memory. */
void *area_stack(size_t bytes);
/* True if the address lies among the areas but has no memory: a guard page, or an uncommitted one. */
bool area_is_hole(uint64_t address);
