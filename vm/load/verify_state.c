/* SPDX-License-Identifier: Apache-2.0 */
/* The verifier's registers, and how states meet at labels. What the kinds of a register mean stands in
 * verify_priv.h. */
#include "vm/load/verify_priv.h"

enum { CHUNK_BYTES = 32 << 10, MAX_LABEL_BYTES = 64 << 20, MAX_SETS = 1 << 20 };

bool verify_bad(Verifier *v, const char *why)
{
    v->ld->place.index = v->index;
    v->ld->place.generic = v->index < v->count ? v->code[v->index].generic : 0;
    return load_fail(v->ld, why);
}

/* --- memory for what labels keep: gone with the function ------------------------------------------------------- */
static void *chunk_alloc(Verifier *v, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    Chunk *c = v->chunks;
    if (!c || c->size - c->used < bytes) {
        size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        c = vm_alloc(sizeof *c + size);
        *c = (Chunk){.next = v->chunks, .size = size};
        v->chunks = c;
        v->chunk_bytes += size;
    }
    void *mem = c->mem + c->used;
    c->used += bytes;
    return mem;
}

/* Keeps one chunk for the next function. */
void state_forget_functions(Verifier *v)
{
    while (v->chunks && (v->chunks->next || v->chunks->size > CHUNK_BYTES)) {
        Chunk *next = v->chunks->next;
        vm_free(v->chunks);
        v->chunks = next;
    }
    if (v->chunks) {
        v->chunks->used = 0;
    }
    v->chunk_bytes = 0;
    v->sets.count = 0;
}

/* --- sets of handlers ------------------------------------------------------------------------------------------ */
static uint32_t set_put(Verifier *v, const uint32_t *labels, uint32_t n)
{
    for (uint32_t i = 0; i < v->sets.count; i += v->sets.at[i] + 1) {
        if (v->sets.at[i] == n && memcmp(&v->sets.at[i + 1], labels, n * sizeof *labels) == 0) {
            return i;
        }
    }
    uint32_t at = (uint32_t)v->sets.count;
    VEC_PUSH(&v->sets, n);
    for (uint32_t i = 0; i < n; i++) {
        VEC_PUSH(&v->sets, labels[i]);
    }
    return at;
}

uint32_t verify_set_of(Verifier *v, uint64_t label)
{
    uint32_t one = (uint32_t)label;
    return set_put(v, &one, 1);
}

static bool set_has(const Verifier *v, uint32_t set, uint32_t label)
{
    for (uint32_t i = 1; i <= v->sets.at[set]; i++) {
        if (v->sets.at[set + i] == label) {
            return true;
        }
    }
    return false;
}

/* Of at most 64 handlers: code that shares a place between more `try`s is not what compilers make. */
static bool set_union(Verifier *v, uint32_t a, uint32_t b, uint32_t *result)
{
    enum { HANDLERS_MAX = 64 };
    uint32_t labels[HANDLERS_MAX], n = 0;
    uint32_t from[2] = {a, b};
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 1; i <= v->sets.at[from[k]]; i++) {
            uint32_t label = v->sets.at[from[k] + i];
            if (k == 1 && set_has(v, a, label)) {
                continue;
            }
            if (n == HANDLERS_MAX || v->sets.count > MAX_SETS) {
                return verify_bad(v, "too many handlers for one catch");
            }
            uint32_t at = n++; /* ascending, so that equal sets are the same set */
            for (; at > 0 && labels[at - 1] > label; at--) {
                labels[at] = labels[at - 1];
            }
            labels[at] = label;
        }
    }
    *result = set_put(v, labels, n);
    return true;
}

/* --- registers ------------------------------------------------------------------------------------------------- */
static bool mark_term(Verifier *v, uint32_t param)
{
    VerifiedFunction *f = &v->functions.at[v->functions.count - 1];
    f->terms[param / 64] |= UINT64_C(1) << (param % 64);
    return true;
}

bool reg_need_term(Verifier *v, const Reg *r)
{
    switch (r->kind) {
    case R_TERM:
        break;
    case R_PARAM:
        mark_term(v, r->size);
        break;
    case R_NONE:
        /* Compilers that know all callers' types know of BIFs that will not fail, and that the register has a value. */
        if (!v->set_results) {
            v->set_results = v->restart = true;
            break;
        }
        return verify_bad(v, "a register without a value is read");
    case R_HIDDEN:
        return verify_bad(v, "a register without a value is read");
    case R_CONTEXT:
    case R_EITHER:
        return verify_bad(v, "a match context is used as a term");
    case R_CATCH:
        return verify_bad(v, "a catch is used as a term");
    default:
        return verify_bad(v, "x0 is used as a term before the end of its catch");
    }
    v->saw_fragile = v->saw_fragile || r->fragile;
    return true;
}

