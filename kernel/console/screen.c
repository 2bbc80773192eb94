/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See screen.h. The frame buffer is only written, never read (reads are very slow on real machines): what the cells
 * show is kept in memory, and scrolling redraws the cells that change.
 */
#include "kernel/console/screen.h"

#include "kernel/arch/x86_64/paging.h"
#include "kernel/log.h"
#include "kernel/mm/heap.h"
#include "lib/font.h"

enum { BAND_ROWS = 6, TOP_ROWS = BAND_ROWS + 1, MARGIN_COLUMNS = 2, BOTTOM_ROWS = 1, TITLE_SCALE = 3, TAB_STOP = 8 };
enum { THREAD = 16, THREAD_EDGE = 2, THREAD_SHADOW = 3, TILE = 2 * THREAD };
enum { INK = 0xd8dee9, DIM = 0x7f8b99, ALARM = 0xf0b6a0, GROUND = 0x10141a };
enum { WARP = 0x2a8c8f, WEFT = 0xd08f3f, GAP = 0x0a0d11 };
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
    ScreenBox text;
    unsigned column, row; /* cursor, within text */
    uint32_t ink;         /* of the log */
    bool owned;
} screen;

bool screen_exists(void) { return screen.pixels != NULL; }
ScreenBox screen_whole(void) { return (ScreenBox){0, 0, screen.columns, screen.rows}; }
ScreenBox screen_text(void) { return screen.text; }
void screen_set_owned(bool owned) { screen.owned = owned; }

void screen_take_back(void)
{
    screen.owned = false;
    screen.ink = ALARM;
}

void screen_cursor(unsigned *column, unsigned *row)
{
    *column = screen.column;
    *row = screen.row;
}

void screen_set_cursor(unsigned column, unsigned row)
{
    screen.column = column < screen.text.columns ? column : 0;
    screen.row = row < screen.text.rows ? row : 0;
}

static uint32_t pixel_of(uint32_t rgb)
{
    return (rgb >> 16 & 255) << screen.red_shift | (rgb >> 8 & 255) << screen.green_shift |
           (rgb & 255) << screen.blue_shift;
}

static int64_t clamp(int64_t v, int64_t limit) { return v < 0 ? 0 : v > limit ? limit : v; }

/* The pixels of [x, right) x [y, bottom) were drawn over: whole cells are blank now if it was a fill, others need
 * redrawing. */
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
        int64_t column = left;
        if (((uint64_t)(line + column) & 7) == 0) { /* two at a time: frame buffers are slow */
            for (; column + 1 < right; column += 2) {
                *(volatile uint64_t *)(line + column) = (uint64_t)pixel << 32 | pixel;
            }
        }
        for (; column < right; column++) {
            line[column] = pixel;
        }
    }
    touch_cells(left, top, right, bottom, true, rgb);
}

/* Pixels as they are in memory: B G R x. */
static void put_row(volatile uint32_t *line, const uint8_t *from, int64_t n)
{
    int64_t i = 0;
    if (screen.red_shift == 16 && screen.green_shift == 8 && screen.blue_shift == 0 && ((uintptr_t)line & 7) == 0) {
        for (; i + 1 < n; i += 2) { /* two at a time */
            uint64_t two;
            memcpy(&two, from + i * 4, sizeof two);
            *(volatile uint64_t *)(line + i) = two & 0xffffff00ffffff;
        }
    }
    for (; i < n; i++) {
        const uint8_t *pixel = from + i * 4;
        line[i] = pixel_of((uint32_t)pixel[2] << 16 | (uint32_t)pixel[1] << 8 | pixel[0]);
    }
}

