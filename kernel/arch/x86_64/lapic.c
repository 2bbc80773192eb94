/* SPDX-License-Identifier: Apache-2.0 */
/* See lapic.h. Stays in the mode (xAPIC or x2APIC) that firmware left: both are the same registers, reached
 * differently. */
#include "kernel/arch/x86_64/lapic.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/panic/panic.h"

enum {
    REG_ID = 0x20,
    REG_TASK_PRIORITY = 0x80,
    REG_EOI = 0xb0,
    REG_SPURIOUS = 0xf0,
    REG_COMMAND = 0x300,
    REG_COMMAND_HIGH = 0x310,
    REG_TIMER = 0x320,
    REG_LINT0 = 0x350,
    REG_LINT1 = 0x360,
    REG_ERROR = 0x370,
    REG_TIMER_INITIAL = 0x380,
    REG_TIMER_CURRENT = 0x390,
    REG_TIMER_DIVIDE = 0x3e0,
};
enum { MSR_X2APIC = 0x800, ENABLE_APIC = 0x100, MASKED = 1 << 16, DIVIDE_BY_1 = 0xb, SELF = 1 << 18 };
enum { ALL_BUT_SELF = 3 << 18, ASSERT = 1 << 14, DELIVER_NMI = 4 << 8, DELIVER_INIT = 5 << 8,
DELIVER_STARTUP = 6 << 8 };
enum { BASE_X2APIC = 1 << 10, BASE_ENABLED = 1 << 11, COMMAND_PENDING = 1 << 12 };
enum { PIC1_COMMAND = 0x20, PIC1_DATA = 0x21, PIC2_COMMAND = 0xa0, PIC2_DATA = 0xa1, PIC_VECTORS = 0x20 };

static struct Lapic {
    volatile uint32_t *registers; /* NULL in x2APIC mode */
} lapic;

static uint32_t reg_read(unsigned reg)
{
    return lapic.registers != NULL ? lapic.registers[reg / 4] : (uint32_t)msr_read(MSR_X2APIC + reg / 16);
}

static void reg_write(unsigned reg, uint32_t value)
{
    if (lapic.registers != NULL) {
        lapic.registers[reg / 4] = value;
    } else {
        msr_write(MSR_X2APIC + reg / 16, value);
    }
}

/* Masked, and moved out of the way of exceptions for the spurious interrupts that they can still raise. */
static void silence_pics(void)
{
    static const uint8_t sequence[][2] = {{0x11, 0x11}, {PIC_VECTORS, PIC_VECTORS + 8}, {4, 2}, {1, 1}};
    io_out8(PIC1_COMMAND, sequence[0][0]);
    io_out8(PIC2_COMMAND, sequence[0][1]);
    for (unsigned i = 1; i < 4; i++) {
        io_out8(PIC1_DATA, sequence[i][0]);
        io_out8(PIC2_DATA, sequence[i][1]);
    }
    io_out8(PIC1_DATA, 0xff);
    io_out8(PIC2_DATA, 0xff);
}

static void set_up(void)
{
    reg_write(REG_TASK_PRIORITY, 0);
    reg_write(REG_LINT0, MASKED);
    reg_write(REG_LINT1, 0x400); /* NMI */
    reg_write(REG_ERROR, MASKED);
    reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    reg_write(REG_TIMER, VECTOR_TIMER);
    reg_write(REG_SPURIOUS, ENABLE_APIC | VECTOR_SPURIOUS);
}

void lapic_init(uint64_t phys)
{
    silence_pics();
    uint64_t base = msr_read(MSR_APIC_BASE);
    if ((base & BASE_X2APIC) == 0) {
        msr_write(MSR_APIC_BASE, base | BASE_ENABLED);
        lapic.registers = window_map(phys, PAGE_SIZE, MAP_WRITE | MAP_UNCACHED);
        if (lapic.registers == NULL) {
            panic("the local APIC cannot be mapped");
        }
    }
    set_up();
}

void lapic_init_cpu(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE) | BASE_ENABLED;
    msr_write(MSR_APIC_BASE, base);
    if (lapic.registers == NULL) {
        msr_write(MSR_APIC_BASE, base | BASE_X2APIC);
    }
    set_up();
}

uint32_t lapic_id(void)
{
    uint32_t id = reg_read(REG_ID);
    return lapic.registers != NULL ? id >> 24 : id;
}

void lapic_eoi(void) { reg_write(REG_EOI, 0); }
void lapic_timer_start(uint32_t count) { reg_write(REG_TIMER_INITIAL, count); }
uint32_t lapic_timer_left(void) { return reg_read(REG_TIMER_CURRENT); }

/* Interrupts off: the two halves of the command belong together. */
static void command(uint32_t apic_id, uint32_t what)
{
    bool on = interrupts_save();
    if (lapic.registers == NULL) {
        msr_write(MSR_X2APIC + REG_COMMAND / 16, (uint64_t)apic_id << 32 | what);
    } else {
        reg_write(REG_COMMAND_HIGH, apic_id << 24);
        reg_write(REG_COMMAND, what);
        while ((reg_read(REG_COMMAND) & COMMAND_PENDING) != 0) {
            cpu_pause();
        }
    }
    interrupts_restore(on);
}

void lapic_send_self(uint8_t vector) { command(0, SELF | vector); }
void lapic_send(uint32_t apic_id, uint8_t vector) { command(apic_id, ASSERT | vector); }
void lapic_send_others(uint8_t vector) { command(0, ALL_BUT_SELF | ASSERT | vector); }
void lapic_send_nmi_others(void) { command(0, ALL_BUT_SELF | ASSERT | DELIVER_NMI); }
void lapic_send_init(uint32_t apic_id) { command(apic_id, ASSERT | DELIVER_INIT); }
void lapic_send_startup(uint32_t apic_id, uint8_t page) { command(apic_id, ASSERT | DELIVER_STARTUP | page); }
