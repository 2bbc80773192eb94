/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns each generic instruction into words: the first specific instruction of ops.tab whose operand kinds match.
 * Checks every operand on the way: registers lie in their ranges (y registers in the frame that is there), labels,
 * atoms, literals, imports and lambdas exist, calls go to entries of functions with that arity.
 *
 * The size of the stack frame is followed along the code: every way to reach a label must bring the same frame. Code
 * that nothing is known to reach is not emitted; a later jump to it makes the file bad.
 */
#include "vm/load/load_priv.h"
#include "vm/load/specialise.h"
#include "vm/term/atom.h"
#include "vm/term/compare.h"

enum {
    MAX_REGISTER = MAX_X_REGS - 2, /* one above the live ones serves as scratch root */
    MAX_LIVE = MAX_X_REGS - 1,
    MAX_FRAME = 4096,
    MAX_NUMBER = 1 << 26,
    MAX_SORTED_PAIRS = 512,
    MAX_VARIABLES = 256, /* of a lambda: more than arguments a function can have */
};

/* --- emitting words ----------------------------------------------------------------------------------- */
static void emit(Loader *ld, Word w)
{
    VEC_PUSH(&ld->code, w);
}

static void trail_push(Trail *t, uint32_t offset, int spec)
{
    if (t->count == TRAIL_MAX) {
        memmove(t->step, t->step + 1, (TRAIL_MAX - 1) * sizeof *t->step);
        t->count--;
    }
    t->step[t->count++] = (struct TrailStep){offset, spec};
}

void emit_op(Loader *ld, int spec)
{
    size_t offset = ld->code.count;
    while (ld->frames.count <= offset / 64) {
        VEC_PUSH(&ld->frames, 0);
    }
    uint64_t bit = UINT64_C(1) << (offset % 64);
    ld->frames.at[offset / 64] &= ~bit; /* an instruction that has been joined may have begun here */
    if (ld->frame >= 0 || ld->frame <= FRAME_MIXED) {
        ld->frames.at[offset / 64] |= bit;
    }
    trail_push(&ld->trail, (uint32_t)offset, spec);
    ld->unreached.count = 0;
    emit(ld, (Word)specific_ops[spec].fn);
}

void emit_word(Loader *ld, Word w)
{
    emit(ld, w);
}

/* --- labels ------------------------------------------------------------------------------------------- */
/* A jump from here to `label`: its frame must be ours. */
static bool label_reached(Loader *ld, uint64_t label)
{
    Label *l = &ld->labels[label];
    if (l->skipped) {
        return load_fail(ld, "jump to code that nothing before it reaches");
    }
    if (l->frame == FRAME_UNKNOWN) {
        l->frame = (int16_t)ld->frame;
        return true;
    }
    int16_t mixed = (int16_t)frame_mix(l->frame, ld->frame);
    if (l->frame != mixed && l->offset == LABEL_UNBOUND) {
        l->frame = mixed;
    }
    return l->frame == mixed || load_fail(ld, "two frames at one label");
}

bool emit_label(Loader *ld, uint64_t label)
{
    if (label >= ld->label_count) {
        return load_fail(ld, "no such label");
    }
    if (label != 0) {
        if (!label_reached(ld, label)) {
            return false;
        }
        VEC_PUSH(&ld->label_fixups, (uint32_t)ld->code.count);
    }
    emit(ld, label);
    return true;
}

