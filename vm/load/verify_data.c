/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier's rules for instructions that test, move, build and take apart terms. Where an instruction relies on
 * what its operand is,
 * and the tests before do not say so, it is marked to be checked at run time.
 */
#include "vm/load/verify_priv.h"
#include "vm/term/atom.h"

enum { FUN_WORDS_BASE = 3, SEGMENT_OPERANDS = 6 };
static const Operand x0_operand = {.tag = OPERAND_X, .value = 0};

/* --- checks at run time ---------------------------------------------------------------------------------------- */
/* Operand i is of that type, or is checked to be. */
static bool proven(Verifier *v, Instruction *in, unsigned i, unsigned fix, RegType type, uint32_t size)
{
    const Operand *o = &v->operands[in->at + i];
    if (!reg_read(v, o)) {
        return false;
    }
    if (reg_is(v, o, type, size)) {
        return true;
    }
    in->fix |= (uint8_t)fix;
    in->fix_operand = (uint8_t)i;
    in->fix_number = size;
    if (!verify_raises(v, in)) {
        return false;
    }
    reg_refine(v, o, type, size);
    v->saw_fragile = false;
    return reg_read(v, o); /* for saw_fragile */
}

/* The largest element that this instruction and its like right behind it read of the same register. */
static uint32_t elements_ahead(const Verifier *v, const Instruction *in)
{
    const Operand *o = &v->operands[in->at];
    uint64_t most = 0;
    const Instruction *end = v->code + v->count;
    for (; in < end && in->generic == GEN_get_tuple_element; in++) {
        const Operand *next = &v->operands[in->at];
        if (next[0].tag != o[0].tag || next[0].value != o[0].value || next[1].value >= 1 << 20) {
            break;
        }
        most = next[1].value > most ? next[1].value : most;
        if (next[2].tag == o[0].tag && next[2].value == o[0].value) {
            break;
        }
    }
    return (uint32_t)most + 1;
}

/* --- tests that teach something -------------------------------------------------------------------------------- */
static bool test_equal(Verifier *v, const Operand *o, bool equal)
{
    if (!reg_read(v, &o[1]) || !reg_read(v, &o[2])) {
        return false;
    }
    const Operand *constant = o[2].tag == OPERAND_CONST ? &o[2] : o[1].tag == OPERAND_CONST ? &o[1] : NULL;
    if (!verify_to_label(v, &o[0])) {
        return false;
    }
    if (equal && constant && o[1].tag != o[2].tag) {
        Reg r = reg_of_constant(constant->value);
        if (r.type != T_ANY) {
            reg_refine(v, constant == &o[2] ? &o[1] : &o[2], (RegType)r.type, r.size);
        }
    }
    return true;
}

static bool test_type(Verifier *v, const Operand *o, RegType type, uint64_t size)
{
    if (size > 1 << 20) {
        return verify_bad(v, "tuple size");
    }
    if (!reg_read(v, &o[1]) || !verify_to_label(v, &o[0])) {
        return false;
    }
    reg_refine(v, &o[1], type, (uint32_t)size);
    return true;
}

static bool select(Verifier *v, const Instruction *in, const Operand *o)
{
    bool arity = in->generic == GEN_select_tuple_arity;
    if (!reg_read(v, &o[0]) || !verify_to_label(v, &o[1])) {
        return false;
    }
    if (in->list_count % 2 != 0 || (arity && o[0].tag == OPERAND_CONST)) {
        return verify_bad(v, "select");
    }
    Reg *subject = arity ? reg_at(v, &o[0]) : NULL;
    Reg saved = subject ? *subject : (Reg){.kind = R_NONE};
    for (uint32_t i = 0; i < in->list_count; i += 2) {
        const Operand *choice = &v->operands[in->list_at + i];
        if (arity) {
            if (!verify_number(v, choice, 1 << 20)) {
                return false;
            }
            *subject = (Reg){.kind = R_TERM, .type = T_TUPLE, .fragile = saved.fragile};
            subject->size = choice->value & 0xffffff;
        }
        if (!verify_to_label(v, &choice[1])) {
            return false;
        }
    }
    v->reachable = false;
    return true;
}

static bool test(Verifier *v, Instruction *in, const Operand *o)
{
    switch (in->generic) {
    case GEN_is_eq_exact:
    case GEN_is_ne_exact:
        return test_equal(v, o, in->generic == GEN_is_eq_exact);
    case GEN_is_nonempty_list:
        return test_type(v, o, T_CONS, 0);
    case GEN_is_tuple:
        return test_type(v, o, T_TUPLE, 0);
    case GEN_is_map:
        return test_type(v, o, T_MAP, 0);
    case GEN_test_arity:
        return proven(v, in, 1, FIX_CHECK_TUPLE, T_TUPLE, 0) && verify_number(v, &o[2], 1 << 20) &&
               test_type(v, o, T_TUPLE, o[2].value);
    default: /* is_tagged_tuple: its atom is the first element */
        if (o[2].tag != OPERAND_NUMBER || o[2].value == 0) {
            return verify_bad(v, "a tagged tuple without elements");
        }
        return test_type(v, o, T_TUPLE, o[2].value);
    }
}

