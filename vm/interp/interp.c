/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enters and leaves Erlang code. Between, instructions call each other (ops/op.h); in OP_LOOP builds the loop is here.
 * Comes from: proc/sched.c. Goes to: the instruction at p->ip.
 */
#include "vm/interp/interp.h"

#include "gen/ops.h"

const Word code_normal_exit[] = {(Word)(uintptr_t)op_normal_exit};
const Word code_yield_at_handler[] = {(Word)(uintptr_t)op_yield_at_handler};

void interp_save_x(Proc *p, const Term *x, const Word *ip, unsigned n)
{
    p->ip = ip;
    p->arity = n;
    Term *to = p->saved_x;
    if (n > SAVED_X_REGS) {
        if (p->saved_x_capacity < n) {
            p->saved_x_more = vm_realloc(p->saved_x_more, n * sizeof(Term));
            p->saved_x_capacity = n;
        }
        to = p->saved_x_more;
    }
    for (unsigned i = 0; i < n; i++) {
        to[i] = x[i];
    }
}

static void interp_load_x(Proc *p, Term *x)
{
    const Term *from = p->arity > SAVED_X_REGS ? p->saved_x_more : p->saved_x;
    for (unsigned i = 0; i < p->arity; i++) {
        x[i] = from[i];
    }
    p->arity = 0;
    if (p->saved_x_more) {
        vm_free(p->saved_x_more);
        p->saved_x_more = NULL;
        p->saved_x_capacity = 0;
    }
}

RunResult interp_run(Sched *s, Proc *p)
{
    interp_load_x(p, s->x);
    p->flags &= ~(unsigned)PF_HIBERNATED;
    p->fault_class = FAULT_NONE;
    const Word *ip = p->ip;
#ifdef OP_LOOP
    while (ip) {
        ip = ((OpFn)(uintptr_t)ip[0])(ip, p, s->x, p->stop, p->hp, p->fcalls);
    }
    return p->run_result;
#else
    return (RunResult)((OpFn)(uintptr_t)ip[0])(ip, p, s->x, p->stop, p->hp, p->fcalls);
#endif
}
