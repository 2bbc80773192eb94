/* SPDX-License-Identifier: Apache-2.0 */
/* See dump_priv.h. What a dump says of each process: a summary, and later all that it holds. */
#include "vm/dump/dump_priv.h"

#include "vm/load/code.h"
#include "vm/proc/link.h"
#include "vm/proc/monitor.h"
#include "vm/proc/sched.h"
#include "vm/proc/stack.h"
#include "vm/trace/call.h"

void dump_address(Dump *d, const Word *ip)
{
    const Instance *in;
    const FunctionInfo *f = ip ? code_find(ip, &in) : NULL;
    dump_format(d, "0x%016lx (", (unsigned long)(uintptr_t)ip);
    if (f) {
        dump_shown(d, in->module->name);
        dump_format(d, ":");
        dump_shown(d, f->name);
        dump_format(d, "/%u + %lu", f->arity, (unsigned long)((const char *)ip - (const char *)f->start));
    } else {
        dump_format(d, "%s", ip == code_normal_exit ? "<terminate process normally>" : "unknown function");
    }
    dump_format(d, ")");
}

/* --- signals that a process has not looked at yet ----------------------------------------------------------------- */
static bool is_message(const Message *m)
{
    return m->kind == SIG_MESSAGE || m->kind == SIG_MESSAGE_FROM || m->kind == SIG_ALIAS_MESSAGE;
}

static const Message *arrived(const Proc *p)
{
    const Signal *s = __atomic_load_n(&p->in, __ATOMIC_ACQUIRE);
    return s == SIGNALS_CLOSED ? NULL : (const Message *)(const void *)s;
}

static size_t arrived_messages(const Proc *p)
{
    size_t n = 0;
    for (const Message *m = arrived(p); m; m = m->next) {
        n += is_message(m);
    }
    return n;
}

/* --- summary ------------------------------------------------------------------------------------------------------ */
static const char *state_text(const Proc *p)
{
    uint32_t state = __atomic_load_n(&p->state, __ATOMIC_RELAXED);
    return p->flags & PF_EXITING                                      ? "Exiting"
           : p->sched && p->sched->current == p                       ? "Running"
           : __atomic_load_n(&p->suspend_count, __ATOMIC_RELAXED) > 0 ? "Suspended"
           : state & PS_RUNNABLE                                      ? "Scheduled"
                                                                      : "Waiting";
}

typedef struct Links {
    Dump *d;
    bool any;
} Links;

static void put_separator(Links *l)
{
    dump_format(l->d, l->any ? ", " : "Link list: [");
    l->any = true;
}

static void put_link(Term peer, void *arg)
{
    Links *l = arg;
    put_separator(l);
    dump_shown(l->d, peer);
}

static void put_monitor(const Monitor *m, void *arg)
{
    Links *l = arg;
    Term space[REF_ALIAS_WORDS], *hp = space;
    if (m->kind == MON_ALIAS) {
        return;
    }
    put_separator(l);
    dump_format(l->d, "{%s,", m->kind == MON_OUT ? "to" : "from");
    dump_shown(l->d, m->peer == NONVALUE ? m->name : m->peer);
    dump_format(l->d, ",");
    dump_shown(l->d, ref_build(&hp, m->id, NONVALUE));
    dump_format(l->d, "}");
}

static void put_identity(Dump *d, const Proc *p)
{
    if (is_atom(p->registered_name)) {
        dump_format(d, "Name: ");
        dump_shown(d, p->registered_name);
        dump_format(d, "\n");
    }
    dump_format(d, "Spawned as: ");
    dump_shown(d, p->initial_m);
    dump_format(d, ":");
    dump_shown(d, p->initial_f);
    dump_format(d, "/%u\nSpawned by: ", p->initial_arity);
    dump_shown(d, is_local_pid(p->parent) ? p->parent : NIL);
    dump_format(d, "\n");
}

static void put_memory(Dump *d, const Proc *p)
{
    size_t fragments = 0;
    for (const HeapFrag *f = p->frags; f; f = f->next) {
        fragments++;
    }
    dump_format(d, "Number of heap fragments: %zu\nHeap fragment data: %zu\n", fragments, p->frag_words);
    Links l = {d, false};
    link_each(p->links, put_link, &l);
    monitor_each(p->monitors, put_monitor, &l);
    dump_format(d, "%sReductions: %lu\n", l.any ? "]\n" : "", (unsigned long)p->reductions);
    dump_format(d, "Stack+heap: %zu\n", (size_t)(p->stack_end - p->heap));
    dump_format(d, "OldHeap: %zu\n", (size_t)(p->old_end - p->old_heap));
    dump_format(d, "Heap unused: %zu\n", (size_t)(p->stop - p->hp));
    dump_format(d, "OldHeap unused: %zu\n", (size_t)(p->old_end - p->old_hp));
    dump_format(d, "BinVHeap: %zu\nOldBinVHeap: 0\n", p->off_heap.bytes / sizeof(Word));
    dump_format(d, "BinVHeap unused: %zu\nOldBinVHeap unused: %zu\n",
                p->virtual_bytes > p->off_heap.bytes ? (p->virtual_bytes - p->off_heap.bytes) / sizeof(Word) : 0,
                p->min_bin_vheap_words);
    dump_format(d, "Memory: %zu\n", proc_memory(p));
}

