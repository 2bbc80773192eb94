/* SPDX-License-Identifier: Apache-2.0 */
/* Natives: the processes there are, process flags, group leaders, suspension, system tasks. process_info is in its own
 * file. */
#include "vm/bif/bif_process.h"
#include "vm/load/code.h"

#include "gen/natives.h"
#include "vm/bif/bif_code.h"
#include "vm/proc/clock.h"
#include "vm/proc/idmap.h"
#include "vm/proc/safe.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"
#include "vm/proc/suspend.h"

NATIVE(native_self)
{
    (void)a;
    return p->id;
}

/* Others may spawn meanwhile: how many there are is known only afterwards. */
typedef struct PidList {
    Term *pids;
    size_t count, capacity;
} PidList;

static void add_pid(Proc *q, void *arg)
{
    PidList *l = arg;
    if (l->count == l->capacity) {
        l->capacity += l->capacity / 2;
        l->pids = vm_realloc(l->pids, l->capacity * sizeof(Term));
    }
    l->pids[l->count++] = q->id;
}

NATIVE(native_processes)
{
    (void)a;
    size_t capacity = proc_count() + 16;
    PidList l = {vm_alloc(capacity * sizeof(Term)), 0, capacity};
    proc_each(add_pid, &l);
    p_charge(p, (intptr_t)l.count / 8);
    Term list = heap_list(p, l.count, l.pids, NIL);
    vm_free(l.pids);
    return list;
}

Proc *process_hold(Proc *p, Term pid, ProcessHold *hold)
{
    *hold = (ProcessHold){NULL, false};
    Proc *other = proc_lookup(pid);
    if (other == p || !other) {
        return other;
    }
    if (sched_claim(other)) {
        hold->claimed = other;
    } else {
        safe_alone_begin();
        hold->alone = true;
        other = proc_lookup(pid); /* again: what was borrowed before is void */
    }
    if (other) {
        signal_handle_all(other);
    }
    if (!other || !(other->flags & PF_EXITING)) {
        return other;
    }
    if (p->priority < other->priority) { /* p may wait for its end */
        sched_raise(other, p->priority);
    }
    return NULL;
}

void process_release(ProcessHold *hold)
{
    if (hold->claimed) {
        sched_unclaim(hold->claimed);
    }
    if (hold->alone) {
        safe_alone_end();
    }
}

static bool process_alive(Proc *p, Term pid)
{
    ProcessHold hold;
    bool alive = process_hold(p, pid, &hold) != NULL;
    process_release(&hold);
    return alive;
}

NATIVE(native_is_process_alive_1)
{
    return is_local_pid(a[0]) ? make_boolean(process_alive(p, a[0])) : p_badarg(p);
}

/* erts_internal: the answer is a message {Ref, Bool}. */
NATIVE(native_erts_internal_is_process_alive_2)
{
    if (!is_local_pid(a[0]) || !is_ref(a[1])) {
        return p_badarg(p);
    }
    msg_send(p, p, heap_tuple2(p, a[1], make_boolean(process_alive(p, a[0]))));
    return A_ok;
}

NATIVE(native_erts_internal_is_system_process)
{
    Proc *other = proc_lookup(a[0]);
    return is_local_pid(a[0]) ? make_boolean(other && (other->flags & PF_SYSTEM)) : p_badarg(p);
}

/* --- group leaders ---------------------------------------------------------------------------------------- */
NATIVE(native_group_leader_0)
{
    (void)a;
    return p->group_leader;
}

/* Done when this returns, whatever the target's priority; behind earlier signals, which may end the target. */
static Term group_leader_set(Proc *p, Term leader, Term pid)
{
    if (!is_pid(leader) || !is_local_pid(pid)) {
        return A_badarg;
    }
    if (pid == p->id) {
        p->group_leader = leader;
        return A_true;
    }
    ProcessHold hold;
    Proc *target = process_hold(p, pid, &hold);
    bool done = target && signal_push(target, signal_new_term(SIG_GROUP_LEADER, p->id, 0, leader, 0));
    if (done) {
        signal_handle_all(target);
    }
    process_release(&hold);
    return done ? A_true : A_badarg;
}

