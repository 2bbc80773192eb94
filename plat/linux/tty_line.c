/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See tty_line.h. The model of the terminal: text written into the last column leaves the cursor there until the next
 * character wraps. To have the cursor where the line's next character will be, a line that ends in the last column is
 * continued with a space and a carriage return, which makes the terminal wrap; a newline that follows then has
 * nothing left to do.
 */
#define _GNU_SOURCE
#include "plat/linux/tty_line.h"

#include <stdio.h>
#include <wchar.h>

#include "vm/heap/heap.h"

enum { MAX_CELLS = 1 << 14, TAB = 8, SHORT_MOVE = 4, ESC = 27, DEL = 127, BEL = 7 };

void tty_line_init(TtyLine *l, unsigned columns)
{
    *l = (TtyLine){.columns = columns > 1 ? columns : 2};
}

static void cells_clear(TtyLine *l)
{
    for (size_t i = 0; i < l->count; i++) {
        vm_free(l->cells[i].more);
    }
    l->count = l->at = 0;
}

void tty_line_free(TtyLine *l)
{
    cells_clear(l);
    vm_free(l->cells);
    vm_free(l->out);
}

/* --- output ------------------------------------------------------------------------------------------------- */
static void emit(TtyLine *l, const void *bytes, size_t n)
{
    if (l->out_size + n > l->out_capacity) {
        l->out_capacity = (l->out_size + n) * 2;
        l->out = vm_realloc(l->out, l->out_capacity);
    }
    memcpy(l->out + l->out_size, bytes, n);
    l->out_size += n;
}

static void emit_text(TtyLine *l, const char *s)
{
    emit(l, s, strlen(s));
}

static void emit_sequence(TtyLine *l, unsigned n, char final)
{
    char text[16];
    int size = n == 1 ? snprintf(text, sizeof text, "\033[%c", final)
                      : snprintf(text, sizeof text, "\033[%u%c", n, final);
    emit(l, text, (size_t)size);
}

const uint8_t *tty_line_output(TtyLine *l, size_t *n)
{
    *n = l->out_size;
    l->out_size = 0;
    return l->out;
}

/* --- where cells are ------------------------------------------------------------------------------------------ */
static void advance(const TtyLine *l, unsigned width, unsigned *row, unsigned *column)
{
    if (*column + width > l->columns) {
        ++*row;
        *column = 0;
    }
    *column += width;
    if (*column >= l->columns) {
        ++*row;
        *column = 0;
    }
}

static void place_of(const TtyLine *l, size_t index, unsigned *row, unsigned *column)
{
    *row = 0;
    *column = l->origin;
    for (size_t i = 0; i < index; i++) {
        advance(l, l->cells[i].width, row, column);
    }
    /* A wide character that does not fit in the last column stands in the next row. */
    if (index < l->count && *column + l->cells[index].width > l->columns) {
        ++*row;
        *column = 0;
    }
}

static void cursor_to(TtyLine *l, unsigned row, unsigned column)
{
    if (row < l->row) {
        emit_sequence(l, l->row - row, 'A');
    } else if (row > l->row) {
        emit_sequence(l, row - l->row, 'B');
    }
    if (column == 0 && l->column != 0) {
        emit_text(l, "\r");
    } else if (column < l->column && l->column - column <= SHORT_MOVE) {
        emit(l, "\b\b\b\b", l->column - column);
    } else if (column < l->column) {
        emit_sequence(l, l->column - column, 'D');
    } else if (column > l->column) {
        emit_sequence(l, column - l->column, 'C');
    }
    l->row = row;
    l->column = column;
}

static void cursor_to_cell(TtyLine *l, size_t index)
{
    unsigned row, column;
    place_of(l, index, &row, &column);
    cursor_to(l, row, column);
    l->at = index;
}

