/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts the Code chunk into generic instructions with decoded operands, and keeps them all. Literals and large
 * integers are filled in when the memory for them is there, whose size is known only then.
 *
 * Operands are in the compact term format: a byte whose low three bits are the tag (u i a x y f - z), the
 * rest the value or the beginning of it; tag z has sub-kinds (list, float register, allocation, literal, typed
 * register).
 */
#include "vm/load/load_priv.h"
#include "vm/term/atom.h"
#include "vm/term/number.h"

enum { TAG_U, TAG_I, TAG_A, TAG_X, TAG_Y, TAG_F, TAG_H, TAG_Z };
enum { Z_LIST = 1, Z_FLOAT_REG = 2, Z_ALLOC = 3, Z_LITERAL = 4, Z_TYPED = 5 };
enum { MAX_LABELS = 1 << 24, MAX_LIST = 1 << 20, MAX_HEAP_NEED = 1 << 24, FUN_BASE_WORDS = 3, MAX_OPERANDS = 1 << 27 };
enum { CODE_FORMAT = 0 };

/* Operands in one byte or two. */
static const OperandHead heads[] = {
    [TAG_U] = {OPERAND_NUMBER, CLASS_NUMBER}, [TAG_I] = {OPERAND_CONST, CLASS_SMALL},
    [TAG_A] = {OPERAND_CONST, CLASS_ATOM},    [TAG_X] = {OPERAND_X, CLASS_X},
    [TAG_Y] = {OPERAND_Y, CLASS_Y},           [TAG_F] = {OPERAND_LABEL, CLASS_LABEL},
};

uint16_t class_of_constant(Term t)
{
    return is_small(t) ? CLASS_SMALL : is_atom(t) ? CLASS_ATOM : is_immed(t) ? CLASS_IMMED : CLASS_BOXED;
}

typedef struct RawValue {
    int64_t number;
    const uint8_t *bytes; /* two's complement, big endian, when it does not fit in int64; else NULL */
    size_t size;
} RawValue;

static bool decode_raw(Loader *ld, Cursor *c, uint8_t first, RawValue *v)
{
    v->bytes = NULL;
    v->size = 0;
    if (!(first & 8)) {
        v->number = first >> 4;
        return true;
    }
    if (!(first & 16)) {
        v->number = (first >> 5) << 8 | cursor_u8(c);
        return true;
    }
    size_t n = (first >> 5) + 2;
    if (n == 9) {
        uint8_t more = cursor_u8(c);
        RawValue length = {0, NULL, 0};
        if ((more & 7) != TAG_U || (more & 0x18) == 0x18 || !decode_raw(ld, c, more, &length)) {
            return load_fail(ld, "bad length of an integer");
        }
        n = (size_t)length.number + 9;
    }
    const uint8_t *bytes = cursor_bytes(c, n);
    if (!bytes) {
        return load_fail(ld, "code is cut off");
    }
    if (n > 8) {
        v->bytes = bytes;
        v->size = n;
        return true;
    }
    uint64_t u = (bytes[0] & 0x80) ? UINT64_MAX : 0;
    for (size_t i = 0; i < n; i++) {
        u = u << 8 | bytes[i];
    }
    v->number = (int64_t)u;
    return true;
}

static bool decode_integer(Loader *ld, const RawValue *v, Operand *o)
{
    o->tag = OPERAND_CONST;
    o->class = CLASS_SMALL;
    o->value = NIL;
    if (!v->bytes && small_fits(v->number)) {
        o->value = make_small(v->number);
        return true;
    }
    if (v->size > UINT32_MAX) {
        return load_fail(ld, "bad length of an integer");
    }
    o->tag = v->bytes ? OPERAND_BIG : OPERAND_INT64;
    o->size = v->bytes ? (uint32_t)v->size : 8;
    o->value = v->bytes ? (uintptr_t)v->bytes : (uint64_t)v->number;
    ld->big_words += (o->size + 7) / 8 + 2;
    return true;
}

static Term later_integer(Loader *ld, const Operand *o)
{
    uint8_t buf[8];
    const uint8_t *bytes = (const uint8_t *)(uintptr_t)o->value;
    if (o->tag == OPERAND_INT64) {
        for (int i = 0; i < 8; i++) {
            buf[i] = (uint8_t)(o->value >> (56 - 8 * i));
        }
        bytes = buf;
    }
    return integer_from_bytes(&ld->literal_hp, bytes, o->size, true, true);
}

void decode_fill_in(Loader *ld)
{
    for (size_t i = 0; i < ld->later.count; i++) {
        Operand *o = &ld->kept_operands.at[ld->later.at[i]];
        o->value = o->tag == OPERAND_LITERAL ? ld->literals[o->value] : later_integer(ld, o);
        o->tag = OPERAND_CONST;
        o->class = class_of_constant(o->value);
    }
}

