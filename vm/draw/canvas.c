/* SPDX-License-Identifier: Apache-2.0 */
/* See canvas.h. The memory is plat_alloc's: a picture that there is no room for is an error, not the end. */
#include "vm/draw/canvas.h"

#include "vm/plat.h"
#include "vm/term/binary.h"

static void canvas_destroy(Magic *m)
{
    Canvas *c = m->data;
    plat_free(c->picture.at);
    vm_free(c);
}

static const MagicKind canvas_kind = {"canvas", canvas_destroy};

Term canvas_new(Proc *p, int64_t width, int64_t height)
{
    size_t bytes = (size_t)(width * height) * sizeof(uint32_t);
    uint32_t *at = width * height <= CANVAS_PIXELS_MAX ? plat_alloc(bytes) : NULL;
    if (at == NULL) {
        return NONVALUE;
    }
    memset(at, 0, bytes);
    Canvas *c = vm_calloc(sizeof *c);
    c->picture = (Picture){at, width, height};
    Term t = heap_magic_ref(p, magic_new(&canvas_kind, c));
    heap_off_heap(p)->bytes += bytes; /* until the next collection, which this may bring */
    binary_note_pressure(p);
    return t;
}

Canvas *canvas_of(Term t)
{
    Magic *m = magic_of(t, &canvas_kind);
    return m != NULL ? m->data : NULL;
}

Canvas *canvas_open(Term t)
{
    Canvas *c = canvas_of(t);
    if (c == NULL) {
        return NULL;
    }
    spin_lock(&c->lock);
    if (c->picture.at == NULL) {
        spin_unlock(&c->lock);
        return NULL;
    }
    return c;
}

void canvas_close(Canvas *c) { spin_unlock(&c->lock); }

void canvas_free(Canvas *c)
{
    spin_lock(&c->lock);
    uint32_t *at = c->picture.at;
    c->picture = (Picture){NULL, 0, 0};
    c->damage_count = 0;
    spin_unlock(&c->lock);
    plat_free(at);
}

static int64_t area(Box b) { return box_is_empty(b) ? 0 : b.width * b.height; }
static bool is_within(Box inner, Box outer) { return area(box_common(inner, outer)) == area(inner); }

/* Takes those away that the new box contains. */
static void drop_within(Canvas *c, Box box)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < c->damage_count; i++) {
        if (!is_within(c->damage[i], box)) {
            c->damage[kept++] = c->damage[i];
        }
    }
    c->damage_count = kept;
}

/* When all places are taken the box is joined with the one that grows least. */
void canvas_damaged(Canvas *c, Box box)
{
    if (box_is_empty(box)) {
        return;
    }
    for (unsigned i = 0; i < c->damage_count; i++) {
        if (is_within(box, c->damage[i])) {
            return;
        }
    }
    drop_within(c, box);
    if (c->damage_count == CANVAS_DAMAGE_MAX) {
        unsigned best = 0;
        int64_t best_growth = INT64_MAX;
        for (unsigned i = 0; i < c->damage_count; i++) {
            int64_t growth = area(box_around(c->damage[i], box)) - area(c->damage[i]);
            if (growth < best_growth) {
                best = i;
                best_growth = growth;
            }
        }
        box = box_around(c->damage[best], box);
        drop_within(c, box);
    }
    c->damage[c->damage_count++] = box;
}
