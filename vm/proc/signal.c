/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signal queue and what each signal does to its receiver. Handling runs in the receiver's context (its scheduler,
 * or a process that has claimed it while it is not running), so everything here may touch all of Proc.
 */
#include "vm/proc/signal.h"

#include "vm/proc/link.h"
#include "vm/proc/monitor.h"
#include "vm/proc/sched.h"
#include "vm/trace/seq.h"
#include "vm/trace/trace.h"
#include "vm/vm.h"

Signal *signal_new(SignalKind kind, Term from, uint64_t id)
{
    Signal *s = vm_alloc(sizeof *s);
    *s = (Signal){.head = {.term = NIL, .token = A_undefined, .kind = (uint8_t)kind}, .from = from, .id = id};
    return s;
}

Signal *signal_new_term(SignalKind kind, Term from, uint64_t id, Term term, size_t spare)
{
    Signal *s = signal_new(kind, from, id);
    size_t words = term_size(term);
    if (words + spare == 0) {
        s->head.term = term;
        return s;
    }
    HeapFrag *f = frag_new(words + spare);
    Term *hp = f->mem;
    s->head.term = term_copy(term, &hp, &f->off_heap);
    f->used = (size_t)(hp - f->mem);
    s->head.frag = f;
    return s;
}

void signal_free(Signal *s)
{
    if (s->head.frag) {
        frag_free(s->head.frag);
    }
    vm_free(s);
}

static Signal *signal_next(const Signal *s)
{
    return (Signal *)s->head.next;
}

