/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page tables of the one address space. Its map:
 *
 *     0xffff800000000000  DIRECT_MAP   all RAM, writable, not executable
 *     0xffffc00000000000  WINDOW_BASE  device memory and firmware tables, mapped on demand (window_map)
 *     0xffffd00000000000  AREA_BASE    reserved ranges, memory committed on demand (mm/area.c)
 *     0xffffffff80000000  KERNEL_BASE  the image: text read+execute, constants read, data read+write
 *
 * Nothing else is mapped: not page 0, not the low half. No page is both writable and executable.
 */
#pragma once

#include "include/bootinfo.h"
#include "lib/cstd.h"

#define WINDOW_BASE UINT64_C(0xffffc00000000000)
#define WINDOW_END UINT64_C(0xffffd00000000000)
#define AREA_BASE UINT64_C(0xffffd00000000000)
#define AREA_END UINT64_C(0xffffe00000000000)

enum { /* rights of a mapping; reading is always allowed */
    MAP_WRITE = 1 << 0,
    MAP_EXECUTE = 1 << 1,
    MAP_UNCACHED = 1 << 2,
    MAP_COMBINING = 1 << 3, /* write-combining: frame buffers */
};

/* Builds the kernel's own tables from BootInfo with pages from phys_early_page, and switches to them. */
void paging_init(const BootInfo *info);

/* Another processor, on the same tables already: what stands in its own registers. */
void paging_init_cpu(void);

/* Maps whole 4 KiB pages. False when there is no memory for tables (then nothing stays mapped). Not over something
 * mapped. */
bool paging_map(uint64_t virt, uint64_t phys, size_t bytes, unsigned rights);
/* Unmaps and flushes; the frames stay as they are. */
void paging_unmap(uint64_t virt, size_t bytes);
/* False when nothing is mapped there. */
bool paging_translate(const void *virt, uint64_t *phys);
/* First address from virt on whose page may be mapped: steps over parts that have no tables. At most end. */
uint64_t paging_next(uint64_t virt, uint64_t end);
/* Rights of the page at virt as MAP_ flags, or -1. */
int paging_rights(const void *virt);

/* Maps a physical range of any alignment into the window; NULL when out of memory. Stays for ever: for devices and
 * tables. */
void *window_map(uint64_t phys, size_t bytes, unsigned rights);

/* Address of RAM in the direct map, and back. Not for the kernel image. */
static inline void *phys_to_virt(uint64_t phys) { return (void *)(DIRECT_MAP + phys); }
static inline uint64_t virt_to_phys(const void *virt) { return (uint64_t)virt - DIRECT_MAP; }
static inline bool is_direct(const void *virt) { return (uint64_t)virt - DIRECT_MAP < WINDOW_BASE - DIRECT_MAP; }