static bool bind_label(Loader *ld, uint64_t label)
{
    if (label == 0 || label >= ld->label_count || ld->labels[label].offset != LABEL_UNBOUND) {
        return load_fail(ld, "label is bound twice or out of range");
    }
    Label *l = &ld->labels[label];
    l->offset = (uint32_t)ld->code.count;
    ld->trail.count = 0;
    if (ld->expect_entry) {
        LoadedFunction *f = &ld->functions.at[ld->functions.count - 1];
        f->entry = l->offset;
        f->entry_label = (uint32_t)label;
        l->arity = (int16_t)f->arity;
        ld->expect_entry = false;
        ld->frame = FRAME_NONE;
        if (l->frame != FRAME_UNKNOWN && l->frame != FRAME_NONE) {
            return load_fail(ld, "jump to a function's entry with a frame");
        }
        l->frame = FRAME_NONE;
        specialise_entry(ld, f);
        return true;
    }
    if (ld->skipping) {
        l->skipped = true;
        VEC_PUSH(&ld->unreached, (uint32_t)label);
        return true;
    }
    if (ld->frame == FRAME_UNKNOWN) {
        ld->frame = l->frame;
        l->skipped = l->frame == FRAME_UNKNOWN;
        if (l->skipped) {
            VEC_PUSH(&ld->unreached, (uint32_t)label);
        }
        return true;
    }
    if (l->frame != FRAME_UNKNOWN) {
        ld->frame = frame_mix(l->frame, ld->frame);
    }
    l->frame = (int16_t)ld->frame;
    return true;
}

/* --- operands ------------------------------------------------------------------------------------------ */
static bool y_fits(const Loader *ld, uint64_t y)
{
    return y < (uint64_t)frame_registers(ld->frame);
}

/* A register or constant as a source word; numbers are allowed where a list holds them (not checked here). */
bool emit_source(Loader *ld, const Operand *o)
{
    switch (o->tag) {
    case OPERAND_CONST:
        emit(ld, o->value);
        return true;
    case OPERAND_X:
        emit(ld, o->value << 3);
        return o->value <= MAX_REGISTER || load_fail(ld, "x register out of range");
    case OPERAND_Y:
        emit(ld, (o->value + 1) << 3 | 4);
        return y_fits(ld, o->value) || load_fail(ld, "y register out of range");
    default:
        return load_fail(ld, "a source is expected");
    }
}

static bool emit_number(Loader *ld, const Operand *o, uint64_t max)
{
    emit(ld, o->value);
    return o->value <= max || load_fail(ld, "number out of range");
}

static bool is_bif_named(const Loader *ld, const Operand *o, const char *name)
{
    if (o->tag != OPERAND_NUMBER || o->value >= ld->import_count) {
        return false;
    }
    const Export *e = ld->imports[o->value];
    size_t n;
    return export_module(e) == A_erlang && strcmp((const char *)atom_text(export_function(e), &n), name) == 0;
}

/* Does the operand match the kind? Range checks come when it is emitted. */
static bool kind_matches(const Loader *ld, char kind, const Operand *o, const SpecificOp *spec)
{
    bool reg = o->tag == OPERAND_X || o->tag == OPERAND_Y;
    bool constant = o->tag == OPERAND_CONST;
    switch (kind) {
    case 'x':
        return o->tag == OPERAND_X;
    case 'y':
        return o->tag == OPERAND_Y;
    case 'r':
    case 'd':
        return reg;
    case 's':
        return reg || constant;
    case 'c':
        return constant;
    case 'q':
        return constant && is_immed(o->value);
    case 'i':
        return constant && is_small(o->value);
    case 'a':
        return constant && is_atom(o->value);
    case 'f':
    case 'F':
        return o->tag == OPERAND_LABEL && o->value != 0;
    case 'j':
        return o->tag == OPERAND_LABEL;
    case 'l':
        return o->tag == OPERAND_FLOAT_REG;
    case 'A':
        return o->tag == OPERAND_NUMBER || o->tag == OPERAND_HEAP;
    case '2':
    case '3':
    case '4':
        return o->tag == OPERAND_LIST && ld->list.count == (size_t)(kind - '0');
    case '*':
    case 'B':
        return o->tag == OPERAND_LIST;
    case '=':
        return is_bif_named(ld, o, spec->import);
    case '_':
        return true;
    default: /* u v n T z e b S L */
        return o->tag == OPERAND_NUMBER;
    }
}

