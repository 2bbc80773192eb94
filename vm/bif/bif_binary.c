/* SPDX-License-Identifier: Apache-2.0 */
/* Natives that take binaries apart, make them from lists, and the plain half of module binary (bif_binary_search.c has
 * the searching half). */
#include "gen/natives.h"
#include "vm/term/binary.h"
#include "vm/term/bits.h"
#include "vm/term/number.h"

/* Reductions for work on n bytes. */
static void charge_bytes(Proc *p, size_t n)
{
    p_charge(p, (intptr_t)(n / 256));
}

/* --- sizes ------------------------------------------------------------------------------------ */

NATIVE(native_byte_size)
{
    return is_bitstring(a[0]) ? make_small((int64_t)((bitstring_bit_size(a[0]) + 7) / 8)) : p_badarg(p);
}

NATIVE(native_bit_size)
{
    return is_bitstring(a[0]) ? make_small((int64_t)bitstring_bit_size(a[0])) : p_badarg(p);
}

NATIVE(native_iolist_size)
{
    size_t n;
    switch (iolist_size_of(a[0], &n)) {
    case IO_OK:
        charge_bytes(p, n);
        return heap_uint64(p, n);
    case IO_OVERFLOW:
        return p_system_limit(p);
    default:
        return p_badarg(p);
    }
}

/* --- parts -------------------------------------------------------------------------------------- */

/* [*pos, *pos + *len) from a start and a length that may be negative, inside `size`; false when outside. */
static bool part_range(Term start, Term length, size_t size, size_t *pos, size_t *len)
{
    if (!is_both_small(start, length) || small_value(start) < 0) {
        return false;
    }
    int64_t from = small_value(start), n = small_value(length);
    if (n < 0) {
        from += n;
        n = -n;
    }
    if (from < 0 || (uint64_t)from > size || (uint64_t)n > size - (uint64_t)from) {
        return false;
    }
    *pos = (size_t)from;
    *len = (size_t)n;
    return true;
}

static Term binary_part(Proc *p, Term t, Term start, Term length)
{
    size_t pos, len;
    if (!is_bitstring(t) || !part_range(start, length, bitstring_bit_size(t) / 8, &pos, &len)) {
        return p_badarg(p);
    }
    return binary_sub(p, t, pos * 8, len * 8);
}

NATIVE(native_binary_part_3)
{
    return binary_part(p, a[0], a[1], a[2]);
}

NATIVE(native_binary_part_2)
{
    if (!is_tuple_arity(a[1], 2)) {
        return p_badarg(p);
    }
    return binary_part(p, a[0], tuple_elements(a[1])[0], tuple_elements(a[1])[1]);
}

NATIVE(native_split_binary)
{
    size_t bits, at;
    if (!is_bitstring(a[0]) || !is_small(a[1]) || small_value(a[1]) < 0) {
        return p_badarg(p);
    }
    bits = bitstring_bit_size(a[0]);
    at = (size_t)small_value(a[1]);
    if (at > bits / 8) {
        return p_badarg(p);
    }
    Term head = binary_sub(p, a[0], 0, at * 8), tail = binary_sub(p, a[0], at * 8, bits - at * 8);
    return heap_tuple2(p, head, tail);
}

/* --- lists ---------------------------------------------------------------------------------------- */

/* The bytes [from, to) of t as a list before `tail`. */
static Term bytes_to_list(Proc *p, Term t, size_t from, size_t to, Term tail)
{
    if (from == to) {
        return tail;
    }
    charge_bytes(p, (to - from) * 8);
    Term *hp = heap_alloc(p, 2 * (to - from));
    Bits b = bits_view(t);
    while (to > from) {
        to--;
        tail = heap_cons(&hp, make_small((int64_t)bits_get(b.base, b.bit_offset + to * 8, 8)), tail);
    }
    return tail;
}

NATIVE(native_binary_to_list_1)
{
    if (!is_binary(a[0])) {
        return p_badarg(p);
    }
    return bytes_to_list(p, a[0], 0, bitstring_bit_size(a[0]) / 8, NIL);
}

NATIVE(native_binary_to_list_3)
{
    if (!is_bitstring(a[0]) || !is_both_small(a[1], a[2])) {
        return p_badarg(p);
    }
    int64_t from = small_value(a[1]), to = small_value(a[2]);
    int64_t size = (int64_t)(bitstring_bit_size(a[0]) / 8);
    if (from < 1 || from > to || to > size) {
        return p_badarg(p);
    }
    return bytes_to_list(p, a[0], (size_t)from - 1, (size_t)to, NIL);
}

