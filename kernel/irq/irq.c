/* SPDX-License-Identifier: Apache-2.0 */
/* See irq.h. Comes from: trap.c. Goes to: whoever calls irq_next (plat/metal). */
#include "kernel/irq/irq.h"

#include "kernel/acpi/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/ioapic.h"
#include "kernel/arch/x86_64/lapic.h"
#include "kernel/smp/lock.h"
#include "kernel/smp/smp.h"
#include "kernel/time/clock.h"

enum { FIRST_VECTOR = 0x30, LAST_VECTOR = 0xef, ISA_LINES = 16 };
enum { MESSAGE_ADDRESS = 0xfee00000 };

typedef enum { LINE_UNUSED, LINE_WIRED, LINE_MESSAGE } LineKind;

/* One vector. Atomic: pending. Changed with interrupts off: the rest. */
typedef struct Line {
    LineKind kind;
    bool level, masked;
    uint32_t gsi;
    uint32_t pending; /* interrupts since the last record was taken; > 0 means a record is in the ring */
} Line;

static struct Irqs {
    KLock lock; /* of `lines`: handlers run on processor 0, those who subscribe anywhere */
    Line lines[256];
    IrqRing ring;
    uint64_t count;
    IrqCost cost; /* written by handlers, on one processor */
} irqs;

void irq_init(void)
{
    const AcpiInfo *info = acpi_info();
    lapic_init(info->lapic_phys);
    ioapic_init();
}

static int free_vector(void)
{
    for (int v = FIRST_VECTOR; v <= LAST_VECTOR; v++) {
        if (irqs.lines[v].kind == LINE_UNUSED && __atomic_load_n(&irqs.lines[v].pending, __ATOMIC_RELAXED) == 0) {
            return v;
        }
    }
    return -1;
}

static bool is_attached(uint32_t gsi)
{
    for (int v = FIRST_VECTOR; v <= LAST_VECTOR; v++) {
        if (irqs.lines[v].kind == LINE_WIRED && irqs.lines[v].gsi == gsi) {
            return true;
        }
    }
    return false;
}

/* ISA lines are edge-triggered and active high, all others level and active low, unless the tables say otherwise. */
static void line_defaults(uint32_t *gsi, bool *level, bool *active_low)
{
    const AcpiInfo *info = acpi_info();
    *level = *active_low = *gsi >= ISA_LINES;
    for (unsigned i = 0; i < info->override_count && *gsi < ISA_LINES; i++) {
        const AcpiOverride *o = &info->overrides[i];
        if (o->isa_irq == *gsi) {
            *level = o->level;
            *active_low = o->active_low;
            *gsi = o->gsi;
            return;
        }
    }
}

int irq_attach_line(uint32_t gsi, IrqTrigger trigger)
{
    bool level, active_low;
    line_defaults(&gsi, &level, &active_low);
    if (trigger != IRQ_BY_TABLES) {
        level = trigger == IRQ_LEVEL;
    }
    int vector = free_vector();
    if (vector < 0 || is_attached(gsi) || !ioapic_route(gsi, (uint8_t)vector, level, active_low)) {
        return -1;
    }
    irqs.lines[vector] = (Line){.kind = LINE_WIRED, .level = level, .masked = true, .gsi = gsi};
    return vector;
}

int irq_attach_message(uint64_t *address, uint32_t *data)
{
    int vector = free_vector();
    if (vector >= 0) {
        irqs.lines[vector] = (Line){.kind = LINE_MESSAGE, .masked = true};
        *address = MESSAGE_ADDRESS | (uint64_t)lapic_id() << 12;
        *data = (uint32_t)vector;
    }
    return vector;
}

static void set_masked(unsigned vector, bool masked)
{
    bool on = klock_acquire(&irqs.lock);
    Line *line = &irqs.lines[vector];
    if (line->kind != LINE_UNUSED) {
        line->masked = masked;
    }
    if (line->kind == LINE_WIRED) {
        ioapic_mask(line->gsi, masked);
    }
    klock_release(&irqs.lock, on);
}

void irq_mask(unsigned vector) { set_masked(vector, true); }
void irq_unmask(unsigned vector) { set_masked(vector, false); }
bool irq_is_level(unsigned vector) { return irqs.lines[vector].level; }

void irq_detach(unsigned vector)
{
    set_masked(vector, true);
    irqs.lines[vector].kind = LINE_UNUSED; /* `pending` stays: free again when its record has left the ring */
}

bool irq_next(IrqRecord *record)
{
    while (ring_take(&irqs.ring, record)) {
        Line *line = &irqs.lines[record->vector];
        record->data = __atomic_exchange_n(&line->pending, 0, __ATOMIC_ACQ_REL);
        if (line->kind != LINE_UNUSED) {
            return true;
        }
    }
    return false;
}

bool irq_is_pending(void) { return !ring_is_empty(&irqs.ring); }
uint64_t irq_count(void) { return irqs.count; }
IrqCost irq_cost(void) { return irqs.cost; }

static void record_isr(unsigned vector, Line *line)
{
    if (line->kind == LINE_UNUSED || (line->kind == LINE_MESSAGE && line->masked)) {
        return;
    }
    if (line->level) {
        line->masked = true;
        ioapic_mask(line->gsi, true);
    }
    if (__atomic_fetch_add(&line->pending, 1, __ATOMIC_ACQ_REL) == 0) {
        ring_put(&irqs.ring, (IrqRecord){.vector = vector, .data = 1, .time_ns = clock_now_ns()});
    }
}

static void note_cost(uint64_t cycles)
{
    unsigned power = cycles == 0 ? 0 : 64 - (unsigned)__builtin_clzll(cycles);
    irqs.cost.count++;
    irqs.cost.cycles += cycles;
    irqs.cost.most = cycles > irqs.cost.most ? cycles : irqs.cost.most;
    irqs.cost.by_power[power < IRQ_POWERS ? power : IRQ_POWERS - 1]++;
}

void irq_dispatch_isr(unsigned vector)
{
    uint64_t start = tsc_read();
    __atomic_fetch_add(&irqs.count, 1, __ATOMIC_RELAXED);
    if (vector == VECTOR_SPURIOUS || vector < FIRST_VECTOR) {
        return; /* those are not acknowledged: the local APIC did not deliver them as interrupts in service */
    }
    if (vector == VECTOR_TIMER) {
        clock_alarm_isr();
    } else if (vector == VECTOR_FLUSH) {
        smp_flush_isr();
    } else if (vector != VECTOR_IPI) { /* that one has done its work by ending a halt */
        bool on = klock_acquire(&irqs.lock);
        record_isr(vector, &irqs.lines[vector]);
        klock_release(&irqs.lock, on);
        lapic_eoi();
        note_cost(tsc_read() - start);
        return;
    }
    lapic_eoi();
}