static bool emit_elements(Loader *ld)
{
    for (size_t i = 0; i < ld->list.count; i++) {
        const Operand *o = &ld->list.at[i];
        if (o->tag == OPERAND_LABEL ? !emit_label(ld, o->value) : !emit_source(ld, o)) {
            return false;
        }
    }
    return true;
}

static bool emit_import(Loader *ld, const Operand *o, bool bif)
{
    if (o->value >= ld->import_count) {
        return load_fail(ld, "no such import");
    }
    Export *e = ld->imports[o->value];
    if (bif) {
        emit(ld, e->native ? (Word)e->native->fn : 0);
    }
    emit(ld, (Word)e);
    return true;
}

/* Two operands: the length stands before, in bits for matching and in bytes for building. */
static bool emit_string(Loader *ld, const Operand *o, unsigned generic, uint64_t length)
{
    uint64_t bytes = generic == GEN_bs_match_string ? length / 8 + (length % 8 != 0) : length;
    if (bytes > ld->string_size || o->value > ld->string_size - bytes) {
        return load_fail(ld, "string out of range");
    }
    emit(ld, (Word)(ld->strings + o->value));
    return true;
}

static bool emit_operand(Loader *ld, char kind, const Operand *o, unsigned generic, const Operand *before)
{
    switch (kind) {
    case 'x':
        return emit_number(ld, o, MAX_REGISTER);
    case 'y':
        emit(ld, o->value + 1);
        return y_fits(ld, o->value) || load_fail(ld, "y register out of range");
    case 'r':
    case 'd':
    case 's':
        return emit_source(ld, o);
    case 'c':
    case 'q':
    case 'i':
    case 'a':
        emit(ld, o->value);
        return true;
    case 'f':
    case 'j':
        return emit_label(ld, o->value);
    case 'F':
        VEC_PUSH(&ld->calls, (CallCheck){(uint32_t)o->value, (uint32_t)before->value});
        if (o->value >= ld->label_count) {
            return load_fail(ld, "no such label");
        }
        VEC_PUSH(&ld->label_fixups, (uint32_t)ld->code.count);
        emit(ld, o->value);
        return before->value <= MAX_LIVE || load_fail(ld, "arity");
    case 'u':
    case 'A':
        return emit_number(ld, o, MAX_NUMBER);
    case 'z':
        return emit_number(ld, o, UINT64_MAX);
    case 'v':
        return emit_number(ld, o, MAX_LIVE);
    case 'n':
        return emit_number(ld, o, MAX_FRAME);
    case 'T':
        emit(ld, MAKE_HEADER(o->value, SUB_TUPLE));
        return o->value <= MAX_NUMBER || load_fail(ld, "tuple size");
    case 'l':
        return emit_number(ld, o, MAX_FLOAT_REGS - 1);
    case 'e':
    case 'b':
        return emit_import(ld, o, kind == 'b');
    case 'S':
        return emit_string(ld, o, generic, before->value);
    case 'L':
        if (o->value >= ld->fun_count) {
            return load_fail(ld, "no such lambda");
        }
        VEC_PUSH(&ld->fun_fixups, (uint32_t)ld->code.count);
        emit(ld, o->value);
        return true;
    case '2':
    case '3':
    case '4':
        return emit_elements(ld);
    case '*':
        emit(ld, ld->list.count);
        return emit_elements(ld);
    case 'B':
        return specialise_segments(ld);
    default: /* '=' '_' */
        return true;
    }
}

static bool emit_generic(Loader *ld, unsigned generic, const Operand *o, unsigned n)
{
    const GenericOp *g = &generic_ops[generic];
    for (unsigned i = 0; i < g->count; i++) {
        const SpecificOp *spec = &specific_ops[g->first + i];
        unsigned k = 0;
        while (k < n && kind_matches(ld, spec->kinds[k], &o[k], spec)) {
            k++;
        }
        if (k < n) {
            continue;
        }
        emit_op(ld, g->first + (int)i);
        for (k = 0; k < n; k++) {
            if (!emit_operand(ld, spec->kinds[k], &o[k], generic, k > 0 ? &o[k - 1] : &o[0])) {
                return false;
            }
        }
        return true;
    }
    return load_fail(ld, "operands that the instruction does not take");
}

