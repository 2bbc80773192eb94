/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's own interrupt controller and its one-shot timer. */
#pragma once

#include "lib/cstd.h"

enum { VECTOR_TIMER = 0xf0, VECTOR_IPI = 0xf1, VECTOR_SPURIOUS = 0xff };

/* Also silences the two old PICs. */
void lapic_init(uint64_t phys);
uint32_t lapic_id(void);
void lapic_eoi(void);
/* Counts down from `count` (timer clock, divided by 1) and raises VECTOR_TIMER once; 0 stops it. */
void lapic_timer_start(uint32_t count);
uint32_t lapic_timer_left(void);
/* Interrupt to this processor itself. */
void lapic_send_self(uint8_t vector);
