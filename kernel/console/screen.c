/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See screen.h. The frame buffer is only written, never read (reads are very slow on real machines): what the cells
 * show is kept in memory, and scrolling redraws the cells that change.
 */
#include "kernel/console/screen.h"

#include "kernel/arch/x86_64/paging.h"
#include "kernel/console/font.h"
#include "kernel/log.h"
#include "kernel/mm/heap.h"

enum { SPLASH_ROWS = 7, THREAD = 16, TITLE_SCALE = 3, TAB_STOP = 8 };
enum { INK = 0xd8dee4, GROUND = 0x10141a, WARP = 0x1f6f78, WEFT = 0xc98a3a, SHADE = 0x0a0d11 };
#define TITLE "LOOM OS v0.1.0"

typedef struct Cell {
    uint32_t code, fg, bg;
    bool stale; /* something else was drawn over part of it */
} Cell;

static struct Screen {
    volatile uint32_t *pixels; /* NULL: none */
    unsigned width, height, pitch; /* pixels */
    uint8_t red_shift, green_shift, blue_shift;
    unsigned columns, rows;
    Cell *cells;
    unsigned top;         /* first row of the log */
    unsigned column, row; /* log cursor */
    bool owned;
} screen;

bool screen_exists(void) { return screen.pixels != NULL; }
unsigned screen_width(void) { return screen.width; }
unsigned screen_height(void) { return screen.height; }
unsigned screen_columns(void) { return screen.columns; }
unsigned screen_rows(void) { return screen.rows; }
unsigned screen_first_row(void) { return screen.top; }
void screen_set_owned(bool owned) { screen.owned = owned; }

static uint32_t pixel_of(uint32_t rgb)
{
    return (rgb >> 16 & 255) << screen.red_shift | (rgb >> 8 & 255) << screen.green_shift |
           (rgb & 255) << screen.blue_shift;
}

static int64_t clamp(int64_t v, int64_t limit) { return v < 0 ? 0 : v > limit ? limit : v; }

/* The pixels of [x, right) x [y, bottom) were drawn over: whole cells are blank now if it was a fill, others need redrawing. */
static void touch_cells(int64_t x, int64_t y, int64_t right, int64_t bottom, bool filled, uint32_t rgb)
{
    for (int64_t row = y / FONT_HEIGHT; row * FONT_HEIGHT < bottom && row < screen.rows; row++) {
        bool whole_row = filled && row * FONT_HEIGHT >= y && (row + 1) * FONT_HEIGHT <= bottom;
        for (int64_t column = x / FONT_WIDTH; column * FONT_WIDTH < right && column < screen.columns; column++) {
            Cell *cell = &screen.cells[row * screen.columns + column];
            if (whole_row && column * FONT_WIDTH >= x && (column + 1) * FONT_WIDTH <= right) {
                *cell = (Cell){' ', rgb, rgb, false};
            } else {
                cell->stale = true;
            }
        }
    }
}

void screen_fill(int64_t x, int64_t y, int64_t width, int64_t height, uint32_t rgb)
{
    if (screen.pixels == NULL || width <= 0 || height <= 0) {
        return;
    }
    uint32_t pixel = pixel_of(rgb);
    int64_t left = clamp(x, screen.width), right = clamp(x + width, screen.width);
    int64_t top = clamp(y, screen.height), bottom = clamp(y + height, screen.height);
    for (int64_t row = top; row < bottom; row++) {
        volatile uint32_t *line = screen.pixels + (uint64_t)row * screen.pitch;
        for (int64_t column = left; column < right; column++) {
            line[column] = pixel;
        }
    }
    touch_cells(left, top, right, bottom, true, rgb);
}

void screen_pixels(int64_t x, int64_t y, int64_t width, const uint8_t *pixels, size_t bytes)
{
    if (screen.pixels == NULL || width <= 0) {
        return;
    }
    size_t count = bytes / 4;
    int64_t last = y + (int64_t)((count + (uint64_t)width - 1) / (uint64_t)width);
    touch_cells(clamp(x, screen.width), clamp(y, screen.height), clamp(x + width, screen.width),
                clamp(last, screen.height), false, 0);
    for (size_t i = 0; i < count; i++, pixels += 4) {
        int64_t column = x + (int64_t)(i % (uint64_t)width), row = y + (int64_t)(i / (uint64_t)width);
        if (column >= 0 && column < screen.width && row >= 0 && row < screen.height) {
            uint32_t rgb = (uint32_t)pixels[2] << 16 | (uint32_t)pixels[1] << 8 | pixels[0];
            screen.pixels[(uint64_t)row * screen.pitch + (uint64_t)column] = pixel_of(rgb);
        }
    }
}

static void draw_glyph(unsigned x, unsigned y, uint32_t code, uint32_t fg, uint32_t bg)
{
    uint8_t rows[FONT_HEIGHT];
    uint32_t on = pixel_of(fg), off = pixel_of(bg);
    font_glyph(code, rows);
    for (unsigned row = 0; row < FONT_HEIGHT; row++) {
        volatile uint32_t *line = screen.pixels + (uint64_t)(y + row) * screen.pitch + x;
        for (unsigned column = 0; column < FONT_WIDTH; column++) {
            line[column] = (rows[row] & 0x80 >> column) != 0 ? on : off;
        }
    }
}

void screen_char(unsigned column, unsigned row, uint32_t code, uint32_t fg, uint32_t bg)
{
    if (column >= screen.columns || row >= screen.rows) {
        return;
    }
    screen.cells[row * screen.columns + column] = (Cell){code, fg, bg, false};
    draw_glyph(column * FONT_WIDTH, row * FONT_HEIGHT, code, fg, bg);
}

