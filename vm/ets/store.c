/* SPDX-License-Identifier: Apache-2.0 */
/* Objects, and the operations that both kinds of storage have. */
#include "vm/ets/table.h"

void *object_new(size_t head, Term tuple)
{
    size_t words = term_size_whole(tuple);
    EtsObject *o = vm_alloc(head + words * sizeof(Term));
    Term *hp = (Term *)((char *)o + head);
    OffHeap oh = {0};
    o->tuple = term_copy_whole(tuple, &hp, &oh);
    o->off_heap = oh.first;
    o->words = words;
    return o;
}

void object_free(EtsObject *o)
{
    if (o->off_heap) {
        OffHeap oh = {.first = o->off_heap};
        off_heap_release(&oh);
    }
    vm_free(o);
}

void store_init(EtsStore *s, EtsType type, unsigned keypos)
{
    *s = (EtsStore){.type = type, .keypos = keypos};
    if (type != ETS_ORDERED_SET) {
        hash_init(s);
    }
}

bool store_free_some(EtsStore *s, size_t budget)
{
    return store_is_tree(s) ? tree_free_some(s, budget) : hash_free_some(s, budget);
}

EtsObject *store_find(const EtsStore *s, Term key)
{
    if (store_is_tree(s)) {
        TreeNode *t = tree_find(s, key);
        return t ? &t->o : NULL;
    }
    HashNode *n = hash_find(s, key);
    return n ? &n->o : NULL;
}

void store_insert(EtsStore *s, Term tuple, bool fixed)
{
    if (store_is_tree(s)) {
        tree_insert(s, tuple);
    } else {
        hash_insert(s, tuple, fixed);
    }
}

size_t store_remove(EtsStore *s, Term key, bool fixed)
{
    return store_is_tree(s) ? tree_remove(s, key) : hash_remove(s, key, NONVALUE, fixed);
}

EtsObject *store_replace(EtsStore *s, EtsObject *o, Term tuple)
{
    return store_is_tree(s) ? &tree_replace(s, (TreeNode *)o, tuple)->o : &hash_replace(s, (HashNode *)o, tuple)->o;
}

size_t store_memory_words(const EtsStore *s)
{
    size_t words = s->words;
    if (!store_is_tree(s)) {
        const HashStore *h = &s->u.hash;
        words += h->segment_count * HASH_SEGMENT + h->segment_capacity + h->dead_capacity;
    }
    return words;
}
