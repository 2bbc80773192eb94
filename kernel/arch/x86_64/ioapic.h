/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupt lines of devices: global system interrupt numbers (GSI) to vectors. */
#pragma once

#include "lib/cstd.h"

/* All lines masked. */
void ioapic_init(void);
/* Points a line at a vector of this processor, masked. False: no controller has that line. */
bool ioapic_route(uint32_t gsi, uint8_t vector, bool level, bool active_low);
void ioapic_mask(uint32_t gsi, bool masked);
/* Number of lines of controller i. */
unsigned ioapic_lines(unsigned i);
