/* SPDX-License-Identifier: Apache-2.0 */
/* Natives of loom_hw for interrupts. Messages are sent by poll.c. */
#include "gen/natives_metal.h"
#include "kernel/irq/irq.h"
#include "kernel/time/clock.h"
#include "plat/metal/caps.h"
#include "vm/term/map.h"

NATIVE(native_loom_hw_irq_subscribe)
{
    Cap *cap = cap_of(p, a[0], CAP_IRQ);
    if (cap == NULL) {
        return cap_breach(p, a[0], "an interrupt that is not its own");
    }
    cap->subscribed = true;
    irq_unmask(cap->vector);
    return A_ok;
}

NATIVE(native_loom_hw_irq_unsubscribe)
{
    Cap *cap = cap_of(p, a[0], CAP_IRQ);
    if (cap == NULL) {
        return cap_breach(p, a[0], "an interrupt that is not its own");
    }
    irq_mask(cap->vector);
    cap->subscribed = false;
    return A_ok;
}

NATIVE(native_loom_hw_irq_ack)
{
    const Cap *cap = cap_of(p, a[0], CAP_IRQ);
    if (cap == NULL || !cap->subscribed) {
        return cap_breach(p, a[0], "an interrupt that is not its own");
    }
    if (irq_is_level(cap->vector)) {
        irq_unmask(cap->vector);
    }
    return A_ok;
}

NATIVE(native_loom_hw_irq_vector)
{
    const Cap *cap = cap_of(p, a[0], CAP_IRQ);
    return cap != NULL ? make_small(cap->vector) : cap_breach(p, a[0], "an interrupt that is not its own");
}

NATIVE(native_loom_hw_irq_message)
{
    const Cap *cap = cap_of(p, a[0], CAP_IRQ);
    if (cap == NULL || !cap->is_message) {
        return cap_breach(p, a[0], "an interrupt that is not its own");
    }
    return heap_tuple2(p, heap_uint64(p, cap->message_address), make_small(cap->message_data));
}

NATIVE(native_loom_hw_irq_cost)
{
    IrqCost cost = irq_cost();
    Term powers = NIL;
    (void)a;
    for (unsigned i = IRQ_POWERS; i > 0; i--) {
        powers = heap_cons_on(p, heap_uint64(p, cost.by_power[i - 1]), powers);
    }
    return map_from_pairs(p, (const Term[]){
        A_count, heap_uint64(p, cost.count), A_cycles, heap_uint64(p, cost.cycles), A_most, heap_uint64(p, cost.most),
        A_by_power, powers, A_hz, heap_uint64(p, clock_tsc_hz())}, 5);
}
