/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See call.h. A call is first looked at (specifications run, messages go out, all without moving a term), then room is
 * made and the frames are pushed: the innermost is the one that returns first.
 *
 * Rules that specifications and flags follow, as in OTP: nothing of the process's flags matters for meta traces; silent
 * quiets the process's own trace but not the specification; {message, false} sends nothing and keeps what else the
 * body asked.
 */
#include "vm/trace/call.h"

#include "gen/ops.h"
#include "vm/bif/native.h"
#include "vm/load/code.h"
#include "vm/lock.h"
#include "vm/proc/clock.h"
#include "vm/proc/idmap.h"
#include "vm/term/binary.h"
#include "vm/trace/call_priv.h"
#include "vm/trace/trace_priv.h"

enum { META_FLAGS = TRACE_CALL | TRACE_TIMESTAMP, MAX_FRAMES = 4 };

/* What a call leaves to be done at its return: frames, outermost first. */
typedef struct Pushes {
    unsigned count, words;
    struct Push {
        const Word *code;
        Term tracer; /* FRAME_RETURN */
        const Word *before; /* FRAME_TIME */
    } at[MAX_FRAMES];
} Pushes;

static void push_add(Pushes *f, const Word *code, Term tracer, const Word *before)
{
    f->at[f->count++] = (struct Push){code, tracer, before};
    f->words += call_frame_words((Term)(uintptr_t)code);
}

/* --- the caller ------------------------------------------------------------------------------------------- */
/* The first slot from `slot` on that no frame of tracing begins. */
static const Term *skip_frames(const Term *slot)
{
    for (unsigned n; (n = call_frame_words(*slot)) > 0;) {
        slot += n;
    }
    return slot;
}

const Word *call_trace_caller(const Proc *p)
{
    return call_frame_address(skip_frames(p->stop));
}

/* {M, F, Arity} of a code address in `space`; undefined when nothing is there. */
static Term caller_term(const Word *ip, Term space[4])
{
    const Instance *in;
    const FunctionInfo *f = code_find(ip, &in);
    if (!f) {
        return A_undefined;
    }
    space[0] = MAKE_HEADER(3, SUB_TUPLE);
    space[1] = in->name;
    space[2] = f->name;
    space[3] = make_small(f->arity);
    return make_boxed(space);
}

/* --- looking at a call ------------------------------------------------------------------------------------- */
/* The arguments as a list in `cells` (2 words each); match contexts appear as the rest of their binary. */
static Term arguments(Proc *p, const Term *x, unsigned arity, Term *cells)
{
    Term list = NIL;
    for (unsigned i = arity; i > 0; i--) {
        Term t = x[i - 1];
        if (is_boxed_sub(t, SUB_MATCH)) {
            const MatchCtx *m = (const MatchCtx *)(const void *)boxed_ptr(t);
            Term *hp = heap_alloc(p, SUB_BIN_WORDS);
            t = binary_build_sub(&hp, m->orig, m->offset, m->end - m->offset);
        }
        cells[2 * i - 2] = t;
        cells[2 * i - 1] = list;
        list = make_list(&cells[2 * i - 2]);
    }
    return list;
}

/* Runs the specification. NONVALUE: it does not match; else what the message is to say. */
static Term spec_run(Proc *p, Magic *spec, Term args, unsigned *asked)
{
    *asked = 0;
    if (!spec) {
        return A_true;
    }
    MatchRun run;
    match_start(&run, p, match_magic_prog(spec), false);
    Term said = match_run(&run, args);
    *asked = run.flags;
    match_end(&run);
    return said;
}

static void send_call(Proc *p, const Word *ip, Term args, Term tracer, uint32_t flags, Term said)
{
    Term mfa[4] = {MAKE_HEADER(3, SUB_TUPLE), ip[-3], ip[-2], args};
    if (flags & TRACE_ARITY) {
        mfa[3] = make_small((int64_t)ip[-1]);
    }
    trace_send_event(&(TraceEvent){.tracee = p->id, .tracer = tracer, .flags = flags, .tag = A_call, .n = 1,
                                   .data = {make_boxed(mfa)}, .extra = said == A_true ? NONVALUE : said});
}

static void push_return(Pushes *f, unsigned asked, Term tracer)
{
    if (asked & (MATCH_RETURN_TRACE | MATCH_EXCEPTION_TRACE)) {
        push_add(f, asked & MATCH_EXCEPTION_TRACE ? CODE_EXCEPTION_TRACE : CODE_RETURN_TRACE, tracer, NULL);
    }
}

/* True when a frame that reports the return to the same caller is there already. */
static bool returns_to_already(const Proc *p)
{
    const Term *slot = p->stop;
    for (unsigned n; (n = call_frame_words(*slot)) > 0; slot += n) {
        if (n == FRAME_TO) {
            return true;
        }
    }
    return false;
}

