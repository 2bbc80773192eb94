/* SPDX-License-Identifier: Apache-2.0 */
/* See letter.h. */
#include "vm/proc/letter.h"

#include "vm/proc/msg.h"

Letter letter_new(size_t words)
{
    HeapFrag *frag = frag_new(words);
    return (Letter){frag, frag->mem};
}

Term letter_binary(Letter *l, const void *bytes, size_t n)
{
    if (n > HEAP_BIN_MAX) {
        Binary *b = binary_alloc(n);
        memcpy(b->data, bytes, n);
        return build_refc_bin(&l->hp, &l->frag->off_heap, b, b->data, n);
    }
    HeapBin *bin = (HeapBin *)l->hp;
    l->hp[HEAP_BIN_WORDS(n) - 1] = 0;
    bin->header = MAKE_HEADER(HEAP_BIN_WORDS(n) - 1, SUB_HEAP_BIN);
    bin->size = n;
    memcpy(bin->data, bytes, n);
    l->hp += HEAP_BIN_WORDS(n);
    return make_boxed((Term *)bin);
}

Term letter_string(Letter *l, const uint8_t *bytes, size_t n, Term tail)
{
    for (size_t i = n; i-- > 0;) {
        tail = heap_cons(&l->hp, make_small(bytes[i]), tail);
    }
    return tail;
}

Term letter_tuple(Letter *l, size_t n, const Term *elements)
{
    Term *t = l->hp;
    t[0] = MAKE_HEADER(n, SUB_TUPLE);
    memcpy(t + 1, elements, n * sizeof *elements);
    l->hp += n + 1;
    return make_boxed(t);
}

void letter_send(Letter *l, Term pid, Term message)
{
    l->frag->used = (size_t)(l->hp - l->frag->mem);
    msg_send_frag(pid, message, l->frag);
}
