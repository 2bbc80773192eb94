/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Natives of loom_hw for registers: I/O ports, device memory, DMA memory, PCI configuration. Every access is checked
 * against the bounds of its capability before it is made.
 */
#include "gen/natives_metal.h"
#include "kernel/arch/x86_64/cpu.h"
#include "plat/metal/caps.h"
#include "plat/metal/pci.h"
#include "vm/term/binary.h"
#include "vm/term/number.h"

enum { MAX_PORT_BYTES = 65536, BYTES_PER_REDUCTION = 64 };

/* Offset and width (bits) of one access: aligned, and inside `size`. *bytes gets the width in bytes. */
static bool access_ok(Term offset, Term width, uint64_t size, unsigned max_width, uint64_t *at, unsigned *bytes)
{
    if (!is_small(width) || !integer_to_uint64(offset, at)) {
        return false;
    }
    int64_t w = small_value(width);
    if ((w != 8 && w != 16 && w != 32 && w != 64) || w > (int64_t)max_width) {
        return false;
    }
    *bytes = (unsigned)w / 8;
    return *at % *bytes == 0 && *at < size && size - *at >= *bytes;
}

/* --- I/O ports ------------------------------------------------------------------------------------------- */
/* Ports need no alignment: the index register of one device may be the odd neighbour of another's. */
static bool port_access(Proc *p, const Term *a, uint16_t *port, unsigned *bytes)
{
    const Cap *cap = cap_of(p, a[0], CAP_PORTS);
    uint64_t at;
    if (cap == NULL || !is_small(a[2]) || !integer_to_uint64(a[1], &at)) {
        return false;
    }
    int64_t width = small_value(a[2]);
    if (width != 8 && width != 16 && width != 32) {
        return false;
    }
    *bytes = (unsigned)width / 8;
    *port = (uint16_t)(cap->base + at);
    return at < cap->size && cap->size - at >= *bytes;
}

NATIVE(native_loom_hw_port_in)
{
    uint16_t port;
    unsigned bytes;
    if (!port_access(p, a, &port, &bytes)) {
        return cap_breach(p, a[0], "a port outside its range");
    }
    return make_small(bytes == 1 ? io_in8(port) : bytes == 2 ? io_in16(port) : io_in32(port));
}

NATIVE(native_loom_hw_port_out)
{
    uint16_t port;
    unsigned bytes;
    uint64_t value;
    if (!port_access(p, a, &port, &bytes) || !integer_to_uint64(a[3], &value) || value >> bytes * 8 != 0) {
        return cap_breach(p, a[0], "a port outside its range");
    }
    if (bytes == 1) {
        io_out8(port, (uint8_t)value);
    } else if (bytes == 2) {
        io_out16(port, (uint16_t)value);
    } else {
        io_out32(port, (uint32_t)value);
    }
    return A_ok;
}

NATIVE(native_loom_hw_port_in_bytes)
{
    const Cap *cap = cap_of(p, a[0], CAP_PORTS);
    uint64_t at, count;
    uint8_t *data;
    if (cap == NULL || !integer_to_uint64(a[1], &at) || at >= cap->size || !integer_to_uint64(a[2], &count) ||
        count > MAX_PORT_BYTES) {
        return cap_breach(p, a[0], "a port outside its range");
    }
    Term bin = binary_new(p, count, &data);
    for (uint64_t i = 0; i < count; i++) {
        data[i] = io_in8((uint16_t)(cap->base + at));
    }
    p_charge(p, (intptr_t)(count / BYTES_PER_REDUCTION));
    return bin;
}

NATIVE(native_loom_hw_port_out_bytes)
{
    const Cap *cap = cap_of(p, a[0], CAP_PORTS);
    uint64_t at;
    size_t n;
    if (cap == NULL || !integer_to_uint64(a[1], &at) || at >= cap->size) {
        return cap_breach(p, a[0], "a port outside its range");
    }
    uint8_t *bytes = iolist_to_memory(a[2], &n);
    if (bytes == NULL) {
        return cap_breach(p, a[0], "a port outside its range");
    }
    for (size_t i = 0; i < n; i++) {
        io_out8((uint16_t)(cap->base + at), bytes[i]);
    }
    vm_free(bytes);
    p_charge(p, (intptr_t)(n / BYTES_PER_REDUCTION));
    return A_ok;
}

/* --- memory ---------------------------------------------------------------------------------------------- */
static const Cap *memory_cap(Proc *p, Term t)
{
    const Cap *cap = cap_of(p, t, CAP_MMIO);
    return cap != NULL ? cap : cap_of(p, t, CAP_DMA);
}

