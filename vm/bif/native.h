/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Natives: functions of Erlang modules written in C. The rows stand in vm/tab/native/<area>.tab (and those of a
 * platform in plat/<platform>/native.tab); tools/gentab makes prototypes and the table from them. A row:
 *
 *     module  function  arity  c_function  flags
 *
 * flags: `-` none, or of
 *     guard   callable in guards, pure; cannot trap
 *     dirty   long-running: charges reductions itself
 *     alone   every other scheduler stands still while it runs (safe.h): it changes code, or looks into other processes
 *     ports   it runs under the lock of the ports (port.h)
 *
 * A native gets the running process and its arguments a[0..arity-1] (the x registers: they are roots, and a native that
 * traps may overwrite them through p_trap). It returns the result, or NONVALUE after p_fault/p_badarg/p_trap.
 * It may allocate with heap_alloc (no collection happens while it runs). It charges reductions (p_charge)
 * in proportion to its work when that is unbounded.
 */
#pragma once

#include "vm/heap/heap.h"
#include "vm/proc/proc.h"
#include "vm/term/atom.h"
#include "vm/term/term.h"

typedef Term (*NativeFn)(Proc *p, Term *a);
enum { NATIVE_GUARD = 1, NATIVE_DIRTY = 2 };
struct NativeRow {
    const char *module, *function;
    unsigned arity;
    NativeFn fn;
    unsigned flags;
};
typedef struct NativeRow NativeRow;

#define NATIVE(name) Term name(Proc *p, Term *a)

/* NULL when there is none. */
const NativeRow *native_find(Term m, Term f, unsigned arity);
/* Whether OTP has it in a library that the machine loads rather than in the machine: what is_builtin/3 does not
 * count. */
bool native_is_library(Term m, Term f);
/* False: the module has none. Cheap. */
bool native_module(Term m);
void native_init(void); /* builds the lookup from the core table and plat_natives() */
/* i-th row of all, NULL past the end: for reports. */
const NativeRow *native_at(size_t i);

/* List helpers for natives. */
/* Length of a proper list, -1 when improper or no list. */
static inline int64_t list_length(Term t)
{
    int64_t n = 0;
    for (; is_cons(t); t = cons_tail(t)) {
        n++;
    }
    return is_nil(t) ? n : -1;
}
