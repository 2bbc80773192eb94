/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine that runs compiled match specifications. It looks at subjects where they lie (in a table, under its
 * lock) and copies to the process's heap only what gets into the result. A failing function ends a guard; in a body
 * its value is 'EXIT'.
 */
#include "vm/ets/match_priv.h"

#include "vm/bif/native.h"
#include "vm/plat.h"
#include "vm/term/compare.h"
#include "vm/term/map.h"
#include "vm/term/number.h"
#include "vm/term/print.h"
#include "vm/vm.h"

MatchActions match_actions;
uint32_t match_trace_control_word;

void match_start(MatchRun *r, Proc *p, const MatchProg *prog, bool copy)
{
    r->p = p;
    r->prog = prog;
    r->copy = copy;
    r->dry = false;
    r->flags = 0;
    r->message = A_true;
    size_t need = prog->slot_count + prog->stack_max + 1;
    r->slots = need <= sizeof r->space / sizeof *r->space ? r->space : vm_alloc(need * sizeof(Term));
    r->stack = r->slots + prog->slot_count;
}

void match_end(MatchRun *r)
{
    if (r->slots != r->space) {
        vm_free(r->slots);
    }
}

static Term copy_term(MatchRun *r, Term t) { return is_immed(t) ? t : heap_copy(r->p, t); }
static Term copy_part(MatchRun *r, Term t) { return r->copy ? copy_term(r, t) : t; }

/* --- heads ------------------------------------------------------------------------------------------- */

static bool run_head(MatchRun *r, const MatchInstr *in, const MatchInstr *end)
{
    Term *slot = r->slots, *s = r->stack; /* *s: top */
    *s = r->subject;
    for (; in < end; in++) {
        Term t = *s, v;
        switch ((MatchOp)in->op) {
        case M_HEAD_ANY:
        case M_HEAD_DONE:
            s--;
            break;
        case M_HEAD_BIND:
            slot[in->n] = t;
            s--;
            break;
        case M_HEAD_SAME:
            if (!term_identical(t, slot[in->n])) {
                return false;
            }
            s--;
            break;
        case M_HEAD_IS:
            if (!term_identical(t, in->t)) {
                return false;
            }
            s--;
            break;
        case M_HEAD_CONS:
            if (!is_cons(t)) {
                return false;
            }
            s[0] = cons_tail(t);
            *++s = cons_head(t);
            break;
        case M_HEAD_TUPLE:
            if (!is_tuple_arity(t, in->n)) {
                return false;
            }
            break;
        case M_HEAD_ELEMENT:
            *++s = tuple_elements(t)[in->n];
            break;
        case M_HEAD_EL_BIND:
            slot[in->n] = tuple_elements(t)[in->t];
            break;
        case M_HEAD_EL_SAME:
            if (!term_identical(tuple_elements(t)[in->t], slot[in->n])) {
                return false;
            }
            break;
        case M_HEAD_EL_IS:
            if (!term_identical(tuple_elements(t)[in->n], in->t)) {
                return false;
            }
            break;
        case M_HEAD_MAP:
            if (!is_map(t) || map_size(t) < in->n) {
                return false;
            }
            break;
        case M_HEAD_MAP_VALUE:
            v = map_get(t, in->t);
            if (v == NONVALUE) {
                return false;
            }
            *++s = v;
            break;
        default:
            return false; /* M_HEAD_NEVER */
        }
    }
    return true;
}

/* --- expressions -------------------------------------------------------------------------------------------- */

/* A failed function may have left an exception in p: it is ours. */
static void forget_fault(Proc *p)
{
    p->fault_class = FAULT_NONE;
    p->fault_reason = NIL;
    p->fault_args = NONVALUE;
    p->fault_cause = NONVALUE;
}