bool signal_push(Proc *to, Signal *s)
{
    Signal *old = __atomic_load_n(&to->in, __ATOMIC_RELAXED);
    do {
        if (old == SIGNALS_CLOSED) {
            signal_free(s);
            return false;
        }
        s->head.next = (Message *)old; /* head is the first member; old may be NULL */
    } while (!__atomic_compare_exchange_n(&to->in, &old, s, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    sched_ready(to);
    return true;
}

bool signal_send(Term pid, Signal *s)
{
    Proc *to = proc_lookup(pid);
    if (!to) {
        signal_free(s);
        return false;
    }
    return signal_push(to, s);
}

/* All that arrived, oldest first; leaves `mark` (NULL or SIGNALS_CLOSED) behind. */
static Signal *signal_take_all(Proc *p, Signal *mark)
{
    Signal *newest = __atomic_exchange_n(&p->in, mark, __ATOMIC_ACQUIRE), *oldest = NULL;
    while (newest && newest != SIGNALS_CLOSED) {
        Signal *before = signal_next(newest);
        newest->head.next = (Message *)oldest;
        oldest = newest;
        newest = before;
    }
    return oldest;
}

Term *signal_room(Signal *s, size_t words)
{
    HeapFrag *f = s->head.frag;
    if (!f || f->words - f->used < words) {
        HeapFrag *bigger = frag_new(term_size(s->head.term) + term_size(s->head.token) + words);
        Term *hp = bigger->mem;
        s->head.term = term_copy(s->head.term, &hp, &bigger->off_heap);
        s->head.token = term_copy(s->head.token, &hp, &bigger->off_heap);
        bigger->used = (size_t)(hp - bigger->mem);
        if (f) {
            frag_free(f);
        }
        s->head.frag = f = bigger;
    }
    Term *room = f->mem + f->used;
    f->used += words;
    return room;
}

/* Who sent it, as patterns of receives see it. */
static Term signal_sender(const Signal *s)
{
    bool known = s->head.kind != SIG_MESSAGE && s->from != NONVALUE;
    return known ? s->from : A_undefined;
}

void signal_to_message(Proc *p, Signal *s, Term term)
{
    if (trace_on(p, TRACE_RECEIVE)) {
        trace_message_received(p, signal_sender(s), term);
    }
    s->head.kind = SIG_MESSAGE;
    s->head.term = term;
    s->head.next = NULL;
    *p->msg_last = &s->head;
    p->msg_last = &s->head.next;
    p->msg_count++;
}

/* --- exit signals ---------------------------------------------------------------------------- */
enum { EXIT_MESSAGE_WORDS = TUPLE_WORDS(3) };

/* p ends with the signal's reason: takes s. */
static void signal_kill(Proc *p, Signal *s, Term reason)
{
    heap_adopt_frag(p, s->head.frag);
    s->head.frag = NULL;
    signal_free(s);
    p->flags |= PF_EXITING;
    p->fault_class = FAULT_EXIT;
    p->fault_reason = reason;
}

static void signal_handle_exit(Proc *p, Signal *s)
{
    bool linked = s->head.kind == SIG_EXIT_LINKED;
    Term reason = s->head.term;
    if (linked && !link_take_broken(p, s->from)) {
        signal_free(s);
        return;
    }
    bool survives = (p->flags & PF_TRAP_EXIT) || reason == A_normal;
    if (linked && survives && trace_on(p, TRACE_PROCS)) {
        trace_proc_event1(p, A_getting_unlinked, s->from);
    }
    if (!linked && reason == A_kill) {
        signal_kill(p, s, A_killed);
    } else if (p->flags & PF_TRAP_EXIT) {
        Term *tuple = signal_room(s, EXIT_MESSAGE_WORDS);
        tuple[0] = MAKE_HEADER(3, SUB_TUPLE);
        tuple[1] = A_EXIT;
        tuple[2] = s->from;
        tuple[3] = s->head.term;
        signal_to_message(p, s, make_boxed(tuple));
    } else if (reason == A_normal && (linked || s->from != p->id)) {
        signal_free(s);
    } else {
        signal_kill(p, s, reason);
    }
}

/* The message that it will be for a process that traps exits is what a sequential trace shows. */
static void exit_attach_token(Proc *sender, Signal *s, Term to)
{
    s->head.token = NIL;
    if (sender->seq_token != NIL) {
        Term message[4] = {MAKE_HEADER(3, SUB_TUPLE), A_EXIT, sender->id, s->head.term};
        seq_trace_sent(sender, to, make_boxed(message));
        seq_trace_attach(s, sender->seq_token);
    }
}

void signal_exit(Proc *sender, Term from, Term to, Term reason, bool linked)
{
    Proc *target = proc_lookup(to);
    if (target) {
        SignalKind kind = linked ? SIG_EXIT_LINKED : SIG_EXIT;
        Signal *s = signal_new_term(kind, from, 0, reason, is_immed(reason) ? 0 : EXIT_MESSAGE_WORDS);
        if (sender) {
            exit_attach_token(sender, s, to);
        }
        signal_push(target, s);
    }
}

/* --- the receiver's side ------------------------------------------------------------------------ */
static void signal_add_task(Proc *p, Signal *s)
{
    s->head.next = NULL;
    if (p->tasks) {
        p->last_task->head.next = &s->head;
    } else {
        p->tasks = s;
    }
    p->last_task = s;
    p->flags |= PF_HAS_TASKS;
}

static void signal_set_group_leader(Proc *p, Signal *s)
{
    heap_adopt_frag(p, s->head.frag);
    s->head.frag = NULL;
    p->group_leader = s->head.term;
    signal_free(s);
}

static void signal_handle(Proc *p, Signal *s)
{
    switch ((SignalKind)s->head.kind) {
    case SIG_MESSAGE:
    case SIG_MESSAGE_FROM:
        signal_to_message(p, s, s->head.term);
        return;
    case SIG_ALIAS_MESSAGE:
        if (alias_take(p, s->id)) {
            signal_to_message(p, s, s->head.term);
            return;
        }
        break;
    case SIG_EXIT:
    case SIG_EXIT_LINKED:
        signal_handle_exit(p, s);
        return;
    case SIG_LINK:
        link_signal_link(p, s->from);
        break;
    case SIG_UNLINK:
        link_signal_unlink(p, s->from, s->id);
        break;
    case SIG_UNLINK_ACK:
        link_signal_unlink_ack(p, s->from, s->id);
        break;
    case SIG_MONITOR:
        monitor_signal_monitor(p, s->from, s->id, s->head.term);
        break;
    case SIG_DEMONITOR:
        monitor_signal_demonitor(p, s->id);
        break;
    case SIG_DOWN:
        monitor_signal_down(p, s);
        return;
    case SIG_GROUP_LEADER:
        signal_set_group_leader(p, s);
        return;
    case SIG_TASK:
        signal_add_task(p, s);
        return;
    case SIG_CALL:
        s->call(p, s, false);
        break;
    }
    signal_free(s);
}

/* The rest of a batch whose receiver is about to end: back for signal_close_all. */
static void signal_put_back(Proc *p, Signal *rest)
{
    while (rest) {
        Signal *next = signal_next(rest);
        Signal *old = __atomic_load_n(&p->in, __ATOMIC_RELAXED);
        do {
            rest->head.next = old != NULL ? &old->head : NULL;
        } while (!__atomic_compare_exchange_n(&p->in, &old, rest, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
        rest = next;
    }
}

void signal_handle_all(Proc *p)
{
    if (p->flags & PF_EXITING) {
        return;
    }
    Signal *s = signal_take_all(p, NULL);
    while (s) {
        Signal *next = signal_next(s);
        signal_handle(p, s);
        p_charge(p, 1);
        if (p->flags & PF_EXITING) {
            signal_put_back(p, next);
            return;
        }
        s = next;
    }
}

bool msg_fetch(Proc *p)
{
    size_t before = p->msg_count;
    if (__atomic_load_n(&p->in, __ATOMIC_RELAXED)) {
        signal_handle_all(p);
    }
    return p->msg_count != before;
}

static void signal_answer_dead(Proc *p, Signal *s)
{
    switch ((SignalKind)s->head.kind) {
    case SIG_LINK:
        signal_exit(p, p->id, s->from, A_noproc, true);
        break;
    case SIG_UNLINK:
        signal_send(s->from, signal_new(SIG_UNLINK_ACK, p->id, s->id));
        break;
    case SIG_MONITOR:
        signal_send(s->from, signal_new_term(SIG_DOWN, p->id, s->id, A_noproc, 0));
        break;
    case SIG_TASK:
    case SIG_CALL:
        s->call(p, s, true);
        break;
    default:
        break;
    }
    signal_free(s);
}

void signal_close_all(Proc *p)
{
    Signal *s = signal_take_all(p, SIGNALS_CLOSED);
    while (s) {
        Signal *next = signal_next(s);
        signal_answer_dead(p, s);
        s = next;
    }
    while (p->tasks) {
        s = p->tasks;
        p->tasks = signal_next(s);
        signal_answer_dead(p, s);
    }
}
