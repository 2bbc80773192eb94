/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers to and from text. */
#include "gen/natives.h"
#include "vm/term/binary.h"
#include "vm/term/number.h"

/* --- integers to text ------------------------------------------------------------------------------- */
static Term text_result(Proc *p, const uint8_t *text, size_t n, bool as_binary)
{
    p_charge(p, (intptr_t)(n / 16));
    return as_binary ? binary_from_bytes(p, text, n) : heap_string(p, text, n);
}

static Term integer_text(Proc *p, Term t, Term base, bool as_binary)
{
    if (!is_integer(t) || !is_small(base) || small_value(base) < 2 || small_value(base) > 36) {
        return p_badarg(p);
    }
    size_t n;
    uint8_t *text = integer_format(t, (unsigned)small_value(base), &n);
    Term result = text_result(p, text, n, as_binary);
    vm_free(text);
    return result;
}

NATIVE(native_integer_to_list_1)
{
    return integer_text(p, a[0], make_small(10), false);
}

NATIVE(native_integer_to_list_2)
{
    return integer_text(p, a[0], a[1], false);
}

NATIVE(native_integer_to_binary_1)
{
    return integer_text(p, a[0], make_small(10), true);
}

NATIVE(native_integer_to_binary_2)
{
    return integer_text(p, a[0], a[1], true);
}

/* --- text in hand -------------------------------------------------------------------------------------- */
/* The bytes at the start of a list, or of a whole binary. */
typedef struct Text {
    uint8_t *owned;
    const uint8_t *s;
    size_t n;
    uint8_t local[64];
} Text;

static void text_free(Text *t)
{
    vm_free(t->owned);
}

/* Takes ASCII characters from the list while there are any; *rest is what follows them. */
static void text_from_list(Text *t, Term list, Term *rest)
{
    size_t n = 0;
    Term l = list;
    for (; is_cons(l); l = cons_tail(l), n++) {
        Term c = cons_head(l);
        if (!is_small(c) || small_value(c) < 0 || small_value(c) > 127) {
            break;
        }
    }
    *rest = l;
    t->owned = n > sizeof t->local ? vm_alloc(n) : NULL;
    uint8_t *to = t->owned ? t->owned : t->local;
    t->s = to;
    t->n = n;
    for (l = list; n-- > 0; l = cons_tail(l)) {
        *to++ = (uint8_t)small_value(cons_head(l));
    }
}

static bool text_from_whole_list(Text *t, Term list)
{
    Term rest;
    text_from_list(t, list, &rest);
    if (is_nil(rest)) {
        return true;
    }
    text_free(t);
    return false;
}

/* --- text to integers ------------------------------------------------------------------------------------ */
static Term list_integer(Proc *p, Term list, Term base)
{
    Text t;
    if (!is_small(base) || small_value(base) < 2 || small_value(base) > 36 ||
        !text_from_whole_list(&t, list)) {
        return p_badarg(p);
    }
    Term result = integer_parse(p, t.s, t.n, (unsigned)small_value(base));
    text_free(&t);
    return result;
}

static Term binary_integer(Proc *p, Term binary, Term base)
{
    const uint8_t *s;
    size_t n;
    if (!is_small(base) || small_value(base) < 2 || small_value(base) > 36 ||
        !binary_bytes(p, binary, &s, &n)) {
        return p_badarg(p);
    }
    return integer_parse(p, s, n, (unsigned)small_value(base));
}

NATIVE(native_list_to_integer_1)
{
    return list_integer(p, a[0], make_small(10));
}

NATIVE(native_list_to_integer_2)
{
    return list_integer(p, a[0], a[1]);
}

NATIVE(native_binary_to_integer_1)
{
    return binary_integer(p, a[0], make_small(10));
}

NATIVE(native_binary_to_integer_2)
{
    return binary_integer(p, a[0], a[1]);
}

/* The list after its first n cells. */
static Term list_after(Term list, size_t n)
{
    while (n-- > 0) {
        list = cons_tail(list);
    }
    return list;
}

NATIVE(native_string_list_to_integer)
{
    if (!is_list(a[0])) {
        return heap_tuple2(p, A_error, A_not_a_list);
    }
    Text t;
    Term rest;
    text_from_list(&t, a[0], &rest);
    size_t sign = t.n > 0 && (t.s[0] == '-' || t.s[0] == '+'), end = sign;
    while (end < t.n && t.s[end] >= '0' && t.s[end] <= '9') {
        end++;
    }
    if (end == sign) {
        text_free(&t);
        return heap_tuple2(p, A_error, A_no_integer);
    }
    Term value = integer_parse(p, t.s, end, 10);
    text_free(&t);
    return value == NONVALUE ? NONVALUE : heap_tuple2(p, value, list_after(a[0], end));
}