/* --- the frame ------------------------------------------------------------------------------------------ */
static bool frame_expect(Loader *ld, bool ok)
{
    return ok || load_fail(ld, "stack frame");
}

/* What must hold before the instruction; sets what holds after it, except for instructions that do not continue. */
static bool frame_before(Loader *ld, unsigned generic, const Operand *o)
{
    switch (generic) {
    case GEN_allocate:
    case GEN_allocate_heap:
    case GEN_allocate_zero:
    case GEN_allocate_heap_zero:
    case GEN_call_only:
    case GEN_return:
        return frame_expect(ld, ld->frame == FRAME_NONE);
    case GEN_deallocate:
        return frame_expect(ld, ld->frame >= 0 && o[0].value == (uint64_t)ld->frame);
    case GEN_trim:
        return frame_expect(ld, ld->frame >= 0 && o[0].value <= (uint64_t)ld->frame &&
                                    o[1].value == (uint64_t)ld->frame - o[0].value);
    case GEN_call_last:
        return frame_expect(ld, ld->frame >= 0 && o[2].value == (uint64_t)ld->frame);
    case GEN_apply_last:
        return frame_expect(ld, ld->frame >= 0 && o[1].value == (uint64_t)ld->frame);
    case GEN_call:
    case GEN_call_fun:
    case GEN_call_fun2:
    case GEN_apply:
    case GEN_send:
        return frame_expect(ld, ld->frame >= 0);
    default:
        return true;
    }
}

static void frame_after(Loader *ld, unsigned generic, const Operand *o)
{
    switch (generic) {
    case GEN_allocate:
    case GEN_allocate_heap:
    case GEN_allocate_zero:
    case GEN_allocate_heap_zero:
        ld->frame = (int)o[0].value;
        break;
    case GEN_deallocate:
        ld->frame = FRAME_NONE;
        break;
    case GEN_trim:
        ld->frame = (int)o[1].value;
        break;
    case GEN_call_last:
    case GEN_call_only:
    case GEN_call_ext_last:
    case GEN_call_ext_only:
    case GEN_apply_last:
    case GEN_return:
    case GEN_jump:
    case GEN_select_val:
    case GEN_select_tuple_arity:
    case GEN_badmatch:
    case GEN_case_end:
    case GEN_if_end:
    case GEN_try_case_end:
    case GEN_badrecord:
    case GEN_raise:
    case GEN_wait:
    case GEN_loop_rec_end:
    case GEN_func_info:
    case GEN_int_code_end:
        ld->frame = FRAME_UNKNOWN;
        break;
    default:
        break;
    }
}

/* --- instructions without a row of their own ------------------------------------------------------------ */
static bool special_func_info(Loader *ld, const Operand *o)
{
    bool ok = o[0].tag == OPERAND_CONST && o[0].value == ld->name && o[1].tag == OPERAND_CONST &&
              is_atom(o[1].value) && o[2].tag == OPERAND_NUMBER && o[2].value <= 255;
    if (!ok || ld->expect_entry) {
        return load_fail(ld, "func_info");
    }
    ld->skipping = false;
    ld->frame = FRAME_NONE;
    for (size_t i = 0; i < ld->unreached.count; i++) {
        Label *l = &ld->labels[ld->unreached.at[i]];
        if (l->offset == ld->code.count) {
            l->skipped = false;
            l->frame = FRAME_NONE;
        }
    }
    VEC_PUSH(&ld->functions, (LoadedFunction){(uint32_t)ld->code.count, 0, 0, (uint32_t)o[2].value, o[1].value});
    emit_op(ld, SPEC_func_info);
    emit(ld, o[0].value);
    emit(ld, o[1].value);
    emit(ld, o[2].value);
    ld->expect_entry = true;
    return true;
}