NATIVE(native_erts_internal_group_leader_2)
{
    return group_leader_set(p, a[0], a[1]);
}

NATIVE(native_erts_internal_group_leader_3)
{
    if (!is_ref(a[2])) {
        return p_badarg(p);
    }
    msg_send(p, p, heap_tuple2(p, a[2], group_leader_set(p, a[0], a[1])));
    return A_ok;
}

/* --- flags of the process itself --------------------------------------------------------------------------------- */
static Term flag_set_bit(Proc *p, unsigned bit, Term value)
{
    if (!is_boolean(value)) {
        return p_badarg(p);
    }
    Term old = make_boolean(p->flags & bit);
    p->flags = value == A_true ? p->flags | bit : p->flags & ~bit;
    return old;
}

static Term flag_set_priority(Proc *p, Term value)
{
    int priority = priority_parse(value);
    if (priority < 0) {
        return p_badarg(p);
    }
    Term old = priority_term(p->priority);
    p->priority = (uint8_t)priority;
    return old;
}

static Term flag_set_max_heap(Proc *p, Term value)
{
    size_t words = p->max_heap_words;
    unsigned flags = p->max_heap_flags;
    if (!max_heap_parse(value, &words, &flags) || (words && words < p->min_heap_words)) {
        return p_badarg(p);
    }
    Term old = max_heap_term(p, p->max_heap_words, p->max_heap_flags);
    p->max_heap_words = words;
    p->max_heap_flags = flags;
    return old;
}

static Term flag_set_queue_data(Proc *p, Term value)
{
    if (value != A_on_heap && value != A_off_heap) {
        return p_badarg(p);
    }
    Term old = p->flags & PF_OFF_HEAP_MSGS ? A_off_heap : A_on_heap;
    p->flags = value == A_off_heap ? p->flags | PF_OFF_HEAP_MSGS : p->flags & ~PF_OFF_HEAP_MSGS;
    return old;
}

static Term flag_set_number(Proc *p, Term flag, Term value)
{
    if (!is_small(value) || small_value(value) < 0) {
        return p_badarg(p);
    }
    size_t n = (size_t)small_value(value), old;
    if (flag == A_min_heap_size) {
        old = p->min_heap_words;
        if (p->max_heap_words && n > p->max_heap_words) {
            return p_badarg(p);
        }
        p->min_heap_words = heap_next_size(n);
    } else if (flag == A_min_bin_vheap_size) {
        old = p->min_bin_vheap_words;
        p->min_bin_vheap_words = heap_next_size(n);
    } else {
        old = p->fullsweep_after;
        p->fullsweep_after = (unsigned)n & 0xffff;
    }
    return make_small((int64_t)old);
}

static Term flag_set_error_handler(Proc *p, Term value)
{
    if (!is_atom(value)) {
        return p_badarg(p);
    }
    Term old = p->error_handler;
    p->error_handler = value;
    return old;
}

/* Takes effect when p is scheduled next. */
static Term flag_bind(Proc *p, unsigned number)
{
    Term old = make_small(p->bound ? (int64_t)p->bound->index + 1 : 0);
    p->bound = number ? sched_get(number - 1) : NULL;
    if (!number || p->bound == p->sched || p->fcalls <= 0) {
        return old;
    }
    /* It is there when this returns: the rest of the slice is given up, and hd([Old]) stops where it enters. */
    p->reductions -= (uint64_t)p->fcalls;
    p->sched->reductions -= (uint64_t)p->fcalls;
    p->fcalls = 0;
    Term list = heap_cons_on(p, old, NIL);
    return p_trap(p, export_put(A_erlang, A_hd, 1), 1, &list);
}

/* Nodes never come up or go down: a subscription only has to be counted. */
static Term flag_set_monitor_nodes(Proc *p, Term value)
{
    Term old = flag_set_bit(p, PF_MONITOR_NODES, value);
    return old == NONVALUE ? old : make_small(old == A_true);
}