/* The process's own trace, local or global. */
static void call_own(Proc *p, const Word *ip, Term args, Magic *spec, bool local, Pushes *f)
{
    unsigned asked;
    Term tracer = p->tracer; /* the specification may take it away: this call is told all the same */
    if (!trace_proc_has_tracer(p)) {
        return;
    }
    Term said = spec_run(p, spec, args, &asked);
    if (said == NONVALUE || (p->trace_flags & TRACE_SILENT)) {
        return;
    }
    if (said != A_false) {
        send_call(p, ip, args, tracer, p->trace_flags, said);
        if (local && (p->trace_flags & TRACE_RETURN_TO) && !returns_to_already(p)) {
            push_add(f, CODE_RETURN_TO, NIL, NULL);
        }
    }
    push_return(f, asked, NIL);
}

static void call_meta(Proc *p, const Word *ip, Term args, Magic *spec, Term tracer, Pushes *f)
{
    unsigned asked;
    if (tracer == p->id) {
        return;
    }
    Term said = spec_run(p, spec, args, &asked);
    if (said == NONVALUE) {
        return;
    }
    if (said != A_false) {
        send_call(p, ip, args, tracer, META_FLAGS, said);
    }
    push_return(f, asked, tracer);
}

static void call_look(Proc *p, const Term *x, const Word *ip, Breakpoint *b, Pushes *f)
{
    Term cells[2 * 255];
    bool own = (b->kinds & BREAK_CALL) && trace_on(p, TRACE_CALL), local = b->kinds & BREAK_LOCAL;
    bool meta = (b->kinds & BREAK_META) && !(p->flags & PF_SENSITIVE);
    if (!own && !meta) {
        return;
    }
    Term args = arguments(p, x, (unsigned)ip[-1], cells);
    if (own) {
        call_own(p, ip, args, b->spec, local, f);
    }
    if (meta && !trace_tracer_alive(b->meta_tracer)) {
        __atomic_store_n(&b->meta_tracer, NIL, __ATOMIC_RELAXED); /* trace_info shows it from now on */
    } else if (meta) {
        call_meta(p, ip, args, b->meta_spec, b->meta_tracer, f);
    }
}

/* --- call_time ----------------------------------------------------------------------------------------------- */
static struct CallTimes {
    SpinLock lock; /* of Breakpoint.times */
} call_times;

static void times_lock(void) { spin_lock(&call_times.lock); }
static void times_unlock(void) { spin_unlock(&call_times.lock); }

static CallTimeItem *time_item(Breakpoint *b, Term pid)
{
    uint64_t *at = idmap_find(b->times, pid);
    if (at) {
        return (CallTimeItem *)(uintptr_t)*at;
    }
    CallTimeItem *item = vm_calloc(sizeof *item);
    idmap_put(&b->times, pid, (uint64_t)(uintptr_t)item);
    return item;
}

/* What p did since the last look belongs to the function it was in. */
static void time_settle(Proc *p, int64_t now)
{
    CallTime *t = p->call_time;
    Breakpoint *b = t->current ? breakpoint_find(t->current) : NULL;
    if (b && (b->kinds & BREAK_TIMING)) {
        time_item(b, p->id)->ns += now - t->since_ns;
    }
    t->since_ns = now;
}

static void time_enter(Proc *p, Breakpoint *b, Pushes *f)
{
    if (!p->call_time) {
        p->call_time = vm_calloc(sizeof *p->call_time);
    }
    const Word *before = p->call_time->current;
    time_settle(p, clock_uptime_ns());
    p->call_time->current = b->ip;
    time_item(b, p->id)->count++;
    if (f->count || call_frame_words(*p->stop) != FRAME_TIME) { /* a tail call: the frame of its caller serves */
        push_add(f, CODE_RETURN_TIME, NIL, before);
    }
}

void call_time_pause(Proc *p)
{
    times_lock();
    time_settle(p, clock_uptime_ns());
    times_unlock();
}

void call_time_resume(Proc *p)
{
    p->call_time->since_ns = clock_uptime_ns();
}

void call_time_free(Proc *p)
{
    call_time_pause(p);
    vm_free(p->call_time);
    p->call_time = NULL;
}

Term call_time_list(Proc *p, const Breakpoint *b)
{
    Term list = NIL;
    const IdSlot *s;
    times_lock();
    for (size_t i = 0; (s = idmap_next(b->times, &i));) {
        const CallTimeItem *item = (const CallTimeItem *)(uintptr_t)s->value;
        int64_t us = item->ns / 1000;
        const Term e[] = {s->key, heap_uint64(p, item->count), heap_int64(p, us / 1000000), make_small(us % 1000000)};
        list = heap_cons_on(p, heap_tuple(p, 4, e), list);
    }
    times_unlock();
    return list;
}

