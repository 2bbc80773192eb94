/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel takes from ACPI's static tables: processors, interrupt controllers, timers, PCI's configuration
 * window, and how to switch off. No AML is interpreted; the sleep type for S5 is found by its name in the DSDT.
 */
#pragma once

#include "lib/cstd.h"

enum { ACPI_IOAPICS = 8, ACPI_OVERRIDES = 24, ACPI_CPUS = 64 };

typedef struct AcpiIoapic {
    uint64_t phys;
    uint32_t gsi_base;
} AcpiIoapic;

typedef struct AcpiOverride {
    uint8_t isa_irq;
    bool level, active_low;
    uint32_t gsi;
} AcpiOverride;

typedef struct AcpiInfo {
    bool present; /* tables were found; else the rest holds the PC's traditional values */
    uint64_t lapic_phys;
    AcpiIoapic ioapics[ACPI_IOAPICS];
    unsigned ioapic_count;
    AcpiOverride overrides[ACPI_OVERRIDES];
    unsigned override_count;
    uint32_t cpu_apic_ids[ACPI_CPUS];
    unsigned cpu_count;
    uint64_t hpet_phys; /* 0: none */
    uint64_t ecam_phys; /* 0: none */
    uint8_t ecam_first_bus, ecam_last_bus;
} AcpiInfo;

/* rsdp_phys 0: searched for where a PC's BIOS puts it. */
void acpi_init(uint64_t rsdp_phys);
const AcpiInfo *acpi_info(void);
/* Soft-off (S5) and reset by register; both return if the machine does not have it. */
void acpi_power_off(void);
void acpi_reset(void);
