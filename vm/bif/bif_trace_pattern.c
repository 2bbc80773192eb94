/* SPDX-License-Identifier: Apache-2.0 */
/* Natives: which functions, sends and receives are traced, and what is known of that: trace_pattern/3, trace_info/2. */
#include "gen/natives.h"
#include "vm/trace/call.h"

/* --- patterns ------------------------------------------------------------------------------------------------- */
/* The match specification argument. False: a fault is set. *spec is retained, or NULL. */
static bool parse_spec(Proc *p, Term t, BreakpointWish *wish, Magic **spec)
{
    *spec = NULL;
    *wish = t == A_false ? BREAK_OFF : t == A_restart ? BREAK_RESTART : t == A_pause ? BREAK_PAUSE : BREAK_ON;
    if (*wish != BREAK_ON || t == A_true || t == NIL) {
        return true;
    }
    *spec = match_compile(p, t, MATCH_TRACE, NULL);
    if (!*spec) {
        p_badarg_cause(p, A_match_spec);
        return false;
    }
    magic_retain(*spec);
    return true;
}

/* {meta, T} or {meta, erl_tracer, T}: the tracer, or NONVALUE. */
static Term meta_tracer(Term option)
{
    const Term *e = is_tuple_arity(option, 2) || is_tuple_arity(option, 3) ? tuple_elements(option) : NULL;
    if (!e || e[0] != A_meta || (is_tuple_arity(option, 3) && e[1] != A_erl_tracer)) {
        return NONVALUE;
    }
    Term tracer = e[tuple_arity(option) - 1];
    return is_local_pid(tracer) || is_local_port(tracer) ? tracer : NONVALUE;
}

static bool parse_kinds(Proc *p, Term list, BreakpointRequest *r)
{
    bool global = false;
    r->meta_tracer = p->id;
    for (; is_cons(list); list = cons_tail(list)) {
        Term t = cons_head(list), tracer = is_tuple(t) ? meta_tracer(t) : NONVALUE;
        unsigned kind = t == A_local        ? BREAK_LOCAL
                        : t == A_meta       ? BREAK_META
                        : t == A_call_count ? BREAK_COUNT
                        : t == A_call_time  ? BREAK_TIME
                                            : 0;
        if (tracer != NONVALUE) {
            r->meta_tracer = tracer;
            kind = BREAK_META;
        }
        if (t != A_global && !kind) {
            return false;
        }
        global = global || t == A_global;
        r->kinds |= kind;
    }
    if (!is_nil(list) || (global && r->kinds)) {
        return false;
    }
    r->kinds = r->kinds ? r->kinds : BREAK_GLOBAL;
    return true;
}

/* {M, F, A}, where '_' may stand for the last ones. */
static bool parse_mfa(Term t, BreakpointPattern *pattern)
{
    *pattern = (BreakpointPattern){0};
    if (!is_tuple_arity(t, 3)) {
        return false;
    }
    const Term *e = tuple_elements(t);
    if (!is_atom(e[0]) || !is_atom(e[1]) || !(e[2] == A_underscore || is_small(e[2]))) {
        return false;
    }
    while (pattern->given < 3 && e[pattern->given] != A_underscore) {
        pattern->given++;
    }
    for (unsigned i = pattern->given; i < 3; i++) {
        if (e[i] != A_underscore) {
            return false;
        }
    }
    pattern->m = e[0];
    pattern->f = e[1];
    pattern->arity = is_small(e[2]) ? (unsigned)small_value(e[2]) : 0;
    return true;
}

