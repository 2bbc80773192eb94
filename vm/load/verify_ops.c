/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each instruction does to the verifier's state. vm/tab/verify.def describes most of them by the roles of their
 * operands; those
 * marked SPECIAL there have a case here. Rules that come from how instructions are written (vm/ops): they
 * read nothing but live registers after a collection, and take their label before one (but for LOSES).
 */
#include "vm/load/verify_priv.h"
#include "vm/term/atom.h"

typedef struct VerifyRow {
    const char *roles; /* NULL: an instruction that nobody emits */
    uint8_t flags, heap;
} VerifyRow;

static const VerifyRow rows[GENERIC_COUNT] = {
#define VERIFY(name, roles, flags, heap) [GEN_##name] = {roles, flags, heap},
#include "vm/tab/verify.def"
#undef VERIFY
};

/* --- parts ----------------------------------------------------------------------------------------------------- */
/* The message looked at becomes the process's own before this instruction, if a register reaches into it. */
void verify_pin(Verifier *v, Instruction *in)
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

bool verify_raises(Verifier *v, Instruction *in)
{
    verify_pin(v, in);
    return state_raises(v);
}

bool verify_heap_take(Verifier *v, uint64_t words)
{
    if (words > v->s.heap) {
        return verify_bad(v, "more is built than test_heap has made room for");
    }
    v->s.heap -= (uint32_t)words;
    return true;
}

/* x0 .. x(live - 1) are roots. */
bool verify_live(Verifier *v, uint64_t live)
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

bool verify_number(Verifier *v, const Operand *o, uint64_t max)
{
    return (o->tag == OPERAND_NUMBER && o->value <= max) || verify_bad(v, "number out of range");
}

bool verify_heap_need(Verifier *v, const Operand *o)
{
    if ((o->tag != OPERAND_NUMBER && o->tag != OPERAND_HEAP) || o->value > 1 << 26) {
        return verify_bad(v, "heap need out of range");
    }
    v->s.heap = (uint32_t)o->value;
    return true;
}

bool verify_float_read(Verifier *v, const Operand *o)
{
    if (o->tag != OPERAND_FLOAT_REG || o->value >= FLOATS_FOLLOWED || !(v->s.floats >> o->value & 1)) {
        return verify_bad(v, "a float register without a value is read");
    }
    return true;
}

bool verify_float_write(Verifier *v, const Operand *o)
{
    if (o->tag != OPERAND_FLOAT_REG || o->value >= FLOATS_FOLLOWED) {
        return verify_bad(v, "float register out of range");
    }
    v->s.floats |= UINT64_C(1) << o->value;
    return true;
}

bool verify_list_read(Verifier *v, const Instruction *in)
{
    for (uint32_t i = 0; i < in->list_count; i++) {
        if (!reg_read(v, &v->operands[in->list_at + i])) {
            return false;
        }
    }
    return true;
}

bool verify_to_label(Verifier *v, const Operand *o)
{
    return (o->tag == OPERAND_LABEL && state_to_label(v, o->value)) || verify_bad(v, "a label is expected");
}

/* --- instructions that the table describes --------------------------------------------------------------------- */
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
            ok = verify_float_read(v, &o[i]);
            break;
        case '*':
            ok = verify_list_read(v, in);
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
bool verify_no_match_label(Verifier *v, const Operand *label, const Operand *source)
{
    Reg *r = source->tag == OPERAND_CONST ? NULL : reg_at(v, source);
    if (!r || (r->kind != R_PARAM && r->kind != R_EITHER)) {
        return verify_to_label(v, label);
    }
    Reg was = *r;
    *r = (Reg){.kind = R_TERM, .fragile = was.fragile};
    bool ok = verify_to_label(v, label);
    *r = was;
    return ok;
}

