/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls: local, external, funs, apply, natives. Entering a function costs a reduction; the process that has none left
 * stops there, with the function's arguments saved.
 *
 * Natives are called in place wherever the loader knows them; the same function as an export's stub or as the body of a
 * function in a module is call_native. A native returns a value, or NONVALUE and what it wants in p->fault_class:
 * an exception, to call something in its place (FAULT_TRAP), or to be called again later (FAULT_WAIT).
 */
#include "vm/bif/native.h"
#include "vm/interp/interp.h"
#include "vm/load/code.h"
#include "vm/ops/call.h"
#include "vm/ops/fault.h"
#include "vm/ops/op.h"

#define UNLIKELY(c) __builtin_expect((c), 0)
#define NOINLINE static __attribute__((noinline))

/* ip is the entry that was about to be entered. */
OP_SLOW(yield_at_entry)
{
    OP_SAVE();
    interp_save_x(p, x, ip, (unsigned)ip[-1]);
    OP_LEAVE(RUN_YIELDED);
}
#define ENTER(target)                   \
    do {                                \
        ip = (target);                  \
        if (UNLIKELY(--fcalls < 0)) {   \
            OP_TAIL(yield_at_entry);    \
        }                               \
        GOTO(ip);                       \
    } while (0)

static inline const Word *export_addr(Word e)
{
    return __atomic_load_n(&((const Export *)(uintptr_t)e)->addr, __ATOMIC_ACQUIRE);
}

OP(call)
{
    E[0] = (Term)(uintptr_t)(ip + 2);
    ENTER(LABEL(1));
}
OP(move_yx_call)
{
    REG_X(2) = REG_Y(1);
    E[0] = (Term)(uintptr_t)(ip + 4);
    ENTER(LABEL(3));
}
OP(move_call_xx)
{
    REG_X(2) = REG_X(1);
    E[0] = (Term)(uintptr_t)(ip + 4);
    ENTER(LABEL(3));
}
OP(call_only) { ENTER(LABEL(1)); }
OP(call_last)
{
    E += ARG(2) + 1;
    ENTER(LABEL(1));
}
OP(move_call_only)
{
    REG_X(2) = REG_X(1);
    ENTER(LABEL(3));
}
OP(move_yx_call_last)
{
    REG_X(2) = REG_Y(1);
    E += ARG(4) + 1;
    ENTER(LABEL(3));
}
OP(move2_yx_call_last)
{
    REG_X(2) = REG_Y(1);
    REG_X(4) = REG_Y(3);
    E += ARG(6) + 1;
    ENTER(LABEL(5));
}
OP(move_yx_call_ext)
{
    REG_X(2) = REG_Y(1);
    E[0] = (Term)(uintptr_t)(ip + 4);
    ENTER(export_addr(ARG(3)));
}
OP(trim_call)
{
    E += ARG(1);
    E[0] = (Term)(uintptr_t)(ip + 3);
    ENTER(LABEL(2));
}
OP(call_ext)
{
    E[0] = (Term)(uintptr_t)(ip + 2);
    ENTER(export_addr(ARG(1)));
}
OP(call_ext_only) { ENTER(export_addr(ARG(1))); }
OP(call_ext_last)
{
    E += ARG(2) + 1;
    ENTER(export_addr(ARG(1)));
}

/* --- natives --------------------------------------------------------------------------------------------- */
/* A native asked for something unusual. x0 is its result if it had one. False: the process ends. */
NOINLINE bool native_settle(Proc *p, Term *x)
{
    if (p->flags & PF_EXITING) {
        return false;
    }
    return heap_collect_gc(p, STACK_RESERVE, x, 1);
}

/* Where a native that trapped wants to go. */
static const Word *native_trap_target(Proc *p)
{
    p->fault_class = FAULT_NONE;
    return p->trap_export ? export_addr((Word)(uintptr_t)p->trap_export) : p->fault_ip;
}

/* A native wants to be called again at `again` when the process is woken, or (trap_export set) to be done and resume
 * there. */
