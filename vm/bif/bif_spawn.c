/* SPDX-License-Identifier: Apache-2.0 */
/* Natives that start processes: spawn, spawn_link, spawn_opt, spawn_request, spawn_system_process. */
#include "gen/natives.h"
#include "vm/bif/bif_process.h"
#include "vm/proc/monitor.h"
#include "vm/proc/msg.h"
#include "vm/proc/sched.h"
#include "vm/term/map.h"
#include "vm/trace/seq.h"

enum { MAX_ARITY = 255, SPAWN_COST = 30 };
enum { MIN_MAX_HEAP_WORDS = 233 };

bool max_heap_parse(Term t, size_t *words, unsigned *flags)
{
    Term size = t;
    if (is_map(t)) {
        static const struct {
            Term key;
            unsigned flag;
        } keys[] = {{A_kill, MAX_HEAP_KILL}, {A_error_logger, MAX_HEAP_LOG}};
        for (size_t i = 0; i < 2; i++) {
            Term v = map_get(t, keys[i].key);
            if (v != NONVALUE && !is_boolean(v)) {
                return false;
            }
            if (v != NONVALUE) {
                *flags = v == A_true ? *flags | keys[i].flag : *flags & ~keys[i].flag;
            }
        }
        size = map_get(t, A_size);
    }
    if (!is_small(size) || small_value(size) < 0 || (small_value(size) && small_value(size) < MIN_MAX_HEAP_WORDS)) {
        return false;
    }
    *words = (size_t)small_value(size);
    return true;
}

Term max_heap_term(Proc *p, size_t words, unsigned flags)
{
    Term kv[] = {A_size, make_small((int64_t)words),
                 A_kill, make_boolean(flags & MAX_HEAP_KILL),
                 A_error_logger, make_boolean(flags & MAX_HEAP_LOG)};
    return map_from_pairs(p, kv, 3);
}

static const Term priorities[PRIO_COUNT] = {A_max, A_high, A_normal, A_low};

int priority_parse(Term t)
{
    for (int i = 0; i < PRIO_COUNT; i++) {
        if (priorities[i] == t) {
            return i;
        }
    }
    return -1;
}

Term priority_term(unsigned priority)
{
    return priorities[priority];
}

/* --- options ------------------------------------------------------------------------------------------ */
typedef struct SpawnRequest {
    SpawnOpts opts;
    bool is_request;        /* {reply, _} and {reply_tag, _} are allowed */
    bool reply_ok, reply_error;
    Term reply_tag;
} SpawnRequest;

static bool parse_count(Term t, size_t *n)
{
    if (!is_small(t) || small_value(t) < 0) {
        return false;
    }
    *n = (size_t)small_value(t);
    return true;
}

static bool parse_monitor(SpawnOpts *o, Term value)
{
    MonitorOpts mo;
    if (!monitor_parse_opts(value, &mo)) {
        return false;
    }
    o->monitor = true;
    o->monitor_opts_tag = mo.tag;
    o->monitor_alias = mo.alias == ALIAS_NONE ? NONVALUE : make_small(mo.alias);
    return true;
}

static bool parse_reply(SpawnRequest *r, Term value)
{
    if (value != A_yes && value != A_no && value != A_success_only && value != A_error_only) {
        return false;
    }
    r->reply_ok = value == A_yes || value == A_success_only;
    r->reply_error = value == A_yes || value == A_error_only;
    return true;
}

static bool parse_pair(SpawnRequest *r, Term key, Term value)
{
    SpawnOpts *o = &r->opts;
    size_t n;
    switch (key) {
    case A_monitor:
        return parse_monitor(o, value);
    case A_priority:
        o->priority = (uint8_t)priority_parse(value);
        return priority_parse(value) >= 0;
    case A_message_queue_data:
        o->off_heap_messages = value == A_off_heap;
        return value == A_off_heap || value == A_on_heap;
    case A_min_heap_size:
        if (!parse_count(value, &n)) {
            return false;
        }
        o->min_heap_words = n > o->min_heap_words ? n : o->min_heap_words;
        return true;
    case A_min_bin_vheap_size:
        return parse_count(value, &o->min_bin_vheap_words);
    case A_max_heap_size:
        return max_heap_parse(value, &o->max_heap_words, &o->max_heap_flags);
    case A_fullsweep_after:
        o->fullsweep_after = is_small(value) ? (unsigned)small_value(value) & 0xffff : 0;
        return parse_count(value, &n);
    case A_scheduler: /* numbered from 1; 0: bound to none */
        o->scheduler = is_small(value) ? (unsigned)small_value(value) : 0;
        return parse_count(value, &n) && n <= sched_count();
    case A_reply:
        return r->is_request && parse_reply(r, value);
    case A_reply_tag:
        r->reply_tag = value;
        return r->is_request;
    default:
        return false;
    }
}

