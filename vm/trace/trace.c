/* SPDX-License-Identifier: Apache-2.0 */
/* See trace.h. The table of flags, who may trace whom, and how an event becomes a message to a process or a port. */
#include "vm/trace/trace.h"

#include "gen/ops.h"
#include "vm/load/code.h"
#include "vm/plat.h"
#include "vm/proc/clock.h"
#include "vm/proc/msg.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"
#include "vm/term/binary.h"
#include "vm/term/etf.h"
#include "vm/trace/trace_priv.h"

static struct Tracing {
    TraceDefaults defaults;
} tracing = {{.proc_tracer = NIL, .port_tracer = NIL}};

TraceDefaults *trace_defaults(void)
{
    return &tracing.defaults;
}

/* --- flags -------------------------------------------------------------------------------------------------- */
/* In the order in which trace_info/2 lists them. */
static const struct {
    Term name;
    uint32_t flag;
} flag_names[] = {
    {A_running_procs, TRACE_RUNNING_PROCS},
    {A_running_ports, TRACE_RUNNING_PORTS},
    {A_ports, TRACE_PORTS},
    {A_scheduler_id, TRACE_SCHEDULER_ID},
    {A_silent, TRACE_SILENT},
    {A_return_to, TRACE_RETURN_TO},
    {A_arity, TRACE_ARITY},
    {A_garbage_collection, TRACE_GC},
    {A_exiting, TRACE_EXITING},
    {A_running, TRACE_RUNNING},
    {A_set_on_first_link, TRACE_ON_FIRST_LINK},
    {A_set_on_link, TRACE_ON_LINK},
    {A_set_on_first_spawn, TRACE_ON_FIRST_SPAWN},
    {A_procs, TRACE_PROCS},
    {A_call, TRACE_CALL},
    {A_set_on_spawn, TRACE_ON_SPAWN},
    {A_receive, TRACE_RECEIVE},
    {A_send, TRACE_SEND},
    {A_monotonic_timestamp, TRACE_MONOTONIC},
    {A_strict_monotonic_timestamp, TRACE_STRICT_MONOTONIC},
    {A_timestamp, TRACE_TIMESTAMP},
};
enum { FLAG_COUNT = sizeof flag_names / sizeof *flag_names };

uint32_t trace_flag_of(Term name)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (flag_names[i].name == name) {
            return flag_names[i].flag;
        }
    }
    return name == A_all ? TRACE_ALL : 0;
}

Term trace_flag_list(Proc *p, uint32_t flags)
{
    Term list = NIL;
    for (size_t i = FLAG_COUNT; i > 0; i--) {
        if (flags & flag_names[i - 1].flag) {
            list = heap_cons_on(p, flag_names[i - 1].name, list);
        }
    }
    return list;
}

/* --- who is told ----------------------------------------------------------------------------------------------- */
bool trace_tracer_alive(Term tracer)
{
    if (!is_local_port(tracer)) {
        return proc_lookup(tracer) != NULL;
    }
    ports_lock();
    bool alive = port_lookup(tracer) != NULL;
    ports_unlock();
    return alive;
}

bool trace_switch(Term *tracer_place, uint32_t *flags_place, Term tracer, bool on, uint32_t flags)
{
    if (tracer != NIL && *flags_place && *tracer_place != tracer && trace_tracer_alive(*tracer_place)) {
        return false;
    }
    if (tracer != NIL && *flags_place && !trace_tracer_alive(*tracer_place)) {
        *flags_place = 0;
    }
    uint32_t now = on ? *flags_place | flags : *flags_place & ~flags;
    if (tracer != NIL || !now) {
        *tracer_place = now ? tracer : NIL;
    }
    __atomic_store_n(flags_place, now, __ATOMIC_RELEASE);
    return true;
}

bool trace_switch_proc(Proc *p, Term tracer, bool on, uint32_t flags)
{
    return trace_switch(&p->tracer, &p->trace_flags, tracer, on, flags);
}

bool trace_switch_port(Port *port, Term tracer, bool on, uint32_t flags)
{
    return trace_switch(&port->tracer, &port->trace_flags, tracer, on, flags);
}

/* --- messages --------------------------------------------------------------------------------------------------- */
static Term put_tuple(Term *at, unsigned n)
{
    at[0] = MAKE_HEADER(n, SUB_TUPLE);
    return make_boxed(at);
}

