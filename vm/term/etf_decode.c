/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The external format to terms. The input is hostile: every length is checked against the bytes there are
 * before anything is allocated for it, so memory stays in proportion to the input, and depth costs no C stack.
 *
 * read_item() takes one tag with all its fixed parts apart; it is shared by the two passes. Pass one needs no
 * stack (an item only adds to the number of items still to come); pass two fills slots of terms already laid out.
 */
#include "vm/load/code.h"
#include "vm/term/atom.h"
#include "vm/term/big.h"
#include "vm/term/binary.h"
#include "vm/term/etf.h"
#include "vm/term/etf_tags.h"
#include "vm/term/map.h"
#include "vm/term/number.h"
#include "vm/term/unicode.h"

typedef struct Cursor {
    const uint8_t *p, *end;
} Cursor;

static inline size_t left(const Cursor *c)
{
    return (size_t)(c->end - c->p);
}

/* Takes n (1..8) bytes as a number; 0 past the end, which the callers test first. */
static uint64_t take(Cursor *c, unsigned n)
{
    uint64_t v = 0;
    while (n-- > 0) {
        v = v << 8 | *c->p++;
    }
    return v;
}

typedef struct AtomText {
    const uint8_t *text;
    size_t n;
    bool latin1;
} AtomText;

typedef enum {
    ITEM_SMALL, ITEM_BIG, ITEM_FLOAT, ITEM_ATOM, ITEM_PID, ITEM_PORT, ITEM_REF, ITEM_TUPLE, ITEM_NIL,
    ITEM_STRING, ITEM_LIST, ITEM_BITS, ITEM_FUN, ITEM_EXPORT, ITEM_MAP,
} ItemKind;

typedef struct NodeId { /* pid, port, reference */
    AtomText node;
    uint64_t creation, number, serial;
    uint32_t n[5];
    size_t count;
} NodeId;

typedef struct Item {
    ItemKind kind;
    size_t n;            /* elements, bytes, pairs, free variables */
    const uint8_t *data; /* bytes of bigs, strings, binaries; the uniq of a fun */
    int64_t small;
    double number;
    bool negative;
    unsigned bits; /* of the last byte of a bitstring, 0 = all */
    AtomText atom, function; /* atom; module and function */
    NodeId id;     /* also the creator of a fun */
    unsigned arity;
    uint32_t index, old_index, old_uniq;
} Item;

/* --- taking items apart ------------------------------------------------------------------------------ */
static bool is_valid_atom(const AtomText *a)
{
    if (a->latin1) {
        return a->n <= ATOM_MAX_CHARS;
    }
    size_t chars;
    return utf8_valid_prefix(a->text, a->n, &chars) == a->n && chars <= ATOM_MAX_CHARS;
}

static bool read_atom_body(Cursor *c, unsigned tag, AtomText *a)
{
    unsigned width = tag == ETF_ATOM || tag == ETF_ATOM_UTF8 ? 2 : 1;
    if (left(c) < width) {
        return false;
    }
    a->n = take(c, width);
    a->latin1 = tag == ETF_ATOM || tag == ETF_SMALL_ATOM;
    a->text = c->p;
    if (left(c) < a->n) {
        return false;
    }
    c->p += a->n;
    return is_valid_atom(a);
}

static bool read_atom(Cursor *c, AtomText *a)
{
    if (left(c) < 1) {
        return false;
    }
    unsigned tag = *c->p++;
    return (tag == ETF_ATOM || tag == ETF_ATOM_UTF8 || tag == ETF_SMALL_ATOM ||
            tag == ETF_SMALL_ATOM_UTF8) && read_atom_body(c, tag, a);
}

/* Of one byte, two bits are used. */
static bool read_creation(Cursor *c, unsigned bytes, NodeId *id)
{
    id->creation = take(c, bytes);
    return bytes > 1 || id->creation <= 3;
}

static bool read_pid_body(Cursor *c, unsigned tag, NodeId *id)
{
    unsigned creation = tag == ETF_NEW_PID ? 4 : 1;
    if (!read_atom(c, &id->node) || left(c) < 8 + creation) {
        return false;
    }
    id->number = take(c, 4);
    id->serial = take(c, 4);
    return read_creation(c, creation, id);
}

