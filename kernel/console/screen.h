/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame buffer: pixels, and a grid of character cells over them. A machine without one is no error: then there are
 * no columns and everything here does nothing.
 */
#pragma once

#include "include/bootinfo.h"
#include "lib/cstd.h"

/* Maps it, draws the splash (a woven band with the name and version), and from then on shows the log below. Needs the
 * heap. */
void screen_init(const BootFrameBuffer *fb);
bool screen_exists(void);

/* A part of the screen in character cells. */
typedef struct ScreenBox {
    unsigned column, row, columns, rows;
} ScreenBox;
/* All of it; and the part below the splash, within margins, where text goes. */
ScreenBox screen_whole(void), screen_text(void);

/* Log text, while the kernel owns the screen. */
void screen_write(const char *text, size_t n);
/* Someone above draws from now on (true), or the log again (false). */
void screen_set_owned(bool owned);
/* A panic: the log has the screen, brightly. */
void screen_take_back(void);
/* Where text goes on, counted within screen_text(): it outlives whoever draws, so that the next one does not start
 * over. */
void screen_cursor(unsigned *column, unsigned *row);
void screen_set_cursor(unsigned column, unsigned row);

/* Colours are 0xRRGGBB. Whatever lies outside is cut off. */
void screen_fill(int64_t x, int64_t y, int64_t width, int64_t height, uint32_t rgb);
/* Pixels of bytes B G R x; `pitch`: bytes from row to row. */
void screen_picture(int64_t x, int64_t y, int64_t width, int64_t height, const uint8_t *pixels, size_t pitch);
/* Draws the characters again that pixels were drawn over there: whole cells. */
void screen_refresh(int64_t x, int64_t y, int64_t width, int64_t height);
void screen_char(unsigned column, unsigned row, uint32_t code, uint32_t fg, uint32_t bg);
/* Moves the rows of the box up by `lines` (down if negative) and blanks what becomes free. */
void screen_scroll(ScreenBox box, int lines, uint32_t bg);