static Term push_all(MatchRun *r, const uint32_t *order, size_t n)
{
    Term list = NIL;
    Term *hp = heap_alloc(r->p, 2 * n);
    for (size_t i = n; i > 0; i--) {
        list = heap_cons(&hp, copy_part(r, r->slots[order[i - 1]]), list);
    }
    return list;
}

static Term fold_booleans(const Term *a, size_t n, bool all)
{
    bool v = all;
    for (size_t i = 0; i < n; i++) {
        if (!is_boolean(a[i])) {
            return NONVALUE;
        }
        bool b = a[i] == A_true;
        v = all ? v && b : v || b;
    }
    return make_boolean(v);
}

static Term run_native(MatchRun *r, const NativeRow *row, const Term *args)
{
    Term copy[4]; /* natives may overwrite their arguments */
    memcpy(copy, args, row->arity * sizeof(Term));
    return row->fn(r->p, copy);
}

static void display(Term t)
{
    size_t n = term_print(t, NULL, 0);
    char *text = vm_alloc(n + 2);
    term_print(t, text, n + 1);
    text[n] = '\n';
    plat_log(text, n + 1);
    vm_free(text);
}

static Term control_word_set(Term t, bool dry)
{
    uint64_t v;
    if (!is_integer(t) || !integer_to_uint64(t, &v) || v > UINT32_MAX) {
        return NONVALUE;
    }
    uint32_t old = __atomic_load_n(&match_trace_control_word, __ATOMIC_RELAXED);
    return make_small(dry ? old : __atomic_exchange_n(&match_trace_control_word, (uint32_t)v, __ATOMIC_RELAXED));
}

static Term run_action(MatchRun *r, MatchAction action, unsigned n, const Term *args)
{
    const MatchActions *m = &match_actions;
    Term (*fn)(Proc *, unsigned, const Term *, bool) = NULL;
    switch (action) {
    case ACTION_GET_TCW:
        return make_small(__atomic_load_n(&match_trace_control_word, __ATOMIC_RELAXED));
    case ACTION_SET_TCW:
        return control_word_set(args[0], r->dry);
    case ACTION_TRACE:
        fn = m->trace;
        break;
    case ACTION_ENABLE:
        fn = m->enable_trace;
        break;
    case ACTION_DISABLE:
        fn = m->disable_trace;
        break;
    case ACTION_SILENT:
        fn = m->silent;
        break;
    case ACTION_SET_SEQ_TOKEN:
        fn = m->set_seq_token;
        break;
    case ACTION_PROCESS_DUMP:
        fn = m->process_dump;
        break;
    case ACTION_CALLER:
        fn = m->caller;
        break;
    case ACTION_CALLER_LINE:
        fn = m->caller_line;
        break;
    }
    return fn ? fn(r->p, n, args, r->dry) : NONVALUE;
}

/* Arguments lie last to first. */
static void turn(Term *a, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++, n--) {
        Term t = a[i];
        a[i] = a[n - 1];
        a[n - 1] = t;
    }
}

