/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See caps.h. A death is not signalled to the platform: owners are looked up at every poll and before every grant, so
 * that a dead driver's interrupts are masked within a slice and its restarted self finds its hardware free.
 */
#include "plat/metal/caps.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/console/screen.h"
#include "kernel/irq/irq.h"
#include "kernel/log.h"
#include "kernel/main.h"
#include "kernel/mm/phys.h"
#include "kernel/time/clock.h"
#include "plat/metal/metal.h"
#include "plat/metal/pci.h"
#include "vm/proc/proc.h"

enum { MMIO_WINDOWS = 256, BREACH_LINES = 10 };

/* Device windows stay mapped for ever and are found again when a driver restarts. */
typedef struct Window {
    uint64_t phys, size;
    uint8_t *mem;
} Window;

/* Memory that a device may still know the address of, until it was reset. */
typedef struct Kept {
    struct Kept *next;
    uint8_t *mem;
    uint64_t device;
} Kept;

static struct Caps {
    Cap *live;
    Kept *kept;
    Cap *by_vector[256];
    Window windows[MMIO_WINDOWS];
    unsigned window_count;
    Cap *dropped; /* atomic: those that no reference leads to any more, until the next sweep */
    int64_t breach_second;
    unsigned breaches; /* told of in that second */
} caps;

bool is_alive(Term pid)
{
    return is_local_pid(pid) && proc_lookup(pid) != NULL;
}

/* --- ends -------------------------------------------------------------------------------------------------- */
static void stop_interrupts(Cap *cap)
{
    if (cap->kind == CAP_IRQ) {
        irq_detach(cap->vector);
        caps.by_vector[cap->vector] = NULL;
        cap->subscribed = false;
    }
}

static void stop_bus_master(Cap *cap)
{
    if (cap->kind == CAP_PCI) {
        pci_silence(cap->base);
    }
}

static void keep_memory(const Cap *cap)
{
    Kept *kept = vm_alloc(sizeof *kept);
    *kept = (Kept){caps.kept, cap->mem, cap->device};
    caps.kept = kept;
}

static void give_back(Cap *cap)
{
    if (cap->kind == CAP_DMA && cap->has_device) {
        keep_memory(cap);
    } else if (cap->kind == CAP_DMA) {
        phys_free(cap->mem);
    } else if (cap->kind == CAP_FRAMEBUFFER) {
        screen_set_owned(false);
    }
    cap->live = false;
}

static void unlink_cap(const Cap *cap)
{
    for (Cap **at = &caps.live; *at != NULL; at = &(*at)->next) {
        if (*at == cap) {
            *at = cap->next;
            return;
        }
    }
}

void cap_revoke(Cap *cap)
{
    if (cap->live) {
        stop_interrupts(cap);
        stop_bus_master(cap);
        give_back(cap);
        unlink_cap(cap);
    }
}

/* Which device may know which memory. One process drives one device: see doc/hardware.md. */
static void note_device(Cap *cap)
{
    for (Cap *c = caps.live; c != NULL; c = c->next) {
        Cap *memory = cap->kind == CAP_DMA ? cap : c;
        const Cap *function = cap->kind == CAP_DMA ? c : cap;
        if (c->owner == cap->owner && memory->kind == CAP_DMA && function->kind == CAP_PCI && !memory->has_device) {
            memory->has_device = true;
            memory->device = function->base;
        }
    }
}

void caps_device_was_reset(const Cap *pci)
{
    for (Kept **at = &caps.kept; *at != NULL;) {
        Kept *kept = *at;
        if (kept->device == pci->base) {
            *at = kept->next;
            phys_free(kept->mem);
            vm_free(kept);
        } else {
            at = &kept->next;
        }
    }
}

/* The order is the point: a device must be silent and off the bus before its memory is somebody else's. */
static void revoke_all_of(Term owner)
{
    for (Cap *c = caps.live; c != NULL; c = c->next) {
        if (c->owner == owner) {
            stop_interrupts(c);
        }
    }
    for (Cap *c = caps.live; c != NULL; c = c->next) {
        if (c->owner == owner) {
            stop_bus_master(c);
        }
    }
    for (Cap **at = &caps.live; *at != NULL;) {
        Cap *c = *at;
        if (c->owner == owner) {
            give_back(c);
            *at = c->next;
        } else {
            at = &c->next;
        }
    }
}

/* Nobody can use them: not their owner, which may live, and whose device may be at work. */
static void revoke_dropped(void)
{
    Cap *c = __atomic_exchange_n(&caps.dropped, NULL, __ATOMIC_ACQUIRE);
    while (c != NULL) {
        Cap *next = c->next_dropped;
        cap_revoke(c);
        vm_free(c);
        c = next;
    }
}

void caps_sweep(void)
{
    for (Cap *c = caps.live; c != NULL;) {
        if (is_alive(c->owner)) {
            c = c->next;
        } else {
            revoke_all_of(c->owner);
            c = caps.live;
        }
    }
    revoke_dropped();
}

/* --- grants ----------------------------------------------------------------------------------------------- */
static bool overlaps(const Cap *a, const Cap *b)
{
    if (a->kind != b->kind || a->kind == CAP_DMA || (a->kind == CAP_IRQ && (a->is_message || b->is_message))) {
        return false;
    }
    if (a->kind == CAP_ROOT || a->kind == CAP_FRAMEBUFFER) {
        return true;
    }
    return a->base < b->base + b->size && b->base < a->base + a->size;
}

static bool is_taken(const Cap *wish)
{
    for (const Cap *c = caps.live; c != NULL; c = c->next) {
        if (overlaps(c, wish)) {
            return true;
        }
    }
    return false;
}

