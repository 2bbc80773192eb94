/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A canvas: a picture outside the heaps, behind a magic reference, that also knows which parts of it were drawn on
 * since somebody last asked. Processes share it by sending the reference; each operation runs under its lock. It ends
 * with its last reference, or when somebody who has one frees it: then it is an empty reference.
 */
#pragma once

#include "vm/draw/raster.h"
#include "vm/heap/heap.h"
#include "vm/lock.h"

enum { CANVAS_SIDE_MAX = 1 << 14, CANVAS_PIXELS_MAX = 1 << 24, CANVAS_DAMAGE_MAX = 8 };

typedef struct Canvas {
    SpinLock lock; /* a leaf: held for one operation */
    /* under the lock */
    Picture picture; /* at is NULL when it was freed */
    unsigned damage_count;
    Box damage[CANVAS_DAMAGE_MAX]; /* none is within another */
} Canvas;

/* Black. NONVALUE when there is no memory for it. 0 < width, height <= CANVAS_SIDE_MAX. */
Term canvas_new(Proc *p, int64_t width, int64_t height);
/* Borrows; NULL when t is no canvas. It may have been freed: look under the lock. */
Canvas *canvas_of(Term t);
/* Locked and not freed, or NULL. */
Canvas *canvas_open(Term t);
void canvas_close(Canvas *c);
/* Under the lock: that part was drawn on. */
void canvas_damaged(Canvas *c, Box box);
void canvas_free(Canvas *c);