/* The value of one instruction with its operands at `a`. NONVALUE: it failed. */
static Term run_value(MatchRun *r, const MatchInstr *in, Term *a)
{
    switch ((MatchOp)in->op) {
    case M_PUSH:
        return in->t;
    case M_PUSH_COPY:
        return copy_term(r, in->t);
    case M_PUSH_SLOT:
        return r->slots[in->n];
    case M_PUSH_SLOT_COPY:
        return copy_part(r, r->slots[in->n]);
    case M_PUSH_SUBJECT:
        return r->subject;
    case M_PUSH_SUBJECT_COPY:
        return copy_part(r, r->subject);
    case M_PUSH_ALL:
    case M_PUSH_ALL_COPY:
        return push_all(r, r->prog->order + in->t, in->n);
    case M_CONS:
        return heap_cons_on(r->p, a[0], a[1]);
    case M_TUPLE:
        turn(a, in->n);
        return heap_tuple(r->p, in->n, a);
    case M_MAP:
        turn(a, 2 * (size_t)in->n);
        return map_from_pairs(r->p, a, in->n);
    case M_CALL:
        turn(a, in->n);
        return ((const MatchFunction *)(uintptr_t)in->t)->fn(r->p, a);
    case M_NATIVE:
        turn(a, in->n);
        return run_native(r, (const NativeRow *)(uintptr_t)in->t, a);
    case M_COPY:
        return copy_term(r, a[0]);
    case M_AND:
    case M_OR:
        return fold_booleans(a, in->n, in->op == M_AND);
    case M_ACTION:
        turn(a, in->n);
        return run_action(r, (MatchAction)in->t, in->n, a);
    case M_RETURN_TRACE:
        r->flags |= MATCH_RETURN_TRACE;
        return A_true;
    case M_EXCEPTION_TRACE:
        r->flags |= MATCH_EXCEPTION_TRACE;
        return A_true;
    case M_MESSAGE:
        r->message = a[0];
        return A_true;
    case M_DISPLAY:
        display(a[0]);
        return A_true;
    case M_IS_SEQ_TRACE:
        return make_boolean(is_tuple(r->p->seq_token));
    case M_GET_SEQ_TOKEN:
        return is_tuple(r->p->seq_token) ? r->p->seq_token : NIL;
    default:
        vm_panic("match: instruction %u", in->op);
    }
}

static size_t operand_count(const MatchInstr *in)
{
    switch ((MatchOp)in->op) {
    case M_CONS:
        return 2;
    case M_TUPLE:
    case M_CALL:
    case M_NATIVE:
    case M_AND:
    case M_OR:
    case M_ACTION:
        return in->n;
    case M_MAP:
        return 2 * (size_t)in->n;
    case M_COPY:
    case M_MESSAGE:
    case M_DISPLAY:
        return 1;
    default:
        return 0;
    }
}

/* True when all is evaluated; *result: what RETURN got. False: a guard failed. */
static bool run_exprs(MatchRun *r, const MatchInstr *in, const MatchInstr *end, bool in_body, Term *result)
{
    Term *s = r->stack; /* next free */
    while (in < end) {
        switch ((MatchOp)in->op) {
        case M_DROP:
            s--;
            in++;
            continue;
        case M_GUARD:
            if (*--s != A_true) {
                return false;
            }
            in++;
            continue;
        case M_RETURN:
            *result = *--s;
            return true;
        case M_RETURN_TRUE:
            *result = r->message;
            return true;
        case M_AND_JUMP:
        case M_OR_JUMP: {
            Term stop = in->op == M_AND_JUMP ? A_false : A_true;
            if (is_boolean(s[-1]) && s[-1] != stop) {
                s--;
                in++;
                continue;
            }
            if (!is_boolean(s[-1])) {
                if (!in_body) {
                    return false;
                }
                s[-1] = A_EXIT;
            }
            in = r->prog->code + in->n;
            continue;
        }
        default:
            break;
        }
        s -= operand_count(in);
        Term v = run_value(r, in, s);
        if (v == NONVALUE) {
            forget_fault(r->p);
            if (!in_body) {
                return false;
            }
            v = A_EXIT;
        }
        *s++ = v;
        in++;
    }
    return true;
}

Term match_run(MatchRun *r, Term subject)
{
    const MatchProg *m = r->prog;
    r->subject = subject;
    for (size_t i = 0; i < m->clause_count; i++) {
        const MatchClause *k = &m->clauses[i];
        const MatchInstr *body_end = m->code + (i + 1 < m->clause_count ? m->clauses[i + 1].head : m->code_count);
        Term result = A_true;
        if (run_head(r, m->code + k->head, m->code + k->guard) &&
            run_exprs(r, m->code + k->guard, m->code + k->body, false, &result)) {
            r->flags = 0;
            r->message = A_true;
            run_exprs(r, m->code + k->body, body_end, true, &result);
            return result;
        }
    }
    return NONVALUE;
}