static bool read_port_body(Cursor *c, unsigned tag, NodeId *id)
{
    unsigned number = tag == ETF_V4_PORT ? 8 : 4, creation = tag == ETF_PORT ? 1 : 4;
    if (!read_atom(c, &id->node) || left(c) < number + creation) {
        return false;
    }
    id->number = take(c, number);
    return read_creation(c, creation, id);
}

static bool read_ref_body(Cursor *c, unsigned tag, NodeId *id)
{
    id->count = 1;
    if (tag != ETF_REFERENCE) {
        if (left(c) < 2) {
            return false;
        }
        id->count = take(c, 2);
    }
    unsigned creation = tag == ETF_NEWER_REFERENCE ? 4 : 1;
    if (id->count > 5 || !read_atom(c, &id->node) || left(c) < creation + 4 * id->count) {
        return false;
    }
    if (tag == ETF_REFERENCE) {
        id->n[0] = (uint32_t)take(c, 4);
        return read_creation(c, 1, id) && id->n[0] < 1 << 18;
    }
    if (!read_creation(c, creation, id)) {
        return false;
    }
    for (size_t i = 0; i < id->count; i++) {
        id->n[i] = (uint32_t)take(c, 4);
    }
    return tag == ETF_NEWER_REFERENCE || id->n[0] < 1 << 18; /* as many bits the old forms have */
}

static bool read_small(Cursor *c, int64_t *v)
{
    if (left(c) >= 2 && c->p[0] == ETF_SMALL_INTEGER) {
        *v = c->p[1];
        c->p += 2;
        return true;
    }
    if (left(c) >= 5 && c->p[0] == ETF_INTEGER) {
        c->p++;
        *v = (int32_t)take(c, 4);
        return true;
    }
    return false;
}

enum { MAX_FREE = 255 }; /* variables of a fun */

static bool read_fun(Cursor *c, Item *it)
{
    if (left(c) < 4 + 1 + 16 + 4 + 4) {
        return false;
    }
    c->p += 4; /* its size; the parts say it too */
    it->arity = (unsigned)take(c, 1);
    it->data = c->p;
    c->p += 16;
    it->index = (uint32_t)take(c, 4);
    it->n = take(c, 4);
    int64_t old_index, old_uniq;
    if (!read_atom(c, &it->atom) || !read_small(c, &old_index) || !read_small(c, &old_uniq) ||
        left(c) < 1) {
        return false;
    }
    it->old_index = (uint32_t)old_index;
    it->old_uniq = (uint32_t)old_uniq;
    unsigned tag = *c->p++;
    return (tag == ETF_NEW_PID || tag == ETF_PID) && read_pid_body(c, tag, &it->id) &&
           it->n <= left(c) && it->n <= MAX_FREE;
}

static bool read_export(Cursor *c, Item *it)
{
    int64_t arity;
    if (!read_atom(c, &it->atom) || !read_atom(c, &it->function) || !read_small(c, &arity) ||
        arity < 0 || arity > 255) {
        return false;
    }
    it->arity = (unsigned)arity;
    return true;
}

static bool read_float(Cursor *c, unsigned tag, Item *it)
{
    size_t n = tag == ETF_FLOAT ? 31 : 8;
    if (left(c) < n) {
        return false;
    }
    it->kind = ITEM_FLOAT;
    if (tag == ETF_FLOAT) {
        const uint8_t *text = c->p, *nul = memchr(text, 0, n);
        size_t length = nul ? (size_t)(nul - text) : n;
        c->p += n;
        return length > 0 && float_parse(text, length, &it->number) == length;
    }
    uint64_t v = take(c, 8);
    memcpy(&it->number, &v, sizeof v);
    return __builtin_isfinite(it->number);
}

/* Counts that are followed by at least `each` bytes an element. */
static bool read_count(Cursor *c, unsigned width, size_t each, size_t *n)
{
    if (left(c) < width) {
        return false;
    }
    *n = take(c, width);
    return *n <= left(c) / each;
}

static bool read_big(Cursor *c, unsigned width, Item *it)
{
    it->kind = ITEM_BIG;
    if (!read_count(c, width, 1, &it->n) || left(c) < it->n + 1) {
        return false;
    }
    it->negative = *c->p++ != 0;
    it->data = c->p;
    c->p += it->n;
    while (it->n > 0 && it->data[it->n - 1] == 0) {
        it->n--;
    }
    return it->n <= (size_t)BIG_MAX_LIMBS * 8;
}

