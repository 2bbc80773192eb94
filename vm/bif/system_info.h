/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of erlang:system_info/1, and the machine-wide settings that system_flag/2 changes and system_info/1
 * reports. */
#pragma once

#include "vm/proc/proc.h"

/* A key with a value that needs no argument. */
typedef struct SystemInfoRow {
    Term key;
    Term (*value)(Proc *p);
} SystemInfoRow;
/* Tables end with key NONVALUE. */
extern const SystemInfoRow system_info_rows[];

Term system_info_allocated_areas(Proc *p);
Term system_info_allocators(Proc *p);       /* alloc_util_allocators */
/* system_info({memory_internal | allocator_sizes | allocator, Ref, Types}): sends {Ref, 0, Data} to p. False: bad
 * arguments. */
bool system_info_send_memory(Proc *p, Term kind, Term ref, Term types);

enum { SYSTEM_VERSION_MAX = 128 };
void system_version_text(char *text, size_t cap);
/* In bytes, as erlang:memory/0 adds them up. Everybody else must stand still. */
typedef struct MemoryTotals {
    size_t processes, system, atom, binary, code, ets;
} MemoryTotals;
void system_memory_totals(MemoryTotals *totals);

/* Settings. Plain words: written by system_flag/2, which is rare. */
typedef struct SystemSettings {
    Term logger; /* system_flag(system_logger, _): a pid, `logger` or `undefined` */
    int64_t outstanding_requests_limit;
} SystemSettings;
SystemSettings *system_settings(void);
