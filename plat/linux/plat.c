/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * vm/plat.h over Linux: memory, time, randomness, last words. Events are in poll.c.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "gen/natives_linux.h"
#include "plat/linux/drivers.h"
#include "plat/linux/esock.h"
#include "plat/linux/linux.h"
#include "plat/linux/socket.h"
#include "plat/linux/stress_alloc.h"
#include "vm/net/inet.h"
#include "vm/net/served.h"
#include "vm/proc/port.h"
#include "vm/proc/sched.h"

enum { NS_PER_S = 1000000000 };
enum { STATUS_ABORT = -1 }; /* plat_halt: dump core */

/* --- memory --------------------------------------------------------------------------------------- */
void *plat_alloc(size_t bytes)
{
    return stress_alloc_fails() ? NULL : malloc(bytes ? bytes : 1);
}

void *plat_realloc(void *mem, size_t bytes)
{
    return stress_alloc_fails() ? NULL : realloc(mem, bytes ? bytes : 1);
}

void plat_free(void *mem)
{
    free(mem);
}

void *plat_reserve(size_t bytes)
{
    void *area = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return area == MAP_FAILED ? NULL : area;
}

bool plat_commit(void *start, size_t bytes)
{
    return !stress_alloc_fails() && mprotect(start, bytes, PROT_READ | PROT_WRITE) == 0;
}

/* --- schedulers ------------------------------------------------------------------------------------- */
#if defined(__SANITIZE_THREAD__)
enum { SCHEDULER_STACK = 4 << 20 }; /* the sanitizer keeps its own state of a thread there */
#else
enum { SCHEDULER_STACK = 1 << 20 };
#endif
static __thread Sched *this_sched;

Sched *plat_sched(void)
{
    return this_sched;
}

void plat_set_sched(Sched *s)
{
    this_sched = s;
}

void plat_relax(void)
{
    sched_yield();
}

static void *scheduler_thread(void *s)
{
    sched_main(s);
}

bool plat_start_scheduler(Sched *s)
{
    poll_arm_waker(s->index);
    /* Signals are for the first thread. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, SCHEDULER_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool ok = pthread_create(&thread, &attr, scheduler_thread, s) == 0;
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return ok;
}

/* --- time ----------------------------------------------------------------------------------------- */
static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t plat_monotonic_ns(void)
{
    return determined_is_on() ? determined_now_ns() : clock_ns(CLOCK_MONOTONIC);
}

int64_t plat_wall_ns(void)
{
    return determined_is_on() ? determined_wall_ns() : clock_ns(CLOCK_REALTIME);
}

int64_t plat_cpu_ns(void)
{
    return determined_is_on() ? determined_now_ns() : clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int plat_utc_offset(int64_t utc_seconds)
{
    struct tm tm;
    time_t t = (time_t)utc_seconds;
    return localtime_r(&t, &tm) ? (int)tm.tm_gmtoff : 0;
}

int64_t plat_local_to_utc(int64_t local_seconds, int dst)
{
    struct tm tm;
    time_t t = (time_t)local_seconds;
    if (!gmtime_r(&t, &tm)) {
        return local_seconds;
    }
    tm.tm_isdst = dst;
    return (int64_t)mktime(&tm);
}

/* --- randomness ------------------------------------------------------------------------------------ */
void plat_random(void *buf, size_t n)
{
    uint8_t *at = buf;
    if (determined_is_on()) {
        determined_random(at, n);
        return;
    }
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            vm_panic("getrandom: %d", errno);
        }
        at += got;
        n -= (size_t)got;
    }
}

/* --- last words ------------------------------------------------------------------------------------ */
static void write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, text, n);
        if (put < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EAGAIN && poll_one(fd, WATCH_OUT, -1)) {
                continue;
            }
            return; /* nowhere to complain */
        }
        text += put;
        n -= (size_t)put;
    }
}

void plat_log(const char *text, size_t n)
{
    write_all(2, text, n);
}

void plat_print(const char *text, size_t n)
{
    write_all(1, text, n);
}

_Noreturn void plat_halt(int status)
{
    ports_lock();
    linux_flush_ports();
    tty_restore();
    if (status == STATUS_ABORT) {
        abort();
    }
    /* No exit handlers: other threads may still run. */
    fflush(NULL);
    _exit(stress_alloc_status(status));
}

_Noreturn void plat_give_up(void)
{
    tty_restore();
    _exit(1);
}

_Noreturn void plat_panic(void)
{
    void *frames[64];
    tty_restore();
    int n = backtrace(frames, 64);
    backtrace_symbols_fd(frames, n, 2);
    abort();
}

/* --- what there is ---------------------------------------------------------------------------------- */
const NativeRow *plat_natives(void)
{
    return linux_natives;
}

const PortDriver *const *plat_port_drivers(void)
{
    static const PortDriver *const drivers[] = {
        &fd_driver,         &vanilla_driver,  &spawn_driver,    &tty_driver,
        &trace_file_driver, &tcp_inet_driver, &udp_inet_driver, NULL,
    };
    return drivers;
}

/* LOOM_SOCKETS=service: sockets as on the metal, for trying the network service (doc/netstack.md). */
const SocketOps *plat_sockets(void)
{
    static const SocketOps *chosen;
    const SocketOps *ops = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (!ops) {
        const char *wish = getenv("LOOM_SOCKETS");
        ops = wish && strcmp(wish, "service") == 0 ? &served_sockets : &linux_sockets;
        __atomic_store_n(&chosen, ops, __ATOMIC_RELAXED);
    }
    return ops;
}

const EsockOps *plat_esocks(void)
{
    return &linux_esocks;
}

void plat_info(PlatInfo *info)
{
    struct utsname name;
    *info = (PlatInfo){.os_family = "unix", .os_name = "linux", .cpus = 1};
    if (uname(&name) == 0) {
        int *v = info->version;
        if (sscanf(name.release, "%d.%d.%d", &v[0], &v[1], &v[2]) < 1) {
            v[0] = 0;
        }
    }
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (cpus > 0) {
        info->cpus = (unsigned)cpus;
    }
}
