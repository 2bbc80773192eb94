/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutations of a .beam file that keep its structure: the code chunk is cut into instructions and operands, one is
 * changed, copied, moved or dropped, and the file is put together again.
 */
#pragma once

#include "gen/ops.h"
#include "lib/cstd.h"

enum { MUTATE_INSTRUCTIONS = 4096, MUTATE_OPERANDS = 16384, MUTATE_BYTES = 1 << 17 };

typedef struct Piece {
    uint32_t at, size; /* bytes of the code chunk */
} Piece;
typedef struct CodeCut {
    const uint8_t *bytes;
    uint32_t size, at;
    Piece instruction[MUTATE_INSTRUCTIONS];
    uint32_t count;
    Piece operand[MUTATE_OPERANDS]; /* single ones: no lists */
    uint32_t operand_count;
    uint32_t random;
} CodeCut;

static uint32_t mutate_random(CodeCut *c, uint32_t below)
{
    c->random = c->random * 1664525u + 1013904223u;
    return below ? (c->random >> 8) % below : 0;
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

/* Steps over a tagged value; its value when small, else UINT32_MAX. */
static uint32_t cut_value(CodeCut *c)
{
    if (c->at >= c->size) {
        c->at = c->size + 1;
        return 0;
    }
    uint8_t first = c->bytes[c->at++];
    if (!(first & 8)) {
        return first >> 4;
    }
    if (!(first & 16)) {
        return (uint32_t)(first >> 5) << 8 | (c->at < c->size ? c->bytes[c->at++] : 0);
    }
    uint32_t n = (first >> 5) + 2u;
    if (n == 9) {
        n = cut_value(c);
        n = n < 1000 ? n + 9 : 1000;
    }
    c->at += n;
    return UINT32_MAX;
}

static void cut_operand(CodeCut *c)
{
    uint32_t start = c->at;
    if (c->at >= c->size) {
        c->at = c->size + 1;
        return;
    }
    uint8_t first = c->bytes[c->at];
    if ((first & 7) != 7) {
        cut_value(c);
    } else {
        c->at++;
        uint32_t n;
        switch (first >> 4) {
        case 1:
            for (n = cut_value(c); n > 0 && c->at <= c->size; n--) {
                cut_operand(c);
            }
            return;
        case 3:
            for (n = cut_value(c); n > 0 && c->at <= c->size; n--) {
                cut_value(c);
                cut_value(c);
            }
            break;
        case 5:
            cut_operand(c);
            cut_value(c);
            return;
        default:
            cut_value(c);
        }
    }
    if (c->operand_count < MUTATE_OPERANDS && c->at <= c->size) {
        c->operand[c->operand_count++] = (Piece){start, c->at - start};
    }
}

static bool cut_code(CodeCut *c)
{
    while (c->at < c->size && c->count < MUTATE_INSTRUCTIONS) {
        uint32_t start = c->at;
        uint8_t op = c->bytes[c->at++];
        if (op == 0 || op >= GENERIC_COUNT) {
            return false;
        }
        for (unsigned i = 0; i < generic_ops[op].arity; i++) {
            cut_operand(c);
        }
        if (c->at > c->size) {
            return false;
        }
        c->instruction[c->count++] = (Piece){start, c->at - start};
        if (op == GEN_int_code_end) {
            return c->count > 4;
        }
    }
    return false;
}

/* --- changes: each writes the code anew from `c->bytes` to `to` and returns its size ------------------------------ */
static uint32_t splice(const CodeCut *c, uint8_t *to, Piece out, const uint8_t *in, uint32_t n)
{
    memcpy(to, c->bytes, out.at);
    memcpy(to + out.at, in, n);
    memcpy(to + out.at + n, c->bytes + out.at + out.size, c->size - out.at - out.size);
    return c->size - out.size + n;
}

static Piece any_instruction(CodeCut *c)
{
    return c->instruction[mutate_random(c, c->count - 1)];
}

static uint32_t change_operand(CodeCut *c, uint8_t *to)
{
    Piece out = c->operand[mutate_random(c, c->operand_count)], in = out;
    uint8_t tag = c->bytes[out.at] & 7, made[3] = {0, 0, 0};
    if (mutate_random(c, 2)) { /* a value of its own */
        uint32_t v = mutate_random(c, 4) ? mutate_random(c, 6) : mutate_random(c, 2047);
        if (mutate_random(c, 3) == 0 && (tag == 3 || tag == 4)) {
            tag = 7 - tag;
        }
        if (tag == 7) {
            return splice(c, to, out, c->bytes + in.at, in.size);
        }
        if (v < 16) {
            made[0] = (uint8_t)(v << 4 | tag);
            return splice(c, to, out, made, 1);
        }
        made[0] = (uint8_t)((v >> 8) << 5 | 8 | tag);
        made[1] = (uint8_t)v;
        return splice(c, to, out, made, 2);
    }
    for (int tries = 0; tries < 20; tries++) { /* one from elsewhere, of the same kind most of the time */
        in = c->operand[mutate_random(c, c->operand_count)];
        if ((c->bytes[in.at] & 7) == tag || tries == 19) {
            break;
        }
    }
    return splice(c, to, out, c->bytes + in.at, in.size);
}

static uint32_t change_code(CodeCut *c, uint8_t *to)
{
    Piece a = any_instruction(c), b = any_instruction(c);
    uint8_t op;
    switch (mutate_random(c, 12)) {
    case 0: /* dropped */
        return splice(c, to, a, NULL, 0);
    case 1: /* copied to somewhere */
    case 2:
        return splice(c, to, (Piece){a.at, 0}, c->bytes + b.at, b.size);
    case 3: /* in the place of another */
        return splice(c, to, a, c->bytes + b.at, b.size);
    case 4: /* another instruction with as many operands */
        for (int tries = 0; tries < 300; tries++) {
            op = (uint8_t)(1 + mutate_random(c, GENERIC_COUNT - 1));
            if (generic_ops[op].arity == generic_ops[c->bytes[a.at]].arity && generic_ops[op].mode != OP_OLD) {
                return splice(c, to, (Piece){a.at, 1}, &op, 1);
            }
        }
        return splice(c, to, a, c->bytes + a.at, a.size);
    default:
        return change_operand(c, to);
    }
}

/* The code chunk's header (with the instructions behind) in the file; NULL: none. */
static uint8_t *find_code(uint8_t *data, size_t size)
{
    for (size_t at = 12; at + 28 <= size;) {
        uint32_t n = be32(data + at + 4);
        if (n > size - at - 8) {
            return NULL;
        }
        if (memcmp(data + at, "Code", 4) == 0 && n >= 20) {
            return data + at;
        }
        at += 8 + ((size_t)n + 3) / 4 * 4;
    }
    return NULL;
}

/* Changes the file of `size` bytes in a buffer of `max_size`, as `seed` says. Its new size; 0: no change was
 * possible. */
static size_t beam_mutate(uint8_t *data, size_t size, size_t max_size, uint32_t seed)
{
    static CodeCut c;
    static uint8_t made[MUTATE_BYTES], tail[MUTATE_BYTES * 4];
    uint8_t *chunk = size > 40 ? find_code(data, size) : NULL;
    uint32_t n = chunk ? be32(chunk + 4) : 0, head = chunk ? 4 + be32(chunk + 8) : 0;
    if (!chunk || head > n || n > MUTATE_BYTES / 2) {
        return 0;
    }
    c.bytes = chunk + 8 + head;
    c.size = n - head;
    c.at = c.count = c.operand_count = 0;
    c.random = seed * 2654435761u;
    if (!cut_code(&c) || c.operand_count == 0) {
        return 0;
    }
    uint32_t code = change_code(&c, made);
    size_t start = (size_t)(chunk - data) + 8; /* of the chunk's contents */
    size_t after = start + ((size_t)n + 3) / 4 * 4, end = start + ((size_t)head + code + 3) / 4 * 4;
    size_t rest = after < size ? size - after : 0;
    if (end + rest > max_size || rest > sizeof tail) {
        return 0;
    }
    memcpy(tail, data + after, rest);
    memcpy(data + start + head, made, code);
    memset(data + start + head + code, 0, end - start - head - code);
    memcpy(data + end, tail, rest);
    put_be32(chunk + 4, head + code);
    put_be32(data + 4, (uint32_t)(end + rest) - 8);
    return end + rest;
}
