/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container of a module: an IFF file "FOR1" size "BEAM" of chunks, perhaps inside gzip. Nothing here is trusted;
 * what is handed out lies within the bytes given.
 */
#pragma once

#include "lib/cstd.h"

/* A bounds-checked reader: past the end, reads give 0 and `bad` stays set. */
typedef struct Cursor {
    const uint8_t *at, *end;
    bool bad;
} Cursor;
static inline size_t cursor_left(const Cursor *c) { return (size_t)(c->end - c->at); }
static inline uint8_t cursor_u8(Cursor *c)
{
    c->bad = c->bad || c->at == c->end;
    return c->bad ? 0 : *c->at++;
}
/* n bytes, or NULL (and bad, which it then stays: no bytes of a bad cursor are NULL too). */
static inline const uint8_t *cursor_bytes(Cursor *c, size_t n)
{
    const uint8_t *at = c->at;
    if (c->bad || n > cursor_left(c)) {
        c->bad = true;
        c->at = c->end;
        return NULL;
    }
    c->at += n;
    return at;
}
static inline uint32_t cursor_u32(Cursor *c)
{
    const uint8_t *b = cursor_bytes(c, 4);
    return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}
uint16_t cursor_u16(Cursor *c);

/* The chunks the loader knows. */
enum {
    CHUNK_ATOM_UTF8, /* AtU8 */
    CHUNK_ATOM,      /* Latin-1 */
    CHUNK_CODE,
    CHUNK_STRINGS,
    CHUNK_IMPORTS,
    CHUNK_EXPORTS,
    CHUNK_FUNS,
    CHUNK_LITERALS,
    CHUNK_META,
    CHUNK_LINES,
    CHUNK_ATTRIBUTES,
    CHUNK_COMPILE_INFO,
    CHUNK_DIGEST, /* tools/lighten */
    CHUNK_COUNT
};
typedef struct BeamFile {
    Cursor chunk[CHUNK_COUNT]; /* at == NULL: absent */
    uint8_t *inflated;         /* owned: the bytes when the file was compressed; else NULL */
} BeamFile;

/* Finds the chunks. `bytes` must live as long as *f. False: no well-formed file. beam_file_close in either case. */
bool beam_file_open(BeamFile *f, const uint8_t *bytes, size_t n);
void beam_file_close(BeamFile *f);
/* The module's MD5 as beam_lib:md5/1 and the compiler compute it: over the chunks that make up its meaning. */
void beam_file_digest(const BeamFile *f, uint8_t md5[16]);

/* For the natives: one chunk by its four-letter name, uncompressed files only; false when it is not there. */
bool beam_file_chunk(const uint8_t *bytes, size_t n, const char *id, const uint8_t **chunk, size_t *size);
bool beam_file_md5(const uint8_t *bytes, size_t n, uint8_t md5[16]);

/* zlib (window_bits 15) or gzip (31) data of known or unknown size. NULL when malformed or larger than `limit`. Free
 * with vm_free. */
uint8_t *load_inflate(const uint8_t *bytes, size_t n, size_t limit, int window_bits, size_t *size);