static Term time_now(Term *space)
{
    int64_t us = tracing.defaults.cpu_times ? plat_cpu_ns() / 1000 : clock_unique_us();
    space[1] = make_small(us / 1000000000000);
    space[2] = make_small(us / 1000000 % 1000000);
    space[3] = make_small(us % 1000000);
    return put_tuple(space, 3);
}

Term trace_time(uint32_t flags, Term space[TRACE_TIME_WORDS])
{
    if (flags & TRACE_TIMESTAMP) {
        return time_now(space);
    }
    if (!(flags & (TRACE_MONOTONIC | TRACE_STRICT_MONOTONIC))) {
        return NONVALUE;
    }
    Term *more = space + 3;
    Term time = build_int64(&more, clock_monotonic_ns());
    if (!(flags & TRACE_STRICT_MONOTONIC)) {
        return time;
    }
    space[1] = time;
    space[2] = build_int64(&more, clock_unique_monotonic());
    return put_tuple(space, 2);
}

static void tell_port(Port *port, Term message)
{
    EtfBuffer b = {0};
    static const uint8_t version = 131;
    etf_encode(&b, message, 2, false);
    uint8_t *bytes = vm_alloc(b.size + 1);
    bytes[0] = version;
    memcpy(bytes + 1, b.data, b.size);
    port_output_bytes(port, bytes, b.size + 1);
    vm_free(bytes);
    vm_free(b.data);
}

void trace_tell(Term tracer, Term message)
{
    if (is_local_port(tracer)) {
        ports_lock();
        Port *port = port_lookup(tracer);
        if (port) {
            tell_port(port, message);
        }
        ports_unlock();
        return;
    }
    Term copy;
    HeapFrag *frag = frag_copy_term(message, &copy);
    msg_send_frag(tracer, copy, frag);
}

void trace_send_event(const TraceEvent *e)
{
    Term tuple[TRACE_DATA_MAX + 8], time_space[TRACE_TIME_WORDS];
    unsigned n = 1;
    if (e->tracer == e->tracee) {
        return;
    }
    Term time = trace_time(e->flags, time_space);
    tuple[n++] = time == NONVALUE ? A_trace : A_trace_ts;
    tuple[n++] = e->tracee;
    tuple[n++] = e->tag;
    for (unsigned i = 0; i < e->n; i++) {
        tuple[n++] = e->data[i];
    }
    if (e->extra != NONVALUE) {
        tuple[n++] = e->extra;
    }
    if (e->flags & TRACE_SCHEDULER_ID) {
        tuple[n++] = make_small((int64_t)plat_sched()->index + 1);
    }
    if (time != NONVALUE) {
        tuple[n++] = time;
    }
    trace_tell(e->tracer, put_tuple(tuple, n - 1));
}

bool trace_proc_has_tracer(Proc *p)
{
    if (trace_tracer_alive(p->tracer)) {
        return true;
    }
    trace_switch_proc(p, NIL, false, TRACE_ALL);
    return false;
}

static void event_of(Proc *p, Term tag, unsigned n, const Term *data, Term extra)
{
    if (trace_proc_has_tracer(p)) {
        TraceEvent e = {.tracee = p->id, .tracer = p->tracer, .flags = p->trace_flags, .tag = tag, .n = n,
            .extra = extra};
        memcpy(e.data, data, n * sizeof *data);
        trace_send_event(&e);
    }
}

void trace_proc_event(Proc *p, Term tag, unsigned n, const Term *data)
{
    event_of(p, tag, n, data, NONVALUE);
}

void trace_port_event(Port *port, Term tag, unsigned n, const Term *data)
{
    if (!trace_tracer_alive(port->tracer)) {
        trace_switch_port(port, NIL, false, TRACE_ALL);
        return;
    }
    TraceEvent e = {.tracee = port->id, .tracer = port->tracer, .flags = port->trace_flags, .tag = tag, .n = n,
                    .extra = NONVALUE};
    memcpy(e.data, data, n * sizeof *data);
    trace_send_event(&e);
}

/* --- messages as events ------------------------------------------------------------------------------------------- */
/* Runs the pattern of sends or receives on the n arguments. False: no event. *extra: what {message, _} said, or
 * NONVALUE. */
