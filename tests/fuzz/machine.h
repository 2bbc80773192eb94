/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine for fuzz targets: everything but OTP, one scheduler, and nothing outside: no natives or port drivers of
 * the platform, so that no input can touch a file.
 */
#pragma once

#include "vm/bif/native.h"
#include "vm/heap/literal.h"
#include "vm/load/code.h"
#include "vm/plat.h"
#include "vm/proc/clock.h"
#include "vm/proc/port.h"
#include "vm/proc/registry.h"
#include "vm/proc/safe.h"
#include "vm/proc/sched.h"
#include "vm/trace/call.h"
#include "vm/vm.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* These win over the platform's (--allow-multiple-definition). */
const NativeRow *plat_natives(void)
{
    static const NativeRow none[1];
    return none;
}
const struct PortDriver *const *plat_port_drivers(void)
{
    static const struct PortDriver *const none[1];
    return none;
}

static inline void machine_init(void)
{
    literal_init();
    atom_init((size_t)1 << 24); /* every new name in an input stays */
    native_init();
    registry_init((size_t)1 << 24);
    sched_init_all(1, 1);
    code_init();
    call_trace_init();
    proc_table_init(1024);
    port_table_init(1024);
    plat_set_sched(sched_get(0));
    safe_awake(sched_get(0));
}