NOINLINE void native_wait(Proc *p, const Term *x, const Word *again, const Export *e)
{
    if (p->trap_export) {
        p->fault_class = FAULT_NONE;
        interp_save_x(p, x, p->trap_export->addr, export_arity(p->trap_export));
    } else {
        interp_save_x(p, x, again, export_arity(e));
    }
}

/* p->ip: for natives that look at the process. */
#define NATIVE_CALL()                             \
    fcalls--;                                     \
    OP_SAVE();                                    \
    p->ip = ip;                                   \
    Term r = ((NativeFn)(uintptr_t)ARG(1))(p, x); \
    OP_LOAD()
#define NATIVE_STORE()                                                       \
    do {                                                                     \
        x[0] = r;                                                            \
        if (UNLIKELY(p->flags & (PF_NEEDS_COLLECT | PF_EXITING))) {          \
            p->ip = ip;                                                      \
            if (!native_settle(p, x)) {                                      \
                OP_LEAVE(RUN_EXITED);                                        \
            }                                                                \
            OP_LOAD();                                                       \
        }                                                                    \
    } while (0)
/* NONVALUE but for a trap, which each instruction does after setting up its return. */
#define NATIVE_UNLESS_TRAP()                                       \
    if (p->flags & PF_EXITING) {                                   \
        OP_LEAVE(RUN_EXITED);                                      \
    }                                                              \
    if (p->fault_class == FAULT_WAIT) {                            \
        native_wait(p, x, ip, (const Export *)(uintptr_t)ARG(2));  \
        OP_LEAVE(RUN_WAITING);                                     \
    }                                                              \
    if (p->fault_class != FAULT_TRAP) {                            \
        RAISE();                                                   \
    }

/* error, exit, throw applied last, while traced: whoever applies them is to be found on the stack. */
static inline bool applies_traced_raiser(const Proc *p)
{
    const Export *e = p->trap_export;
    return e && e->calls_traced && apply_only_raises(export_module(e), export_function(e), export_arity(e));
}

OP(call_native)
{
    NATIVE_CALL();
    if (__builtin_expect(r != NONVALUE, 1)) {
        NATIVE_STORE();
        GOTO((const Word *)E[0]);
    }
    NATIVE_UNLESS_TRAP();
    ENTER(native_trap_target(p));
}
/* The native may decline: the function's own code follows. */
OP(call_assist)
{
    p->fault_class = FAULT_NONE;
    NATIVE_CALL();
    if (__builtin_expect(r != NONVALUE, 1)) {
        NATIVE_STORE();
        GOTO((const Word *)E[0]);
    }
    if (p->fault_class == FAULT_NONE) {
        fcalls++;
        NEXT(3);
    }
    NATIVE_UNLESS_TRAP();
    ENTER(native_trap_target(p));
}
OP(call_ext_native)
{
    NATIVE_CALL();
    if (__builtin_expect(r != NONVALUE, 1)) {
        NATIVE_STORE();
        NEXT(3);
    }
    NATIVE_UNLESS_TRAP();
    E[0] = (Term)(uintptr_t)(ip + 3);
    ENTER(native_trap_target(p));
}
OP(call_ext_native_only)
{
    NATIVE_CALL();
    if (__builtin_expect(r != NONVALUE, 1)) {
        NATIVE_STORE();
        GOTO((const Word *)E[0]);
    }
    NATIVE_UNLESS_TRAP();
    if (UNLIKELY(applies_traced_raiser(p))) {
        OP_TAIL(op_trap_traced);
    }
    ENTER(native_trap_target(p));
}
OP(call_ext_native_last)
{
    NATIVE_CALL();
    if (__builtin_expect(r != NONVALUE, 1)) {
        NATIVE_STORE();
        E += ARG(3) + 1;
        GOTO((const Word *)E[0]);
    }
    NATIVE_UNLESS_TRAP();
    E += ARG(3) + 1;
    if (UNLIKELY(applies_traced_raiser(p))) {
        OP_TAIL(op_trap_traced);
    }
    ENTER(native_trap_target(p));
}

