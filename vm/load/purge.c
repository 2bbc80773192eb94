/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While old code is being purged, the purger asks each process whether it runs it. A process that
 * has answered could enter that code again by a fun: so calls of its funs wait, as
 * erts_code_purger:pending_purge_lambda/3 (op_call.c) in a suspended process, until the purge is
 * over, and are then made again with what is there by then.
 */
#include "vm/load/code.h"
#include "vm/proc/suspend.h"

static SpinLock callers_lock; /* of all Module.callers */

static bool in_code(const Instance *in, const Word *ip)
{
    return (uintptr_t)ip - (uintptr_t)in->code < in->code_words * sizeof(Word);
}

void module_purge_begin(Module *m)
{
    for (size_t i = 0; i < m->old->fun_count; i++) {
        FunEntry *e = m->old->funs[i];
        if (in_code(m->old, e->addr)) {
            e->held = e->addr;
            __atomic_store_n(&e->addr, e->stub, __ATOMIC_RELEASE);
        }
    }
}

static void release_callers(Module *m)
{
    spin_lock(&callers_lock);
    Term *callers = m->callers;
    size_t n = m->caller_count;
    m->callers = NULL;
    m->caller_count = m->caller_capacity = 0;
    spin_unlock(&callers_lock);
    for (size_t i = 0; i < n; i++) {
        suspend_end(callers[i]);
    }
    vm_free(callers);
}

static void end_purge(Module *m, bool code_stays)
{
    for (size_t i = 0; i < m->old->fun_count; i++) {
        FunEntry *e = m->old->funs[i];
        if (e->held && code_stays && e->addr == e->stub) { /* else newer code has it by now */
            __atomic_store_n(&e->addr, e->held, __ATOMIC_RELEASE);
        }
        e->held = NULL;
    }
    release_callers(m);
}

void module_purge_abort(Module *m)
{
    end_purge(m, true);
}

void module_purge_await(Module *m, Proc *p)
{
    spin_lock(&callers_lock);
    if (m->caller_count == m->caller_capacity) {
        m->caller_capacity = m->caller_capacity ? 2 * m->caller_capacity : 4;
        m->callers = vm_realloc(m->callers, m->caller_capacity * sizeof *m->callers);
    }
    m->callers[m->caller_count++] = p->id;
    spin_unlock(&callers_lock);
    suspend_begin(p);
}

void module_purge_old(Module *m)
{
    end_purge(m, false);
    module_unload_old(m);
}
