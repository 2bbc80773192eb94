/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Module loom_canvas: drawing into pictures in memory (vm/draw, doc/display.md). Places are integers, or for smooth
 * shapes also floats, at most RASTER_MAX pixels from 0; whatever lies outside the canvas is cut off. A colour is
 * 16#RRGGBB, or {16#RRGGBB, Alpha}. Whatever does not fit raises badarg and draws nothing.
 */
#include "gen/natives.h"
#include "lib/font.h"
#include "vm/draw/canvas.h"
#include "vm/term/binary.h"
#include "vm/term/number.h"
#include "vm/term/unicode.h"

enum { PIXELS_PER_REDUCTION = 256, SCALE_MAX = 256, OPAQUE = 255 };

static bool whole(Term t, int64_t *v)
{
    *v = is_small(t) ? small_value(t) : INT64_MAX;
    return *v >= -RASTER_MAX && *v <= RASTER_MAX;
}

static bool wholes(const Term *t, unsigned n, int64_t *v)
{
    for (unsigned i = 0; i < n; i++) {
        if (!whole(t[i], &v[i])) {
            return false;
        }
    }
    return true;
}

/* A place in steps. */
static bool steps(Term t, int64_t *v)
{
    if (is_float(t)) {
        double d = float_value(t);
        bool good = d >= -RASTER_MAX && d <= RASTER_MAX;
        *v = good ? (int64_t)floor(d * RASTER_STEPS + 0.5) : 0;
        return good;
    }
    bool good = whole(t, v);
    *v = good ? *v * RASTER_STEPS : 0;
    return good;
}

static bool rgb_of(Term t, uint32_t *rgb)
{
    *rgb = is_small(t) ? (uint32_t)small_value(t) : 0;
    return is_small(t) && small_value(t) >= 0 && small_value(t) <= 0xffffff;
}

static bool alpha_of(Term t, unsigned *alpha)
{
    *alpha = is_small(t) ? (unsigned)small_value(t) : 0;
    return is_small(t) && small_value(t) >= 0 && small_value(t) <= OPAQUE;
}

static bool ink_of(Term t, Ink *ink)
{
    ink->alpha = OPAQUE;
    if (is_tuple_arity(t, 2)) {
        return rgb_of(tuple_elements(t)[0], &ink->rgb) && alpha_of(tuple_elements(t)[1], &ink->alpha);
    }
    return rgb_of(t, &ink->rgb);
}

static bool box_of(Term t, Box *box)
{
    int64_t v[4];
    bool good = is_tuple_arity(t, 4) && wholes(tuple_elements(t), 4, v);
    *box = good ? (Box){v[0], v[1], v[2], v[3]} : (Box){0, 0, 0, 0};
    return good;
}

static Term box_term(Proc *p, Box b)
{
    const Term e[] = {make_small(b.x), make_small(b.y), make_small(b.width), make_small(b.height)};
    return heap_tuple(p, 4, e);
}

static void charge(Proc *p, Box drawn)
{
    p_charge(p, box_is_empty(drawn) ? 1 : (intptr_t)(1 + drawn.width * drawn.height / PIXELS_PER_REDUCTION));
}

/* Ends an operation that drew there. */
static Term drawn(Proc *p, Canvas *c, Box box)
{
    canvas_damaged(c, box);
    canvas_close(c);
    charge(p, box);
    return A_ok;
}

NATIVE(native_loom_canvas_new)
{
    int64_t v[2];
    if (!wholes(a, 2, v) || v[0] <= 0 || v[1] <= 0) {
        return p_badarg(p);
    }
    Term t = v[0] <= CANVAS_SIDE_MAX && v[1] <= CANVAS_SIDE_MAX ? canvas_new(p, v[0], v[1]) : NONVALUE;
    charge(p, (Box){0, 0, v[0], v[1]});
    return t == NONVALUE ? p_system_limit(p) : t;
}

NATIVE(native_loom_canvas_free)
{
    Canvas *c = canvas_of(a[0]);
    if (c == NULL) {
        return p_badarg(p);
    }
    canvas_free(c);
    return A_ok;
}

