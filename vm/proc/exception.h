/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions: raw stack traces, which are cheap to make, and what is made of them when somebody looks.
 *
 * A raw trace is a tuple {Class, Module, Function, Args, Info, Addresses}:
 *   Module, Function   the native on top, Args its arguments; Module = false: the top is the first address
 *   Args               for that top entry instead of the arity; false: none
 *   Info               its error_info map; false: none
 *   Addresses          code addresses in the limbs of an object that looks like an integer (so that the collector
 *                      passes over them), or a finished stack trace list
 * Only instructions see it. What looks different (from hostile code) is taken for an empty trace.
 */
#pragma once

#include "vm/proc/proc.h"

/* The list that a program sees: [{M, F, ArityOrArgs, Location}]. */
Term exception_stacktrace(Proc *p, Term raw);
/* What `catch` makes of an exception. */
Term exception_as_exit(Proc *p, Term class, Term value, Term raw);
FaultClass exception_raw_class(Term raw);
/* Records the exception again, to be raised with the trace it had. */
void exception_again(Proc *p, FaultClass class, Term value, Term raw);
/* A raw trace around a finished stack trace list, for erlang:raise/3. */
Term exception_raw_from_list(Proc *p, FaultClass class, Term list);
/* system_flag(backtrace_depth): returns the old one. */
unsigned exception_set_depth(unsigned depth);
unsigned exception_depth(void);
unsigned exception_depth_asked(void); /* 0 as well, which is 1 for exceptions */
/* Tells the logger, as the emulator does: a report of p with that level (A_error, A_warning), format and argument
 * list. */
void exception_log(Proc *p, Term level, const char *format, Term args);
