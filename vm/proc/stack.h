/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the stack of a process that is not in the interpreter: where it is, who called, as terms or text. */
#pragma once

#include "vm/load/code.h"
#include "vm/proc/proc.h"

/* Calls fn with the code addresses from the innermost outwards: where p continues, then the last words of the
 * calls that are to return (so that the line is the call's). Stops when fn returns false. With `in_call`, p->stop[0]
 * is where a native called just now returns to, and p->ip means nothing. */
void stack_each_address(const Proc *p, bool in_call, bool (*fn)(const Word *ip, void *arg), void *arg);
/* {M,F,A,[{file,F},{line,L}]} of a code address on p's heap; NONVALUE for an address outside of modules. */
Term stack_location(Proc *p, const Word *ip);
/* The text of process_info(_, backtrace), in memory to free with vm_free. */
char *stack_backtrace(const Proc *p, bool in_call, size_t *n);
