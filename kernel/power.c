/* SPDX-License-Identifier: Apache-2.0 */
/* See power.h. */
#include "kernel/power.h"

#include "kernel/acpi/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/log.h"

enum { QEMU_EXIT_PORT = 0xf4, RESET_PORT = 0xcf9, KEYBOARD_PORT = 0x64, KEYBOARD_RESET = 0xfe };

static struct Power {
    bool test;
} power;

void power_set_test(bool test) { power.test = test; }
bool power_is_test(void) { return power.test; }

/* Some ports act only after a while. */
static void settle(void)
{
    for (int i = 0; i < 100000; i++) {
        io_in8(0x80);
    }
}

_Noreturn void power_reset(void)
{
    interrupts_off();
    acpi_reset();
    settle();
    io_out8(RESET_PORT, 0x02);
    io_out8(RESET_PORT, 0x06);
    settle();
    io_out8(KEYBOARD_PORT, KEYBOARD_RESET);
    settle();
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } none = {0, 0};
    __asm__ volatile("lidt %0; int3" : : "m"(none)); /* no handler, no double fault handler: the processor resets */
    cpu_stop();
}

_Noreturn void power_off(void)
{
    interrupts_off();
    log_flush();
    acpi_power_off();
    settle();
    klog("power: this machine has no ACPI soft-off; it may be switched off now");
    log_flush();
    if (cpu_is_virtual()) {
        power_reset();
    }
    cpu_stop();
}

static void debug_exit(uint32_t value) { io_out32(QEMU_EXIT_PORT, value); }

_Noreturn void power_fail(void)
{
    if (power.test) {
        debug_exit(QEMU_EXIT_PANIC);
    }
    power_reset();
}

_Noreturn void power_test_exit(bool passed)
{
    log_flush();
    if (power.test) {
        debug_exit(passed ? QEMU_EXIT_PASS : QEMU_EXIT_FAIL);
    }
    power_off();
}
