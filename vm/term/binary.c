/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binaries as terms: bytes up to HEAP_BIN_MAX lie on the heap, larger ones are counted memory outside (RefcBin), and a
 * part of either is a SubBin, which never refers to another SubBin. Bits behind the last of a bitstring are undefined:
 * whoever reads bytes of a bitstring masks them.
 */
#include "vm/term/binary.h"
#include "vm/proc/proc.h"
#include "vm/term/bits.h"
#include "vm/vm.h"

const uint8_t *binary_origin_bytes(Term origin)
{
    if (boxed_sub(origin) == SUB_HEAP_BIN) {
        return ((HeapBin *)boxed_ptr(origin))->data;
    }
    debug_assert(boxed_sub(origin) == SUB_REFC_BIN);
    return ((RefcBin *)boxed_ptr(origin))->data;
}

Term binary_origin(Term t, size_t *bit_offset)
{
    if (boxed_sub(t) == SUB_SUB_BIN) {
        const SubBin *s = (SubBin *)boxed_ptr(t);
        *bit_offset = s->offset * 8 + s->bit_offset;
        return s->orig;
    }
    *bit_offset = 0;
    return t;
}

Bits bits_view(Term t)
{
    Bits b;
    Term origin = binary_origin(t, &b.bit_offset);
    b.base = binary_origin_bytes(origin);
    b.bit_size = bitstring_bit_size(t);
    return b;
}

size_t bitstring_bit_size(Term t)
{
    switch (boxed_sub(t)) {
    case SUB_HEAP_BIN:
        return ((HeapBin *)boxed_ptr(t))->size * 8;
    case SUB_REFC_BIN:
        return ((RefcBin *)boxed_ptr(t))->size * 8;
    default:
        return ((SubBin *)boxed_ptr(t))->size * 8 + ((SubBin *)boxed_ptr(t))->bit_size;
    }
}

bool is_binary(Term t)
{
    return is_bitstring(t) &&
           (boxed_sub(t) != SUB_SUB_BIN || ((SubBin *)boxed_ptr(t))->bit_size == 0);
}

bool binary_bytes(Proc *p, Term t, const uint8_t **data, size_t *size)
{
    if (!is_binary(t)) {
        return false;
    }
    Bits b = bits_view(t);
    *size = b.bit_size / 8;
    if ((b.bit_offset & 7) == 0) {
        *data = b.base + b.bit_offset / 8;
        return true;
    }
    uint8_t *copy;
    binary_new(p, *size, &copy);
    bits_copy(copy, 0, b.base, b.bit_offset, b.bit_size);
    *data = copy;
    return true;
}

void binary_note_pressure(Proc *p)
{
    if (p->off_heap.bytes > p->virtual_bytes) {
        p->flags |= PF_NEEDS_COLLECT;
    }
}

Term binary_build_new(Term **hp, OffHeap *oh, size_t size, uint8_t **data)
{
    if (size > HEAP_BIN_MAX) {
        Binary *b = binary_alloc(size);
        *data = b->data;
        return build_refc_bin(hp, oh, b, b->data, size);
    }
    HeapBin *h = (HeapBin *)*hp;
    size_t words = HEAP_BIN_WORDS(size);
    (*hp)[words - 1] = 0; /* no stray bytes behind the data */
    *hp += words;
    h->header = MAKE_HEADER(words - 1, SUB_HEAP_BIN);
    h->size = size;
    *data = h->data;
    return make_boxed((Term *)h);
}

Term binary_new(Proc *p, size_t size, uint8_t **data)
{
    Term *hp = heap_alloc(p, binary_new_words(size));
    Term t = binary_build_new(&hp, heap_off_heap(p), size, data);
    if (size > HEAP_BIN_MAX) {
        binary_note_pressure(p);
    }
    return t;
}

Term bitstring_new(Proc *p, size_t bit_size, uint8_t **data)
{
    if ((bit_size & 7) == 0) {
        return binary_new(p, bit_size / 8, data);
    }
    Term t = binary_new(p, bit_size / 8 + 1, data);
    Term *hp = heap_alloc(p, SUB_BIN_WORDS);
    return binary_build_sub(&hp, t, 0, bit_size);
}

Term binary_from_bytes(Proc *p, const void *data, size_t size)
{
    uint8_t *to;
    Term t = binary_new(p, size, &to);
    memcpy(to, data, size);
    return t;
}

Term binary_from_cstr(Proc *p, const char *s)
{
    return binary_from_bytes(p, s, strlen(s));
}

Term binary_take(Proc *p, Binary *b, size_t size)
{
    if (size <= HEAP_BIN_MAX) {
        Term t = binary_from_bytes(p, b->data, size);
        binary_release(b);
        return t;
    }
    Term *hp = heap_alloc(p, REFC_BIN_WORDS);
    Term t = build_refc_bin(&hp, heap_off_heap(p), b, b->data, size);
    binary_note_pressure(p);
    return t;
}

Term binary_build_sub(Term **hp, Term origin, size_t bit_offset, size_t bit_size)
{
    SubBin *s = (SubBin *)*hp;
    *hp += SUB_BIN_WORDS;
    s->header = MAKE_HEADER(SUB_BIN_WORDS - 1, SUB_SUB_BIN);
    s->size = bit_size / 8;
    s->offset = bit_offset / 8;
    s->bit_offset = bit_offset & 7;
    s->bit_size = bit_size & 7;
    s->is_writable = 0;
    memset(s->pad, 0, sizeof s->pad);
    s->orig = origin;
    return make_boxed((Term *)s);
}

Term binary_build_part(Term **hp, Term origin, size_t bit_offset, size_t bit_size)
{
    if (bit_size > HEAP_BIN_MAX * 8 || (bit_size & 7)) {
        return binary_build_sub(hp, origin, bit_offset, bit_size);
    }
    uint8_t *data;
    Term t = binary_build_new(hp, NULL, bit_size / 8, &data);
    bits_copy(data, 0, binary_origin_bytes(origin), bit_offset, bit_size);
    return t;
}

Term binary_sub(Proc *p, Term t, size_t bit_offset, size_t bit_size)
{
    size_t start;
    Term origin = binary_origin(t, &start);
    size_t words = bit_size <= HEAP_BIN_MAX * 8 && (bit_size & 7) == 0 ? HEAP_BIN_WORDS(bit_size / 8)
                                                                         : SUB_BIN_WORDS;
    Term *hp = heap_alloc(p, words);
    return binary_build_part(&hp, origin, start + bit_offset, bit_size);
}