/* Device memory only: a window over RAM would be a way around every wall there is. */
static bool is_device_memory(uint64_t base, uint64_t size)
{
    const BootInfo *info = kernel_boot_info();
    if (size == 0 || base + size < base || base + size > UINT64_C(1) << 52) {
        return false;
    }
    for (uint32_t i = 0; i < info->memory_count; i++) {
        const BootMemory *m = &info->memory[i];
        if (m->type != BOOT_RESERVED && base < m->base + m->size && m->base < base + size) {
            return false;
        }
    }
    return true;
}

static uint8_t *window_of(uint64_t phys, uint64_t size)
{
    for (unsigned i = 0; i < caps.window_count; i++) {
        if (caps.windows[i].phys == phys && caps.windows[i].size == size) {
            return caps.windows[i].mem;
        }
    }
    if (caps.window_count == MMIO_WINDOWS) {
        return NULL;
    }
    uint8_t *mem = window_map(phys, size, MAP_WRITE | MAP_UNCACHED);
    if (mem != NULL) {
        caps.windows[caps.window_count++] = (Window){phys, size, mem};
    }
    return mem;
}

static GrantResult take_dma(Cap *cap)
{
    size_t pages = (size_t)((cap->size + PAGE_SIZE - 1) / PAGE_SIZE);
    cap->mem = phys_alloc(pages);
    if (cap->mem == NULL) {
        return GRANT_NO_MEMORY;
    }
    memset(cap->mem, 0, pages * PAGE_SIZE);
    cap->base = virt_to_phys(cap->mem);
    return GRANT_OK;
}

static GrantResult take_irq(Cap *cap, int trigger)
{
    int vector = cap->is_message ? irq_attach_message(&cap->message_address, &cap->message_data)
                                 : irq_attach_line((uint32_t)cap->base, (IrqTrigger)trigger);
    if (vector < 0) {
        return GRANT_NO_DEVICE;
    }
    cap->vector = (unsigned)vector;
    caps.by_vector[vector] = cap;
    return GRANT_OK;
}

static GrantResult take_hardware(Cap *cap, int trigger)
{
    switch (cap->kind) {
    case CAP_MMIO:
        if (!is_device_memory(cap->base, cap->size)) {
            return GRANT_NO_DEVICE;
        }
        cap->mem = window_of(cap->base, cap->size);
        return cap->mem != NULL ? GRANT_OK : GRANT_NO_MEMORY;
    case CAP_DMA: return take_dma(cap);
    case CAP_IRQ: return take_irq(cap, trigger);
    case CAP_PCI: return pci_config_read(cap->base, 0, 16) != 0xffff ? GRANT_OK : GRANT_NO_DEVICE;
    case CAP_FRAMEBUFFER:
        if (!screen_exists()) {
            return GRANT_NO_DEVICE;
        }
        screen_set_owned(true);
        return GRANT_OK;
    case CAP_ROOT:
    case CAP_PORTS: break;
    }
    return GRANT_OK;
}

GrantResult cap_grant(const Cap *wish, int trigger, Cap **cap)
{
    caps_sweep();
    if (is_taken(wish)) {
        return GRANT_TAKEN;
    }
    Cap *c = vm_alloc(sizeof *c);
    *c = *wish;
    GrantResult result = take_hardware(c, trigger);
    if (result != GRANT_OK) {
        vm_free(c);
        return result;
    }
    c->live = true;
    note_device(c);
    c->next = caps.live;
    caps.live = c;
    *cap = c;
    return GRANT_OK;
}

Term caps_root_owner(void)
{
    for (const Cap *c = caps.live; c != NULL; c = c->next) {
        if (c->kind == CAP_ROOT) {
            return c->owner;
        }
    }
    return NONVALUE;
}

/* --- references ----------------------------------------------------------------------------------------------- */
/* On any processor, in the middle of a collection or of a death: the order of ends is the sweep's. */
static void destroy(Magic *m)
{
    Cap *c = m->data;
    c->next_dropped = __atomic_load_n(&caps.dropped, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&caps.dropped, &c->next_dropped, c, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
        /* somebody else dropped one: again */
    }
}

static const MagicKind cap_kind = {.name = "capability", .destroy = destroy};

Term cap_ref(Proc *p, Cap *cap)
{
    return heap_magic_ref(p, magic_new(&cap_kind, cap));
}

Cap *cap_any(Term t)
{
    Magic *m = magic_of(t, &cap_kind);
    return m != NULL ? m->data : NULL;
}

Cap *cap_of(const Proc *p, Term t, CapKind kind)
{
    Cap *c = cap_any(t);
    return c != NULL && c->live && c->kind == kind && c->owner == p->id ? c : NULL;
}

Cap *cap_of_vector(unsigned vector)
{
    Cap *c = caps.by_vector[vector];
    return c != NULL && c->live && c->subscribed ? c : NULL;
}

/* A driver that does so in a loop is told of BREACH_LINES times a second. */
Term cap_breach(Proc *p, Term t, const char *how)
{
    const Cap *c = cap_any(t);
    const char *why = c == NULL ? "what is no capability"
                      : !c->live ? "a capability that was revoked"
                      : c->owner != p->id ? "a capability of another process" : how;
    int64_t second = clock_now_ns() / INT64_C(1000000000);
    if (__atomic_exchange_n(&caps.breach_second, second, __ATOMIC_RELAXED) != second) {
        __atomic_store_n(&caps.breaches, 0, __ATOMIC_RELAXED);
    }
    if (__atomic_fetch_add(&caps.breaches, 1, __ATOMIC_RELAXED) < BREACH_LINES) {
        klog("hw: process %u used %s: refused", pid_number(p->id), why);
    }
    return p_badarg(p);
}
