/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the decoded code a function at a time: has it verified, and hands it to the specialiser with what the
 * verifier wants to be checked at run time.
 *
 * Comes from: load.c. Goes to: verify.c, then specialise.c.
 */
#include "vm/load/specialise.h"
#include "vm/load/verify.h"

/* A check before the instruction. Nothing is emitted where the specialiser emits nothing. */
static bool emit_check(Loader *ld, const Instruction *in, const Operand *o)
{
    if (ld->skipping || ld->frame == FRAME_UNKNOWN) {
        return true;
    }
    emit_room(ld, 8);
    if (in->fix & FIX_PIN) {
        emit_op(ld, SPEC_pin_message);
    }
    if (!(in->fix & (FIX_CHECK_TUPLE | FIX_CHECK_CONS | FIX_CHECK_MAP))) {
        return true;
    }
    emit_op(ld, in->fix & FIX_CHECK_TUPLE  ? SPEC_check_tuple
                : in->fix & FIX_CHECK_CONS ? SPEC_check_cons
                                           : SPEC_check_map);
    if (!emit_source(ld, &o[in->fix_operand])) {
        return false;
    }
    if (in->fix & FIX_CHECK_TUPLE) {
        emit_word(ld, in->fix_number);
    }
    return true;
}

/* The destination of a guard BIF, its last operand, is read where it fails to. */
static bool emit_result(Loader *ld, const Instruction *in, const Operand *o)
{
    if (!(in->fix & FIX_RESULT)) {
        return true;
    }
    Operand move[2] = {{.tag = OPERAND_CONST, .class = CLASS_IMMED, .value = NIL}, o[in->n - 1]};
    return specialise(ld, GEN_move, move, 2);
}

static unsigned zeroing(unsigned generic)
{
    return generic == GEN_allocate ? GEN_allocate_zero : GEN_allocate_heap_zero;
}

/* As the verifier wants it: something before it, or nothing at all. */
static bool emit_fixed(Loader *ld, const Instruction *in, Operand *o)
{
    if ((in->fix & FIX_WALL) && !ld->skipping && ld->frame != FRAME_UNKNOWN) {
        emit_room(ld, 1);
        emit_op(ld, SPEC_code_end);
    }
    if ((in->fix & (FIX_DEAD | FIX_NO_FALL | FIX_WALL)) && !ld->expect_entry && !ld->skipping) {
        ld->frame = FRAME_UNKNOWN;
    }
    if ((in->fix & FIX_DEAD) || ((in->fix & FIX_WALL) && in->generic == GEN_jump)) {
        return true;
    }
    return emit_check(ld, in, o) && emit_result(ld, in, o) &&
           specialise(ld, in->fix & FIX_ZERO ? zeroing(in->generic) : in->generic, o, in->n);
}

static inline bool function_emit(Loader *ld, const Instruction *in, Operand *operands)
{
    Operand *o = &operands[in->at];
    if (in->generic == GEN_line) {
        return specialise_line(ld, o);
    }
    ld->list.at = &operands[in->list_at];
    ld->list.count = in->list_count;
    if (in->fix ? emit_fixed(ld, in, o) : specialise(ld, in->generic, o, in->n)) {
        return true;
    }
    ld->place.generic = in->generic;
    return false;
}

/* Where the function that begins with the func_info at `at` starts: labels and lines before belong to it. */
static uint32_t function_start(const Loader *ld, uint32_t at)
{
    while (at > 0 && (ld->kept.at[at - 1].generic == GEN_label || ld->kept.at[at - 1].generic == GEN_line)) {
        at--;
    }
    return at;
}

static bool function_load(Loader *ld, uint32_t start, uint32_t end)
{
    if (!verify_function(ld, ld->kept.at + start, end - start, ld->kept_operands.at)) {
        return false;
    }
    const Instruction *code = ld->kept.at;
    Operand *operands = ld->kept_operands.at;
    for (uint32_t i = start; i < end; i++) {
        if (!function_emit(ld, &code[i], operands)) {
            ld->place.index = i - start;
            return false;
        }
    }
    return true;
}

bool functions_load(Loader *ld)
{
    emit_room(ld, ld->kept.count + ld->kept_operands.count); /* what is usual */
    uint32_t count = (uint32_t)ld->kept.count - 1; /* int_code_end is the last */
    uint32_t next = 0;
    while (next < count && ld->kept.at[next].generic != GEN_func_info) {
        next++;
    }
    if (function_start(ld, next) != 0) {
        return load_fail(ld, "code outside a function");
    }
    for (uint32_t start = 0; start < count;) {
        next++;
        while (next < count && ld->kept.at[next].generic != GEN_func_info) {
            next++;
        }
        uint32_t end = next < count ? function_start(ld, next) : count;
        if (!function_load(ld, start, end)) {
            return false;
        }
        start = end;
    }
    return verify_module(ld) && function_emit(ld, &ld->kept.at[count], ld->kept_operands.at);
}