static bool read_bytes(Cursor *c, ItemKind kind, unsigned width, Item *it)
{
    it->kind = kind;
    if (!read_count(c, width, 1, &it->n)) {
        return false;
    }
    it->data = c->p;
    c->p += it->n;
    return true;
}

static bool read_bits(Cursor *c, Item *it)
{
    it->kind = ITEM_BITS;
    if (left(c) < 5) {
        return false;
    }
    it->n = take(c, 4);
    it->bits = (unsigned)take(c, 1);
    if ((it->bits == 0) != (it->n == 0) || it->bits > 8 || it->n > left(c)) {
        return false;
    }
    it->bits %= 8;
    it->data = c->p;
    c->p += it->n;
    return true;
}

static bool read_item(Cursor *c, Item *it)
{
    if (left(c) < 1) {
        return false;
    }
    unsigned tag = *c->p++;
    it->bits = 0;
    switch (tag) {
    case ETF_SMALL_INTEGER:
    case ETF_INTEGER:
        c->p--;
        it->kind = ITEM_SMALL;
        return read_small(c, &it->small);
    case ETF_SMALL_BIG:
        return read_big(c, 1, it);
    case ETF_LARGE_BIG:
        return read_big(c, 4, it);
    case ETF_FLOAT:
    case ETF_NEW_FLOAT:
        return read_float(c, tag, it);
    case ETF_ATOM:
    case ETF_SMALL_ATOM:
    case ETF_ATOM_UTF8:
    case ETF_SMALL_ATOM_UTF8:
        it->kind = ITEM_ATOM;
        return read_atom_body(c, tag, &it->atom);
    case ETF_PID:
    case ETF_NEW_PID:
        it->kind = ITEM_PID;
        return read_pid_body(c, tag, &it->id);
    case ETF_PORT:
    case ETF_NEW_PORT:
    case ETF_V4_PORT:
        it->kind = ITEM_PORT;
        return read_port_body(c, tag, &it->id);
    case ETF_REFERENCE:
    case ETF_NEW_REFERENCE:
    case ETF_NEWER_REFERENCE:
        it->kind = ITEM_REF;
        return read_ref_body(c, tag, &it->id);
    case ETF_SMALL_TUPLE:
    case ETF_LARGE_TUPLE:
        it->kind = ITEM_TUPLE;
        return read_count(c, tag == ETF_SMALL_TUPLE ? 1 : 4, 1, &it->n) && it->n < 1 << 24;
    case ETF_NIL:
        it->kind = ITEM_NIL;
        return true;
    case ETF_STRING:
        return read_bytes(c, ITEM_STRING, 2, it);
    case ETF_LIST:
        it->kind = ITEM_LIST;
        return read_count(c, 4, 1, &it->n);
    case ETF_BINARY:
        return read_bytes(c, ITEM_BITS, 4, it);
    case ETF_BIT_BINARY:
        return read_bits(c, it);
    case ETF_NEW_FUN:
        it->kind = ITEM_FUN;
        return read_fun(c, it);
    case ETF_EXPORT:
        it->kind = ITEM_EXPORT;
        return read_export(c, it);
    case ETF_MAP:
        it->kind = ITEM_MAP;
        return read_count(c, 4, 2, &it->n);
    default:
        return false;
    }
}

/* --- names ------------------------------------------------------------------------------------------------ */
/* The atom, or NONVALUE: it does not exist (`existing`) or the table is full. */
static Term atom_of(const AtomText *a, bool existing)
{
    if (!a->latin1) {
        return existing ? atom_find(a->text, a->n) : atom_put(a->text, a->n);
    }
    if (!existing) {
        return atom_put_latin1(a->text, a->n);
    }
    uint8_t utf8[2 * ATOM_MAX_CHARS];
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        uint8_t ch = a->text[i];
        if (ch >= 0x80) {
            utf8[n++] = (uint8_t)(0xc0 | ch >> 6);
            ch = (uint8_t)(0x80 | (ch & 0x3f));
        }
        utf8[n++] = ch;
    }
    return atom_find(utf8, n);
}

static bool is_this_node(const NodeId *id)
{
    static const char here[] = "nonode@nohost";
    return id->creation == 0 && id->node.n == sizeof here - 1 &&
           memcmp(id->node.text, here, sizeof here - 1) == 0;
}

