/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities: the only way from Erlang to hardware. One is a magic reference (nobody can make one up) with one
 * owner, and only natives called by that owner accept it. doc/hardware.md is their description for drivers.
 */
#pragma once

#include "vm/heap/heap.h"

typedef enum { CAP_ROOT, CAP_PORTS, CAP_MMIO, CAP_IRQ, CAP_PCI, CAP_DMA, CAP_FRAMEBUFFER } CapKind;

typedef struct Cap {
    struct Cap *next; /* among the living */
    CapKind kind;
    bool live;  /* not revoked, its owner not known to be dead */
    Term owner; /* pid */
    uint64_t base, size; /* ports, physical bytes; irq: the line; pci: base is bus << 8 | device << 3 | function */
    bool whole;          /* frame buffer: all of it, not only the text part */
    uint8_t *mem;        /* mmio, dma: where it is mapped */
    unsigned vector;     /* irq */
    bool is_message, subscribed;
    bool has_device; /* dma: `device` is the PCI function that its owner drives, so it may know the address */
    uint64_t device;
    struct Cap *next_dropped;
    uint64_t message_address;
    uint32_t message_data;
} Cap;

typedef enum { GRANT_OK, GRANT_TAKEN, GRANT_NO_MEMORY, GRANT_NO_DEVICE } GrantResult;

/* The capability that p owns behind t; NULL when t is none, of another kind, revoked, or another's. */
Cap *cap_of(const Proc *p, Term t, CapKind kind);
/* Of any kind; live or not; whoever owns it. */
Cap *cap_any(Term t);
/* Takes the hardware that `wish` describes (kind, base, size, owner; irq: is_message) for its owner. */
GrantResult cap_grant(const Cap *wish, int trigger, Cap **cap);
/* A reference to it on p's heap: its first. */
Term cap_ref(Proc *p, Cap *cap);
void cap_revoke(Cap *cap);
/* Revokes what dead processes own: for each, interrupts first, then bus mastering, then the rest. */
void caps_sweep(void);
/* Who gets interrupts of that vector now: NULL for nobody. */
Cap *cap_of_vector(unsigned vector);

/* badarg, after a line on the log: p went outside of what it was given. `how` says that of a capability that is p's. */
Term cap_breach(Proc *p, Term t, const char *how);

/* The process that owns the root capability; NONVALUE if none does. */
Term caps_root_owner(void);

/*
 * The device of that PCI capability was reset: memory that its dead drivers had handed to it is free again. Until
 * then it is kept, because a transfer under way when bus mastering goes off may still end (emulators do so).
 */
void caps_device_was_reset(const Cap *pci);
