/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions with tables: selects (jump table, binary search, list), segments of bs_create_bin; and function
 * entries.
 */
#include "vm/load/specialise.h"

#include "vm/bif/assist.h"
#include "vm/term/atom.h"

/* The instruction set's bodies that are natives: local calls reach the native too. */
void specialise_entry(Loader *ld, const LoadedFunction *f)
{
    const NativeRow *row = !native_module(ld->name) ? NULL : native_find(ld->name, f->name, f->arity);
    NativeFn assist = row ? NULL : assist_find(ld->name, f->name, f->arity);
    if (assist) {
        emit_op(ld, SPEC_call_assist);
        emit_word(ld, (Word)assist);
        emit_word(ld, (Word)export_put(ld->name, f->name, f->arity));
    }
    if (!row) {
        return;
    }
    emit_op(ld, SPEC_call_native);
    emit_word(ld, (Word)row->fn);
    emit_word(ld, (Word)export_put(ld->name, f->name, f->arity));
    ld->skipping = true;
}

/* --- selects ------------------------------------------------------------------------------------------- */
enum { LINEAR_MAX = 6, TABLE_SLACK = 4 };
typedef struct Choice {
    Term value;
    uint64_t label;
} Choice;

static bool select_read(Loader *ld, bool arity, Choice *choices)
{
    for (size_t i = 0; i < ld->list.count / 2; i++) {
        const Operand *value = &ld->list.at[2 * i], *label = &ld->list.at[2 * i + 1];
        if (label->tag != OPERAND_LABEL || label->value == 0) {
            return load_fail(ld, "select");
        }
        if (arity) {
            bool number = value->tag == OPERAND_NUMBER && value->value <= 1 << 26;
            if (!number) {
                return load_fail(ld, "select");
            }
            choices[i].value = MAKE_HEADER(value->value, SUB_TUPLE);
        } else if (value->tag != OPERAND_CONST) {
            return load_fail(ld, "select");
        } else {
            choices[i].value = value->value;
        }
        choices[i].label = label->value;
    }
    return true;
}

/* Heap sort by value: no recursion, no worst case. */
static void select_sift(Choice *c, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && c[child].value < c[child + 1].value) {
            child++;
        }
        if (c[root].value >= c[child].value) {
            return;
        }
        Choice t = c[root];
        c[root] = c[child];
        c[child] = t;
    }
}

static void select_sort(Choice *c, size_t n)
{
    for (size_t i = n / 2; i > 0; i--) {
        select_sift(c, i - 1, n);
    }
    for (size_t i = n; i > 1; i--) {
        Choice t = c[0];
        c[0] = c[i - 1];
        c[i - 1] = t;
        select_sift(c, 0, i - 1);
    }
}

static bool emit_pairs(Loader *ld, int spec, const Operand *subject, uint64_t fail, const Choice *c, size_t n)
{
    emit_op(ld, spec);
    if (!emit_source(ld, subject)) {
        return false;
    }
    emit_word(ld, n);
    if (!emit_label(ld, fail)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        emit_word(ld, c[i].value);
    }
    for (size_t i = 0; i < n; i++) {
        if (!emit_label(ld, c[i].label)) {
            return false;
        }
    }
    return true;
}

/* Small integers without large holes: [subject, lowest (term), count, default, labels]. */
static bool emit_jump_table(Loader *ld, const Operand *subject, uint64_t fail, const Choice *c, size_t n)
{
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        int64_t v = small_value(c[i].value);
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    uint64_t span = (uint64_t)(high - low) + 1;
    emit_room(ld, span + 8);
    emit_op(ld, SPEC_jump_table);
    if (!emit_source(ld, subject)) {
        return false;
    }
    emit_word(ld, make_small(low));
    emit_word(ld, span);
    if (!emit_label(ld, fail)) {
        return false;
    }
    uint64_t *labels = vm_alloc(span * sizeof *labels);
    for (uint64_t i = 0; i < span; i++) {
        labels[i] = fail;
    }
    for (size_t i = n; i > 0; i--) {
        labels[small_value(c[i - 1].value) - low] = c[i - 1].label;
    }
    bool ok = true;
    for (uint64_t i = 0; i < span && ok; i++) {
        ok = emit_label(ld, labels[i]);
    }
    vm_free(labels);
    return ok;
}

static bool is_dense(const Choice *c, size_t n)
{
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        if (!is_small(c[i].value)) {
            return false;
        }
        int64_t v = small_value(c[i].value);
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    return n > 3 && (uint64_t)(high - low) < n * TABLE_SLACK;
}

/* select_arity looks whether its subject is a tuple itself: an is_tuple before it that goes to the same place is of no
 * use. */
static void select_drop_test(Loader *ld, const Operand *subject, uint64_t fail)
{
    Trail *t = &ld->trail;
    const struct TrailStep *last = t->count ? &t->step[t->count - 1] : NULL;
    if (!last || last->spec != SPEC_is_tuple_x || subject->tag != OPERAND_X) {
        return;
    }
    const Word *words = &ld->code.at[last->offset + 1];
    if (words[0] == fail && words[1] == subject->value) {
        ld->code.count = last->offset;
        ld->label_fixups.count--;
        t->count--;
    }
}

