/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terms as erlang:display/1 writes them. Used where nothing may fail (panics too): allocates only for
 * deep terms and long integers.
 */
#include "vm/term/print.h"

#include "vm/load/code.h"
#include "vm/term/atom.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

typedef struct Out {
    char *buf;
    size_t cap, n;
} Out;

static void put(Out *o, const char *s, size_t n)
{
    if (o->n < o->cap) {
        size_t fits = o->cap - o->n < n ? o->cap - o->n : n;
        memcpy(o->buf + o->n, s, fits);
    }
    o->n += n;
}

static void put_text(Out *o, const char *s)
{
    put(o, s, strlen(s));
}

static void put_char(Out *o, char c)
{
    put(o, &c, 1);
}

static void put_unsigned(Out *o, uint64_t v)
{
    char buf[24];
    put(o, buf, (size_t)snprintf(buf, sizeof buf, "%llu", (unsigned long long)v));
}

/* --- what is still to be printed ------------------------------------------------------------------- */
/* Either elements of an array, or the rest of a list, or of a map; then `close`. */
typedef enum { SHOW_ARRAY, SHOW_LIST, SHOW_MAP } Show;
typedef struct Frame {
    Show show;
    bool first;
    const Term *next;
    size_t n;
    Term rest;
    MapIter *it;
    Term value; /* of the key just printed, or NONVALUE */
} Frame;

enum { LOCAL_FRAMES = 16 };
typedef struct Printer {
    Out out;
    Frame *frames;
    size_t count, capacity;
    Frame local[LOCAL_FRAMES];
} Printer;

static Frame *push(Printer *p, Show show)
{
    if (p->count == p->capacity) {
        p->frames = vm_stack_grow(p->frames, p->local, &p->capacity, sizeof(Frame));
    }
    Frame *f = &p->frames[p->count++];
    *f = (Frame){.show = show, .first = true};
    return f;
}

/* --- atoms ------------------------------------------------------------------------------------------ */
static bool is_lower(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 0xdf && c <= 0xff && c != 0xf7);
}

static bool is_name_char(uint32_t c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c >= 0xc0 && c <= 0xde && c != 0xd7);
}

static uint32_t next_char(const uint8_t **s)
{
    uint32_t c = *(*s)++;
    if (c >= 0x80) {
        unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        c &= 0x3fu >> more;
        while (more-- > 0) {
            c = c << 6 | (*(*s)++ & 0x3f);
        }
    }
    return c;
}

static bool needs_quotes(const uint8_t *s, size_t n)
{
    const uint8_t *end = s + n;
    if (n == 0 || !is_lower(next_char(&s))) {
        return true;
    }
    while (s < end) {
        if (!is_name_char(next_char(&s))) {
            return true;
        }
    }
    return false;
}

/* The character at *s. OTP shows control characters of Latin-1 as octal numbers, but DEL as it is. */
static void put_escaped(Out *o, const uint8_t **s)
{
    static const char plain[] = "\n\t\b\v\f\r", letter[] = "ntbvfr";
    const uint8_t *start = *s;
    uint32_t c = next_char(s);
    const char *at = c && c < 32 ? strchr(plain, (int)c) : NULL;
    if (c == '\'' || c == '\\') {
        put_char(o, '\\');
        put_char(o, (char)c);
    } else if (at) {
        put_char(o, '\\');
        put_char(o, letter[at - plain]);
    } else if (c < 32 || (c >= 0x80 && c < 0xa0)) {
        char octal[8];
        put(o, octal, (size_t)snprintf(octal, sizeof octal, "\\%03o", (unsigned)c));
    } else {
        put(o, (const char *)start, (size_t)(*s - start));
    }
}

static void put_atom(Out *o, Term atom)
{
    size_t n;
    const uint8_t *s = atom_text(atom, &n);
    if (!needs_quotes(s, n)) {
        put(o, (const char *)s, n);
        return;
    }
    put_char(o, '\'');
    for (const uint8_t *end = s + n; s < end;) {
        put_escaped(o, &s);
    }
    put_char(o, '\'');
}

/* --- other leaves ------------------------------------------------------------------------------------- */
static void put_integer(Out *o, Term t)
{
    size_t n;
    uint8_t *text = integer_format(t, 10, &n);
    put(o, (const char *)text, n);
    vm_free(text);
}

static bool is_text_byte(unsigned c)
{
    return c >= 32 && c < 127 && c != '"' && c != '\\';
}

