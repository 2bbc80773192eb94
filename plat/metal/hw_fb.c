/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Natives of loom_hw for the frame buffer: thin, because kernel/console/screen.c cuts off what lies outside the screen. A
 * capability may begin below the splash: its coordinates count from there, and nothing is drawn above.
 */
#include "gen/natives_metal.h"
#include "kernel/console/font.h"
#include "kernel/console/screen.h"
#include "plat/metal/caps.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"
#include "vm/term/unicode.h"

enum { PIXELS_PER_REDUCTION = 256, COORDINATE_MAX = 1 << 20 };

/* The screen that p may draw on: *row is its first text row. */
static bool has_screen(Proc *p, Term t, int64_t *row)
{
    const Cap *cap = cap_of(p, t, CAP_FRAMEBUFFER);
    *row = cap != NULL ? (int64_t)cap->base : 0;
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
    int64_t first;
    if (!has_screen(p, a[0], &first)) {
        return p_badarg(p);
    }
    const Term kv[] = {A_width, make_small(screen_width()), A_height, make_small(screen_height() - first * FONT_HEIGHT),
                       A_columns, make_small(screen_columns()), A_rows, make_small(screen_rows() - first),
                       A_cell_width, make_small(FONT_WIDTH), A_cell_height, make_small(FONT_HEIGHT)};
    return map_from_pairs(p, kv, 6);
}

NATIVE(native_loom_hw_fb_fill)
{
    int64_t v[4], first;
    uint32_t rgb;
    if (!has_screen(p, a[0], &first) || !numbers(a + 1, 4, v) || !colour(a[5], &rgb)) {
        return p_badarg(p);
    }
    int64_t above = v[1] < 0 ? -v[1] : 0;
    screen_fill(v[0], v[1] + above + first * FONT_HEIGHT, v[2], v[3] - above, rgb);
    int64_t width = v[2] < screen_width() ? v[2] : screen_width(), height = v[3] < screen_height() ? v[3] : screen_height();
    p_charge(p, width > 0 && height > 0 ? (intptr_t)(width * height / PIXELS_PER_REDUCTION) : 1);
    return A_ok;
}

NATIVE(native_loom_hw_fb_write)
{
    int64_t v[3], first;
    const uint8_t *pixels;
    size_t n;
    if (!has_screen(p, a[0], &first) || !numbers(a + 1, 3, v) || v[2] <= 0 || !is_binary(a[4]) ||
        !binary_bytes(p, a[4], &pixels, &n) || n % 4 != 0) {
        return p_badarg(p);
    }
    p_charge(p, (intptr_t)(n / 4 / PIXELS_PER_REDUCTION));
    if (v[1] < 0) { /* skip the rows above */
        size_t skip = (size_t)(-v[1] * v[2] * 4);
        pixels += skip < n ? skip : n;
        n -= skip < n ? skip : n;
        v[1] = 0;
    }
    screen_pixels(v[0], v[1] + first * FONT_HEIGHT, v[2], pixels, n);
    return A_ok;
}

typedef struct TextRun {
    int64_t column, row;
    uint32_t fg, bg;
} TextRun;

static void put(TextRun *run, uint32_t code)
{
    if (run->column >= 0 && run->row >= 0) {
        screen_char((unsigned)run->column, (unsigned)run->row, code, run->fg, run->bg);
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
    int64_t v[2], first;
    TextRun run;
    if (!has_screen(p, a[0], &first) || !numbers(a + 1, 2, v) || !colour(a[4], &run.fg) || !colour(a[5], &run.bg)) {
        return p_badarg(p);
    }
    run.column = v[0];
    run.row = v[1] < 0 ? -1 : v[1] + first;
    const uint8_t *bytes;
    size_t n;
    bool good = is_binary(a[3]) ? binary_bytes(p, a[3], &bytes, &n) && text_binary(&run, bytes, n) : text_list(&run, a[3]);
    p_charge(p, (intptr_t)(run.column - v[0]));
    return good ? A_ok : p_badarg(p);
}

NATIVE(native_loom_hw_fb_scroll)
{
    int64_t v[3], first;
    uint32_t bg;
    if (!has_screen(p, a[0], &first) || !numbers(a + 1, 3, v) || v[0] < 0 || v[1] < v[0] || !colour(a[4], &bg)) {
        return p_badarg(p);
    }
    screen_scroll((unsigned)(v[0] + first), (unsigned)(v[1] + first), (int)v[2], bg);
    p_charge(p, (intptr_t)(v[1] - v[0]) * 16);
    return A_ok;
}