/* --- moving, building, taking apart ---------------------------------------------------------------------------- */
static Reg *movable(Verifier *v, const Operand *o)
{
    Reg *r = reg_at(v, o);
    if (r && (r->kind < R_TERM || r->kind > R_EITHER)) {
        return reg_need_term(v, r) ? r : NULL;
    }
    return r;
}

static bool move(Verifier *v, const Operand *o)
{
    if (o[0].tag == OPERAND_CONST) {
        return reg_write(v, &o[1], reg_of_constant(o[0].value));
    }
    Reg *from = movable(v, &o[0]);
    if (!from) {
        return false;
    }
    if (from->id == 0) {
        from->id = v->next_id++;
    }
    return reg_write(v, &o[1], *from);
}

static bool swap(Verifier *v, const Operand *o)
{
    const Reg *a = movable(v, &o[0]), *b = movable(v, &o[1]);
    if (!a || !b) {
        return false;
    }
    Reg was_a = *reg_at(v, &o[0]), was_b = *b;
    return reg_write(v, &o[0], was_b) && reg_write(v, &o[1], was_a);
}

static bool set_element(Verifier *v, Instruction *in, const Operand *o)
{
    const Reg *tuple = reg_at(v, &o[1]);
    if (!reg_read(v, &o[0]) || !tuple) {
        return false;
    }
    if (v->s.fresh == 0 || tuple->id != v->s.fresh) {
        return verify_bad(v, "set_tuple_element of a tuple that setelement/3 has not just made");
    }
    return verify_number(v, &o[2], 1 << 20) &&
           proven(v, in, 1, FIX_CHECK_TUPLE, T_TUPLE, (uint32_t)o[2].value + 1);
}

static bool put_list(Verifier *v, const Operand *o)
{
    return reg_read(v, &o[0]) && reg_read(v, &o[1]) && verify_heap_take(v, 2) &&
           reg_write(v, &o[2], (Reg){.kind = R_TERM, .type = T_CONS, .fragile = v->saw_fragile});
}

static bool put_tuple(Verifier *v, const Instruction *in, const Operand *o)
{
    Reg r = {.kind = R_TERM, .type = T_TUPLE};
    if (!verify_list_read(v, in) || !verify_heap_take(v, (uint64_t)in->list_count + 1)) {
        return false;
    }
    r.fragile = v->saw_fragile;
    r.size = in->list_count & 0xffffff;
    return reg_write(v, &o[0], r);
}

static bool make_fun(Verifier *v, Instruction *in, const Operand *o)
{
    if (o[0].tag != OPERAND_NUMBER || o[0].value >= v->ld->fun_count) {
        return verify_bad(v, "no such lambda");
    }
    uint32_t n = v->ld->funs[o[0].value].free_count;
    if (in->generic == GEN_make_fun2) { /* makes room itself */
        verify_pin(v, in);
        if (!verify_arguments(v, n, 0) || !verify_live(v, n)) {
            return false;
        }
        state_keep_x(v, n);
        return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
    }
    if (in->list_count != n) {
        return verify_bad(v, "a lambda with another number of free variables");
    }
    return verify_list_read(v, in) && verify_heap_take(v, (uint64_t)n + FUN_WORDS_BASE) && reg_write_term(v, &o[1]);
}

/* Key, destination, ...: when a later key is missing, the destinations of earlier ones have been written. */
static bool get_map_elements(Verifier *v, Instruction *in, const Operand *o)
{
    const Operand *list = &v->operands[in->list_at];
    if (in->list_count % 2 != 0) {
        return verify_bad(v, "get_map_elements");
    }
    if (!proven(v, in, 1, FIX_CHECK_MAP, T_MAP, 0)) {
        return false;
    }
    for (uint32_t i = 0; i < in->list_count; i += 2) {
        const Reg *to = reg_at(v, &list[i + 1]);
        if (!reg_read(v, &list[i]) || !to) {
            return false;
        }
        if (to->kind != R_NONE && !reg_write_term(v, &list[i + 1])) {
            return false;
        }
    }
    if (!verify_to_label(v, &o[0])) {
        return false;
    }
    for (uint32_t i = 0; i < in->list_count; i += 2) {
        if (!reg_write_term(v, &list[i + 1])) {
            return false;
        }
    }
    return true;
}