/* Writes cells [from, to); the cursor stands at `from`. */
static void write_cells(TtyLine *l, size_t from, size_t to)
{
    bool wrapped = false;
    for (size_t i = from; i < to; i++) {
        const TtyCell *c = &l->cells[i];
        if (c->more) {
            emit_text(l, (const char *)c->more);
        } else {
            emit(l, c->text, c->size);
        }
        if (c->width) {
            advance(l, c->width, &l->row, &l->column);
            wrapped = l->column == 0;
        }
    }
    if (wrapped) {
        emit_text(l, " \r");
    }
    l->at = to;
}

void tty_line_columns(TtyLine *l, unsigned columns)
{
    /* How the terminal has laid out the line anew is unknown; the best guess is as if it had been written so. */
    l->columns = columns > 1 ? columns : 2;
    l->origin %= l->columns;
    place_of(l, l->at, &l->row, &l->column);
}

/* --- text to cells ---------------------------------------------------------------------------------------------- */
static uint32_t utf8_next(const uint8_t *s, size_t n, size_t *used)
{
    static const uint8_t first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t length = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 1;
    if (length > n) {
        length = 1;
    }
    uint32_t c = length == 1 ? s[0] : s[0] & first_mask[length];
    for (size_t i = 1; i < length; i++) {
        c = c << 6 | (s[i] & 0x3f);
    }
    *used = length;
    return c;
}

/* Bytes of the escape sequence at s (s[0] is ESC). */
static size_t escape_length(const uint8_t *s, size_t n)
{
    size_t i = 2;
    if (n < 2) {
        return n;
    }
    if (s[1] == '[') {
        while (i < n && (s[i] < 0x40 || s[i] > 0x7e)) {
            i++;
        }
        return i < n ? i + 1 : n;
    }
    if (s[1] == ']') {
        while (i < n && s[i] != BEL) {
            i++;
        }
        return i < n ? i + 1 : n;
    }
    return 2;
}

static void set_text(TtyCell *c, const void *bytes, size_t n)
{
    if (n <= sizeof c->text) {
        memcpy(c->text, bytes, n);
        c->size = (uint8_t)n;
    } else {
        c->more = vm_alloc(n + 1);
        memcpy(c->more, bytes, n);
        c->more[n] = 0;
    }
}

/* The cell for the character at s; returns the bytes used. `column` is where it will stand, for tabs. */
static size_t make_cell(TtyCell *c, const uint8_t *s, size_t n, unsigned column, bool unicode)
{
    size_t used;
    char text[16];
    *c = (TtyCell){0};
    if (s[0] == ESC) {
        used = escape_length(s, n);
        c->escape = true;
        set_text(c, s, used);
        return used;
    }
    uint32_t ch = utf8_next(s, n, &used);
    if (ch == '\t') {
        c->width = (uint8_t)(TAB - column % TAB);
        memset(c->text, ' ', c->width);
        c->size = c->width;
    } else if (ch == BEL) {
        set_text(c, s, 1);
    } else if (ch < ' ' || ch == DEL) {
        snprintf(text, sizeof text, "^%c", ch == DEL ? '?' : (char)(ch + '@'));
        set_text(c, text, 2);
        c->width = 2;
    } else if (ch > 255 && !unicode) {
        int size = snprintf(text, sizeof text, "\\x{%X}", (unsigned)ch);
        set_text(c, text, (size_t)size);
        c->width = (uint8_t)size;
    } else if (ch > 127 && !unicode) {
        set_text(c, &(uint8_t){(uint8_t)ch}, 1);
        c->width = 1;
    } else {
        int width = wcwidth((wchar_t)ch);
        set_text(c, s, used);
        c->width = (uint8_t)(width < 0 ? 1 : width);
    }
    return used;
}

static void cells_room(TtyLine *l, size_t index, size_t n)
{
    if (l->count + n > l->capacity) {
        l->capacity = (l->count + n) * 2;
        l->cells = vm_realloc(l->cells, l->capacity * sizeof *l->cells);
    }
    memmove(l->cells + index + n, l->cells + index, (l->count - index) * sizeof *l->cells);
    l->count += n;
}

