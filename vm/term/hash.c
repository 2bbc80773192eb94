/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The internal hash: for the tries of large maps and for ETS. Equal (=:=) terms hash equally; beyond that only speed
 * and spread count, and no other node ever sees the value. 64 bits of state, mixed by multiplication; the walk
 * keeps what is still to be hashed on an explicit stack.
 */
#include "vm/term/hash.h"

#include "vm/heap/heap.h"
#include "vm/load/code.h"
#include "vm/term/atom.h"
#include "vm/term/binary.h"
#include "vm/term/term_stack.h"

static inline uint64_t mix(uint64_t h, uint64_t v)
{
    __uint128_t m = (__uint128_t)(h ^ v ^ UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint32_t finish(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(h >> 32);
}

static uint64_t mix_bytes(uint64_t h, const uint8_t *data, size_t n)
{
    for (; n >= 8; n -= 8, data += 8) {
        uint64_t v;
        memcpy(&v, data, 8);
        h = mix(h, v);
    }
    uint64_t v = 0;
    memcpy(&v, data, n);
    return mix(h, v);
}

static uint64_t mix_bits(uint64_t h, Term t)
{
    Bits v = bits_view(t);
    h = mix(h, v.bit_size);
    if (v.bit_offset % 8 == 0 && v.bit_size % 8 == 0) {
        return mix_bytes(h, v.base + v.bit_offset / 8, v.bit_size / 8);
    }
    uint8_t buf[64];
    for (size_t at = 0; at < v.bit_size; at += sizeof buf * 8) {
        size_t n = v.bit_size - at < sizeof buf * 8 ? v.bit_size - at : sizeof buf * 8;
        memset(buf, 0, sizeof buf);
        bits_copy(buf, 0, v.base, v.bit_offset + at, n);
        h = mix_bytes(h, buf, (n + 7) / 8);
    }
    return h;
}

/* Boxed terms; what is inside goes to the stack. */
static uint64_t mix_boxed(uint64_t h, Term t, TermStack *s)
{
    const Word *o = boxed_ptr(t);
    unsigned sub = header_sub(*o);
    switch (sub) {
    case SUB_TUPLE:
        term_stack_push_array(s, o + 1, header_arity(*o));
        return mix(h, *o);
    case SUB_FLOAT: {
        double d = float_value(t);
        uint64_t v = 0;
        memcpy(&v, &d, 8);
        return mix(mix(h, *o), d == 0.0 ? 0 : v);
    }
    case SUB_POS_BIG:
    case SUB_NEG_BIG:
        return mix_bytes(mix(h, *o), (const uint8_t *)(o + 1), header_arity(*o) * 8);
    case SUB_REF: /* arities differ between kinds, numbers do not */
        return mix(mix(mix(h, SUB_REF), o[1]), o[2]);
    case SUB_EXT_PID:
    case SUB_EXT_PORT:
        return mix(mix(mix(h, o[1]), o[2]), o[3]);
    case SUB_EXT_REF:
        return mix(mix(h, o[1]), ((const ExtRef *)o)->n[0]);
    case SUB_FUN: {
        const Fun *f = (const Fun *)o;
        term_stack_push_array(s, f->env, header_arity(*o) - 2);
        return mix(mix(h, f->entry->module), f->entry->index);
    }
    case SUB_EXPORT: {
        const Export *e = ((const ExportFun *)o)->export;
        return mix(mix(mix(h, export_module(e)), export_function(e)), export_arity(e));
    }
    case SUB_MAP: {
        size_t n = header_object_words(o), raw = header_raw_words(*o);
        term_stack_push_array(s, o + 1 + raw, n - 1 - raw);
        return mix(h, *o);
    }
    default:
        return mix_bits(mix(h, SUB_HEAP_BIN), t);
    }
}

uint32_t term_hash_internal(Term t, uint32_t salt)
{
    uint64_t h = salt;
    if (is_immed(t)) {
        return finish(mix(h, t));
    }
    TermStack s;
    term_stack_init(&s);
    do {
        while (is_cons(t)) {
            Term head = cons_head(t);
            h = mix(h, TAG_LIST);
            if (is_immed(head)) {
                h = mix(h, head);
                t = cons_tail(t);
            } else {
                term_stack_push(&s, cons_tail(t));
                t = head;
            }
        }
        h = is_boxed(t) ? mix_boxed(h, t, &s) : mix(h, t);
    } while (term_stack_pop(&s, &t));
    term_stack_free(&s);
    return finish(h);
}
