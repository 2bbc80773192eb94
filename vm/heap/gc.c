/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector: generational and copying, one process at a time, never stopping another.
 *
 *   young block    [heap ... high_water ... hp)  free  [stop ... stack_end)
 *   old generation [old_heap ... old_hp) free [old_end)
 *   fragments      memory of natives and of received messages: young as well
 *
 * A minor collection leaves the old generation alone: what lies below high_water (it has survived one) moves there, the
 * other live young objects move to a new block. A full one copies everything into one new block. Both are Cheney's
 * algorithm: copy the roots' objects, then scan the copies. Literals are told by address and left where they are.
 * Afterwards the off-heap list is swept: objects that did not move are dead and give up their counts.
 *
 * Comes from: ENSURE in ops/op.h and the scheduler. Goes to: nothing else.
 */
#include "vm/heap/offheap.h"
#include "vm/ops/op.h"
#include "vm/plat.h"
#include "vm/proc/msacc.h"
#include "vm/proc/msg.h"
#include "vm/proc/proc.h"
#include "vm/trace/trace.h"
#include "vm/bif/bif_scheduler.h"
#include "vm/proc/clock.h"
#include "vm/vm.h"

typedef struct Gc {
    Proc *p;
    Term *hp;                          /* next free word of the new young block */
    Term *old_hp;                      /* minor: next free word of the old generation */
    uintptr_t from_start, from_size;   /* the young block: most of what moves lies here */
    bool from_elsewhere;               /* so do fragments, and the old generation in a full collection */
    uintptr_t old_start, old_size;     /* bytes not to collect (minor); size 0 in a full collection */
    uintptr_t mature_start, mature_size; /* bytes that move to the old generation (minor) */
} Gc;

static inline bool in_range(const void *ptr, uintptr_t start, uintptr_t size)
{
    return (uintptr_t)ptr - start < size;
}

static inline bool gc_leaves(const Gc *g, const void *ptr)
{
    if (in_range(ptr, g->from_start, g->from_size)) {
        return false;
    }
    return !g->from_elsewhere || is_literal_ptr(ptr) || in_range(ptr, g->old_start, g->old_size);
}

static Term gc_move_cons(Gc *g, Term *cell)
{
    Term **to = in_range(cell, g->mature_start, g->mature_size) ? &g->old_hp : &g->hp;
    Term *copy = *to;
    copy[0] = cell[0];
    copy[1] = cell[1];
    *to = copy + 2;
    cell[0] = NONVALUE;
    cell[1] = make_list(copy);
    return cell[1];
}

static Term gc_move_object(Gc *g, Term *object)
{
    Term **to = in_range(object, g->mature_start, g->mature_size) ? &g->old_hp : &g->hp;
    Term *copy = *to;
    size_t words = header_object_words(object);
    switch (words) { /* the frequent sizes without a call */
    case 2:
        memcpy(copy, object, 2 * sizeof(Term));
        break;
    case 3:
        memcpy(copy, object, 3 * sizeof(Term));
        break;
    case 4:
        memcpy(copy, object, 4 * sizeof(Term));
        break;
    case 5:
        memcpy(copy, object, 5 * sizeof(Term));
        break;
    default:
        memcpy(copy, object, words * sizeof(Term));
    }
    *to = copy + words;
    object[0] = make_boxed(copy);
    return object[0];
}

/* Updates one root or field. */
static inline void gc_slot(Gc *g, Term *slot)
{
    Term t = *slot;
    if (is_boxed(t)) {
        Term *object = boxed_ptr(t);
        if (gc_leaves(g, object)) {
            return;
        }
        *slot = is_boxed(*object) ? *object : gc_move_object(g, object);
    } else if (is_cons(t)) {
        Term *cell = list_ptr(t);
        if (gc_leaves(g, cell)) {
            return;
        }
        *slot = cell[0] == NONVALUE ? cell[1] : gc_move_cons(g, cell);
    }
}

/* A match context keeps the address of its binary's bytes, which move with a heap binary. */
static void gc_rebase_match(MatchCtx *m)
{
    const Term *orig = boxed_ptr(m->orig);
    m->base = header_sub(*orig) == SUB_HEAP_BIN ? ((const HeapBin *)orig)->data : ((const RefcBin *)orig)->data;
}

