/* SPDX-License-Identifier: Apache-2.0 */
/* The ends of a run. None of them returns. */
#pragma once

#include "lib/cstd.h"

enum { /* what leaves QEMU through isa-debug-exit: status = value * 2 + 1 */
    QEMU_EXIT_PASS = 0x10, /* 33 */
    QEMU_EXIT_BOOT = 0x20, /* 65, from the nucleus */
    QEMU_EXIT_FAIL = 0x30, /* 97: a self-test failed */
    QEMU_EXIT_PANIC = 0x40, /* 129 */
};

/* `test` on the command line: power_fail and power_test_exit leave QEMU through its debug-exit device. */
void power_set_test(bool test);
bool power_is_test(void);
/* ACPI soft-off (S5); where there is none, says so and stops, or resets under a hypervisor. */
_Noreturn void power_off(void);
_Noreturn void power_reset(void);
/* After a panic: reset, or the debug exit with `test`. */
_Noreturn void power_fail(void);
/* Ends a self-test: debug exit with `test`, else soft-off. */
_Noreturn void power_test_exit(bool passed);
