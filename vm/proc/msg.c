/* SPDX-License-Identifier: Apache-2.0 */
/* Sending messages, and the receiver's private queue. The queue of all signals is in signal.c. */
#include "vm/proc/msg.h"

#include "vm/proc/monitor.h"
#include "vm/proc/port.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"
#include "vm/trace/seq.h"
#include "vm/trace/trace.h"

enum { SEND_COST = 4, WORDS_PER_REDUCTION = 32, MORE_MARKS = 7 };
#define MARK_RESERVED (UINT64_C(1) << 63) /* RecvMark.id: not bound yet, low bits are its number */

static Message *message_new(Term term, HeapFrag *frag, Term token)
{
    Message *m = vm_alloc(sizeof *m);
    *m = (Message){.term = term, .token = token, .frag = frag, .kind = SIG_MESSAGE};
    return m;
}

static void message_push(Proc *from, Proc *to, Term message, Term token)
{
    Term copy;
    HeapFrag *frag = frag_copy_term(message, &copy);
    if (from) {
        p_charge(from, SEND_COST + (intptr_t)(frag ? frag->used / WORDS_PER_REDUCTION : 0));
    }
    /* A Message is a Signal cut short: kinds below SIG_MESSAGE_FROM have no more fields. */
    signal_push(to, (Signal *)(void *)message_new(copy, frag, token));
}

void msg_send(Proc *from, Proc *to, Term message)
{
    message_push(from, to, message, A_undefined);
}

/* With what tracing of the sender or the receiver adds. */
static __attribute__((noinline)) Signal *signal_from(Proc *from, SignalKind kind, uint64_t id, Term to, Term message)
{
    Signal *s = signal_new_term(kind, from->id, id, message, 0);
    s->head.token = NIL;
    if (from->seq_token != NIL) {
        seq_trace_sent(from, to, message);
        seq_trace_attach(s, from->seq_token);
    }
    return s;
}

/* What a process says with `!`. */
static void msg_say(Proc *from, Proc *to, Term message)
{
    if (__builtin_expect(from->seq_token != NIL || (to->trace_flags & TRACE_RECEIVE), 0)) {
        signal_push(to, signal_from(from, SIG_MESSAGE_FROM, 0, to->id, message));
    } else {
        message_push(from, to, message, NIL);
    }
}

void msg_send_pid(Proc *from, Term pid, Term message)
{
    Proc *to = proc_lookup(pid);
    if (to) {
        msg_send(from, to, message);
    }
}

void msg_send_frag(Term pid, Term message, HeapFrag *frag)
{
    msg_send_frag_from(A_undefined, pid, message, frag);
}

void msg_send_frag_from(Term from, Term pid, Term message, HeapFrag *frag)
{
    Proc *to = proc_lookup(pid);
    if (to && (to->trace_flags & TRACE_RECEIVE)) {
        Signal *s = signal_new(SIG_MESSAGE_FROM, from, 0);
        s->head.term = message;
        s->head.frag = frag;
        signal_push(to, s);
    } else if (to) {
        signal_push(to, (Signal *)(void *)message_new(message, frag, A_undefined));
    } else if (frag) {
        frag_free(frag);
    }
}

static void msg_send_alias(Proc *p, const Ref *alias, Term message)
{
    Proc *to = proc_lookup(alias->u.pid);
    if (to) {
        signal_push(to, signal_from(p, SIG_ALIAS_MESSAGE, ref_id(make_boxed((const Term *)alias)),
                                    make_boxed((const Term *)alias), message));
    }
}

static void msg_send_local(Proc *p, Term dest, Term message)
{
    if (is_local_pid(dest)) {
        Proc *to = proc_lookup(dest);
        if (to) {
            msg_say(p, to, message);
        }
    } else {
        port_receive_message(p, dest, message);
    }
}

/* {Name, Node}: a name nobody has, or a node we cannot reach, swallows the message. False: not such a tuple. */
static bool msg_send_tuple(Proc *p, Term dest, Term message)
{
    if (!is_tuple_arity(dest, 2)) {
        return false;
    }
    Term name = tuple_elements(dest)[0], node = tuple_elements(dest)[1];
    if (!is_atom(name) || !is_atom(node)) {
        return false;
    }
    Term who = node == A_nonode ? registry_find(name) : NONVALUE;
    if (who != NONVALUE) {
        msg_send_local(p, who, message);
    }
    return true;
}

Term msg_send_any(Proc *p, Term dest, Term message)
{
    if (trace_on(p, TRACE_SEND)) {
        trace_message_sent(p, dest, message);
    }
    if (is_local_pid(dest) || is_local_port(dest)) {
        msg_send_local(p, dest, message);
    } else if (is_atom(dest)) {
        Term who = registry_find(dest);
        if (who == NONVALUE) {
            return p_badarg(p);
        }
        msg_send_local(p, who, message);
    } else if (is_boxed(dest) && *boxed_ptr(dest) == MAKE_HEADER(REF_ALIAS_ARITY, SUB_REF)) {
        msg_send_alias(p, ref_ptr(dest), message);
    } else if (!is_ref(dest) && !is_pid(dest) && !msg_send_tuple(p, dest, message)) {
        return p_badarg(p);
    }
    return message;
}