static void put_bits(Out *o, Term t)
{
    Bits v = bits_view(t);
    size_t n = v.bit_size / 8;
    unsigned extra = v.bit_size % 8;
    bool text = n > 0 && extra == 0;
    uint8_t byte = 0;
    for (size_t i = 0; text && i < n; i++) {
        bits_copy(&byte, 0, v.base, v.bit_offset + 8 * i, 8);
        text = is_text_byte(byte);
    }
    put_text(o, text ? "<<\"" : "<<");
    for (size_t i = 0; i < n; i++) {
        bits_copy(&byte, 0, v.base, v.bit_offset + 8 * i, 8);
        if (text) {
            put_char(o, (char)byte);
            continue;
        }
        put_text(o, i ? "," : "");
        put_unsigned(o, byte);
    }
    if (extra) {
        byte = 0;
        bits_copy(&byte, 0, v.base, v.bit_offset + 8 * n, extra);
        put_text(o, n ? "," : "");
        put_unsigned(o, (unsigned)(byte >> (8 - extra)));
        put_char(o, ':');
        put_unsigned(o, extra);
    }
    put_text(o, text ? "\">>" : ">>");
}

/* Nodes are told apart by a number; this one is 0. */
static uint64_t node_number(Term node)
{
    return node == A_nonode ? 0 : atom_index(node);
}

static void put_pid(Out *o, Term t)
{
    uint64_t node = 0, number, serial;
    if (is_local_pid(t)) {
        number = pid_number(t);
        serial = pid_serial(t);
    } else {
        const ExtPid *x = (const ExtPid *)boxed_ptr(t);
        node = node_number(x->node);
        number = (uint32_t)x->data;
        serial = x->data >> 32;
    }
    char buf[80];
    put(o, buf, (size_t)snprintf(buf, sizeof buf, "<%llu.%llu.%llu>", (unsigned long long)node,
                                 (unsigned long long)number, (unsigned long long)serial));
}

static void put_port(Out *o, Term t)
{
    bool local = is_local_port(t);
    const ExtPid *x = local ? NULL : (const ExtPid *)boxed_ptr(t);
    char buf[64];
    put(o, buf, (size_t)snprintf(buf, sizeof buf, "#Port<%llu.%llu>",
                                 (unsigned long long)(local ? 0 : node_number(x->node)),
                                 (unsigned long long)(local ? port_number(t) : x->data)));
}

static void put_ref(Out *o, Term t)
{
    uint32_t local[3];
    const uint32_t *n = local;
    size_t count = 3;
    uint64_t node = 0;
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
        node = node_number(x->node);
    }
    put_text(o, "#Ref<");
    put_unsigned(o, node);
    while (count-- > 0) {
        put_char(o, '.');
        put_unsigned(o, n[count]);
    }
    put_char(o, '>');
}

static void put_fun(Out *o, Term t)
{
    if (is_export_fun(t)) {
        const Export *e = export_fun_export(t);
        put_text(o, "fun ");
        put_atom(o, export_module(e));
        put_char(o, ':');
        put_atom(o, export_function(e));
        put_char(o, '/');
        put_unsigned(o, export_arity(e));
        return;
    }
    const FunEntry *e = fun_ptr(t)->entry;
    put_text(o, "#Fun<");
    put_atom(o, e->module);
    put_char(o, '.');
    put_unsigned(o, e->old_index);
    put_char(o, '.');
    put_unsigned(o, e->old_uniq);
    put_char(o, '>');
}

static void put_float(Out *o, Term t)
{
    char buf[40];
    put(o, buf, (size_t)snprintf(buf, sizeof buf, "%e", float_value(t)));
}

/* --- containers ------------------------------------------------------------------------------------------ */
static bool is_text_list(Term t)
{
    for (; is_cons(t); t = cons_tail(t)) {
        if (!is_small(cons_head(t))) {
            return false;
        }
        int64_t c = small_value(cons_head(t));
        if (!((c >= 32 && c < 127) || c == '\t' || c == '\n' || c == '\r' ||
              (c >= 160 && c < 256))) {
            return false;
        }
    }
    return is_nil(t);
}

static void put_text_list(Out *o, Term t)
{
    put_char(o, '"');
    for (; is_cons(t); t = cons_tail(t)) {
        int64_t c = small_value(cons_head(t));
        if (c == '\n') {
            put_text(o, "\\n");
        } else if (c == '"') {
            put_text(o, "\\\"");
        } else {
            put_char(o, (char)c);
        }
    }
    put_char(o, '"');
}

