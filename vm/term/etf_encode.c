/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terms to the external format. One walk with an explicit stack appends to a growing buffer. The choices between
 * tags are OTP 25's, so that the bytes are the same (but for the order of keys in maps of more than 32).
 */
#include "vm/load/code.h"
#include "vm/term/atom.h"
#include "vm/term/big.h"
#include "vm/term/binary.h"
#include "vm/term/compare.h"
#include "vm/term/etf.h"
#include "vm/term/etf_tags.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

enum { STRING_MAX = 65535, CUT_MIN = HEAP_BIN_MAX + 1 };

/* --- the buffer ---------------------------------------------------------------------------------- */
static __attribute__((noinline)) void buffer_grow(EtfBuffer *b, size_t n)
{
    size_t capacity = b->capacity ? b->capacity * 2 : 128;
    while (capacity - b->size < n) {
        capacity *= 2;
    }
    b->data = vm_realloc(b->data, capacity);
    b->capacity = capacity;
}

static inline uint8_t *room(EtfBuffer *b, size_t n)
{
    if (__builtin_expect(b->capacity - b->size < n, 0)) {
        buffer_grow(b, n);
    }
    uint8_t *at = b->data + b->size;
    b->size += n;
    return at;
}

static inline void put8(EtfBuffer *b, unsigned v)
{
    *room(b, 1) = (uint8_t)v;
}

static inline void store(uint8_t *at, uint64_t v, unsigned n)
{
    while (n-- > 0) {
        at[n] = (uint8_t)v;
        v >>= 8;
    }
}

static inline void put_number(EtfBuffer *b, uint64_t v, unsigned n)
{
    store(room(b, n), v, n);
}

static inline void put_tagged(EtfBuffer *b, unsigned tag, uint64_t v, unsigned n)
{
    uint8_t *at = room(b, 1 + n);
    *at = (uint8_t)tag;
    store(at + 1, v, n);
}

static void put_bytes(EtfBuffer *b, const void *data, size_t n)
{
    memcpy(room(b, n), data, n);
}

/* --- what is still to be written ------------------------------------------------------------------- */
typedef enum { DO_ARRAY, DO_LIST, DO_PAIRS, DO_MAP, DO_FUN_SIZE, DO_FREE } Todo;
typedef struct Frame {
    Todo todo;
    const Term *next; /* array; pairs: keys */
    const Term *values;
    size_t n;         /* array, pairs: elements left; fun: offset of its size field */
    Term tail;        /* list: what is left of it */
    MapIter *it;
    Term value; /* map: of the key just written, or NONVALUE */
    uint64_t cut_bytes; /* fun: at its start */
    void *memory;
} Frame;

enum { LOCAL_FRAMES = 16 };
typedef struct Encoder {
    EtfBuffer *b;
    unsigned minor_version;
    bool deterministic;
    Frame *frames;
    size_t count, capacity;
    Frame local[LOCAL_FRAMES];
} Encoder;

static Frame *push(Encoder *e, Todo todo)
{
    if (e->count == e->capacity) {
        e->frames = vm_stack_grow(e->frames, e->local, &e->capacity, sizeof(Frame));
    }
    Frame *f = &e->frames[e->count++];
    f->todo = todo;
    return f;
}

static void push_array(Encoder *e, const Term *next, size_t n)
{
    if (n > 0) {
        Frame *f = push(e, DO_ARRAY);
        f->next = next;
        f->n = n;
    }
}

/* --- leaves ------------------------------------------------------------------------------------------- */
static void put_atom(Encoder *e, Term atom)
{
    size_t n;
    const uint8_t *text = atom_text(atom, &n);
    size_t chars = atom_char_count(atom);
    if (e->minor_version < 2 && (chars == n || atom_is_latin1(atom))) {
        put_tagged(e->b, ETF_ATOM, chars, 2);
        if (chars == n) {
            put_bytes(e->b, text, n);
            return;
        }
        uint8_t *o = room(e->b, chars);
        for (size_t i = 0; i < n; i++) {
            if (text[i] < 0x80) {
                *o++ = text[i];
            } else {
                *o++ = (uint8_t)(text[i] << 6 | (text[i + 1] & 0x3f));
                i++;
            }
        }
        return;
    }
    if (n <= 255) {
        put_tagged(e->b, ETF_SMALL_ATOM_UTF8, n, 1);
    } else {
        put_tagged(e->b, ETF_ATOM_UTF8, n, 2);
    }
    put_bytes(e->b, text, n);
}

