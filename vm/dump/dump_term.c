/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See dump_priv.h. A term in a dump is an immediate (I17, A2:ok, N, P<0.1.0>) or H and the address of an object, and
 * each object has a line `address:text`. Objects that Loom lays out in another way than OTP are written as OTP's
 * nearest: the keys of a large map become a tuple at an odd address, which no object has. What has no form of its own
 * (funs, references, bitstrings) is in the external format. Nothing recurses: objects named wait in a list.
 */
#include "vm/dump/dump_priv.h"

#include "vm/term/atom.h"
#include "vm/term/binary.h"
#include "vm/term/etf.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

static uintptr_t address_of(const Dump *d, const void *object)
{
    return (uintptr_t)object + d->shift;
}

static void name_object(Dump *d, Term t)
{
    const Term *object = is_cons(t) ? list_ptr(t) : boxed_ptr(t);
    dump_format(d, "H%lX", (unsigned long)address_of(d, object));
    if (idmap_find(d->seen, (uintptr_t)object)) {
        return;
    }
    idmap_put(&d->seen, (uintptr_t)object, 1);
    if (d->todo_count == d->todo_capacity) {
        d->todo_capacity = d->todo_capacity ? 2 * d->todo_capacity : 1024;
        d->todo = vm_realloc(d->todo, d->todo_capacity * sizeof *d->todo);
    }
    d->todo[d->todo_count++] = t;
}

void dump_term(Dump *d, Term t)
{
    size_t n;
    if (is_atom(t)) {
        const uint8_t *text = atom_text(t, &n);
        dump_format(d, "A%zX:", n);
        dump_bytes(d, text, n);
    } else if (is_small(t)) {
        dump_format(d, "I%ld", (long)small_value(t));
    } else if (is_nil(t)) {
        dump_format(d, "N");
    } else if (is_local_pid(t)) {
        dump_format(d, "P");
        dump_shown(d, t);
    } else if (is_local_port(t)) {
        dump_format(d, "p<0.%lu>", (unsigned long)port_number(t));
    } else if (is_cons(t) || is_boxed(t)) {
        name_object(d, t);
    } else {
        dump_format(d, "N"); /* NONVALUE: a slot that nothing was put into */
    }
}

/* --- objects ------------------------------------------------------------------------------------------------------ */
static void put_terms(Dump *d, const Term *terms, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dump_bytes(d, ",", i > 0);
        dump_term(d, terms[i]);
    }
}

static void put_big(Dump *d, Term t)
{
    const uint64_t *limbs = big_digits(t);
    size_t n = big_limbs(t);
    dump_format(d, "B%s16#%lX", big_is_negative(t) ? "-" : "", (unsigned long)limbs[n - 1]);
    while (--n > 0) {
        dump_format(d, "%016lX", (unsigned long)limbs[n - 1]);
    }
}

static void put_float(Dump *d, Term t)
{
    char text[FLOAT_TEXT_MAX];
    size_t n = float_format_scientific(float_value(t), 20, text, sizeof text);
    dump_format(d, "F%zX:", n);
    dump_bytes(d, text, n);
}

static void put_external(Dump *d, Term t)
{
    static const uint8_t version = 131;
    EtfBuffer b = {0};
    b.data = vm_alloc(1);
    b.data[0] = version;
    b.size = b.capacity = 1;
    etf_encode(&b, t, 2, false);
    dump_format(d, "E%zX:", b.size);
    dump_base64(d, b.data, b.size);
    vm_free(b.data);
}

static void put_bytes(Dump *d, const uint8_t *bytes, size_t n)
{
    dump_format(d, "Yh%zX:", n);
    dump_base64(d, bytes, n);
}

