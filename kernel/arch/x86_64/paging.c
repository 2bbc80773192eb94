/* SPDX-License-Identifier: Apache-2.0 */
/* See paging.h. */
#include "kernel/arch/x86_64/paging.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/mm/phys.h"
#include "kernel/panic/panic.h"
#include "kernel/smp/lock.h"

enum { PT_PRESENT = 1, PT_WRITE = 2, PT_WRITE_THROUGH = 8, PT_UNCACHED = 16, PT_LARGE = 0x80, PT_GLOBAL = 0x100 };
#define PT_NO_EXECUTE (UINT64_C(1) << 63)
#define PT_ADDRESS UINT64_C(0x000ffffffffff000)
#define LARGE_PAGE (UINT64_C(2) << 20)
/* PAT entry 1 (selected by write-through alone) becomes write-combining; the others keep their power-on meaning. */
#define PAT_VALUE UINT64_C(0x0007040600070106)

static struct Paging {
    uint64_t *top;
    uint64_t window_next;
    bool early; /* tables come from phys_early_page */
} paging;

extern uint8_t kernel_text_start[], kernel_text_end[], kernel_rodata_start[], kernel_rodata_end[];
extern uint8_t kernel_data_start[], kernel_data_end[];

static uint64_t *table_new(void)
{
    void *page = paging.early ? phys_early_page() : phys_alloc(1);
    if (page != NULL) {
        memset(page, 0, PAGE_SIZE);
    }
    return page;
}

/* The table that entry `index` leads to, made if absent; NULL without memory. */
static uint64_t *table_below(uint64_t *table, unsigned index)
{
    if ((table[index] & PT_PRESENT) == 0) {
        uint64_t *below = table_new();
        if (below == NULL) {
            return NULL;
        }
        table[index] = virt_to_phys(below) | PT_PRESENT | PT_WRITE;
    }
    return phys_to_virt(table[index] & PT_ADDRESS);
}

static uint64_t entry_bits(unsigned rights)
{
    uint64_t bits = PT_PRESENT | PT_GLOBAL;
    bits |= (rights & MAP_WRITE) != 0 ? PT_WRITE : 0;
    bits |= (rights & MAP_EXECUTE) != 0 ? 0 : PT_NO_EXECUTE;
    bits |= (rights & MAP_UNCACHED) != 0 ? PT_UNCACHED | PT_WRITE_THROUGH : 0;
    bits |= (rights & MAP_COMBINING) != 0 ? PT_WRITE_THROUGH : 0;
    return bits;
}

static bool map_one(uint64_t virt, uint64_t phys, uint64_t bits, bool large)
{
    uint64_t *pointers = table_below(paging.top, virt >> 39 & 511);
    uint64_t *directory = pointers != NULL ? table_below(pointers, virt >> 30 & 511) : NULL;
    if (directory == NULL) {
        return false;
    }
    if (large) {
        directory[virt >> 21 & 511] = phys | bits | PT_LARGE;
        return true;
    }
    uint64_t *table = table_below(directory, virt >> 21 & 511);
    if (table == NULL) {
        return false;
    }
    table[virt >> 12 & 511] = phys | bits;
    return true;
}

/* The lowest-level entry for virt, NULL if none; *large tells its level. */
static uint64_t *entry_of(uint64_t virt, bool *large)
{
    uint64_t *table = paging.top;
    for (int shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table[virt >> shift & 511];
        *large = (*entry & PT_LARGE) != 0 && shift < 39;
        if ((*entry & PT_PRESENT) == 0) {
            return NULL;
        }
        if (*large) {
            return entry;
        }
        table = phys_to_virt(*entry & PT_ADDRESS);
    }
    uint64_t *entry = &table[virt >> 12 & 511];
    return (*entry & PT_PRESENT) != 0 ? entry : NULL;
}

bool paging_map(uint64_t virt, uint64_t phys, size_t bytes, unsigned rights)
{
    for (size_t at = 0; at < bytes; at += PAGE_SIZE) {
        if (!map_one(virt + at, phys + at, entry_bits(rights), false)) {
            paging_unmap(virt, at);
            return false;
        }
    }
    return true;
}

void paging_unmap(uint64_t virt, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += PAGE_SIZE) {
        bool large;
        uint64_t *entry = entry_of(virt + at, &large);
        if (entry != NULL && !large) {
            *entry = 0;
            tlb_flush_page((const void *)(virt + at));
        }
    }
}

