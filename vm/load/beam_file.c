/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a .beam file into chunks. Every read is bounds-checked through Cursor.
 * Comes from: load.c and the natives on files. Goes to: the chunk readers in tables.c and decode.c.
 */
#include "vm/load/beam_file.h"

#include <zlib.h>

#include "lib/md5.h"
#include "vm/heap/heap.h"

static const char chunk_names[CHUNK_COUNT][5] = {
    "AtU8", "Atom", "Code", "StrT", "ImpT", "ExpT", "FunT", "LitT", "Meta", "Line", "Attr", "CInf", "MD5 ",
};
enum { INFLATED_MAX = 256 << 20, FUN_ROW_BYTES = 24, FUN_ROW_HASHED = 20 };

/* --- cursor ---------------------------------------------------------------------------------------- */
uint16_t cursor_u16(Cursor *c)
{
    const uint8_t *b = cursor_bytes(c, 2);
    return b ? (uint16_t)(b[0] << 8 | b[1]) : 0;
}

/* --- inflate ----------------------------------------------------------------------------------------- */
static void *inflate_alloc(void *unused, unsigned items, unsigned size)
{
    (void)unused;
    return vm_alloc((size_t)items * size);
}

static void inflate_free(void *unused, void *mem)
{
    (void)unused;
    vm_free(mem);
}

/* Runs an initialised stream to its end, into a buffer that doubles up to `limit`. */
static uint8_t *inflate_all(z_stream *z, size_t first, size_t limit, size_t *size)
{
    size_t capacity = first < 64 ? 64 : first, used = 0;
    uint8_t *out = vm_alloc(capacity);
    for (;;) {
        z->next_out = out + used;
        z->avail_out = (unsigned)(capacity - used);
        int status = inflate(z, Z_NO_FLUSH);
        used = capacity - z->avail_out;
        if (status == Z_STREAM_END) {
            *size = used;
            return out;
        }
        bool full = z->avail_out == 0;
        if ((status != Z_OK && status != Z_BUF_ERROR) || !full || capacity >= limit) {
            vm_free(out);
            return NULL;
        }
        capacity = capacity * 2 > limit ? limit : capacity * 2;
        out = vm_realloc(out, capacity);
    }
}

uint8_t *load_inflate(const uint8_t *bytes, size_t n, size_t limit, int window_bits, size_t *size)
{
    z_stream z = {.zalloc = inflate_alloc, .zfree = inflate_free, .next_in = (z_const Bytef *)(uintptr_t)bytes,
                  .avail_in = (unsigned)n};
    if (n > INFLATED_MAX || limit > INFLATED_MAX || inflateInit2(&z, window_bits) != Z_OK) {
        return NULL;
    }
    size_t guess = n * 4 < limit ? n * 4 : limit;
    uint8_t *out = inflate_all(&z, guess, limit < 64 ? 64 : limit, size);
    inflateEnd(&z);
    return out;
}

/* --- chunks ------------------------------------------------------------------------------------------ */
/* The cursor over all chunks; `bad` when the header is none of a .beam file. */
static Cursor file_chunks(const uint8_t *bytes, size_t n)
{
    Cursor c = {bytes, bytes + n, false};
    const uint8_t *form = cursor_bytes(&c, 4);
    size_t size = cursor_u32(&c);
    if (c.bad || memcmp(form, "FOR1", 4) != 0 || size > cursor_left(&c)) {
        c.bad = true;
        return c;
    }
    c.end = c.at + size;
    const uint8_t *kind = cursor_bytes(&c, 4);
    c.bad = c.bad || memcmp(kind, "BEAM", 4) != 0;
    return c;
}

/* The next chunk's name, its contents in *body; NULL at the end or when malformed (c->bad). */
static const uint8_t *file_next_chunk(Cursor *c, Cursor *body)
{
    if (c->bad || cursor_left(c) == 0) {
        return NULL;
    }
    const uint8_t *name = cursor_bytes(c, 4);
    size_t size = cursor_u32(c);
    const uint8_t *start = cursor_bytes(c, size);
    if (c->bad) {
        return NULL;
    }
    size_t padding = (4 - size % 4) % 4;
    cursor_bytes(c, padding < cursor_left(c) ? padding : cursor_left(c));
    *body = (Cursor){start, start + size, false};
    return name;
}

bool beam_file_open(BeamFile *f, const uint8_t *bytes, size_t n)
{
    memset(f, 0, sizeof *f);
    if (n > 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
        f->inflated = load_inflate(bytes, n, INFLATED_MAX, 31, &n);
        bytes = f->inflated;
        if (!bytes) {
            return false;
        }
    }
    Cursor c = file_chunks(bytes, n), body;
    const uint8_t *name;
    while ((name = file_next_chunk(&c, &body))) {
        for (int i = 0; i < CHUNK_COUNT; i++) {
            if (memcmp(name, chunk_names[i], 4) == 0) {
                f->chunk[i] = body;
            }
        }
    }
    return !c.bad && f->chunk[CHUNK_CODE].at && (f->chunk[CHUNK_ATOM].at || f->chunk[CHUNK_ATOM_UTF8].at);
}

void beam_file_close(BeamFile *f)
{
    vm_free(f->inflated);
    f->inflated = NULL;
}

/* The fun table is hashed with its old uniq fields as zero, because they derive from the hash. */
static void digest_funs(Md5 *md5, Cursor c)
{
    static const uint8_t zero[4];
    const uint8_t *count = cursor_bytes(&c, 4);
    if (!count) {
        return;
    }
    md5_add(md5, count, 4);
    while (cursor_left(&c) >= FUN_ROW_BYTES) {
        md5_add(md5, cursor_bytes(&c, FUN_ROW_BYTES), FUN_ROW_HASHED);
        md5_add(md5, zero, sizeof zero);
    }
    md5_add(md5, c.at, cursor_left(&c));
}

void beam_file_digest(const BeamFile *f, uint8_t md5[16])
{
    static const int order[] = {CHUNK_ATOM,    CHUNK_ATOM_UTF8, CHUNK_CODE,     CHUNK_STRINGS, CHUNK_IMPORTS,
                                CHUNK_EXPORTS, CHUNK_FUNS,      CHUNK_LITERALS, CHUNK_META};
    Md5 state;
    md5_start(&state);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        Cursor c = f->chunk[order[i]];
        if (order[i] == CHUNK_FUNS && c.at) {
            digest_funs(&state, c);
        } else if (c.at) {
            md5_add(&state, c.at, cursor_left(&c));
        }
    }
    md5_end(&state, md5);
}

bool beam_file_chunk(const uint8_t *bytes, size_t n, const char *id, const uint8_t **chunk, size_t *size)
{
    Cursor c = file_chunks(bytes, n), body;
    const uint8_t *name;
    while ((name = file_next_chunk(&c, &body))) {
        if (memcmp(name, id, 4) == 0) {
            *chunk = body.at;
            *size = cursor_left(&body);
            return true;
        }
    }
    return false;
}

bool beam_file_md5(const uint8_t *bytes, size_t n, uint8_t md5[16])
{
    BeamFile f;
    bool ok = beam_file_open(&f, bytes, n);
    if (ok) {
        beam_file_digest(&f, md5);
    }
    beam_file_close(&f);
    return ok;
}
