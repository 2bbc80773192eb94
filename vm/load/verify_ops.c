/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each instruction does to the verifier's state. vm/tab/verify.def describes most of them by the roles of their operands; those
 * marked SPECIAL there have a case here. Rules that come from how instructions are written (vm/ops): they
 * read nothing but live registers after a collection, and take their label before one (but for LOSES).
 */
#include "vm/load/verify_priv.h"
#include "vm/term/atom.h"

enum { RAISES = 1, ENDS = 2, COLLECTS = 4, LOSES = 8, PUTS = 16, SPECIAL = 32 };
enum { FUN_WORDS_BASE = 3, SEGMENT_OPERANDS = 6, MAX_ARITY = 255 };
typedef struct VerifyRow {
    const char *roles; /* NULL: an instruction that nobody emits */
    uint8_t flags, heap;
} VerifyRow;

static const VerifyRow rows[GENERIC_COUNT] = {
#define VERIFY(name, roles, flags, heap) [GEN_##name] = {roles, flags, heap},
#include "vm/tab/verify.def"
#undef VERIFY
};

static const Operand x0_operand = {.tag = OPERAND_X, .value = 0};
static const Operand x1_operand = {.tag = OPERAND_X, .value = 1};
static const Operand x2_operand = {.tag = OPERAND_X, .value = 2};

/* --- parts ------------------------------------------------------------------------------------------------------ */
/* The message looked at becomes the process's own before this instruction, if a register reaches into it. */
static void pin(Verifier *v, Instruction *in)
{
    if (!v->s.peeking) {
        return;
    }
    for (uint32_t i = 0; i < v->s.nx; i++) {
        if (v->x[i].fragile) {
            in->fix |= FIX_PIN;
            v->x[i].fragile = 0;
        }
    }
    for (uint32_t i = 0; i < v->s.ny; i++) {
        if (v->y[i].fragile) {
            in->fix |= FIX_PIN;
            v->y[i].fragile = 0;
        }
    }
    v->saw_fragile = false;
}

static bool raises(Verifier *v, Instruction *in)
{
    pin(v, in);
    return state_raises(v);
}

static bool heap_take(Verifier *v, uint64_t words)
{
    if (words > v->s.heap) {
        return verify_bad(v, "more is built than test_heap has made room for");
    }
    v->s.heap -= (uint32_t)words;
    return true;
}

/* x0 .. x(live - 1) are roots. */
static bool live_are_set(Verifier *v, uint64_t live)
{
    if (live >= MAX_REGS) {
        return verify_bad(v, "too many live registers");
    }
    if (live > v->s.nx) {
        return verify_bad(v, "a live register has no value");
    }
    for (uint32_t i = 0; i < live; i++) {
        if (v->x[i].kind < R_TERM || v->x[i].kind > R_EITHER) {
            return verify_bad(v, "a live register has no value");
        }
    }
    return state_frame_is_set(v);
}

static bool number_is(Verifier *v, const Operand *o, uint64_t max)
{
    return (o->tag == OPERAND_NUMBER && o->value <= max) || verify_bad(v, "number out of range");
}

static bool heap_need(Verifier *v, const Operand *o)
{
    if ((o->tag != OPERAND_NUMBER && o->tag != OPERAND_HEAP) || o->value > 1 << 26) {
        return verify_bad(v, "heap need out of range");
    }
    v->s.heap = (uint32_t)o->value;
    return true;
}

static bool float_read(Verifier *v, const Operand *o)
{
    if (o->tag != OPERAND_FLOAT_REG || o->value >= FLOATS_FOLLOWED || !(v->s.floats >> o->value & 1)) {
        return verify_bad(v, "a float register without a value is read");
    }
    return true;
}

static bool float_write(Verifier *v, const Operand *o)
{
    if (o->tag != OPERAND_FLOAT_REG || o->value >= FLOATS_FOLLOWED) {
        return verify_bad(v, "float register out of range");
    }
    v->s.floats |= UINT64_C(1) << o->value;
    return true;
}

static bool list_read(Verifier *v, const Instruction *in)
{
    for (uint32_t i = 0; i < in->list_count; i++) {
        if (!reg_read(v, &v->operands[in->list_at + i])) {
            return false;
        }
    }
    return true;
}

