/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Small pieces are gathered in Binaries of GATHER_BYTES, filled only while nobody else holds them. */
#include "vm/bif/bif_buffer_queue.h"
#include "vm/term/binary.h"
#include "vm/vm.h"

enum { GATHER_BYTES = 4096, KEEP_MIN_BYTES = 512 };

static void piece_free(BytePiece *b)
{
    binary_release(b->bin);
    vm_free(b);
}

void queue_clear(ByteQueue *q)
{
    while (q->first) {
        BytePiece *next = q->first->next;
        piece_free(q->first);
        q->first = next;
    }
    q->last = NULL;
    q->size = 0;
}

/* Takes the count of bin. */
static BytePiece *queue_add(ByteQueue *q, Binary *bin, const uint8_t *data, size_t size)
{
    BytePiece *b = vm_alloc(sizeof *b);
    *b = (BytePiece){NULL, bin, data, size};
    if (q->last) {
        q->last->next = b;
    } else {
        q->first = b;
    }
    q->last = b;
    return b;
}

/* Room for n bytes behind the last piece: in its own Binary, or in a new one. */
static uint8_t *queue_room(ByteQueue *q, size_t n)
{
    BytePiece *b = q->last;
    if (b && b->bin->size == GATHER_BYTES && __atomic_load_n(&b->bin->refc, __ATOMIC_ACQUIRE) == 1) {
        size_t used = (size_t)(b->data - b->bin->data) + b->size;
        if (GATHER_BYTES - used >= n) {
            return b->bin->data + used;
        }
    }
    Binary *bin = binary_alloc(n < GATHER_BYTES ? GATHER_BYTES : n);
    queue_add(q, bin, bin->data, 0);
    return bin->data;
}

void queue_put_binary(ByteQueue *q, Term t)
{
    size_t bit, size = bitstring_bit_size(t) / 8;
    Term origin = binary_origin(t, &bit);
    if (size == 0) {
        return;
    }
    if (size >= KEEP_MIN_BYTES && (bit & 7) == 0 && boxed_sub(origin) == SUB_REFC_BIN &&
        !((RefcBin *)boxed_ptr(origin))->writable) {
        RefcBin *r = (RefcBin *)boxed_ptr(origin);
        binary_retain(r->bin);
        queue_add(q, r->bin, r->data + bit / 8, size);
    } else {
        Bits b = bits_view(t);
        bits_copy(queue_room(q, size), 0, b.base, b.bit_offset, size * 8);
        q->last->size += size;
    }
    q->size += size;
}

bool queue_put_iovec(ByteQueue *q, Term list)
{
    Term t = list;
    while (is_cons(t) && is_binary(cons_head(t))) {
        t = cons_tail(t);
    }
    if (!is_nil(t)) {
        return false;
    }
    for (t = list; is_cons(t); t = cons_tail(t)) {
        queue_put_binary(q, cons_head(t));
    }
    return true;
}

void queue_skip(ByteQueue *q, size_t n)
{
    debug_assert(n <= q->size);
    q->size -= n;
    while (n > 0) {
        BytePiece *b = q->first;
        if (n < b->size) {
            b->data += n;
            b->size -= n;
            return;
        }
        n -= b->size;
        q->first = b->next;
        if (!q->first) {
            q->last = NULL;
        }
        piece_free(b);
    }
}

void queue_copy(const ByteQueue *q, uint8_t *to, size_t n)
{
    for (const BytePiece *b = q->first; n > 0; b = b->next) {
        size_t part = b->size < n ? b->size : n;
        memcpy(to, b->data, part);
        to += part;
        n -= part;
    }
}
