/* SPDX-License-Identifier: Apache-2.0 */
/* Match specifications on terms: erlang:match_spec_test/3 and what ets:match_spec_run/2 is made of. */
#include "gen/natives.h"
#include "vm/ets/match.h"
#include "vm/load/code.h"

enum { RUN_BUDGET = 2000 };

NATIVE(native_ets_match_spec_compile)
{
    Magic *m = match_compile(p, a[0], MATCH_TABLE, NULL);
    return m ? heap_magic_ref(p, m) : p_badarg(p);
}

NATIVE(native_ets_is_compiled_ms)
{
    (void)p;
    return make_boolean(match_prog_of(a[0]) != NULL);
}

/* match_spec_run_r(List, Spec, Acc): the results in front of Acc, the last one first. */
NATIVE(native_ets_match_spec_run_r)
{
    const MatchProg *m = match_prog_of(a[1]);
    if (!m) {
        return p_badarg(p);
    }
    MatchRun r;
    match_start(&r, p, m, false);
    Term list = a[0], acc = a[2];
    size_t left = RUN_BUDGET;
    for (; is_cons(list) && left > 0; list = cons_tail(list), left--) {
        Term v = match_run(&r, cons_head(list));
        if (v != NONVALUE) {
            acc = heap_cons_on(p, v, acc);
        }
    }
    match_end(&r);
    p_charge(p, (intptr_t)(RUN_BUDGET - left));
    if (is_cons(list)) {
        const Term args[3] = {list, a[1], acc};
        return p_trap(p, export_put(A_ets, A_match_spec_run_r, 3), 3, args);
    }
    return is_nil(list) ? acc : p_badarg(p);
}

static Term flag_list(Proc *p, unsigned flags)
{
    Term list = NIL;
    if (flags & MATCH_EXCEPTION_TRACE) {
        list = heap_cons_on(p, A_exception_trace, list);
    }
    if (flags & MATCH_RETURN_TRACE) {
        list = heap_cons_on(p, A_return_trace, list);
    }
    return list;
}

/* {ok, Result, Flags, Warnings} | {error, [{error, String}]} */
NATIVE(native_match_spec_test)
{
    if ((a[2] != A_table && a[2] != A_trace) || (a[2] == A_trace && !is_list(a[0]))) {
        return p_badarg(p);
    }
    Term errors;
    Magic *spec = match_compile(p, a[1], a[2] == A_trace ? MATCH_TRACE : MATCH_TABLE, &errors);
    if (!spec) {
        return heap_tuple2(p, A_error, errors);
    }
    magic_retain(spec);
    MatchRun r;
    match_start(&r, p, match_magic_prog(spec), false);
    r.dry = true;
    Term v = match_run(&r, a[0]);
    const Term result[4] = {A_ok, v == NONVALUE ? A_false : v, v == NONVALUE ? NIL : flag_list(p, r.flags), NIL};
    Term tuple = heap_tuple(p, 4, result);
    match_end(&r);
    magic_release(spec);
    return tuple;
}
