/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When something is wrong beyond repair: registers, a symbolised back trace and what was running go to serial and
 * screen; then the machine resets, or leaves QEMU (status 129) if the command line has `test`. It never just hangs.
 */
#pragma once

#include "lib/cstd.h"

struct TrapFrame;

_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void panic_exception(const struct TrapFrame *frame);
/* Same end, for callers that have printed their own reason. */
_Noreturn void panic_here(void);
/* Called during a panic to print what the machine above was doing, through klog_raw. May fault: then it is left out. */
void panic_set_hook(void (*hook)(void));

#define kassert(condition) \
    ((condition) ? (void)0 : panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition))