static bool plain_labels(Verifier *v, Instruction *in, const char *roles, const Operand *o, unsigned flags)
{
    bool raise = flags & RAISES;
    for (unsigned i = 0; roles[i]; i++) {
        if (roles[i] == 'f' || (roles[i] == 'j' && o[i].value != 0)) {
            if (roles[i + 1] == 'b' ? !verify_no_match_label(v, &o[i], &o[i + 1]) : !verify_to_label(v, &o[i])) {
                return false;
            }
        }
        raise = raise || (roles[i] == 'j' && o[i].value == 0);
    }
    return !raise || verify_raises(v, in);
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
            ok = verify_float_write(v, &o[i]);
            break;
        case 'h':
            ok = verify_heap_need(v, &o[i]);
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

bool verify_plain(Verifier *v, Instruction *in, const Operand *o, unsigned flags)
{
    const char *roles = rows[in->generic].roles;
    uint32_t live = 0;
    if (flags & COLLECTS) {
        const Operand *count = operand_of_role(roles, o, 'v');
        if (!verify_number(v, count, MAX_REGS - 1)) {
            return false;
        }
        live = (uint32_t)count->value;
    }
    if (!plain_reads(v, in, roles, o)) {
        return false;
    }
    if ((flags & COLLECTS) && !verify_live(v, live)) {
        return false;
    }
    if ((flags & PUTS) && !v->s.building) {
        return verify_bad(v, "no binary is being built here");
    }
    if ((flags & LOSES)) {
        state_keep_x(v, live);
        if ((flags & RESULT) && o[0].value != 0 && !reg_set_result(v, in, operand_of_role(roles, o, 'd'))) {
            return false;
        }
    }
    if (!plain_labels(v, in, roles, o, flags)) {
        return false;
    }
    if (flags & COLLECTS) {
        state_keep_x(v, live);
    }
    if (!verify_heap_take(v, rows[in->generic].heap) || !plain_writes(v, roles, o)) {
        return false;
    }
    v->reachable = !(flags & ENDS);
    return true;
}

/* --- one instruction ------------------------------------------------------------------------------------------- */
/* What may stand between setelement/3 and set_tuple_element: nothing that can make anything younger. */
static bool keeps_fresh(unsigned generic)
{
    return generic == GEN_move || generic == GEN_swap || generic == GEN_get_tuple_element ||
           generic == GEN_set_tuple_element || generic == GEN_line;
}

/* The commonest: a constant or a plain term to an x register. False: the rules in full decide. */
static inline bool quick_move(Verifier *v, const Operand *o)
{
    uint64_t to = o[1].value;
    if (o[1].tag != OPERAND_X || to > v->s.nx || to >= MAX_REGS - 1 || v->x[0].kind > R_EITHER) {
        return false;
    }
    Reg r;
    if (o[0].tag == OPERAND_CONST) {
        r = reg_of_constant(o[0].value);
    } else {
        Reg *from = o[0].tag == OPERAND_X   ? (o[0].value < v->s.nx ? &v->x[o[0].value] : NULL)
                    : o[0].tag == OPERAND_Y ? (o[0].value < v->s.ny ? &v->y[o[0].value] : NULL)
                                            : NULL;
        if (!from || from->kind != R_TERM) {
            return false;
        }
        from->id = from->id ? from->id : v->next_id++;
        r = *from;
    }
    v->s.nx += to == v->s.nx;
    v->x[to] = r;
    return true;
}

bool verify_step(Verifier *v, Instruction *in)
{
    const Operand *o = v->operands + in->at;
    if (in->generic == GEN_move && quick_move(v, o)) {
        return true;
    }
    const VerifyRow *row = &rows[in->generic];
    if (!row->roles) {
        return verify_bad(v, "an instruction that is no longer in use");
    }
    v->saw_fragile = false;
    if (v->s.fresh && !keeps_fresh(in->generic)) {
        v->s.fresh = 0;
    }
    return row->flags & FLOW   ? verify_flow(v, in, o)
           : row->flags & DATA ? verify_data(v, in, o)
                               : verify_plain(v, in, o, row->flags);
}