static bool event_matches(Proc *p, Magic *spec, unsigned n, const Term *args, Term *extra)
{
    *extra = NONVALUE;
    if (!spec) {
        return true;
    }
    Term cells[2 * TRACE_DATA_MAX], list = NIL;
    for (unsigned i = n; i > 0; i--) {
        cells[2 * i - 2] = args[i - 1];
        cells[2 * i - 1] = list;
        list = make_list(&cells[2 * i - 2]);
    }
    MatchRun run;
    magic_retain(spec);
    match_start(&run, p, match_magic_prog(spec), true);
    Term said = match_run(&run, list);
    match_end(&run);
    magic_release(spec);
    if (said == NONVALUE || said == A_false || (p->trace_flags & TRACE_SILENT)) {
        return false;
    }
    *extra = said == A_true ? NONVALUE : said;
    return true;
}

void trace_message_sent(Proc *p, Term to, Term message)
{
    bool gone = is_local_pid(to) && !proc_lookup(to);
    Term args[] = {to, message}, data[] = {message, to}, extra;
    const TraceDefaults *d = &tracing.defaults;
    if (!d->send_off && event_matches(p, d->send_spec, 2, args, &extra)) {
        event_of(p, gone ? A_send_to_non_existing_process : A_send, 2, data, extra);
    }
}

void trace_message_received(Proc *p, Term from, Term message)
{
    Term args[] = {A_nonode, from, message}, extra;
    if (!is_local_pid(from)) {
        args[0] = from;
        args[1] = A_undefined;
    }
    const TraceDefaults *d = &tracing.defaults;
    if (!d->receive_off && event_matches(p, d->receive_spec, 3, args, &extra)) {
        event_of(p, A_receive, 1, &message, extra);
    }
}

/* --- birth and links ---------------------------------------------------------------------------------------------- */
/* The child begins with its parent's flags; `first` of them are used up on both sides. */
static void inherit(Proc *parent, Proc *child, uint32_t ever, uint32_t first)
{
    if (!(parent->trace_flags & (ever | first))) {
        return;
    }
    child->tracer = parent->tracer;
    child->trace_flags |= parent->trace_flags;
    if (parent->trace_flags & first) {
        child->trace_flags &= ~(ever | first);
        parent->trace_flags &= ~(ever | first);
    }
}

void trace_spawned(Proc *parent, Proc *child, Term m, Term f, Term args, bool linked)
{
    inherit(parent, child, TRACE_ON_SPAWN, TRACE_ON_FIRST_SPAWN);
    if (linked) {
        inherit(parent, child, TRACE_ON_LINK, TRACE_ON_FIRST_LINK);
    }
    const TraceDefaults *d = &tracing.defaults;
    if (!child->trace_flags && d->proc_flags) {
        trace_switch_proc(child, d->proc_tracer, true, d->proc_flags);
    }
    Term mfa[4] = {0, m, f, args};
    Term where = put_tuple(mfa, 3);
    if (trace_on(parent, TRACE_PROCS)) {
        Term data[] = {child->id, where};
        trace_proc_event(parent, A_spawn, 2, data);
        if (linked) {
            trace_proc_event1(parent, A_link, child->id);
        }
    }
    if (trace_on(child, TRACE_PROCS)) {
        Term data[] = {parent->id, where};
        trace_proc_event(child, A_spawned, 2, data);
        if (linked) {
            trace_proc_event1(child, A_getting_linked, parent->id);
        }
    }
}

/* In the context of the process itself. */
static void change_now(Proc *p, Signal *s, bool dead)
{
    uint32_t flags = (p->trace_flags & ~(uint32_t)(s->id >> 32)) | (uint32_t)s->id;
    bool other = s->head.term != NIL && p->trace_flags && p->tracer != s->head.term && trace_tracer_alive(p->tracer);
    if (!dead && !other) {
        p->tracer = flags ? s->head.term : NIL;
        __atomic_store_n(&p->trace_flags, flags, __ATOMIC_RELEASE);
    }
}

void trace_change(Term pid, Term tracer, uint32_t off, uint32_t on)
{
    Signal *s = signal_new_term(SIG_CALL, pid, (uint64_t)off << 32 | on, tracer, 0);
    s->call = change_now;
    signal_send(pid, s);
}

/* --- where it is -------------------------------------------------------------------------------------------------- */
/* The address where p continues; when that is in a helper of natives that no module shows, who called it. */
static const Word *shown_address(const Proc *p)
{
    bool helper = p->ip && *p->ip == (Word)(uintptr_t)op_call_native && !code_find(p->ip, NULL);
    return helper ? (const Word *)(uintptr_t)p->stop[0] - 1 : p->ip;
}

Term trace_where(const Proc *p, Term space[4])
{
    const Word *ip = shown_address(p);
    if (p->flags & PF_EXITING || !ip || !code_mfa(ip, space + 1)) {
        return make_small(0);
    }
    return put_tuple(space, 3);
}

