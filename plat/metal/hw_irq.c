/* SPDX-License-Identifier: Apache-2.0 */
/* Natives of loom_hw for interrupts. Messages are sent by poll.c. */
#include "gen/natives_metal.h"
#include "kernel/irq/irq.h"
#include "plat/metal/caps.h"

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