static void put_boxed(Printer *p, Term t)
{
    Out *o = &p->out;
    if (is_tuple(t)) {
        put_char(o, '{');
        Frame *f = push(p, SHOW_ARRAY);
        f->next = tuple_elements(t);
        f->n = tuple_arity(t);
    } else if (is_map(t)) {
        put_text(o, "#{");
        Frame *f = push(p, SHOW_MAP);
        f->it = vm_alloc(sizeof *f->it);
        map_iter_init(f->it, t);
    } else if (is_float(t)) {
        put_float(o, t);
    } else if (is_big(t)) {
        put_integer(o, t);
    } else if (is_ref(t)) {
        put_ref(o, t);
    } else if (is_pid(t)) {
        put_pid(o, t);
    } else if (is_port(t)) {
        put_port(o, t);
    } else if (is_any_fun(t)) {
        put_fun(o, t);
    } else if (is_bitstring(t)) {
        put_bits(o, t);
    } else {
        char buf[40];
        put(o, buf, (size_t)snprintf(buf, sizeof buf, "<boxed:%#llx>",
                                     (unsigned long long)*boxed_ptr(t)));
    }
}

static void put_term(Printer *p, Term t)
{
    Out *o = &p->out;
    if (is_cons(t)) {
        if (is_text_list(t)) {
            put_text_list(o, t);
        } else {
            put_char(o, '[');
            push(p, SHOW_LIST)->rest = t;
        }
    } else if (is_boxed(t)) {
        put_boxed(p, t);
    } else if (is_small(t)) {
        put_integer(o, t);
    } else if (is_atom(t)) {
        put_atom(o, t);
    } else if (is_local_pid(t)) {
        put_pid(o, t);
    } else if (is_local_port(t)) {
        put_port(o, t);
    } else if (is_nil(t)) {
        put_text(o, "[]");
    } else {
        char buf[40];
        put(o, buf, (size_t)snprintf(buf, sizeof buf, "<word:%#llx>", (unsigned long long)t));
    }
}

/* The next term of the top frame, with its separator written; NONVALUE when the frame has ended. */
static Term next_of_list(Printer *p, Frame *f)
{
    if (is_cons(f->rest)) {
        Term t = cons_head(f->rest);
        put_text(&p->out, f->first ? "" : ",");
        f->first = false;
        f->rest = cons_tail(f->rest);
        return t;
    }
    if (is_nil(f->rest)) {
        put_char(&p->out, ']');
        p->count--;
        return NONVALUE;
    }
    Term t = f->rest;
    put_char(&p->out, '|');
    f->rest = NIL;
    return t;
}

static Term next_of_map(Printer *p, Frame *f)
{
    Term t;
    if (f->value != NONVALUE) {
        put_text(&p->out, "=>");
        t = f->value;
        f->value = NONVALUE;
        return t;
    }
    if (map_iter_next(f->it, &t, &f->value)) {
        put_text(&p->out, f->first ? "" : ",");
        f->first = false;
        return t;
    }
    vm_free(f->it);
    put_char(&p->out, '}');
    p->count--;
    return NONVALUE;
}

static Term next_term(Printer *p)
{
    Frame *f = &p->frames[p->count - 1];
    if (f->show == SHOW_LIST) {
        return next_of_list(p, f);
    }
    if (f->show == SHOW_MAP) {
        return next_of_map(p, f);
    }
    if (f->n == 0) {
        put_char(&p->out, '}');
        p->count--;
        return NONVALUE;
    }
    put_text(&p->out, f->first ? "" : ",");
    f->first = false;
    f->n--;
    return *f->next++;
}

size_t term_print(Term t, char *buf, size_t cap)
{
    Printer p = {.out = {buf, cap > 0 ? cap - 1 : 0, 0}, .frames = p.local, .capacity = LOCAL_FRAMES};
    put_term(&p, t);
    while (p.count > 0) {
        t = next_term(&p);
        if (t != NONVALUE) {
            put_term(&p, t);
        }
    }
    if (p.frames != p.local) {
        vm_free(p.frames);
    }
    if (cap > 0) {
        buf[p.out.n < cap ? p.out.n : cap - 1] = '\0';
    }
    return p.out.n;
}
