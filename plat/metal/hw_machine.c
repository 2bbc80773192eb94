/* SPDX-License-Identifier: Apache-2.0 */
/* Natives about the machine as a whole: log, ends, what booted. Anybody may call them. */
#include "gen/natives_metal.h"
#include "kernel/log.h"
#include "kernel/main.h"
#include "kernel/mm/heap.h"
#include "kernel/power.h"
#include "plat/metal/metal.h"
#include "plat/metal/random.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/vm.h"

NATIVE(native_loom_hw_log)
{
    size_t n;
    uint8_t *text = iolist_to_memory(a[0], &n);
    if (text == NULL) {
        return p_badarg(p);
    }
    klog("%.*s", (int)n, (const char *)text);
    vm_free(text);
    return A_ok;
}

NATIVE(native_loom_hw_kernel_log)
{
    uint8_t *data;
    (void)a;
    char *copy = vm_alloc(LOG_RING_BYTES);
    size_t n = log_copy(copy, LOG_RING_BYTES);
    Term bin = binary_new(p, n, &data);
    memcpy(data, copy, n);
    vm_free(copy);
    return bin;
}

NATIVE(native_loom_hw_poweroff)
{
    (void)p;
    (void)a;
    plat_halt(0);
}

static void reset(int status)
{
    (void)status;
    power_reset();
}

NATIVE(native_loom_hw_reset)
{
    (void)p;
    (void)a;
    poll_run_out(reset, 0);
}

NATIVE(native_loom_hw_halt_ready)
{
    (void)p;
    (void)a;
    poll_written();
    return A_ok;
}

static Term measurements(Proc *p)
{
    const BootInfo *info = kernel_boot_info();
    Term list = NIL;
    for (uint32_t i = info->measurement_count; i > 0; i--) {
        const BootMeasurement *m = &info->measurements[i - 1];
        Term one = heap_tuple2(p, binary_from_cstr(p, m->name), binary_from_bytes(p, m->sha256, sizeof m->sha256));
        list = heap_cons_on(p, one, list);
    }
    return list;
}

NATIVE(native_loom_hw_boot_info)
{
    const BootInfo *info = kernel_boot_info();
    HeapStats stats;
    (void)a;
    kheap_stats(&stats);
    const Term kv[] = {
        A_cmdline, binary_from_cstr(p, info->cmdline),
        A_loader, (info->flags & BOOT_FROM_UEFI) != 0 ? A_uefi : A_pvh,
        A_measurements, measurements(p),
        A_uptime_ns, heap_int64(p, plat_monotonic_ns()),
        A_memory, heap_uint64(p, stats.total_bytes),
        A_free, heap_uint64(p, stats.free_bytes),
    };
    return map_from_pairs(p, kv, sizeof kv / sizeof kv[0] / 2);
}

/* --- random bytes: loom_random:bytes/1 draws them ------------------------------------------------------------- */
NATIVE(native_loom_hw_random_add)
{
    size_t n;
    uint8_t *data = iolist_to_memory(a[0], &n);
    if (data == NULL) {
        return p_badarg(p);
    }
    random_add(data, n);
    memset(data, 0, n);
    vm_free(data);
    return A_ok;
}

NATIVE(native_loom_hw_random_info)
{
    RandomInfo info = random_info();
    (void)a;
    const Term kv[] = {
        A_rdseed, info.rdseed ? A_true : A_false,
        A_rdrand, info.rdrand ? A_true : A_false,
        A_added, heap_uint64(p, info.added_bytes),
        A_reseeds, heap_uint64(p, info.reseeds),
    };
    return map_from_pairs(p, kv, sizeof kv / sizeof kv[0] / 2);
}

/* --- what OTP expects of any platform ---------------------------------------------------------------------- */
NATIVE(native_os_getpid)
{
    (void)a;
    return heap_string(p, (const uint8_t *)"1", 1);
}

