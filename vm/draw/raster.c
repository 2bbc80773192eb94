/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See raster.h. A convex polygon meets each height in one stretch. A row of pixels is looked at on SUBROWS heights:
 * pixels that all stretches cover are painted as a run; at the edges, how much of a pixel is covered is the sum of what
 * the stretches have of it. Two polygons that share an edge compute it from the same two points in the same order, so
 * what one leaves of a pixel the other takes.
 */
#include "vm/draw/raster.h"

#include "lib/font.h"
#include "vm/term/libm.h"

enum { SUBROWS = 16, SUBROW = RASTER_STEPS / SUBROWS, WHOLE = 256, CHANNELS = 3, FRACTION = 16 };

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

Box box_common(Box a, Box b)
{
    int64_t x = max64(a.x, b.x), y = max64(a.y, b.y);
    return (Box){x, y, min64(a.x + a.width, b.x + b.width) - x, min64(a.y + a.height, b.y + b.height) - y};
}

Box box_around(Box a, Box b)
{
    if (box_is_empty(a) || box_is_empty(b)) {
        return box_is_empty(a) ? b : a;
    }
    int64_t x = min64(a.x, b.x), y = min64(a.y, b.y);
    return (Box){x, y, max64(a.x + a.width, b.x + b.width) - x, max64(a.y + a.height, b.y + b.height) - y};
}

/* Parts of WHOLE. 255 is all. */
static uint32_t parts_of(unsigned alpha) { return alpha + (alpha >> 7); }

/* Two channels at a time in one word, the third in another. */
static uint32_t mix(uint32_t under, uint32_t over, uint32_t parts)
{
    uint32_t rest = WHOLE - parts;
    uint32_t red_blue = ((under & 0xff00ff) * rest + (over & 0xff00ff) * parts + 0x800080) >> 8 & 0xff00ff;
    uint32_t green = ((under & 0xff00) * rest + (over & 0xff00) * parts + 0x8000) >> 8 & 0xff00;
    return red_blue | green;
}

static void paint_run(uint32_t *at, int64_t n, uint32_t rgb, uint32_t parts)
{
    if (parts >= WHOLE) {
        for (int64_t i = 0; i < n; i++) {
            at[i] = rgb;
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            at[i] = mix(at[i], rgb, parts);
        }
    }
}

Box raster_fill(Picture to, Box box, Ink ink)
{
    Box b = box_common(box, picture_box(to));
    for (int64_t row = 0; row < b.height && b.width > 0; row++) {
        paint_run(to.at + (b.y + row) * to.width + b.x, b.width, ink.rgb, parts_of(ink.alpha));
    }
    return b;
}

Box raster_copy(Picture to, int64_t x, int64_t y, Picture from, Box part, unsigned alpha)
{
    Box source = box_common(part, picture_box(from));
    int64_t right = x - part.x, down = y - part.y; /* from source to target */
    Box b = box_common((Box){source.x + right, source.y + down, source.width, source.height}, picture_box(to));
    bool backwards = to.at == from.at && (down > 0 || (down == 0 && right > 0));
    uint32_t parts = parts_of(alpha);
    for (int64_t i = 0; i < b.height && b.width > 0; i++) {
        int64_t row = backwards ? b.height - 1 - i : i;
        uint32_t *dst = to.at + (b.y + row) * to.width + b.x;
        const uint32_t *src = from.at + (b.y + row - down) * from.width + b.x - right;
        if (parts >= WHOLE) {
            memmove(dst, src, (size_t)b.width * sizeof *dst);
            continue;
        }
        for (int64_t k = 0; k < b.width; k++) {
            int64_t column = backwards ? b.width - 1 - k : k;
            dst[column] = mix(dst[column], src[column], parts);
        }
    }
    return b;
}

Box raster_pixels(Picture to, int64_t x, int64_t y, int64_t width, const uint8_t *bytes, size_t count)
{
    Box changed = {0, 0, 0, 0};
    for (int64_t left = (int64_t)count; left > 0; left -= width, y++, bytes += width * 4) {
        Box b = box_common((Box){x, y, min64(left, width), 1}, picture_box(to));
        if (box_is_empty(b)) {
            continue;
        }
        const uint8_t *src = bytes + (b.x - x) * 4;
        uint32_t *dst = to.at + b.y * to.width + b.x;
        for (int64_t i = 0; i < b.width; i++, src += 4) {
            dst[i] = (uint32_t)src[2] << 16 | (uint32_t)src[1] << 8 | src[0];
        }
        changed = box_around(changed, b);
    }
    return changed;
}

