/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of vm/trace. */
#pragma once

#include "vm/trace/trace.h"

/* A copy of `message` to a tracer: a process, or a port (as external format). */
void trace_tell(Term tracer, Term message);

/* [{Key, Number}] of a process's memory, built at `at` (five words each); `words`: what the collection is about. */
enum { TRACE_GC_ITEMS = 12 };
Term trace_gc_info(const Proc *t, size_t words, Term *at);
enum { TRACE_MONITOR_ITEMS = 6 };
Term trace_monitor_info(const Proc *t, Term *at); /* those that system_monitor/2 tells */