/* --- funs ------------------------------------------------------------------------------------------------- */
NOINLINE const Word *fun_fail(Proc *p, Term reason_tag, Term value)
{
    p_error2(p, reason_tag, value);
    return NULL;
}

/* error_handler:Function(A, B, Args) instead of a function that is not there; NULL after a fault when that is
 * missing. */
static const Word *call_error_handler(Proc *p, Term *x, Term function, Term a, Term b, unsigned n)
{
    const Export *handler = export_put(p->error_handler, function, 3);
    const Word *addr = export_addr((Word)(uintptr_t)handler);
    if (!export_is_loaded(handler)) {
        return NULL;
    }
    Term args = heap_list(p, n, x, NIL);
    x[0] = a;
    x[1] = b;
    x[2] = args;
    return addr;
}

/* Its code is being purged: p waits at the beginning of a function that calls f again. */
static const Word *fun_held(Proc *p, Term *x, Term f, unsigned n, Module *m)
{
    const Export *again = export_put(A_erts_code_purger, A_pending_purge_lambda, 3);
    Term args = heap_list(p, n, x, NIL);
    x[0] = m->name;
    x[1] = f;
    x[2] = args;
    module_purge_await(m, p);
    p->reductions -= (uint64_t)p->fcalls; /* what is given up is not work done */
    p->fcalls = 0;
    return export_addr((Word)(uintptr_t)again);
}

NOINLINE const Word *fun_unloaded(Proc *p, Term *x, Term f, unsigned n)
{
    const FunEntry *e = fun_ptr(f)->entry;
    Module *m = module_find(e->module);
    if (e->held) {
        return fun_held(p, x, f, n, m);
    }
    if (m && m->current) { /* loaded, but without this fun: loading it again would not help */
        return fun_fail(p, A_badfun, f);
    }
    const Word *addr = call_error_handler(p, x, A_undefined_lambda, e->module, f, n);
    if (!addr) {
        p_fault(p, FAULT_ERROR, A_undef);
    }
    return addr;
}

/* Where a call of f with n arguments in x goes; free variables follow the arguments. NULL after a fault. */
static const Word *fun_target(Proc *p, Term *x, Term f, unsigned n)
{
    if (is_local_fun(f)) {
        const Fun *fun = fun_ptr(f);
        const FunEntry *e = fun->entry;
        if (UNLIKELY(e->arity != n)) {
            return fun_fail(p, A_badarity, heap_tuple2(p, f, heap_list(p, n, x, NIL)));
        }
        const Word *addr = __atomic_load_n(&e->addr, __ATOMIC_ACQUIRE);
        if (UNLIKELY(addr == e->stub)) {
            return fun_unloaded(p, x, f, n);
        }
        unsigned free_count = e->free_count;
        for (unsigned i = 0; i < free_count; i++) {
            x[n + i] = fun->env[i];
        }
        return addr;
    }
    if (is_export_fun(f)) {
        const Export *e = export_fun_export(f);
        if (export_arity(e) != n) {
            return fun_fail(p, A_badarity, heap_tuple2(p, f, heap_list(p, n, x, NIL)));
        }
        return export_addr((Word)(uintptr_t)e);
    }
    return fun_fail(p, A_badfun, f);
}

const Word *call_fun_target(Proc *p, Term *x, Term f, unsigned n)
{
    return fun_target(p, x, f, n);
}

#define FUN_TARGET(f)                                            \
    OP_SAVE();                                                   \
    const Word *to = fun_target(p, x, f, (unsigned)ARG(1));      \
    OP_LOAD();                                                   \
    if (UNLIKELY(!to)) {                                         \
        RAISE();                                                 \
    }
OP(call_fun)
{
    FUN_TARGET(x[ARG(1)]);
    E[0] = (Term)(uintptr_t)(ip + 2);
    ENTER(to);
}
OP(call_fun2)
{
    FUN_TARGET(SRC(2));
    E[0] = (Term)(uintptr_t)(ip + 3);
    ENTER(to);
}
OP(call_fun_last)
{
    FUN_TARGET(x[ARG(1)]);
    E += ARG(2) + 1;
    ENTER(to);
}
OP(call_fun2_last)
{
    FUN_TARGET(SRC(2));
    E += ARG(3) + 1;
    ENTER(to);
}

