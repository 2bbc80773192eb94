/* SPDX-License-Identifier: Apache-2.0 */
/* vm/plat.h over the kernel: memory, time, randomness, ends. Events are in poll.c. */
#include "vm/plat.h"

#include "gen/natives_metal.h"
#include "kernel/acpi/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/log.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "kernel/panic/panic.h"
#include "kernel/power.h"
#include "kernel/time/clock.h"
#include "plat/metal/metal.h"
#include "plat/metal/ports.h"
#include "plat/metal/random.h"
#include "vm/net/served.h"

void *plat_alloc(size_t bytes) { return kmalloc(bytes != 0 ? bytes : 1); }
void *plat_realloc(void *mem, size_t bytes) { return krealloc(mem, bytes != 0 ? bytes : 1); }
void plat_free(void *mem) { kfree(mem); }
void *plat_reserve(size_t bytes) { return area_reserve(bytes); }
bool plat_commit(void *start, size_t bytes) { return area_commit(start, bytes); }

int64_t plat_monotonic_ns(void) { return clock_now_ns(); }
int64_t plat_wall_ns(void) { return rtc_wall_ns(); }
int64_t plat_cpu_ns(void) { return clock_now_ns() - poll_idle_ns(); }

/* There is no time zone: local time is UTC. */
int plat_utc_offset(int64_t utc_seconds)
{
    (void)utc_seconds;
    return 0;
}

int64_t plat_local_to_utc(int64_t local_seconds, int dst)
{
    (void)dst;
    return local_seconds;
}

void plat_random(void *buf, size_t n) { random_bytes(buf, n); }

void plat_log(const char *text, size_t n) { log_write(text, n); }
void plat_print(const char *text, size_t n) { log_write(text, n); }

/* 0 is a power-off. Any other status is one too, for people; under test it leaves QEMU with a failing status. */
static void end(int status)
{
    if (status == 0) {
        klog("halt");
        power_off();
    }
    klog("halt: status %d", status);
    power_test_exit(false);
}

/* No crash dumps: there is no file system below the machine. */
bool plat_dump_begin(void) { return false; }
bool plat_dump_write(const char *bytes, size_t n)
{
    (void)bytes;
    (void)n;
    return false;
}
void plat_dump_end(bool complete) { (void)complete; }

_Noreturn void plat_halt(int status) { poll_run_out(end, status); }
_Noreturn void plat_panic(void) { panic_here(); }
_Noreturn void plat_give_up(void) { panic_here(); }

const NativeRow *plat_natives(void) { return metal_natives; }
const struct PortDriver *const *plat_port_drivers(void) { return ports_drivers(); }
const struct SocketOps *plat_sockets(void) { return &served_sockets; }
const struct EsockOps *plat_esocks(void) { return NULL; }

void plat_info(PlatInfo *info)
{
    *info = (PlatInfo){.os_family = "unix", .os_name = "loom", .version = {0, 1, 0}, .cpus = acpi_info()->cpu_count};
}