NATIVE(native_process_flag_2)
{
    switch (a[0]) {
    case A_trap_exit:
        return flag_set_bit(p, PF_TRAP_EXIT, a[1]);
    case A_sensitive:
        return flag_set_bit(p, PF_SENSITIVE, a[1]);
    case A_priority:
        return flag_set_priority(p, a[1]);
    case A_max_heap_size:
        return flag_set_max_heap(p, a[1]);
    case A_message_queue_data:
        return flag_set_queue_data(p, a[1]);
    case A_min_heap_size:
    case A_min_bin_vheap_size:
    case A_fullsweep_after:
        return flag_set_number(p, a[0], a[1]);
    case A_error_handler:
        return flag_set_error_handler(p, a[1]);
    case A_monitor_nodes:
        return flag_set_monitor_nodes(p, a[1]);
    case A_scheduler: /* binding to a scheduler, numbered from 1; 0: none */
        return is_small(a[1]) && small_value(a[1]) >= 0 && small_value(a[1]) <= (int64_t)sched_count() ? flag_bind(p,
            (unsigned)small_value(a[1]))
                                                                                                       : p_badarg(p);
    case A_save_calls: /* no call is ever saved: only "off" is there to be chosen */
        return a[1] == make_small(0) ? make_small(0) : p_badarg_cause(p, A_none);
    default:
        break;
    }
    if (is_tuple_arity(a[0], 2) && tuple_elements(a[0])[0] == A_monitor_nodes) {
        return flag_set_monitor_nodes(p, a[1]);
    }
    return p_badarg_cause(p, A_badopt);
}

/* erts_internal:process_flag(Pid, save_calls, N). */
NATIVE(native_erts_internal_process_flag_3)
{
    if (!process_alive(p, a[0])) {
        return A_badtype;
    }
    return a[1] == A_save_calls && a[2] == make_small(0) ? make_small(0) : A_badarg;
}

/* --- suspending --------------------------------------------------------------------------------------------------- */
typedef struct SuspendOpts {
    bool unless_suspending, asynchronous;
    Term reply_tag; /* NONVALUE: no reply */
} SuspendOpts;

static bool parse_suspend(Term list, SuspendOpts *o)
{
    *o = (SuspendOpts){.reply_tag = NONVALUE};
    for (; is_cons(list); list = cons_tail(list)) {
        Term option = cons_head(list);
        if (option == A_unless_suspending) {
            o->unless_suspending = true;
        } else if (option == A_asynchronous) {
            o->asynchronous = true;
        } else if (is_tuple_arity(option, 2) && tuple_elements(option)[0] == A_asynchronous) {
            o->asynchronous = true;
            o->reply_tag = tuple_elements(option)[1];
        } else {
            return false;
        }
    }
    return is_nil(list);
}

NATIVE(native_erts_internal_suspend_process)
{
    SuspendOpts o;
    if (!is_local_pid(a[0]) || a[0] == p->id) {
        return A_badarg;
    }
    if (!parse_suspend(a[1], &o)) {
        return A_badopt;
    }
    ProcessHold hold;
    Proc *target = process_hold(p, a[0], &hold);
    bool alive = target != NULL;
    bool add = alive && !(o.unless_suspending && idmap_find(p->suspends, a[0]));
    if (add) {
        suspend_add(p, target);
    }
    process_release(&hold); /* it did not run meanwhile, so it is suspended now */
    if (o.reply_tag != NONVALUE) {
        msg_send(p, p, heap_tuple2(p, o.reply_tag, alive ? A_suspended : A_exited));
    }
    return alive || o.asynchronous ? make_boolean(add || !alive) : A_badarg;
}

NATIVE(native_resume_process)
{
    return is_local_pid(a[0]) && suspend_remove(p, a[0]) ? A_true : p_badarg(p);
}

/* --- system tasks: work that a process does on itself, asked for by another --------------------------------------- */
/* max_heap_size has been exceeded in a process that does not run: a signal ends it. */
static void collect_kills(Proc *p)
{
    p->fault_class = FAULT_NONE;
    signal_push(p, signal_new_term(SIG_EXIT, p->id, 0, A_kill, 0));
}

static void collect(Proc *p, bool minor)
{
    Term *saved = p->saved_x_more ? p->saved_x_more : p->saved_x;
    p->flags |= minor ? 0 : PF_FULL_SWEEP;
    if (!heap_collect_gc(p, 0, saved, p->arity)) {
        collect_kills(p);
    }
}

