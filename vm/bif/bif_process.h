/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the natives about processes. */
#pragma once

#include "vm/bif/native.h"

/* An integer or map that max_heap_size takes (spawn option, process_flag, system_flag). Keeps what a map leaves out. */
bool max_heap_parse(Term t, size_t *words, unsigned *flags);
/* #{size, kill, error_logger} on p's heap. */
Term max_heap_term(Proc *p, size_t words, unsigned flags);
/* PRIO_ or -1; and back. */
int priority_parse(Term t);
Term priority_term(unsigned priority);
/* A process kept still by another, with its signals handled, so that what is asked of it is answered in order. */
typedef struct ProcessHold {
    Proc *claimed;
    bool alone;
} ProcessHold;
/* The process, which nobody runs until process_release(); NULL: it is dead or ending (release all the same). p itself
 * is given as it is. Pointers borrowed before are void afterwards. One that works costs the wait for its slice's end.
 * */
Proc *process_hold(Proc *p, Term pid, ProcessHold *hold);
void process_release(ProcessHold *hold);
/* p, which is not in the interpreter, copies what it has of literals being released. */
void process_leave_literals(Proc *p);
/* Collects another process's garbage. False: it is dead. */
bool process_collect(Proc *p, Term pid);
/* process_info(garbage_collection_info) of t in words, on p's heap. */
Term process_gc_info(Proc *p, const Proc *t);