static uint64_t memory_read(const volatile void *at, unsigned bytes)
{
    switch (bytes) {
    case 1: return *(const volatile uint8_t *)at;
    case 2: return *(const volatile uint16_t *)at;
    case 4: return *(const volatile uint32_t *)at;
    default: return *(const volatile uint64_t *)at;
    }
}

static void memory_write(volatile void *at, unsigned bytes, uint64_t value)
{
    switch (bytes) {
    case 1: *(volatile uint8_t *)at = (uint8_t)value; break;
    case 2: *(volatile uint16_t *)at = (uint16_t)value; break;
    case 4: *(volatile uint32_t *)at = (uint32_t)value; break;
    default: *(volatile uint64_t *)at = value; break;
    }
}

NATIVE(native_loom_hw_mmio_read)
{
    const Cap *cap = memory_cap(p, a[0]);
    uint64_t at;
    unsigned bytes;
    if (cap == NULL || !access_ok(a[1], a[2], cap->size, 64, &at, &bytes)) {
        return cap_breach(p, a[0], "an address outside its memory");
    }
    return heap_uint64(p, memory_read(cap->mem + at, bytes));
}

NATIVE(native_loom_hw_mmio_write)
{
    const Cap *cap = memory_cap(p, a[0]);
    uint64_t at, value;
    unsigned bytes;
    if (cap == NULL || !access_ok(a[1], a[2], cap->size, 64, &at, &bytes) || !integer_to_uint64(a[3], &value) ||
        (bytes < 8 && value >> bytes * 8 != 0)) {
        return cap_breach(p, a[0], "an address outside its memory");
    }
    memory_write(cap->mem + at, bytes, value);
    return A_ok;
}

NATIVE(native_loom_hw_dma_address)
{
    const Cap *cap = cap_of(p, a[0], CAP_DMA);
    return cap != NULL ? heap_uint64(p, cap->base) : cap_breach(p, a[0], "an address outside its memory");
}

NATIVE(native_loom_hw_dma_read)
{
    const Cap *cap = cap_of(p, a[0], CAP_DMA);
    uint64_t at, size;
    if (cap == NULL || !integer_to_uint64(a[1], &at) || !integer_to_uint64(a[2], &size) || at > cap->size ||
        size > cap->size - at) {
        return cap_breach(p, a[0], "an address outside its memory");
    }
    p_charge(p, (intptr_t)(size / BYTES_PER_REDUCTION));
    return binary_from_bytes(p, cap->mem + at, size);
}

NATIVE(native_loom_hw_dma_write)
{
    const Cap *cap = cap_of(p, a[0], CAP_DMA);
    uint64_t at;
    size_t n;
    if (cap == NULL || !integer_to_uint64(a[1], &at) || at > cap->size || iolist_size_of(a[2], &n) != IO_OK ||
        n > cap->size - at || iolist_copy(a[2], cap->mem + at, n) != IO_OK) {
        return cap_breach(p, a[0], "an address outside its memory");
    }
    p_charge(p, (intptr_t)(n / BYTES_PER_REDUCTION));
    return A_ok;
}

/* --- PCI ------------------------------------------------------------------------------------------------- */
NATIVE(native_loom_hw_pci_read)
{
    const Cap *cap = cap_of(p, a[0], CAP_PCI);
    uint64_t at;
    unsigned bytes;
    if (cap == NULL || !access_ok(a[1], a[2], pci_config_size(cap->base), 32, &at, &bytes)) {
        return cap_breach(p, a[0], "a register outside its device");
    }
    return make_small(pci_config_read(cap->base, (unsigned)at, bytes * 8));
}

NATIVE(native_loom_hw_pci_write)
{
    const Cap *cap = cap_of(p, a[0], CAP_PCI);
    uint64_t at, value;
    unsigned bytes;
    if (cap == NULL || !access_ok(a[1], a[2], pci_config_size(cap->base), 32, &at, &bytes) ||
        !integer_to_uint64(a[3], &value) || value >> bytes * 8 != 0) {
        return cap_breach(p, a[0], "a register outside its device");
    }
    pci_config_write(cap->base, (unsigned)at, bytes * 8, (uint32_t)value);
    return A_ok;
}

NATIVE(native_loom_hw_pci_reset_done)
{
    const Cap *cap = cap_of(p, a[0], CAP_PCI);
    if (cap == NULL) {
        return cap_breach(p, a[0], "a register outside its device");
    }
    caps_device_was_reset(cap);
    return A_ok;
}
