/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the kernel's functions, for back traces. The table is made by tools/mksyms from a first link and put into
 * the second; in the first it is empty, which only costs the names.
 */
#pragma once

#include "lib/cstd.h"

/* Name of the function that holds the address and the distance from its start; NULL if unknown. */
const char *symbol_find(uint64_t address, uint64_t *offset);
