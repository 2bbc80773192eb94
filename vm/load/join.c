/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins instructions that stand in a row into the one that does the work of both: the joins of ops.tab. Fewer
 * instructions are fewer jumps that the CPU must foresee. Comes from: specialise.c after each generic instruction. The
 * code behind the first of the two is rewritten in place: its words, the fixups that name them, the line row of the
 * second.
 */
#include "vm/load/load_priv.h"

/* Operand words of both instructions, numbered through. */
typedef struct Pair {
    const struct TrailStep *first, *second;
    uint32_t first_words;
} Pair;

static uint32_t word_offset(const Pair *pair, unsigned i)
{
    return i < pair->first_words ? pair->first->offset + 1 + i : pair->second->offset + 1 + i - pair->first_words;
}

static bool check_holds(const Loader *ld, const Pair *pair, const struct JoinCheck *c)
{
    Word b = ld->code.at[word_offset(pair, c->b)];
    if (c->kind == JOIN_NUMBER) {
        return b == c->a;
    }
    Word a = ld->code.at[word_offset(pair, c->a)];
    return c->kind == JOIN_SAME ? a == b : c->kind == JOIN_NEXT ? b == a + 1 : a != b;
}

static const OpJoin *join_find(const Loader *ld, const Pair *pair)
{
    const OpJoin *end = &op_joins[op_join_start[pair->second->spec + 1]];
    for (const OpJoin *j = &op_joins[op_join_start[pair->second->spec]]; j < end; j++) {
        if (j->first != pair->first->spec) {
            continue;
        }
        unsigned k = 0;
        while (k < j->check_count && check_holds(ld, pair, &j->check[k])) {
            k++;
        }
        if (k == j->check_count) {
            return j;
        }
    }
    return NULL;
}

/* Labels at words that stay move with them, those of words that go are forgotten. Fixups are in the code's order. */
static void join_fixups(Loader *ld, const OpJoin *j, const Pair *pair)
{
    size_t from = ld->label_fixups.count;
    while (from > 0 && ld->label_fixups.at[from - 1] > pair->first->offset) {
        from--;
    }
    size_t old_count = ld->label_fixups.count - from;
    if (old_count == 0) {
        return;
    }
    uint32_t old[OPERAND_MAX * 2];
    memcpy(old, &ld->label_fixups.at[from], old_count * sizeof *old);
    ld->label_fixups.count = from;
    for (unsigned i = 0; i < j->word_count; i++) {
        for (size_t k = 0; k < old_count; k++) {
            if (old[k] == word_offset(pair, j->word[i])) {
                VEC_PUSH(&ld->label_fixups, pair->first->offset + 1 + i);
            }
        }
    }
}

static void join_lines(Loader *ld, uint32_t offset)
{
    size_t n = ld->lines.count;
    if (n > 0 && ld->lines.at[n - 1].offset > offset) {
        ld->lines.at[n - 1].offset = offset;
        if (n > 1 && ld->lines.at[n - 2].offset == offset) {
            ld->lines.at[n - 2] = ld->lines.at[n - 1];
            ld->lines.count--;
        }
    }
}

void join_last(Loader *ld)
{
    Trail *t = &ld->trail;
    while (join_possible(t)) {
        struct TrailStep *first = &t->step[t->count - 2];
        Pair pair = {first, &t->step[t->count - 1], (uint32_t)specific_ops[first->spec].words - 1};
        const OpJoin *j = join_find(ld, &pair);
        if (!j) {
            return;
        }
        join_fixups(ld, j, &pair);
        Word words[sizeof j->word];
        for (unsigned i = 0; i < j->word_count; i++) {
            words[i] = ld->code.at[word_offset(&pair, j->word[i])];
        }
        Word *to = &ld->code.at[first->offset];
        *to++ = (Word)specific_ops[j->result].fn;
        for (unsigned i = 0; i < j->word_count; i++) {
            *to++ = words[i];
        }
        ld->code.count = (size_t)(to - ld->code.at);
        join_lines(ld, first->offset);
        first->spec = j->result;
        t->count--;
    }
}
