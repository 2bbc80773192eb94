/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nucleus: first-stage loader. Its stages, in the order they run:
 *
 *     main.c      efi_main: the list of stages
 *     console.c   text on serial and screen; boot_fail
 *     file.c      files of the FAT volume we came from
 *     manifest.c  what the files must hash to
 *     elf.c       kernel.elf -> memory
 *     handover.c  page tables, BootInfo, ExitBootServices, jump
 *
 * All state is one Boot, on efi_main's stack. A stage that cannot go on calls boot_fail, which does not return.
 */
#pragma once

#include "boot/efi.h"
#include "include/bootinfo.h"
#include "lib/sha256.h"

enum { PAGE_SIZE = 4096, BOOT_TEXT_OUTPUTS = 4, BOOT_SEGMENTS = 8 };
/* RAM that must be left for the machine after kernel and bundle are loaded. */
#define BOOT_HEADROOM_BYTES (UINT64_C(24) << 20)

typedef struct BootFile {
    const char *name; /* as people write it: "\loom\kernel.elf" */
    uint8_t *data;    /* page-aligned; valid if size > 0 */
    uint64_t size;
} BootFile;

/* What the manifest says about one file. */
typedef struct ManifestEntry {
    char name[32];
    uint64_t size;
    uint8_t sha256[SHA256_BYTES];
} ManifestEntry;

typedef struct Manifest {
    ManifestEntry entries[8];
    unsigned count;
} Manifest;

/* A loaded piece of the kernel: page-granular, with the rights it is mapped with. */
typedef struct BootSegment {
    uint64_t virt, phys, pages;
    bool writable, executable;
} BootSegment;

typedef struct Boot {
    EfiHandle image;
    EfiSystemTable *system;
    EfiBootServices *services;
    EfiTextOutput *outputs[BOOT_TEXT_OUTPUTS]; /* screens */
    unsigned output_count;
    bool has_serial;
    bool test; /* "test" on the command line: leave QEMU when we fail */
    EfiFile *volume;
    BootFile manifest_file, kernel, bundle, cmdline;
    Manifest manifest;
    BootSegment segments[BOOT_SEGMENTS];
    unsigned segment_count;
    uint64_t kernel_phys, kernel_size, kernel_entry;
    BootInfo *info; /* in loader memory */
} Boot;

void console_start(Boot *b);
/* One line, "loom: boot: " before it. */
void boot_say(Boot *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Same, then stops: with `test`, leaves QEMU through isa-debug-exit (status 65), else waits for ever. */
_Noreturn void boot_fail(Boot *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Finds the volume that this image was loaded from. */
void file_open_volume(Boot *b);
/* Reads \loom\<name> whole. False if there is no such file; fails on any other error. */
bool file_read_try(Boot *b, const char *name, BootFile *file);
void file_read(Boot *b, const char *name, BootFile *file);
/* Pages of loader memory, zeroed; fails with what it was for. */
void *boot_pages(Boot *b, uint64_t pages, const char *what);

/* Parses and checks b->manifest_file. */
void manifest_parse(Boot *b);
/* NULL when the manifest does not name it. `name` without directory. */
const ManifestEntry *manifest_entry(const Boot *b, const char *name);
/* Fails unless the file has the size and hash that the manifest says; else records the measurement. */
void manifest_check(Boot *b, const BootFile *file, const char *name);

/* Fills segments and kernel_*. */
void elf_load(Boot *b);

/* Fills BootInfo, leaves boot services and jumps. */
_Noreturn void handover(Boot *b);