/* A value that may not be negative. What does not fit is like the largest that does: no size is ever equal to it. */
static bool decode_unsigned(Loader *ld, Cursor *c, uint8_t first, uint64_t *value)
{
    RawValue v;
    if (!decode_raw(ld, c, first, &v)) {
        return false;
    }
    if (v.bytes ? v.bytes[0] & 0x80 : v.number < 0) {
        return load_fail(ld, "bad operand");
    }
    *value = v.bytes ? INT64_MAX : (uint64_t)v.number;
    return true;
}

static bool decode_number(Loader *ld, Cursor *c, uint64_t *value)
{
    uint8_t first = cursor_u8(c);
    return (first & 7) == TAG_U ? decode_unsigned(ld, c, first, value) : load_fail(ld, "a number is expected");
}

static bool decode_alloc(Loader *ld, Cursor *c, Operand *o)
{
    static const unsigned weight[] = {1, FLOAT_WORDS, FUN_BASE_WORDS};
    uint64_t count, words = 0;
    if (!decode_number(ld, c, &count)) {
        return false;
    }
    for (; count > 0; count--) {
        uint64_t kind, n;
        if (!decode_number(ld, c, &kind) || !decode_number(ld, c, &n)) {
            return false;
        }
        if (kind > 2 || n > MAX_HEAP_NEED || words > MAX_HEAP_NEED) {
            return load_fail(ld, "bad allocation list");
        }
        words += n * weight[kind];
    }
    o->tag = OPERAND_HEAP;
    o->class = CLASS_HEAP;
    o->value = words;
    return true;
}

/* Most operands: a register, label, number, atom or small integer in one byte or two. NULL: nothing was read,
 * decode_operand must look; else where the next one begins. Reads two bytes at most. */
static inline const uint8_t *decode_quickly(const Loader *ld, const uint8_t *at, Operand *o)
{
    unsigned first = *at++, tag = first & 7, value = first >> 4;
    if (first & 8) {
        if (first & 16) {
            return NULL;
        }
        value = (first >> 5) << 8 | *at++;
    }
    if (tag == TAG_A) {
        if (value == 0 || value > ld->atom_count) {
            return NULL;
        }
        o->value = ld->atoms[value];
    } else {
        o->value = tag == TAG_I ? make_small(value) : value;
        if (tag >= TAG_H) {
            return NULL;
        }
    }
    o->head = heads[tag];
    return at;
}

static bool decode_operand(Loader *ld, Cursor *c, Operand *o, bool nested);

/* Operands `at` up to `end`, as many as can be read quickly; where the next one goes. */
static inline size_t decode_run(const Loader *ld, Cursor *c, size_t at, size_t end)
{
    const uint8_t *byte = c->at, *next, *last = c->end - 2;
    for (Operand *o = &ld->kept_operands.at[at]; at < end; at++, o++) {
        if (byte > last || !(next = decode_quickly(ld, byte, o))) {
            break;
        }
        byte = next;
    }
    c->at = byte;
    return at;
}

/* Operands `at` up to `end`. */
static bool decode_operands(Loader *ld, Cursor *c, size_t at, size_t end, bool nested)
{
    for (; (at = decode_run(ld, c, at, end)) < end; at++) {
        Operand o; /* a list makes its array move */
        if (!decode_operand(ld, c, &o, nested)) {
            return false;
        }
        ld->kept_operands.at[at] = o;
        if (o.tag >= OPERAND_LITERAL) {
            VEC_PUSH(&ld->later, (uint32_t)at);
        }
    }
    return true;
}

static bool decode_list(Loader *ld, Cursor *c, Operand *o)
{
    uint64_t count;
    if (!decode_number(ld, c, &count)) {
        return false;
    }
    if (count > MAX_LIST || count > cursor_left(c)) {
        return load_fail(ld, "list operand is too long");
    }
    size_t at = ld->kept_operands.count;
    VEC_ROOM(&ld->kept_operands, count);
    ld->kept_operands.count += count;
    o->tag = OPERAND_LIST;
    o->class = count == 2 ? CLASS_LIST_2 : count == 3 ? CLASS_LIST_3 : count == 4 ? CLASS_LIST_4 : CLASS_LIST;
    o->size = (uint32_t)at;
    o->value = count;
    return decode_operands(ld, c, at, at + count, true);
}

static bool decode_extended(Loader *ld, Cursor *c, uint8_t first, Operand *o, bool nested)
{
    switch (first >> 4) {
    case Z_LIST:
        return nested ? load_fail(ld, "list in a list") : decode_list(ld, c, o);
    case Z_FLOAT_REG:
        o->tag = OPERAND_FLOAT_REG;
        o->class = CLASS_FLOAT_REG;
        return decode_number(ld, c, &o->value);
    case Z_ALLOC:
        return decode_alloc(ld, c, o);
    case Z_LITERAL: {
        uint64_t index = 0;
        if (!decode_number(ld, c, &index)) {
            return false;
        }
        if (index >= ld->literal_count) {
            return load_fail(ld, "no such literal");
        }
        o->tag = OPERAND_LITERAL;
        o->value = index;
        return true;
    }
    case Z_TYPED: {
        uint64_t type;
        unsigned tag = c->at < c->end ? *c->at & 7 : TAG_Z;
        if (tag != TAG_X && tag != TAG_Y) {
            return load_fail(ld, "type of something else than a register");
        }
        return decode_operand(ld, c, o, true) && decode_number(ld, c, &type);
    }
    default:
        return load_fail(ld, "unknown kind of operand");
    }
}