static bool to_label(Verifier *v, const Operand *o)
{
    return (o->tag == OPERAND_LABEL && state_to_label(v, o->value)) || verify_bad(v, "a label is expected");
}

/* --- instructions that the table describes --------------------------------------------------------------------------- */
static bool plain_reads(Verifier *v, const Instruction *in, const char *roles, const Operand *o)
{
    for (unsigned i = 0; roles[i]; i++) {
        bool ok = true;
        switch (roles[i]) {
        case 's':
            ok = reg_read(v, &o[i]);
            break;
        case 'c':
        case 'b':
            ok = reg_read_context(v, &o[i], roles[i] == 'b');
            break;
        case 'l':
            ok = float_read(v, &o[i]);
            break;
        case '*':
            ok = list_read(v, in);
            break;
        default:
            break;
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* bs_start_match takes its label with what is neither bitstring nor context: a term. */
static bool no_match_label(Verifier *v, const Operand *label, const Operand *source)
{
    Reg *r = source->tag == OPERAND_CONST ? NULL : reg_at(v, source);
    if (!r || (r->kind != R_PARAM && r->kind != R_EITHER)) {
        return to_label(v, label);
    }
    Reg was = *r;
    *r = (Reg){.kind = R_TERM, .fragile = was.fragile};
    bool ok = to_label(v, label);
    *r = was;
    return ok;
}

static bool plain_labels(Verifier *v, Instruction *in, const char *roles, const Operand *o, unsigned flags)
{
    bool raise = flags & RAISES;
    for (unsigned i = 0; roles[i]; i++) {
        if (roles[i] == 'f' || (roles[i] == 'j' && o[i].value != 0)) {
            if (roles[i + 1] == 'b' ? !no_match_label(v, &o[i], &o[i + 1]) : !to_label(v, &o[i])) {
                return false;
            }
        }
        raise = raise || (roles[i] == 'j' && o[i].value == 0);
    }
    return !raise || raises(v, in);
}

static bool plain_writes(Verifier *v, const char *roles, const Operand *o)
{
    for (unsigned i = 0; roles[i]; i++) {
        bool ok = true;
        switch (roles[i]) {
        case 'd':
            ok = reg_write_term(v, &o[i]);
            break;
        case 'D':
            ok = reg_write(v, &o[i], (Reg){.kind = R_CONTEXT, .fragile = v->saw_fragile});
            break;
        case 'L':
            ok = float_write(v, &o[i]);
            break;
        case 'h':
            ok = heap_need(v, &o[i]);
            break;
        default:
            break;
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static const Operand *operand_of_role(const char *roles, const Operand *o, char role)
{
    const char *at = strchr(roles, role);
    return at ? &o[at - roles] : NULL;
}

static bool plain(Verifier *v, Instruction *in, const Operand *o, unsigned flags)
{
    const char *roles = rows[in->generic].roles;
    uint32_t live = 0;
    if (flags & COLLECTS) {
        const Operand *count = operand_of_role(roles, o, 'v');
        if (!number_is(v, count, MAX_REGS - 1)) {
            return false;
        }
        live = (uint32_t)count->value;
    }
    if (!plain_reads(v, in, roles, o)) {
        return false;
    }
    if ((flags & COLLECTS) && !live_are_set(v, live)) {
        return false;
    }
    if ((flags & PUTS) && !v->s.building) {
        return verify_bad(v, "no binary is being built here");
    }
    if ((flags & LOSES)) {
        state_keep_x(v, live);
    }
    if (!plain_labels(v, in, roles, o, flags)) {
        return false;
    }
    if (flags & COLLECTS) {
        state_keep_x(v, live);
    }
    if (!heap_take(v, rows[in->generic].heap) || !plain_writes(v, roles, o)) {
        return false;
    }
    v->reachable = !(flags & ENDS);
    return true;
}

/* --- checks at run time ------------------------------------------------------------------------------------------------ */
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
    if (!raises(v, in)) {
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

/* --- calls --------------------------------------------------------------------------------------------------------------- */
static bool argument_passed(Verifier *v, uint64_t label, uint32_t i, const Reg *r)
{
    uint32_t param = r->kind == R_PARAM ? r->size : NO_PARAM;
    const VerifiedFunction *f = &v->functions.at[v->functions.count - 1];
    if (param != NO_PARAM && ((f->terms[param / 64] >> (param % 64) & 1) || (label == f->entry_label && param == i))) {
        return true;
    }
    if (label > UINT32_MAX || i > MAX_ARITY) {
        return verify_bad(v, "arity");
    }
    v->any_context = v->any_context || param == NO_PARAM;
    VEC_PUSH(&v->passed, (PassedOn){v->serial, (uint32_t)label, (uint16_t)i, (uint16_t)param});
    return true;
}

/* x0 .. x(n - 1) are arguments; label: of a function of this module, else 0. */
static bool arguments(Verifier *v, uint64_t n, uint64_t label)
{
    if (n > v->s.nx) {
        return verify_bad(v, "an argument has no value");
    }
    for (uint32_t i = 0; i < n; i++) {
        const Reg *r = &v->x[i];
        bool pass = label && (r->kind == R_PARAM || r->kind == R_CONTEXT || r->kind == R_EITHER);
        if (pass ? !argument_passed(v, label, i, r) : !reg_need_term(v, r)) {
            return false;
        }
    }
    return true;
}

/* A call that comes back here. */
static bool body_call(Verifier *v, Instruction *in, uint64_t n, uint64_t label)
{
    pin(v, in);
    if (v->s.frame < 0) {
        return verify_bad(v, "a call without a frame");
    }
    if (!arguments(v, n, label) || !state_frame_is_set(v) || !raises(v, in)) {
        return false;
    }
    state_scheduled_out(v);
    return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
}

/* frame: what the instruction takes away; FRAME_NONE: nothing. */
static bool tail_call(Verifier *v, int64_t frame, uint64_t n, uint64_t label)
{
    if (!state_drop_message(v) || !state_no_catch(v) || !arguments(v, n, label) || !state_frame_is_set(v)) {
        return false;
    }
    if (v->s.frame != frame) {
        return verify_bad(v, "a last call with another frame");
    }
    v->reachable = false;
    return true;
}

static bool tail_frame(Verifier *v, const Operand *o, int64_t *frame)
{
    *frame = (int64_t)o->value;
    return number_is(v, o, MAX_Y_REGS);
}

/* Functions that raise whatever they are given: compilers do not care what follows them. */
static bool never_returns(const Export *e)
{
    if (!e->native || export_module(e) != A_erlang) {
        return false;
    }
    switch (export_function(e)) {
    case A_error:
        return export_arity(e) <= 3;
    case A_exit:
    case A_throw:
        return export_arity(e) == 1;
    case A_nif_error:
        return true;
    default:
        return false;
    }
}

static bool call_ext(Verifier *v, Instruction *in, const Operand *o)
{
    if (!number_is(v, &o[0], MAX_ARITY) || o[1].tag != OPERAND_NUMBER || o[1].value >= v->ld->import_count) {
        return verify_bad(v, "no such import");
    }
    const Export *e = v->ld->imports[o[1].value];
    if (export_arity(e) != o[0].value) {
        return verify_bad(v, "arity of a call");
    }
    if (never_returns(e)) {
        pin(v, in);
        v->reachable = false;
        return arguments(v, o[0].value, 0) && state_frame_is_set(v) && raises(v, in);
    }
    if (in->generic == GEN_call_ext_only) {
        return tail_call(v, FRAME_NONE, o[0].value, 0);
    }
    if (in->generic == GEN_call_ext_last) {
        int64_t frame;
        return tail_frame(v, &o[2], &frame) && tail_call(v, frame, o[0].value, 0);
    }
    if (!body_call(v, in, o[0].value, 0)) {
        return false;
    }
    if (e->native && export_module(e) == A_erlang && export_function(e) == A_setelement && o[0].value == 3) {
        v->s.fresh = v->x[0].id = v->next_id++;
    }
    return true;
}

static bool call(Verifier *v, Instruction *in, const Operand *o)
{
    int64_t frame = FRAME_NONE;
    switch (in->generic) {
    case GEN_call:
        return number_is(v, &o[0], MAX_ARITY) && body_call(v, in, o[0].value, o[1].value);
    case GEN_call_last:
        return number_is(v, &o[0], MAX_ARITY) && tail_frame(v, &o[2], &frame) &&
               tail_call(v, frame, o[0].value, o[1].value);
    case GEN_call_only:
        return number_is(v, &o[0], MAX_ARITY) && tail_call(v, FRAME_NONE, o[0].value, o[1].value);
    case GEN_call_fun:
        return number_is(v, &o[0], MAX_ARITY) && body_call(v, in, o[0].value + 1, 0);
    case GEN_call_fun2:
        return number_is(v, &o[1], MAX_ARITY) && reg_read(v, &o[2]) && body_call(v, in, o[1].value, 0);
    case GEN_apply:
        return number_is(v, &o[0], MAX_ARITY) && body_call(v, in, o[0].value + 2, 0);
    case GEN_apply_last:
        return number_is(v, &o[0], MAX_ARITY) && tail_frame(v, &o[1], &frame) &&
               tail_call(v, frame, o[0].value + 2, 0);
    case GEN_send:
        return body_call(v, in, 2, 0);
    default:
        return call_ext(v, in, o);
    }
}

static bool do_return(Verifier *v)
{
    if (v->s.frame != FRAME_NONE) {
        return verify_bad(v, "return with a frame");
    }
    v->reachable = false;
    return state_drop_message(v) && reg_read(v, &x0_operand);
}

/* --- the frame ------------------------------------------------------------------------------------------------------------- */
static bool allocate(Verifier *v, Instruction *in, const Operand *o)
{
    bool heap = in->generic == GEN_allocate_heap || in->generic == GEN_allocate_heap_zero;
    bool zero = in->generic == GEN_allocate_zero || in->generic == GEN_allocate_heap_zero;
    const Operand *live = &o[heap ? 2 : 1];
    if (v->s.frame != FRAME_NONE) {
        return verify_bad(v, "a second frame");
    }
    if (!number_is(v, &o[0], MAX_Y_REGS) || !number_is(v, live, MAX_REGS - 1) || !live_are_set(v, live->value)) {
        return false;
    }
    state_keep_x(v, (uint32_t)live->value);
    uint32_t n = (uint32_t)o[0].value;
    for (uint32_t i = 0; i < n; i++) {
        v->y[i] = (Reg){.kind = zero ? R_TERM : R_NONE};
    }
    v->s.frame = (int32_t)n;
    v->s.ny = n;
    v->s.y_none = zero ? 0 : n;
    in->fix |= v->zero_frames && !zero ? FIX_ZERO : 0;
    return !heap || heap_need(v, &o[1]);
}

static bool deallocate(Verifier *v, const Operand *o)
{
    if (v->s.frame < 0 || o[0].tag != OPERAND_NUMBER || o[0].value != (uint64_t)v->s.frame) {
        return verify_bad(v, "deallocate of another frame");
    }
    v->s.frame = FRAME_NONE;
    v->s.ny = v->s.y_none = 0;
    return state_no_catch(v);
}

static bool trim(Verifier *v, const Operand *o)
{
    if (v->s.frame < 0 || o[0].tag != OPERAND_NUMBER || o[1].tag != OPERAND_NUMBER ||
        o[0].value > (uint64_t)v->s.frame || o[1].value != (uint64_t)v->s.frame - o[0].value) {
        return verify_bad(v, "trim of another frame");
    }
    uint32_t n = (uint32_t)o[0].value;
    for (uint32_t i = 0; i < n; i++) {
        if (v->y[i].kind == R_CATCH) {
            return verify_bad(v, "a catch is not ended");
        }
        v->s.y_none -= v->y[i].kind == R_NONE;
    }
    v->s.ny -= n;
    v->s.frame -= (int32_t)n;
    memmove(v->y, v->y + n, v->s.ny * sizeof(Reg));
    return true;
}

static bool init_y(Verifier *v, const Operand *o)
{
    return (o->tag == OPERAND_Y || verify_bad(v, "a y register is expected")) &&
           reg_write(v, o, (Reg){.kind = R_TERM});
}

static bool init_yregs(Verifier *v, const Instruction *in)
{
    for (uint32_t i = 0; i < in->list_count; i++) {
        if (!init_y(v, &v->operands[in->list_at + i])) {
            return false;
        }
    }
    return true;
}

/* --- receiving ------------------------------------------------------------------------------------------------------------- */
static bool loop_rec(Verifier *v, const Operand *o)
{
    if (!state_drop_message(v)) {
        return false;
    }
    v->s.heap = 0; /* signals are handled, and some answer */
    v->s.building = false;
    v->s.fresh = 0;
    if (!to_label(v, &o[0])) {
        return false;
    }
    v->s.peeking = true;
    return reg_write(v, &o[1], (Reg){.kind = R_TERM, .fragile = 1});
}

/* loop_rec_end, wait: on at the label when there is something to look at. keep: wait_timeout keeps an operand that is an x
 * register, and those below, because the label may stand before itself. */
static bool wait_at(Verifier *v, const Operand *label, uint32_t keep)
{
    if (!state_frame_is_set(v) || !state_drop_message(v)) {
        return false;
    }
    uint32_t nx = keep;
    state_scheduled_out(v);
    v->s.nx = nx;
    v->counted = true;
    bool ok = to_label(v, label);
    v->counted = false;
    v->s.nx = 0;
    return ok;
}

static bool receive(Verifier *v, Instruction *in, const Operand *o)
{
    switch (in->generic) {
    case GEN_loop_rec:
        return loop_rec(v, o);
    case GEN_remove_message:
        for (uint32_t i = 0; i < v->s.nx; i++) {
            v->x[i].fragile = 0;
        }
        for (uint32_t i = 0; i < v->s.ny; i++) {
            v->y[i].fragile = 0;
        }
        v->s.peeking = false;
        return true;
    case GEN_timeout:
        state_scheduled_out(v);
        return state_drop_message(v);
    case GEN_wait_timeout:
        if (!reg_read(v, &o[1]) || !raises(v, in)) {
            return false;
        }
        if (o[1].tag == OPERAND_X && !live_are_set(v, o[1].value + 1)) {
            return false;
        }
        return wait_at(v, &o[0], o[1].tag == OPERAND_X ? (uint32_t)o[1].value + 1 : 0);
    case GEN_recv_marker_use:
        return reg_read(v, &o[0]) && state_drop_message(v);
    default: /* loop_rec_end, wait */
        v->reachable = false;
        return wait_at(v, &o[0], 0);
    }
}

/* --- exceptions ------------------------------------------------------------------------------------------------------------- */
static bool catch_begin(Verifier *v, const Operand *o)
{
    if (o[0].tag != OPERAND_Y || o[1].tag != OPERAND_LABEL || o[1].value >= v->ld->label_count ||
        v->labels[o[1].value].function != v->serial) {
        return verify_bad(v, "a catch needs a y register and a handler in its function");
    }
    Reg r = {.kind = R_CATCH};
    r.size = verify_set_of(v, o[1].value) & 0xffffff;
    return reg_write(v, &o[0], r);
}

static bool catch_end_at(Verifier *v, const Operand *o)
{
    Reg *y = o->tag == OPERAND_Y ? reg_at(v, o) : NULL;
    if (!y || y->kind != R_CATCH) {
        return verify_bad(v, "there is no catch to end");
    }
    *y = (Reg){.kind = R_TERM};
    v->s.catches--;
    return true;
}

/* x0 says what has been raised, in x1..x3. */
static bool is_raised(const Verifier *v)
{
    if (v->s.nx < 4 || (v->x[0].kind != R_RAISED && v->x[0].kind != R_MAYBE_RAISED)) {
        return false;
    }
    for (int i = 1; i <= 3; i++) {
        if (v->x[i].kind != R_TERM && v->x[i].kind != R_HIDDEN) {
            return false;
        }
    }
    return true;
}

static bool exception(Verifier *v, Instruction *in, const Operand *o)
{
    switch (in->generic) {
    case GEN_catch:
    case GEN_try:
        return catch_begin(v, o);
    case GEN_try_end:
        return catch_end_at(v, &o[0]);
    case GEN_catch_end:
        if (!catch_end_at(v, &o[0]) || !(is_raised(v) || reg_read(v, &x0_operand)) || !state_frame_is_set(v)) {
            return false;
        }
        pin(v, in);
        state_keep_x(v, 0);
        return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
    case GEN_try_case:
        if (!catch_end_at(v, &o[0])) {
            return false;
        }
        if (!is_raised(v) || v->x[0].kind != R_RAISED) {
            return verify_bad(v, "try_case is reached without an exception");
        }
        v->s.nx = 0;
        return reg_write_term(v, &x0_operand) && reg_write_term(v, &x1_operand) && reg_write_term(v, &x2_operand);
    case GEN_raw_raise:
        if (!arguments(v, 3, 0) || !raises(v, in)) {
            return false;
        }
        state_keep_x(v, 1);
        return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
    default: /* build_stacktrace */
        pin(v, in);
        if (!arguments(v, 1, 0) || !live_are_set(v, 1)) {
            return false;
        }
        state_keep_x(v, 1);
        return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
    }
}

/* --- tests that teach something ------------------------------------------------------------------------------------------- */
static bool test_equal(Verifier *v, const Operand *o, bool equal)
{
    if (!reg_read(v, &o[1]) || !reg_read(v, &o[2])) {
        return false;
    }
    const Operand *constant = o[2].tag == OPERAND_CONST ? &o[2] : o[1].tag == OPERAND_CONST ? &o[1] : NULL;
    if (!to_label(v, &o[0])) {
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
    if (!reg_read(v, &o[1]) || !to_label(v, &o[0])) {
        return false;
    }
    reg_refine(v, &o[1], type, (uint32_t)size);
    return true;
}

static bool select(Verifier *v, const Instruction *in, const Operand *o)
{
    bool arity = in->generic == GEN_select_tuple_arity;
    if (!reg_read(v, &o[0]) || !to_label(v, &o[1])) {
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
            if (!number_is(v, choice, 1 << 20)) {
                return false;
            }
            *subject = (Reg){.kind = R_TERM, .type = T_TUPLE, .fragile = saved.fragile};
            subject->size = choice->value & 0xffffff;
        }
        if (!to_label(v, &choice[1])) {
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
        return proven(v, in, 1, FIX_CHECK_TUPLE, T_TUPLE, 0) && number_is(v, &o[2], 1 << 20) &&
               test_type(v, o, T_TUPLE, o[2].value);
    default: /* is_tagged_tuple: its atom is the first element */
        if (o[2].tag != OPERAND_NUMBER || o[2].value == 0) {
            return verify_bad(v, "a tagged tuple without elements");
        }
        return test_type(v, o, T_TUPLE, o[2].value);
    }
}

/* --- moving, building, taking apart ------------------------------------------------------------------------------------------ */
static Reg *movable(Verifier *v, const Operand *o)
{
    Reg *r = reg_at(v, o);
    if (r && (r->kind < R_TERM || r->kind > R_EITHER)) {
        reg_need_term(v, r);
        return NULL;
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
    return number_is(v, &o[2], 1 << 20) &&
           proven(v, in, 1, FIX_CHECK_TUPLE, T_TUPLE, (uint32_t)o[2].value + 1);
}

static bool put_list(Verifier *v, const Operand *o)
{
    return reg_read(v, &o[0]) && reg_read(v, &o[1]) && heap_take(v, 2) &&
           reg_write(v, &o[2], (Reg){.kind = R_TERM, .type = T_CONS, .fragile = v->saw_fragile});
}

static bool put_tuple(Verifier *v, const Instruction *in, const Operand *o)
{
    Reg r = {.kind = R_TERM, .type = T_TUPLE};
    if (!list_read(v, in) || !heap_take(v, (uint64_t)in->list_count + 1)) {
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
        pin(v, in);
        if (!arguments(v, n, 0) || !live_are_set(v, n)) {
            return false;
        }
        state_keep_x(v, n);
        return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
    }
    if (in->list_count != n) {
        return verify_bad(v, "a lambda with another number of free variables");
    }
    return list_read(v, in) && heap_take(v, (uint64_t)n + FUN_WORDS_BASE) && reg_write_term(v, &o[1]);
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
    if (!to_label(v, &o[0])) {
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
    return list_read(v, in) && proven(v, in, 1, FIX_CHECK_MAP, T_MAP, 0) && to_label(v, &o[0]);
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
        if (!number_is(v, &o[1], (1 << 20) - 1)) {
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
        return float_read(v, &o[0]) && float_write(v, &o[1]);
    }
    if (from) {
        return float_read(v, &o[0]) && heap_take(v, FLOAT_WORDS) && reg_write(v, &o[1], (Reg){.kind = R_TERM});
    }
    return reg_read(v, &o[0]) && float_write(v, &o[1]);
}

/* --- natives as instructions --------------------------------------------------------------------------------------------- */
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
    if (arity && o[0].value != 0 ? !to_label(v, &o[0]) : !raises(v, in)) {
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
    return guard_import(v, &o[2], arity) && plain(v, in, o, COLLECTS | LOSES);
}

/* --- bits -------------------------------------------------------------------------------------------------------------------- */
static bool start_match4(Verifier *v, Instruction *in, const Operand *o)
{
    if (!number_is(v, &o[1], MAX_REGS - 1) || !reg_read_context(v, &o[2], true) ||
        !live_are_set(v, o[1].value)) {
        return false;
    }
    if (o[0].tag == OPERAND_LABEL ? !no_match_label(v, &o[0], &o[2]) : !raises(v, in)) {
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
        return number_is(v, &o[2], MAX_REGS - 1) && create_bin_reads(v, in, (uint32_t)o[2].value) &&
               plain(v, in, o, COLLECTS | LOSES);
    case GEN_bs_init_writable:
        pin(v, in);
        if (!arguments(v, 1, 0) || !live_are_set(v, 1)) {
            return false;
        }
        state_keep_x(v, 1);
        return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
    case GEN_bs_init2:
    case GEN_bs_init_bits:
        if (o[1].tag != OPERAND_NUMBER && !reg_read(v, &o[1])) {
            return false;
        }
        if (!plain(v, in, o, COLLECTS)) {
            return false;
        }
        break;
    case GEN_bs_append:
        if (!plain(v, in, o, COLLECTS)) {
            return false;
        }
        break;
    default: /* bs_private_append */
        if (!plain(v, in, o, 0)) {
            return false;
        }
        v->s.heap = 0;
        break;
    }
    v->s.building = true;
    return true;
}

/* --- one instruction ------------------------------------------------------------------------------------------------------------ */
static bool special(Verifier *v, Instruction *in, const Operand *o)
{
    switch (in->generic) {
    case GEN_call ... GEN_call_ext_last:
    case GEN_call_ext_only:
    case GEN_call_fun:
    case GEN_call_fun2:
    case GEN_apply:
    case GEN_apply_last:
    case GEN_send:
        return call(v, in, o);
    case GEN_return:
        return do_return(v);
    case GEN_allocate ... GEN_allocate_heap_zero:
        return allocate(v, in, o);
    case GEN_init:
        return init_y(v, &o[0]);
    case GEN_init_yregs:
        return init_yregs(v, in);
    case GEN_deallocate:
        return deallocate(v, o);
    case GEN_trim:
        return trim(v, o);
    case GEN_remove_message ... GEN_wait_timeout:
    case GEN_recv_marker_use:
        return receive(v, in, o);
    case GEN_catch:
    case GEN_catch_end:
    case GEN_try ... GEN_try_case:
    case GEN_raw_raise:
    case GEN_build_stacktrace:
        return exception(v, in, o);
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
    case GEN_jump: /* behind a call that never returns, into a handler */
        if (o[0].tag == OPERAND_LABEL && verify_begins_handler(v, o[0].value)) {
            in->fix = FIX_WALL;
            v->reachable = false;
            return true;
        }
        return plain(v, in, o, ENDS);
    case GEN_func_info:
    case GEN_int_code_end:
        return verify_bad(v, "not inside a function");
    default:
        return data(v, in, o);
    }
}

/* What may stand between setelement/3 and set_tuple_element: nothing that can make anything younger. */
static bool keeps_fresh(unsigned generic)
{
    return generic == GEN_move || generic == GEN_swap || generic == GEN_get_tuple_element ||
           generic == GEN_set_tuple_element || generic == GEN_line;
}

bool verify_step(Verifier *v, Instruction *in)
{
    const Operand *o = v->operands + in->at;
    const VerifyRow *row = &rows[in->generic];
    if (!row->roles) {
        return verify_bad(v, "an instruction that is no longer in use");
    }
    v->saw_fragile = false;
    if (v->s.fresh && !keeps_fresh(in->generic)) {
        v->s.fresh = 0;
    }
    return row->flags & SPECIAL ? special(v, in, o) : plain(v, in, o, row->flags);
}
