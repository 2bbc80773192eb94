/* SPDX-License-Identifier: Apache-2.0 */
/* erlang:system_profile/2: one process is told when others, and schedulers, begin and stop having work. */
#pragma once

#include "vm/proc/sched.h"

enum { PROFILE_EXCLUSIVE = 1, PROFILE_PROCS = 2, PROFILE_PORTS = 4, PROFILE_SCHEDULERS = 8 };
typedef struct Profiling {
    uint32_t flags; /* atomic; 0: nobody profiles */
    uint32_t times; /* TRACE_ flags */
    Term tracer;    /* pid or port */
} Profiling;
extern Profiling profiling;

static inline bool profile_on(uint32_t flags)
{
    return __builtin_expect(__atomic_load_n(&profiling.flags, __ATOMIC_RELAXED) & flags, 0);
}
void profile_process(Proc *p, bool active);
void profile_scheduler(const Sched *s, bool active, unsigned working);