Box raster_glyph(Picture to, int64_t x, int64_t y, uint32_t code, int64_t scale, Ink ink, const Ink *ground)
{
    Box b = box_common((Box){x, y, FONT_WIDTH * scale, FONT_HEIGHT * scale}, picture_box(to));
    if (box_is_empty(b)) {
        return b;
    }
    uint8_t dots[FONT_HEIGHT];
    font_glyph(code, dots);
    for (int64_t row = b.y; row < b.y + b.height; row++) {
        uint8_t line = dots[(row - y) / scale];
        for (int64_t column = b.x; column < b.x + b.width; column++) {
            bool dot = (line & 0x80 >> (column - x) / scale) != 0;
            const Ink *paint = dot ? &ink : ground;
            if (paint != NULL) {
                paint_run(to.at + row * to.width + column, 1, paint->rgb, parts_of(paint->alpha));
            }
        }
    }
    return b;
}

/* --- polygons ---------------------------------------------------------------------------------- */

/* A colour that changes evenly over the plane: at pixel (x, y) it is at0 + x * right + y * down. */
typedef struct Paint {
    bool even; /* one colour only */
    uint32_t rgb, parts;
    double at0[CHANNELS], right[CHANNELS], down[CHANNELS];
} Paint;

static int64_t channel_of(uint32_t rgb, unsigned i) { return rgb >> (8 * i) & 255; }

/* Clamped, as a fixed-point number. Outside the polygon the plane leaves the range of colours. */
static int32_t paint_at(const Paint *paint, unsigned i, int64_t x, int64_t y)
{
    double v = paint->at0[i] + (double)x * paint->right[i] + (double)y * paint->down[i];
    return v <= 0 ? 0 : v >= 255 ? 255 << FRACTION : (int32_t)(v * (1 << FRACTION));
}

static uint32_t paint_colour(const int32_t v[CHANNELS])
{
    enum { HALF = 1 << (FRACTION - 1) };
    return (uint32_t)(v[2] + HALF) >> FRACTION << 16 | (uint32_t)(v[1] + HALF) >> FRACTION << 8 |
           (uint32_t)(v[0] + HALF) >> FRACTION;
}

static uint32_t paint_pixel(const Paint *paint, int64_t x, int64_t y)
{
    int32_t v[CHANNELS];
    if (paint->even) {
        return paint->rgb;
    }
    for (unsigned i = 0; i < CHANNELS; i++) {
        v[i] = paint_at(paint, i, x, y);
    }
    return paint_colour(v);
}

/* Both ends are within the range of colours, so what is between them is too. */
static void paint_stretch(uint32_t *at, int64_t x, int64_t y, int64_t n, const Paint *paint)
{
    if (paint->even) {
        paint_run(at, n, paint->rgb, paint->parts);
        return;
    }
    int32_t v[CHANNELS], step[CHANNELS];
    for (unsigned i = 0; i < CHANNELS; i++) {
        v[i] = paint_at(paint, i, x, y);
        step[i] = n > 1 ? (paint_at(paint, i, x + n - 1, y) - v[i]) / (int32_t)(n - 1) : 0;
    }
    for (int64_t k = 0; k < n; k++) {
        at[k] = paint_colour(v);
        for (unsigned i = 0; i < CHANNELS; i++) {
            v[i] += step[i];
        }
    }
}

static int64_t floor_div(int64_t a, int64_t b) /* b > 0 */
{
    int64_t q = a / b;
    return q * b > a ? q - 1 : q;
}

/* The polygon's stretch at height y, in steps; empty (left >= right) when it has none there. */
static void stretch_at(const Corner *c, unsigned n, int64_t y, int64_t *left, int64_t *right)
{
    *left = INT64_MAX;
    *right = INT64_MIN;
    for (unsigned i = 0; i < n; i++) {
        const Corner *a = &c[i], *b = &c[i + 1 < n ? i + 1 : 0];
        if (a->y > b->y) {
            const Corner *upper = b;
            b = a;
            a = upper;
        }
        if (a->y <= y && y < b->y) {
            int64_t x = a->x + floor_div((y - a->y) * (b->x - a->x), b->y - a->y);
            *left = min64(*left, x);
            *right = max64(*right, x);
        }
    }
}

/* A row's stretches, cut to the picture; and where all of them, or any, cover pixels [from, until). */
typedef struct Row {
    int64_t left[SUBROWS], right[SUBROWS];
    int64_t any_from, any_until, all_from, all_until;
} Row;

static void row_make(Row *row, const Corner *c, unsigned n, int64_t y, int64_t width)
{
    int64_t any_left = INT64_MAX, any_right = INT64_MIN, all_left = 0, all_right = width * RASTER_STEPS;
    for (unsigned k = 0; k < SUBROWS; k++) {
        int64_t left, right;
        stretch_at(c, n, y * RASTER_STEPS + k * SUBROW + SUBROW / 2, &left, &right);
        left = max64(left, 0);
        right = min64(right, width * RASTER_STEPS);
        if (left < right) {
            any_left = min64(any_left, left);
            any_right = max64(any_right, right);
        } else {
            left = right = 0;
        }
        row->left[k] = left;
        row->right[k] = right;
        all_left = max64(all_left, left);
        all_right = min64(all_right, right);
    }
    row->any_from = row->any_until = row->all_from = row->all_until = 0;
    if (any_left < any_right) {
        row->any_from = any_left / RASTER_STEPS;
        row->any_until = (any_right + RASTER_STEPS - 1) / RASTER_STEPS;
        row->all_from = row->all_until = row->any_until;
        if (all_left < all_right && (all_left + RASTER_STEPS - 1) / RASTER_STEPS < all_right / RASTER_STEPS) {
            row->all_from = (all_left + RASTER_STEPS - 1) / RASTER_STEPS;
            row->all_until = all_right / RASTER_STEPS;
        }
    }
}

