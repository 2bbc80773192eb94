/* SPDX-License-Identifier: Apache-2.0 */
/* See files.h. */
#include "kernel/files.h"

#include "kernel/arch/x86_64/paging.h"
#include "kernel/log.h"
#include "kernel/mm/heap.h"
#include "kernel/panic/panic.h"
#include "kernel/power.h"

typedef enum { FILE_UNKNOWN, FILE_GOOD, FILE_BAD } FileState;

static struct Files {
    Bundle bundle;
    bool exists;
    uint8_t *states; /* a FileState each; NULL: all are good */
} files;

void files_init(const BootInfo *info)
{
    if (info->bundle_size == 0) {
        klog("bundle: none");
        return;
    }
    BundleError error = bundle_open(phys_to_virt(info->bundle_phys), info->bundle_size, &files.bundle);
    if (error != BUNDLE_OK) {
        klog("loom: kernel: boot.pak: %s; not started", bundle_error_text(error));
        power_test_exit(false);
    }
    bool verified = (info->flags & BOOT_VERIFIED) != 0;
    if (!verified && files.bundle.count > 0) {
        files.states = kcalloc(files.bundle.count);
        if (files.states == NULL) {
            panic("no memory to keep track of %u files", files.bundle.count);
        }
    }
    files.exists = true;
    char hex[SHA256_HEX + 1];
    sha256_to_hex(files.bundle.header->root, hex);
    klog("bundle: %u files, %llu KiB, root %.16s..., %s", files.bundle.count,
         (unsigned long long)info->bundle_size / 1024, hex,
         verified ? "verified by the nucleus" : "index verified; each file before its first use");
}

const Bundle *files_bundle(void) { return files.exists ? &files.bundle : NULL; }

bool files_get(uint32_t index, BundleFile *file)
{
    *file = bundle_at(&files.bundle, index);
    if (files.states != NULL && files.states[index] == FILE_UNKNOWN) {
        bool good = bundle_check(&files.bundle, index);
        files.states[index] = good ? FILE_GOOD : FILE_BAD;
        if (!good) {
            klog("loom: kernel: boot.pak: %s: %.*s; not used", bundle_error_text(BUNDLE_BAD_CONTENT),
                 (int)file->name_size, file->name);
        }
    }
    return files.states == NULL || files.states[index] == FILE_GOOD;
}

bool files_check_all(void)
{
    BundleFile file;
    bool good = true;
    for (uint32_t i = 0; files.exists && i < files.bundle.count; i++) {
        good &= files_get(i, &file);
    }
    return good;
}
