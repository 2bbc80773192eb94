/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between the virtual machine and the platform under it. vm/ calls these and nothing
 * else outside itself and lib/; plat/linux, plat/metal and plat/sim each implement all of them.
 * Everything that can differ from run to run (time, randomness, input) enters here.
 */
#pragma once

#include "lib/cstd.h"
#include "vm/term/term.h"

typedef struct Sched Sched;
typedef struct NativeRow NativeRow; /* bif.h */
struct PortDriver;                  /* vm/proc/port.h */
struct SocketOps;                   /* vm/net/socket.h */

/* Memory. NULL when there is none; plat_free(NULL) allowed. 16-byte aligned. Thread-safe. */
void *plat_alloc(size_t bytes);
void *plat_realloc(void *mem, size_t bytes);
void plat_free(void *mem);
/* Address space without memory, page-aligned; then memory (zeroed) in parts of it. NULL / false on failure. */
void *plat_reserve(size_t bytes);
bool plat_commit(void *start, size_t bytes);

/* Time. Monotonic nanoseconds since an arbitrary start; wall-clock nanoseconds since 1970 UTC. */
int64_t plat_monotonic_ns(void);
int64_t plat_wall_ns(void);
int64_t plat_cpu_ns(void); /* CPU time of this program, for statistics(runtime) */
/* Seconds east of UTC that local time is at that UTC second. */
int plat_utc_offset(int64_t utc_seconds);
/* Local seconds -> UTC seconds; dst: -1 unknown, 0 no, 1 yes. */
int64_t plat_local_to_utc(int64_t local_seconds, int dst);

/* Unpredictable bytes. */
void plat_random(void *buf, size_t n);

/* Schedulers: each runs on a thread (a core) of its own. Starts one that calls sched_main(s); false when it cannot. */
bool plat_start_scheduler(Sched *s);
/* Which scheduler the calling thread is. NULL before it has said so. */
Sched *plat_sched(void);
void plat_set_sched(Sched *s);
/* For a thread that waits for another for longer than a few instructions. */
void plat_relax(void);

/* Called by a scheduler between slices (timeout 0) and when it has nothing to run (timeout until the next timer; -1 =
 * none): lets the platform look at its event sources (descriptors, interrupts), which send messages through
 * vm/proc/msg.h and port.h. Returns early on an event or plat_wake. Events are for scheduler 0. While it sleeps it is
 * at a safe point: safe_sleep() before, safe_awake() after (vm/proc/safe.h). */
void plat_poll(Sched *s, int64_t timeout_ns);
/* Asked by scheduler 0 after every slice, so it costs next to nothing: an event waits, which plat_poll should not take
 * its usual time to look at. */
bool plat_is_pending(void);
/* From any thread: makes plat_poll of that scheduler return. */
void plat_wake(Sched *s);

/* Last-resort output (panic, slogans): the terminal's error output or the serial line. */
void plat_log(const char *text, size_t n);
/* What erlang:display writes: standard output where there is one. */
void plat_print(const char *text, size_t n);
/* A crash dump (vm/dump/dump.h). False: none is wanted or there is no place for it. */
bool plat_dump_begin(void);
bool plat_dump_write(const char *bytes, size_t n); /* false: no more can be written */
void plat_dump_end(bool complete);
/* Ends the machine: exit status of the program, or power-off. */
_Noreturn void plat_halt(int status);
/* Ends it at once, with status 1, whatever locks are held: there is no memory. Ports are not waited for. */
_Noreturn void plat_give_up(void);
/* A programmer's error was found: print a back trace, then abort or reset. */
_Noreturn void plat_panic(void);

/* What the platform adds: natives (files, hardware) and port drivers; arrays end with a zero row / NULL. */
const NativeRow *plat_natives(void);
const struct PortDriver *const *plat_port_drivers(void);
/* Behind the ports tcp_inet and udp_inet; NULL: the platform has no network. */
const struct SocketOps *plat_sockets(void);
/* Behind the module socket; NULL: there is none. */
const struct EsockOps *plat_esocks(void);

/* erlang:system_info(os_type) = {Family, Name}; os_version; logical processors. */
typedef struct PlatInfo {
    const char *os_family, *os_name; /* "unix","linux" · "loom","metal" */
    int version[3];
    unsigned cpus;
} PlatInfo;
void plat_info(PlatInfo *info);
