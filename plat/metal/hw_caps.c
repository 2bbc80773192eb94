/* SPDX-License-Identifier: Apache-2.0 */
/* Natives of loom_hw that hand out hardware and tell what there is. */
#include "gen/natives_metal.h"
#include "kernel/acpi/acpi.h"
#include "kernel/arch/x86_64/ioapic.h"
#include "kernel/arch/x86_64/serial.h"
#include "kernel/console/screen.h"
#include "kernel/irq/irq.h"
#include "plat/metal/caps.h"
#include "plat/metal/metal.h"
#include "plat/metal/pci.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

enum { KEYBOARD_PORT = 0x60, KEYBOARD_IRQ = 1, PCI_CLASS_BRIDGE = 0x0604, PCI_MULTI = 0x80 };
enum { PCI_BUSES = 256, PCI_DEVICES = 32, PCI_FUNCTIONS = 8 };

static Term granted(Proc *p, GrantResult result, Cap *cap)
{
    switch (result) {
    case GRANT_OK: return heap_tuple2(p, A_ok, cap_ref(p, cap));
    case GRANT_TAKEN: return heap_tuple2(p, A_error, A_taken);
    case GRANT_NO_MEMORY: return heap_tuple2(p, A_error, A_enomem);
    case GRANT_NO_DEVICE: break;
    }
    return heap_tuple2(p, A_error, A_enodev);
}

NATIVE(native_loom_hw_claim)
{
    (void)a;
    Cap wish = {.kind = CAP_ROOT, .owner = p->id}, *cap = NULL;
    GrantResult result = cap_grant(&wish, 0, &cap);
    return granted(p, result, cap);
}

static bool spec_pci(const Term *e, Cap *wish)
{
    uint64_t bus, device, function;
    if (!integer_to_uint64(e[1], &bus) || !integer_to_uint64(e[2], &device) || !integer_to_uint64(e[3], &function) ||
        bus >= PCI_BUSES || device >= PCI_DEVICES || function >= PCI_FUNCTIONS) {
        return false;
    }
    wish->kind = CAP_PCI;
    wish->base = bus << 8 | device << 3 | function;
    wish->size = 1;
    return true;
}

static bool spec_range(const Term *e, Cap *wish)
{
    if (!integer_to_uint64(e[1], &wish->base) || !integer_to_uint64(e[2], &wish->size) || wish->size == 0) {
        return false;
    }
    if (e[0] == A_port) {
        wish->kind = CAP_PORTS;
        return wish->base < 0x10000 && wish->size <= 0x10000 - wish->base;
    }
    wish->kind = CAP_MMIO;
    return e[0] == A_mmio;
}

static bool spec_irq(Term line, Term trigger, Cap *wish, int *how)
{
    wish->kind = CAP_IRQ;
    wish->size = 1;
    *how = trigger == A_edge ? IRQ_EDGE : trigger == A_level ? IRQ_LEVEL : IRQ_BY_TABLES;
    return integer_to_uint64(line, &wish->base) && wish->base < UINT32_MAX &&
           (*how != IRQ_BY_TABLES || trigger == NONVALUE);
}

static bool spec_parse(Term spec, Cap *wish, int *how)
{
    if (spec == A_framebuffer) {
        wish->kind = CAP_FRAMEBUFFER;
        return true;
    }
    if (spec == A_msi) {
        wish->kind = CAP_IRQ;
        wish->is_message = true;
        return true;
    }
    if (!is_tuple(spec) || tuple_arity(spec) < 2) {
        return false;
    }
    const Term *e = tuple_elements(spec);
    switch (tuple_arity(spec)) {
    case 2:
        if (e[0] == A_irq) {
            return spec_irq(e[1], NONVALUE, wish, how);
        }
        if (e[0] == A_framebuffer) {
            wish->kind = CAP_FRAMEBUFFER;
            wish->whole = true;
            return e[1] == A_whole;
        }
        wish->kind = CAP_DMA;
        return e[0] == A_dma && integer_to_uint64(e[1], &wish->size) && wish->size > 0 && wish->size <= UINT32_MAX;
    case 3: return e[0] == A_irq ? spec_irq(e[1], e[2], wish, how) : spec_range(e, wish);
    case 4: return e[0] == A_pci && spec_pci(e, wish);
    default: return false;
    }
}

NATIVE(native_loom_hw_grant)
{
    Cap wish = {.owner = a[2]}, *cap = NULL;
    int how = IRQ_BY_TABLES;
    if (cap_of(p, a[0], CAP_ROOT) == NULL || !is_alive(a[2]) || !spec_parse(a[1], &wish, &how)) {
        return p_badarg(p);
    }
    GrantResult result = cap_grant(&wish, how, &cap);
    return granted(p, result, cap);
}

