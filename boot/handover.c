/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last stage: the kernel's first page tables, the BootInfo, the end of boot services and the jump.
 *
 * The tables map all RAM (and at least 4 GiB) with large pages, twice: at its own address, because this code
 * still runs there when the tables change, and at DIRECT_MAP; and the kernel's segments in 4 KiB pages with just their
 * rights. Nothing is allocated after the final memory map was read.
 */
#include "boot/boot.h"
#include "boot/io.h"

enum { PT_PRESENT = 1, PT_WRITE = 2, PT_LARGE = 0x80, PT_ENTRIES = 512, MSR_EFER = 0xc0000080, EFER_NXE = 0x800 };
enum { EXIT_TRIES = 8, MAP_SLACK_BYTES = 4096 };
#define PT_NO_EXECUTE (UINT64_C(1) << 63)
#define PT_ADDRESS UINT64_C(0x000ffffffffff000)
#define GIB (UINT64_C(1) << 30)
#define MAX_DIRECT (UINT64_C(512) * GIB)

typedef struct FirmwareMap {
    uint8_t *bytes;
    uint64_t capacity, size, key, descriptor_size;
} FirmwareMap;

static const EfiMemoryDescriptor *map_at(const FirmwareMap *map, uint64_t offset)
{
    return (const EfiMemoryDescriptor *)(map->bytes + offset);
}

static EfiStatus map_read(Boot *b, FirmwareMap *map)
{
    uint32_t version;
    map->size = map->capacity;
    return b->services->get_memory_map(&map->size, map->bytes, &map->key, &map->descriptor_size, &version);
}

static void map_allocate(Boot *b, FirmwareMap *map)
{
    uint64_t size = 0, key, descriptor_size;
    uint32_t version;
    b->services->get_memory_map(&size, NULL, &key, &descriptor_size, &version);
    uint64_t pages = (size + MAP_SLACK_BYTES + PAGE_SIZE - 1) / PAGE_SIZE;
    map->bytes = boot_pages(b, pages, "the memory map");
    map->capacity = pages * PAGE_SIZE;
    if (map_read(b, map) != 0) {
        boot_fail(b, "memory: the firmware gives no memory map; not started");
    }
}

static uint32_t boot_type(uint32_t firmware_type)
{
    switch (firmware_type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA: return BOOT_LOADER;
    case EFI_BOOT_CODE:
    case EFI_BOOT_DATA:
    case EFI_CONVENTIONAL: return BOOT_RAM;
    case EFI_ACPI_RECLAIM: return BOOT_ACPI;
    default: return BOOT_RESERVED;
    }
}

/* RAM in use or free, and where it ends. */
static uint64_t ram_bytes(const FirmwareMap *map, uint64_t *end)
{
    uint64_t sum = 0;
    *end = 4 * GIB;
    for (uint64_t at = 0; at + sizeof(EfiMemoryDescriptor) <= map->size; at += map->descriptor_size) {
        const EfiMemoryDescriptor *d = map_at(map, at);
        if (boot_type(d->type) == BOOT_RESERVED) {
            continue;
        }
        if (boot_type(d->type) == BOOT_RAM) {
            sum += d->pages * PAGE_SIZE;
        }
        uint64_t above = d->physical + d->pages * PAGE_SIZE;
        *end = above > *end ? above : *end;
    }
    return sum;
}

static uint64_t *table_below(Boot *b, uint64_t *table, uint64_t index)
{
    if ((table[index] & PT_PRESENT) == 0) {
        table[index] = (uint64_t)boot_pages(b, 1, "page tables") | PT_PRESENT | PT_WRITE;
    }
    return (uint64_t *)(table[index] & PT_ADDRESS);
}

static void map_kernel(Boot *b, uint64_t *top)
{
    for (unsigned i = 0; i < b->segment_count; i++) {
        const BootSegment *s = &b->segments[i];
        uint64_t rights = PT_PRESENT | (s->writable ? PT_WRITE : 0) | (s->executable ? 0 : PT_NO_EXECUTE);
        for (uint64_t page = 0; page < s->pages; page++) {
            uint64_t virt = s->virt + page * PAGE_SIZE;
            uint64_t *directory = table_below(b, table_below(b, top, virt >> 39 & 511), virt >> 30 & 511);
            uint64_t *table = table_below(b, directory, virt >> 21 & 511);
            table[virt >> 12 & 511] = (s->phys + page * PAGE_SIZE) | rights;
        }
    }
}

/* 2 MiB pages, writable and executable: the identity part must run this code. The kernel replaces all of it. */
static void map_direct(Boot *b, uint64_t *top, uint64_t end)
{
    uint64_t *pointers = boot_pages(b, 1, "page tables");
    uint64_t gibs = (end + GIB - 1) / GIB;
    for (uint64_t g = 0; g < gibs; g++) {
        uint64_t *directory = boot_pages(b, 1, "page tables");
        for (uint64_t i = 0; i < PT_ENTRIES; i++) {
            directory[i] = (g * GIB + i * (GIB / PT_ENTRIES)) | PT_PRESENT | PT_WRITE | PT_LARGE;
        }
        pointers[g] = (uint64_t)directory | PT_PRESENT | PT_WRITE;
    }
    top[0] = (uint64_t)pointers | PT_PRESENT | PT_WRITE;
    top[DIRECT_MAP >> 39 & 511] = top[0];
}

