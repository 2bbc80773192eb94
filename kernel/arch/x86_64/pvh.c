/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PVH way in, in C: turns the loader's hvm_start_info into a BootInfo. The first module is the bundle (QEMU:
 * -initrd). Nothing has been verified here: main.c does it for the bundle.
 * Comes from: entry.S, with the low 4 GiB mapped at DIRECT_MAP. Goes to: kernel_main.
 */
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/main.h"

enum { PVH_MAGIC = 0x336ec578, PVH_RAM = 1, PVH_ACPI = 3 };

typedef struct PvhStart {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, cmdline, rsdp;
    uint64_t memory; /* from version 1 on */
    uint32_t memory_count, reserved;
} PvhStart;
typedef struct PvhModule {
    uint64_t base, size, cmdline, reserved;
} PvhModule;
typedef struct PvhMemory {
    uint64_t base, size;
    uint32_t type, reserved;
} PvhMemory;

static struct Pvh {
    BootInfo info; /* too large for the boot stack */
} pvh;

extern uint8_t kernel_text_start[], kernel_data_end[];

void pvh_main(uint64_t start_phys);

static uint32_t boot_type(uint32_t type)
{
    return type == PVH_RAM ? BOOT_RAM : type == PVH_ACPI ? BOOT_ACPI : BOOT_RESERVED;
}

/* Loaders' entries need not be whole pages: usable ones shrink, others grow. */
static void add_memory(const PvhMemory *m)
{
    uint64_t mask = PAGE_SIZE - 1, base = m->base, end = m->base + m->size;
    base = m->type == PVH_RAM ? (base + mask) & ~mask : base & ~mask;
    end = m->type == PVH_RAM ? end & ~mask : (end + mask) & ~mask;
    if (base < end && pvh.info.memory_count < BOOT_MEMORY_MAX) {
        pvh.info.memory[pvh.info.memory_count++] = (BootMemory){base, end - base, boot_type(m->type), 0};
    }
}

static void copy_cmdline(uint64_t phys)
{
    const char *text = phys_to_virt(phys);
    for (unsigned i = 0; phys != 0 && i + 1 < BOOT_CMDLINE_MAX && text[i] != '\0'; i++) {
        pvh.info.cmdline[i] = text[i];
    }
}

void pvh_main(uint64_t start_phys)
{
    const PvhStart *start = phys_to_virt(start_phys);
    BootInfo *info = &pvh.info;
    if (start->magic != PVH_MAGIC || start->version < 1) {
        cpu_stop(); /* no loader we know; nothing is set up to say so with */
    }
    info->magic = BOOTINFO_MAGIC;
    info->version = BOOTINFO_VERSION;
    info->size = sizeof *info;
    info->flags = BOOT_FROM_PVH;
    info->kernel_phys = (uint64_t)kernel_text_start - KERNEL_BASE;
    info->kernel_size = (uint64_t)(kernel_data_end - kernel_text_start);
    info->rsdp = start->rsdp;
    info->handover_tsc = tsc_read();
    copy_cmdline(start->cmdline);
    const PvhMemory *memory = phys_to_virt(start->memory);
    for (uint32_t i = 0; i < start->memory_count; i++) {
        add_memory(&memory[i]);
    }
    if (start->module_count > 0) {
        const PvhModule *module = phys_to_virt(start->modules);
        info->bundle_phys = module->base;
        info->bundle_size = module->size;
    }
    kernel_main((uint64_t)info - KERNEL_BASE);
}