static void put_summary(Dump *d, const Proc *p)
{
    dump_format(d, "=proc:");
    dump_shown(d, p->id);
    dump_format(d, "\nState: %s\n", state_text(p));
    put_identity(d, p);
    dump_format(d, "Message queue length: %zu\n", p->msg_count + arrived_messages(p));
    put_memory(d, p);
}

static void summarize(Proc *p, void *arg)
{
    Dump *d = arg;
    put_summary(d, p);
    if (p->ip) {
        dump_format(d, "Program counter: ");
        dump_address(d, p->ip);
        dump_format(d, "\n");
    }
    uint32_t state = __atomic_load_n(&p->state, __ATOMIC_RELAXED);
    dump_format(d, "Internal State: PRIO_%u%s%s%s\n", p->priority, state & PS_RUNNABLE ? " | RUNNABLE" : "",
                state & PS_RUNNING ? " | RUNNING" : "", state & PS_EXITING ? " | EXITING" : "");
}

void dump_processes(Dump *d) { proc_each(summarize, d); }

static void summarize_stack(Proc *p, void *arg)
{
    Dump *d = arg;
    size_t n;
    put_summary(d, p);
    char *text = stack_backtrace(p, false, &n);
    dump_format(d, "Stack dump:\n");
    dump_bytes(d, text, n);
    vm_free(text);
}

void dump_processes_stacks(Dump *d) { proc_each(summarize_stack, d); }

/* --- what it holds ------------------------------------------------------------------------------------------------ */
static void put_head(Dump *d, const char *section, const Proc *p)
{
    dump_format(d, "=%s:", section);
    dump_shown(d, p->id);
    dump_format(d, "\n");
}

static void put_message(Dump *d, const Message *m)
{
    dump_term(d, m->term);
    dump_format(d, ":N\n");
}

/* Those in the private queue; then what came since, which hangs there newest first. */
static void put_messages(Dump *d, const Proc *p)
{
    size_t more = arrived_messages(p), i = more;
    if (p->msg_count + more == 0) {
        return;
    }
    put_head(d, "proc_messages", p);
    for (const Message *m = p->msg_first; m; m = m->next) {
        put_message(d, m);
    }
    const Message **turned = vm_alloc((more + 1) * sizeof *turned);
    for (const Message *m = arrived(p); m; m = m->next) {
        if (is_message(m)) {
            turned[--i] = m;
        }
    }
    for (i = 0; i < more; i++) {
        put_message(d, turned[i]);
    }
    vm_free(turned);
}

static void put_entry(Term *slot, void *arg)
{
    Dump *d = arg;
    if (!d->half) {
        dump_pair_name(d, slot);
        dump_format(d, "\n");
    }
    d->half = !d->half;
}

static void put_entry_object(Term *slot, void *arg)
{
    Dump *d = arg;
    if (!d->half) {
        dump_pair_object(d, slot);
    }
    d->half = !d->half;
}

static void put_slot(Dump *d, unsigned y, Term t)
{
    dump_format(d, "y%u:", y);
    if (is_catch(t)) {
        dump_format(d, "SCatch ");
        dump_address(d, catch_ip(t));
    } else if (is_boxed_sub(t, SUB_MATCH)) {
        dump_format(d, "SMatch state");
    } else {
        dump_term(d, t);
    }
    dump_format(d, "\n");
}

/* Code addresses begin frames (proc/stack.c). */
static void put_stack(Dump *d, const Proc *p)
{
    unsigned y = 0;
    put_head(d, "proc_stack", p);
    for (const Term *at = p->stop; at < p->stack_end; at++) {
        if (*at == 0 || !is_header(*at)) {
            put_slot(d, y++, *at);
            continue;
        }
        y = 0;
        dump_format(d, "0x%016lx:SReturn addr ", (unsigned long)(uintptr_t)at);
        dump_address(d, *at == (Term)(uintptr_t)code_normal_exit ? code_normal_exit : call_frame_address(at));
        dump_format(d, "\n");
    }
}

static void put_all(Proc *p, void *arg)
{
    Dump *d = arg;
    if (p->flags & PF_SENSITIVE) {
        return;
    }
    put_messages(d, p);
    if (p->dict) {
        put_head(d, "proc_dictionary", p);
        dict_each_slot(p->dict, put_entry, d);
    }
    put_stack(d, p);
    put_head(d, "proc_heap", p);
    if (p->dict) {
        dict_each_slot(p->dict, put_entry_object, d);
    }
    dump_objects(d);
    dump_objects_end(d);
}

void dump_process_memory(Dump *d) { proc_each(put_all, d); }
