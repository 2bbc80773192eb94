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
#include "vm/vm.h"

enum {
    MAX_REGISTER = MAX_X_REGS - 2, /* one above the live ones serves as scratch root */
    MAX_LIVE = MAX_X_REGS - 1,
    MAX_FRAME = 4096,
    MAX_NUMBER = 1 << 26,
    MAX_SORTED_PAIRS = 512,
    MAX_VARIABLES = 256, /* of a lambda: more than arguments a function can have */
};

/* --- emitting words ----------------------------------------------------------------------------------- */
void emit_grow(Loader *ld, size_t words)
{
    VEC_ROOM(&ld->code, words);
    size_t more = ld->code.capacity / 64 + 1 - ld->frames.count;
    VEC_ROOM(&ld->frames, more);
    memset(&ld->frames.at[ld->frames.count], 0, more * sizeof *ld->frames.at);
    ld->frames.count += more;
}

static inline void emit(Loader *ld, Word w)
{
    debug_assert(ld->code.count < ld->code.capacity);
    ld->code.at[ld->code.count++] = w;
}

static inline void trail_push(Trail *t, uint32_t offset, int spec)
{
    if (t->count == TRAIL_MAX) {
        memcpy(t->step, t->step + TRAIL_MAX - TRAIL_KEPT, TRAIL_KEPT * sizeof *t->step);
        t->count = TRAIL_KEPT;
    }
    t->step[t->count++] = (struct TrailStep){offset, spec};
}

static inline void emit_spec(Loader *ld, int spec)
{
    size_t offset = ld->code.count;
    uint64_t *frames = &ld->frames.at[offset / 64], bit = UINT64_C(1) << (offset % 64);
    if (ld->frame >= 0 || ld->frame <= FRAME_MIXED) {
        *frames |= bit;
    } else {
        *frames &= ~bit; /* an instruction that has been joined may have begun here */
    }
    trail_push(&ld->trail, (uint32_t)offset, spec);
    ld->unreached.count = 0;
    emit(ld, (Word)specific_ops[spec].fn);
}