/* send or receive: the specification of all such events. */
static Term event_pattern(Proc *p, Term event, const BreakpointRequest *r)
{
    TraceDefaults *d = trace_defaults();
    Magic **place = event == A_send ? &d->send_spec : &d->receive_spec;
    bool *off = event == A_send ? &d->send_off : &d->receive_off;
    if (r->kinds != BREAK_GLOBAL || r->wish == BREAK_RESTART || r->wish == BREAK_PAUSE) {
        return p_badarg_cause(p, A_badopt);
    }
    if (r->spec && match_is_about_calls(match_magic_prog(r->spec))) {
        return p_badarg_cause(p, A_match_spec);
    }
    Magic *before = *place;
    if (r->spec) {
        magic_retain(r->spec);
    }
    *place = r->spec;
    *off = r->wish == BREAK_OFF;
    if (before) {
        magic_release(before);
    }
    return make_small(1);
}

static Term pattern_apply(Proc *p, Term what, Term flags, BreakpointRequest *r)
{
    BreakpointPattern pattern;
    if (!parse_kinds(p, flags, r)) {
        return p_badarg_cause(p, A_badopt);
    }
    if (r->spec && !(r->kinds & (BREAK_CALL | BREAK_META))) {
        return p_badarg_cause(p, A_call_count);
    }
    if (what == A_send || what == A_receive) {
        return flags == NIL ? event_pattern(p, what, r) : p_badarg_cause(p, A_badopt);
    }
    if (what == A_on_load) {
        breakpoint_on_load(r);
        return make_small(0);
    }
    if (!parse_mfa(what, &pattern)) {
        return p_badarg_cause(p, A_none);
    }
    size_t n = breakpoint_apply(&pattern, r);
    p_charge(p, (intptr_t)n);
    return make_small((int64_t)n);
}

NATIVE(native_erts_internal_trace_pattern)
{
    BreakpointRequest r = {0};
    if (!parse_spec(p, a[1], &r.wish, &r.spec)) {
        return NONVALUE;
    }
    Term result = pattern_apply(p, a[0], a[2], &r);
    if (r.spec) {
        magic_release(r.spec);
    }
    return result;
}

/* --- trace_info ------------------------------------------------------------------------------------------------- */
static Term spec_term(Proc *p, Magic *spec)
{
    return spec ? heap_copy(p, match_prog_spec(match_magic_prog(spec))) : NIL;
}

/* What is known of a breakpoint under this key; NONVALUE: no such key. */
static Term break_item(Proc *p, const Breakpoint *b, Term key)
{
    unsigned kinds = b ? b->kinds : 0;
    switch (key) {
    case A_traced:
        return kinds & BREAK_GLOBAL ? A_global : kinds & BREAK_LOCAL ? A_local : A_false;
    case A_match_spec:
        return kinds & BREAK_CALL ? spec_term(p, b->spec) : A_false;
    case A_meta:
        return kinds & BREAK_META ? b->meta_tracer : A_false;
    case A_meta_match_spec:
        return kinds & BREAK_META ? spec_term(p, b->meta_spec) : A_false;
    case A_call_count:
        return kinds & BREAK_COUNT ? heap_uint64(p, __atomic_load_n(&b->count, __ATOMIC_RELAXED)) : A_false;
    case A_call_time:
        return kinds & BREAK_TIME ? call_time_list(p, b) : A_false;
    default:
        return NONVALUE;
    }
}

static Term break_all(Proc *p, const Breakpoint *b)
{
    static const Term keys[] = {A_call_count, A_call_time, A_meta_match_spec, A_meta, A_match_spec, A_traced};
    Term list = NIL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        list = heap_cons_on(p, heap_tuple2(p, keys[i], break_item(p, b, keys[i])), list);
    }
    return list;
}

static Term info_function(Proc *p, Term mfa, Term key)
{
    const Term *e = tuple_elements(mfa);
    if (!is_atom(e[0]) || !is_atom(e[1]) || !is_small(e[2])) {
        return p_badarg(p);
    }
    bool exists;
    const Breakpoint *b = breakpoint_of(e[0], e[1], (unsigned)small_value(e[2]), &exists);
    if (!b) {
        return heap_tuple2(p, key, exists ? A_false : A_undefined);
    }
    Term value = key == A_all ? break_all(p, b) : break_item(p, b, key);
    return value == NONVALUE ? p_badarg(p) : heap_tuple2(p, key, value);
}

