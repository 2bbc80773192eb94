/* SPDX-License-Identifier: Apache-2.0 */
/* See seq.h. Tokens are ordinary tuples on the heap of whoever holds them, never changed in place. */
#include "vm/trace/seq.h"

#include "vm/proc/sched.h"
#include "vm/term/number.h"
#include "vm/trace/trace_priv.h"

enum { T_FLAGS, T_LABEL, T_SERIAL, T_FROM, T_LAST, TOKEN_ARITY,
SEQ_TIMES = SEQ_TIMESTAMP | SEQ_STRICT_MONOTONIC | SEQ_MONOTONIC };

static struct SeqTracing {
    Term tracer; /* 0: nobody yet */
} seq;

Term seq_tracer(void)
{
    return seq.tracer && trace_tracer_alive(seq.tracer) ? seq.tracer : A_false;
}

bool seq_tracer_set(Term tracer)
{
    if (tracer != A_false && !trace_tracer_alive(tracer)) {
        return false;
    }
    seq.tracer = tracer;
    return true;
}

static const Term *fields(Term token)
{
    return tuple_elements(token);
}

static bool has_token(const Proc *p)
{
    return p->seq_token != NIL;
}

/* --- telling ------------------------------------------------------------------------------------------------- */
static uint32_t trace_times(unsigned flags)
{
    return (flags & SEQ_TIMESTAMP ? TRACE_TIMESTAMP : 0) | (flags & SEQ_STRICT_MONOTONIC ? TRACE_STRICT_MONOTONIC : 0) |
           (flags & SEQ_MONOTONIC ? TRACE_MONOTONIC : 0);
}

/* {seq_trace, Label, {What, {Last, Serial}, From, To, Message}[, Time]}, if the token asks for this kind and p, whose
 * event it is, has no secrets. */
static void tell(const Proc *p, Term token, unsigned kind, Term what, Term to, Term message)
{
    Term tracer = p->flags & PF_SENSITIVE ? A_false : seq_tracer();
    const Term *t = fields(token);
    unsigned flags = (unsigned)small_value(t[T_FLAGS]);
    if (!(flags & kind) || tracer == A_false || tracer == to || tracer == t[T_FROM]) {
        return;
    }
    Term time_space[TRACE_TIME_WORDS];
    Term serial[3] = {MAKE_HEADER(2, SUB_TUPLE), t[T_LAST], t[T_SERIAL]};
    Term event[6] = {MAKE_HEADER(5, SUB_TUPLE), what, make_boxed(serial), t[T_FROM], to, message};
    Term time = trace_time(trace_times(flags), time_space);
    Term whole[5] = {MAKE_HEADER(time == NONVALUE ? 3 : 4, SUB_TUPLE), A_seq_trace, t[T_LABEL], make_boxed(event),
        time};
    trace_tell(tracer, make_boxed(whole));
}

/* The token anew: its serial is the next one of p's clock. */
static void next_serial(Proc *p)
{
    Term t[TOKEN_ARITY];
    memcpy(t, fields(p->seq_token), sizeof t);
    t[T_SERIAL] = heap_uint64(p, ++p->seq_clock);
    t[T_LAST] = heap_uint64(p, p->seq_last);
    t[T_FROM] = p->id;
    p->seq_token = heap_tuple(p, TOKEN_ARITY, t);
}

void seq_trace_sent(Proc *p, Term to, Term message)
{
    if (p->id != seq.tracer) {
        next_serial(p);
        tell(p, p->seq_token, SEQ_SEND, A_send, to, message);
    }
}

bool seq_trace_print(Proc *p, Term info)
{
    if (!has_token(p)) {
        return false;
    }
    if (p->id != seq.tracer) {
        next_serial(p);
        tell(p, p->seq_token, SEQ_PRINT, A_print, NIL, info);
    }
    return true;
}

/* The clocks of a process that takes a token over. */
static void clocks_join(Proc *p)
{
    uint64_t serial = 0;
    integer_to_uint64(fields(p->seq_token)[T_SERIAL], &serial);
    p->seq_last = serial;
    p->seq_clock = p->seq_clock < serial ? serial : p->seq_clock;
}

void seq_trace_taken(Proc *p, const Message *m)
{
    if (m->token == A_undefined) {
        return;
    }
    p->seq_token = m->token;
    if (m->token != NIL) {
        if (!m->on_heap) {
            p->seq_token = heap_copy(p, m->token);
        }
        clocks_join(p);
        tell(p, p->seq_token, SEQ_RECEIVE, A_receive, p->id, m->term);
    }
}

void seq_trace_attach(Signal *s, Term token)
{
    Term *hp = signal_room(s, term_size(token));
    s->head.token = term_copy(token, &hp, &s->head.frag->off_heap);
}

