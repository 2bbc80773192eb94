/* SPDX-License-Identifier: Apache-2.0 */
/* What the bodies of match specifications may do to traces: filled into match_actions at boot. */
#include "vm/load/code.h"
#include "vm/proc/registry.h"
#include "vm/proc/stack.h"
#include "vm/term/binary.h"
#include "vm/trace/call.h"
#include "vm/trace/call_priv.h"
#include "vm/trace/seq.h"

/* A pid, or a registered name. */
static Proc *action_target(Term who)
{
    Term pid = is_atom(who) ? registry_find(who) : who;
    return pid != NONVALUE && is_local_pid(pid) ? proc_lookup(pid) : NULL;
}

/* The flags of the target change; it is traced by the tracer of the process that runs the specification. That may be
 * nobody: then the target is not traced any more, whatever its flags were. */
static bool change(Proc *p, Proc *target, Term tracer, uint32_t off, uint32_t on)
{
    tracer = tracer == NIL ? p->tracer : tracer;
    if (tracer == NIL) {
        off = TRACE_ALL;
        on = 0;
    } else if (!trace_tracer_alive(tracer)) {
        return false;
    } else if (target->trace_flags && target->tracer != tracer && trace_tracer_alive(target->tracer)) {
        return false;
    }
    if (target != p) {
        trace_change(target->id, tracer, off, on);
        return true;
    }
    uint32_t flags = (target->trace_flags & ~off) | on;
    target->tracer = flags ? tracer : NIL;
    __atomic_store_n(&target->trace_flags, flags, __ATOMIC_RELEASE);
    return true;
}

static Term action_switch(Proc *p, unsigned n, const Term *args, bool on, bool dry)
{
    Proc *target = n == 2 ? action_target(args[0]) : p;
    uint32_t flag = trace_flag_of(args[n - 1]);
    if (!target || !flag) {
        return NONVALUE;
    }
    if (!dry) {
        change(p, target, NIL, on ? 0 : flag, on ? flag : 0);
    }
    return A_true;
}

static Term action_enable(Proc *p, unsigned n, const Term *args, bool dry)
{
    return action_switch(p, n, args, true, dry);
}

static Term action_disable(Proc *p, unsigned n, const Term *args, bool dry)
{
    return action_switch(p, n, args, false, dry);
}

static bool flags_parse(Term list, uint32_t *flags, Term *tracer)
{
    *flags = 0;
    for (; is_cons(list); list = cons_tail(list)) {
        Term t = cons_head(list);
        uint32_t flag = is_atom(t) ? trace_flag_of(t) : 0;
        if (is_tuple_arity(t, 2) && tuple_elements(t)[0] == A_tracer && is_immed(tuple_elements(t)[1])) {
            *tracer = tuple_elements(t)[1];
        } else if (!flag) {
            return false;
        }
        *flags |= flag;
    }
    return is_nil(list);
}

static Term action_trace(Proc *p, unsigned n, const Term *args, bool dry)
{
    Proc *target = n == 3 ? action_target(args[0]) : p;
    Term tracer = NIL, none = NIL;
    uint32_t off, on;
    if (!target || !flags_parse(args[n - 2], &off, &none) || !flags_parse(args[n - 1], &on, &tracer)) {
        return NONVALUE;
    }
    return make_boolean(!dry && change(p, target, tracer, off, on));
}

static Term action_silent(Proc *p, unsigned n, const Term *args, bool dry)
{
    (void)n;
    uint32_t flags = args[0] == A_true ? p->trace_flags | TRACE_SILENT : p->trace_flags & ~(uint32_t)TRACE_SILENT;
    if (p->trace_flags && is_boolean(args[0]) && !dry) {
        __atomic_store_n(&p->trace_flags, flags, __ATOMIC_RELEASE);
    }
    return A_true;
}

static Term action_caller(Proc *p, unsigned n, const Term *args, bool dry)
{
    const Instance *in;
    const FunctionInfo *f = dry ? NULL : code_find(call_trace_caller(p), &in);
    (void)n;
    (void)args;
    return f ? heap_tuple3(p, in->name, f->name, make_small(f->arity)) : A_undefined;
}

static Term action_caller_line(Proc *p, unsigned n, const Term *args, bool dry)
{
    const Instance *in;
    const Word *ip = dry ? NULL : call_trace_caller(p);
    const FunctionInfo *f = dry ? NULL : code_find(ip, &in);
    Term file;
    unsigned line;
    (void)n;
    (void)args;
    if (!f) {
        return A_undefined;
    }
    Term where = code_find_line(in, ip, &file, &line) ? heap_tuple2(p, file, make_small(line)) : A_undefined;
    const Term e[] = {in->name, f->name, make_small(f->arity), where};
    return heap_tuple(p, 4, e);
}

static Term action_process_dump(Proc *p, unsigned n, const Term *args, bool dry)
{
    size_t size;
    (void)n;
    (void)args;
    (void)dry;
    char *text = stack_backtrace(p, true, &size);
    Term binary = binary_from_bytes(p, text, size);
    vm_free(text);
    return binary;
}

static Term action_set_seq_token(Proc *p, unsigned n, const Term *args, bool dry)
{
    (void)n;
    if (!dry) {
        return seq_trace_set(p, args[0], args[1], true) == NONVALUE ? NONVALUE : NIL;
    }
    Term token = p->seq_token;
    uint64_t clock = p->seq_clock, last = p->seq_last;
    Term result = seq_trace_set(p, args[0], args[1], true);
    p->seq_token = token;
    p->seq_clock = clock;
    p->seq_last = last;
    return result == NONVALUE ? NONVALUE : NIL;
}

void call_trace_init(void)
{
    match_actions = (MatchActions){
        .trace = action_trace,
        .enable_trace = action_enable,
        .disable_trace = action_disable,
        .silent = action_silent,
        .set_seq_token = action_set_seq_token,
        .process_dump = action_process_dump,
        .caller = action_caller,
        .caller_line = action_caller_line,
    };
}