Reg *reg_at_slow(Verifier *v, const Operand *o)
{
    static const Reg none = {.bits = 0};
    if (o->tag == OPERAND_X) {
        if (o->value >= MAX_REGS - 1) {
            verify_bad(v, "x register out of range");
            return NULL;
        }
        while (v->s.nx <= o->value) {
            v->x[v->s.nx++] = none;
        }
        return &v->x[o->value];
    }
    if (o->tag != OPERAND_Y) {
        verify_bad(v, "a register is expected");
        return NULL;
    }
    if (o->value >= v->s.ny) {
        verify_bad(v, "y register outside the frame");
        return NULL;
    }
    return &v->y[o->value];
}

bool reg_read_slow(Verifier *v, const Operand *o)
{
    const Reg *r = reg_at(v, o);
    return r && reg_need_term(v, r);
}

bool reg_read_kept(Verifier *v, const Operand *o, uint32_t live)
{
    if (o->tag == OPERAND_X && o->value >= live) {
        return verify_bad(v, "an operand is not among the live registers");
    }
    return reg_read(v, o);
}

bool reg_read_context(Verifier *v, const Operand *o, bool or_term)
{
    if (o->tag == OPERAND_CONST && or_term) {
        return true;
    }
    Reg *r = reg_at(v, o);
    if (!r) {
        return false;
    }
    v->saw_fragile = v->saw_fragile || r->fragile;
    if (r->kind == R_CONTEXT || (or_term && (r->kind == R_PARAM || r->kind == R_EITHER))) {
        return true;
    }
    if (or_term) {
        return reg_need_term(v, r);
    }
    return verify_bad(v, "a match context is expected");
}

/* Behind a handler x1..x3 are what catch_end reads if x0 says so: anything but a term there makes x0 useless. */
static void x0_guard(Verifier *v, uint64_t x, Reg r)
{
    bool raised = v->s.nx > 0 && (v->x[0].kind == R_RAISED || v->x[0].kind == R_MAYBE_RAISED);
    if (raised && x >= 1 && x <= 3 && (r.kind != R_TERM || r.fragile)) {
        v->x[0].kind = R_NONE;
    }
}

bool reg_write_slow(Verifier *v, const Operand *o, Reg r)
{
    Reg *to = reg_at(v, o);
    if (!to) {
        return false;
    }
    if (o->tag == OPERAND_X) {
        x0_guard(v, o->value, r);
    } else {
        if (to->kind == R_CATCH) {
            return verify_bad(v, "a catch is overwritten");
        }
        v->s.y_none -= to->kind == R_NONE;
        v->s.y_none += r.kind == R_NONE;
        v->s.catches += r.kind == R_CATCH;
    }
    *to = r;
    return true;
}

bool reg_set_result(Verifier *v, Instruction *in, const Operand *to)
{
    if (!v->set_results) {
        return true;
    }
    const Reg *r = reg_at(v, to);
    if (!r || r->kind != R_NONE) {
        return r != NULL;
    }
    in->fix |= FIX_RESULT;
    return reg_write_term(v, to);
}

Reg reg_of_constant(Term t)
{
    Reg r = {.kind = R_TERM};
    if (is_cons(t)) {
        r.type = T_CONS;
    } else if (is_tuple(t)) {
        size_t n = tuple_arity(t);
        r.type = T_TUPLE;
        r.size = n < 1 << 23 ? (uint32_t)n : 0;
    } else if (is_map(t)) {
        r.type = T_MAP;
    }
    return r;
}

static bool is_typed(const Reg *r, RegType type, uint32_t size)
{
    return r->kind == R_TERM && r->type == type && (type != T_TUPLE || r->size >= size);
}

bool reg_is(Verifier *v, const Operand *o, RegType type, uint32_t size)
{
    if (o->tag == OPERAND_CONST) {
        Reg r = reg_of_constant(o->value);
        return is_typed(&r, type, size);
    }
    const Reg *r = reg_at(v, o);
    return r && is_typed(r, type, size);
}

static void refine_one(Reg *r, RegType type, uint32_t size)
{
    r->kind = R_TERM;
    r->type = (uint32_t)type & 7;
    r->size = size & 0xffffff;
}