void emit_op(Loader *ld, int spec)
{
    emit_spec(ld, spec);
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

/* '=': its import is that function of erlang. */
static inline bool imports_match(const Loader *ld, const SpecificOp *spec, const Operand *o)
{
    uint64_t import = o[spec->import_at].value;
    if (import >= ld->import_count) {
        return false;
    }
    const Export *e = ld->imports[import];
    return export_function(e) == spec->import && export_module(e) == A_erlang;
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

/* Some kinds look at the operand before, too. */
static inline bool emit_operand(Loader *ld, char kind, const Operand *o, unsigned generic)
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
        return (o->value != 0 || load_fail(ld, "a label is expected")) && emit_label(ld, o->value);
    case 'j':
        return emit_label(ld, o->value);
    case 'F':
        VEC_PUSH(&ld->calls, (CallCheck){(uint32_t)o->value, (uint32_t)o[-1].value});
        if (o->value == 0 || o->value >= ld->label_count) {
            return load_fail(ld, "no such label");
        }
        VEC_PUSH(&ld->label_fixups, (uint32_t)ld->code.count);
        emit(ld, o->value);
        return o[-1].value <= MAX_LIVE || load_fail(ld, "arity");
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
        return emit_string(ld, o, generic, o[-1].value);
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

/* The first of the specific instructions whose kinds its operands have. Range checks come when they are emitted. */
static const SpecificOp *spec_find(const Loader *ld, const GenericOp *g, const Operand *o, unsigned n)
{
    uint64_t classes[2] = {0, 0};
    for (unsigned i = n; i > CLASSES_A_WORD; i--) {
        classes[1] = classes[1] << CLASS_BITS | o[i - 1].class;
    }
    for (unsigned i = n < CLASSES_A_WORD ? n : CLASSES_A_WORD; i > 0; i--) {
        classes[0] = classes[0] << CLASS_BITS | o[i - 1].class;
    }
    const SpecificOp *spec = &specific_ops[g->first], *end = spec + g->count;
    for (; spec < end; spec++) {
        if ((classes[0] & spec->refused[0]) == 0 && (classes[1] & spec->refused[1]) == 0 &&
            (spec->import == NONVALUE || imports_match(ld, spec, o))) {
            return spec;
        }
    }
    return NULL;
}

static bool emit_generic(Loader *ld, unsigned generic, const Operand *o, unsigned n)
{
    const SpecificOp *spec = spec_find(ld, &generic_ops[generic], o, n);
    if (!spec) {
        return load_fail(ld, "operands that the instruction does not take");
    }
    emit_spec(ld, (int)(spec - specific_ops));
    const char *kind = spec->kinds;
    for (const Operand *end = o + n; o < end; o++, kind++) {
        if (!emit_operand(ld, *kind, o, generic)) {
            return false;
        }
    }
    return true;
}

/* --- what is to be known of a generic instruction besides its operands ------------------------------------ */
typedef enum {
    FRAME_ANY,
    FRAME_FORBIDDEN,   /* there must be none */
    FRAME_WANTED,      /* some */
    FRAME_OF_OPERAND,  /* of as many y registers as an operand says */
    FRAME_TRIMMED,
} FrameBefore;
typedef enum { FRAME_STAYS, FRAME_MADE, FRAME_REMOVED, FRAME_CUT, FRAME_LOST /* does not go on */ } FrameAfter;
typedef union Trait {
    struct {
        uint8_t before, after;
        uint8_t frame : 4; /* FRAME_OF_OPERAND: which */
        uint8_t flags : 4; /* operand that holds bit syntax flags; 0: none */
        bool structural : 1; /* stands for a place: emitted even where nothing arrives */
        bool sorted : 1;     /* the pairs of its list */
    };
    uint32_t any; /* 0: nothing */
} Trait;

static const Trait traits[GENERIC_COUNT] = {
    [GEN_label] = {{.structural = true}},
    [GEN_func_info] = {{.structural = true}},
    [GEN_int_code_end] = {{.after = FRAME_LOST, .structural = true}},
    [GEN_on_load] = {{.structural = true}},
    [GEN_allocate ... GEN_allocate_heap_zero] = {{.before = FRAME_FORBIDDEN, .after = FRAME_MADE, .frame = 0}},
    [GEN_deallocate] = {{.before = FRAME_OF_OPERAND, .after = FRAME_REMOVED, .frame = 0}},
    [GEN_trim] = {{.before = FRAME_TRIMMED, .after = FRAME_CUT, .frame = 0}},
    [GEN_return] = {{.before = FRAME_FORBIDDEN, .after = FRAME_LOST, .frame = 0}},
    [GEN_call] = {{.before = FRAME_WANTED}},
    [GEN_call_fun] = {{.before = FRAME_WANTED}},
    [GEN_call_fun2] = {{.before = FRAME_WANTED}},
    [GEN_apply] = {{.before = FRAME_WANTED}},
    [GEN_send] = {{.before = FRAME_WANTED}},
    [GEN_call_only] = {{.before = FRAME_FORBIDDEN, .after = FRAME_LOST, .frame = 0}},
    [GEN_call_last] = {{.before = FRAME_OF_OPERAND, .after = FRAME_LOST, .frame = 2}},
    [GEN_apply_last] = {{.before = FRAME_OF_OPERAND, .after = FRAME_LOST, .frame = 1}},
    [GEN_call_ext_last] = {{.after = FRAME_LOST}},
    [GEN_call_ext_only] = {{.after = FRAME_LOST}},
    [GEN_jump] = {{.after = FRAME_LOST}},
    [GEN_select_val] = {{.after = FRAME_LOST}},
    [GEN_select_tuple_arity] = {{.after = FRAME_LOST}},
    [GEN_badmatch] = {{.after = FRAME_LOST}},
    [GEN_case_end] = {{.after = FRAME_LOST}},
    [GEN_if_end] = {{.after = FRAME_LOST}},
    [GEN_try_case_end] = {{.after = FRAME_LOST}},
    [GEN_badrecord] = {{.after = FRAME_LOST}},
    [GEN_raise] = {{.after = FRAME_LOST}},
    [GEN_wait] = {{.after = FRAME_LOST}},
    [GEN_loop_rec_end] = {{.after = FRAME_LOST}},
    [GEN_put_map_exact] = {{.sorted = true}},
    [GEN_bs_get_integer2] = {{.flags = 5}},
    [GEN_bs_get_float2] = {{.flags = 5}},
    [GEN_bs_get_binary2] = {{.flags = 5}},
    [GEN_bs_skip_bits2] = {{.flags = 4}},
    [GEN_bs_put_integer] = {{.flags = 3}},
    [GEN_bs_put_float] = {{.flags = 3}},
    [GEN_bs_put_binary] = {{.flags = 3}},
    [GEN_bs_get_utf16] = {{.flags = 3}},
    [GEN_bs_get_utf32] = {{.flags = 3}},
    [GEN_bs_skip_utf16] = {{.flags = 3}},
    [GEN_bs_skip_utf32] = {{.flags = 3}},
    [GEN_bs_put_utf16] = {{.flags = 1}},
    [GEN_bs_put_utf32] = {{.flags = 1}},
};

static bool frame_fits(const Loader *ld, const Trait *t, const Operand *o)
{
    switch ((FrameBefore)t->before) {
    case FRAME_ANY:
        return true;
    case FRAME_FORBIDDEN:
        return ld->frame == FRAME_NONE;
    case FRAME_WANTED:
        return ld->frame >= 0;
    case FRAME_OF_OPERAND:
        return ld->frame >= 0 && o[t->frame].value == (uint64_t)ld->frame;
    case FRAME_TRIMMED:
        return ld->frame >= 0 && o[0].value <= (uint64_t)ld->frame && o[1].value == (uint64_t)ld->frame - o[0].value;
    }
    return false;
}

static void frame_after(Loader *ld, const Trait *t, const Operand *o)
{
    switch ((FrameAfter)t->after) {
    case FRAME_STAYS:
        break;
    case FRAME_MADE:
        ld->frame = (int)o[0].value;
        break;
    case FRAME_REMOVED:
        ld->frame = FRAME_NONE;
        break;
    case FRAME_CUT:
        ld->frame = (int)o[1].value;
        break;
    case FRAME_LOST:
        ld->frame = FRAME_UNKNOWN;
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

bool specialise_line(Loader *ld, const Operand *o)
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
        return native ? call_that_never_returns(ld, &o[1]) : load_fail(ld, "stack frame");
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
    Operand operands[3] = {o[0], {.tag = OPERAND_X, .class = CLASS_X}, {.tag = OPERAND_LIST, .class = CLASS_LIST}};
    uint32_t n = ld->funs[o[0].value].free_count;
    emit_room(ld, n + INSTRUCTION_ROOM);
    emit_op(ld, SPEC_test_heap); /* it makes room for itself */
    emit(ld, FUN_WORDS(n));
    emit(ld, n);
    Operand variables[MAX_VARIABLES];
    for (uint32_t i = 0; i < n; i++) {
        variables[i] = (Operand){.tag = OPERAND_X, .class = CLASS_X, .value = i};
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
/* Those that the common path of specialise leaves. */
static bool specialise_rest(Loader *ld, unsigned generic, const Trait *t, Operand *o, unsigned n)
{
    const GenericOp *g = &generic_ops[generic];
    if (ld->expect_entry && generic != GEN_label) {
        return load_fail(ld, "function without an entry");
    }
    if (!t->structural && (ld->skipping || ld->frame == FRAME_UNKNOWN)) {
        return ld->functions.count > 0 || load_fail(ld, "code outside a function");
    }
    if (!frame_fits(ld, t, o)) {
        return load_fail(ld, "stack frame");
    }
    if (t->flags && o[t->flags].tag == OPERAND_NUMBER) {
        uint64_t f = o[t->flags].value;
        o[t->flags].value = (f & BS_SIGNED) | ((f & (BS_LITTLE | BS_NATIVE)) ? BS_LITTLE : 0);
    }
    if (t->sorted) {
        sort_pairs(ld);
    }
    bool ok = g->mode == OP_NORMAL    ? emit_generic(ld, generic, o, n)
              : g->mode == OP_SPECIAL ? specialise_special(ld, generic, o)
                                      : true;
    if (ok && !ld->expect_entry) {
        frame_after(ld, t, o);
    }
    return ok;
}

bool specialise(Loader *ld, unsigned generic, Operand *o, unsigned n)
{
    const Trait *t = &traits[generic];
    emit_room(ld, INSTRUCTION_ROOM + ld->list.count);
    bool common = t->any == 0 && generic_ops[generic].mode == OP_NORMAL && ld->frame != FRAME_UNKNOWN &&
                  !ld->skipping && !ld->expect_entry;
    if (!(common ? emit_generic(ld, generic, o, n) : specialise_rest(ld, generic, t, o, n))) {
        return false;
    }
    if (join_possible(&ld->trail)) {
        join_last(ld);
    }
    return true;
}