static Term *gc_scan_object(Gc *g, Term *object)
{
    Term *end = object + header_object_words(object);
    for (Term *t = object + 1 + header_raw_words(*object); t < end; t++) {
        gc_slot(g, t);
    }
    if (header_sub(*object) == SUB_MATCH) {
        gc_rebase_match((MatchCtx *)object);
    }
    return end;
}

/* Scans [scan, *end) while *end grows. Returns where it stopped. */
static Term *gc_scan(Gc *g, Term *scan, Term *const *end)
{
    while (scan < *end) {
        if (is_header(*scan)) {
            /* Behind a tuple's header come terms only: they are scanned like cons cells. */
            scan = header_sub(*scan) == SUB_TUPLE ? scan + 1 : gc_scan_object(g, scan);
        } else {
            gc_slot(g, scan);
            scan++;
        }
    }
    return scan;
}

static void gc_slot_callback(Term *slot, void *g)
{
    gc_slot(g, slot);
}

static void gc_range(Gc *g, Term *start, Term *end)
{
    for (Term *t = start; t < end; t++) {
        gc_slot(g, t);
    }
}

typedef void (*SlotFn)(Term *slot, void *arg);

/* Every root but the x registers and the stack. */
static void proc_each_root(Proc *p, SlotFn fn, void *arg)
{
    Term *own[] = {&p->fault_reason, &p->fault_args, &p->fault_trace, &p->group_leader, &p->seq_token, &p->label};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        fn(own[i], arg);
    }
    for (int i = 0; i < 2; i++) {
        if (p->extra_roots[i]) {
            fn(p->extra_roots[i], arg);
        }
    }
    if (p->dict) {
        dict_each_slot(p->dict, fn, arg);
    }
    if (p->msg_on_heap_count) {
        msg_each_root(p, fn, arg);
    }
}

/* Drops the counts of dead objects, follows the moved ones. */
static void gc_sweep_off_heap(Gc *g)
{
    OffHeap *oh = &g->p->off_heap;
    Word *object = oh->first, **end = &oh->first; /* the list keeps its order: process_info shows it */
    oh->bytes = 0;
    while (object) {
        Word header = *object;
        Word *live = is_boxed(header) ? boxed_ptr(header) : object;
        /* The copy has the link of the original: both were made before any relinking. */
        Word *next = *off_heap_next(live);
        if (live == object && !gc_leaves(g, object)) {
            off_heap_drop(object);
        } else {
            *end = live;
            end = off_heap_next(live);
            if (header_sub(*live) == SUB_REFC_BIN) {
                oh->bytes += ((RefcBin *)live)->bin->size;
            }
        }
        object = next;
    }
    *end = NULL;
}

static void gc_free_frags(Proc *p)
{
    while (p->frags) {
        HeapFrag *f = p->frags;
        p->frags = f->next;
        vm_free(f); /* its off-heap list has been merged */
    }
    p->frag_words = 0;
}

/* Copies everything live; the block `to` (words long) becomes the young block. */
static void gc_run(Gc *g, Term *to, size_t words, Term *x, unsigned live, Term *old_scan)
{
    Proc *p = g->p;
    g->from_start = (uintptr_t)p->heap;
    g->from_size = (size_t)(p->hp - p->heap) * sizeof(Term);
    g->from_elsewhere = p->frags || (p->old_heap && !g->old_size);
    g->hp = to;
    gc_range(g, x, x + live);
    gc_range(g, p->stop, p->stack_end);
    proc_each_root(p, gc_slot_callback, g);
    Term *scan = to;
    for (;;) {
        scan = gc_scan(g, scan, &g->hp);
        old_scan = g->old_size || g->mature_size ? gc_scan(g, old_scan, &g->old_hp) : old_scan;
        if (scan == g->hp && (old_scan == g->old_hp || !old_scan)) {
            break;
        }
    }
    gc_sweep_off_heap(g);
    gc_free_frags(p);
    size_t stack_words = (size_t)(p->stack_end - p->stop);
    Term *stack_end = to + words;
    memcpy(stack_end - stack_words, p->stop, stack_words * sizeof(Term));
    vm_free(p->heap);
    p->heap = to;
    p->hp = g->hp;
    p->stack_end = stack_end;
    p->stop = stack_end - stack_words;
}