/* --- pass one: check and measure ------------------------------------------------------------------------ */
static bool measure_id(const Item *it, size_t *words)
{
    const NodeId *id = &it->id;
    if (!is_this_node(id)) {
        *words += it->kind == ITEM_REF ? EXT_REF_WORDS : EXT_PID_WORDS;
        return true;
    }
    if (it->kind == ITEM_REF) {
        *words += REF_MAGIC_WORDS;
        return id->count <= 3 && (id->count == 0 || id->n[0] >> 18 == 0);
    }
    return it->kind == ITEM_PORT ? id->number >> 28 == 0
                                 : id->number >> PID_NUMBER_BITS == 0 && id->serial >> 28 == 0;
}

static size_t bits_words(const Item *it)
{
    size_t words = it->n <= HEAP_BIN_MAX ? HEAP_BIN_WORDS(it->n) : REFC_BIN_WORDS;
    return words + (it->bits ? SUB_BIN_WORDS : 0);
}

/* Under `safe`: all names in the item exist. */
static bool is_known(const Item *it)
{
    switch (it->kind) {
    case ITEM_ATOM:
        return atom_of(&it->atom, true) != NONVALUE;
    case ITEM_PID:
    case ITEM_PORT:
    case ITEM_REF:
        return atom_of(&it->id.node, true) != NONVALUE;
    case ITEM_FUN:
        return atom_of(&it->atom, true) != NONVALUE && atom_of(&it->id.node, true) != NONVALUE;
    case ITEM_EXPORT: {
        Term module = atom_of(&it->atom, true), function = atom_of(&it->function, true);
        return module != NONVALUE && function != NONVALUE &&
               export_find(module, function, it->arity) != NULL;
    }
    default:
        return true;
    }
}

/* Adds the item's own words and the number of items that follow as its parts. */
static bool measure(const Item *it, size_t *words, size_t *items)
{
    switch (it->kind) {
    case ITEM_BIG:
        *words += 1 + (it->n + 7) / 8;
        break;
    case ITEM_FLOAT:
        *words += FLOAT_WORDS;
        break;
    case ITEM_PID:
    case ITEM_PORT:
    case ITEM_REF:
        return measure_id(it, words);
    case ITEM_TUPLE:
        *words += TUPLE_WORDS(it->n);
        *items += it->n;
        break;
    case ITEM_STRING:
        *words += 2 * it->n;
        break;
    case ITEM_LIST:
        *words += 2 * it->n;
        *items += it->n + 1;
        break;
    case ITEM_BITS:
        *words += bits_words(it);
        break;
    case ITEM_FUN:
        *words += FUN_WORDS(it->n) + EXT_PID_WORDS;
        *items += it->n;
        break;
    case ITEM_EXPORT:
        *words += EXPORT_FUN_WORDS;
        break;
    case ITEM_MAP:
        *words += map_build_words(it->n);
        *items += 2 * it->n;
        break;
    default:
        break;
    }
    return true;
}

bool etf_decoded_words(const uint8_t *data, size_t n, unsigned flags, size_t *words, size_t *consumed)
{
    Cursor c = {data, data + n};
    size_t items = 1;
    *words = 0;
    while (items > 0) {
        Item it;
        items--;
        if (items > left(&c) || !read_item(&c, &it) || !measure(&it, words, &items) ||
            ((flags & ETF_SAFE) && !is_known(&it))) {
            return false;
        }
    }
    *consumed = (size_t)(c.p - data);
    return true;
}

/* --- pass two: build ------------------------------------------------------------------------------------- */
/* Slots to fill in order, `step` words apart; or (kv set) a map to finish when its pairs are there. */
typedef struct Frame {
    Term *slot;
    size_t n, step;
    Term *kv;
} Frame;

enum { LOCAL_FRAMES = 32 };
typedef struct Decoder {
    Cursor c;
    Term *hp;
    OffHeap *oh;
    Frame *frames;
    size_t count, capacity;
    Frame local[LOCAL_FRAMES];
} Decoder;

static void push(Decoder *d, Frame f)
{
    if (f.n == 0 && !f.kv) {
        return;
    }
    if (d->count == d->capacity) {
        d->frames = vm_stack_grow(d->frames, d->local, &d->capacity, sizeof(Frame));
    }
    d->frames[d->count++] = f;
}

