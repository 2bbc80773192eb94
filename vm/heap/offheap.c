/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What terms share across heaps: the bytes of refc binaries, here, and the resources of magic references, in magic.c.
 * Both are counted; each memory area keeps a list of the objects in it that hold a count (OffHeap).
 */
#include "vm/heap/offheap.h"
#include "vm/vm.h"

/* Bytes of all binaries alive; atomic. For reports. */
static int64_t binary_bytes_alive;

int64_t binary_total_bytes(void)
{
    return __atomic_load_n(&binary_bytes_alive, __ATOMIC_RELAXED);
}

static void binary_count(int64_t bytes)
{
    __atomic_add_fetch(&binary_bytes_alive, bytes, __ATOMIC_RELAXED);
}

Binary *binary_alloc(size_t bytes)
{
    binary_count((int64_t)(sizeof(Binary) + bytes));
    Binary *b = vm_alloc(sizeof(Binary) + bytes);
    b->refc = 1;
    b->size = bytes;
    return b;
}

Binary *binary_realloc(Binary *b, size_t bytes)
{
    debug_assert(b->refc == 1);
    binary_count((int64_t)bytes - (int64_t)b->size);
    b = vm_realloc(b, sizeof(Binary) + bytes);
    b->size = bytes;
    return b;
}

void binary_retain(Binary *b)
{
    __atomic_add_fetch(&b->refc, 1, __ATOMIC_RELAXED);
}

void binary_release(Binary *b)
{
    if (__atomic_sub_fetch(&b->refc, 1, __ATOMIC_ACQ_REL) == 0) {
        binary_count(-(int64_t)(sizeof(Binary) + b->size));
        vm_free(b);
    }
}

Term build_refc_bin(Term **hp, OffHeap *oh, Binary *b, const uint8_t *data, size_t size)
{
    RefcBin *r = (RefcBin *)*hp;
    *hp += REFC_BIN_WORDS;
    r->header = MAKE_HEADER(REFC_BIN_WORDS - 1, SUB_REFC_BIN);
    r->bin = b;
    r->data = (uint8_t *)(uintptr_t)data;
    r->size = size;
    r->writable = 0;
    off_heap_link(oh, (Word *)r);
    oh->bytes += b->size;
    return make_boxed((Term *)r);
}

void off_heap_link(OffHeap *oh, Word *object)
{
    *off_heap_next(object) = oh->first;
    oh->first = object;
}

void off_heap_drop(Word *object)
{
    if (header_sub(*object) == SUB_REFC_BIN) {
        binary_release(((RefcBin *)object)->bin);
    } else {
        magic_release(((Ref *)object)->magic);
    }
}

void off_heap_release(OffHeap *oh)
{
    Word *object = oh->first;
    oh->first = NULL;
    oh->bytes = 0;
    while (object) {
        Word *next = *off_heap_next(object);
        off_heap_drop(object);
        object = next;
    }
}

void off_heap_merge(OffHeap *to, OffHeap *from)
{
    if (!from->first) {
        return;
    }
    Word *last = from->first;
    while (*off_heap_next(last)) {
        last = *off_heap_next(last);
    }
    *off_heap_next(last) = to->first;
    to->first = from->first;
    to->bytes += from->bytes;
    from->first = NULL;
    from->bytes = 0;
}
