/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Character data: unicode:characters_to_binary/2, characters_to_list/2 and file names.
 *
 * One pass checks that the whole argument is character data (badarg otherwise, wherever the fault is), a second
 * converts into a growing buffer of UTF-8, from which the binary or list is made. Where conversion stops, the rest is
 * rebuilt with the nesting it had: the stack holds the tails of the lists that are open.
 */
#include "gen/natives.h"
#include "vm/load/code.h"
#include "vm/term/binary.h"
#include "vm/term/unicode.h"

typedef struct Text {
    Proc *p;
    bool latin1;
    uint8_t *out; /* `local`, or memory of its own */
    size_t size, capacity;
    Term *tails; /* of the lists that are open, outermost first */
    size_t depth, tail_capacity;
    uint8_t left[4]; /* start of a character that a binary ended in */
    size_t left_size;
    uint8_t local[512];
} Text;

static void text_init(Text *x, Proc *p, bool latin1)
{
    x->p = p;
    x->latin1 = latin1;
    x->out = x->local;
    x->size = 0;
    x->capacity = sizeof x->local;
    x->tails = NULL;
    x->depth = x->tail_capacity = 0;
    x->left_size = 0;
}

static void text_free(Text *x)
{
    if (x->out != x->local) {
        vm_free(x->out);
    }
    vm_free(x->tails);
}

static uint8_t *text_room(Text *x, size_t more)
{
    if (x->capacity - x->size < more) {
        size_t capacity = x->capacity * 2 + more;
        if (x->out == x->local) {
            x->out = vm_alloc(capacity);
            memcpy(x->out, x->local, x->size);
        } else {
            x->out = vm_realloc(x->out, capacity);
        }
        x->capacity = capacity;
    }
    return x->out + x->size;
}

static void push_tail(Text *x, Term tail)
{
    if (x->depth == x->tail_capacity) {
        x->tail_capacity = x->tail_capacity ? x->tail_capacity * 2 : 16;
        x->tails = vm_realloc(x->tails, x->tail_capacity * sizeof *x->tails);
    }
    x->tails[x->depth++] = tail;
}

/* Is t character data, to its end (without binaries when they are not allowed)? *units counts elements and bytes, for
 * reductions. */
static bool is_chardata(Term t, bool binaries, size_t *units)
{
    Text x;
    bool ok = true;
    text_init(&x, NULL, false);
    while (ok) {
        if (is_cons(t)) {
            Term head = cons_head(t);
            ++*units;
            if (is_cons(head)) {
                if (!is_nil(cons_tail(t))) {
                    push_tail(&x, cons_tail(t));
                }
                t = head;
                continue;
            }
            if (is_big(head)) {
                break; /* no character: what follows it is not looked at */
            }
            if (is_binary(head)) {
                *units += bitstring_bit_size(head) / 8;
            }
            ok = is_integer(head) || is_nil(head) || (binaries && is_binary(head));
            t = cons_tail(t);
        } else if (is_nil(t) || (binaries && is_binary(t))) {
            if (is_binary(t)) {
                *units += bitstring_bit_size(t) / 8;
            }
            if (x.depth == 0) {
                break;
            }
            t = x.tails[--x.depth];
        } else {
            ok = false;
        }
    }
    text_free(&x);
    return ok;
}

/* What is left at `rest` inside the open lists, as one term. */
static Term rest_term(Text *x, Term rest)
{
    while (x->depth > 0) {
        rest = heap_cons_on(x->p, rest, x->tails[--x->depth]);
    }
    return rest;
}

typedef enum { TEXT_OK, TEXT_ERROR, TEXT_INCOMPLETE } TextResult;

static void text_latin1(Text *x, const uint8_t *s, size_t n)
{
    uint8_t *to = text_room(x, 2 * n);
    for (size_t i = 0; i < n; i++) {
        to += utf8_encode(s[i], to);
    }
    x->size = (size_t)(to - x->out);
}

/* A character cut off by the end of the binary before: completes it from s. Gives the bytes of s used; SIZE_MAX when no
 * character comes of it. */
static size_t text_complete(Text *x, const uint8_t *s, size_t n)
{
    size_t need = utf8_wanted(x->left[0]) - x->left_size;
    uint32_t c;
    uint8_t whole[4];
    if (n < need) {
        memcpy(x->left + x->left_size, s, n);
        x->left_size += n;
        return n;
    }
    memcpy(whole, x->left, x->left_size);
    memcpy(whole + x->left_size, s, need);
    if (!utf8_decode(whole, x->left_size + need, &c)) {
        return SIZE_MAX;
    }
    memcpy(text_room(x, 4), whole, x->left_size + need);
    x->size += x->left_size + need;
    x->left_size = 0;
    return need;
}

