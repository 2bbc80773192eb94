/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the volume that the nucleus was loaded from, through the firmware's FAT driver. */
#include "boot/boot.h"

void *boot_pages(Boot *b, uint64_t pages, const char *what)
{
    uint64_t address = UINT64_C(0xffffffff); /* below 4 GiB: reachable by the first page tables of any kernel */
    if (b->services->allocate_pages(EFI_ALLOCATE_MAX_ADDRESS, EFI_LOADER_DATA, pages, &address) != 0) {
        boot_fail(b, "memory: no %llu KiB for %s; not started", (unsigned long long)pages * 4, what);
    }
    memset((void *)address, 0, pages * PAGE_SIZE);
    return (void *)address;
}

void file_open_volume(Boot *b)
{
    static const EfiGuid loaded_image = EFI_LOADED_IMAGE_GUID, file_system = EFI_FILE_SYSTEM_GUID;
    EfiLoadedImage *image;
    EfiFileSystem *fs;
    if (b->services->handle_protocol(b->image, &loaded_image, (void **)&image) != 0 ||
        b->services->handle_protocol(image->device, &file_system, (void **)&fs) != 0 ||
        fs->open_volume(fs, &b->volume) != 0) {
        boot_fail(b, "the volume this loader came from has no file system; not started");
    }
}

static uint64_t file_size(Boot *b, EfiFile *handle, const char *name)
{
    static const EfiGuid file_info = EFI_FILE_INFO_GUID;
    EfiFileInfo info;
    uint64_t size = sizeof info;
    if (handle->get_info(handle, &file_info, &size, &info) != 0) {
        boot_fail(b, "%s: its size cannot be read; not started", name);
    }
    return info.file_size;
}

/* "\loom\kernel.elf" in the firmware's characters. */
static void widen(const char *name, Char16 *wide, unsigned cap)
{
    unsigned n = 0;
    for (; name[n] != '\0' && n + 1 < cap; n++) {
        wide[n] = (uint8_t)name[n];
    }
    wide[n] = 0;
}

bool file_read_try(Boot *b, const char *name, BootFile *file)
{
    Char16 wide[64];
    EfiFile *handle;
    widen(name, wide, sizeof wide / sizeof wide[0]);
    file->name = name;
    EfiStatus status = b->volume->open(b->volume, &handle, wide, EFI_FILE_READ, 0);
    if (status == EFI_NOT_FOUND) {
        return false;
    }
    if (status != 0) {
        boot_fail(b, "%s: cannot be opened (status %llx); not started", name, (unsigned long long)status);
    }
    file->size = file_size(b, handle, name);
    if (file->size > 0) { /* the firmware refuses to allocate no pages */
        file->data = boot_pages(b, (file->size + PAGE_SIZE - 1) / PAGE_SIZE, name);
        uint64_t got = file->size;
        status = handle->read(handle, &got, file->data);
        if (status != 0 || got != file->size) {
            boot_fail(b, "%s: read error (status %llx, %llu of %llu bytes); not started", name,
                      (unsigned long long)status, (unsigned long long)got, (unsigned long long)file->size);
        }
    }
    handle->close(handle);
    return true;
}

void file_read(Boot *b, const char *name, BootFile *file)
{
    if (!file_read_try(b, name, file)) {
        boot_fail(b, "%s: missing; not started", name);
    }
}
