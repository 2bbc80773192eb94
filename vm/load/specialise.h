/* SPDX-License-Identifier: Apache-2.0 */
/* Between specialise.c and specialise_table.c: the parts of an instruction that are tables of their own. */
#pragma once

#include "vm/load/load_priv.h"

enum { INSTRUCTION_ROOM = 32 }; /* more words than any instruction has besides the elements of a list */
void emit_grow(Loader *ld, size_t words);
/* Makes room for so many words: before everything that emits. specialise does it for an instruction and its list. */
static inline void emit_room(Loader *ld, size_t words)
{
    if (ld->code.capacity - ld->code.count < words) {
        emit_grow(ld, words);
    }
}
void emit_op(Loader *ld, int spec);
void emit_word(Loader *ld, Word w);
bool emit_label(Loader *ld, uint64_t label);
bool emit_source(Loader *ld, const Operand *o);

/* The entry of a function has been bound: emits the native that is its body, if there is one. */
void specialise_entry(Loader *ld, const LoadedFunction *f);
/* The segments of bs_create_bin, from the loader's list. */
bool specialise_segments(Loader *ld);
/* select_val, select_tuple_arity: a jump table, a sorted or a plain list. */
bool specialise_select(Loader *ld, unsigned generic, const Operand *o);