/* A character begins at s whose bytes would go beyond the binary's end. OTP takes what there is for the beginning of
 * one, and finds it wrong only when it looks for more. */
static bool is_cut_short(const uint8_t *s, size_t n) { return utf8_wanted(s[0]) > n; }

/* Converts a binary. On an error *at is the byte offset where it is; SIZE_MAX: in what was left before it. */
static TextResult text_binary(Text *x, Term t, size_t *at)
{
    const uint8_t *s;
    size_t n, chars, used = 0;
    binary_bytes(x->p, t, &s, &n);
    if (x->latin1) {
        text_latin1(x, s, n);
        return TEXT_OK;
    }
    if (x->left_size) {
        used = text_complete(x, s, n);
        if (used == SIZE_MAX) {
            *at = SIZE_MAX;
            return TEXT_ERROR;
        }
    }
    size_t valid = utf8_valid_prefix(s + used, n - used, &chars);
    memcpy(text_room(x, valid), s + used, valid);
    x->size += valid;
    used += valid;
    if (used == n) {
        return TEXT_OK;
    }
    if (!is_cut_short(s + used, n - used)) {
        *at = used;
        return TEXT_ERROR;
    }
    x->left_size = n - used;
    memcpy(x->left, s + used, n - used);
    return TEXT_OK;
}

static bool text_char(Text *x, Term t)
{
    uint64_t c = is_small(t) ? (uint64_t)small_value(t) : UINT64_MAX;
    if (x->left_size || !unicode_is_valid(c) || (x->latin1 && c > 255)) {
        return false;
    }
    x->size += utf8_encode((uint32_t)c, text_room(x, 4));
    return true;
}

/* [Left, Rest] when an unfinished character stands before the rest. */
static Term rest_with_left(Text *x, Term rest)
{
    if (x->left_size == 0) {
        return rest;
    }
    Term left = binary_from_bytes(x->p, x->left, x->left_size);
    return heap_cons_on(x->p, left, heap_cons_on(x->p, rest, NIL));
}

static Term binary_rest(Proc *p, Term t, size_t from)
{
    return from ? binary_sub(p, t, from * 8, bitstring_bit_size(t) - from * 8) : t;
}

/* Converts t; *rest for all results but TEXT_OK. */
static TextResult text_convert(Text *x, Term t, Term *rest)
{
    size_t at;
    for (;;) {
        if (is_cons(t)) {
            Term head = cons_head(t);
            if (is_small(head) || is_big(head)) {
                if (!text_char(x, head)) {
                    *rest = rest_with_left(x, rest_term(x, t));
                    return TEXT_ERROR;
                }
            } else if (is_cons(head)) {
                push_tail(x, cons_tail(t));
                t = head;
                continue;
            } else if (!is_nil(head) && text_binary(x, head, &at) != TEXT_OK) {
                if (at != SIZE_MAX) {
                    t = heap_cons_on(x->p, binary_rest(x->p, head, at), cons_tail(t));
                }
                *rest = rest_with_left(x, rest_term(x, t));
                return TEXT_ERROR;
            }
            t = cons_tail(t);
            continue;
        }
        if (!is_nil(t) && text_binary(x, t, &at) != TEXT_OK) {
            *rest = rest_with_left(x, rest_term(x, at == SIZE_MAX ? t : binary_rest(x->p, t, at)));
            return TEXT_ERROR;
        }
        if (x->depth == 0) {
            break;
        }
        t = x->tails[--x->depth];
    }
    if (x->left_size == 0) {
        return TEXT_OK;
    }
    *rest = binary_from_bytes(x->p, x->left, x->left_size);
    return utf8_is_incomplete(x->left, x->left_size) ? TEXT_INCOMPLETE : TEXT_ERROR;
}

/* A list of the code points in valid UTF-8. */
static Term list_from_utf8(Proc *p, const uint8_t *s, size_t n)
{
    size_t chars;
    uint32_t c;
    utf8_valid_prefix(s, n, &chars);
    if (chars == 0) {
        return NIL;
    }
    Term *cell = heap_alloc(p, 2 * chars);
    Term list = make_list(cell);
    for (size_t i = 0; i < n; cell += 2) {
        i += utf8_decode(s + i, n - i, &c);
        cell[0] = make_small(c);
        cell[1] = make_list(cell + 2);
    }
    cell[-1] = NIL;
    return list;
}

/* 1 Latin-1, 0 UTF-8, -1 another encoding. */
static int encoding_of(Term t)
{
    return t == A_latin1 ? 1 : t == A_unicode || t == A_utf8 ? 0 : -1;
}