/* --- changing the block's size: every pointer into it moves by the same distance ------------------------ */
typedef struct Move {
    uintptr_t start, size;
    intptr_t delta;
} Move;

static void move_slot(Term *slot, void *arg)
{
    const Move *m = arg;
    Term t = *slot;
    if (!is_immed(t) && !is_header(t) && in_range((void *)(uintptr_t)(t & ~(Term)3), m->start, m->size)) {
        *slot = t + (Term)m->delta;
    }
}

static void move_range(const Move *m, Term *start, Term *end)
{
    while (start < end) {
        if (!is_header(*start)) {
            move_slot(start++, (void *)(uintptr_t)m);
            continue;
        }
        Term *object_end = start + header_object_words(start);
        for (Term *t = start + 1 + header_raw_words(*start); t < object_end; t++) {
            move_slot(t, (void *)(uintptr_t)m);
        }
        if (header_sub(*start) == SUB_MATCH) {
            gc_rebase_match((MatchCtx *)start);
        }
        start = object_end;
    }
}

static void move_off_heap(OffHeap *oh, const Move *m)
{
    for (Word **link = &oh->first; *link; link = off_heap_next(*link)) {
        if (in_range(*link, m->start, m->size)) {
            *link = (Word *)((uintptr_t)*link + (uintptr_t)m->delta);
        }
    }
}

/* Right after a collection: no fragments, and [heap, hp) is a row of whole objects. */
static void gc_resize_block(Proc *p, size_t words, Term *x, unsigned live)
{
    size_t heap_words = (size_t)(p->hp - p->heap);
    size_t stack_words = (size_t)(p->stack_end - p->stop);
    Term *to = vm_alloc(words * sizeof(Term));
    memcpy(to, p->heap, heap_words * sizeof(Term));
    memcpy(to + words - stack_words, p->stop, stack_words * sizeof(Term));
    Move m = {(uintptr_t)p->heap, heap_words * sizeof(Term), (intptr_t)((uintptr_t)to - (uintptr_t)p->heap)};
    Term *from = p->heap;
    p->high_water = to + (p->high_water - p->heap);
    p->heap = to;
    p->hp = to + heap_words;
    p->stack_end = to + words;
    p->stop = p->stack_end - stack_words;
    move_range(&m, p->heap, p->hp);
    for (Term *t = p->stop; t < p->stack_end; t++) {
        move_slot(t, &m);
    }
    for (unsigned i = 0; i < live; i++) {
        move_slot(&x[i], &m);
    }
    proc_each_root(p, move_slot, &m);
    move_off_heap(&p->off_heap, &m);
    vm_free(from);
}

/* As gc_resize_block, for any change of slots; match contexts follow their binaries. */
void heap_each_slot(Proc *p, Term *x, unsigned live, SlotFn fn, void *arg)
{
    for (Term *object = p->heap; object < p->hp;) {
        if (!is_header(*object)) {
            fn(object++, arg);
            continue;
        }
        Term *end = object + header_object_words(object);
        for (Term *t = object + 1 + header_raw_words(*object); t < end; t++) {
            fn(t, arg);
        }
        if (header_sub(*object) == SUB_MATCH) {
            gc_rebase_match((MatchCtx *)object);
        }
        object = end;
    }
    for (Term *t = p->stop; t < p->stack_end; t++) {
        fn(t, arg);
    }
    for (unsigned i = 0; i < live; i++) {
        fn(&x[i], arg);
    }
    proc_each_root(p, fn, arg);
}

/* --- policy ------------------------------------------------------------------------------------------------ */
/* How many bytes of binaries bring the next collection: twice what a full one left. Minor ones leave the bound alone,
 * and what they leave behind may be held by objects that have died old: when it nears the bound, the next is full. */
static void gc_settle_binaries(Proc *p, bool full)
{
    size_t floor_bytes = (p->min_bin_vheap_words ? p->min_bin_vheap_words : 46422) * sizeof(Term);
    size_t bytes = p->off_heap.bytes;
    if (full) {
        p->virtual_bytes = bytes * 2 > floor_bytes ? bytes * 2 : floor_bytes;
    } else if (bytes > p->virtual_bytes / 4 * 3) {
        p->flags |= PF_FULL_SWEEP;
    }
}

