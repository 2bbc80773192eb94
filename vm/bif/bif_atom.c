/* SPDX-License-Identifier: Apache-2.0 */
/* Atoms to and from text. */
#include "gen/natives.h"
#include "vm/term/binary.h"
#include "vm/term/unicode.h"

NATIVE(native_atom_to_list)
{
    if (!is_atom(a[0])) {
        return p_badarg(p);
    }
    size_t n, chars = atom_char_count(a[0]);
    const uint8_t *text = atom_text(a[0], &n);
    if (chars == 0) {
        return NIL;
    }
    Term *o = heap_alloc(p, 2 * chars), *cell = o;
    for (size_t i = 0; i < n; cell += 2) {
        uint32_t c;
        i += utf8_decode(text + i, n - i, &c);
        cell[0] = make_small(c);
        cell[1] = make_list(cell + 2);
    }
    cell[-1] = NIL;
    return make_list(o);
}

/* The list's characters as UTF-8. False: fault set. */
static bool name_of_list(Proc *p, Term list, uint8_t name[ATOM_MAX_BYTES], size_t *n, bool existing)
{
    size_t chars = 0;
    *n = 0;
    for (; is_cons(list); list = cons_tail(list)) {
        Term c = cons_head(list);
        if (++chars > ATOM_MAX_CHARS) {
            existing ? p_badarg(p) : p_system_limit(p);
            return false;
        }
        if (!is_small(c) || !unicode_is_valid((uint64_t)small_value(c))) {
            p_badarg(p);
            return false;
        }
        *n += utf8_encode((uint32_t)small_value(c), name + *n);
    }
    if (!is_nil(list)) {
        p_badarg(p);
        return false;
    }
    return true;
}

NATIVE(native_list_to_atom)
{
    uint8_t name[ATOM_MAX_BYTES];
    size_t n;
    if (!name_of_list(p, a[0], name, &n, false)) {
        return NONVALUE;
    }
    Term atom = atom_put(name, n);
    return atom == NONVALUE ? p_system_limit(p) : atom;
}

NATIVE(native_list_to_existing_atom)
{
    uint8_t name[ATOM_MAX_BYTES];
    size_t n;
    if (!name_of_list(p, a[0], name, &n, true)) {
        return NONVALUE;
    }
    Term atom = atom_find(name, n);
    return atom == NONVALUE ? p_badarg(p) : atom;
}

static bool is_utf8_encoding(Term encoding)
{
    return encoding == A_utf8 || encoding == A_unicode;
}

NATIVE(native_atom_to_binary)
{
    if (!is_atom(a[0])) {
        return p_badarg(p);
    }
    size_t n;
    const uint8_t *text = atom_text(a[0], &n);
    if (is_utf8_encoding(a[1])) {
        return binary_from_bytes(p, text, n);
    }
    if (a[1] != A_latin1 || !atom_is_latin1(a[0])) {
        return p_badarg(p);
    }
    uint8_t *to;
    Term t = binary_new(p, atom_char_count(a[0]), &to);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        i += utf8_decode(text + i, n - i, &c);
        *to++ = (uint8_t)c;
    }
    return t;
}

/* Name bytes of a binary in an encoding, as UTF-8. False: fault set. */
static bool name_of_binary(Proc *p, Term *a, uint8_t name[ATOM_MAX_BYTES], size_t *n, bool existing)
{
    const uint8_t *s;
    size_t size, chars;
    if ((a[1] != A_latin1 && !is_utf8_encoding(a[1])) || !binary_bytes(p, a[0], &s, &size)) {
        p_badarg(p);
        return false;
    }
    bool latin1 = a[1] == A_latin1;
    bool too_long = size > (latin1 ? ATOM_MAX_CHARS : ATOM_MAX_BYTES);
    if (!too_long && !latin1) {
        bool valid = utf8_valid_prefix(s, size, &chars) == size;
        too_long = chars + !valid > ATOM_MAX_CHARS; /* and then what follows is not looked at */
        if (!valid && !too_long) {
            p_badarg(p);
            return false;
        }
    }
    if (too_long) {
        existing ? p_badarg(p) : p_system_limit(p);
        return false;
    }
    *n = size;
    if (!latin1) {
        memcpy(name, s, size);
        return true;
    }
    *n = 0;
    for (size_t i = 0; i < size; i++) {
        *n += utf8_encode(s[i], name + *n);
    }
    return true;
}

NATIVE(native_binary_to_atom)
{
    uint8_t name[ATOM_MAX_BYTES];
    size_t n;
    if (!name_of_binary(p, a, name, &n, false)) {
        return NONVALUE;
    }
    Term atom = atom_put(name, n);
    return atom == NONVALUE ? p_system_limit(p) : atom;
}

NATIVE(native_binary_to_existing_atom)
{
    uint8_t name[ATOM_MAX_BYTES];
    size_t n;
    if (!name_of_binary(p, a, name, &n, true)) {
        return NONVALUE;
    }
    Term atom = atom_find(name, n);
    return atom == NONVALUE ? p_badarg(p) : atom;
}