/* --- the private queue ------------------------------------------------------------------------- */
/* The link at `from` takes the place of the link inside a message that leaves the queue. */
static void msg_relink(Proc *p, Message *gone, Message **from)
{
    if (p->msg_last == &gone->next) {
        p->msg_last = from;
    }
    if (p->mark.save == &gone->next) {
        p->mark.save = from;
    }
    for (int i = 0; p->more_marks && i < MORE_MARKS; i++) {
        if (p->more_marks[i].save == &gone->next) {
            p->more_marks[i].save = from;
        }
    }
}

void msg_remove_current(Proc *p)
{
    Message **from = p->msg_save, *m = *from;
    if (!m) { /* a function called in the midst of the receive has taken it */
        return;
    }
    if (__builtin_expect(m->token != NIL || p->seq_token != NIL, 0)) {
        seq_trace_taken(p, m);
    }
    *from = m->next;
    msg_relink(p, m, from);
    p->msg_count--;
    if (m->on_heap) {
        p->msg_on_heap_count--;
    }
    heap_adopt_frag(p, m->frag);
    vm_free(m);
    msg_rewind(p);
}

void msg_pin_current(Proc *p)
{
    Message *m = p->msg_peeked ? *p->msg_save : NULL;
    if (m && m->frag) {
        heap_adopt_frag(p, m->frag);
        m->frag = NULL;
        m->on_heap = true;
        p->msg_on_heap_count++;
    }
}

void msg_each_root(Proc *p, void (*fn)(Term *slot, void *arg), void *arg)
{
    size_t left = p->msg_on_heap_count;
    for (Message *m = p->msg_first; m && left; m = m->next) {
        if (m->on_heap) {
            fn(&m->term, arg);
            fn(&m->token, arg);
            left--;
        }
    }
}

void msg_free_all(Proc *p)
{
    while (p->msg_first) {
        Message *m = p->msg_first;
        p->msg_first = m->next;
        if (m->frag) {
            frag_free(m->frag);
        }
        vm_free(m);
    }
    p->msg_last = p->msg_save = &p->msg_first;
    p->msg_count = p->msg_on_heap_count = 0;
    vm_free(p->more_marks);
    p->more_marks = NULL;
    p->mark.save = NULL;
}

/* --- marks: where a receive for a fresh reference may begin -------------------------------------- */
static RecvMark *mark_find(Proc *p, uint64_t id)
{
    if (id == 0 || (p->mark.save && p->mark.id == id)) { /* 0: bound to something that is no reference */
        return id ? &p->mark : NULL;
    }
    for (int i = 0; p->more_marks && i < MORE_MARKS; i++) {
        if (p->more_marks[i].save && p->more_marks[i].id == id) {
            return &p->more_marks[i];
        }
    }
    return NULL;
}

/* One that is free; when there are too many, one of the others: its receive looks at all messages then. */
static RecvMark *mark_new(Proc *p)
{
    if (!p->mark.save) {
        return &p->mark;
    }
    if (!p->more_marks) {
        p->more_marks = vm_calloc(MORE_MARKS * sizeof *p->more_marks);
    }
    for (int i = 0; i < MORE_MARKS; i++) {
        if (!p->more_marks[i].save) {
            return &p->more_marks[i];
        }
    }
    return &p->more_marks[p->mark_number % MORE_MARKS];
}

Term msg_marker_reserve(Proc *p)
{
    /* Signals still in `in` are younger than the mark although they arrived before: looking at them is only slower. */
    RecvMark *m = mark_new(p);
    *m = (RecvMark){p->msg_last, MARK_RESERVED | ++p->mark_number};
    return make_small((int64_t)p->mark_number);
}

void msg_marker_bind(Proc *p, Term marker, Term ref)
{
    RecvMark *m = is_small(marker) ? mark_find(p, MARK_RESERVED | (uint64_t)small_value(marker)) : NULL;
    if (m) {
        m->id = ref_id(ref);
    }
}

void msg_marker_clear(Proc *p, Term ref_or_marker)
{
    RecvMark *m = mark_find(p, is_small(ref_or_marker) ? MARK_RESERVED | (uint64_t)small_value(ref_or_marker)
                                                       : ref_id(ref_or_marker));
    if (m) {
        m->save = NULL;
    }
}

void msg_marker_use(Proc *p, Term ref)
{
    const RecvMark *m = mark_find(p, ref_id(ref));
    if (m) {
        p->msg_save = m->save;
        p->msg_peeked = false;
    }
}