NATIVE(native_loom_hw_give)
{
    Cap *cap = cap_any(a[0]);
    if (cap == NULL || !cap->live || cap->owner != p->id || !is_alive(a[1])) {
        return p_badarg(p);
    }
    if (cap->kind == CAP_IRQ) {
        irq_mask(cap->vector);
        cap->subscribed = false;
    }
    cap->owner = a[1];
    return A_ok;
}

/* --- what there is --------------------------------------------------------------------------------------- */

static Term address_or_none(Proc *p, uint64_t phys)
{
    return phys != 0 ? heap_uint64(p, phys) : A_none;
}

static Term serial_list(Proc *p)
{
    if (!serial_exists()) {
        return NIL;
    }
    Term one = map_from_pairs(p, (const Term[]){A_port, make_small(SERIAL_PORT), A_irq, make_small(SERIAL_IRQ),
            A_kind, A_uart_16550}, 3);
    return heap_cons_on(p, one, NIL);
}

static Term ioapic_list(Proc *p)
{
    const AcpiInfo *info = acpi_info();
    Term list = NIL;
    for (unsigned i = info->ioapic_count; i > 0; i--) {
        const AcpiIoapic *io = &info->ioapics[i - 1];
        Term one = heap_tuple3(p, heap_uint64(p, io->phys), make_small(io->gsi_base), make_small(ioapic_lines(i - 1)));
        list = heap_cons_on(p, one, list);
    }
    return list;
}

NATIVE(native_loom_hw_inventory)
{
    if (cap_of(p, a[0], CAP_ROOT) == NULL) {
        return p_badarg(p);
    }
    const AcpiInfo *info = acpi_info();
    Term keyboard = map_from_pairs(p, (const Term[]){A_port, make_small(KEYBOARD_PORT), A_irq,
            make_small(KEYBOARD_IRQ)}, 2);
    return map_from_pairs(p, (const Term[]){
        A_serial, serial_list(p), A_keyboard, keyboard, A_framebuffer, make_boolean(screen_exists()),
        A_ecam, address_or_none(p, info->ecam_phys), A_hpet, address_or_none(p, info->hpet_phys),
        A_ioapics, ioapic_list(p)}, 6);
}

static Term pci_function(Proc *p, uint64_t where, Term rest)
{
    uint32_t id = pci_config_read(where, 0, 32), class = pci_config_read(where, 8, 32);
    const Term place[] = {make_small((int64_t)(where >> 8)), make_small(where >> 3 & 31), make_small(where & 7)};
    const Term row[] = {heap_tuple(p, 3, place), make_small(id & 0xffff), make_small(id >> 16),
                        make_small(class >> 24), make_small(class >> 16 & 255), make_small(class >> 8 & 255)};
    return heap_cons_on(p, heap_tuple(p, 6, row), rest);
}

/* All functions of one device; buses behind bridges are noted in `buses`. */
static Term pci_device(Proc *p, uint64_t where, bool *buses, Term rest)
{
    unsigned functions = (pci_config_read(where, 14, 8) & PCI_MULTI) != 0 ? PCI_FUNCTIONS : 1;
    for (unsigned f = 0; f < functions; f++) {
        if (pci_config_read(where | f, 0, 16) == 0xffff) {
            continue;
        }
        rest = pci_function(p, where | f, rest);
        if (pci_config_read(where | f, 10, 16) == PCI_CLASS_BRIDGE) {
            buses[pci_config_read(where | f, 0x19, 8)] = true;
        }
    }
    return rest;
}

NATIVE(native_loom_hw_pci_scan)
{
    bool buses[PCI_BUSES] = {true};
    Term list = NIL;
    if (cap_of(p, a[0], CAP_ROOT) == NULL) {
        return p_badarg(p);
    }
    for (uint64_t bus = 0; bus < PCI_BUSES; bus++) { /* bridges lead to higher buses only */
        for (uint64_t device = 0; buses[bus] && device < PCI_DEVICES; device++) {
            list = pci_device(p, bus << 8 | device << 3, buses, list);
        }
    }
    p_charge(p, 100);
    return list;
}

NATIVE(native_loom_hw_revoke)
{
    Cap *cap = cap_any(a[0]);
    if (cap == NULL || !cap->live) {
        return p_badarg(p);
    }
    if (cap->owner != p->id && caps_root_owner() != p->id) {
        return p_badarg(p);
    }
    cap_revoke(cap);
    return A_ok;
}
