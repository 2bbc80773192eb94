/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Natives of loom_hw for the frame buffer: thin, because kernel/console/screen.c cuts off what lies outside the screen.
 * A capability may be for the text part only: its coordinates count from there, and nothing is drawn above or left of
 * it.
 */
#include "gen/natives_metal.h"
#include "kernel/console/screen.h"
#include "lib/font.h"
#include "plat/metal/caps.h"
#include "vm/draw/canvas.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"
#include "vm/term/unicode.h"

enum { PIXELS_PER_REDUCTION = 256, COORDINATE_MAX = 1 << 20 };

/* The part of the screen that p may draw on. */
static bool has_screen(Proc *p, Term t, ScreenBox *box)
{
    const Cap *cap = cap_of(p, t, CAP_FRAMEBUFFER);
    *box = cap != NULL && cap->whole ? screen_whole() : screen_text();
    return cap != NULL;
}

/* n small integers of sensible size. */
static bool numbers(const Term *a, unsigned n, int64_t *v)
{
    for (unsigned i = 0; i < n; i++) {
        if (!is_small(a[i]) || small_value(a[i]) > COORDINATE_MAX || small_value(a[i]) < -COORDINATE_MAX) {
            return false;
        }
        v[i] = small_value(a[i]);
    }
    return true;
}

static bool colour(Term t, uint32_t *rgb)
{
    *rgb = is_small(t) ? (uint32_t)small_value(t) : 0;
    return is_small(t) && small_value(t) >= 0 && small_value(t) <= 0xffffff;
}

NATIVE(native_loom_hw_fb_info)
{
    ScreenBox box;
    unsigned column, row;
    if (!has_screen(p, a[0], &box)) {
        return p_badarg(p);
    }
    screen_cursor(&column, &row);
    const Term kv[] = {A_width, make_small(box.columns * FONT_WIDTH), A_height, make_small(box.rows * FONT_HEIGHT),
                       A_columns, make_small(box.columns), A_rows, make_small(box.rows),
                       A_cell_width, make_small(FONT_WIDTH), A_cell_height, make_small(FONT_HEIGHT),
                       A_cursor, heap_tuple2(p, make_small(column), make_small(row))};
    return map_from_pairs(p, kv, 7);
}

NATIVE(native_loom_hw_fb_cursor)
{
    int64_t v[2];
    ScreenBox box;
    if (!has_screen(p, a[0], &box) || !numbers(a + 1, 2, v) || v[0] < 0 || v[1] < 0) {
        return p_badarg(p);
    }
    screen_set_cursor((unsigned)v[0], (unsigned)v[1]);
    return A_ok;
}

/* Cuts [*at, *at + *size) to [0, limit). */
static void cut(int64_t *at, int64_t *size, int64_t limit)
{
    int64_t end = *at + *size < limit ? *at + *size : limit;
    *at = *at < 0 ? 0 : *at;
    *size = end > *at ? end - *at : 0;
}

NATIVE(native_loom_hw_fb_fill)
{
    int64_t v[4];
    ScreenBox box;
    uint32_t rgb;
    if (!has_screen(p, a[0], &box) || !numbers(a + 1, 4, v) || !colour(a[5], &rgb)) {
        return p_badarg(p);
    }
    cut(&v[0], &v[2], (int64_t)box.columns * FONT_WIDTH);
    cut(&v[1], &v[3], (int64_t)box.rows * FONT_HEIGHT);
    screen_fill(v[0] + box.column * FONT_WIDTH, v[1] + box.row * FONT_HEIGHT, v[2], v[3], rgb);
    p_charge(p, (intptr_t)(v[2] * v[3] / PIXELS_PER_REDUCTION));
    return A_ok;
}

/* Row by row, because what lies outside the part is cut off on either side. */
NATIVE(native_loom_hw_fb_write)
{
    int64_t v[3];
    ScreenBox box;
    const uint8_t *pixels;
    size_t n;
    if (!has_screen(p, a[0], &box) || !numbers(a + 1, 3, v) || v[2] <= 0 || !is_binary(a[4]) ||
        !binary_bytes(p, a[4], &pixels, &n) || n % 4 != 0) {
        return p_badarg(p);
    }
    p_charge(p, (intptr_t)(n / 4 / PIXELS_PER_REDUCTION));
    for (int64_t y = v[1], left = (int64_t)(n / 4); left > 0; y++, left -= v[2], pixels += v[2] * 4) {
        int64_t x = v[0], width = left < v[2] ? left : v[2], row = y, height = 1;
        cut(&x, &width, (int64_t)box.columns * FONT_WIDTH);
        cut(&row, &height, (int64_t)box.rows * FONT_HEIGHT);
        if (height > 0 && width > 0) {
            screen_picture(x + box.column * FONT_WIDTH, y + box.row * FONT_HEIGHT, width, 1, pixels + (x - v[0]) * 4,
                           0);
        }
    }
    return A_ok;
}