static bool select_emit(Loader *ld, bool arity, const Operand *subject, uint64_t fail, Choice *c, size_t n)
{
    if (arity) {
        select_drop_test(ld, subject, fail);
        return emit_pairs(ld, SPEC_select_arity, subject, fail, c, n);
    }
    bool immediate = true;
    for (size_t i = 0; i < n; i++) {
        immediate = immediate && is_immed(c[i].value);
    }
    if (!immediate) {
        return emit_pairs(ld, SPEC_select_equal, subject, fail, c, n);
    }
    if (is_dense(c, n)) {
        return emit_jump_table(ld, subject, fail, c, n);
    }
    if (n <= LINEAR_MAX) {
        return emit_pairs(ld, SPEC_select_linear, subject, fail, c, n);
    }
    select_sort(c, n);
    return emit_pairs(ld, SPEC_select_search, subject, fail, c, n);
}

bool specialise_select(Loader *ld, unsigned generic, const Operand *o)
{
    if (o[1].tag != OPERAND_LABEL || o[1].value == 0 || o[2].tag != OPERAND_LIST || ld->list.count % 2 != 0) {
        return load_fail(ld, "select");
    }
    size_t n = ld->list.count / 2;
    Choice *choices = vm_alloc((n + 1) * sizeof *choices);
    bool arity = generic == GEN_select_tuple_arity;
    bool ok = select_read(ld, arity, choices) && select_emit(ld, arity, &o[0], o[1].value, choices, n);
    vm_free(choices);
    return ok;
}

/* --- bs_create_bin --------------------------------------------------------------------------------------- */
static int segment_type(Term t)
{
    switch (t) {
    case A_append:
        return BSC_APPEND;
    case A_private_append:
        return BSC_PRIVATE_APPEND;
    case A_binary:
        return BSC_BINARY;
    case A_integer:
        return BSC_INTEGER;
    case A_float:
        return BSC_FLOAT;
    case A_utf8:
        return BSC_UTF8;
    case A_utf16:
        return BSC_UTF16;
    case A_utf32:
        return BSC_UTF32;
    case A_string:
        return BSC_STRING;
    default:
        return -1;
    }
}

/* A list of flag atoms; unknown ones make the file bad. */
static bool segment_flags(Loader *ld, Term list, Word *flags)
{
    *flags = 0;
    for (; is_cons(list); list = cons_tail(list)) {
        switch (cons_head(list)) {
        case A_little:
        case A_native:
            *flags |= BS_LITTLE;
            break;
        case A_signed:
            *flags |= BS_SIGNED;
            break;
        case A_big:
        case A_unsigned:
        case A_exact:
        case A_aligned:
            break;
        default:
            return load_fail(ld, "flags of a segment");
        }
    }
    return is_nil(list) || load_fail(ld, "flags of a segment");
}

static bool emit_segment(Loader *ld, const Operand *o)
{
    enum { TYPE, SEGMENT, UNIT, FLAGS, VALUE, SIZE };
    int type = o[TYPE].tag == OPERAND_CONST ? segment_type(o[TYPE].value) : -1;
    Word flags;
    if (type < 0 || o[UNIT].tag != OPERAND_NUMBER || o[UNIT].value > 256 || o[FLAGS].tag != OPERAND_CONST) {
        return load_fail(ld, "segment");
    }
    if (!segment_flags(ld, o[FLAGS].value, &flags)) {
        return false;
    }
    bool numbered = o[SEGMENT].tag == OPERAND_NUMBER && o[SEGMENT].value <= UINT32_MAX;
    emit_word(ld, (Word)type | (numbered ? o[SEGMENT].value << 8 : 0));
    emit_word(ld, o[UNIT].value);
    emit_word(ld, flags);
    if (type != BSC_STRING) {
        return emit_source(ld, &o[VALUE]) && emit_source(ld, &o[SIZE]);
    }
    if (o[VALUE].tag != OPERAND_NUMBER || o[SIZE].tag != OPERAND_CONST || !is_small(o[SIZE].value)) {
        return load_fail(ld, "string segment");
    }
    int64_t size = small_value(o[SIZE].value);
    if (size < 0 || (uint64_t)size > ld->string_size || o[VALUE].value > ld->string_size - (uint64_t)size) {
        return load_fail(ld, "string out of range");
    }
    emit_word(ld, (Word)(ld->strings + o[VALUE].value));
    emit_word(ld, o[SIZE].value);
    return true;
}

bool specialise_segments(Loader *ld)
{
    enum { OPERANDS = 6 };
    if (ld->list.count % OPERANDS != 0) {
        return load_fail(ld, "segments");
    }
    emit_word(ld, ld->list.count / OPERANDS);
    for (size_t i = 0; i < ld->list.count; i += OPERANDS) {
        if (!emit_segment(ld, &ld->list.at[i])) {
            return false;
        }
    }
    return true;
}
