/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts of devices. A handler does four things: stamp the time, count, mask a level-triggered line, acknowledge.
 * It knows no device. Whoever owns a line takes records with irq_next and unmasks when its device is quiet.
 */
#pragma once

#include "kernel/irq/ring.h"

typedef enum { IRQ_BY_TABLES, IRQ_EDGE, IRQ_LEVEL } IrqTrigger;

void irq_init(void);
/* Routes a line to a fresh vector, masked. `gsi` below 16 is an ISA number: ACPI's overrides apply. -1: no such line,
 * or it is attached, or no vector is left. */
int irq_attach_line(uint32_t gsi, IrqTrigger trigger);
/* A vector for message-signalled interrupts and what the device must write where. -1: none left. Masked: counted, not
 * recorded. */
int irq_attach_message(uint64_t *address, uint32_t *data);
void irq_mask(unsigned vector);
void irq_unmask(unsigned vector);
bool irq_is_level(unsigned vector);
/* Masks and frees the vector; records of it that are still in the ring are dropped by irq_next. */
void irq_detach(unsigned vector);
/* Oldest record, false if there is none. Interrupts of a vector that came meanwhile are in record->data. */
bool irq_next(IrqRecord *record);
bool irq_is_pending(void);
/* Handlers of any kind that have run; and the time stamp of the last timer interrupt. */
uint64_t irq_count(void);
/* What the handlers of devices' interrupts cost, in cycles of the time stamp counter: from their first instruction in C
 * to the end of interrupt. by_power[i]: those that took less than 2^i, and not less than half of that. */
enum { IRQ_POWERS = 32 };
typedef struct IrqCost {
    uint64_t count, cycles, most, by_power[IRQ_POWERS];
} IrqCost;
IrqCost irq_cost(void);
/* From trap_handle, interrupts off, on the interrupt stack. */
void irq_dispatch_isr(unsigned vector);