/* --- floats to text ---------------------------------------------------------------------------------------- */
typedef struct FloatStyle {
    enum { STYLE_SCIENTIFIC, STYLE_DECIMALS, STYLE_SHORT } form;
    int32_t decimals; /* as given: what the last option says is what counts and is checked */
    bool compact;
} FloatStyle;

static bool style_option(FloatStyle *style, Term option)
{
    if (option == A_compact) {
        style->compact = true;
        return true;
    }
    if (option == A_short) {
        style->form = STYLE_SHORT;
        return true;
    }
    if (!is_tuple_arity(option, 2) || !is_small(tuple_elements(option)[1])) {
        return false;
    }
    Term name = tuple_elements(option)[0];
    if (name == A_decimals) {
        style->form = STYLE_DECIMALS;
    } else if (name == A_scientific) {
        style->form = STYLE_SCIENTIFIC;
    } else {
        return false;
    }
    style->decimals = (int32_t)small_value(tuple_elements(option)[1]);
    return true;
}

/* Whether any float of that form fits 256 bytes. A negative number of digits in scientific form is 6, as C has it. */
static bool style_fits(FloatStyle *style)
{
    enum { MAX_DECIMALS = 253, MAX_SCIENTIFIC = 249, C_DIGITS = 6 };
    if (style->form == STYLE_SCIENTIFIC && style->decimals < 0) {
        style->decimals = C_DIGITS;
    }
    return style->form == STYLE_SHORT ||
           (style->decimals >= 0 && style->decimals <= (style->form == STYLE_DECIMALS ? MAX_DECIMALS : MAX_SCIENTIFIC));
}

static Term float_text(Proc *p, Term t, Term options, bool as_binary)
{
    FloatStyle style = {.form = STYLE_SCIENTIFIC, .decimals = 20};
    for (; is_cons(options); options = cons_tail(options)) {
        if (!style_option(&style, cons_head(options))) {
            return p_badarg(p);
        }
    }
    if (!is_nil(options) || !is_float(t) || !style_fits(&style)) {
        return p_badarg(p);
    }
    char buf[FLOAT_TEXT_MAX];
    size_t n;
    double d = float_value(t);
    switch (style.form) {
    case STYLE_SHORT:
        n = float_format_short(d, buf);
        break;
    case STYLE_DECIMALS:
        n = float_format_decimals(d, (unsigned)style.decimals, style.compact, buf, sizeof buf);
        break;
    default:
        n = float_format_scientific(d, (unsigned)style.decimals, buf, sizeof buf);
    }
    return n == 0 ? p_badarg(p) : text_result(p, (const uint8_t *)buf, n, as_binary);
}

NATIVE(native_float_to_list_1)
{
    return float_text(p, a[0], NIL, false);
}

NATIVE(native_float_to_list_2)
{
    return float_text(p, a[0], a[1], false);
}

NATIVE(native_float_to_binary_1)
{
    return float_text(p, a[0], NIL, true);
}

NATIVE(native_float_to_binary_2)
{
    return float_text(p, a[0], a[1], true);
}

/* --- text to floats ------------------------------------------------------------------------------------------ */
NATIVE(native_list_to_float)
{
    Text t;
    double d = 0;
    if (!text_from_whole_list(&t, a[0])) {
        return p_badarg(p);
    }
    bool good = t.n > 0 && float_parse(t.s, t.n, &d) == t.n;
    text_free(&t);
    return good ? heap_float(p, d) : p_badarg(p);
}

NATIVE(native_binary_to_float)
{
    const uint8_t *s;
    size_t n;
    double d;
    if (!binary_bytes(p, a[0], &s, &n) || n == 0 || float_parse(s, n, &d) != n) {
        return p_badarg(p);
    }
    return heap_float(p, d);
}

NATIVE(native_string_list_to_float)
{
    if (!is_list(a[0])) {
        return heap_tuple2(p, A_error, A_not_a_list);
    }
    Text t;
    Term rest;
    double d;
    text_from_list(&t, a[0], &rest);
    size_t used = float_parse(t.s, t.n, &d);
    text_free(&t);
    if (used == 0) {
        return heap_tuple2(p, A_error, A_no_float);
    }
    return heap_tuple2(p, heap_float(p, d), list_after(a[0], used));
}