void seq_trace_spawned(Proc *parent, Proc *child, const SeqSpawn *spawn, Term mfa, Term args)
{
    const Term ask[] = {A_spawn_request, spawn->ref, parent->id, parent->group_leader, mfa, spawn->options,
                        spawn->reply_tag, args};
    Term request = heap_tuple(parent, 8, ask);
    seq_trace_sent(parent, child->id, request);
    child->seq_token = heap_copy(child, parent->seq_token);
    clocks_join(child);
    tell(child, child->seq_token, SEQ_RECEIVE, A_receive, child->id, request);
    const Term say[] = {spawn->reply_tag, spawn->ref, A_ok, child->id};
    Term reply = heap_tuple(parent, 4, say);
    seq_trace_sent(child, parent->id, reply);
    Term token = heap_copy(parent, child->seq_token);
    if (spawn->reply_token) {
        *spawn->reply_token = token; /* the reply is a message: it will be taken like any other */
        return;
    }
    parent->seq_token = token;
    clocks_join(parent);
    tell(parent, parent->seq_token, SEQ_RECEIVE, A_receive, parent->id, reply);
}

/* --- setting ---------------------------------------------------------------------------------------------------- */
static unsigned flag_of(Term item)
{
    switch (item) {
    case A_send:
        return SEQ_SEND;
    case A_receive:
        return SEQ_RECEIVE;
    case A_print:
        return SEQ_PRINT;
    case A_timestamp:
        return SEQ_TIMESTAMP;
    case A_strict_monotonic_timestamp:
        return SEQ_STRICT_MONOTONIC;
    case A_monotonic_timestamp:
        return SEQ_MONOTONIC;
    default:
        return 0;
    }
}

/* The fields of p's token, or those of a new one. */
static void token_fields(Proc *p, Term t[TOKEN_ARITY])
{
    if (has_token(p)) {
        memcpy(t, fields(p->seq_token), TOKEN_ARITY * sizeof *t);
        return;
    }
    t[T_FLAGS] = t[T_LABEL] = make_small(0);
    t[T_SERIAL] = make_small(0);
    t[T_FROM] = p->id;
    t[T_LAST] = heap_uint64(p, p->seq_last);
}

static Term set_flag(Proc *p, unsigned flag, Term value, Term t[TOKEN_ARITY])
{
    if (!is_boolean(value)) {
        return NONVALUE;
    }
    unsigned flags = (unsigned)small_value(t[T_FLAGS]);
    Term old = make_boolean(has_token(p) && (flags & flag));
    flags = value == A_true ? flags | flag : flags & ~flag;
    t[T_FLAGS] = make_small(flags);
    return old;
}

/* {Last, Serial} */
static Term set_serial(Proc *p, Term value, Term t[TOKEN_ARITY])
{
    uint64_t last, serial;
    if (!is_tuple_arity(value, 2) || !is_integer(tuple_elements(value)[0]) || !is_integer(tuple_elements(value)[1]) ||
        !integer_to_uint64(tuple_elements(value)[0], &last) || !integer_to_uint64(tuple_elements(value)[1], &serial)) {
        return NONVALUE;
    }
    Term old = heap_tuple2(p, t[T_LAST], t[T_SERIAL]);
    p->seq_clock = serial;
    p->seq_last = last;
    t[T_SERIAL] = heap_uint64(p, serial);
    t[T_LAST] = heap_uint64(p, last);
    t[T_FROM] = p->id;
    return old;
}

Term seq_trace_set(Proc *p, Term item, Term value, bool quiet)
{
    Term t[TOKEN_ARITY], old;
    if (item == A_sequential_trace_token) {
        old = p->seq_token;
        if (value != NIL) {
            return NONVALUE;
        }
        p->seq_token = NIL;
        return quiet ? A_true : old;
    }
    token_fields(p, t);
    unsigned flag = is_atom(item) ? flag_of(item) : 0;
    if (flag) {
        old = set_flag(p, flag, value, t);
    } else if (item == A_label) {
        old = t[T_LABEL];
        t[T_LABEL] = quiet ? heap_copy(p, value) : value;
    } else if (item == A_serial) {
        old = set_serial(p, value, t);
    } else {
        old = NONVALUE;
    }
    if (old == NONVALUE) {
        return NONVALUE;
    }
    p->seq_token = heap_tuple(p, TOKEN_ARITY, t);
    return quiet ? A_true : old;
}

Term seq_trace_info(Proc *p, Term item)
{
    unsigned flag = is_atom(item) ? flag_of(item) : 0;
    const Term *t = has_token(p) ? fields(p->seq_token) : NULL;
    if (flag) {
        return heap_tuple2(p, item, make_boolean(t && (small_value(t[T_FLAGS]) & flag)));
    }
    if (item == A_label) {
        return t ? heap_tuple2(p, item, t[T_LABEL]) : NIL;
    }
    if (item == A_serial) {
        return t ? heap_tuple2(p, item, heap_tuple2(p, t[T_LAST], t[T_SERIAL])) : NIL;
    }
    return NONVALUE;
}

static void reset_one(Proc *p, void *arg)
{
    (void)arg;
    p->seq_token = NIL;
    p->seq_clock = p->seq_last = 0;
    for (Message *m = p->msg_first; m; m = m->next) {
        m->token = NIL;
    }
}

void seq_trace_reset_all(void)
{
    proc_each(reset_one, NULL);
}
