/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations that fail on purpose: see stress_alloc.c. In other builds, nothing. */
#pragma once

#include <stdbool.h>

#ifdef LOOM_STRESS_ALLOC
bool stress_alloc_fails(void);       /* asked by each allocation */
int stress_alloc_status(int status); /* the program's exit status, and a line of figures */
#else
static inline bool stress_alloc_fails(void) { return false; }
static inline int stress_alloc_status(int status) { return status; }
#endif