static bool has_map_fields(Verifier *v, Instruction *in, const Operand *o)
{
    return verify_list_read(v, in) && proven(v, in, 1, FIX_CHECK_MAP, T_MAP, 0) && verify_to_label(v, &o[0]);
}

static bool data(Verifier *v, Instruction *in, const Operand *o)
{
    switch (in->generic) {
    case GEN_move:
        return move(v, o);
    case GEN_swap:
        return swap(v, o);
    case GEN_get_list:
        return proven(v, in, 0, FIX_CHECK_CONS, T_CONS, 0) && reg_write_term(v, &o[1]) && reg_write_term(v, &o[2]);
    case GEN_get_hd:
    case GEN_get_tl:
        return proven(v, in, 0, FIX_CHECK_CONS, T_CONS, 0) && reg_write_term(v, &o[1]);
    case GEN_get_tuple_element: {
        if (!verify_number(v, &o[1], (1 << 20) - 1)) {
            return false;
        }
        uint32_t size = (uint32_t)o[1].value + 1;
        size = reg_is(v, &o[0], T_TUPLE, size) ? size : elements_ahead(v, in);
        return proven(v, in, 0, FIX_CHECK_TUPLE, T_TUPLE, size) && reg_write_term(v, &o[2]);
    }
    case GEN_set_tuple_element:
        return set_element(v, in, o);
    case GEN_put_list:
        return put_list(v, o);
    case GEN_put_tuple2:
        return put_tuple(v, in, o);
    case GEN_make_fun2:
    case GEN_make_fun3:
        return make_fun(v, in, o);
    case GEN_get_map_elements:
        return get_map_elements(v, in, o);
    default:
        return has_map_fields(v, in, o);
    }
}

/* fmove: float register to term, term to float register, between float registers. */
static bool float_move(Verifier *v, const Operand *o)
{
    bool from = o[0].tag == OPERAND_FLOAT_REG, to = o[1].tag == OPERAND_FLOAT_REG;
    if (from && to) {
        return verify_float_read(v, &o[0]) && verify_float_write(v, &o[1]);
    }
    if (from) {
        return verify_float_read(v, &o[0]) && verify_heap_take(v, FLOAT_WORDS) && reg_write(v, &o[1],
            (Reg){.kind = R_TERM});
    }
    return reg_read(v, &o[0]) && verify_float_write(v, &o[1]);
}

/* --- natives as instructions ----------------------------------------------------------------------------------- */
/* Only functions of guards: others may want to be called again, or to call. What is no native raises undef. */
static const Export *guard_import(Verifier *v, const Operand *o, unsigned arity)
{
    if (o->tag != OPERAND_NUMBER || o->value >= v->ld->import_count) {
        verify_bad(v, "no such import");
        return NULL;
    }
    const Export *e = v->ld->imports[o->value];
    bool get = export_module(e) == A_erlang && export_function(e) == A_get;
    if (export_arity(e) != arity || (e->native && !(e->native->flags & NATIVE_GUARD) && !get)) {
        verify_bad(v, "a native that is no guard is used as one");
        return NULL;
    }
    return e;
}

/* Those that may stand between test_heap and what it is for: they build nothing when they succeed. */
static bool builds_nothing(const Export *e)
{
    switch (export_function(e)) {
    case A_float:
    case A_plus:
    case A_minus:
    case A_times:
    case A_divide:
    case A_div:
    case A_rem:
    case A_band:
    case A_bor:
    case A_bxor:
    case A_bnot:
    case A_bsl:
    case A_bsr:
    case A_abs:
    case A_round:
    case A_trunc:
    case A_floor:
    case A_ceil:
    case A_binary_part:
        return false;
    default:
        return true;
    }
}

static void learn_from_bif(Verifier *v, const Export *e, const Operand *source)
{
    switch (export_function(e)) {
    case A_hd:
    case A_tl:
        reg_refine(v, &source[0], T_CONS, 0);
        break;
    case A_tuple_size:
        reg_refine(v, &source[0], T_TUPLE, 0);
        break;
    case A_map_size:
        reg_refine(v, &source[0], T_MAP, 0);
        break;
    case A_element:
        if (source[0].tag == OPERAND_CONST && is_small(source[0].value) && small_value(source[0].value) < 1 << 20) {
            reg_refine(v, &source[1], T_TUPLE, (uint32_t)small_value(source[0].value));
        }
        break;
    case A_map_get:
    case A_is_map_key:
        reg_refine(v, &source[1], T_MAP, 0);
        break;
    default:
        break;
    }
}

