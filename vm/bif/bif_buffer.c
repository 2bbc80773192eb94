/* SPDX-License-Identifier: Apache-2.0 */
/* prim_buffer: a byte queue as a magic reference, with a lock for processes that take turns (ram files, raw files). */
#include "gen/natives.h"
#include "vm/bif/bif_buffer_queue.h"
#include "vm/term/binary.h"

typedef struct PrimBuffer {
    ByteQueue queue;
    uint32_t locked; /* atomic */
} PrimBuffer;

static void buffer_destroy(Magic *m)
{
    PrimBuffer *b = m->data;
    queue_clear(&b->queue);
    vm_free(b);
}
static const MagicKind buffer_kind = {"prim_buffer", buffer_destroy};

static PrimBuffer *buffer_of(Term t)
{
    Magic *m = magic_of(t, &buffer_kind);
    return m ? m->data : NULL;
}

/* A number of bytes that the buffer has. */
static bool buffer_size_arg(const PrimBuffer *b, Term t, size_t *n)
{
    if (!b || !is_small(t) || (uint64_t)small_value(t) > b->queue.size) {
        return false;
    }
    *n = (size_t)small_value(t);
    return true;
}

NATIVE(native_prim_buffer_new)
{
    (void)a;
    return heap_magic_ref(p, magic_new(&buffer_kind, vm_calloc(sizeof(PrimBuffer))));
}

NATIVE(native_prim_buffer_size)
{
    PrimBuffer *b = buffer_of(a[0]);
    return b ? heap_uint64(p, b->queue.size) : p_badarg(p);
}

NATIVE(native_prim_buffer_peek_head)
{
    PrimBuffer *b = buffer_of(a[0]);
    if (!b || b->queue.size == 0) {
        return p_badarg(p);
    }
    const BytePiece *head = b->queue.first;
    if (head->size <= HEAP_BIN_MAX) {
        return binary_from_bytes(p, head->data, head->size);
    }
    Term *hp = heap_alloc(p, REFC_BIN_WORDS);
    binary_retain(head->bin);
    return build_refc_bin(&hp, heap_off_heap(p), head->bin, head->data, head->size);
}

NATIVE(native_prim_buffer_copying_read)
{
    PrimBuffer *b = buffer_of(a[0]);
    size_t n;
    uint8_t *to;
    if (!buffer_size_arg(b, a[1], &n)) {
        return p_badarg(p);
    }
    Term t = binary_new(p, n, &to);
    queue_copy(&b->queue, to, n);
    queue_skip(&b->queue, n);
    return t;
}

NATIVE(native_prim_buffer_write)
{
    PrimBuffer *b = buffer_of(a[0]);
    if (!b || !queue_put_iovec(&b->queue, a[1])) {
        return p_badarg(p);
    }
    return A_ok;
}

NATIVE(native_prim_buffer_skip)
{
    PrimBuffer *b = buffer_of(a[0]);
    size_t n;
    if (!buffer_size_arg(b, a[1], &n)) {
        return p_badarg(p);
    }
    queue_skip(&b->queue, n);
    return A_ok;
}

NATIVE(native_prim_buffer_find_byte_index)
{
    PrimBuffer *b = buffer_of(a[0]);
    size_t before = 0;
    if (!b || !is_small(a[1]) || (uint64_t)small_value(a[1]) > 255) {
        return p_badarg(p);
    }
    for (const BytePiece *piece = b->queue.first; piece; piece = piece->next) {
        const uint8_t *hit = memchr(piece->data, (int)small_value(a[1]), piece->size);
        if (hit) {
            return heap_tuple2(p, A_ok, heap_uint64(p, before + (size_t)(hit - piece->data)));
        }
        before += piece->size;
    }
    p_charge(p, (intptr_t)(before / 1024));
    return A_not_found;
}

NATIVE(native_prim_buffer_try_lock)
{
    PrimBuffer *b = buffer_of(a[0]);
    if (!b) {
        return p_badarg(p);
    }
    return __atomic_exchange_n(&b->locked, 1, __ATOMIC_ACQUIRE) ? A_busy : A_acquired;
}

NATIVE(native_prim_buffer_unlock)
{
    PrimBuffer *b = buffer_of(a[0]);
    if (!b || !__atomic_exchange_n(&b->locked, 0, __ATOMIC_RELEASE)) {
        return p_badarg(p);
    }
    return A_ok;
}
