/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of UEFI 2.x that the nucleus uses, declared from the specification. Built for a Windows target, so
 * every function pointer has the firmware's calling convention already. Members that are not called are
 * void pointers: they keep the place.
 */
#pragma once

#include "lib/cstd.h"

typedef uint64_t EfiStatus;
typedef void *EfiHandle;
typedef uint16_t Char16;

#define EFI_ERROR_BIT (UINT64_C(1) << 63)
#define EFI_BUFFER_TOO_SMALL (EFI_ERROR_BIT | 5)
#define EFI_NOT_FOUND (EFI_ERROR_BIT | 14)

typedef struct EfiGuid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
} EfiGuid;

typedef struct EfiTableHeader {
    uint64_t signature;
    uint32_t revision, header_size, crc32, reserved;
} EfiTableHeader;

typedef struct EfiTextOutput EfiTextOutput;
struct EfiTextOutput {
    void *reset;
    EfiStatus (*output_string)(EfiTextOutput *self, const Char16 *text);
    void *test_string, *query_mode, *set_mode, *set_attribute, *clear_screen, *set_cursor, *enable_cursor, *mode;
};

enum { /* EfiMemoryDescriptor.type */
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_CODE = 3,
    EFI_BOOT_DATA = 4,
    EFI_CONVENTIONAL = 7,
    EFI_ACPI_RECLAIM = 9,
};

typedef struct EfiMemoryDescriptor {
    uint32_t type, pad;
    uint64_t physical, virtual, pages, attributes;
} EfiMemoryDescriptor; /* firmware may use larger ones: step by the size it reports */

enum { EFI_ALLOCATE_ANY = 0, EFI_ALLOCATE_MAX_ADDRESS = 1 };
enum { EFI_BY_PROTOCOL = 2 };

typedef struct EfiBootServices {
    EfiTableHeader header;
    void *raise_tpl, *restore_tpl;
    EfiStatus (*allocate_pages)(uint32_t how, uint32_t type, uint64_t pages, uint64_t *address);
    EfiStatus (*free_pages)(uint64_t address, uint64_t pages);
    EfiStatus (*get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *descriptor_size,
                                uint32_t *version);
    EfiStatus (*allocate_pool)(uint32_t type, uint64_t size, void **buffer);
    EfiStatus (*free_pool)(void *buffer);
    void *create_event, *set_timer, *wait_for_event, *signal_event, *close_event, *check_event;
    void *install_protocol, *reinstall_protocol, *uninstall_protocol;
    EfiStatus (*handle_protocol)(EfiHandle handle, const EfiGuid *protocol, void **interface);
    void *reserved, *register_notify, *locate_handle, *locate_device_path, *install_table;
    void *load_image, *start_image, *exit, *unload_image;
    EfiStatus (*exit_boot_services)(EfiHandle image, uint64_t key);
    void *next_monotonic_count;
    EfiStatus (*stall)(uint64_t microseconds);
    EfiStatus (*set_watchdog)(uint64_t seconds, uint64_t code, uint64_t size, const Char16 *data);
    void *connect_controller, *disconnect_controller, *open_protocol, *close_protocol, *open_information;
    void *protocols_per_handle;
    EfiStatus (*locate_handles)(uint32_t how, const EfiGuid *protocol, void *key, uint64_t *count,
                                EfiHandle **handles);
    EfiStatus (*locate_protocol)(const EfiGuid *protocol, void *registration, void **interface);
} EfiBootServices;

typedef struct EfiConfigTable {
    EfiGuid guid;
    void *table;
} EfiConfigTable;

typedef struct EfiSystemTable {
    EfiTableHeader header;
    Char16 *vendor;
    uint32_t revision;
    EfiHandle con_in_handle;
    void *con_in;
    EfiHandle con_out_handle;
    EfiTextOutput *con_out;
    EfiHandle std_err_handle;
    EfiTextOutput *std_err;
    void *runtime;
    EfiBootServices *boot;
    uint64_t table_count;
    EfiConfigTable *tables;
} EfiSystemTable;

typedef struct EfiLoadedImage {
    uint32_t revision;
    EfiHandle parent;
    EfiSystemTable *system;
    EfiHandle device;
    void *file_path, *reserved;
    uint32_t options_size;
    void *options;
    void *base;
    uint64_t size;
} EfiLoadedImage;

typedef struct EfiFile EfiFile;
struct EfiFile {
    uint64_t revision;
    EfiStatus (*open)(EfiFile *self, EfiFile **file, const Char16 *name, uint64_t mode, uint64_t attributes);
    EfiStatus (*close)(EfiFile *self);
    void *delete;
    EfiStatus (*read)(EfiFile *self, uint64_t *size, void *buffer);
    void *write, *get_position, *set_position;
    EfiStatus (*get_info)(EfiFile *self, const EfiGuid *type, uint64_t *size, void *buffer);
};
enum { EFI_FILE_READ = 1 };

typedef struct EfiFileInfo {
    uint64_t size, file_size, physical_size;
    uint8_t times[48];
    uint64_t attributes;
    Char16 name[256];
} EfiFileInfo;

typedef struct EfiFileSystem EfiFileSystem;
struct EfiFileSystem {
    uint64_t revision;
    EfiStatus (*open_volume)(EfiFileSystem *self, EfiFile **root);
};

typedef struct EfiGraphicsInfo {
    uint32_t version, width, height;
    uint32_t format; /* 0 RGBX, 1 BGRX, 2 masks, 3 no linear frame buffer */
    uint32_t red_mask, green_mask, blue_mask, reserved_mask;
    uint32_t pixels_per_line;
} EfiGraphicsInfo;
typedef struct EfiGraphicsMode {
    uint32_t max_mode, mode;
    EfiGraphicsInfo *info;
    uint64_t info_size, base, size;
} EfiGraphicsMode;
typedef struct EfiGraphics {
    void *query_mode, *set_mode, *blt;
    EfiGraphicsMode *mode;
} EfiGraphics;

#define EFI_LOADED_IMAGE_GUID \
    {0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define EFI_FILE_SYSTEM_GUID \
    {0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define EFI_FILE_INFO_GUID \
    {0x09576e92, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define EFI_GRAPHICS_GUID \
    {0x9042a9de, 0x23dc, 0x4a38, {0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a}}
#define EFI_TEXT_OUTPUT_GUID \
    {0x387477c2, 0x69c7, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define EFI_ACPI_20_GUID \
    {0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}}