static Term build_id(Decoder *d, ItemKind kind, const NodeId *id)
{
    bool here = is_this_node(id);
    Term *o = d->hp;
    if (here && kind == ITEM_PID) {
        return make_pid((uint32_t)id->number, (uint32_t)id->serial);
    }
    if (here && kind == ITEM_PORT) {
        return make_port(id->number);
    }
    if (here) {
        uint64_t n01 = (id->count > 0 ? id->n[0] : 0) | (uint64_t)(id->count > 1 ? id->n[1] : 0) << 32;
        return build_read_ref(&d->hp, d->oh, n01, id->count > 2 ? id->n[2] : 0);
    }
    Term node = atom_of(&id->node, false);
    if (node == NONVALUE) {
        return NONVALUE;
    }
    if (kind == ITEM_REF) {
        ExtRef *r = (ExtRef *)o;
        *r = (ExtRef){.header = MAKE_HEADER(EXT_REF_WORDS - 1, SUB_EXT_REF), .node = node,
                      .creation = id->creation, .count = id->count};
        memcpy(r->n, id->n, id->count * sizeof id->n[0]);
        d->hp += EXT_REF_WORDS;
        return make_boxed(o);
    }
    ExtPid *x = (ExtPid *)o;
    *x = (ExtPid){.header = MAKE_HEADER(3, kind == ITEM_PID ? SUB_EXT_PID : SUB_EXT_PORT),
                  .node = node, .creation = id->creation,
                  .data = kind == ITEM_PID ? id->serial << 32 | id->number : id->number};
    d->hp += EXT_PID_WORDS;
    return make_boxed(o);
}

static Term build_bits(Decoder *d, const Item *it)
{
    Term whole;
    if (it->n <= HEAP_BIN_MAX) {
        HeapBin *h = (HeapBin *)d->hp;
        h->header = MAKE_HEADER(HEAP_BIN_WORDS(it->n) - 1, SUB_HEAP_BIN);
        h->size = it->n;
        memcpy(h->data, it->data, it->n);
        whole = make_boxed(d->hp);
        d->hp += HEAP_BIN_WORDS(it->n);
    } else {
        Binary *b = binary_alloc(it->n);
        memcpy(b->data, it->data, it->n);
        whole = build_refc_bin(&d->hp, d->oh, b, b->data, it->n);
    }
    if (!it->bits) {
        return whole;
    }
    SubBin *s = (SubBin *)d->hp;
    *s = (SubBin){.header = MAKE_HEADER(SUB_BIN_WORDS - 1, SUB_SUB_BIN), .size = it->n - 1,
                  .bit_size = (uint8_t)it->bits, .orig = whole};
    Term t = make_boxed(d->hp);
    d->hp += SUB_BIN_WORDS;
    return t;
}

static Term build_fun(Decoder *d, const Item *it)
{
    Term module = atom_of(&it->atom, false);
    if (module == NONVALUE) {
        return NONVALUE;
    }
    Fun *f = (Fun *)d->hp;
    d->hp += FUN_WORDS(it->n);
    f->header = MAKE_HEADER(2 + it->n, SUB_FUN);
    f->entry = fun_entry_put(module, it->index, it->data, it->old_uniq, it->arity, (unsigned)it->n);
    f->creator = build_id(d, ITEM_PID, &it->id);
    push(d, (Frame){.slot = f->env, .n = it->n, .step = 1});
    return f->creator == NONVALUE ? NONVALUE : make_boxed((Term *)f);
}

static Term build_export(Decoder *d, const Item *it)
{
    Term module = atom_of(&it->atom, false), function = atom_of(&it->function, false);
    if (module == NONVALUE || function == NONVALUE) {
        return NONVALUE;
    }
    ExportFun *f = (ExportFun *)d->hp;
    d->hp += EXPORT_FUN_WORDS;
    f->header = MAKE_HEADER(1, SUB_EXPORT);
    f->export = export_put(module, function, it->arity);
    return make_boxed((Term *)f);
}

static Term build_string(Decoder *d, const Item *it)
{
    Term t = NIL;
    for (size_t i = it->n; i-- > 0;) {
        t = heap_cons(&d->hp, make_small(it->data[i]), t);
    }
    return t;
}

/* Cells in a row; the frames fill the heads, then the last tail. */
static Term build_list(Decoder *d, const Item *it, Term *slot)
{
    if (it->n == 0) {
        push(d, (Frame){.slot = slot, .n = 1, .step = 1});
        return NIL; /* replaced by what follows */
    }
    Term *o = d->hp;
    d->hp += 2 * it->n;
    for (size_t i = 0; i + 1 < it->n; i++) {
        o[2 * i + 1] = make_list(o + 2 * i + 2);
    }
    push(d, (Frame){.slot = o + 2 * it->n - 1, .n = 1, .step = 1});
    push(d, (Frame){.slot = o, .n = it->n, .step = 2});
    return make_list(o);
}