static bool bif(Verifier *v, Instruction *in, const Operand *o)
{
    unsigned arity = in->generic == GEN_bif0 ? 0 : in->generic == GEN_bif1 ? 1 : 2;
    const Operand *import = &o[arity ? 1 : 0], *source = import + 1;
    const Export *e = guard_import(v, import, arity);
    if (!e) {
        return false;
    }
    for (unsigned i = 0; i < arity; i++) {
        if (!reg_read(v, &source[i])) {
            return false;
        }
    }
    uint32_t heap = builds_nothing(e) && e->native ? v->s.heap : 0;
    v->s.heap = 0; /* an exception has been built */
    if (arity && o[0].value != 0 && !reg_set_result(v, in, &source[arity])) {
        return false;
    }
    if (arity && o[0].value != 0 ? !verify_to_label(v, &o[0]) : !verify_raises(v, in)) {
        return false;
    }
    v->s.heap = heap;
    if (e->native && export_module(e) == A_erlang) {
        learn_from_bif(v, e, source);
    }
    return reg_write_term(v, &source[arity]);
}

static bool gc_bif(Verifier *v, Instruction *in, const Operand *o)
{
    unsigned arity = in->generic == GEN_gc_bif1 ? 1 : in->generic == GEN_gc_bif2 ? 2 : 3;
    return guard_import(v, &o[2], arity) && verify_plain(v, in, o, COLLECTS | LOSES | RESULT);
}

/* --- bits ------------------------------------------------------------------------------------------------------ */
static bool start_match4(Verifier *v, Instruction *in, const Operand *o)
{
    if (!verify_number(v, &o[1], MAX_REGS - 1) || !reg_read_context(v, &o[2], true) ||
        !verify_live(v, o[1].value)) {
        return false;
    }
    if (o[0].tag == OPERAND_LABEL ? !verify_no_match_label(v, &o[0], &o[2]) : !verify_raises(v, in)) {
        return false;
    }
    state_keep_x(v, (uint32_t)o[1].value);
    return reg_write(v, &o[3], (Reg){.kind = R_CONTEXT, .fragile = v->saw_fragile});
}

static bool create_bin_reads(Verifier *v, const Instruction *in, uint32_t live)
{
    if (in->list_count % SEGMENT_OPERANDS != 0) {
        return verify_bad(v, "segments");
    }
    for (uint32_t i = 0; i < in->list_count; i += SEGMENT_OPERANDS) {
        const Operand *segment = &v->operands[in->list_at + i];
        bool string = segment[0].tag == OPERAND_CONST && segment[0].value == A_string;
        if (!string && (!reg_read_kept(v, &segment[4], live) || !reg_read_kept(v, &segment[5], live))) {
            return false;
        }
    }
    return true;
}

static bool build_bits(Verifier *v, Instruction *in, const Operand *o)
{
    switch (in->generic) {
    case GEN_bs_create_bin:
        return verify_number(v, &o[2], MAX_REGS - 1) && create_bin_reads(v, in, (uint32_t)o[2].value) &&
               verify_plain(v, in, o, COLLECTS | LOSES);
    case GEN_bs_init_writable:
        verify_pin(v, in);
        if (!verify_arguments(v, 1, 0) || !verify_live(v, 1)) {
            return false;
        }
        state_keep_x(v, 1);
        return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
    case GEN_bs_init2:
    case GEN_bs_init_bits:
        if (o[1].tag != OPERAND_NUMBER && !reg_read(v, &o[1])) {
            return false;
        }
        if (!verify_plain(v, in, o, COLLECTS)) {
            return false;
        }
        break;
    case GEN_bs_append:
        if (!verify_plain(v, in, o, COLLECTS)) {
            return false;
        }
        break;
    default: /* bs_private_append */
        if (!verify_plain(v, in, o, 0)) {
            return false;
        }
        v->s.heap = 0;
        break;
    }
    v->s.building = true;
    return true;
}

bool verify_data(Verifier *v, Instruction *in, const Operand *o)
{
    switch (in->generic) {
    case GEN_select_val:
    case GEN_select_tuple_arity:
        return select(v, in, o);
    case GEN_is_eq_exact:
    case GEN_is_ne_exact:
    case GEN_is_nonempty_list:
    case GEN_is_tuple:
    case GEN_is_map:
    case GEN_test_arity:
    case GEN_is_tagged_tuple:
        return test(v, in, o);
    case GEN_bif0 ... GEN_bif2:
        return bif(v, in, o);
    case GEN_gc_bif1:
    case GEN_gc_bif2:
    case GEN_gc_bif3:
        return gc_bif(v, in, o);
    case GEN_fmove:
        return float_move(v, o);
    case GEN_bs_start_match4:
        return start_match4(v, in, o);
    case GEN_bs_create_bin:
    case GEN_bs_init_writable:
    case GEN_bs_init2:
    case GEN_bs_init_bits:
    case GEN_bs_append:
    case GEN_bs_private_append:
        return build_bits(v, in, o);
    default:
        return data(v, in, o);
    }
}