static void gc_settle(Proc *p, size_t need, Term *x, unsigned live, bool full)
{
    size_t size = (size_t)(p->stack_end - p->heap);
    size_t used = (size_t)(p->hp - p->heap) + (size_t)(p->stack_end - p->stop) + need;
    size_t wanted = size;
    if (STRESS_HEAP) {
        wanted = used < STRESS_HEAP_EXACT ? used : used + used / 8;
    } else if (used > size || used > size - size / 4) {
        wanted = heap_next_size(full ? used * 2 : used > size ? used : size + 1);
    } else if (used * 4 < size && size > p->min_heap_words) {
        wanted = heap_next_size(used * 2);
        wanted = wanted < p->min_heap_words ? p->min_heap_words : wanted;
    }
    if (wanted != size) {
        gc_resize_block(p, wanted, x, live);
    }
    p->flags &= ~(unsigned)(PF_NEEDS_COLLECT | PF_FULL_SWEEP);
    gc_settle_binaries(p, full);
    p->gc_count++;
}

static void gc_minor(Proc *p, size_t need, Term *x, unsigned live)
{
    size_t mature = (size_t)(p->high_water - p->heap);
    if (!p->old_heap && mature) {
        size_t old_words = heap_next_size(mature * 2);
        p->old_heap = p->old_hp = vm_alloc(old_words * sizeof(Term));
        p->old_end = p->old_heap + old_words;
    }
    size_t used = (size_t)(p->hp - p->heap) + p->frag_words;
    size_t stack_words = (size_t)(p->stack_end - p->stop);
    size_t words = (size_t)(p->stack_end - p->heap);
    if (words < used - mature + stack_words) {
        words = heap_next_size(used - mature + stack_words + need);
    }
    Gc g = {
        .p = p,
        .old_hp = p->old_hp,
        .old_start = (uintptr_t)p->old_heap,
        .old_size = (size_t)(p->old_end - p->old_heap) * sizeof(Term),
        .mature_start = (uintptr_t)p->heap,
        .mature_size = mature * sizeof(Term),
    };
    gc_run(&g, vm_alloc(words * sizeof(Term)), words, x, live, p->old_hp);
    p->gc_words_reclaimed += used - (size_t)(p->hp - p->heap) - (size_t)(g.old_hp - p->old_hp);
    p->old_hp = g.old_hp;
    p->high_water = p->hp;
    p->minor_count++;
    gc_settle(p, need, x, live, false);
}

static void gc_full(Proc *p, size_t need, Term *x, unsigned live)
{
    msg_pin_current(p);
    size_t used = (size_t)(p->hp - p->heap) + (size_t)(p->old_hp - p->old_heap) + p->frag_words;
    size_t stack_words = (size_t)(p->stack_end - p->stop);
    size_t words = heap_next_size(used + stack_words + need);
    words = words < p->min_heap_words ? p->min_heap_words : words;
    Gc g = {.p = p};
    gc_run(&g, vm_alloc(words * sizeof(Term)), words, x, live, NULL);
    vm_free(p->old_heap);
    p->old_heap = p->old_hp = p->old_end = NULL;
    p->gc_words_reclaimed += used - (size_t)(p->hp - p->heap);
    p->high_water = p->hp;
    p->minor_count = 0;
    gc_settle(p, need, x, live, true);
}

/* One collection, with what those are told who watch collections. */
static void gc_collect(Proc *p, bool full, size_t need, Term *x, unsigned live)
{
    uint64_t before = p->gc_words_reclaimed;
    Sched *s = plat_sched();
    MsaccState doing = msacc_enter(s, MSACC_GC);
    int64_t start = system_monitor()->pid != NONVALUE ? clock_uptime_ns() : 0;
    if (trace_on(p, TRACE_GC)) {
        trace_collecting(p, full, true, need);
    }
    if (full) {
        gc_full(p, need, x, live);
    } else {
        gc_minor(p, need, x, live);
    }
    if (trace_on(p, TRACE_GC)) {
        trace_collecting(p, full, false, p->gc_words_reclaimed - before);
    }
    if (start) {
        system_monitor_collected(p, clock_uptime_ns() - start);
    }
    msacc_enter(s, doing);
}

void heap_collect_full_gc(Proc *p, size_t need, Term *x, unsigned live)
{
    gc_collect(p, true, need, x, live);
}

