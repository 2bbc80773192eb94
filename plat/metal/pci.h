/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI configuration space: through ACPI's window (ECAM, PCI Express Base 7.2.2) where there is one for the bus, else
 * through ports 0xcf8 and 0xcfc. `where` is bus << 8 | device << 3 | function. Callers hold the lock of the ports.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* How many bytes of configuration space the function's bus gives access to: 256 or 4096. */
unsigned pci_config_size(uint64_t where);
/* Width 8, 16 or 32; offset aligned, below pci_config_size. */
uint32_t pci_config_read(uint64_t where, unsigned offset, unsigned width);
void pci_config_write(uint64_t where, unsigned offset, unsigned width, uint32_t value);
/*
 * After it the function starts no transfer and raises no line. Bridges are left as they are: they forward what others
 * send, and have nothing of their own.
 */
void pci_silence(uint64_t where);
