/* SPDX-License-Identifier: Apache-2.0 */
/* Life of the literal range: for boot and reports. Areas are in heap.h. */
#pragma once

#include "vm/heap/heap.h"

void literal_init(void);
size_t literal_used_bytes(void);