void process_leave_literals(Proc *p)
{
    Term *saved = p->saved_x_more ? p->saved_x_more : p->saved_x;
    if (!heap_leave_literals(p, saved, p->arity)) {
        collect_kills(p);
    }
}

bool process_collect(Proc *p, Term pid)
{
    ProcessHold hold;
    Proc *target = process_hold(p, pid, &hold);
    if (target) {
        collect(target, false);
    }
    process_release(&hold);
    return target;
}

static Term task_perform(Proc *p, Term kind, Term argument, bool dead)
{
    switch (kind) {
    case A_garbage_collect:
        if (!dead) {
            collect(p, argument == A_minor);
        }
        return make_boolean(!dead);
    case A_check_process_code:
        return make_boolean(!dead && code_check_process(p, argument));
    case A_system_task_test:
        return A_true;
    default:
        return A_ok; /* copy_literals: literal areas are freed when no process refers to them; see bif_code.c */
    }
}

/* The signal's term is {Kind, RequestId, Argument}; the answer {Kind, RequestId, Result} goes to s->from. */
static void task_run(Proc *p, Signal *s, bool dead)
{
    const Term *e = tuple_elements(s->head.term);
    Term argument = tuple_arity(s->head.term) == 3 ? e[2] : NIL;
    Term result = task_perform(p, e[0], argument, dead);
    Term *answer = signal_room(s, TUPLE_WORDS(3));
    e = tuple_elements(s->head.term);
    answer[0] = MAKE_HEADER(3, SUB_TUPLE);
    answer[1] = e[0];
    answer[2] = e[1];
    answer[3] = result;
    HeapFrag *frag = s->head.frag;
    s->head.frag = NULL;
    msg_send_frag(s->from, make_boxed(answer), frag);
}

/* One that waits for its turn among what else the process has to do. */
static bool is_test_task(Term request)
{
    return is_tuple_arity(request, 2) && tuple_elements(request)[0] == A_system_task_test;
}

static bool is_task(Term request)
{
    if (is_test_task(request)) {
        return true;
    }
    if (!is_tuple_arity(request, 3)) {
        return false;
    }
    const Term *e = tuple_elements(request);
    return (e[0] == A_garbage_collect && (e[2] == A_major || e[2] == A_minor)) ||
           (e[0] == A_check_process_code && is_atom(e[2])) || e[0] == A_copy_literals;
}

static Term request_task(Proc *p, Term requester, Term target, Term priority, Term request)
{
    if (!is_local_pid(requester) || !is_local_pid(target) || !is_task(request) ||
        (priority != A_inherit && priority_parse(priority) < 0)) {
        return p_badarg(p);
    }
    Signal *s = signal_new_term(SIG_TASK, requester, 0, request, TUPLE_WORDS(3));
    s->call = task_run;
    Proc *to = proc_lookup(target);
    if (to == p || (to && is_test_task(request) && priority != A_max)) {
        signal_push(to, s);
        return A_ok;
    }
    /* Another process is kept still, so its task is done in its name at once: no priority can be in the way. */
    ProcessHold hold;
    to = process_hold(p, target, &hold);
    task_run(to ? to : p, s, !to);
    process_release(&hold);
    signal_free(s);
    return A_ok;
}

NATIVE(native_erts_internal_request_system_task_3)
{
    return request_task(p, p->id, a[0], a[1], a[2]);
}

NATIVE(native_erts_internal_request_system_task_4)
{
    return request_task(p, a[0], a[1], a[2], a[3]);
}

NATIVE(native_erts_internal_garbage_collect)
{
    if (a[0] != A_major && a[0] != A_minor) {
        return p_badarg(p);
    }
    /* At the next safe point, which is where this native returns to. */
    p->flags |= PF_NEEDS_COLLECT | (a[0] == A_major ? PF_FULL_SWEEP : 0);
    return A_true;
}

/* No process ever runs on a dirty scheduler: there are none. */
NATIVE(native_erts_internal_is_process_executing_dirty)
{
    return is_local_pid(a[0]) ? A_false : p_badarg(p);
}

NATIVE(native_erts_internal_dirty_process_handle_signals)
{
    (void)p;
    return proc_lookup(a[0]) ? A_normal : A_noproc;
}