void trace_scheduled(Proc *p, Term tag)
{
    Term space[4];
    trace_proc_event1(p, tag, trace_where(p, space));
}

void trace_collecting(Proc *p, bool full, bool start, size_t words)
{
    Term fields[TRACE_GC_ITEMS * 5];
    Term list = trace_gc_info(p, words, fields);
    Term tag = full ? (start ? A_gc_major_start : A_gc_major_end) : start ? A_gc_minor_start : A_gc_minor_end;
    trace_proc_event1(p, tag, list);
}

/* [{Key, Number}] at `at`, five words each. */
static Term pair_list(const Term *keys, const size_t *values, unsigned n, Term *at)
{
    Term list = NIL;
    for (unsigned i = n; i > 0; i--, at += 5) {
        at[0] = MAKE_HEADER(2, SUB_TUPLE);
        at[1] = keys[i - 1];
        at[2] = make_small((int64_t)values[i - 1]);
        at[3] = make_boxed(at);
        at[4] = list;
        list = make_list(at + 3);
    }
    return list;
}

Term trace_gc_info(const Proc *t, size_t words, Term *at)
{
    static const Term keys[TRACE_GC_ITEMS] = {
        A_wordsize, A_old_heap_block_size, A_heap_block_size, A_mbuf_size, A_recent_size, A_stack_size, A_old_heap_size,
        A_heap_size, A_bin_vheap_size, A_bin_vheap_block_size, A_bin_old_vheap_size, A_bin_old_vheap_block_size};
    size_t values[TRACE_GC_ITEMS] = {
        words, (size_t)(t->old_end - t->old_heap), (size_t)(t->stack_end - t->heap), t->frag_words,
        (size_t)(t->high_water - t->heap), (size_t)(t->stack_end - t->stop), (size_t)(t->old_hp - t->old_heap),
        (size_t)(t->hp - t->heap), t->off_heap.bytes / sizeof(Term), t->virtual_bytes / sizeof(Term), 0,
        t->min_bin_vheap_words};
    return pair_list(keys, values, TRACE_GC_ITEMS, at);
}

Term trace_monitor_info(const Proc *t, Term *at)
{
    static const Term keys[TRACE_MONITOR_ITEMS] = {A_old_heap_block_size, A_heap_block_size, A_mbuf_size,
                                                   A_stack_size, A_old_heap_size, A_heap_size};
    size_t values[TRACE_MONITOR_ITEMS] = {(size_t)(t->old_end - t->old_heap), (size_t)(t->stack_end - t->heap),
                                          t->frag_words, (size_t)(t->stack_end - t->stop),
                                          (size_t)(t->old_hp - t->old_heap), (size_t)(t->hp - t->heap)};
    return pair_list(keys, values, TRACE_MONITOR_ITEMS, at);
}

/* --- ports -------------------------------------------------------------------------------------------------------- */
void trace_port_opened(Proc *p, Port *port)
{
    const TraceDefaults *d = &tracing.defaults;
    if (p->trace_flags & (TRACE_ON_SPAWN | TRACE_ON_FIRST_SPAWN)) {
        trace_switch_port(port, p->tracer, true, p->trace_flags);
    } else if (d->port_flags) {
        trace_switch_port(port, d->port_tracer, true, d->port_flags);
    }
    if (trace_port_on(port, TRACE_PORTS)) {
        Term name = atom_put((const uint8_t *)port->label, strlen(port->label));
        Term data[] = {p->id, name == NONVALUE ? A_undefined : name};
        trace_port_event(port, A_open, 2, data);
    }
}

void trace_port_told(Proc *from, Port *port, Term what)
{
    size_t n;
    uint8_t *bytes = NULL;
    if (is_tuple_arity(what, 2) && tuple_elements(what)[0] == A_command) {
        bytes = iolist_to_memory(tuple_elements(what)[1], &n);
    }
    if (bytes) {
        what = heap_tuple2(from, A_command, binary_from_bytes(from, bytes, n));
        vm_free(bytes);
    }
    Term said[3] = {MAKE_HEADER(2, SUB_TUPLE), from->id, what};
    Term data[] = {make_boxed(said)};
    trace_port_event(port, A_receive, 1, data);
}

void trace_port_says(Port *port, Term to, Term message)
{
    Term data[] = {message, to};
    trace_port_event(port, A_send, 2, data);
}