/* `nested`: within a list or a typed register, where neither may follow. */
static bool decode_operand(Loader *ld, Cursor *c, Operand *o, bool nested)
{
    uint8_t first = cursor_u8(c);
    if (c->bad) {
        return load_fail(ld, "code is cut off");
    }
    unsigned tag = first & 7;
    switch (tag) {
    case TAG_I: {
        RawValue v;
        return decode_raw(ld, c, first, &v) && decode_integer(ld, &v, o);
    }
    case TAG_A: {
        uint64_t index = 0;
        if (!decode_unsigned(ld, c, first, &index)) {
            return false;
        }
        if (index > ld->atom_count) {
            return load_fail(ld, "no such atom");
        }
        o->tag = OPERAND_CONST;
        o->value = index == 0 ? NIL : ld->atoms[index];
        o->class = class_of_constant(o->value);
        return true;
    }
    case TAG_H:
        return load_fail(ld, "unknown kind of operand");
    case TAG_Z:
        return decode_extended(ld, c, first, o, nested);
    default:
        o->head = heads[tag];
        return decode_unsigned(ld, c, first, &o->value);
    }
}

bool decode_header(Loader *ld)
{
    Cursor c = ld->file.chunk[CHUNK_CODE];
    uint32_t sub_size = cursor_u32(&c);
    Cursor head = c;
    const uint8_t *skipped = cursor_bytes(&c, sub_size);
    uint32_t format = cursor_u32(&head), max_opcode = cursor_u32(&head);
    ld->label_count = cursor_u32(&head);
    if (!skipped || c.bad || sub_size < 16 || format != CODE_FORMAT) {
        return load_fail(ld, "code header");
    }
    if (max_opcode >= GENERIC_COUNT) {
        return load_fail(ld, "made by a newer compiler");
    }
    if (ld->label_count == 0 || ld->label_count > MAX_LABELS || ld->label_count > cursor_left(&c) + 1) {
        return load_fail(ld, "number of labels");
    }
    ld->code_start = c;
    return true;
}

/* One of the operands is a list that is not empty. */
static void note_list(Instruction *in, const Operand *o)
{
    while (o->tag != OPERAND_LIST || o->value == 0) {
        o++;
    }
    in->list_at = o->size;
    in->list_count = (uint32_t)o->value;
}

/* Of what kind it was; 0: none. */
static inline unsigned decode_instruction(Loader *ld, Cursor *c)
{
    if (c->at == c->end) {
        load_fail(ld, "code is cut off");
        return 0;
    }
    unsigned generic = *c->at++;
    if (generic == 0 || generic >= GENERIC_COUNT) {
        load_fail(ld, "unknown instruction");
        return 0;
    }
    const GenericOp *op = &generic_ops[generic];
    if (RARELY(op->mode == OP_OLD)) {
        load_fail(ld, "obsolete instruction");
        ld->place.generic = generic;
        return 0;
    }
    VEC_ROOM(&ld->kept, 1);
    VEC_ROOM(&ld->kept_operands, OPERAND_MAX);
    Instruction *in = &ld->kept.at[ld->kept.count];
    size_t at = ld->kept_operands.count, end = at + op->arity;
    *in = (Instruction){.generic = (uint8_t)generic, .n = op->arity, .at = (uint32_t)at};
    ld->kept_operands.count = end;
    size_t rest = decode_run(ld, c, at, end);
    if (rest < end) {
        if (!decode_operands(ld, c, rest, end, false)) {
            ld->place.generic = generic;
            return 0;
        }
        if (ld->kept_operands.count > end) {
            note_list(in, &ld->kept_operands.at[at]);
        }
    }
    ld->kept.count++;
    return generic;
}

bool decode_code(Loader *ld)
{
    Cursor c = ld->code_start;
    VEC_ROOM(&ld->kept, cursor_left(&c) / 3 + 16); /* more than what is usual */
    VEC_ROOM(&ld->kept_operands, cursor_left(&c) * 2 / 3 + 16);
    for (unsigned generic = 1; generic != GEN_int_code_end;) {
        generic = decode_instruction(ld, &c);
        if (RARELY(generic == 0)) {
            ld->place.index = (uint32_t)ld->kept.count;
            return false;
        }
        if (RARELY(ld->kept_operands.count > MAX_OPERANDS)) {
            return load_fail(ld, "too large");
        }
    }
    return true;
}