NATIVE(native_bitstring_to_list)
{
    if (!is_bitstring(a[0])) {
        return p_badarg(p);
    }
    size_t bits = bitstring_bit_size(a[0]), rest = bits & 7;
    Term tail = NIL;
    if (rest) {
        tail = heap_cons_on(p, binary_sub(p, a[0], bits - rest, rest), NIL);
    }
    return bytes_to_list(p, a[0], 0, bits / 8, tail);
}

static Term io_fault(Proc *p, IoResult r)
{
    return r == IO_OVERFLOW ? p_system_limit(p) : p_badarg(p);
}

static Term binary_from_iolist(Proc *p, Term t)
{
    size_t n;
    uint8_t *data;
    IoResult r = iolist_size_of(t, &n);
    if (r != IO_OK) {
        return io_fault(p, r);
    }
    charge_bytes(p, n * 2);
    Term result = binary_new(p, n, &data);
    iolist_copy(t, data, n);
    return result;
}

NATIVE(native_list_to_binary)
{
    return is_list(a[0]) ? binary_from_iolist(p, a[0]) : p_badarg(p);
}

NATIVE(native_iolist_to_binary)
{
    if (is_bitstring(a[0])) {
        return is_binary(a[0]) ? a[0] : p_badarg(p);
    }
    return binary_from_iolist(p, a[0]);
}

NATIVE(native_list_to_bitstring)
{
    size_t bits;
    uint8_t *data;
    if (!is_list(a[0])) {
        return p_badarg(p);
    }
    IoResult r = bitlist_size_of(a[0], &bits);
    if (r != IO_OK) {
        return io_fault(p, r);
    }
    charge_bytes(p, bits / 4);
    Term result = bitstring_new(p, bits, &data);
    if (bits & 7) {
        data[bits / 8] = 0;
    }
    bitlist_copy(a[0], data, bits);
    return result;
}

/* The result of iolist_to_iovec under way: finished binaries, and a run of small parts to be joined. */
typedef struct Iovec {
    Proc *p;
    Term first, *last; /* the tail slot of the last cell */
    uint8_t *run;
    size_t run_size, run_capacity;
} Iovec;

static void iovec_add(Iovec *v, Term binary)
{
    Term *cell = heap_alloc(v->p, 2);
    cell[0] = binary;
    cell[1] = NIL;
    *v->last = make_list(cell);
    v->last = &cell[1];
}

static void iovec_flush(Iovec *v)
{
    if (v->run_size) {
        iovec_add(v, binary_from_bytes(v->p, v->run, v->run_size));
        v->run_size = 0;
    }
}

static void iovec_join(Iovec *v, Term leaf)
{
    size_t n = is_small(leaf) ? 1 : bitstring_bit_size(leaf) / 8;
    if (v->run_capacity - v->run_size < n) {
        v->run_capacity = v->run_capacity * 2 + n + 64;
        v->run = vm_realloc(v->run, v->run_capacity);
    }
    if (is_small(leaf)) {
        v->run[v->run_size] = (uint8_t)small_value(leaf);
    } else {
        Bits b = bits_view(leaf);
        bits_copy(v->run + v->run_size, 0, b.base, b.bit_offset, b.bit_size);
    }
    v->run_size += n;
}

/* Large binaries stay as they are; what is small or not on a byte boundary is joined. */
static bool iovec_keeps(Term leaf)
{
    size_t offset;
    enum { IOVEC_JOIN_MAX = 256 };
    return is_bitstring(leaf) && bitstring_bit_size(leaf) > IOVEC_JOIN_MAX * 8 &&
           (binary_origin(leaf, &offset), (offset & 7) == 0);
}

NATIVE(native_iolist_to_iovec)
{
    size_t n;
    IoWalk w;
    Term leaf;
    IoResult r = iolist_size_of(a[0], &n);
    if (r != IO_OK) {
        return io_fault(p, r);
    }
    if (is_bitstring(a[0])) {
        return n ? heap_cons_on(p, a[0], NIL) : NIL;
    }
    charge_bytes(p, n);
    Iovec v = {.p = p, .first = NIL};
    v.last = &v.first;
    iolist_walk_init(&w, a[0]);
    while (iolist_walk_next(&w, &leaf) > 0) {
        if (iovec_keeps(leaf)) {
            iovec_flush(&v);
            iovec_add(&v, leaf);
        } else {
            iovec_join(&v, leaf);
        }
    }
    iolist_walk_end(&w);
    iovec_flush(&v);
    vm_free(v.run);
    return v.first;
}

/* --- module binary ---------------------------------------------------------------------------------- */

static Term byte_at(Term t, size_t i)
{
    Bits b = bits_view(t);
    return make_small((int64_t)bits_get(b.base, b.bit_offset + i * 8, 8));
}

