/* SPDX-License-Identifier: Apache-2.0 */
/* What instructions ask of the interpreter when a process stops running for now. */
#pragma once

#include "vm/proc/sched.h"

/* Keeps x0..x(n-1) in the process: it resumes at ip. n <= MAX_X_REGS. */
void interp_save_x(Proc *p, const Term *x, const Word *ip, unsigned n);
