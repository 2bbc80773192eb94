/* SPDX-License-Identifier: Apache-2.0 */
/* system_monitor/2: who is told of what. The scheduler looks at it after each slice. */
#pragma once

#include "vm/proc/proc.h"

typedef struct SystemMonitor {
    Term pid; /* NONVALUE: nobody */
    int64_t long_schedule_ns, long_gc_ns; /* 0: not asked for */
    size_t large_heap_words;
    bool busy_port, busy_dist_port;
} SystemMonitor;
SystemMonitor *system_monitor(void);
/* p ran for `ns`, from the address `in`: tells the monitor when that is long. Only called while somebody monitors. */
void system_monitor_slice(Proc *p, const Word *in, int64_t ns);
/* A collection of p took `ns`; only called while somebody monitors. May not touch p's heap. */
void system_monitor_collected(Proc *p, int64_t ns);
/* p waits until that port is not busy. */
void system_monitor_busy_port(const Proc *p, Term port);
/* For tests: every collection seems to take so many milliseconds more. */
void system_monitor_test_gc_sleep(int64_t ms);