static bool special_line(Loader *ld, const Operand *o)
{
    if (o[0].tag != OPERAND_NUMBER || o[0].value > ld->line_item_count) {
        /* Without a line chunk the instructions stand there all the same. */
        return ld->line_item_count == 0 || load_fail(ld, "no such line");
    }
    LineRow row = {(uint32_t)ld->code.count, (uint32_t)o[0].value};
    if (ld->lines.count > 0 && ld->lines.at[ld->lines.count - 1].offset == row.offset) {
        ld->lines.at[ld->lines.count - 1] = row;
    } else {
        VEC_PUSH(&ld->lines, row);
    }
    return true;
}

/* A native call whose frame does not fit: legal where the native never returns (error, throw, ...), because compilers
 * share such code. If it does return, the instruction behind it raises. */
static bool call_that_never_returns(Loader *ld, const Operand *import)
{
    emit_op(ld, SPEC_call_ext_native);
    if (!emit_import(ld, import, true)) {
        return false;
    }
    emit_op(ld, SPEC_code_end);
    ld->frame = FRAME_UNKNOWN;
    return true;
}

/* call_ext, call_ext_last, call_ext_only: natives are called in place. */
static bool special_call_ext(Loader *ld, unsigned generic, const Operand *o)
{
    if (o[0].tag != OPERAND_NUMBER || o[1].tag != OPERAND_NUMBER || o[1].value >= ld->import_count) {
        return load_fail(ld, "no such import");
    }
    const Export *e = ld->imports[o[1].value];
    if (export_arity(e) != o[0].value) {
        return load_fail(ld, "arity of a call");
    }
    bool native = e->native != NULL, last = generic == GEN_call_ext_last, only = generic == GEN_call_ext_only;
    bool fits = only   ? ld->frame == FRAME_NONE
                : last ? ld->frame >= 0 && o[2].value == (uint64_t)ld->frame
                       : ld->frame >= 0;
    if (!fits) {
        return native ? call_that_never_returns(ld, &o[1]) : frame_expect(ld, false);
    }
    emit_op(ld, native ? (only ? SPEC_call_ext_native_only : last ? SPEC_call_ext_native_last : SPEC_call_ext_native)
                       : (only ? SPEC_call_ext_only : last ? SPEC_call_ext_last : SPEC_call_ext));
    if (!emit_import(ld, &o[1], native)) {
        return false;
    }
    if (last) {
        emit(ld, o[2].value);
    }
    return true;
}

/* make_fun2 of older compilers: free variables in x0.., result in x0. */
static bool special_make_fun2(Loader *ld, const Operand *o)
{
    if (o[0].tag != OPERAND_NUMBER || o[0].value >= ld->fun_count) {
        return load_fail(ld, "no such lambda");
    }
    Operand operands[3] = {o[0], {.tag = OPERAND_X}, {.tag = OPERAND_LIST}};
    uint32_t n = ld->funs[o[0].value].free_count;
    emit_op(ld, SPEC_test_heap); /* it makes room for itself */
    emit(ld, FUN_WORDS(n));
    emit(ld, n);
    Operand variables[MAX_VARIABLES];
    for (uint32_t i = 0; i < n; i++) {
        variables[i] = (Operand){.tag = OPERAND_X, .value = i};
    }
    ld->list.at = variables;
    ld->list.count = operands[2].value = n;
    return emit_generic(ld, GEN_make_fun3, operands, 3);
}

/* The pairs of put_map_exact in key order, when all keys are constants: so the first missing key is the one OTP
 * reports. */