/* --- entering ------------------------------------------------------------------------------------------------- */
static void push_frames(Proc *p, const Word *ip, const Pushes *f)
{
    for (unsigned i = 0; i < f->count; i++) {
        const struct Push *push = &f->at[i];
        unsigned words = call_frame_words((Term)(uintptr_t)push->code);
        p->stop -= words;
        Term *frame = p->stop;
        frame[0] = (Term)(uintptr_t)push->code;
        if (words == FRAME_RETURN) {
            frame[1] = ip[-3];
            frame[2] = ip[-2];
            frame[3] = make_small((int64_t)ip[-1]);
            frame[4] = push->tracer;
        } else if (words == FRAME_TIME) {
            frame[1] = make_small((int64_t)(uintptr_t)push->before);
        }
    }
    p->flags |= PF_TRACE_FRAMES;
}

Word call_trace_enter(Proc *p, Term *x, const Word *ip)
{
    Pushes f = {0};
    Breakpoint *b = breakpoint_find(ip);
    call_look(p, x, ip, b, &f);
    if (b->kinds & BREAK_COUNTING) {
        __atomic_fetch_add(&b->count, 1, __ATOMIC_RELAXED);
    }
    if ((b->kinds & BREAK_TIMING) && trace_on(p, TRACE_CALL) && trace_proc_has_tracer(p)) {
        times_lock();
        time_enter(p, b, &f);
        times_unlock();
    }
    if (p->flags & PF_NEEDS_COLLECT || (size_t)(p->stop - p->hp) < f.words + STACK_RESERVE) {
        if (!heap_collect_gc(p, f.words + STACK_RESERVE, x, (unsigned)ip[-1])) {
            return 0;
        }
    }
    if (f.count) {
        push_frames(p, ip, &f);
    }
    return b->original;
}

/* --- returning ------------------------------------------------------------------------------------------------- */
/* {trace, P, Tag, {M, F, Arity}, Value} for a frame that watches a return. */
static void send_return(Proc *p, const Term *frame, Term tag, Term value)
{
    Term mfa[4] = {MAKE_HEADER(3, SUB_TUPLE), frame[1], frame[2], frame[3]};
    Term tracer = frame[4];
    uint32_t flags = META_FLAGS;
    if (tracer == NIL) {
        tracer = p->tracer;
        flags = p->trace_flags;
    }
    if ((p->flags & PF_SENSITIVE) || !(flags & TRACE_CALL) || (flags & TRACE_SILENT) || !trace_tracer_alive(tracer)) {
        return;
    }
    trace_send_event(&(TraceEvent){.tracee = p->id, .tracer = tracer, .flags = flags, .tag = tag, .n = 2,
                                   .data = {make_boxed(mfa), value}, .extra = NONVALUE});
}

void call_trace_return(Proc *p, Term value)
{
    send_return(p, p->stop, A_return_from, value);
    p->stop += FRAME_RETURN;
}

static void send_return_to(Proc *p, const Word *ip)
{
    Term space[4];
    if (trace_on(p, TRACE_RETURN_TO) && !(p->trace_flags & TRACE_SILENT)) {
        trace_proc_event1(p, A_return_to, caller_term(ip, space));
    }
}

void call_trace_return_to(Proc *p)
{
    p->stop += FRAME_TO;
    send_return_to(p, call_frame_address(skip_frames(p->stop)));
}

static void time_return(Proc *p, Term before)
{
    if (!p->call_time) {
        return;
    }
    times_lock();
    time_settle(p, clock_uptime_ns());
    p->call_time->current = (const Word *)(uintptr_t)small_value(before);
    times_unlock();
}

void call_trace_return_time(Proc *p)
{
    time_return(p, p->stop[1]);
    p->stop += FRAME_TIME;
}

void call_trace_unwind(Proc *p, const Term *end, Term class, Term value)
{
    Term what[3] = {MAKE_HEADER(2, SUB_TUPLE), class, value};
    bool to = false;
    const Word *back = NULL; /* what a caught exception returns to */
    for (const Term *slot = p->stop; slot <= end && slot < p->stack_end;) {
        unsigned n = call_frame_words(*slot);
        if (n == 0) {
            if (is_header(*slot) && *slot) {
                back = to ? call_frame_address(slot) : NULL;
                to = false;
            }
            slot++;
            continue;
        }
        if (n == FRAME_TO) {
            to = true;
        } else if (n == FRAME_TIME) {
            time_return(p, slot[1]);
        } else if (*slot == (Term)(uintptr_t)CODE_EXCEPTION_TRACE) {
            send_return(p, slot, A_exception_from, make_boxed(what));
        }
        slot += n;
    }
    if (end < p->stack_end && back) {
        send_return_to(p, back);
    }
}