void reg_refine(Verifier *v, const Operand *o, RegType type, uint32_t size)
{
    if (o->tag != OPERAND_X && o->tag != OPERAND_Y) {
        return;
    }
    Reg *r = reg_at(v, o);
    if (!r || is_typed(r, type, size)) {
        return;
    }
    Reg was = *r;
    refine_one(r, type, size);
    if (was.id == 0) {
        return;
    }
    Reg *all[2] = {v->x, v->y};
    uint32_t count[2] = {v->s.nx, v->s.ny};
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < count[k]; i++) {
            Reg *other = &all[k][i];
            if (other->id == was.id && other->kind == was.kind) {
                refine_one(other, type, size);
            }
        }
    }
}

/* --- what happens to many registers ---------------------------------------------------------------------------- */
void state_entry(Verifier *v, unsigned arity)
{
    memset(&v->s, 0, sizeof v->s);
    v->s.frame = FRAME_NONE;
    v->s.since = UINT32_MAX;
    v->s.nx = arity;
    for (unsigned i = 0; i < arity; i++) {
        v->x[i] = (Reg){.kind = R_PARAM, .size = i, .id = v->next_id++};
    }
}

void state_keep_x(Verifier *v, uint32_t live)
{
    v->s.nx = v->s.nx < live ? v->s.nx : live;
    v->s.heap = 0;
    v->s.fresh = 0;
    v->s.building = false;
}

void state_scheduled_out(Verifier *v)
{
    state_keep_x(v, 0);
    v->s.floats = 0;
}

bool state_frame_is_set(Verifier *v)
{
    return v->s.y_none == 0 || verify_bad(v, "a y register has no value where the collector may run");
}

bool state_no_catch(Verifier *v)
{
    return v->s.catches == 0 || verify_bad(v, "a catch is not ended");
}

bool state_drop_message(Verifier *v)
{
    if (!v->s.peeking) {
        return true;
    }
    for (uint32_t i = 0; i < v->s.ny; i++) {
        if (v->y[i].fragile) {
            return verify_bad(v, "a y register keeps part of a message that stays in the queue");
        }
    }
    for (uint32_t i = 0; i < v->s.nx; i++) {
        if (v->x[i].fragile) {
            v->x[i] = (Reg){.kind = R_NONE};
        }
    }
    v->s.peeking = false;
    return true;
}

/* They are few: a call of memcpy costs more. */
static inline void regs_copy(Reg *to, const Reg *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        to[i].bits = from[i].bits;
    }
}

/* --- labels ---------------------------------------------------------------------------------------------------- */
static LabelState *label_state_new(Verifier *v)
{
    uint32_t room = v->s.nx < 4 ? 4 : v->s.nx; /* join_raised may want x0..x3 */
    size_t bytes = sizeof(LabelState) + (room + v->s.ny) * sizeof(Reg);
    if (v->chunk_bytes + bytes > MAX_LABEL_BYTES) {
        verify_bad(v, "a function with too many labels and registers");
        return NULL;
    }
    LabelState *at = chunk_alloc(v, bytes);
    at->s = v->s;
    at->y_at = room;
    regs_copy(at->reg, v->x, v->s.nx);
    regs_copy(at->reg + at->y_at, v->y, v->s.ny);
    return at;
}

void state_from_label(Verifier *v, const LabelState *at)
{
    v->s = at->s;
    regs_copy(v->x, at->reg, at->s.nx);
    regs_copy(v->y, at->reg + at->y_at, at->s.ny);
}

static Reg none_reg(void)
{
    return (Reg){.kind = R_NONE};
}

static Reg join_terms(Reg a, Reg b)
{
    Reg r = {.kind = R_TERM};
    if (a.type == b.type) {
        r.type = a.type;
        r.size = a.size < b.size ? a.size : b.size;
    }
    return r;
}

