/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process parts with the literals of areas that are being released (literal.h). Few have any, and
 * most that have refer to little of a large area, in many places and with sharing: so a copy of the
 * whole area joins the heap as a fragment, every slot that points into the area is moved by the
 * distance between the two, and a collection leaves behind what nobody needs. Messages that wait in
 * fragments of their own are copied there.
 */
#include "vm/heap/literal.h"
#include "vm/heap/offheap.h"
#include "vm/proc/msg.h"
#include "vm/proc/proc.h"

static const void *word_target(Word w)
{
    return (const void *)(uintptr_t)(w & ~(Word)3);
}

static bool word_is_released(Word w, void *arg)
{
    (void)arg;
    return literal_is_released(word_target(w));
}

/* The copies of areas made so far, by number. */
typedef struct Leaving {
    Proc *p;
    Term **copies;
} Leaving;

static void copy_move_slot(Term *slot, const LiteralArea *area, intptr_t distance)
{
    if (!is_immed(*slot) && !is_header(*slot) &&
            (uintptr_t)word_target(*slot) - (uintptr_t)area->start < area->words * sizeof(Term)) {
        *slot += (Term)distance;
    }
}

/* An area is a row of whole objects that refer to nothing outside of it. */
static HeapFrag *area_copy(const LiteralArea *area)
{
    HeapFrag *f = frag_new(area->words);
    f->used = area->words;
    memcpy(f->mem, area->start, area->words * sizeof(Term));
    intptr_t distance = (intptr_t)((uintptr_t)f->mem - (uintptr_t)area->start);
    for (Term *t = f->mem; t < f->mem + f->used;) {
        if (!is_header(*t)) {
            copy_move_slot(t++, area, distance);
            continue;
        }
        Term *end = t + header_object_words(t);
        for (Term *field = t + 1 + header_raw_words(*t); field < end; field++) {
            copy_move_slot(field, area, distance);
        }
        off_heap_retain(t, &f->off_heap);
        t = end;
    }
    return f;
}

static void leave_slot(Term *slot, void *arg)
{
    Leaving *l = arg;
    size_t index;
    const LiteralArea *area =
        is_immed(*slot) || is_header(*slot) ? NULL : literal_released_area(word_target(*slot), &index);
    if (!area) {
        return;
    }
    if (!l->copies[index]) {
        HeapFrag *f = area_copy(area);
        l->copies[index] = f->mem;
        heap_adopt_frag(l->p, f);
    }
    *slot += (Term)((uintptr_t)l->copies[index] - (uintptr_t)area->start);
}

static bool message_has_released(const Message *m)
{
    bool found = word_is_released(m->term, NULL) || word_is_released(m->token, NULL);
    for (size_t i = 0; m->frag && i < m->frag->used && !found; i++) {
        found = word_is_released(m->frag->mem[i], NULL);
    }
    return found;
}

/* A copy does not take released literals for literals. */
static void message_leave(Message *m)
{
    HeapFrag *f = frag_new(term_size(m->term) + term_size(m->token));
    Term *hp = f->mem;
    m->term = term_copy(m->term, &hp, &f->off_heap);
    m->token = term_copy(m->token, &hp, &f->off_heap);
    f->used = (size_t)(hp - f->mem);
    if (m->frag) {
        frag_free(m->frag);
    }
    m->frag = f;
}

bool heap_leave_literals(Proc *p, Term *x, unsigned live)
{
    p_charge(p, (intptr_t)(heap_total_words(p) / 64));
    if (literal_released_count() == 0 || !heap_find_word(p, word_is_released, NULL)) {
        return true;
    }
    heap_collect_full_gc(p, 0, x, live);
    Leaving l = {p, vm_calloc(literal_released_count() * sizeof *l.copies)};
    heap_each_slot(p, x, live, leave_slot, &l);
    vm_free(l.copies);
    for (Message *m = p->msg_first; m; m = m->next) {
        if (!m->on_heap && message_has_released(m)) {
            message_leave(m);
        }
    }
    if (p->flags & PF_HIBERNATED) {
        heap_hibernate_gc(p, x, live);
        return true;
    }
    p->flags |= PF_FULL_SWEEP;
    return heap_collect_gc(p, 0, x, live);
}
