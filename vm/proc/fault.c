/* SPDX-License-Identifier: Apache-2.0 */
/* Recording a fault in the running process; exception.c raises it. */
#include "vm/ops/fault.h"

#include "vm/heap/heap.h"
#include "vm/load/code.h"
#include "vm/proc/sched.h"

Term p_fault(Proc *p, FaultClass class, Term reason)
{
    p->fault_class = class;
    p->fault_reason = reason;
    p->fault_args = NONVALUE;
    p->fault_trace = NONVALUE;
    p->fault_cause = NONVALUE;
    p->fault_export = NULL;
    p->fault_hide_native = false;
    p->trap_export = NULL;
    return NONVALUE;
}

Term p_badarg(Proc *p)
{
    return p_fault(p, FAULT_ERROR, A_badarg);
}

Term p_badarith(Proc *p)
{
    return p_fault(p, FAULT_ERROR, A_badarith);
}

Term p_system_limit(Proc *p)
{
    return p_fault(p, FAULT_ERROR, A_system_limit);
}

Term p_notsup(Proc *p)
{
    return p_fault(p, FAULT_ERROR, A_notsup);
}

Term p_error2(Proc *p, Term tag, Term value)
{
    return p_fault(p, FAULT_ERROR, heap_tuple2(p, tag, value));
}

Term p_badarg_cause(Proc *p, Term cause)
{
    p_badarg(p);
    p->fault_cause = cause;
    return NONVALUE;
}

Term p_trap(Proc *p, struct Export *e, unsigned n, const Term *args)
{
    Term *x = p->sched->x;
    p_fault(p, FAULT_TRAP, NIL);
    p->trap_export = e;
    if (args) {
        memmove(x, args, n * sizeof *args);
    }
    return NONVALUE;
}

void fault_blame_bif(Proc *p, const Export *e, unsigned n, const Term *args)
{
    p->fault_export = e;
    if (p->fault_args == NONVALUE) {
        p->fault_args = heap_list(p, n, args, NIL);
    }
}

void fault_blame_operator(Proc *p, Term name, Term a, Term b)
{
    Term args[2] = {a, b};
    fault_blame_bif(p, export_put(A_erlang, name, 2), 2, args);
}

void fault_blame_unary(Proc *p, Term name, Term a)
{
    fault_blame_bif(p, export_put(A_erlang, name, 1), 1, &a);
}

void fault_blame_function(Proc *p, unsigned n, const Term *args)
{
    p->fault_args = heap_list(p, n, args, NIL);
}
