/* SPDX-License-Identifier: Apache-2.0 */
/* Funs and functions as values: make_fun, fun_info, is_function, apply, hibernate, function_exported. */
#include "gen/natives.h"
#include "vm/load/code.h"
#include "vm/ops/call.h"
#include "vm/proc/msg.h"
#include "vm/proc/sched.h"
#include "vm/term/binary.h"

enum { MAX_ARITY = 255, MAX_APPLIED = MAX_X_REGS - 2 };

static bool is_arity(Term t)
{
    return is_small(t) && (uint64_t)small_value(t) <= MAX_ARITY;
}

NATIVE(native_make_fun_3)
{
    if (!is_atom(a[0]) || !is_atom(a[1]) || !is_arity(a[2])) {
        return p_badarg(p);
    }
    ExportFun *f = (ExportFun *)heap_alloc(p, EXPORT_FUN_WORDS);
    f->header = MAKE_HEADER(1, SUB_EXPORT);
    f->export = export_put(a[0], a[1], (unsigned)small_value(a[2]));
    return make_boxed((Term *)f);
}

static unsigned fun_arity(Term f)
{
    return is_local_fun(f) ? fun_ptr(f)->entry->arity : export_arity(export_fun_export(f));
}

NATIVE(native_is_function_1)
{
    (void)p;
    return make_boolean(is_any_fun(a[0]));
}

NATIVE(native_is_function_2)
{
    if (!is_integer(a[1]) || (is_small(a[1]) ? small_value(a[1]) < 0 : big_is_negative(a[1]))) {
        return p_badarg(p);
    }
    return make_boolean(is_any_fun(a[0]) && is_small(a[1]) && fun_arity(a[0]) == (uint64_t)small_value(a[1]));
}

/* --- fun_info ------------------------------------------------------------------------------------------ */
static Term local_fun_item(Proc *p, const Fun *f, Term item)
{
    const FunEntry *e = f->entry;
    switch (item) {
    case A_type:
        return A_local;
    case A_module:
        return e->module;
    case A_name: /* nobody knows while its code is not there */
        return __atomic_load_n(&e->addr, __ATOMIC_RELAXED) == e->stub ? NIL : e->name;
    case A_arity:
        return make_small(e->arity);
    case A_env:
        return heap_list(p, e->free_count, f->env, NIL);
    case A_pid:
        return f->creator;
    case A_index:
        return make_small(e->old_index);
    case A_new_index:
        return make_small(e->index);
    case A_new_uniq:
        return binary_from_bytes(p, e->uniq, sizeof e->uniq);
    case A_uniq:
        return make_small(e->old_uniq);
    case A_refc:
        return make_small(1);
    default:
        return NONVALUE;
    }
}

static Term export_fun_item(const Export *e, Term item)
{
    switch (item) {
    case A_type:
        return A_external;
    case A_module:
        return export_module(e);
    case A_name:
        return export_function(e);
    case A_arity:
        return make_small(export_arity(e));
    case A_env:
        return NIL;
    case A_pid:
    case A_index:
    case A_new_index:
    case A_new_uniq:
    case A_uniq:
    case A_refc:
        return A_undefined;
    default:
        return NONVALUE;
    }
}

NATIVE(native_fun_info_2)
{
    if (!is_any_fun(a[0])) {
        return p_badarg(p);
    }
    Term value = is_local_fun(a[0]) ? local_fun_item(p, fun_ptr(a[0]), a[1])
                                    : export_fun_item(export_fun_export(a[0]), a[1]);
    return value == NONVALUE ? p_badarg(p) : heap_tuple2(p, a[1], value);
}

NATIVE(native_fun_info_mfa_1)
{
    if (is_local_fun(a[0])) {
        const FunEntry *e = fun_ptr(a[0])->entry;
        return heap_tuple3(p, e->module, e->name, make_small(e->arity));
    }
    if (!is_export_fun(a[0])) {
        return p_badarg(p);
    }
    const Export *e = export_fun_export(a[0]);
    return heap_tuple3(p, export_module(e), export_function(e), make_small(export_arity(e)));
}

/* --- calling -------------------------------------------------------------------------------------------- */
/* Spreads a proper list over x; -1 after a fault when it is none or too long (then x is as before). */
static int spread(Proc *p, Term *x, Term list)
{
    int64_t n = list_length(list);
    if (n < 0 || n > MAX_APPLIED) {
        n < 0 ? p_badarg(p) : p_system_limit(p);
        return -1;
    }
    for (int64_t i = 0; i < n; i++) {
        x[i] = cons_head(list);
        list = cons_tail(list);
    }
    return (int)n;
}