OP(make_fun3)
{
    Word n = ARG(3);
    Fun *fun = (Fun *)hp;
    fun->header = MAKE_HEADER(2 + n, SUB_FUN);
    fun->entry = (const FunEntry *)ARG(1);
    fun->creator = p->id;
    for (Word i = 0; i < n; i++) {
        fun->env[i] = op_source(ip[4 + i], x, E);
    }
    hp += FUN_WORDS(n);
    DST(2) = make_boxed((Term *)fun);
    NEXT(4 + n);
}

/* --- apply -------------------------------------------------------------------------------------------------- */
/* Module in x[n], function in x[n + 1]. */
NOINLINE const Word *apply_target(Proc *p, Term *x, unsigned n)
{
    Term m = x[n], f = x[n + 1];
    if (is_atom(m) && is_atom(f)) {
        return export_addr((Word)(uintptr_t)export_put(m, f, n));
    }
    Term args[3] = {m, f, heap_list(p, n, x, NIL)};
    p_badarg(p);
    fault_blame_bif(p, export_put(A_erlang, A_apply, 3), 3, args);
    return NULL;
}
#define APPLY_TARGET()                                                \
    OP_SAVE();                                                        \
    const Word *to = apply_target(p, x, (unsigned)ARG(1));            \
    OP_LOAD();                                                        \
    if (!to) {                                                        \
        RAISE();                                                      \
    }
OP(apply)
{
    APPLY_TARGET();
    E[0] = (Term)(uintptr_t)(ip + 2);
    ENTER(to);
}
/* Whether what erlang:f/n does with the arguments in x can only raise: also erlang:apply/3 of such a function. */
NOINLINE bool applied_raises(const Term *x, Term f, unsigned n)
{
    Term m = A_erlang, args = NIL;
    if (f == A_apply && n == 3) {
        m = x[0];
        f = x[1];
        args = x[2];
        while (m == A_erlang && f == A_apply && list_length(args) == 3) {
            m = cons_head(args);
            f = cons_head(cons_tail(args));
            args = cons_head(cons_tail(cons_tail(args)));
        }
        n = is_atom(f) ? (unsigned)list_length(args) : 0;
    }
    return m == A_erlang && apply_only_raises(m, f, n);
}
OP(apply_last)
{
    APPLY_TARGET();
    if (UNLIKELY(x[ARG(1)] == A_erlang) && applied_raises(x, x[ARG(1) + 1], (unsigned)ARG(1))) {
        E[0] = (Term)(uintptr_t)(ip + 3);
    } else {
        E += ARG(2) + 1;
    }
    ENTER(to);
}

/* --- what is not there ---------------------------------------------------------------------------------------- */
NOINLINE const Word *undefined_function(Proc *p, Term *x, const Export *e)
{
    unsigned n = export_arity(e);
    const Word *to = call_error_handler(p, x, A_undefined_function, export_module(e), export_function(e), n);
    if (!to) {
        p_fault(p, FAULT_ERROR, A_undef);
        fault_blame_bif(p, e, n, x);
    }
    return to;
}
OP(call_error_handler)
{
    OP_SAVE();
    const Word *to = undefined_function(p, x, (const Export *)ARG(1));
    OP_LOAD();
    if (!to) {
        RAISE();
    }
    ENTER(to);
}
/* Only code that was purged under a running call gets here: funs are checked before they are entered. */
OP(call_unloaded_fun)
{
    OP_SAVE();
    p_fault(p, FAULT_ERROR, A_undef);
    RAISE();
}

OP(normal_exit)
{
    OP_SAVE();
    p->fault_reason = A_normal;
    OP_LEAVE(RUN_EXITED);
}
OP(yield_at_handler)
{
    OP_SAVE();
    interp_save_x(p, x, p->handler_ip, 4);
    OP_LEAVE(RUN_YIELDED);
}
OP(code_end)
{
    OP_SAVE();
    p_fault(p, FAULT_ERROR, A_undef);
    RAISE();
}