NATIVE(native_loom_canvas_size)
{
    Canvas *c = canvas_open(a[0]);
    if (c == NULL) {
        return p_badarg(p);
    }
    int64_t width = c->picture.width, height = c->picture.height;
    canvas_close(c);
    return heap_tuple2(p, make_small(width), make_small(height));
}

/* What was drawn on since the last call, and forgets it. */
NATIVE(native_loom_canvas_damage)
{
    Canvas *c = canvas_open(a[0]);
    if (c == NULL) {
        return p_badarg(p);
    }
    Box damage[CANVAS_DAMAGE_MAX];
    unsigned n = c->damage_count;
    memcpy(damage, c->damage, sizeof damage);
    c->damage_count = 0;
    canvas_close(c);
    Term list = NIL;
    for (unsigned i = n; i-- > 0;) {
        list = heap_cons_on(p, box_term(p, damage[i]), list);
    }
    return list;
}

NATIVE(native_loom_canvas_fill)
{
    Box box;
    Ink ink;
    Canvas *c;
    if (!box_of(a[1], &box) || !ink_of(a[2], &ink) || (c = canvas_open(a[0])) == NULL) {
        return p_badarg(p);
    }
    return drawn(p, c, raster_fill(c->picture, box, ink));
}

static bool point_of(Term t, Corner *corner)
{
    corner->rgb = 0;
    return is_tuple_arity(t, 2) && steps(tuple_elements(t)[0], &corner->x) && steps(tuple_elements(t)[1], &corner->y);
}

NATIVE(native_loom_canvas_line)
{
    Corner from, until;
    int64_t thickness;
    Ink ink;
    Canvas *c;
    if (!point_of(a[1], &from) || !point_of(a[2], &until) || !steps(a[3], &thickness) || thickness < 0 ||
        !ink_of(a[4], &ink) || (c = canvas_open(a[0])) == NULL) {
        return p_badarg(p);
    }
    return drawn(p, c, raster_line(c->picture, from, until, thickness, ink));
}

NATIVE(native_loom_canvas_triangle)
{
    Corner corners[3];
    for (unsigned i = 0; i < 3; i++) {
        const Term *e = is_tuple_arity(a[1 + i], 3) ? tuple_elements(a[1 + i]) : NULL;
        if (e == NULL || !steps(e[0], &corners[i].x) || !steps(e[1], &corners[i].y) || !rgb_of(e[2], &corners[i].rgb)) {
            return p_badarg(p);
        }
    }
    Canvas *c = canvas_open(a[0]);
    if (c == NULL) {
        return p_badarg(p);
    }
    return drawn(p, c, raster_triangle(c->picture, corners));
}

/* --- text ---------------------------------------------------------------------------------------- */

/* Where the next character goes. */
typedef struct Pen {
    Picture to;
    int64_t x, y, scale;
    Ink ink;
    const Ink *ground;
    Box drawn;
} Pen;

static bool pen_put(Pen *pen, uint32_t code)
{
    pen->drawn = box_around(pen->drawn, raster_glyph(pen->to, pen->x, pen->y, code, pen->scale, pen->ink, pen->ground));
    pen->x += FONT_WIDTH * pen->scale;
    return true;
}

/* Calls `put` with each character of the text; false when it is none. */
static bool text_each(Proc *p, Term text, Pen *pen, bool (*put)(Pen *pen, uint32_t code))
{
    const uint8_t *bytes;
    size_t n;
    if (is_binary(text) && binary_bytes(p, text, &bytes, &n)) {
        while (n > 0) {
            uint32_t code;
            unsigned used = utf8_decode(bytes, n, &code);
            if (used == 0 || !put(pen, code)) {
                return false;
            }
            bytes += used;
            n -= used;
        }
        return true;
    }
    for (; is_cons(text); text = cons_tail(text)) {
        Term c = cons_head(text);
        if (!is_small(c) || small_value(c) < 0 || small_value(c) > 0x10ffff || !put(pen, (uint32_t)small_value(c))) {
            return false;
        }
    }
    return is_nil(text);
}