static void put_integer(Encoder *e, Term t)
{
    if (is_small(t)) {
        int64_t v = small_value(t);
        if (v >= 0 && v < 256) {
            put_tagged(e->b, ETF_SMALL_INTEGER, (uint64_t)v, 1);
            return;
        }
        if (v >= INT32_MIN && v <= INT32_MAX) {
            put_tagged(e->b, ETF_INTEGER, (uint64_t)v, 4);
            return;
        }
    }
    BigView v;
    big_view(t, &v);
    size_t n = (big_view_bits(&v) + 7) / 8;
    put_tagged(e->b, n < 256 ? ETF_SMALL_BIG : ETF_LARGE_BIG, n, n < 256 ? 1 : 4);
    put8(e->b, v.neg);
    uint8_t *o = room(e->b, n);
    for (size_t i = 0; i < n; i++) {
        o[i] = (uint8_t)(v.d[i / 8] >> (i % 8 * 8));
    }
}

static void put_float(Encoder *e, Term t)
{
    double d = float_value(t);
    if (e->minor_version == 0) {
        put8(e->b, ETF_FLOAT);
        char text[32] = {0};
        float_format_scientific(d, 20, text, sizeof text);
        put_bytes(e->b, text, 31);
        return;
    }
    uint64_t v;
    memcpy(&v, &d, sizeof v);
    put_tagged(e->b, ETF_NEW_FLOAT, v, 8);
}

static void put_pid(Encoder *e, Term t)
{
    put8(e->b, ETF_NEW_PID);
    if (is_local_pid(t)) {
        put_atom(e, A_nonode);
        put_number(e->b, pid_number(t), 4);
        put_number(e->b, pid_serial(t), 4);
        put_number(e->b, 0, 4);
        return;
    }
    const ExtPid *x = (const ExtPid *)boxed_ptr(t);
    put_atom(e, x->node);
    put_number(e->b, (uint32_t)x->data, 4);
    put_number(e->b, x->data >> 32, 4);
    put_number(e->b, x->creation, 4);
}

static void put_port(Encoder *e, Term t)
{
    Term node = A_nonode;
    uint64_t creation = 0, number;
    if (is_local_port(t)) {
        number = port_number(t);
    } else {
        const ExtPid *x = (const ExtPid *)boxed_ptr(t);
        node = x->node;
        creation = x->creation;
        number = x->data;
    }
    bool wide = number >> 28 != 0;
    put8(e->b, wide ? ETF_V4_PORT : ETF_NEW_PORT);
    put_atom(e, node);
    put_number(e->b, number, wide ? 8 : 4);
    put_number(e->b, creation, 4);
}

static void put_ref(Encoder *e, Term t)
{
    uint32_t local[3];
    const uint32_t *n = local;
    size_t count = 3;
    Term node = A_nonode;
    uint64_t creation = 0;
    if (is_local_ref(t)) {
        const Ref *r = ref_ptr(t);
        if (is_magic_ref(t)) {
            magic_note(r->magic);
        }
        local[0] = (uint32_t)r->n01;
        local[1] = (uint32_t)(r->n01 >> 32);
        local[2] = (uint32_t)r->n2;
    } else {
        const ExtRef *x = (const ExtRef *)boxed_ptr(t);
        n = x->n;
        count = x->count;
        node = x->node;
        creation = x->creation;
    }
    put_tagged(e->b, ETF_NEWER_REFERENCE, count, 2);
    put_atom(e, node);
    put_number(e->b, creation, 4);
    for (size_t i = 0; i < count; i++) {
        put_number(e->b, n[i], 4);
    }
}

static void put_bits(Encoder *e, Term t)
{
    Bits v = bits_view(t);
    size_t n = v.bit_size / 8;
    unsigned extra = v.bit_size % 8;
    if (extra) {
        put_tagged(e->b, ETF_BIT_BINARY, n + 1, 4);
        put8(e->b, extra);
        uint8_t *o = room(e->b, n + 1);
        o[n] = 0;
        bits_copy(o, 0, v.base, v.bit_offset, v.bit_size);
        return;
    }
    put_tagged(e->b, ETF_BINARY, n, 4);
    if (e->b->cut_binaries && n >= CUT_MIN) {
        size_t i = e->b->cut_count++;
        if ((i & (i - 1)) == 0) { /* full at each power of two */
            e->b->cuts = vm_realloc(e->b->cuts, (i ? i * 2 : 1) * sizeof(EtfCut));
        }
        e->b->cuts[i] = (EtfCut){e->b->size, t};
        e->b->cut_bytes += n;
        return;
    }
    if (v.bit_offset % 8 == 0) {
        put_bytes(e->b, v.base + v.bit_offset / 8, n);
    } else {
        bits_copy(room(e->b, n), 0, v.base, v.bit_offset, v.bit_size);
    }
}

