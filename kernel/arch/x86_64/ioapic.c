/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See ioapic.h. The registers are an index and a data window, so every access is two steps; callers on any processor,
 * in handlers too, are serialised by a lock around the pair.
 */
#include "kernel/arch/x86_64/ioapic.h"

#include "kernel/acpi/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/lapic.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/panic/panic.h"
#include "kernel/smp/lock.h"

enum { REG_VERSION = 1, REG_LINES = 0x10, MASKED = 1 << 16, LEVEL = 1 << 15, ACTIVE_LOW = 1 << 13 };

typedef struct Controller {
    volatile uint32_t *registers; /* [0] index, [4] data */
    uint32_t gsi_base, lines;
} Controller;

static struct Ioapics {
    KLock lock;
    Controller controllers[ACPI_IOAPICS];
    unsigned count;
} ioapics;

static uint32_t reg_read(const Controller *c, unsigned reg)
{
    bool on = klock_acquire(&ioapics.lock);
    c->registers[0] = reg;
    uint32_t value = c->registers[4];
    klock_release(&ioapics.lock, on);
    return value;
}

static void reg_write(const Controller *c, unsigned reg, uint32_t value)
{
    bool on = klock_acquire(&ioapics.lock);
    c->registers[0] = reg;
    c->registers[4] = value;
    klock_release(&ioapics.lock, on);
}

void ioapic_init(void)
{
    const AcpiInfo *info = acpi_info();
    for (unsigned i = 0; i < info->ioapic_count; i++) {
        Controller *c = &ioapics.controllers[i];
        c->registers = window_map(info->ioapics[i].phys, PAGE_SIZE, MAP_WRITE | MAP_UNCACHED);
        if (c->registers == NULL) {
            panic("an I/O APIC cannot be mapped");
        }
        c->gsi_base = info->ioapics[i].gsi_base;
        c->lines = (reg_read(c, REG_VERSION) >> 16 & 0xff) + 1;
        for (uint32_t line = 0; line < c->lines; line++) {
            reg_write(c, REG_LINES + 2 * line, MASKED);
        }
    }
    ioapics.count = info->ioapic_count;
}

static const Controller *controller_of(uint32_t gsi)
{
    for (unsigned i = 0; i < ioapics.count; i++) {
        const Controller *c = &ioapics.controllers[i];
        if (gsi >= c->gsi_base && gsi - c->gsi_base < c->lines) {
            return c;
        }
    }
    return NULL;
}

bool ioapic_route(uint32_t gsi, uint8_t vector, bool level, bool active_low)
{
    const Controller *c = controller_of(gsi);
    if (c == NULL) {
        return false;
    }
    unsigned reg = REG_LINES + 2 * (gsi - c->gsi_base);
    reg_write(c, reg, MASKED | vector | (level ? LEVEL : 0) | (active_low ? ACTIVE_LOW : 0));
    reg_write(c, reg + 1, lapic_id() << 24);
    return true;
}

void ioapic_mask(uint32_t gsi, bool masked)
{
    const Controller *c = controller_of(gsi);
    if (c != NULL) {
        unsigned reg = REG_LINES + 2 * (gsi - c->gsi_base);
        uint32_t value = reg_read(c, reg);
        reg_write(c, reg, masked ? value | MASKED : value & ~(uint32_t)MASKED);
    }
}

unsigned ioapic_lines(unsigned i) { return i < ioapics.count ? ioapics.controllers[i].lines : 0; }
