/* SPDX-License-Identifier: Apache-2.0 */
/* Natives that raise: error, exit, throw, raise, nif_error. */
#include "gen/natives.h"
#include "vm/proc/exception.h"
#include "vm/term/map.h"

/* The trace of these begins with the function that called them. */
static Term raise_hidden(Proc *p, FaultClass class, Term reason)
{
    p_fault(p, class, reason);
    p->fault_hide_native = true;
    return NONVALUE;
}

NATIVE(native_error_1)
{
    return raise_hidden(p, FAULT_ERROR, a[0]);
}

NATIVE(native_error_2)
{
    raise_hidden(p, FAULT_ERROR, a[0]);
    if (is_list(a[1])) {
        p->fault_args = a[1];
    }
    return NONVALUE;
}

/* The map of {error_info, Map} in the options, NONVALUE when there is none. */
static Term error_info_option(Term options)
{
    for (; is_cons(options); options = cons_tail(options)) {
        Term o = cons_head(options);
        if (is_tuple_arity(o, 2) && tuple_elements(o)[0] == A_error_info && is_map(tuple_elements(o)[1])) {
            return tuple_elements(o)[1];
        }
    }
    return NONVALUE;
}

NATIVE(native_error_3)
{
    native_error_2(p, a);
    p->fault_cause = error_info_option(a[2]);
    return NONVALUE;
}

NATIVE(native_exit_1)
{
    return raise_hidden(p, FAULT_EXIT, a[0]);
}

NATIVE(native_throw_1)
{
    return raise_hidden(p, FAULT_THROW, a[0]);
}

NATIVE(native_nif_error_1)
{
    return p_fault(p, FAULT_ERROR, a[0]);
}

NATIVE(native_nif_error_2)
{
    return p_fault(p, FAULT_ERROR, a[0]);
}

/* --- raise/3 ------------------------------------------------------------------------------------------ */
static bool is_location(Term t)
{
    for (; is_cons(t); t = cons_tail(t)) {
        if (!is_tuple_arity(cons_head(t), 2)) {
            return false;
        }
    }
    return is_nil(t);
}

/* {M, F, A}, {M, F, A, Location}, {Fun, Args}, {Fun, Args, Location}: with a location always; NONVALUE for anything
 * else. */
static Term stack_entry(Proc *p, Term t)
{
    if (!is_tuple(t) || tuple_arity(t) < 2 || tuple_arity(t) > 4) {
        return NONVALUE;
    }
    const Term *e = tuple_elements(t);
    size_t n = tuple_arity(t);
    if (is_any_fun(e[0])) {
        if (n == 2) {
            return heap_tuple3(p, e[0], e[1], NIL);
        }
        return n == 3 && is_location(e[2]) ? t : NONVALUE;
    }
    if (!is_atom(e[0]) || n < 3 || !is_atom(e[1]) || (!is_list(e[2]) && !is_small(e[2]))) {
        return NONVALUE;
    }
    if (n == 3) {
        Term fields[4] = {e[0], e[1], e[2], NIL};
        return heap_tuple(p, 4, fields);
    }
    return is_location(e[3]) ? t : NONVALUE;
}

/* The first entries, as many as a trace may have; NONVALUE when the list is no stack trace. */
static Term stack_list(Proc *p, Term list)
{
    unsigned n = 0, depth = exception_depth();
    Term out = NIL;
    for (; is_cons(list); list = cons_tail(list)) {
        Term entry = stack_entry(p, cons_head(list));
        if (entry == NONVALUE) {
            return NONVALUE;
        }
        if (n++ < depth) {
            out = heap_cons_on(p, entry, out);
        }
    }
    if (!is_nil(list)) {
        return NONVALUE;
    }
    Term result = NIL;
    for (; is_cons(out); out = cons_tail(out)) {
        result = heap_cons_on(p, cons_head(out), result);
    }
    return result;
}

NATIVE(native_raise_3)
{
    FaultClass class = a[0] == A_error ? FAULT_ERROR : a[0] == A_exit ? FAULT_EXIT : FAULT_THROW;
    Term list = stack_list(p, a[2]);
    if (list == NONVALUE || (class == FAULT_THROW && a[0] != A_throw)) {
        return A_badarg;
    }
    p_fault(p, class, a[1]);
    p->fault_trace = exception_raw_from_list(p, class, list);
    return NONVALUE;
}