void screen_picture(int64_t x, int64_t y, int64_t width, int64_t height, const uint8_t *pixels, size_t pitch)
{
    int64_t left = clamp(x, screen.width), right = clamp(x + width, screen.width);
    int64_t top = clamp(y, screen.height), bottom = clamp(y + height, screen.height);
    if (screen.pixels == NULL || left >= right || top >= bottom) {
        return;
    }
    for (int64_t row = top; row < bottom; row++) {
        const uint8_t *from = pixels + (uint64_t)(row - y) * pitch + (uint64_t)(left - x) * 4;
        put_row(screen.pixels + (uint64_t)row * screen.pitch + left, from, right - left);
    }
    touch_cells(left, top, right, bottom, false, 0);
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

void screen_refresh(int64_t x, int64_t y, int64_t width, int64_t height)
{
    int64_t right = clamp(x + width, screen.width), bottom = clamp(y + height, screen.height);
    for (int64_t row = clamp(y, screen.height) / FONT_HEIGHT; row * FONT_HEIGHT < bottom && row < screen.rows; row++) {
        for (int64_t column = clamp(x, screen.width) / FONT_WIDTH;
             column * FONT_WIDTH < right && column < screen.columns; column++) {
            const Cell *cell = &screen.cells[row * screen.columns + column];
            if (cell->stale) {
                screen_char((unsigned)column, (unsigned)row, cell->code, cell->fg, cell->bg);
            }
        }
    }
}

static void set_cell(unsigned column, unsigned row, Cell cell)
{
    const Cell *now = &screen.cells[row * screen.columns + column];
    if (now->stale || now->code != cell.code || now->fg != cell.fg || now->bg != cell.bg) {
        screen_char(column, row, cell.code, cell.fg, cell.bg);
    }
}

void screen_scroll(ScreenBox box, int lines, uint32_t bg)
{
    int64_t first = box.row, last = (int64_t)box.row + box.rows - 1;
    last = last < screen.rows ? last : (int64_t)screen.rows - 1;
    bool up = lines > 0;
    for (int64_t i = first; i <= last; i++) {
        int64_t row = up ? i : last - (i - first); /* in the order that reads a row before it is overwritten */
        int64_t from = row + lines;
        bool blank = from < first || from > last;
        for (unsigned column = box.column; column < box.column + box.columns && column < screen.columns; column++) {
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
    if (screen.row + 1 < screen.text.rows) {
        screen.row++;
    } else {
        screen_scroll(screen.text, 1, GROUND);
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
            if (screen.column >= screen.text.columns) {
                new_line();
            }
            screen_char(screen.text.column + screen.column++, screen.text.row + screen.row, c < 0x7f ? c : '?',
                        screen.ink, GROUND);
        }
    }
}

static uint32_t darker(uint32_t rgb, unsigned percent)
{
    uint32_t keep = 100 - percent;
    return ((rgb >> 16 & 255) * keep / 100) << 16 | ((rgb >> 8 & 255) * keep / 100) << 8 | (rgb & 255) * keep / 100;
}

/* A thread is round: bright along its middle, and dark where it dips under the next one. `across` and `along` count
 * within the crossing. */
static uint32_t thread_colour(uint32_t rgb, unsigned across, unsigned along, bool on_top)
{
    unsigned off = across < THREAD / 2 ? THREAD / 2 - 1 - across : across - THREAD / 2;
    unsigned shade = off * 6;
    if (!on_top) {
        shade += 18;
        shade += along < THREAD_SHADOW || along >= THREAD - THREAD_SHADOW ? 22 : 0;
    }
    return darker(rgb, shade);
}

static bool in_thread(unsigned across) { return across >= THREAD_EDGE && across < THREAD - THREAD_EDGE; }

/* Warp threads run down, weft threads run across, and take turns lying on top: the weave that gives the system its
 * name. */
static uint32_t weave_colour(unsigned x, unsigned y)
{
    unsigned column = x % THREAD, row = y % THREAD;
    bool warp_on_top = (x / THREAD + y / THREAD) % 2 == 0, warp = in_thread(column), weft = in_thread(row);
    if (warp && (warp_on_top || !weft)) {
        return thread_colour(WARP, column, row, warp_on_top);
    }
    return weft ? thread_colour(WEFT, row, column, !warp_on_top) : GAP;
}

/* The pattern repeats, so it is computed once. */
static void draw_weave(unsigned height)
{
    uint32_t tile[TILE][TILE];
    for (unsigned i = 0; i < TILE * TILE; i++) {
        tile[i / TILE][i % TILE] = pixel_of(weave_colour(i % TILE, i / TILE));
    }
    for (unsigned y = 0; y < height; y++) {
        volatile uint32_t *line = screen.pixels + (uint64_t)y * screen.pitch;
        for (unsigned x = 0; x < screen.width; x++) {
            line[x] = tile[y % TILE][x % TILE];
        }
    }
}

static void draw_title(unsigned height)
{
    unsigned count = sizeof TITLE - 1, cell = FONT_WIDTH * TITLE_SCALE;
    unsigned plate = (count * cell / THREAD + 4) / 2 * 2 * THREAD; /* whole threads, so that none is cut along */
    unsigned left = (screen.width - plate) / 2 / THREAD * THREAD;
    unsigned x = left + (plate - count * cell) / 2;
    /* Capitals stand in the upper part of their cells. */
    unsigned y = (height - FONT_HEIGHT * TITLE_SCALE) / 2 + TITLE_SCALE;
    screen_fill(left, THREAD, plate, height - 2 * THREAD, GROUND);
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
    screen.text = screen_whole();
    if (screen.rows < TOP_ROWS * 2 || screen.width < (sizeof TITLE + 6) * FONT_WIDTH * TITLE_SCALE) {
        return; /* too small for more than text */
    }
    draw_weave(BAND_ROWS * FONT_HEIGHT);
    draw_title(BAND_ROWS * FONT_HEIGHT);
    screen.text = (ScreenBox){MARGIN_COLUMNS, TOP_ROWS, screen.columns - 2 * MARGIN_COLUMNS,
                              screen.rows - TOP_ROWS - BOTTOM_ROWS};
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
    screen.ink = DIM;
    screen.pixels = pixels;
    draw_splash();
    log_show();
    klog("screen: %ux%u pixels, %ux%u characters", screen.width, screen.height, columns, rows);
}
