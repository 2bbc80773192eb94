/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the verifier over a function until nothing changes: forwards from the entry, and again from a label that a
 * jump back has made
 * weaker. Nearly all functions need one pass. Then the module: which arguments may be match contexts.
 */
#include "vm/load/verify_priv.h"
#include "vm/term/atom.h"

enum { PASSES_MAX = 100, ROUNDS_MAX = 1000 };

static Verifier *verifier_of(Loader *ld)
{
    if (!ld->verifier) {
        ld->verifier = vm_alloc(sizeof *ld->verifier);
        memset(ld->verifier, 0, offsetof(Verifier, x)); /* State says which registers count */
        ld->verifier->ld = ld;
        ld->verifier->labels = vm_calloc((size_t)ld->label_count * sizeof(VerifyLabel));
        ld->verifier->next_id = 1;
    }
    return ld->verifier;
}

void verify_free(Verifier *v)
{
    if (v) {
        state_forget_functions(v);
        vm_free(v->chunks);
        vm_free(v->labels);
        vm_free(v->functions.at);
        vm_free(v->passed.at);
        vm_free(v->sets.at);
        vm_free(v);
    }
}

/* The labels of the function. Those before func_info count as standing behind everything: nothing goes on from
 * there. */
static bool labels_note(Verifier *v, uint32_t header)
{
    Instruction *in = v->code;
    for (uint32_t i = 0, count = v->count; i < count; i++, in++) {
        if (in->generic != GEN_label) {
            continue;
        }
        const Operand *o = &v->operands[in->at];
        v->index = i;
        if (o->tag != OPERAND_NUMBER || o->value == 0 || o->value >= v->ld->label_count ||
            v->labels[o->value].function != 0) {
            return verify_bad(v, "label is bound twice or out of range");
        }
        v->labels[o->value] = (VerifyLabel){v->serial, i < header ? count : i, NULL};
        in->fix = i < header ? FIX_NO_FALL : 0;
    }
    return true;
}

bool verify_begins_handler(const Verifier *v, uint64_t label)
{
    if (label >= v->ld->label_count || v->labels[label].function != v->serial) {
        return false;
    }
    uint32_t i = v->labels[label].index + 1;
    while (i < v->count && v->code[i].generic == GEN_line) {
        i++;
    }
    return i < v->count && v->code[i].generic == GEN_try_case;
}

static bool pass_label(Verifier *v, Instruction *in, bool first)
{
    uint64_t label = v->operands[in->at].value;
    VerifyLabel *l = &v->labels[label];
    if (v->reachable && verify_begins_handler(v, label)) { /* behind a call of a function that never returns */
        in->fix = FIX_WALL;
        v->reachable = false;
    }
    if (!(in->fix & FIX_WALL)) {
        in->fix = v->reachable ? 0 : first ? in->fix : FIX_NO_FALL;
    }
    bool new = !l->at;
    if (v->reachable && !state_to_label(v, label)) {
        return false;
    }
    if (l->at) {
        if (!new || !v->reachable) {
            state_from_label(v, l->at);
        }
        v->s.since = v->s.since < v->index ? v->s.since : v->index;
        v->reachable = true;
    }
    return true;
}

static bool pass(Verifier *v, uint32_t from)
{
    v->reachable = false;
    v->again = UINT32_MAX;
    Instruction *in = &v->code[from];
    for (uint32_t i = from, count = v->count; i < count && !v->restart; i++, in++) {
        v->index = i;
        if (in->generic == GEN_label) {
            if (!pass_label(v, in, i == from)) {
                return false;
            }
        } else if (in->generic != GEN_line) {
            if (in->fix) {
                in->fix = 0;
            }
            if (!v->reachable) {
                in->fix = FIX_DEAD;
            } else if (!verify_step(v, in)) {
                return false;
            }
        }
    }
    if (v->reachable && !v->restart) {
        return verify_bad(v, "the code goes on behind the end of the function");
    }
    return true;
}

static void labels_forget_states(Verifier *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        if (v->code[i].generic == GEN_label) {
            v->labels[v->operands[v->code[i].at].value].at = NULL;
        }
    }
    state_forget_functions(v);
}

/* entry: the instruction that is the label of the function's entry. */
static bool passes(Verifier *v, uint32_t entry)
{
    uint32_t from = UINT32_MAX;
    for (int i = 0; i < PASSES_MAX && v->next_id < UINT32_MAX / 2; i++) { /* no number of a term is used twice */
        if (from == UINT32_MAX) {
            v->restart = false;
            state_entry(v, v->arity);
            v->index = 0; /* the entry is no jump back */
            if (!state_to_label(v, v->operands[v->code[entry].at].value)) {
                return false;
            }
            from = entry;
        }
        if (!pass(v, from)) {
            return false;
        }
        if (v->restart) {
            labels_forget_states(v);
            from = UINT32_MAX;
        } else if (v->again == UINT32_MAX) {
            return true;
        } else {
            from = v->again;
        }
    }
    return verify_bad(v, "too many jumps back");
}

