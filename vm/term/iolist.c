/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iodata: nested lists of bytes and binaries. One walker with an explicit stack serves all users; the stack holds
 * the tails still to be visited, one for each list that nests in head position.
 */
#include "vm/term/binary.h"
#include "vm/term/bits.h"

void iolist_walk_init(IoWalk *w, Term t)
{
    w->stack = w->first;
    w->depth = 0;
    w->capacity = sizeof w->first / sizeof w->first[0];
    w->here = t;
}

void iolist_walk_end(IoWalk *w)
{
    if (w->stack != w->first) {
        vm_free(w->stack);
        w->stack = w->first;
    }
}

static void walk_push(IoWalk *w, Term t)
{
    if (w->depth == w->capacity) {
        Term *more = vm_alloc(2 * w->capacity * sizeof *more);
        memcpy(more, w->stack, w->depth * sizeof *more);
        iolist_walk_end(w);
        w->stack = more;
        w->capacity *= 2;
    }
    w->stack[w->depth++] = t;
}

int iolist_walk_next(IoWalk *w, Term *leaf)
{
    for (;;) {
        Term t = w->here;
        if (is_cons(t)) {
            Term head = cons_head(t);
            w->here = cons_tail(t);
            if (is_small(head)) {
                *leaf = head;
                return (uint64_t)small_value(head) <= 255 ? 1 : -1;
            }
            if (is_bitstring(head)) {
                *leaf = head;
                return 1;
            }
            if (is_cons(head)) {
                if (!is_nil(w->here)) {
                    walk_push(w, w->here);
                }
                w->here = head;
            } else if (!is_nil(head)) {
                *leaf = head;
                return -1;
            }
            continue;
        }
        w->here = NIL;
        if (is_bitstring(t)) {
            *leaf = t;
            return 1;
        }
        if (!is_nil(t)) {
            *leaf = t;
            return -1;
        }
        if (w->depth == 0) {
            return 0;
        }
        w->here = w->stack[--w->depth];
    }
}

/* The bytes that come next in the list being walked, `max` at most, to `to` unless that is NULL: how many. */
static inline size_t walk_bytes(IoWalk *w, uint8_t *to, size_t max)
{
    size_t n = 0;
    Term t = w->here;
    for (; n < max && is_cons(t); t = cons_tail(t), n++) {
        Term head = cons_head(t);
        if (!is_small(head) || (uint64_t)small_value(head) > 255) {
            break;
        }
        if (to) {
            to[n] = (uint8_t)small_value(head);
        }
    }
    w->here = t;
    return n;
}

IoResult bitlist_size_of(Term t, size_t *bits)
{
    IoWalk w;
    Term leaf;
    size_t sum = 0;
    int r;
    iolist_walk_init(&w, t);
    while ((r = iolist_walk_next(&w, &leaf)) > 0) {
        size_t n = is_small(leaf) ? 8 : bitstring_bit_size(leaf);
        if (sum + n < sum) {
            iolist_walk_end(&w);
            return IO_OVERFLOW;
        }
        sum += n;
    }
    iolist_walk_end(&w);
    *bits = sum;
    return r == 0 ? IO_OK : IO_BADARG;
}

IoResult iolist_size_of(Term t, size_t *bytes)
{
    IoWalk w;
    Term leaf;
    size_t sum = 0;
    int r;
    iolist_walk_init(&w, t);
    while ((r = iolist_walk_next(&w, &leaf)) > 0) {
        size_t bits = is_small(leaf) ? 8 : bitstring_bit_size(leaf);
        if (bits & 7) {
            r = -1;
            break;
        }
        if (sum + bits / 8 < sum) {
            iolist_walk_end(&w);
            return IO_OVERFLOW;
        }
        sum += bits / 8;
        if (is_small(leaf)) {
            sum += walk_bytes(&w, NULL, SIZE_MAX - sum);
        }
    }
    iolist_walk_end(&w);
    *bytes = sum;
    return r == 0 ? IO_OK : IO_BADARG;
}

IoResult bitlist_copy(Term t, uint8_t *buf, size_t cap_bits)
{
    IoWalk w;
    Term leaf;
    size_t at = 0;
    int r;
    IoResult result = IO_OK;
    iolist_walk_init(&w, t);
    while ((r = iolist_walk_next(&w, &leaf)) > 0) {
        size_t n = is_small(leaf) ? 8 : bitstring_bit_size(leaf);
        if (n > cap_bits - at) {
            result = IO_OVERFLOW;
            break;
        }
        if (!is_small(leaf)) {
            Bits b = bits_view(leaf);
            bits_copy(buf, at, b.base, b.bit_offset, n);
        } else if (at & 7) {
            bits_put(buf, at, 8, (uint64_t)small_value(leaf));
        } else {
            buf[at / 8] = (uint8_t)small_value(leaf);
            n += 8 * walk_bytes(&w, buf + at / 8 + 1, (cap_bits - at) / 8 - 1);
        }
        at += n;
    }
    iolist_walk_end(&w);
    return r < 0 ? IO_BADARG : result;
}

IoResult iolist_copy(Term t, uint8_t *buf, size_t cap)
{
    return bitlist_copy(t, buf, cap * 8);
}

uint8_t *iolist_to_memory(Term t, size_t *bytes)
{
    if (iolist_size_of(t, bytes) != IO_OK) {
        return NULL;
    }
    uint8_t *mem = vm_alloc(*bytes + 1);
    iolist_copy(t, mem, *bytes);
    mem[*bytes] = 0;
    return mem;
}
