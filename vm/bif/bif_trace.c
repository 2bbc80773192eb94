/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Natives: who is traced for what. erlang:trace/3 is an Erlang wrapper around erts_internal:trace/3. A tracer is a
 * process or a port; {tracer, Module, State} is taken for erl_tracer only, since other tracer modules are libraries of
 * native functions, which this machine does not load: they are badarg, as a module without such functions is in OTP.
 */
#include "gen/natives.h"
#include "vm/proc/exception.h"
#include "vm/proc/msg.h"
#include "vm/proc/sched.h"
#include "vm/term/map.h"
#include "vm/trace/trace.h"

/* --- flags ------------------------------------------------------------------------------------------------------ */
typedef struct TraceFlags {
    uint32_t flags;
    Term tracer; /* NIL: none given */
    bool cpu_time;
} TraceFlags;

static bool is_tracer(Term t)
{
    return is_local_pid(t) || is_local_port(t);
}

/* {tracer, T} or {tracer, erl_tracer, T} */
static bool parse_tracer(Term option, TraceFlags *f)
{
    const Term *e = tuple_elements(option);
    Term tracer = is_tuple_arity(option, 2)                               ? e[1]
                  : is_tuple_arity(option, 3) && e[1] == A_erl_tracer ? e[2]
                                                                          : NONVALUE;
    if (tracer == NONVALUE || e[0] != A_tracer || !is_tracer(tracer)) {
        return false;
    }
    f->tracer = tracer;
    return true;
}

static bool parse_flags(Term list, TraceFlags *f)
{
    *f = (TraceFlags){0, NIL, false};
    for (; is_cons(list); list = cons_tail(list)) {
        Term t = cons_head(list);
        uint32_t flag = is_atom(t) ? trace_flag_of(t) : 0;
        if (t == A_cpu_timestamp) {
            f->cpu_time = true;
        } else if (!flag && !(is_tuple(t) && parse_tracer(t, f))) {
            return false;
        }
        f->flags |= flag;
    }
    return is_nil(list);
}

/* --- trace/3 ---------------------------------------------------------------------------------------------------- */
typedef struct Switching {
    Term tracer; /* NIL: as it is */
    bool on;
    uint32_t flags;
    int64_t count;
    bool refused;
} Switching;

static void switch_proc(Proc *p, void *arg)
{
    Switching *s = arg;
    bool done = trace_switch_proc(p, s->tracer, s->on, s->flags);
    s->count += done;
    s->refused = s->refused || !done;
}

static void switch_port(Port *port, void *arg)
{
    Switching *s = arg;
    s->count += trace_switch_port(port, s->tracer, s->on, s->flags);
}

static bool switch_one(Term who, Switching *s)
{
    Proc *target = is_local_pid(who) ? proc_lookup(who) : NULL;
    if (target) {
        switch_proc(target, s);
    } else if (is_local_port(who)) {
        ports_lock();
        Port *port = port_lookup(who);
        if (port) {
            switch_port(port, s);
        }
        ports_unlock();
    }
    return s->count == 1;
}

static void switch_new(Term *tracer_place, uint32_t *flags_place, const Switching *s)
{
    *flags_place = s->on ? *flags_place | s->flags : *flags_place & ~s->flags;
    *tracer_place = !*flags_place ? NIL : s->tracer != NIL ? s->tracer : *tracer_place;
}

/* False: no such set. */
static bool switch_set(Term set, Switching *s)
{
    bool all = set == A_all, existing = set == A_existing, new = set == A_new;
    bool procs = all || set == A_processes, ports = all || set == A_ports;
    bool old_procs = procs || existing || set == A_existing_processes, old_ports = ports || existing ||
        set == A_existing_ports;
    bool new_procs = procs || new || set == A_new_processes, new_ports = ports || new || set == A_new_ports;
    TraceDefaults *d = trace_defaults();
    if (old_procs) {
        proc_each(switch_proc, s);
    }
    if (old_ports) {
        ports_lock();
        port_each(switch_port, s);
        ports_unlock();
    }
    if (new_procs) {
        switch_new(&d->proc_tracer, &d->proc_flags, s);
    }
    if (new_ports) {
        switch_new(&d->port_tracer, &d->port_flags, s);
    }
    return old_procs || old_ports || new_procs || new_ports;
}

NATIVE(native_erts_internal_trace)
{
    TraceFlags f;
    if (!parse_flags(a[2], &f)) {
        return p_badarg_cause(p, A_badopt);
    }
    Switching s = {.on = a[1] == A_true, .flags = f.flags};
    s.tracer = !s.on ? NIL : f.tracer == NIL ? p->id : f.tracer;
    if (!is_boolean(a[1]) || (f.cpu_time && a[0] != A_all) || (f.tracer != NIL && !trace_tracer_alive(f.tracer))) {
        return p_badarg(p);
    }
    if (f.cpu_time) {
        trace_defaults()->cpu_times = s.on;
        if (!f.flags) {
            return make_small(0);
        }
    }
    bool one = is_immed(a[0]) && !is_atom(a[0]);
    bool done = one ? switch_one(a[0], &s) : is_atom(a[0]) && switch_set(a[0], &s);
    p_charge(p, s.count);
    if (one && s.refused) {
        exception_log(p, A_error, "** can only have one tracer per process~n", NIL);
    }
    return done ? make_small(s.count) : p_badarg(p);
}

/* All that p's tracer is to hear was pushed into its queue when it happened: what is sent now is behind it. */
NATIVE(native_trace_delivered)
{
    if (a[0] != A_all && !is_local_pid(a[0])) {
        return p_badarg(p);
    }
    Term ref = heap_new_ref(p);
    msg_send(p, p, heap_tuple3(p, A_trace_delivered, a[0], ref));
    return ref;
}

/* --- erl_tracer: what tracer modules may fall back on ------------------------------------------------------------- */
/* enabled(Tag, Tracer, Tracee) */
NATIVE(native_erl_tracer_enabled)
{
    if (!is_tracer(a[1])) {
        return p_badarg(p);
    }
    return !trace_tracer_alive(a[1]) ? A_remove : a[1] == a[2] ? A_discard : A_trace;
}

static uint32_t option_times(Term options)
{
    Term t = is_map(options) ? map_get(options, A_timestamp) : NONVALUE;
    return t == A_timestamp              ? TRACE_TIMESTAMP
           : t == A_monotonic            ? TRACE_MONOTONIC
           : t == A_strict_monotonic     ? TRACE_STRICT_MONOTONIC
                                         : 0;
}

/* trace(Tag, Tracer, Tracee, Term, Options) */
NATIVE(native_erl_tracer_trace)
{
    if (!is_tracer(a[1]) || !is_atom(a[0]) || !is_map(a[4])) {
        return p_badarg(p);
    }
    Term extra = map_get(a[4], A_extra), said = map_get(a[4], A_match_spec_result);
    TraceEvent e = {.tracee = a[2], .tracer = a[1], .flags = option_times(a[4]), .tag = a[0], .n = 1, .data = {a[3]},
                    .extra = said};
    if (extra != NONVALUE) {
        e.data[e.n++] = extra;
    }
    trace_send_event(&e);
    return A_ok;
}