/* --- containers ------------------------------------------------------------------------------------------ */
static void put_list(Encoder *e, Term t)
{
    size_t n = 0, bytes = 0;
    Term l = t;
    for (; is_cons(l); l = cons_tail(l), n++) {
        Term head = cons_head(l);
        bytes += bytes == n && is_small(head) && (uint64_t)small_value(head) < 256;
    }
    if (is_nil(l) && bytes == n && n <= STRING_MAX) {
        put_tagged(e->b, ETF_STRING, n, 2);
        uint8_t *o = room(e->b, n);
        for (l = t; is_cons(l); l = cons_tail(l)) {
            *o++ = (uint8_t)small_value(cons_head(l));
        }
        return;
    }
    put_tagged(e->b, ETF_LIST, n, 4);
    push(e, DO_LIST)->tail = t;
}

static void put_tuple(Encoder *e, Term t)
{
    size_t n = tuple_arity(t);
    put_tagged(e->b, n < 256 ? ETF_SMALL_TUPLE : ETF_LARGE_TUPLE, n, n < 256 ? 1 : 4);
    push_array(e, tuple_elements(t), n);
}

static void put_fun(Encoder *e, Term t)
{
    const Fun *f = fun_ptr(t);
    const FunEntry *fe = f->entry;
    size_t n = header_arity(f->header) - 2;
    put8(e->b, ETF_NEW_FUN);
    Frame *end = push(e, DO_FUN_SIZE);
    end->n = e->b->size;
    end->cut_bytes = e->b->cut_bytes;
    push_array(e, f->env, n);
    put_number(e->b, 0, 4);
    put8(e->b, fe->arity);
    put_bytes(e->b, fe->uniq, 16);
    put_number(e->b, fe->index, 4);
    put_number(e->b, n, 4);
    put_atom(e, fe->module);
    size_t before = e->b->size;
    put_integer(e, make_small((int32_t)fe->old_index)); /* as the reader takes them */
    put_integer(e, make_small((int32_t)fe->old_uniq));
    e->b->uncounted += 10 - (e->b->size - before);
    put_pid(e, f->creator);
}

static void put_export(Encoder *e, Term t)
{
    const Export *x = export_fun_export(t);
    put8(e->b, ETF_EXPORT);
    put_atom(e, export_module(x));
    put_atom(e, export_function(x));
    put_integer(e, make_small(export_arity(x)));
}

/* Sorts n pairs by key, stable: bottom-up merges between kv and scratch; returns the one with the result. */
static Term *sort_pairs(Term *kv, Term *scratch, size_t n)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t mid = low + width < n ? low + width : n;
            size_t high = low + 2 * width < n ? low + 2 * width : n;
            size_t i = low, j = mid;
            for (size_t k = low; k < high; k++) {
                bool left = i < mid && (j >= high || term_compare_exact(kv[2 * i], kv[2 * j]) <= 0);
                size_t from = left ? i++ : j++;
                scratch[2 * k] = kv[2 * from];
                scratch[2 * k + 1] = kv[2 * from + 1];
            }
        }
        Term *t = kv;
        kv = scratch;
        scratch = t;
    }
    return kv;
}

static void put_map(Encoder *e, Term t)
{
    size_t n = map_size(t);
    put_tagged(e->b, ETF_MAP, n, 4);
    if (n == 0) {
        return;
    }
    if (is_flat_map(t)) {
        Frame *f = push(e, DO_PAIRS);
        f->next = tuple_elements(flat_map_keys(t));
        f->values = flat_map_values(t);
        f->n = 2 * n;
        return;
    }
    MapIter it;
    map_iter_init(&it, t);
    if (e->deterministic) {
        Term *kv = vm_alloc(4 * n * sizeof(Term));
        for (size_t i = 0; i < n; i++) {
            map_iter_next(&it, &kv[2 * i], &kv[2 * i + 1]);
        }
        push(e, DO_FREE)->memory = kv;
        push_array(e, sort_pairs(kv, kv + 2 * n, n), 2 * n);
        return;
    }
    Frame *f = push(e, DO_MAP);
    f->it = memcpy(vm_alloc(sizeof it), &it, sizeof it);
    f->value = NONVALUE;
}

