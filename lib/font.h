/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in font. */
#pragma once

#include "lib/cstd.h"

enum { FONT_WIDTH = 8, FONT_HEIGHT = 16 };

/* Rows of a character, leftmost pixel in the highest bit. ASCII, single box lines, block, shade; else a hollow box. */
void font_glyph(uint32_t code, uint8_t rows[FONT_HEIGHT]);
