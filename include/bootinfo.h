/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a loader hands to the kernel: the only thing that boot/ and kernel/ share. Filled by the nucleus
 * (boot/handover.c) or, for a PVH start, by the kernel's own entry (kernel/arch/x86_64/pvh.c).
 *
 * At entry: 64-bit mode, interrupts off, rdi = physical address of a BootInfo; the kernel image is mapped where it is
 * linked, all RAM and the first 4 GiB are mapped at DIRECT_MAP, and at their own address.
 * Everything is by value, so the kernel copies one struct and owes the loader nothing.
 */
#pragma once

#include <stdint.h>

#define BOOTINFO_MAGIC UINT64_C(0x4f464e494d4f4f4c) /* "LOOMINFO" */
enum { BOOTINFO_VERSION = 1 };

#define DIRECT_MAP UINT64_C(0xffff800000000000)  /* physical memory, all of it */
#define KERNEL_BASE UINT64_C(0xffffffff80000000) /* the kernel image's 2 GiB */

enum { BOOT_MEMORY_MAX = 512, BOOT_MEASUREMENT_MAX = 8, BOOT_CMDLINE_MAX = 1024 };

enum { /* BootInfo.flags */
    BOOT_FROM_UEFI = 1 << 0,
    BOOT_FROM_PVH = 1 << 1,
    BOOT_VERIFIED = 1 << 2, /* kernel and bundle were checked against the manifest before use */
};

enum { /* BootMemory.type */
    BOOT_RAM = 1,      /* free for the kernel */
    BOOT_LOADER = 2,   /* loader data, kernel and bundle; but for those two free once the kernel has its own tables */
    BOOT_ACPI = 3,     /* tables: keep until read */
    BOOT_RESERVED = 4, /* never touch */
};

typedef struct BootMemory {
    uint64_t base, size; /* bytes, multiples of 4096 */
    uint32_t type;
    uint32_t reserved;
} BootMemory;

typedef struct BootFrameBuffer {
    uint64_t base;                  /* physical; 0: there is none */
    uint32_t width, height, stride; /* pixels, pixels, bytes a row; 32 bits a pixel */
    uint8_t red_shift, green_shift, blue_shift, reserved;
} BootFrameBuffer;

typedef struct BootMeasurement {
    char name[32]; /* NUL-terminated */
    uint64_t size;
    uint8_t sha256[32];
} BootMeasurement;

typedef struct BootInfo {
    uint64_t magic;
    uint32_t version;
    uint32_t size; /* of this struct */
    uint32_t flags;
    uint32_t memory_count, measurement_count;
    uint32_t reserved;
    uint64_t kernel_phys, kernel_size; /* one contiguous block; KERNEL_BASE + its link offset maps to it */
    uint64_t bundle_phys, bundle_size; /* 0 size: there is none */
    uint64_t rsdp;                     /* physical; 0: unknown */
    uint64_t handover_tsc;             /* time stamp counter when the loader jumped */
    BootFrameBuffer fb;
    BootMeasurement measurements[BOOT_MEASUREMENT_MAX];
    char cmdline[BOOT_CMDLINE_MAX]; /* NUL-terminated */
    BootMemory memory[BOOT_MEMORY_MAX];
} BootInfo;
_Static_assert(sizeof(BootMemory) == 24, "layout is shared between two compilers");
_Static_assert(sizeof(BootMeasurement) == 72, "layout is shared between two compilers");
