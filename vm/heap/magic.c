/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Magic references: counted native resources that terms name. Each carries its pointer; only the numbers are left when
 * it is written as text or in the external format. So that it works again when it is read back (ets:lookup on what
 * list_to_ref or binary_to_term gave), a resource whose numbers have left is noted in a table, which holds no count:
 * the last reference takes it out.
 */
#include "vm/heap/offheap.h"
#include "vm/lock.h"
#include "vm/plat.h"
#include "vm/proc/sched.h"
#include "vm/vm.h"

enum { FIRST_BUCKETS = 64 };

/* All under `lock`. */
static struct NotedMagics {
    SpinLock lock;
    Magic **bucket;
    size_t buckets; /* a power of two; 0 at first */
    size_t count;
} noted;

static Magic **noted_bucket(const uint64_t n[2])
{
    return &noted.bucket[((n[0] ^ n[1]) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (noted.buckets - 1)];
}

static void noted_grow(void)
{
    Magic **old = noted.bucket;
    size_t n = noted.buckets;
    noted.buckets = n ? n * 2 : FIRST_BUCKETS;
    noted.bucket = vm_calloc(noted.buckets * sizeof *old);
    for (size_t i = 0; i < n; i++) {
        for (Magic *m = old[i]; m;) {
            Magic *next = m->noted_next;
            Magic **to = noted_bucket(m->ref_numbers);
            m->noted_next = *to;
            *to = m;
            m = next;
        }
    }
    vm_free(old);
}

void magic_note(Magic *m)
{
    if (__atomic_load_n(&m->noted, __ATOMIC_RELAXED)) {
        return;
    }
    spin_lock(&noted.lock);
    if (!m->noted) {
        if (noted.count >= noted.buckets) {
            noted_grow();
        }
        Magic **to = noted_bucket(m->ref_numbers);
        m->noted_next = *to;
        *to = m;
        noted.count++;
        __atomic_store_n(&m->noted, true, __ATOMIC_RELAXED);
    }
    spin_unlock(&noted.lock);
}

static void noted_remove(Magic *m)
{
    spin_lock(&noted.lock);
    Magic **at = noted_bucket(m->ref_numbers);
    while (*at != m) {
        at = &(*at)->noted_next;
    }
    *at = m->noted_next;
    noted.count--;
    spin_unlock(&noted.lock);
}

/* Retained; NULL when there is none, or only one whose last reference is going. */
static Magic *noted_find(const uint64_t n[2])
{
    spin_lock(&noted.lock);
    Magic *m = noted.buckets ? *noted_bucket(n) : NULL;
    while (m && (m->ref_numbers[0] != n[0] || m->ref_numbers[1] != n[1])) {
        m = m->noted_next;
    }
    int64_t count = m ? __atomic_load_n(&m->refc, __ATOMIC_RELAXED) : 0;
    while (count > 0 && !__atomic_compare_exchange_n(&m->refc, &count, count + 1, true, __ATOMIC_RELAXED,
            __ATOMIC_RELAXED)) {
        /* somebody else counted: look again */
    }
    spin_unlock(&noted.lock);
    return count > 0 ? m : NULL;
}

Magic *magic_new(const MagicKind *kind, void *data)
{
    Magic *m = vm_calloc(sizeof *m);
    m->kind = kind;
    m->data = data;
    sched_new_ref_numbers(plat_sched(), &m->ref_numbers[0], &m->ref_numbers[1]);
    return m;
}

void magic_retain(Magic *m)
{
    __atomic_add_fetch(&m->refc, 1, __ATOMIC_RELAXED);
}

void magic_release(Magic *m)
{
    if (__atomic_sub_fetch(&m->refc, 1, __ATOMIC_ACQ_REL) == 0) {
        if (m->noted) {
            noted_remove(m);
        }
        if (m->kind->destroy) {
            m->kind->destroy(m);
        }
        vm_free(m);
    }
}

Term build_magic_ref(Term **hp, OffHeap *oh, Magic *m)
{
    Ref *r = (Ref *)*hp;
    *hp += REF_MAGIC_WORDS;
    r->header = MAKE_HEADER(REF_MAGIC_ARITY, SUB_REF);
    r->n01 = m->ref_numbers[0];
    r->n2 = m->ref_numbers[1];
    r->magic = m;
    magic_retain(m);
    off_heap_link(oh, (Word *)r);
    return make_boxed((Term *)r);
}

Term build_read_ref(Term **hp, OffHeap *oh, uint64_t n01, uint64_t n2)
{
    Magic *m = noted_find((uint64_t[2]){n01, n2});
    if (m) {
        Term t = build_magic_ref(hp, oh, m);
        magic_release(m);
        return t;
    }
    Ref *r = (Ref *)*hp;
    *hp += REF_PLAIN_WORDS;
    r->header = MAKE_HEADER(REF_PLAIN_ARITY, SUB_REF);
    r->n01 = n01;
    r->n2 = n2;
    return make_boxed((Term *)r);
}

Term heap_magic_ref(Proc *p, Magic *m)
{
    Term *hp = heap_alloc(p, REF_MAGIC_WORDS);
    return build_magic_ref(&hp, heap_off_heap(p), m);
}

Magic *magic_of(Term t, const MagicKind *kind)
{
    if (!is_magic_ref(t) || ref_ptr(t)->magic->kind != kind) {
        return NULL;
    }
    return ref_ptr(t)->magic;
}