static Term info_event(Proc *p, Term event, Term key)
{
    const TraceDefaults *d = trace_defaults();
    Magic *spec = event == A_send ? d->send_spec : d->receive_spec;
    bool off = event == A_send ? d->send_off : d->receive_off;
    if (key != A_match_spec) {
        return p_badarg(p);
    }
    return heap_tuple2(p, key, off ? A_false : spec ? spec_term(p, spec) : A_true);
}

static Term on_load_item(Proc *p, const BreakpointRequest *r, Term key)
{
    switch (key) {
    case A_traced:
        return r->kinds & BREAK_GLOBAL ? A_global : r->kinds & BREAK_LOCAL ? A_local : A_false;
    case A_match_spec:
        return r->kinds & BREAK_CALL ? spec_term(p, r->spec) : A_false;
    case A_meta:
        return r->kinds & BREAK_META ? r->meta_tracer : A_false;
    case A_meta_match_spec:
        return r->kinds & BREAK_META ? spec_term(p, r->spec) : A_false;
    case A_call_count:
        return make_boolean(r->kinds & BREAK_COUNT);
    case A_call_time:
        return make_boolean(r->kinds & BREAK_TIME);
    default:
        return NONVALUE;
    }
}

static Term info_on_load(Proc *p, Term key)
{
    static const Term keys[] = {A_call_count, A_meta_match_spec, A_meta, A_match_spec, A_traced};
    const BreakpointRequest *r = breakpoint_on_load_request();
    Term value;
    if (key != A_all) {
        value = on_load_item(p, r, key);
        return heap_tuple2(p, key, value == NONVALUE ? A_false : value);
    }
    value = NIL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && r->kinds; i++) {
        value = heap_cons_on(p, heap_tuple2(p, keys[i], on_load_item(p, r, keys[i])), value);
    }
    return heap_tuple2(p, key, r->kinds ? value : A_false);
}

static Term info_tracee(Proc *p, uint32_t flags, Term tracer, Term key)
{
    bool alive = tracer != NIL && trace_tracer_alive(tracer);
    if (key == A_flags) {
        return heap_tuple2(p, key, trace_flag_list(p, alive ? flags : 0));
    }
    return key == A_tracer ? heap_tuple2(p, key, alive ? tracer : NIL) : p_badarg(p);
}

static Term info_process(Proc *p, Term pid, Term key)
{
    Proc *target = proc_lookup(pid);
    if (!target) {
        return key == A_flags || key == A_tracer ? A_undefined : p_badarg(p);
    }
    return info_tracee(p, target->trace_flags, target->tracer, key);
}

NATIVE(native_trace_info)
{
    const TraceDefaults *d = trace_defaults();
    if (!is_atom(a[1])) {
        return p_badarg(p);
    }
    if (is_local_pid(a[0])) {
        return info_process(p, a[0], a[1]);
    }
    if (is_local_port(a[0])) {
        ports_lock();
        const Port *port = port_lookup(a[0]);
        Term info = port ? info_tracee(p, port->trace_flags, port->tracer, a[1]) : A_undefined;
        ports_unlock();
        return info;
    }
    if (is_tuple_arity(a[0], 3)) {
        return info_function(p, a[0], a[1]);
    }
    switch (a[0]) {
    case A_new:
    case A_new_processes:
        return info_tracee(p, d->proc_flags, d->proc_tracer, a[1]);
    case A_new_ports:
        return info_tracee(p, d->port_flags, d->port_tracer, a[1]);
    case A_on_load:
        return info_on_load(p, a[1]);
    case A_send:
    case A_receive:
        return info_event(p, a[0], a[1]);
    default:
        return p_badarg_cause(p, A_badopt);
    }
}