/* How much of pixel x is covered, in parts of WHOLE. */
static uint32_t row_cover(const Row *row, int64_t x)
{
    int64_t sum = 0, from = x * RASTER_STEPS, until = from + RASTER_STEPS;
    for (unsigned k = 0; k < SUBROWS; k++) {
        sum += max64(0, min64(row->right[k], until) - max64(row->left[k], from));
    }
    return (uint32_t)(sum * WHOLE / (RASTER_STEPS * SUBROWS));
}

static void row_edge(uint32_t *line, const Row *row, int64_t from, int64_t until, int64_t y, const Paint *paint)
{
    for (int64_t x = from; x < until; x++) {
        uint32_t parts = row_cover(row, x) * paint->parts / WHOLE;
        if (parts > 0) {
            line[x] = mix(line[x], paint_pixel(paint, x, y), parts);
        }
    }
}

/* Corners of a convex polygon, in order. */
static Box polygon(Picture to, const Corner *c, unsigned n, const Paint *paint)
{
    int64_t left = INT64_MAX, right = INT64_MIN, top = INT64_MAX, bottom = INT64_MIN;
    for (unsigned i = 0; i < n; i++) {
        left = min64(left, floor_div(c[i].x, RASTER_STEPS));
        right = max64(right, floor_div(c[i].x, RASTER_STEPS) + 1);
        top = min64(top, floor_div(c[i].y, RASTER_STEPS));
        bottom = max64(bottom, floor_div(c[i].y, RASTER_STEPS) + 1);
    }
    Box b = box_common((Box){left, top, right - left, bottom - top}, picture_box(to));
    for (int64_t y = b.y; y < b.y + b.height && b.width > 0; y++) {
        Row row;
        row_make(&row, c, n, y, to.width);
        uint32_t *line = to.at + y * to.width;
        row_edge(line, &row, row.any_from, row.all_from, y, paint);
        if (row.all_from < row.all_until) {
            paint_stretch(line + row.all_from, row.all_from, y, row.all_until - row.all_from, paint);
        }
        row_edge(line, &row, row.all_until, row.any_until, y, paint);
    }
    return b;
}

/* The plane through the corners' values, counted in pixels and taken at pixels' middles. False: they are in a line. */
static bool plane(Paint *paint, unsigned i, const Corner c[3])
{
    double ax = (double)(c[1].x - c[0].x), ay = (double)(c[1].y - c[0].y);
    double bx = (double)(c[2].x - c[0].x), by = (double)(c[2].y - c[0].y);
    double av = (double)(channel_of(c[1].rgb, i) - channel_of(c[0].rgb, i));
    double bv = (double)(channel_of(c[2].rgb, i) - channel_of(c[0].rgb, i));
    double area = ax * by - bx * ay;
    if (area == 0) {
        return false;
    }
    paint->right[i] = (av * by - bv * ay) / area * RASTER_STEPS;
    paint->down[i] = (bv * ax - av * bx) / area * RASTER_STEPS;
    double x = 0.5 - (double)c[0].x / RASTER_STEPS, y = 0.5 - (double)c[0].y / RASTER_STEPS;
    paint->at0[i] = (double)channel_of(c[0].rgb, i) + x * paint->right[i] + y * paint->down[i];
    return true;
}

Box raster_triangle(Picture to, const Corner corners[3])
{
    Paint paint = {.parts = WHOLE, .rgb = corners[0].rgb};
    paint.even = corners[0].rgb == corners[1].rgb && corners[0].rgb == corners[2].rgb;
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (!plane(&paint, i, corners)) {
            return (Box){0, 0, 0, 0};
        }
    }
    return polygon(to, corners, 3, &paint);
}

Box raster_line(Picture to, Corner from, Corner until, int64_t thickness, Ink ink)
{
    double dx = (double)(until.x - from.x), dy = (double)(until.y - from.y), length = sqrt(dx * dx + dy * dy);
    if (length == 0 || thickness <= 0) {
        return (Box){0, 0, 0, 0};
    }
    int64_t right = (int64_t)floor(-dy / length * (double)thickness / 2 + 0.5);
    int64_t down = (int64_t)floor(dx / length * (double)thickness / 2 + 0.5);
    const Corner c[] = {{from.x + right, from.y + down, 0}, {until.x + right, until.y + down, 0},
                        {until.x - right, until.y - down, 0}, {from.x - right, from.y - down, 0}};
    return polygon(to, c, 4, &(Paint){.even = true, .rgb = ink.rgb, .parts = parts_of(ink.alpha)});
}