/* False: an option is bad; the others are parsed all the same. */
static bool parse_spawn_opts(Proc *p, Term list, SpawnRequest *r)
{
    bool good = true;
    spawn_opts_default(&r->opts, p);
    for (; is_cons(list); list = cons_tail(list)) {
        Term option = cons_head(list);
        if (option == A_link) {
            r->opts.link = true;
        } else if (option == A_monitor) {
            parse_monitor(&r->opts, NIL);
        } else {
            good = is_tuple_arity(option, 2) &&
                   parse_pair(r, tuple_elements(option)[0], tuple_elements(option)[1]) && good;
        }
    }
    size_t max = r->opts.max_heap_words;
    return good && is_nil(list) && (max == 0 || max >= r->opts.min_heap_words);
}

static bool is_mfa(const Term *a)
{
    return is_atom(a[0]) && is_atom(a[1]) && list_length(a[2]) >= 0;
}

/* --- natives ----------------------------------------------------------------------------------------------- */
static Term spawn_checked(Proc *p, const Term *a, const SpawnOpts *o)
{
    Term ref = NONVALUE;
    if (!is_mfa(a)) {
        return p_badarg(p);
    }
    p_charge(p, SPAWN_COST);
    Term pid = list_length(a[2]) > MAX_ARITY ? NONVALUE : proc_spawn_mfa(p, a[0], a[1], a[2], o, &ref);
    if (pid == NONVALUE) {
        return p_system_limit(p);
    }
    return o->monitor ? heap_tuple2(p, pid, ref) : pid;
}

NATIVE(native_spawn_3)
{
    SpawnOpts o;
    spawn_opts_default(&o, p);
    return spawn_checked(p, a, &o);
}

NATIVE(native_spawn_link_3)
{
    SpawnOpts o;
    spawn_opts_default(&o, p);
    o.link = true;
    return spawn_checked(p, a, &o);
}

NATIVE(native_spawn_opt_4)
{
    SpawnRequest r = {0};
    if (!parse_spawn_opts(p, a[3], &r)) {
        return p_badarg_cause(p, A_badopt);
    }
    return spawn_checked(p, a, &r.opts);
}

NATIVE(native_spawn_system_process)
{
    SpawnOpts o;
    spawn_opts_default(&o, p);
    o.system = true;
    return spawn_checked(p, a, &o);
}

/* {ReplyTag, Ref, ok | error, Pid | Reason}: the answer to spawn_request, always by message. */
static void spawn_send_reply(Proc *p, const SpawnRequest *r, Term ref, Term status, Term what, Term token)
{
    Term e[] = {r->reply_tag, ref, status, what};
    Signal *s = signal_new_term(SIG_MESSAGE_FROM, p->id, 0, heap_tuple(p, 4, e), 0);
    if (token != NIL) {
        seq_trace_attach(s, token);
    }
    signal_push(p, s);
}

NATIVE(native_erts_internal_spawn_request)
{
    SpawnRequest r = {.is_request = true, .reply_ok = true, .reply_error = true, .reply_tag = A_spawn_reply};
    if (!is_mfa(a) || list_length(a[3]) < 0) {
        return A_badarg;
    }
    p_charge(p, SPAWN_COST);
    Term ref = NONVALUE, pid = NONVALUE, why = A_badopt, reply_token = NIL;
    if (parse_spawn_opts(p, a[3], &r)) {
        SeqSpawn sequence = {.options = a[3], .reply_tag = r.reply_tag, .reply_token = &reply_token};
        r.opts.sequence = r.reply_ok ? &sequence : NULL;
        why = A_system_limit;
        pid = list_length(a[2]) > MAX_ARITY ? NONVALUE : proc_spawn_mfa(p, a[0], a[1], a[2], &r.opts, &ref);
    }
    if (ref == NONVALUE) {
        ref = heap_new_ref(p);
    }
    if (pid == NONVALUE ? r.reply_error : r.reply_ok) {
        spawn_send_reply(p, &r, ref, pid == NONVALUE ? A_error : A_ok, pid == NONVALUE ? why : pid, reply_token);
    }
    return ref;
}

/* A request to this node is answered before spawn_request returns: there is nothing to abandon. */
NATIVE(native_spawn_request_abandon)
{
    return is_ref(a[0]) ? A_false : p_badarg(p);
}

/* erts_internal:dist_spawn_request(Node, {M, F, Args}, Options, spawn_request | spawn_opt): no other node can be
 * reached, so the answer is always a message that says so. spawn_opt wants {Ref, Monitor}. */
NATIVE(native_erts_internal_dist_spawn_request)
{
    SpawnRequest r = {.is_request = a[3] == A_spawn_request, .reply_ok = true, .reply_error = true,
                      .reply_tag = A_spawn_reply};
    if (!is_atom(a[0]) || !is_tuple_arity(a[1], 3) || !is_mfa(tuple_elements(a[1])) || list_length(a[2]) < 0) {
        return A_badarg;
    }
    Term why = parse_spawn_opts(p, a[2], &r) ? A_noconnection : A_badopt;
    Term ref = heap_new_ref(p);
    if (r.reply_error) {
        spawn_send_reply(p, &r, ref, A_error, why, NIL);
    }
    return r.is_request ? ref : heap_tuple2(p, ref, make_boolean(r.opts.monitor));
}
