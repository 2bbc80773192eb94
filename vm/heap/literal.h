/* SPDX-License-Identifier: Apache-2.0 */
/* Life of the literal range: for boot and reports. And the release of areas, which bif/bif_literals.c drives:
 *
 *     literal_area_retire()   when a module is purged or a persistent term erased
 *     literal_release_next()  the retired areas are being released now
 *     heap_leave_literals()   by each process, at a time of its own
 *     literal_release_next()  ... and those are freed
 */
#pragma once

#include "vm/heap/heap.h"

void literal_init(void);
size_t literal_used_bytes(void);

/* Frees the areas being released and begins to release the retired ones. False when there are none. Alone. */
bool literal_release_next(void);
size_t literal_released_count(void);
/* The area being released that ptr points into, and its number; or NULL. */
const LiteralArea *literal_released_area(const void *ptr, size_t *index);