NATIVE(native_binary_at)
{
    if (!is_binary(a[0]) || !is_small(a[1]) ||
        (uint64_t)small_value(a[1]) >= bitstring_bit_size(a[0]) / 8) {
        return p_badarg(p);
    }
    return byte_at(a[0], (size_t)small_value(a[1]));
}

NATIVE(native_binary_first)
{
    return is_binary(a[0]) && bitstring_bit_size(a[0]) ? byte_at(a[0], 0) : p_badarg(p);
}

NATIVE(native_binary_last)
{
    size_t n;
    if (!is_binary(a[0]) || (n = bitstring_bit_size(a[0]) / 8) == 0) {
        return p_badarg(p);
    }
    return byte_at(a[0], n - 1);
}

static Term copy_times(Proc *p, Term t, uint64_t times)
{
    const uint8_t *s;
    uint8_t *to;
    size_t size, total;
    if (!binary_bytes(p, t, &s, &size)) {
        return p_badarg(p);
    }
    if (__builtin_mul_overflow(size, (size_t)times, &total) || total > SIZE_MAX / 16) {
        return p_system_limit(p);
    }
    charge_bytes(p, total);
    Term result = binary_new(p, total, &to);
    if (size == 1) {
        memset(to, s[0], total);
    } else {
        for (size_t i = 0; i < total; i += size) {
            memcpy(to + i, s, size);
        }
    }
    return result;
}

NATIVE(native_binary_copy_1)
{
    return copy_times(p, a[0], 1);
}

NATIVE(native_binary_copy_2)
{
    if (!is_small(a[1]) || small_value(a[1]) < 0) {
        return p_badarg(p);
    }
    return copy_times(p, a[0], (uint64_t)small_value(a[1]));
}

NATIVE(native_binary_referenced_byte_size)
{
    size_t offset;
    if (!is_bitstring(a[0])) {
        return p_badarg(p);
    }
    Term origin = binary_origin(a[0], &offset);
    if (boxed_sub(origin) == SUB_REFC_BIN) {
        return heap_uint64(p, ((RefcBin *)boxed_ptr(origin))->bin->size);
    }
    return make_small((int64_t)((HeapBin *)boxed_ptr(origin))->size);
}

/* big or little; false for anything else. */
static bool endianness(Term t, bool *big)
{
    *big = t == A_big;
    return *big || t == A_little;
}

static Term encode_unsigned(Proc *p, Term t, bool big)
{
    uint8_t *to;
    if (!is_integer(t) || (is_small(t) ? small_value(t) < 0 : big_is_negative(t))) {
        return p_badarg(p);
    }
    size_t n = t == make_small(0) ? 1 : big_magnitude_bytes(t);
    Term result = binary_new(p, n, &to);
    integer_to_bytes(t, to, n, big);
    return result;
}

NATIVE(native_binary_encode_unsigned_1)
{
    return encode_unsigned(p, a[0], true);
}

NATIVE(native_binary_encode_unsigned_2)
{
    bool big;
    return endianness(a[1], &big) ? encode_unsigned(p, a[0], big) : p_badarg(p);
}

static Term decode_unsigned(Proc *p, Term t, bool big)
{
    const uint8_t *s;
    size_t n;
    if (!binary_bytes(p, t, &s, &n)) {
        return p_badarg(p);
    }
    Term *hp = heap_alloc(p, bits_integer_words(n * 8) + 2);
    Term result = integer_from_bytes(&hp, s, n, big, false);
    heap_trim(p, hp);
    return result;
}

NATIVE(native_binary_decode_unsigned_1)
{
    return decode_unsigned(p, a[0], true);
}

NATIVE(native_binary_decode_unsigned_2)
{
    bool big;
    return endianness(a[1], &big) ? decode_unsigned(p, a[0], big) : p_badarg(p);
}

/* Length of the part common to all binaries of the list at their start or end; badarg for anything else. */
static Term common_part(Proc *p, Term list, bool at_end)
{
    const uint8_t *s, *t;
    size_t n, m, common;
    if (!is_cons(list) || list_length(list) < 0 || !binary_bytes(p, cons_head(list), &s, &n)) {
        return p_badarg(p);
    }
    common = n;
    for (list = cons_tail(list); is_cons(list); list = cons_tail(list)) {
        size_t i = 0;
        if (!binary_bytes(p, cons_head(list), &t, &m)) {
            return p_badarg(p);
        }
        common = m < common ? m : common;
        while (i < common && (at_end ? s[n - 1 - i] == t[m - 1 - i] : s[i] == t[i])) {
            i++;
        }
        common = i;
    }
    charge_bytes(p, common);
    return heap_uint64(p, common);
}

NATIVE(native_binary_longest_common_prefix)
{
    return common_part(p, a[0], false);
}

NATIVE(native_binary_longest_common_suffix)
{
    return common_part(p, a[0], true);
}
