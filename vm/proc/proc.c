/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process table and birth. A pid is a running number; its low bits are the slot in the table, so a slot is used
 * again only after all others were tried. Printed, the number's low 15 bits come first and the rest is the serial, as
 * in OTP. The table has address space for all processes that there may be, and memory for those there ever were.
 *
 * No lock: a slot is taken and left with one atomic store. A Proc borrowed through proc_lookup stays valid until the
 * borrower's next safe point, because a dead one is freed later (safe.h).
 */
#include "vm/proc/proc.h"

#include "vm/bif/native.h"
#include "vm/load/code.h"
#include "vm/lock.h"
#include "vm/plat.h"
#include "vm/proc/clock.h"
#include "vm/proc/idmap.h"
#include "vm/proc/monitor.h"
#include "vm/proc/sched.h"
#include "vm/proc/table.h"
#include "vm/trace/seq.h"
#include "vm/trace/trace.h"
#include "vm/vm.h"

enum { DEFAULT_LIMIT = 1 << 18, MIN_LIMIT = 1024, PRINTED_NUMBER_BITS = 15, PID_BITS = 28 };
enum { SLOTS_A_STEP = 4096 }; /* that get memory together: 32 KiB */
enum { DEFAULT_HEAP_WORDS = 233, DEFAULT_BIN_VHEAP_WORDS = 46422, DEFAULT_FULLSWEEP = 65535 };

#define PROC_RESERVED ((Proc *)1)

static struct ProcTable {
    Proc **slot;   /* atomic; NULL free, PROC_RESERVED taken by a process that is not complete yet */
    size_t limit;  /* a power of two */
    size_t ready;  /* atomic: slots below this one have memory; it grows under `lock` */
    SpinLock lock;
    uint64_t next; /* atomic: running number of the next process */
    size_t count;  /* atomic */
    ProcDefaults defaults;
} table;

void proc_table_init(size_t limit)
{
    size_t size = MIN_LIMIT;
    while (size < (limit ? limit : DEFAULT_LIMIT)) {
        size *= 2;
    }
    table.slot = plat_reserve(size * sizeof(Proc *));
    if (!table.slot) {
        vm_panic("no address space for a table of %zu processes", size);
    }
    table.limit = size;
    table.defaults = (ProcDefaults){
        .min_heap_words = DEFAULT_HEAP_WORDS,
        .min_bin_vheap_words = DEFAULT_BIN_VHEAP_WORDS,
        .max_heap_flags = MAX_HEAP_KILL | MAX_HEAP_LOG,
        .fullsweep_after = DEFAULT_FULLSWEEP,
    };
}

ProcDefaults *proc_defaults(void)
{
    return &table.defaults;
}

size_t proc_table_limit(void)
{
    return table.limit;
}

size_t proc_count(void)
{
    return __atomic_load_n(&table.count, __ATOMIC_RELAXED);
}

static uint64_t pid_running_number(Term pid)
{
    return (uint64_t)pid_serial(pid) << PRINTED_NUMBER_BITS | pid_number(pid);
}

static bool slot_is_ready(size_t slot)
{
    return slot < __atomic_load_n(&table.ready, __ATOMIC_ACQUIRE);
}

/* Gives memory to the slots up to this one. False when there is none left. */
static bool slot_make_ready(size_t slot)
{
    spin_lock(&table.lock);
    while (!slot_is_ready(slot)) {
        size_t step = table.limit < SLOTS_A_STEP ? table.limit : SLOTS_A_STEP;
        if (!plat_commit(table.slot + table.ready, step * sizeof(Proc *))) {
            break;
        }
        __atomic_store_n(&table.ready, table.ready + step, __ATOMIC_RELEASE);
    }
    spin_unlock(&table.lock);
    return slot_is_ready(slot);
}

static Proc *proc_at(size_t slot)
{
    if (!slot_is_ready(slot)) {
        return NULL;
    }
    Proc *p = __atomic_load_n(&table.slot[slot], __ATOMIC_ACQUIRE);
    return p == PROC_RESERVED ? NULL : p;
}

static bool proc_is_alive(const Proc *p)
{
    return !(__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) & PS_EXITING);
}

Proc *proc_lookup(Term pid)
{
    if (!is_local_pid(pid)) {
        return NULL;
    }
    Proc *p = proc_at(pid_running_number(pid) & (table.limit - 1));
    return p && p->id == pid && proc_is_alive(p) ? p : NULL;
}

void proc_each(void (*fn)(Proc *p, void *arg), void *arg)
{
    for (size_t i = 0; slot_is_ready(i); i++) {
        Proc *p = proc_at(i);
        if (p && proc_is_alive(p)) {
            fn(p, arg);
        }
    }
}

