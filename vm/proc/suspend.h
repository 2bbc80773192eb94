/* SPDX-License-Identifier: Apache-2.0 */
/* suspend_process and resume_process: who suspends whom, counted. */
#pragma once

#include "vm/proc/proc.h"

/* target must be live and not p itself. */
void suspend_add(Proc *p, Proc *target);
/* False when p does not suspend it. */
bool suspend_remove(Proc *p, Term target);
/* The machine suspends p, which is running, and lets it run again. */
void suspend_begin(Proc *p);
void suspend_end(Term pid);
/* p ends: all that it suspended may run. */
void suspend_release_all(Proc *p);