static bool pen_nothing(Pen *pen, uint32_t code)
{
    (void)pen;
    (void)code;
    return true;
}

NATIVE(native_loom_canvas_text)
{
    int64_t v[2];
    Ink ground;
    Pen pen = {.ground = NULL};
    if (!is_tuple_arity(a[1], 2) || !wholes(tuple_elements(a[1]), 2, v) || !whole(a[3], &pen.scale) || pen.scale < 1 ||
        pen.scale > SCALE_MAX || !ink_of(a[4], &pen.ink) || (a[5] != A_none && !ink_of(a[5], &ground)) ||
        !text_each(p, a[2], &pen, pen_nothing)) {
        return p_badarg(p);
    }
    Canvas *c = canvas_open(a[0]);
    if (c == NULL) {
        return p_badarg(p);
    }
    pen.to = c->picture;
    pen.x = v[0];
    pen.y = v[1];
    pen.ground = a[5] == A_none ? NULL : &ground;
    (void)text_each(p, a[2], &pen, pen_put);
    p_charge(p, (intptr_t)((pen.x - v[0]) / FONT_WIDTH));
    return drawn(p, c, pen.drawn);
}

/* --- copies -------------------------------------------------------------------------------------- */

/* Both locks: in the order of their addresses, one only when they are one. */
static bool open_both(Term x, Term y, Canvas **cx, Canvas **cy)
{
    bool x_first = (uintptr_t)canvas_of(x) <= (uintptr_t)canvas_of(y);
    Term first = x_first ? x : y, second = x_first ? y : x;
    Canvas *c1 = canvas_open(first);
    if (c1 == NULL) {
        return false;
    }
    Canvas *c2 = canvas_of(x) == canvas_of(y) ? c1 : canvas_open(second);
    if (c2 == NULL) {
        canvas_close(c1);
        return false;
    }
    *cx = x_first ? c1 : c2;
    *cy = x_first ? c2 : c1;
    return true;
}

NATIVE(native_loom_canvas_copy)
{
    int64_t v[2];
    Box part;
    unsigned alpha;
    Canvas *to, *from;
    if (!is_tuple_arity(a[1], 2) || !wholes(tuple_elements(a[1]), 2, v) || !box_of(a[3], &part) ||
        !alpha_of(a[4], &alpha) || !open_both(a[0], a[2], &to, &from)) {
        return p_badarg(p);
    }
    Box box = raster_copy(to->picture, v[0], v[1], from->picture, part, alpha);
    if (from != to) {
        canvas_close(from);
    }
    return drawn(p, to, box);
}

NATIVE(native_loom_canvas_write)
{
    int64_t v[2], width;
    const uint8_t *bytes;
    size_t n;
    Canvas *c;
    if (!is_tuple_arity(a[1], 2) || !wholes(tuple_elements(a[1]), 2, v) || !whole(a[2], &width) || width <= 0 ||
        !is_binary(a[3]) || !binary_bytes(p, a[3], &bytes, &n) || n % sizeof(uint32_t) != 0 ||
        (c = canvas_open(a[0])) == NULL) {
        return p_badarg(p);
    }
    return drawn(p, c, raster_pixels(c->picture, v[0], v[1], width, bytes, n / sizeof(uint32_t)));
}

/* Only what is within the canvas can be read. */
NATIVE(native_loom_canvas_read)
{
    Box box;
    Canvas *c;
    if (!box_of(a[1], &box) || (c = canvas_open(a[0])) == NULL) {
        return p_badarg(p);
    }
    Box in = box_common(box, picture_box(c->picture));
    if (box_is_empty(box) || in.width != box.width || in.height != box.height) {
        canvas_close(c);
        return p_badarg(p);
    }
    uint8_t *bytes;
    size_t row = (size_t)box.width * sizeof(uint32_t);
    Term t = binary_new(p, row * (size_t)box.height, &bytes);
    for (int64_t y = 0; y < box.height; y++) {
        memcpy(bytes + (size_t)y * row, c->picture.at + (box.y + y) * c->picture.width + box.x, row);
    }
    canvas_close(c);
    charge(p, box);
    return t;
}
