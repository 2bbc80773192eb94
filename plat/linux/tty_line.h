/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line that is being written or edited on a terminal. Each operation changes the line and produces the bytes that
 * make an xterm-like terminal show it. Characters are counted as user_drv counts them: in code points.
 */
#pragma once

#include "lib/cstd.h"

typedef struct TtyCell {
    uint8_t text[12]; /* bytes to write; longer escape sequences are in `more` */
    uint8_t size;     /* of text; 0: see more */
    uint8_t width;    /* columns */
    bool escape;      /* part of no character: not counted by moves and deletes */
    uint8_t *more;    /* owned; NUL-terminated */
} TtyCell;

typedef struct TtyLine {
    TtyCell *cells;
    size_t count, capacity;
    size_t at;          /* the cursor stands before this cell */
    unsigned columns;
    unsigned origin;    /* column in which cells[0] begins */
    unsigned row, column; /* of the cursor; rows count from that of cells[0] */
    uint8_t *out;
    size_t out_size, out_capacity;
} TtyLine;

void tty_line_init(TtyLine *l, unsigned columns);
void tty_line_free(TtyLine *l);
void tty_line_columns(TtyLine *l, unsigned columns);
/* Writes UTF-8 text at the cursor, over what is there. Not unicode: characters above 255 are written as \x{H}. */
void tty_line_put(TtyLine *l, const uint8_t *text, size_t n, bool unicode);
void tty_line_insert(TtyLine *l, const uint8_t *text, size_t n, bool unicode);
void tty_line_move(TtyLine *l, int count);
/* count < 0: before the cursor. */
void tty_line_delete(TtyLine *l, int count);
void tty_line_beep(TtyLine *l);
/* The bytes to write since the last call; valid until the next operation. */
const uint8_t *tty_line_output(TtyLine *l, size_t *n);