static void put_boxed(Encoder *e, Term t)
{
    switch (boxed_sub(t)) {
    case SUB_TUPLE:
        put_tuple(e, t);
        break;
    case SUB_POS_BIG:
    case SUB_NEG_BIG:
        put_integer(e, t);
        break;
    case SUB_FLOAT:
        put_float(e, t);
        break;
    case SUB_REF:
    case SUB_EXT_REF:
        put_ref(e, t);
        break;
    case SUB_EXT_PID:
        put_pid(e, t);
        break;
    case SUB_EXT_PORT:
        put_port(e, t);
        break;
    case SUB_FUN:
        put_fun(e, t);
        break;
    case SUB_EXPORT:
        put_export(e, t);
        break;
    case SUB_MAP:
        put_map(e, t);
        break;
    default:
        put_bits(e, t);
    }
}

static void put_term(Encoder *e, Term t)
{
    if (is_cons(t)) {
        put_list(e, t);
    } else if (is_boxed(t)) {
        put_boxed(e, t);
    } else if (is_small(t)) {
        put_integer(e, t);
    } else if (is_atom(t)) {
        put_atom(e, t);
    } else if (is_local_pid(t)) {
        put_pid(e, t);
    } else if (is_local_port(t)) {
        put_port(e, t);
    } else {
        put8(e->b, ETF_NIL);
    }
}

/* Each of these writes what the top frame still holds, until a container's own frame comes on top of it or it is done.
 * A frame goes before its last term is written, so that a list of lists of lists ... in tail position needs no depth.
 * */
static void write_array(Encoder *e)
{
    bool more = true;
    for (size_t depth = e->count; more && e->count == depth;) {
        Frame *f = &e->frames[depth - 1];
        Term t = *f->next++;
        more = --f->n > 0;
        e->count -= !more;
        put_term(e, t);
    }
}

static void write_list(Encoder *e)
{
    bool more = true;
    for (size_t depth = e->count; more && e->count == depth;) {
        Frame *f = &e->frames[depth - 1];
        Term t = f->tail;
        more = is_cons(t);
        if (more) {
            f->tail = cons_tail(t);
            t = cons_head(t);
        }
        e->count -= !more;
        put_term(e, t);
    }
}

/* Keys and values of a flat map in turn; n counts both. */
static void write_pairs(Encoder *e)
{
    bool more = true;
    for (size_t depth = e->count; more && e->count == depth;) {
        Frame *f = &e->frames[depth - 1];
        Term t = f->n % 2 == 0 ? *f->next++ : *f->values++;
        more = --f->n > 0;
        e->count -= !more;
        put_term(e, t);
    }
}

static void write_map(Encoder *e)
{
    for (size_t depth = e->count; e->count == depth;) {
        Frame *f = &e->frames[depth - 1];
        Term t = f->value;
        if (t != NONVALUE) {
            f->value = NONVALUE;
        } else if (!map_iter_next(f->it, &t, &f->value)) {
            vm_free(f->it);
            e->count--;
            return;
        }
        put_term(e, t);
    }
}

static void write_top(Encoder *e)
{
    Frame *f = &e->frames[e->count - 1];
    switch (f->todo) {
    case DO_ARRAY:
        write_array(e);
        break;
    case DO_LIST:
        write_list(e);
        break;
    case DO_PAIRS:
        write_pairs(e);
        break;
    case DO_MAP:
        write_map(e);
        break;
    case DO_FUN_SIZE:
        store(e->b->data + f->n, e->b->size - f->n + e->b->cut_bytes - f->cut_bytes, 4);
        e->count--;
        break;
    case DO_FREE:
        vm_free(f->memory);
        e->count--;
        break;
    }
}

void etf_encode(EtfBuffer *b, Term t, unsigned minor_version, bool deterministic)
{
    Encoder e;
    e.b = b;
    e.minor_version = minor_version;
    e.deterministic = deterministic;
    e.frames = e.local;
    e.count = 0;
    e.capacity = LOCAL_FRAMES;
    put_term(&e, t);
    while (e.count > 0) {
        write_top(&e);
    }
    if (e.frames != e.local) {
        vm_free(e.frames);
    }
}