static Term build_item(Decoder *d, const Item *it, Term *slot)
{
    switch (it->kind) {
    case ITEM_SMALL:
        return make_small(it->small);
    case ITEM_BIG:
        memset(d->hp + 1, 0, (it->n + 7) / 8 * 8);
        memcpy(d->hp + 1, it->data, it->n);
        return integer_from_magnitude(&d->hp, d->hp + 1, (it->n + 7) / 8, it->negative);
    case ITEM_FLOAT:
        return make_float(&d->hp, it->number);
    case ITEM_ATOM:
        return atom_of(&it->atom, false);
    case ITEM_PID:
    case ITEM_PORT:
    case ITEM_REF:
        return build_id(d, it->kind, &it->id);
    case ITEM_TUPLE: {
        Term *o = d->hp;
        o[0] = MAKE_HEADER(it->n, SUB_TUPLE);
        d->hp += TUPLE_WORDS(it->n);
        push(d, (Frame){.slot = o + 1, .n = it->n, .step = 1});
        return make_boxed(o);
    }
    case ITEM_NIL:
        return NIL;
    case ITEM_STRING:
        return build_string(d, it);
    case ITEM_LIST:
        return build_list(d, it, slot);
    case ITEM_BITS:
        return build_bits(d, it);
    case ITEM_FUN:
        return build_fun(d, it);
    case ITEM_EXPORT:
        return build_export(d, it);
    case ITEM_MAP: {
        Term *kv = vm_alloc(2 * it->n * sizeof(Term) + 1);
        push(d, (Frame){.slot = slot, .n = it->n, .kv = kv});
        push(d, (Frame){.slot = kv, .n = 2 * it->n, .step = 1});
        return NIL; /* until the pairs are there */
    }
    }
    return NONVALUE;
}

/* Goes on with the top frame. False: a duplicate key, or no room for an atom. */
static bool decode_step(Decoder *d)
{
    Frame *f = &d->frames[d->count - 1];
    if (f->kv) {
        Frame map = *f;
        d->count--;
        *map.slot = map_build(&d->hp, map.kv, map.n, true);
        vm_free(map.kv);
        return *map.slot != NONVALUE;
    }
    Term *slot = f->slot;
    f->slot += f->step;
    if (--f->n == 0) {
        d->count--;
    }
    Item it;
    if (!read_item(&d->c, &it)) {
        return false; /* not after a successful first pass */
    }
    *slot = build_item(d, &it, slot);
    return *slot != NONVALUE;
}

Term etf_decode(const uint8_t *data, size_t n, unsigned flags, Term **hp, OffHeap *oh)
{
    (void)flags; /* pass one has seen to it */
    Term result = NIL;
    Decoder d = {.c = {data, data + n}, .hp = *hp, .oh = oh, .frames = d.local,
                 .capacity = LOCAL_FRAMES};
    push(&d, (Frame){.slot = &result, .n = 1, .step = 1});
    bool good = true;
    while (good && d.count > 0) {
        good = decode_step(&d);
    }
    while (d.count > 0) {
        vm_free(d.frames[--d.count].kv);
    }
    if (d.frames != d.local) {
        vm_free(d.frames);
    }
    *hp = d.hp;
    return good ? result : NONVALUE;
}

Term etf_to_term(Proc *p, const uint8_t *data, size_t n, unsigned flags, size_t *used)
{
    if (n < 2 || data[0] != ETF_VERSION) {
        return NONVALUE;
    }
    uint8_t *inflated = NULL;
    size_t words, consumed, size = n - 1, outer = 0;
    const uint8_t *body = data + 1;
    if (data[1] == ETF_COMPRESSED) {
        body = inflated = etf_inflate(data + 1, n - 1, &size, &outer);
        if (!inflated) {
            return NONVALUE;
        }
    }
    Term t = NONVALUE;
    if (etf_decoded_words(body, size, flags, &words, &consumed)) {
        Term *hp = heap_alloc(p, words);
        t = etf_decode(body, size, flags, &hp, heap_off_heap(p));
        if (t != NONVALUE) {
            heap_trim(p, hp);
        }
    }
    vm_free(inflated);
    if (used) {
        *used = 1 + (inflated ? outer : consumed);
    }
    return t;
}