/* Both have values, of different kinds or types; neither is a catch. */
static Reg join_values(Verifier *v, Reg a, Reg b)
{
    bool a_value = a.kind >= R_TERM && a.kind <= R_EITHER, b_value = b.kind >= R_TERM && b.kind <= R_EITHER;
    if (a.kind == R_TERM && b.kind == R_TERM) {
        return join_terms(a, b);
    }
    if (a_value && b_value) {
        if (a.kind == R_PARAM && b.kind == R_PARAM) { /* different ones */
            mark_term(v, a.size);
            mark_term(v, b.size);
            return (Reg){.kind = R_TERM};
        }
        if (a.kind == R_PARAM || b.kind == R_PARAM) {
            Reg param = a.kind == R_PARAM ? a : b, other = a.kind == R_PARAM ? b : a;
            return other.kind == R_TERM ? (Reg){.kind = R_PARAM, .size = param.size} : (Reg){.kind = R_EITHER};
        }
        return (Reg){.kind = R_EITHER};
    }
    if (a_value || b_value) { /* x0 behind a catch */
        Reg value = a_value ? a : b, other = a_value ? b : a;
        if (other.kind == R_HIDDEN || value.kind == R_CONTEXT || value.kind == R_EITHER) {
            return none_reg();
        }
        if (value.kind == R_PARAM) {
            mark_term(v, value.size);
        }
    } else if (a.kind == R_HIDDEN || b.kind == R_HIDDEN) {
        return none_reg();
    }
    return (Reg){.kind = R_MAYBE_RAISED};
}

static bool join_reg(Verifier *v, Reg a, Reg b, Reg *result)
{
    Reg r;
    if (a.kind == R_CATCH || b.kind == R_CATCH) {
        uint32_t set = a.size;
        if (a.kind != b.kind) {
            return verify_bad(v, "a catch that is there on one way only");
        }
        if (a.size != b.size && !set_union(v, a.size, b.size, &set)) {
            return false;
        }
        r = (Reg){.kind = R_CATCH};
        r.size = set & 0xffffff;
    } else if (a.kind == R_NONE || b.kind == R_NONE) {
        r = none_reg();
    } else if (a.kind == b.kind && a.type == b.type && a.size == b.size) {
        r = a;
    } else {
        r = join_values(v, a, b);
    }
    if (r.kind != R_NONE) {
        r.fragile = a.fragile | b.fragile;
        r.id = a.id == b.id ? a.id : 0;
    }
    *result = r;
    return true;
}

static bool is_raised(const Reg *x, uint32_t nx)
{
    return nx > 0 && (x[0].kind == R_RAISED || x[0].kind == R_MAYBE_RAISED);
}

/* x1..x3 stay good for catch_end when every way that has x0 = NONVALUE has them. */
static void join_raised(Verifier *v, const Reg *a, uint32_t na, Reg result[4])
{
    const Reg *from[2] = {a, v->x};
    uint32_t count[2] = {na, v->s.nx};
    for (int k = 0; k < 2; k++) {
        if (!is_raised(from[k], count[k])) {
            continue;
        }
        for (uint32_t i = 1; i <= 3; i++) {
            bool good = i < count[k] && (from[k][i].kind == R_TERM || from[k][i].kind == R_HIDDEN);
            if (!good) {
                result[0] = none_reg();
                return;
            }
        }
    }
    for (uint32_t i = 1; i <= 3; i++) {
        bool term = i < na && i < v->s.nx && a[i].kind == R_TERM && v->x[i].kind == R_TERM;
        if (!term) {
            result[i] = (Reg){.kind = R_HIDDEN};
        }
    }
}

static bool join_frames(Verifier *v, State *a)
{
    if (a->frame == v->s.frame) {
        return true;
    }
    if (a->catches || v->s.catches) {
        return verify_bad(v, "two frames at one label, within a catch");
    }
    if ((a->y_none || v->s.y_none) && !v->zero_frames) {
        v->zero_frames = v->restart = true;
    }
    a->frame = frame_mix(a->frame, v->s.frame);
    a->ny = (uint32_t)frame_registers(a->frame);
    return true;
}

/* Recounts what a State counts of its y registers. */
static void count_y(State *s, const Reg *y)
{
    s->y_none = s->catches = 0;
    for (uint32_t i = 0; i < s->ny; i++) {
        s->y_none += y[i].kind == R_NONE;
        s->catches += y[i].kind == R_CATCH;
    }
}

/* `at` says no more than `r` does. */
static inline bool is_weaker(Reg at, Reg r)
{
    if (at.id != 0 && at.id != r.id) {
        return false;
    }
    return at.fact == r.fact || (at.fact == R_NONE && r.kind != R_CATCH) ||
           (at.fact == R_TERM && r.kind == R_TERM && !r.fragile);
}

static bool join_regs(Verifier *v, Reg *at, const Reg *r, uint32_t from, uint32_t n, bool *changed)
{
    for (uint32_t i = from; i < n; i++) {
        if (is_weaker(at[i], r[i])) {
            continue;
        }
        Reg joined;
        if (!join_reg(v, at[i], r[i], &joined)) {
            return false;
        }
        *changed = *changed || joined.bits != at[i].bits;
        at[i] = joined;
    }
    return true;
}

