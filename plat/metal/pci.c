/* SPDX-License-Identifier: Apache-2.0 */
/* See pci.h. One bus of the window is mapped when it is first asked for: a megabyte, never unmapped. */
#include "plat/metal/pci.h"

#include "kernel/acpi/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"

enum { PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc, PCI_BUSES = 256, PORT_BYTES = 256 };
enum { ECAM_BYTES = 4096, BUS_BYTES = 1 << 20 };
enum { PCI_COMMAND = 4, PCI_HEADER_TYPE = 14, COMMAND_MASTER = 4, COMMAND_NO_INTX = 0x400, HEADER_PLAIN = 0 };

/* An attempt that failed is not repeated: that bus goes through the ports for good. */
static struct Pci {
    uint8_t *bus[PCI_BUSES];
    bool tried[PCI_BUSES];
} pci;

static uint8_t *ecam_bus(unsigned bus)
{
    const AcpiInfo *info = acpi_info();
    if (!pci.tried[bus]) {
        pci.tried[bus] = true;
        if (info->ecam_phys != 0 && bus >= info->ecam_first_bus && bus <= info->ecam_last_bus) {
            pci.bus[bus] = window_map(info->ecam_phys + (uint64_t)bus * BUS_BYTES, BUS_BYTES, MAP_WRITE | MAP_UNCACHED);
        }
    }
    return pci.bus[bus];
}

unsigned pci_config_size(uint64_t where)
{
    return ecam_bus((unsigned)(where >> 8)) != NULL ? ECAM_BYTES : PORT_BYTES;
}

static uint32_t port_read(uint64_t where, unsigned offset, unsigned width)
{
    io_out32(PCI_ADDRESS, 0x80000000u | (uint32_t)where << 8 | (offset & 0xfc));
    uint32_t word = io_in32(PCI_DATA) >> (offset & 3) * 8;
    return width == 32 ? word : word & ((1u << width) - 1);
}

static void port_write(uint64_t where, unsigned offset, unsigned width, uint32_t value)
{
    io_out32(PCI_ADDRESS, 0x80000000u | (uint32_t)where << 8 | (offset & 0xfc));
    uint16_t port = (uint16_t)(PCI_DATA + (offset & 3));
    if (width == 8) {
        io_out8(port, (uint8_t)value);
    } else if (width == 16) {
        io_out16(port, (uint16_t)value);
    } else {
        io_out32(port, value);
    }
}

uint32_t pci_config_read(uint64_t where, unsigned offset, unsigned width)
{
    const uint8_t *bus = ecam_bus((unsigned)(where >> 8));
    if (bus == NULL) {
        return port_read(where, offset, width);
    }
    const volatile void *at = bus + (where & 0xff) * ECAM_BYTES + offset;
    switch (width) {
    case 8: return *(const volatile uint8_t *)at;
    case 16: return *(const volatile uint16_t *)at;
    default: return *(const volatile uint32_t *)at;
    }
}

void pci_config_write(uint64_t where, unsigned offset, unsigned width, uint32_t value)
{
    uint8_t *bus = ecam_bus((unsigned)(where >> 8));
    if (bus == NULL) {
        port_write(where, offset, width, value);
        return;
    }
    volatile void *at = bus + (where & 0xff) * ECAM_BYTES + offset;
    switch (width) {
    case 8: *(volatile uint8_t *)at = (uint8_t)value; break;
    case 16: *(volatile uint16_t *)at = (uint16_t)value; break;
    default: *(volatile uint32_t *)at = value; break;
    }
}

void pci_silence(uint64_t where)
{
    if ((pci_config_read(where, PCI_HEADER_TYPE, 8) & 0x7f) != HEADER_PLAIN) {
        return;
    }
    uint32_t command = pci_config_read(where, PCI_COMMAND, 16);
    pci_config_write(where, PCI_COMMAND, 16, (command & ~(uint32_t)COMMAND_MASTER) | COMMAND_NO_INTX);
    /* Its answer comes behind every write that the device had sent before. */
    (void)pci_config_read(where, PCI_COMMAND, 16);
}
