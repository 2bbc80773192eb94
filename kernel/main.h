/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's start, and what others may ask about it afterwards. */
#pragma once

#include "include/bootinfo.h"
#include "lib/cstd.h"

/* From entry.S and pvh.c; physical address of the BootInfo. */
_Noreturn void kernel_main(uint64_t info_phys);
/* The kernel's copy. */
const BootInfo *kernel_boot_info(void);
/* True if the command line has this word. */
bool kernel_option(const char *word);
/* Text after `name` and "=" in the command line up to the next blank; false if there is none or it is too long for buf.
 * */
bool kernel_option_value(const char *name, char *buf, size_t cap);

/* What the kernel starts when it is up, on a stack of its own with interrupts on. Weak: without one the kernel says so
 * and switches off. plat/metal defines it. */
_Noreturn void kernel_payload(void) __attribute__((weak));