static bool slot_is_taken(size_t slot)
{
    return slot_is_ready(slot) && __atomic_load_n(&table.slot[slot], __ATOMIC_RELAXED);
}

uint64_t proc_table_next(void)
{
    uint64_t n = __atomic_load_n(&table.next, __ATOMIC_RELAXED);
    for (size_t i = 0; i < table.limit && slot_is_taken(n & (table.limit - 1)); i++) {
        n++;
    }
    return n;
}

uint64_t proc_table_set_next(uint64_t n)
{
    __atomic_store_n(&table.next, n, __ATOMIC_RELAXED);
    return proc_table_next();
}

/* Gives p an id and reserves its slot. False when the table is full or cannot grow. */
static bool proc_table_reserve(Proc *p)
{
    if (__atomic_fetch_add(&table.count, 1, __ATOMIC_RELAXED) >= table.limit) {
        __atomic_fetch_sub(&table.count, 1, __ATOMIC_RELAXED);
        return false;
    }
    /* No more reservations than slots: one is free, or will be in a moment. */
    for (;;) {
        uint64_t n = __atomic_fetch_add(&table.next, 1, __ATOMIC_RELAXED) & ((UINT64_C(1) << PID_BITS) - 1);
        size_t slot = n & (table.limit - 1);
        Proc *none = NULL;
        if (!slot_is_ready(slot) && !slot_make_ready(slot)) {
            __atomic_fetch_sub(&table.count, 1, __ATOMIC_RELAXED);
            return false;
        }
        if (__atomic_compare_exchange_n(&table.slot[slot], &none, PROC_RESERVED, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            p->id = make_pid((uint32_t)n & ((1u << PRINTED_NUMBER_BITS) - 1), (uint32_t)(n >> PRINTED_NUMBER_BITS));
            return true;
        }
    }
}

/* Everybody may find p now: it is complete. */
static void proc_table_publish(Proc *p)
{
    __atomic_store_n(&table.slot[pid_running_number(p->id) & (table.limit - 1)], p, __ATOMIC_RELEASE);
}

void proc_table_remove(Proc *p)
{
    __atomic_store_n(&table.slot[pid_running_number(p->id) & (table.limit - 1)], NULL, __ATOMIC_RELEASE);
    __atomic_fetch_sub(&table.count, 1, __ATOMIC_RELAXED);
}

void spawn_opts_default(SpawnOpts *o, const Proc *parent)
{
    (void)parent; /* nothing of what options set is inherited */
    *o = (SpawnOpts){
        .monitor_opts_tag = NONVALUE,
        .monitor_alias = NONVALUE,
        .priority = PRIO_NORMAL,
        .min_heap_words = table.defaults.min_heap_words,
        .min_bin_vheap_words = table.defaults.min_bin_vheap_words,
        .max_heap_words = table.defaults.max_heap_words,
        .max_heap_flags = table.defaults.max_heap_flags,
        .fullsweep_after = table.defaults.fullsweep_after,
    };
}

static void proc_set_options(Proc *p, const SpawnOpts *o)
{
    p->priority = o->priority;
    p->bound = o->scheduler ? sched_get(o->scheduler - 1) : NULL;
    p->min_bin_vheap_words = heap_next_size(o->min_bin_vheap_words);
    p->virtual_bytes = p->min_bin_vheap_words * sizeof(Term);
    p->max_heap_words = o->max_heap_words;
    p->max_heap_flags = o->max_heap_flags;
    p->fullsweep_after = o->fullsweep_after;
    p->flags = (o->off_heap_messages ? PF_OFF_HEAP_MSGS : 0) | (o->system ? PF_SYSTEM : 0);
}

static void proc_set_identity(Proc *p, Proc *parent, const Export *e)
{
    p->parent = parent ? parent->id : NONVALUE;
    p->initial_m = export_module(e);
    p->initial_f = export_function(e);
    p->initial_arity = export_arity(e);
    p->registered_name = NIL;
    p->error_handler = A_error_handler;
    p->seq_token = NIL;
    p->tracer = NIL;
    p->label = NIL;
    p->fault_trace = NIL;
    p->msg_last = p->msg_save = &p->msg_first;
    p->sched = parent ? parent->sched : sched_get(0);
    p->started_ns = clock_uptime_ns();
}

/* Heap with the arguments on it, and the frame that the first function returns to. */
static void proc_set_call(Proc *p, const Export *e, Term args, Term group_leader, size_t min_words)
{
    unsigned arity = export_arity(e), i = 0;
    size_t words = term_size(args) + term_size(group_leader) + 16;
    heap_init(p, words > min_words ? words : min_words);
    p->min_heap_words = heap_next_size(min_words);
    *--p->stop = (Term)(uintptr_t)code_normal_exit;
    p->group_leader = term_copy(group_leader, &p->hp, &p->off_heap);
    if (arity > SAVED_X_REGS) {
        p->saved_x_more = vm_alloc(arity * sizeof(Term));
        p->saved_x_capacity = arity;
    }
    Term *x = arity > SAVED_X_REGS ? p->saved_x_more : p->saved_x;
    for (; is_cons(args); args = cons_tail(args)) {
        x[i++] = term_copy(cons_head(args), &p->hp, &p->off_heap);
    }
    p->arity = arity;
    p->ip = e->addr;
}

/* A sequential trace shows a spawn as a request and its answer. */
static void spawn_pass_token(Proc *parent, Proc *p, const Export *e, Term args, const SpawnOpts *o, Term *ref)
{
    SeqSpawn plain = {.reply_tag = A_spawn_reply, .options = o->monitor ? heap_cons_on(parent, A_monitor, NIL) : NIL};
    plain.options = o->link ? heap_cons_on(parent, A_link, plain.options) : plain.options;
    SeqSpawn *spawn = o->sequence ? o->sequence : &plain;
    *ref = spawn->ref = o->monitor ? *ref : heap_new_ref(parent);
    Term mfa = heap_tuple3(parent, export_module(e), export_function(e), make_small(export_arity(e)));
    seq_trace_spawned(parent, p, spawn, mfa, heap_copy(parent, args));
}

static Term proc_spawn(Proc *parent, const Export *e, Term args, const SpawnOpts *o, Term *monitor_ref)
{
    Proc *p = vm_calloc(sizeof *p);
    if (!proc_table_reserve(p)) {
        vm_free(p);
        return NONVALUE;
    }
    proc_set_options(p, o);
    proc_set_identity(p, parent, e);
    proc_set_call(p, e, args, parent ? parent->group_leader : p->id, o->min_heap_words);
    if (parent && o->link) {
        idmap_put(&p->links, parent->id, 0);
        idmap_put(&parent->links, p->id, 0);
    }
    if (parent && o->monitor) {
        MonitorOpts mo = {ALIAS_NONE, o->monitor_opts_tag};
        mo.alias = o->monitor_alias == NONVALUE ? ALIAS_NONE : (AliasMode)small_value(o->monitor_alias);
        *monitor_ref = monitor_start_child(parent, p, &mo);
    }
    Term id = p->id; /* it may be gone as soon as it can run */
    if (parent && (parent->trace_flags || trace_defaults()->proc_flags)) {
        trace_spawned(parent, p, export_module(e), export_function(e), args, o->link);
    }
    if (parent && parent->seq_token != NIL) {
        spawn_pass_token(parent, p, e, args, o, monitor_ref);
    }
    proc_table_publish(p);
    sched_ready(p);
    return id;
}

Term proc_spawn_mfa(Proc *parent, Term m, Term f, Term args, const SpawnOpts *o, Term *monitor_ref)
{
    return proc_spawn(parent, export_put(m, f, (unsigned)list_length(args)), args, o, monitor_ref);
}

Term proc_spawn_fun(Proc *parent, Term fun, Term args, const SpawnOpts *o, Term *monitor_ref)
{
    /* As spawn/1 of module erlang does. The list lives only on this C stack: proc_spawn copies it. */
    Term cells[4] = {fun, make_list(&cells[2]), args, NIL};
    return proc_spawn(parent, export_put(A_erlang, A_apply, 2), make_list(cells), o, monitor_ref);
}

size_t proc_memory(const Proc *p)
{
    size_t bytes = sizeof *p;
    bytes += (size_t)(p->stack_end - p->heap) * sizeof(Term) + (size_t)(p->old_end - p->old_heap) * sizeof(Term);
    for (const HeapFrag *f = p->frags; f; f = f->next) {
        bytes += sizeof *f + f->words * sizeof(Term);
    }
    for (const Message *m = p->msg_first; m; m = m->next) {
        bytes += sizeof *m + (m->frag ? sizeof *m->frag + m->frag->words * sizeof(Term) : 0);
    }
    if (p->saved_x_more) {
        bytes += p->saved_x_capacity * sizeof(Term);
    }
    bytes += idmap_bytes(p->links) + idmap_bytes(p->suspends) + idmap_bytes(p->monitors);
    bytes += idmap_count(p->monitors) * sizeof(Monitor);
    return bytes + dict_bytes(p->dict);
}
