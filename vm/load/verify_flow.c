/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier's rules for what moves the flow of a function: calls and returns, its frame, receiving, exceptions.
 */
#include "vm/load/verify_priv.h"
#include "vm/term/atom.h"

enum { MAX_ARITY = 255 };
static const Operand x0_operand = {.tag = OPERAND_X, .value = 0};
static const Operand x1_operand = {.tag = OPERAND_X, .value = 1};
static const Operand x2_operand = {.tag = OPERAND_X, .value = 2};

/* --- calls ----------------------------------------------------------------------------------------------------- */
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
bool verify_arguments(Verifier *v, uint64_t n, uint64_t label)
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

/* A call that comes back here. native: it charges, but does not end the slice. */
static bool body_call(Verifier *v, Instruction *in, uint64_t n, uint64_t label, bool native)
{
    verify_pin(v, in);
    if (v->s.frame < 0) {
        return verify_bad(v, "a call without a frame");
    }
    if (!verify_arguments(v, n, label) || !state_frame_is_set(v) || !verify_raises(v, in)) {
        return false;
    }
    state_scheduled_out(v);
    if (!native) {
        v->s.since = UINT32_MAX;
    }
    return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
}

/* frame: what the instruction takes away; FRAME_NONE: nothing. */
static bool tail_call(Verifier *v, int64_t frame, uint64_t n, uint64_t label)
{
    if (!state_drop_message(v) || !state_no_catch(v) || !verify_arguments(v, n, label) || !state_frame_is_set(v)) {
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
    return verify_number(v, o, MAX_Y_REGS);
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
    if (!verify_number(v, &o[0], MAX_ARITY) || o[1].tag != OPERAND_NUMBER || o[1].value >= v->ld->import_count) {
        return verify_bad(v, "no such import");
    }
    const Export *e = v->ld->imports[o[1].value];
    if (export_arity(e) != o[0].value) {
        return verify_bad(v, "arity of a call");
    }
    if (never_returns(e)) {
        verify_pin(v, in);
        v->reachable = false;
        return verify_arguments(v, o[0].value, 0) && state_frame_is_set(v) && verify_raises(v, in);
    }
    if (in->generic == GEN_call_ext_only) {
        return tail_call(v, FRAME_NONE, o[0].value, 0);
    }
    if (in->generic == GEN_call_ext_last) {
        int64_t frame;
        return tail_frame(v, &o[2], &frame) && tail_call(v, frame, o[0].value, 0);
    }
    if (!body_call(v, in, o[0].value, 0, e->native != NULL)) {
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
        return verify_number(v, &o[0], MAX_ARITY) && body_call(v, in, o[0].value, o[1].value, false);
    case GEN_call_last:
        return verify_number(v, &o[0], MAX_ARITY) && tail_frame(v, &o[2], &frame) &&
               tail_call(v, frame, o[0].value, o[1].value);
    case GEN_call_only:
        return verify_number(v, &o[0], MAX_ARITY) && tail_call(v, FRAME_NONE, o[0].value, o[1].value);
    case GEN_call_fun:
        return verify_number(v, &o[0], MAX_ARITY) && body_call(v, in, o[0].value + 1, 0, false);
    case GEN_call_fun2:
        return verify_number(v, &o[1], MAX_ARITY) && reg_read(v, &o[2]) && body_call(v, in, o[1].value, 0, false);
    case GEN_apply:
        return verify_number(v, &o[0], MAX_ARITY) && body_call(v, in, o[0].value + 2, 0, false);
    case GEN_apply_last:
        return verify_number(v, &o[0], MAX_ARITY) && tail_frame(v, &o[1], &frame) &&
               tail_call(v, frame, o[0].value + 2, 0);
    case GEN_send:
        return body_call(v, in, 2, 0, true);
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

/* --- the frame ------------------------------------------------------------------------------------------------- */
static bool allocate(Verifier *v, Instruction *in, const Operand *o)
{
    bool heap = in->generic == GEN_allocate_heap || in->generic == GEN_allocate_heap_zero;
    bool zero = in->generic == GEN_allocate_zero || in->generic == GEN_allocate_heap_zero;
    const Operand *live = &o[heap ? 2 : 1];
    if (v->s.frame != FRAME_NONE) {
        return verify_bad(v, "a second frame");
    }
    if (!verify_number(v, &o[0], MAX_Y_REGS) || !verify_number(v, live, MAX_REGS - 1) || !verify_live(v, live->value)) {
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
    return !heap || verify_heap_need(v, &o[1]);
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

/* --- receiving ------------------------------------------------------------------------------------------------- */
static bool loop_rec(Verifier *v, const Operand *o)
{
    if (!state_drop_message(v)) {
        return false;
    }
    v->s.heap = 0; /* signals are handled, and some answer */
    v->s.building = false;
    v->s.fresh = 0;
    if (!verify_to_label(v, &o[0])) {
        return false;
    }
    v->s.peeking = true;
    return reg_write(v, &o[1], (Reg){.kind = R_TERM, .fragile = 1});
}

/* loop_rec_end, wait: on at the label when there is something to look at. keep: wait_timeout keeps an operand that
 * is an x
 * register, and those below, because the label may stand before itself. */
static bool wait_at(Verifier *v, const Operand *label, uint32_t keep)
{
    if (!state_frame_is_set(v) || !state_drop_message(v)) {
        return false;
    }
    uint32_t since = v->s.since; /* of wait_timeout, when the time is over at once */
    state_scheduled_out(v);
    v->s.nx = keep;
    v->counted = true;
    bool ok = verify_to_label(v, label);
    v->counted = false;
    v->s.since = since;
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
        if (!reg_read(v, &o[1]) || !verify_raises(v, in)) {
            return false;
        }
        if (o[1].tag == OPERAND_X && !verify_live(v, o[1].value + 1)) {
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

/* --- exceptions ------------------------------------------------------------------------------------------------ */
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
        verify_pin(v, in);
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
        if (!verify_arguments(v, 3, 0) || !verify_raises(v, in)) {
            return false;
        }
        state_keep_x(v, 1);
        return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
    default: /* build_stacktrace */
        verify_pin(v, in);
        if (!verify_arguments(v, 1, 0) || !verify_live(v, 1)) {
            return false;
        }
        state_keep_x(v, 1);
        return reg_write(v, &x0_operand, (Reg){.kind = R_TERM});
    }
}

/* Behind a call that never returns, compilers may jump into a handler. */
static bool jump(Verifier *v, Instruction *in, const Operand *o)
{
    v->reachable = false;
    if (o[0].tag == OPERAND_LABEL && verify_begins_handler(v, o[0].value)) {
        in->fix = FIX_WALL;
        return true;
    }
    return verify_to_label(v, &o[0]);
}

bool verify_flow(Verifier *v, Instruction *in, const Operand *o)
{
    switch (in->generic) {
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
    case GEN_jump:
        return jump(v, in, o);
    case GEN_func_info:
    case GEN_int_code_end:
        return verify_bad(v, "not inside a function");
    default:
        return call(v, in, o);
    }
}