size_t heap_total_words(const Proc *p)
{
    size_t words = (size_t)(p->stack_end - p->heap) + (size_t)(p->old_end - p->old_heap) + p->frag_words;
    for (const Message *m = p->flags & PF_OFF_HEAP_MSGS ? NULL : p->msg_first; m; m = m->next) {
        words += m->frag ? m->frag->used : 0;
    }
    return words;
}

bool heap_collect_gc(Proc *p, size_t need, Term *x, unsigned live)
{
    msg_pin_current(p);
    p_charge(p, (p->hp - p->heap) / 16);
    size_t mature = (size_t)(p->high_water - p->heap);
    bool full = (p->flags & PF_FULL_SWEEP) || p->minor_count >= p->fullsweep_after ||
                (p->old_heap && (size_t)(p->old_end - p->old_hp) < mature);
    full = full || (STRESS_GC && p->gc_count % 4 == 3);
    gc_collect(p, full, need, x, live);
    if (STRESS_GC) {
        heap_check(p, x, live);
    }
    if (p->max_heap_words && heap_total_words(p) > p->max_heap_words) {
        return proc_max_heap_exceeded(p);
    }
    return true;
}

void heap_hibernate_gc(Proc *p, Term *x, unsigned live)
{
    heap_collect_full_gc(p, 0, x, live);
    size_t used = (size_t)(p->hp - p->heap) + (size_t)(p->stack_end - p->stop) + STACK_RESERVE;
    if (used < (size_t)(p->stack_end - p->heap)) {
        gc_resize_block(p, used, x, live);
    }
}

/* --- looking around -------------------------------------------------------------------------------------- */
typedef struct Finder {
    bool (*hit)(Word w, void *arg);
    void *arg;
    bool found;
} Finder;

static void find_in(Finder *f, const Term *from, const Term *to)
{
    for (; from < to && !f->found; from++) {
        f->found = f->hit(*from, f->arg);
    }
}

static void find_slot(Term *slot, void *arg)
{
    find_in(arg, slot, slot + 1);
}

bool heap_find_word(Proc *p, bool (*hit)(Word w, void *arg), void *arg)
{
    Finder f = {hit, arg, false};
    find_in(&f, p->heap, p->hp);
    find_in(&f, p->stop, p->stack_end);
    find_in(&f, p->old_heap, p->old_hp);
    for (HeapFrag *frag = p->frags; frag && !f.found; frag = frag->next) {
        find_in(&f, frag->mem, frag->mem + frag->used);
    }
    for (Message *m = p->msg_first; m && !f.found; m = m->next) {
        find_slot(&m->term, &f);
        if (m->frag) {
            find_in(&f, m->frag->mem, m->frag->mem + m->frag->used);
        }
    }
    const Term *saved = p->saved_x_more ? p->saved_x_more : p->saved_x;
    find_in(&f, saved, saved + p->arity);
    proc_each_root(p, find_slot, &f);
    return f.found;
}

static void check_object(const Proc *p, const Term *object)
{
    if (!is_header(*object)) {
        vm_panic("heap check: process 0x%lx: object at %p has no header: 0x%lx", (unsigned long)p->id,
                 (const void *)object, (unsigned long)*object);
    }
}

static void check_words(const Proc *p, const Term *from, const Term *to)
{
    while (from < to) {
        if (is_header(*from)) { /* the header of {} is 0, as is NONVALUE: one word either way */
            const Term *end = from + header_object_words(from);
            for (const Term *t = from + 1 + header_raw_words(*from); t < end; t++) {
                if (is_boxed(*t)) {
                    check_object(p, boxed_ptr(*t));
                }
            }
            from = end;
        } else {
            if (is_boxed(*from)) {
                check_object(p, boxed_ptr(*from));
            }
            from++;
        }
    }
}

void heap_check(Proc *p, const Term *x, unsigned live)
{
    check_words(p, p->heap, p->hp);
    check_words(p, p->old_heap, p->old_hp);
    for (const Term *t = p->stop; t < p->stack_end; t++) {
        if (is_boxed(*t)) {
            check_object(p, boxed_ptr(*t));
        }
    }
    for (unsigned i = 0; i < live; i++) {
        if (is_boxed(x[i])) {
            check_object(p, boxed_ptr(x[i]));
        }
    }
}