static uint8_t mask_shift(uint32_t mask)
{
    return mask == 0 ? 0 : (uint8_t)__builtin_ctz(mask);
}

static void find_screen(Boot *b)
{
    static const EfiGuid graphics = EFI_GRAPHICS_GUID;
    EfiGraphics *gop;
    if (b->services->locate_protocol(&graphics, NULL, (void **)&gop) != 0 || gop->mode == NULL ||
        gop->mode->info->format > 2) {
        boot_say(b, "no frame buffer");
        return;
    }
    const EfiGraphicsInfo *info = gop->mode->info;
    BootFrameBuffer *fb = &b->info->fb;
    fb->base = gop->mode->base;
    fb->width = info->width;
    fb->height = info->height;
    fb->stride = info->pixels_per_line * 4;
    bool masks = info->format == 2;
    fb->red_shift = masks ? mask_shift(info->red_mask) : info->format == 0 ? 0 : 16;
    fb->green_shift = masks ? mask_shift(info->green_mask) : 8;
    fb->blue_shift = masks ? mask_shift(info->blue_mask) : info->format == 0 ? 16 : 0;
}

static void find_rsdp(Boot *b)
{
    static const EfiGuid acpi = EFI_ACPI_20_GUID;
    for (uint64_t i = 0; i < b->system->table_count; i++) {
        if (memcmp(&b->system->tables[i].guid, &acpi, sizeof acpi) == 0) {
            b->info->rsdp = (uint64_t)b->system->tables[i].table;
        }
    }
}

static void fill_info(Boot *b)
{
    BootInfo *info = b->info;
    info->magic = BOOTINFO_MAGIC;
    info->version = BOOTINFO_VERSION;
    info->size = sizeof *info;
    info->flags = BOOT_FROM_UEFI | BOOT_VERIFIED;
    info->kernel_phys = b->kernel_phys;
    info->kernel_size = b->kernel_size;
    info->bundle_phys = (uint64_t)b->bundle.data;
    info->bundle_size = b->bundle.size;
    find_screen(b);
    find_rsdp(b);
}

/* Neighbours of one type become one entry: firmware maps have a hundred, the kernel wants ten. */
static void convert_map(BootInfo *info, const FirmwareMap *map)
{
    for (uint64_t at = 0; at + sizeof(EfiMemoryDescriptor) <= map->size; at += map->descriptor_size) {
        const EfiMemoryDescriptor *d = map_at(map, at);
        uint32_t type = boot_type(d->type);
        BootMemory *last = info->memory_count > 0 ? &info->memory[info->memory_count - 1] : NULL;
        if (last != NULL && last->type == type && last->base + last->size == d->physical) {
            last->size += d->pages * PAGE_SIZE;
        } else if (info->memory_count < BOOT_MEMORY_MAX) {
            info->memory[info->memory_count++] = (BootMemory){d->physical, d->pages * PAGE_SIZE, type, 0};
        }
    }
}

/* The map changes whenever the firmware allocates, even in its own timer events: so read it and try again. */
static void leave_firmware(Boot *b, FirmwareMap *map)
{
    for (int i = 0; i < EXIT_TRIES; i++) {
        if (map_read(b, map) == 0 && b->services->exit_boot_services(b->image, map->key) == 0) {
            return;
        }
    }
    boot_fail(b, "the firmware does not end its boot services; not started");
}

static _Noreturn void jump(uint64_t *top, uint64_t entry, BootInfo *info)
{
    __asm__ volatile("cli\n\t"
                     "mov %0, %%cr3\n\t"
                     "jmp *%1"
                     :
                     : "r"(top), "r"(entry), "D"(info)
                     : "memory");
    __builtin_unreachable();
}

_Noreturn void handover(Boot *b)
{
    FirmwareMap map;
    uint64_t end;
    map_allocate(b, &map);
    uint64_t free = ram_bytes(&map, &end);
    if (free < BOOT_HEADROOM_BYTES) {
        boot_fail(b, "memory: too little: %llu MiB are left after loading, %llu MiB are needed; not started",
                  (unsigned long long)(free >> 20), (unsigned long long)(BOOT_HEADROOM_BYTES >> 20));
    }
    if (end > MAX_DIRECT) {
        end = MAX_DIRECT; /* the kernel maps the rest itself */
    }
    uint64_t *top = boot_pages(b, 1, "page tables");
    map_direct(b, top, end);
    map_kernel(b, top);
    fill_info(b);
    boot_say(b, "starting the kernel: %llu MiB free", (unsigned long long)(free >> 20));
    leave_firmware(b, &map);
    convert_map(b->info, &map);
    if ((cpuid_edx(0x80000001) & 1u << 20) != 0) {
        msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE);
    }
    b->info->handover_tsc = read_tsc();
    jump(top, b->kernel_entry, b->info);
}
