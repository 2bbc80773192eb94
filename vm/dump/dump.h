/* SPDX-License-Identifier: Apache-2.0 */
/* Crash dumps: the state of the whole machine as text, in the form that OTP's crashdump_viewer reads. doc/dumps.md. */
#pragma once

#include "lib/cstd.h"

/* Ends the machine with status 1, as OTP does when it must: the slogan goes to the log, then a dump is written where
 * the platform has a place for it, while all other schedulers stand still. On a scheduler that holds no lock. */
_Noreturn void dump_halt(const char *slogan, size_t n);

/* Parts of a dump as text, in memory to free with vm_free: what erlang:system_info(info, procs, loaded, dist) tells.
 * All other schedulers stand still meanwhile. */
typedef enum { DUMP_INFO, DUMP_PROCS, DUMP_LOADED, DUMP_DIST } DumpPart;
char *dump_text(DumpPart part, size_t *n);