static Term other_encoding(Proc *p, Term *a, Term function)
{
    Term args[2] = {a[0], a[1]};
    return p_trap(p, export_put(A_unicode, function, 2), 2, args);
}

static Term convert(Proc *p, Term *a, bool to_list)
{
    Text x;
    size_t units = 0;
    Term rest = NIL;
    Term data = a[0];
    if (!is_chardata(data, true, &units)) {
        return p_badarg(p);
    }
    p_charge(p, (intptr_t)(units / 32));
    if (!to_list && is_cons(data) && is_nil(cons_tail(data)) && is_binary(cons_head(data))) {
        data = cons_head(data); /* a list of one binary is that binary: the rest shows it */
    }
    text_init(&x, p, encoding_of(a[1]) == 1);
    TextResult r = text_convert(&x, data, &rest);
    Term result = to_list ? list_from_utf8(p, x.out, x.size) : binary_from_bytes(p, x.out, x.size);
    text_free(&x);
    return r == TEXT_OK ? result : heap_tuple3(p, r == TEXT_ERROR ? A_error : A_incomplete, result, rest);
}

/* Whole of valid UTF-8 (or 7-bit Latin-1): converting changes nothing. */
static bool is_converted(Proc *p, Term t, bool latin1)
{
    const uint8_t *s;
    size_t n, chars;
    if (!is_bitstring(t) || !binary_bytes(p, t, &s, &n)) {
        return false;
    }
    p_charge(p, (intptr_t)(n / 64));
    return (latin1 ? ascii_prefix(s, n) : utf8_valid_prefix(s, n, &chars)) == n;
}

NATIVE(native_unicode_characters_to_binary)
{
    int encoding = encoding_of(a[1]);
    if (encoding < 0) {
        return other_encoding(p, a, A_characters_to_binary_int);
    }
    return is_converted(p, a[0], encoding == 1) ? a[0] : convert(p, a, false);
}

NATIVE(native_unicode_characters_to_list)
{
    if (encoding_of(a[1]) < 0) {
        return other_encoding(p, a, A_characters_to_list_int);
    }
    return convert(p, a, true);
}

NATIVE(native_unicode_bin_is_7bit)
{
    return make_boolean(is_bitstring(a[0]) && is_converted(p, a[0], true));
}

/* --- file names: always UTF-8 ---------------------------------------------------------------------- */

NATIVE(native_file_native_name_encoding)
{
    (void)p;
    (void)a;
    return A_utf8;
}

/* A raw name, NUL-terminated; NONVALUE for one with a NUL inside. */
static Term native_name(Proc *p, const uint8_t *s, size_t n)
{
    uint8_t *to;
    if (memchr(s, 0, n)) {
        return p_badarg(p);
    }
    Term t = binary_new(p, n + 1, &to);
    memcpy(to, s, n);
    to[n] = 0;
    return t;
}

NATIVE(native_prim_file_internal_name2native)
{
    const uint8_t *s;
    size_t n, units = 0;
    Text x;
    Term rest;
    if (is_bitstring(a[0])) {
        return binary_bytes(p, a[0], &s, &n) ? native_name(p, s, n) : p_badarg(p);
    }
    if (!is_chardata(a[0], false, &units)) {
        return p_badarg(p);
    }
    text_init(&x, p, false);
    Term result = text_convert(&x, a[0], &rest) == TEXT_OK ? native_name(p, x.out, x.size) : p_badarg(p);
    text_free(&x);
    return result;
}

NATIVE(native_prim_file_internal_native2name)
{
    const uint8_t *s;
    size_t n, chars;
    if (!binary_bytes(p, a[0], &s, &n)) {
        return p_badarg(p);
    }
    if (utf8_valid_prefix(s, n, &chars) != n) {
        return heap_tuple2(p, A_error, A_warning);
    }
    return list_from_utf8(p, s, n);
}

NATIVE(native_prim_file_internal_normalize_utf8)
{
    const uint8_t *s;
    size_t n, chars;
    if (!binary_bytes(p, a[0], &s, &n) || utf8_valid_prefix(s, n, &chars) != n) {
        return p_badarg(p);
    }
    return p_trap(p, export_put(A_unicode, A_characters_to_nfc_list, 1), 1, a);
}

NATIVE(native_prim_file_is_translatable)
{
    const uint8_t *s;
    size_t n, chars;
    if (!binary_bytes(p, a[0], &s, &n)) {
        return p_badarg(p);
    }
    return make_boolean(utf8_valid_prefix(s, n, &chars) == n);
}
