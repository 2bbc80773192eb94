/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack of terms still to be visited, for walks whose depth the user decides. Arrays are pushed as one entry
 * (start, count), so that a tuple of a million elements costs one. The first entries need no memory.
 */
#pragma once

#include "vm/heap/heap.h"

typedef struct TermRange {
    const Term *next;
    size_t n; /* 0: `next` is itself the term */
} TermRange;

enum { TERM_STACK_LOCAL = 32 };
typedef struct TermStack {
    TermRange *items;
    size_t count, capacity;
    TermRange local[TERM_STACK_LOCAL];
} TermStack;

static inline void term_stack_init(TermStack *s)
{
    s->items = s->local;
    s->count = 0;
    s->capacity = TERM_STACK_LOCAL;
}
static inline void term_stack_free(TermStack *s)
{
    if (s->items != s->local) {
        vm_free(s->items);
    }
}
static inline void term_stack_grow(TermStack *s)
{
    s->items = (TermRange *)vm_stack_grow(s->items, s->local, &s->capacity, sizeof(TermRange));
}
static inline void term_stack_push(TermStack *s, Term t)
{
    if (s->count == s->capacity) {
        term_stack_grow(s);
    }
    s->items[s->count].next = (const Term *)(uintptr_t)t;
    s->items[s->count++].n = 0;
}
/* The elements come out first to last. The array must not move meanwhile. */
static inline void term_stack_push_array(TermStack *s, const Term *start, size_t n)
{
    if (n == 0) {
        return;
    }
    if (s->count == s->capacity) {
        term_stack_grow(s);
    }
    s->items[s->count].next = start;
    s->items[s->count++].n = n;
}
static inline bool term_stack_pop(TermStack *s, Term *t)
{
    if (s->count == 0) {
        return false;
    }
    TermRange *r = &s->items[s->count - 1];
    if (r->n == 0) {
        *t = (Term)(uintptr_t)r->next;
        s->count--;
        return true;
    }
    *t = *r->next++;
    if (--r->n == 0) {
        s->count--;
    }
    return true;
}