/* --- operations --------------------------------------------------------------------------------------------------- */
static void newline(TtyLine *l)
{
    bool fresh = l->row > 0 && l->column == 0 && l->at == l->count; /* the wrap has already begun a new row */
    if (!fresh) {
        emit_text(l, "\n"); /* the terminal is in ONLCR mode */
    }
    cells_clear(l);
    l->origin = l->row = l->column = 0;
}

/* A line without end: what lies far behind is out of reach of editing. */
static void forget_old(TtyLine *l)
{
    if (l->count >= MAX_CELLS && l->at == l->count) {
        cells_clear(l);
        l->origin = l->column;
        l->row = 0;
    }
}

/* Writes one cell over what is at the cursor. Returns true when cells behind it have moved. */
static bool overwrite(TtyLine *l, TtyCell cell)
{
    if (l->at == l->count || cell.escape) {
        cells_room(l, l->at, 1);
        l->cells[l->at] = cell;
        return false;
    }
    bool moved = l->cells[l->at].width != cell.width;
    vm_free(l->cells[l->at].more);
    l->cells[l->at] = cell;
    return moved;
}

void tty_line_put(TtyLine *l, const uint8_t *text, size_t n, bool unicode)
{
    size_t from = l->at;
    bool moved = false;
    unsigned column = l->column, row = 0;
    for (size_t i = 0; i < n;) {
        if (text[i] == '\n' || text[i] == '\r' || text[i] == '\b') {
            size_t end = l->at;
            l->at = from;
            write_cells(l, from, end);
            if (text[i] == '\n') {
                if (l->at < l->count) {
                    cursor_to_cell(l, l->count);
                }
                newline(l);
            } else {
                cursor_to_cell(l, text[i] == '\r' ? 0 : l->at ? l->at - 1 : 0);
            }
            from = l->at;
            column = l->column;
            i++;
            continue;
        }
        TtyCell cell;
        i += make_cell(&cell, text + i, n - i, column, unicode);
        moved |= overwrite(l, cell);
        advance(l, cell.width, &row, &column);
        l->at++;
    }
    size_t end = l->at;
    l->at = from;
    write_cells(l, from, moved ? l->count : end);
    if (moved) {
        emit_text(l, "\033[J");
        cursor_to_cell(l, end);
    }
    forget_old(l);
}

void tty_line_insert(TtyLine *l, const uint8_t *text, size_t n, bool unicode)
{
    size_t from = l->at, to = l->at;
    unsigned column = l->column, row = 0;
    for (size_t i = 0; i < n;) {
        TtyCell cell;
        i += make_cell(&cell, text + i, n - i, column, unicode);
        cells_room(l, to, 1);
        l->cells[to++] = cell;
        advance(l, cell.width, &row, &column);
    }
    write_cells(l, from, l->count);
    cursor_to_cell(l, to);
}

/* The cell `count` characters away from the cursor, within the line. */
static size_t cell_at_distance(const TtyLine *l, int count)
{
    size_t i = l->at;
    while (count > 0 && i < l->count) {
        count -= !l->cells[i].escape;
        i++;
    }
    while (count < 0 && i > 0) {
        i--;
        count += !l->cells[i].escape;
    }
    return i;
}

void tty_line_move(TtyLine *l, int count)
{
    cursor_to_cell(l, cell_at_distance(l, count));
}

void tty_line_delete(TtyLine *l, int count)
{
    size_t other = cell_at_distance(l, count);
    size_t from = other < l->at ? other : l->at, to = other < l->at ? l->at : other;
    cursor_to_cell(l, from);
    for (size_t i = from; i < to; i++) {
        vm_free(l->cells[i].more);
    }
    memmove(l->cells + from, l->cells + to, (l->count - to) * sizeof *l->cells);
    l->count -= to - from;
    write_cells(l, from, l->count);
    emit_text(l, "\033[J");
    cursor_to_cell(l, from);
}

void tty_line_beep(TtyLine *l)
{
    emit_text(l, "\a");
}
