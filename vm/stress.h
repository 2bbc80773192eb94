/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the builds that look for mistakes change (mk/flags.mk, doc/testing.md): constants, so that the others pay
 * nothing.
 *
 *     B=stress-gc      every chance to collect is taken, and the heap walked afterwards
 *     B=stress-yield   a slice is over at the next call
 *     B=stress-heap    blocks and fragments are as large as what is in them, so that all goes beyond their ends
 *     B=stress-alloc   plat/linux/stress_alloc.c: memory runs out, at each allocation in turn
 */
#pragma once

#ifdef LOOM_STRESS_GC
#define STRESS_GC 1
#else
#define STRESS_GC 0
#endif

#ifdef LOOM_STRESS_YIELD
#define STRESS_YIELD 1
#else
#define STRESS_YIELD 0
#endif

#ifdef LOOM_STRESS_HEAP
#define STRESS_HEAP 1
#else
#define STRESS_HEAP 0
#endif
enum { STRESS_HEAP_EXACT = 2000 }; /* words; larger blocks grow by an eighth, or long lists would take for ever */