static void sort_pairs(Loader *ld)
{
    Operand *o = ld->list.at;
    size_t n = ld->list.count & ~(size_t)1;
    for (size_t i = 0; i < n; i += 2) {
        if (o[i].tag != OPERAND_CONST) {
            return;
        }
    }
    for (size_t i = 2; i < n && n <= MAX_SORTED_PAIRS; i += 2) {
        for (size_t j = i; j > 0 && term_compare_exact(o[j - 2].value, o[j].value) > 0; j -= 2) {
            Operand key = o[j], value = o[j + 1];
            o[j] = o[j - 2];
            o[j + 1] = o[j - 1];
            o[j - 2] = key;
            o[j - 1] = value;
        }
    }
}

static bool specialise_special(Loader *ld, unsigned generic, const Operand *o)
{
    switch (generic) {
    case GEN_label:
        return o[0].tag == OPERAND_NUMBER ? bind_label(ld, o[0].value) : load_fail(ld, "label");
    case GEN_func_info:
        return special_func_info(ld, o);
    case GEN_line:
        return special_line(ld, o);
    case GEN_int_code_end:
        emit_op(ld, SPEC_code_end); /* so that no instruction's end is outside the code */
        return true;
    case GEN_on_load:
        ld->on_load = (int64_t)ld->functions.count - 1;
        return true;
    case GEN_call_ext:
    case GEN_call_ext_last:
    case GEN_call_ext_only:
        return special_call_ext(ld, generic, o);
    case GEN_make_fun2:
        return special_make_fun2(ld, o);
    case GEN_select_val:
    case GEN_select_tuple_arity:
        return specialise_select(ld, generic, o);
    default:
        return load_fail(ld, "instruction that is not known");
    }
}

/* --- one generic instruction ---------------------------------------------------------------------------- */
/* Which operand holds bit syntax flags; -1: none. */
static int flags_operand(unsigned generic)
{
    switch (generic) {
    case GEN_bs_get_integer2:
    case GEN_bs_get_float2:
    case GEN_bs_get_binary2:
        return 5;
    case GEN_bs_skip_bits2:
        return 4;
    case GEN_bs_put_integer:
    case GEN_bs_put_float:
    case GEN_bs_put_binary:
    case GEN_bs_get_utf16:
    case GEN_bs_get_utf32:
    case GEN_bs_skip_utf16:
    case GEN_bs_skip_utf32:
        return 3;
    case GEN_bs_put_utf16:
    case GEN_bs_put_utf32:
        return 1;
    default:
        return -1;
    }
}

bool specialise(Loader *ld, unsigned generic, Operand *o, unsigned n)
{
    int flags = flags_operand(generic);
    if (flags >= 0 && o[flags].tag == OPERAND_NUMBER) {
        uint64_t f = o[flags].value;
        o[flags].value = (f & BS_SIGNED) | ((f & (BS_LITTLE | BS_NATIVE)) ? BS_LITTLE : 0);
    }
    bool structural = generic == GEN_label || generic == GEN_func_info || generic == GEN_line ||
                      generic == GEN_int_code_end || generic == GEN_on_load;
    if (ld->expect_entry && generic != GEN_label && generic != GEN_line) {
        return load_fail(ld, "function without an entry");
    }
    if (!structural && (ld->skipping || ld->frame == FRAME_UNKNOWN)) {
        return ld->functions.count > 0 || load_fail(ld, "code outside a function");
    }
    if (!structural && !frame_before(ld, generic, o)) {
        return false;
    }
    if (generic == GEN_put_map_exact) {
        sort_pairs(ld);
    }
    const GenericOp *g = &generic_ops[generic];
    bool ok = g->mode == OP_SPECIAL ? specialise_special(ld, generic, o)
              : g->mode == OP_IGNORE ? true
                                     : emit_generic(ld, generic, o, n);
    if (!ok) {
        return false;
    }
    if (!structural) {
        join_last(ld);
    }
    if (!ld->expect_entry) {
        frame_after(ld, generic, o);
    }
    return true;
}
