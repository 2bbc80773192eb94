/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between instructions and exception.c: whom the top of a stack trace names. After p_fault() and before RAISE().
 * All of them build the argument list on p's heap.
 */
#pragma once

#include "vm/load/code.h"
#include "vm/proc/proc.h"

/* The failing native `e` with its arguments. */
void fault_blame_bif(Proc *p, const Export *e, unsigned n, const Term *args);
/* erlang:Name/2 and erlang:Name/1. */
void fault_blame_operator(Proc *p, Term name, Term a, Term b);
void fault_blame_unary(Proc *p, Term name, Term a);
/* The function that the failing instruction stands in, with these arguments. */
void fault_blame_function(Proc *p, unsigned n, const Term *args);