/* x0..x3 where an exception may have arrived; nx may become 4. */
static bool join_low(Verifier *v, LabelState *at, uint32_t *nx, bool *changed)
{
    Reg low[4] = {none_reg(), none_reg(), none_reg(), none_reg()};
    for (uint32_t i = 0; i < *nx && i < 4; i++) {
        if (!join_reg(v, at->reg[i], v->x[i], &low[i])) {
            return false;
        }
    }
    if (low[0].kind != R_NONE) {
        join_raised(v, at->reg, at->s.nx, low);
        *nx = low[0].kind != R_NONE && *nx < 4 ? 4 : *nx;
    }
    for (uint32_t i = 0; i < *nx && i < 4; i++) {
        *changed = *changed || low[i].bits != at->reg[i].bits;
        at->reg[i] = low[i];
    }
    return true;
}

static bool is_equal(const State *a, const State *b)
{
    const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;
    uint64_t differ = 0;
    for (size_t i = 0; i < sizeof *a / sizeof *x; i++) {
        differ |= x[i] ^ y[i];
    }
    return differ == 0;
}

static void join_rest(Verifier *v, State *s)
{
    s->heap = s->heap < v->s.heap ? s->heap : v->s.heap;
    s->floats &= v->s.floats;
    s->fresh = s->fresh == v->s.fresh ? s->fresh : 0;
    s->building = s->building && v->s.building;
    s->peeking = s->peeking || v->s.peeking;
    s->since = s->since < v->s.since ? s->since : v->s.since;
}

/* Joins the current state into `at`; *changed: it has become weaker. */
static bool label_join(Verifier *v, LabelState *at, bool *changed)
{
    State *s = &at->s;
    const State old = *s;
    Reg *y = at->reg + at->y_at;
    bool y_changed = s->frame != v->s.frame;
    if (!join_frames(v, s)) {
        return false;
    }
    bool raised = s->nx > 0 && v->s.nx > 0 && (is_raised(at->reg, s->nx) || is_raised(v->x, v->s.nx));
    uint32_t nx = s->nx < v->s.nx ? s->nx : v->s.nx;
    if ((raised && !join_low(v, at, &nx, changed)) || !join_regs(v, at->reg, v->x, raised ? 4 : 0, nx, changed) ||
        !join_regs(v, y, v->y, 0, s->ny, &y_changed)) {
        return false;
    }
    s->nx = nx;
    join_rest(v, s);
    if (y_changed) {
        count_y(s, y);
    }
    *changed = *changed || y_changed || !is_equal(&old, s);
    return true;
}

bool state_to_label(Verifier *v, uint64_t label)
{
    if (label == 0 || label >= v->ld->label_count || v->labels[label].function != v->serial) {
        return verify_bad(v, "jump to a label that the function does not have");
    }
    VerifyLabel *l = &v->labels[label];
    bool changed = false;
    if (v->counted) {
        v->s.since = UINT32_MAX;
    } else if (l->index < v->index && l->index >= v->s.since) {
        return verify_bad(v, "a loop that charges no reduction");
    }
    if (!l->at) {
        if (!(l->at = label_state_new(v))) {
            return false;
        }
        changed = true;
    } else if (!label_join(v, l->at, &changed)) {
        return false;
    }
    if (changed && l->index <= v->index && l->index < v->again) {
        v->again = l->index;
    }
    return true;
}

bool state_raises(Verifier *v)
{
    if (v->s.y_none && !v->zero_frames) {
        v->zero_frames = v->restart = true;
    }
    if (!v->s.catches) {
        return true;
    }
    uint32_t i = 0;
    while (v->y[i].kind != R_CATCH) {
        i++;
    }
    State state = v->s;
    Reg x[4];
    memcpy(x, v->x, sizeof x);
    state_scheduled_out(v);
    v->s.peeking = false;
    v->s.nx = 4;
    v->x[0] = (Reg){.kind = R_RAISED};
    v->x[1] = v->x[2] = v->x[3] = (Reg){.kind = R_TERM};
    bool ok = true;
    v->counted = true; /* raising does */
    uint32_t set = v->y[i].size;
    for (uint32_t k = 1; ok && k <= v->sets.at[set]; k++) {
        ok = state_to_label(v, v->sets.at[set + k]);
    }
    v->counted = false;
    v->s = state;
    memcpy(v->x, x, sizeof x);
    return ok;
}
