/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drawing into memory: fills, copies, glyphs, and convex polygons with smooth edges and a colour at each corner.
 * Knows nothing of terms or processes. Whatever lies outside the picture is cut off, before any arithmetic could
 * overflow: coordinates are at most RASTER_MAX pixels away from 0.
 *
 * The same picture comes out on every build: positions are integers (a pixel has 256 steps), and colours are computed
 * in doubles, which are IEEE's everywhere.
 */
#pragma once

#include "lib/cstd.h"

enum { RASTER_MAX = 1 << 20, RASTER_STEPS = 256 };

/* Rows without gaps; a pixel is 0x00RRGGBB, in memory the bytes B G R 0. */
typedef struct Picture {
    uint32_t *at;
    int64_t width, height;
} Picture;

/* Empty when width or height is not positive. */
typedef struct Box {
    int64_t x, y, width, height;
} Box;

/* alpha: 0 leaves what is there, 255 covers it. */
typedef struct Ink {
    uint32_t rgb;
    unsigned alpha;
} Ink;

/* A corner: place in steps, and its colour. */
typedef struct Corner {
    int64_t x, y;
    uint32_t rgb;
} Corner;

static inline bool box_is_empty(Box b) { return b.width <= 0 || b.height <= 0; }
/* What both have; what has both in it (an empty one has nothing). */
Box box_common(Box a, Box b);
Box box_around(Box a, Box b);
static inline Box picture_box(Picture p) { return (Box){0, 0, p.width, p.height}; }

/* Each returns the part of the picture that it may have changed: empty when all was outside. */
Box raster_fill(Picture to, Box box, Ink ink);
/* `from` may be `to`, and overlap. What is outside `from` is not copied. */
Box raster_copy(Picture to, int64_t x, int64_t y, Picture from, Box part, unsigned alpha);
/* Rows of `width` pixels, bytes B G R x; the last row may be shorter. */
Box raster_pixels(Picture to, int64_t x, int64_t y, int64_t width, const uint8_t *bytes, size_t count);
/* A character of lib/font.h, each of its dots a square of `scale` pixels; its ground only when `ground` is not NULL. */
Box raster_glyph(Picture to, int64_t x, int64_t y, uint32_t code, int64_t scale, Ink ink, const Ink *ground);
/* Corners in order, either way round; the colour goes smoothly from corner to corner. */
Box raster_triangle(Picture to, const Corner corners[3]);
/* `thickness` in steps; ends are cut off straight through the end points. */
Box raster_line(Picture to, Corner from, Corner until, int64_t thickness, Ink ink);