/* function_clause: its labels are reached without a frame and with the arguments in place. */
static bool check_header(Verifier *v, uint32_t header)
{
    v->set_results = true; /* there is no further round in which they could be */
    for (uint32_t i = 0; i < header; i++) {
        if (v->code[i].generic != GEN_label) {
            continue;
        }
        const LabelState *at = v->labels[v->operands[v->code[i].at].value].at;
        v->index = header;
        if (!at) {
            continue;
        }
        state_from_label(v, at);
        if (v->s.frame != FRAME_NONE || v->s.nx < v->arity) {
            return verify_bad(v, "function_clause with a frame or without the arguments");
        }
        for (unsigned k = 0; k < v->arity; k++) {
            if (!reg_need_term(v, &v->x[k])) {
                return false;
            }
        }
    }
    return true;
}

static bool function_begin(Verifier *v, uint32_t *header, uint32_t *entry)
{
    uint32_t i = 0;
    while (i < v->count && v->code[i].generic != GEN_func_info) {
        i++;
    }
    *header = i++;
    while (i < v->count && v->code[i].generic == GEN_line) {
        i++;
    }
    *entry = i;
    v->index = *header;
    if (i >= v->count || v->code[i].generic != GEN_label) {
        return verify_bad(v, "function without an entry");
    }
    const Operand *o = &v->operands[v->code[*header].at];
    bool ok = o[0].tag == OPERAND_CONST && o[0].value == v->ld->name && o[1].tag == OPERAND_CONST &&
              is_atom(o[1].value) && o[2].tag == OPERAND_NUMBER && o[2].value <= 255;
    if (!ok) {
        return verify_bad(v, "func_info");
    }
    v->arity = (unsigned)o[2].value;
    VerifiedFunction f = {.name = o[1].value, .arity = v->arity};
    f.entry_label = (uint32_t)v->operands[v->code[i].at].value;
    VEC_PUSH(&v->functions, f);
    v->ld->place.function = f.name;
    v->ld->place.arity = f.arity;
    return true;
}

bool verify_function(Loader *ld, Instruction *code, uint32_t n, const Operand *operands)
{
    Verifier *v = verifier_of(ld);
    uint32_t header, entry;
    v->code = code;
    v->count = n;
    v->operands = operands;
    v->zero_frames = v->set_results = v->restart = false;
    v->next_id = 1;
    v->index = 0;
    if (!function_begin(v, &header, &entry)) {
        return false;
    }
    v->serial = (uint32_t)v->functions.count;
    v->chunk_bytes = 0;
    bool ok = labels_note(v, header) && passes(v, entry) && check_header(v, header);
    state_forget_functions(v);
    return ok;
}

/* --- match contexts as arguments ------------------------------------------------------------------------------- */
static bool has_bit(const uint64_t set[4], unsigned i)
{
    return set[i / 64] >> (i % 64) & 1;
}

/* One round: contexts arrive at the functions that are called. *more: at some for the first time. */
static bool pass_contexts(Verifier *v, bool *more)
{
    Loader *ld = v->ld;
    for (size_t i = 0; i < v->passed.count; i++) {
        const PassedOn *p = &v->passed.at[i];
        const VerifiedFunction *from = &v->functions.at[p->caller - 1];
        if (p->param != NO_PARAM && !has_bit(from->contexts, p->param)) {
            continue;
        }
        uint32_t serial = p->label < ld->label_count ? v->labels[p->label].function : 0;
        VerifiedFunction *to = serial ? &v->functions.at[serial - 1] : NULL;
        ld->place.function = from->name;
        ld->place.arity = from->arity;
        if (!to || to->entry_label != p->label || p->argument >= to->arity) {
            return load_fail(ld, "call to something else than a function of that arity");
        }
        if (has_bit(to->contexts, p->argument)) {
            continue;
        }
        if (has_bit(to->terms, p->argument) || native_find(ld->name, to->name, to->arity)) {
            return load_fail(ld, "a match context is passed to a function that takes a term");
        }
        to->contexts[p->argument / 64] |= UINT64_C(1) << (p->argument % 64);
        *more = true;
    }
    return true;
}

bool verify_module(Loader *ld)
{
    Verifier *v = ld->verifier;
    if (!v || !v->any_context) {
        return true;
    }
    ld->place.index = 0;
    ld->place.generic = GEN_func_info;
    for (int i = 0; i < ROUNDS_MAX; i++) {
        bool more = false;
        if (!pass_contexts(v, &more)) {
            return false;
        }
        if (!more) {
            return true;
        }
    }
    return load_fail(ld, "match contexts are passed on too often");
}
