/* SPDX-License-Identifier: Apache-2.0 */
/* Calls as natives (apply, hibernate) need them. */
#pragma once

#include "vm/proc/proc.h"

/* Where a call of fun f with n arguments in x goes; puts its free variables behind them. NULL after p_fault (badfun,
 * badarity). */
const Word *call_fun_target(Proc *p, Term *x, Term f, unsigned n);

/* Whether applying m:f/n can only raise, with a trace that begins with the function that applies it: in a tail call
 * that function's frame has to stay. */
bool apply_only_raises(Term m, Term f, unsigned n);