NATIVE(native_apply_2)
{
    Term f = a[0];
    int n = spread(p, a, a[1]);
    if (n < 0) {
        return NONVALUE;
    }
    const Word *target = call_fun_target(p, a, f, (unsigned)n);
    if (!target) {
        p->fault_hide_native = true;
        return NONVALUE;
    }
    p_fault(p, FAULT_TRAP, NIL);
    p->fault_ip = target;
    return NONVALUE;
}

/* error, exit and throw, which name their caller in the trace. Applied in a tail call they name who applied them. */
static NativeFn applied_raiser(Term m, Term f, int n)
{
    if (m != A_erlang) {
        return NULL;
    }
    switch (f) {
    case A_error:
        return n == 1 ? native_error_1 : n == 2 ? native_error_2 : n == 3 ? native_error_3 : NULL;
    case A_exit:
        return n == 1 ? native_exit_1 : NULL;
    case A_throw:
        return n == 1 ? native_throw_1 : NULL;
    default:
        return NULL;
    }
}

bool apply_only_raises(Term m, Term f, unsigned n)
{
    return applied_raiser(m, f, (int)n) != NULL;
}

NATIVE(native_apply_3)
{
    Term m, f;
    int n;
    do { /* applying apply/3 is one step, as it is for the instructions */
        m = a[0];
        f = a[1];
        if (!is_atom(m) || !is_atom(f)) {
            return p_badarg(p);
        }
        n = spread(p, a, a[2]);
        if (n < 0) {
            return NONVALUE;
        }
        p_charge(p, 1);
    } while (m == A_erlang && f == A_apply && n == 3);
    NativeFn raiser = applied_raiser(m, f, n);
    Export *e = export_put(m, f, (unsigned)n);
    if (raiser && !e->calls_traced) {
        return raiser(p, a);
    }
    p_fault(p, FAULT_TRAP, NIL);
    p->trap_export = e;
    return NONVALUE;
}

/* Throws the stack away, keeps little memory, and sleeps until there is a message; then M:F(Args...). */
NATIVE(native_hibernate_3)
{
    Term m = a[0], f = a[1];
    if (!is_atom(m) || !is_atom(f)) {
        return p_badarg(p);
    }
    int n = spread(p, a, a[2]);
    if (n < 0) {
        return NONVALUE;
    }
    p->stop = p->stack_end - 1;
    p->stop[0] = (Term)(uintptr_t)code_normal_exit;
    p_fault(p, FAULT_WAIT, NIL);
    p->trap_export = export_put(m, f, (unsigned)n);
    p->flags |= PF_HIBERNATED;
    msg_rewind(p);
    msg_fetch(p);
    if (p->flags & PF_EXITING) {
        return NONVALUE;
    }
    if (msg_current(p)) {
        sched_ready(p);
    } else {
        heap_hibernate_gc(p, a, (unsigned)n);
    }
    return NONVALUE;
}

/* --- what exists ------------------------------------------------------------------------------------------ */
NATIVE(native_function_exported_3)
{
    if (!is_atom(a[0]) || !is_atom(a[1]) || !is_small(a[2])) {
        return p_badarg(p);
    }
    /* OTP looks at the lower half of the number only. */
    uint32_t arity = (uint32_t)small_value(a[2]);
    if (!is_arity(make_small(arity))) {
        return A_false;
    }
    const Export *e = export_find(a[0], a[1], arity);
    return make_boolean((e && export_is_loaded(e)) || native_find(a[0], a[1], arity));
}

/* Those of prim_file that convert names are BIFs. */
bool native_is_library(Term m, Term f)
{
    if (m == A_prim_file) {
        return f != A_internal_name2native && f != A_internal_native2name && f != A_internal_normalize_utf8 &&
               f != A_is_translatable;
    }
    return m == A_prim_buffer || m == A_prim_socket || m == A_prim_net || m == A_zlib ||
           m == A_loom_hw || m == A_loom_bundle;
}

NATIVE(native_is_builtin_3)
{
    if (!is_atom(a[0]) || !is_atom(a[1]) || !is_small(a[2])) {
        return p_badarg(p);
    }
    return make_boolean(is_arity(a[2]) && !native_is_library(a[0], a[1]) &&
                        native_find(a[0], a[1], (unsigned)small_value(a[2])));
}