static void put_binary(Dump *d, Term t)
{
    size_t bit_offset, bits = bitstring_bit_size(t);
    Term origin = binary_origin(t, &bit_offset);
    if ((bits | bit_offset) & 7) {
        put_external(d, t);
    } else if (boxed_sub(origin) == SUB_HEAP_BIN) {
        put_bytes(d, binary_origin_bytes(origin) + bit_offset / 8, bits / 8);
    } else {
        const RefcBin *rb = (const RefcBin *)boxed_ptr(origin);
        size_t offset = (size_t)(binary_origin_bytes(origin) - rb->bin->data) + bit_offset / 8;
        idmap_put(&d->binaries, (uintptr_t)rb->bin, 1);
        dump_format(d, "Yc%lX:%zX:%zX", (unsigned long)(uintptr_t)rb->bin, offset, bits / 8);
    }
}

/* A flat map, whatever its size: {keys} at an odd address, then the values. */
static void put_map(Dump *d, Term t)
{
    const Term *object = boxed_ptr(t);
    if (is_flat_map(t)) {
        dump_format(d, "Mf%zX:", map_size(t));
        dump_term(d, flat_map_keys(t));
        dump_format(d, ":");
        put_terms(d, flat_map_values(t), map_size(t));
        return;
    }
    MapIter it;
    Term key, value;
    dump_format(d, "Mf%zX:H%lX", map_size(t), (unsigned long)address_of(d, object) + 1);
    map_iter_init(&it, t);
    for (const char *separator = ":"; map_iter_next(&it, &key, &value); separator = ",") {
        dump_format(d, "%s", separator);
        dump_term(d, value);
    }
    dump_format(d, "\n%lX:t%zX", (unsigned long)address_of(d, object) + 1, map_size(t));
    map_iter_init(&it, t);
    for (const char *separator = ":"; map_iter_next(&it, &key, &value); separator = ",") {
        dump_format(d, "%s", separator);
        dump_term(d, key);
    }
}

static void put_boxed(Dump *d, Term t)
{
    switch (boxed_sub(t)) {
    case SUB_TUPLE:
        dump_format(d, "t%zX:", tuple_arity(t));
        put_terms(d, tuple_elements(t), tuple_arity(t));
        break;
    case SUB_POS_BIG:
    case SUB_NEG_BIG:
        put_big(d, t);
        break;
    case SUB_FLOAT:
        put_float(d, t);
        break;
    case SUB_REFC_BIN:
    case SUB_HEAP_BIN:
    case SUB_SUB_BIN:
        put_binary(d, t);
        break;
    case SUB_MAP:
        put_map(d, t);
        break;
    default:
        put_external(d, t);
    }
}

void dump_objects(Dump *d)
{
    while (d->todo_count > 0) {
        Term t = d->todo[--d->todo_count];
        if (is_cons(t)) {
            dump_format(d, "%lX:l", (unsigned long)address_of(d, list_ptr(t)));
            dump_term(d, cons_head(t));
            dump_format(d, "|");
            dump_term(d, cons_tail(t));
        } else {
            dump_format(d, "%lX:", (unsigned long)address_of(d, boxed_ptr(t)));
            put_boxed(d, t);
        }
        dump_format(d, "\n");
    }
}

void dump_objects_end(Dump *d)
{
    idmap_free(&d->seen);
    d->todo_count = 0;
}

void dump_pair_name(Dump *d, const Term *pair)
{
    dump_format(d, "H%lX", (unsigned long)address_of(d, pair) + 1);
}

void dump_pair_object(Dump *d, const Term *pair)
{
    dump_format(d, "%lX:t2:", (unsigned long)address_of(d, pair) + 1);
    put_terms(d, pair, 2);
    dump_format(d, "\n");
}

void dump_binaries(Dump *d)
{
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(d->binaries, &i));) {
        const Binary *b = (const Binary *)(uintptr_t)s->key;
        dump_format(d, "=binary:%lX\n%zX:", (unsigned long)s->key, b->size);
        dump_base64(d, b->data, b->size);
        dump_format(d, "\n");
    }
    idmap_free(&d->binaries);
}