static void set_cell(unsigned column, unsigned row, Cell cell)
{
    const Cell *now = &screen.cells[row * screen.columns + column];
    if (now->stale || now->code != cell.code || now->fg != cell.fg || now->bg != cell.bg) {
        screen_char(column, row, cell.code, cell.fg, cell.bg);
    }
}

void screen_scroll(unsigned top, unsigned bottom, int lines, uint32_t bg)
{
    bottom = bottom < screen.rows ? bottom : screen.rows;
    int64_t first = top, last = (int64_t)bottom - 1;
    bool up = lines > 0;
    for (int64_t i = first; i <= last; i++) {
        int64_t row = up ? i : last - (i - first); /* in the order that reads a row before it is overwritten */
        int64_t from = row + lines;
        bool blank = from < first || from > last;
        for (unsigned column = 0; column < screen.columns; column++) {
            Cell cell = {' ', bg, bg, false};
            if (!blank) {
                cell = screen.cells[(uint64_t)from * screen.columns + column];
            }
            set_cell(column, (unsigned)row, cell);
        }
    }
}

static void new_line(void)
{
    screen.column = 0;
    if (screen.row + 1 < screen.rows) {
        screen.row++;
    } else {
        screen_scroll(screen.top, screen.rows, 1, GROUND);
    }
}

void screen_write(const char *text, size_t n)
{
    if (screen.pixels == NULL || screen.owned) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c == '\n') {
            new_line();
        } else if (c == '\r') {
            screen.column = 0;
        } else if (c == '\t') {
            screen.column = (screen.column / TAB_STOP + 1) * TAB_STOP;
        } else if (c >= ' ') {
            if (screen.column >= screen.columns) {
                new_line();
            }
            screen_char(screen.column++, screen.row, c < 0x7f ? c : '?', INK, GROUND);
        }
    }
}

/* Warp threads run down, weft threads run across, and take turns lying on top: the weave that gives the system its name. */
static void draw_weave(unsigned height)
{
    screen_fill(0, 0, screen.width, height, SHADE);
    for (unsigned y = 0; y < height; y += THREAD) {
        for (unsigned x = 0; x < screen.width; x += THREAD) {
            bool warp_on_top = (x / THREAD + y / THREAD) % 2 == 0;
            if (warp_on_top) {
                screen_fill(x, y + 3, THREAD, THREAD - 6, WEFT);
                screen_fill(x + 3, y, THREAD - 6, THREAD, WARP);
            } else {
                screen_fill(x + 3, y, THREAD - 6, THREAD, WARP);
                screen_fill(x, y + 3, THREAD, THREAD - 6, WEFT);
            }
        }
    }
}

static void draw_title(unsigned height)
{
    unsigned count = sizeof TITLE - 1, cell = FONT_WIDTH * TITLE_SCALE;
    unsigned x = (screen.width - count * cell) / 2, y = (height - FONT_HEIGHT * TITLE_SCALE) / 2;
    screen_fill(x - cell, y - 6, (count + 2) * cell, FONT_HEIGHT * TITLE_SCALE + 12, GROUND);
    for (unsigned i = 0; i < count; i++, x += cell) {
        uint8_t rows[FONT_HEIGHT];
        font_glyph((uint8_t)TITLE[i], rows);
        for (unsigned bit = 0; bit < FONT_WIDTH * FONT_HEIGHT; bit++) {
            unsigned column = bit % FONT_WIDTH, row = bit / FONT_WIDTH;
            if ((rows[row] & 0x80 >> column) != 0) {
                screen_fill(x + column * TITLE_SCALE, y + row * TITLE_SCALE, TITLE_SCALE, TITLE_SCALE, INK);
            }
        }
    }
}

static void draw_splash(void)
{
    screen_fill(0, 0, screen.width, screen.height, GROUND);
    if (screen.rows < SPLASH_ROWS * 2 || screen.width < (sizeof TITLE + 2) * FONT_WIDTH * TITLE_SCALE) {
        return; /* too small for more than text */
    }
    draw_weave((SPLASH_ROWS - 1) * FONT_HEIGHT);
    draw_title((SPLASH_ROWS - 1) * FONT_HEIGHT);
    screen.top = screen.row = SPLASH_ROWS;
}

void screen_init(const BootFrameBuffer *fb)
{
    if (fb->base == 0 || fb->width < FONT_WIDTH || fb->height < FONT_HEIGHT || fb->stride < fb->width * 4) {
        klog("screen: none");
        return;
    }
    unsigned columns = fb->width / FONT_WIDTH, rows = fb->height / FONT_HEIGHT;
    void *pixels = window_map(fb->base, (size_t)fb->stride * fb->height, MAP_WRITE | MAP_COMBINING);
    screen.cells = kcalloc((size_t)columns * rows * sizeof(Cell));
    if (pixels == NULL || screen.cells == NULL) {
        klog("screen: no memory for it");
        return;
    }
    screen.width = fb->width;
    screen.height = fb->height;
    screen.pitch = fb->stride / 4;
    screen.red_shift = fb->red_shift;
    screen.green_shift = fb->green_shift;
    screen.blue_shift = fb->blue_shift;
    screen.columns = columns;
    screen.rows = rows;
    screen.pixels = pixels;
    draw_splash();
    klog("screen: %ux%u pixels, %ux%u characters", screen.width, screen.height, columns, rows);
}
