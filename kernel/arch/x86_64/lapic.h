/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's own interrupt controller and its one-shot timer. */
#pragma once

#include "lib/cstd.h"

enum { VECTOR_TIMER = 0xf0, VECTOR_IPI = 0xf1, VECTOR_FLUSH = 0xf2, VECTOR_SPURIOUS = 0xff };

/* Also silences the two old PICs. */
void lapic_init(uint64_t phys);
/* On a further processor: as lapic_init on the first. */
void lapic_init_cpu(void);
uint32_t lapic_id(void);
void lapic_eoi(void);
/* Counts down from `count` (timer clock, divided by 1) and raises VECTOR_TIMER once; 0 stops it. */
void lapic_timer_start(uint32_t count);
uint32_t lapic_timer_left(void);
/* Interrupt to this processor itself. */
void lapic_send_self(uint8_t vector);
void lapic_send(uint32_t apic_id, uint8_t vector);
void lapic_send_others(uint8_t vector); /* to all but this one */
void lapic_send_nmi_others(void);
/* Starting another (SDM volume 3, 11.6.1): INIT; begin in real mode at page `page`. */
void lapic_send_init(uint32_t apic_id);
void lapic_send_startup(uint32_t apic_id, uint8_t page);