bool paging_translate(const void *virt, uint64_t *phys)
{
    bool large;
    uint64_t address = (uint64_t)virt;
    const uint64_t *entry = entry_of(address, &large);
    if (entry == NULL) {
        return false;
    }
    uint64_t mask = large ? LARGE_PAGE - 1 : PAGE_SIZE - 1;
    *phys = (*entry & PT_ADDRESS & ~mask) | (address & mask);
    return true;
}

uint64_t paging_next(uint64_t virt, uint64_t end)
{
    while (virt < end) {
        const uint64_t *table = paging.top;
        int shift = 39;
        while (shift > 12 && (table[virt >> shift & 511] & PT_PRESENT) != 0) {
            table = phys_to_virt(table[virt >> shift & 511] & PT_ADDRESS);
            shift -= 9;
        }
        if (shift == 12) {
            return virt;
        }
        virt = ((virt >> shift) + 1) << shift;
    }
    return end;
}

int paging_rights(const void *virt)
{
    bool large;
    const uint64_t *entry = entry_of((uint64_t)virt, &large);
    if (entry == NULL) {
        return -1;
    }
    int rights = (*entry & PT_WRITE) != 0 ? MAP_WRITE : 0;
    rights |= (*entry & PT_NO_EXECUTE) != 0 ? 0 : MAP_EXECUTE;
    rights |= (*entry & PT_UNCACHED) != 0 ? MAP_UNCACHED : 0;
    return rights;
}

void *window_map(uint64_t phys, size_t bytes, unsigned rights)
{
    MM_LOCKED();
    uint64_t first = phys & ~(uint64_t)(PAGE_SIZE - 1);
    size_t span = (phys + bytes - first + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
    uint64_t virt = paging.window_next;
    if (span > WINDOW_END - virt - PAGE_SIZE || !paging_map(virt, first, span, rights)) {
        return NULL;
    }
    paging.window_next = virt + span + PAGE_SIZE; /* an unmapped page between any two */
    return (void *)(virt + (phys - first));
}

static void must(bool good)
{
    if (!good) {
        panic("no memory for the first page tables");
    }
}

static void map_range_direct(uint64_t base, uint64_t end)
{
    uint64_t bits = entry_bits(MAP_WRITE);
    while (base < end) {
        bool large = (base & (LARGE_PAGE - 1)) == 0 && end - base >= LARGE_PAGE;
        must(map_one(DIRECT_MAP + base, base, bits, large));
        base += large ? LARGE_PAGE : PAGE_SIZE;
    }
}

static bool is_ram(const BootInfo *info, uint64_t page)
{
    for (uint32_t i = 0; i < info->memory_count; i++) {
        const BootMemory *m = &info->memory[i];
        bool used = m->type == BOOT_RAM || m->type == BOOT_LOADER;
        if (used && page >= m->base && page + PAGE_SIZE <= m->base + m->size) {
            return true;
        }
    }
    return false;
}

/* QEMU puts the bundle where its firmware may have reserved memory for drivers of its own since. */
static void map_bundle(const BootInfo *info)
{
    uint64_t end = info->bundle_phys + info->bundle_size;
    for (uint64_t page = info->bundle_phys & ~(uint64_t)(PAGE_SIZE - 1); page < end; page += PAGE_SIZE) {
        if (!is_ram(info, page)) {
            map_range_direct(page, page + PAGE_SIZE);
        }
    }
}

static void map_section(const BootInfo *info, const uint8_t *start, const uint8_t *end, unsigned rights)
{
    uint64_t offset = (uint64_t)(start - kernel_text_start);
    size_t bytes = ((size_t)(end - start) + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
    must(paging_map((uint64_t)start, info->kernel_phys + offset, bytes, rights));
}

void paging_init_cpu(void)
{
    msr_write(MSR_PAT, PAT_VALUE);
}

void paging_init(const BootInfo *info)
{
    paging_init_cpu();
    paging.early = true;
    paging.window_next = WINDOW_BASE;
    paging.top = table_new();
    must(paging.top != NULL);
    for (uint32_t i = 0; i < info->memory_count; i++) {
        const BootMemory *m = &info->memory[i];
        if (m->type == BOOT_RAM || m->type == BOOT_LOADER) {
            map_range_direct(m->base, m->base + m->size);
        }
    }
    map_bundle(info);
    map_section(info, kernel_text_start, kernel_text_end, MAP_EXECUTE);
    map_section(info, kernel_rodata_start, kernel_rodata_end, 0);
    map_section(info, kernel_data_start, kernel_data_end, MAP_WRITE);
    cr3_write(virt_to_phys(paging.top));
    paging.early = false;
}