/* A part {X, Y, Width, Height} of a canvas, without a copy between. */
NATIVE(native_loom_hw_fb_show)
{
    int64_t v[2], part[4];
    ScreenBox box;
    if (!has_screen(p, a[0], &box) || !numbers(a + 1, 2, v) || !is_tuple_arity(a[4], 4) ||
        !numbers(tuple_elements(a[4]), 4, part)) {
        return p_badarg(p);
    }
    Canvas *c = canvas_open(a[3]);
    if (c == NULL) { /* one that was freed meanwhile shows nothing: that is no fault of the driver */
        return canvas_of(a[3]) != NULL ? A_ok : p_badarg(p);
    }
    Box from = box_common((Box){part[0], part[1], part[2], part[3]}, picture_box(c->picture));
    int64_t x = v[0] + from.x - part[0], y = v[1] + from.y - part[1];
    int64_t left = x, top = y; /* of what is within the capability's part of the screen */
    cut(&left, &from.width, (int64_t)box.columns * FONT_WIDTH);
    cut(&top, &from.height, (int64_t)box.rows * FONT_HEIGHT);
    if (from.width > 0 && from.height > 0) {
        const uint32_t *pixels = c->picture.at + (from.y + top - y) * c->picture.width + from.x + left - x;
        screen_picture(left + box.column * FONT_WIDTH, top + box.row * FONT_HEIGHT, from.width, from.height,
                       (const uint8_t *)pixels, (size_t)c->picture.width * sizeof *pixels);
        p_charge(p, (intptr_t)(from.width * from.height / PIXELS_PER_REDUCTION));
    }
    canvas_close(c);
    return A_ok;
}

NATIVE(native_loom_hw_fb_refresh)
{
    int64_t v[4];
    ScreenBox box;
    if (!has_screen(p, a[0], &box) || !numbers(a + 1, 4, v)) {
        return p_badarg(p);
    }
    cut(&v[0], &v[2], (int64_t)box.columns * FONT_WIDTH);
    cut(&v[1], &v[3], (int64_t)box.rows * FONT_HEIGHT);
    if (v[2] > 0 && v[3] > 0) {
        screen_refresh(v[0] + box.column * FONT_WIDTH, v[1] + box.row * FONT_HEIGHT, v[2], v[3]);
        p_charge(p, (intptr_t)(v[2] * v[3] / PIXELS_PER_REDUCTION));
    }
    return A_ok;
}

typedef struct TextRun {
    ScreenBox box;
    int64_t column, row; /* within the box */
    uint32_t fg, bg;
} TextRun;

static void put(TextRun *run, uint32_t code)
{
    if (run->column >= 0 && run->row >= 0 && run->column < run->box.columns && run->row < run->box.rows) {
        screen_char((unsigned)run->column + run->box.column, (unsigned)run->row + run->box.row, code, run->fg, run->bg);
    }
    run->column++;
}

static bool text_list(TextRun *run, Term list)
{
    for (; is_cons(list); list = cons_tail(list)) {
        Term c = cons_head(list);
        if (!is_small(c) || small_value(c) < 0 || small_value(c) > 0x10ffff) {
            return false;
        }
        put(run, (uint32_t)small_value(c));
    }
    return is_nil(list);
}

static bool text_binary(TextRun *run, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        uint32_t code;
        unsigned used = utf8_decode(bytes, n, &code);
        if (used == 0) {
            return false;
        }
        put(run, code);
        bytes += used;
        n -= used;
    }
    return true;
}

NATIVE(native_loom_hw_fb_text)
{
    int64_t v[2];
    TextRun run;
    if (!has_screen(p, a[0], &run.box) || !numbers(a + 1, 2, v) || !colour(a[4], &run.fg) || !colour(a[5], &run.bg)) {
        return p_badarg(p);
    }
    run.column = v[0];
    run.row = v[1];
    const uint8_t *bytes;
    size_t n;
    bool good = is_binary(a[3]) ? binary_bytes(p, a[3], &bytes, &n) && text_binary(&run, bytes, n) : text_list(&run,
            a[3]);
    p_charge(p, (intptr_t)(run.column - v[0]));
    return good ? A_ok : p_badarg(p);
}

NATIVE(native_loom_hw_fb_scroll)
{
    int64_t v[3];
    ScreenBox box;
    uint32_t bg;
    if (!has_screen(p, a[0], &box) || !numbers(a + 1, 3, v) || v[0] < 0 || v[1] < v[0] || !colour(a[4], &bg)) {
        return p_badarg(p);
    }
    int64_t rows = v[1] - v[0];
    cut(&v[0], &rows, box.rows);
    screen_scroll((ScreenBox){box.column, box.row + (unsigned)v[0], box.columns, (unsigned)rows}, (int)v[2], bg);
    p_charge(p, (intptr_t)rows * 16);
    return A_ok;
}
