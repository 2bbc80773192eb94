/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a match specification to a program. The compiler keeps a list of what is still to be done, so that deep and long
 * terms cost memory, not C stack. After an error it goes on with the same clause, to report what else is wrong.
 */
#include "vm/ets/match_priv.h"

#include "lib/cstd.h"
#include "vm/bif/native.h"
#include "vm/term/compare.h"
#include "vm/term/map.h"
#include "vm/term/print.h"
#include "vm/vm.h"

/* Whether the value of an expression goes into the result (then it must lie on the process's heap) or is only looked
 * at. */
typedef enum { USE_LOOK, USE_RESULT } Use;

typedef enum { W_PATTERN, W_ELEMENT, W_EXPR, W_EMIT, W_LABEL } WorkKind;
typedef struct Work {
    WorkKind kind;
    uint32_t op; /* W_EMIT: MatchOp; W_EXPR: Use */
    uint32_t n;
    Term t;
} Work;

typedef struct Variable {
    int64_t number;
    uint32_t slot;
} Variable;

typedef struct Compiler {
    Proc *p;
    MatchProg *m;
    bool in_guard;
    Work *work;
    size_t work_count, work_capacity;
    Variable *vars;
    size_t var_count, var_capacity;
    uint32_t *labels; /* label -> address */
    size_t label_count, label_capacity;
    size_t depth;
    Term errors; /* list of {error, String}, last first */
    bool failed, wants_errors;
} Compiler;

enum { ERROR_TEXT_MAX = 4096, GROUND_CHECK_DEPTH = 3 };

/* --- tests on terms --------------------------------------------------------------------------------- */

int64_t match_variable(Term t)
{
    if (!is_atom(t)) {
        return -1;
    }
    size_t n;
    const uint8_t *s = atom_text(t, &n);
    if (n < 2 || n > 10 || s[0] != '$' || (s[1] == '0' && n > 2)) {
        return -1;
    }
    int64_t v = 0;
    for (size_t i = 1; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return -1;
        }
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

/* --- errors -------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void error_add(Compiler *c, const char *format, ...)
{
    c->failed = true;
    if (!c->wants_errors) {
        return;
    }
    char text[ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    enum { SHOWN = 99 }; /* as much as OTP shows */
    size_t bytes = n < 0 ? 0 : n < SHOWN ? (size_t)n : SHOWN;
    Term string = heap_string(c->p, (const uint8_t *)text, bytes);
    c->errors = heap_cons_on(c->p, heap_tuple2(c->p, A_error, string), c->errors);
}

/* format has one %s: t as text. */
__attribute__((format(printf, 2, 0))) static void error_add_term(Compiler *c, const char *format, const char *what,
        Term t)
{
    c->failed = true;
    if (!c->wants_errors) {
        return;
    }
    size_t n = term_print(t, NULL, 0) + 1;
    char *text = vm_alloc(n);
    term_print(t, text, n);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    error_add(c, format, what, text);
#pragma GCC diagnostic pop
    vm_free(text);
}

static void error_special(Compiler *c, const char *name, const char *why, Term t)
{
    if (t == NONVALUE) {
        error_add(c, "Special form '%s' %s.", name, why);
        return;
    }
    char format[96];
    snprintf(format, sizeof format, "Special form '%%s' %s %%s.", why);
    error_add_term(c, format, name, t);
}

static void error_function(Compiler *c, Term name, size_t arity, const char *why)
{
    char text[ATOM_MAX_BYTES * 2];
    term_print(name, text, sizeof text);
    error_add(c, "Function %s/%zu %s.", text, arity, why);
}

/* --- emitting --------------------------------------------------------------------------------------------- */

static int op_effect(uint32_t op, uint32_t n)
{
    switch (op) {
    case M_HEAD_ANY:
    case M_HEAD_BIND:
    case M_HEAD_SAME:
    case M_HEAD_IS:
    case M_HEAD_DONE:
    case M_HEAD_NEVER:
    case M_CONS:
    case M_AND_JUMP:
    case M_OR_JUMP:
    case M_DROP:
    case M_GUARD:
    case M_RETURN:
        return -1;
    case M_HEAD_CONS:
    case M_HEAD_ELEMENT:
    case M_HEAD_MAP_VALUE:
    case M_PUSH:
    case M_PUSH_COPY:
    case M_PUSH_SLOT:
    case M_PUSH_SLOT_COPY:
    case M_PUSH_SUBJECT:
    case M_PUSH_SUBJECT_COPY:
    case M_PUSH_ALL:
    case M_PUSH_ALL_COPY:
    case M_RETURN_TRACE:
    case M_EXCEPTION_TRACE:
    case M_IS_SEQ_TRACE:
    case M_GET_SEQ_TOKEN:
        return 1;
    case M_TUPLE:
    case M_CALL:
    case M_NATIVE:
    case M_AND:
    case M_OR:
    case M_ACTION:
        return 1 - (int)n;
    case M_MAP:
        return 1 - 2 * (int)n;
    default:
        return 0;
    }
}

static uint32_t emit(Compiler *c, uint32_t op, uint32_t n, Term t)
{
    MatchProg *m = c->m;
    if (m->code_count == m->code_capacity) {
        m->code_capacity = m->code_capacity ? m->code_capacity * 2 : 16;
        m->code = vm_realloc(m->code, m->code_capacity * sizeof *m->code);
    }
    m->code[m->code_count] = (MatchInstr){op, n, t};
    c->depth += (size_t)op_effect(op, n);
    if (c->depth > m->stack_max) {
        m->stack_max = c->depth;
    }
    return (uint32_t)m->code_count++;
}

static void work_add(Compiler *c, WorkKind kind, uint32_t op, uint32_t n, Term t)
{
    if (c->work_count == c->work_capacity) {
        c->work_capacity = c->work_capacity ? c->work_capacity * 2 : 32;
        c->work = vm_realloc(c->work, c->work_capacity * sizeof *c->work);
    }
    c->work[c->work_count++] = (Work){kind, op, n, t};
}

/* --- heads ------------------------------------------------------------------------------------------------ */

static bool variable_find(const Compiler *c, int64_t number, uint32_t *slot)
{
    for (size_t i = 0; i < c->var_count; i++) {
        if (c->vars[i].number == number) {
            *slot = c->vars[i].slot;
            return true;
        }
    }
    return false;
}

/* Sets *slot; true when it is the variable's first occurrence. */
static bool variable_bind(Compiler *c, int64_t number, uint32_t *slot)
{
    if (variable_find(c, number, slot)) {
        return false;
    }
    if (c->var_count == c->var_capacity) {
        c->var_capacity = c->var_capacity ? c->var_capacity * 2 : 16;
        c->vars = vm_realloc(c->vars, c->var_capacity * sizeof *c->vars);
    }
    *slot = (uint32_t)c->var_count;
    c->vars[c->var_count++] = (Variable){number, *slot};
    if (c->var_count > c->m->slot_count) {
        c->m->slot_count = c->var_count;
    }
    return true;
}

static bool is_compound(Term t) { return is_cons(t) || is_tuple(t) || is_map(t); }

static void pattern_map(Compiler *c, Term map, uint32_t level)
{
    emit(c, M_HEAD_MAP, (uint32_t)map_size(map), NIL);
    work_add(c, W_EMIT, M_HEAD_DONE, 0, NIL);
    MapIter it;
    Term key, value;
    map_iter_init(&it, map);
    while (map_iter_next(&it, &key, &value)) {
        if (match_variable(key) >= 0) {
            error_add(c, "Variable found in map key.");
        } else if (key == A_underscore) {
            error_add(c, "Underscore found in map key.");
        }
        work_add(c, W_PATTERN, level + 1, 0, value);
        work_add(c, W_EMIT, M_HEAD_MAP_VALUE, 0, key);
    }
}

/* Consumes the top of the stack. `level`: how deep in the head. */
static void pattern_term(Compiler *c, Term t, uint32_t level)
{
    uint32_t slot;
    int64_t v = match_variable(t);
    if (v >= 0) {
        bool first = variable_bind(c, v, &slot);
        emit(c, first ? M_HEAD_BIND : M_HEAD_SAME, slot, NIL);
    } else if (t == A_underscore) {
        emit(c, M_HEAD_ANY, 0, NIL);
    } else if (!is_compound(t) || (level < GROUND_CHECK_DEPTH && match_is_ground(t))) {
        emit(c, M_HEAD_IS, 0, t);
    } else if (is_map(t)) {
        pattern_map(c, t, level);
    } else if (is_cons(t)) {
        emit(c, M_HEAD_CONS, 0, NIL);
        work_add(c, W_PATTERN, level, 0, cons_tail(t));
        work_add(c, W_PATTERN, level + 1, 0, cons_head(t));
    } else {
        size_t n = tuple_arity(t);
        emit(c, M_HEAD_TUPLE, (uint32_t)n, NIL);
        work_add(c, W_EMIT, M_HEAD_DONE, 0, NIL);
        for (size_t i = n; i > 0; i--) {
            if (tuple_elements(t)[i - 1] != A_underscore) {
                work_add(c, W_ELEMENT, level + 1, (uint32_t)(i - 1), tuple_elements(t)[i - 1]);
            }
        }
    }
}

/* Element n of the tuple on top. */
static void pattern_element(Compiler *c, Term t, uint32_t n, uint32_t level)
{
    uint32_t slot;
    int64_t v = match_variable(t);
    if (v >= 0) {
        bool first = variable_bind(c, v, &slot);
        emit(c, first ? M_HEAD_EL_BIND : M_HEAD_EL_SAME, slot, n);
    } else if (!is_compound(t) || (level < GROUND_CHECK_DEPTH && match_is_ground(t))) {
        emit(c, M_HEAD_EL_IS, n, t);
    } else {
        emit(c, M_HEAD_ELEMENT, n, NIL);
        pattern_term(c, t, level);
    }
}

/* --- expressions --------------------------------------------------------------------------------------------- */

static void expr_push(Compiler *c, Use use, uint32_t op, uint32_t n, Term t)
{
    emit(c, use == USE_RESULT ? op + 1 : op, n, t); /* each push is followed by its copying form */
}

static void expr_constant(Compiler *c, Use use, Term t)
{
    expr_push(c, is_immed(t) ? USE_LOOK : use, M_PUSH, 0, t);
}

static void expr_atom(Compiler *c, Use use, Term t)
{
    uint32_t slot;
    int64_t v = match_variable(t);
    if (v >= 0) {
        if (variable_find(c, v, &slot)) {
            expr_push(c, use, M_PUSH_SLOT, slot, NIL);
            return;
        }
        error_add(c, "Variable $%lld is unbound.", (long long)v);
        emit(c, M_PUSH, 0, NIL);
    } else if (t == A_dollar_underscore) {
        expr_push(c, use, M_PUSH_SUBJECT, 0, NIL);
    } else if (t == A_dollar_dollar) {
        expr_push(c, USE_RESULT, M_PUSH_ALL, (uint32_t)c->var_count, c->m->order_count);
    } else {
        expr_constant(c, use, t);
    }
}

/* Arguments are evaluated from the last to the first, as in OTP (the order of errors shows it): so they lie on the
 * stack. */
static void expr_args(Compiler *c, Use use, const Term *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        work_add(c, W_EXPR, use, 0, args[i]);
    }
}

static void expr_map(Compiler *c, Term map)
{
    work_add(c, W_EMIT, M_MAP, (uint32_t)map_size(map), NIL);
    MapIter it;
    Term key, value;
    map_iter_init(&it, map);
    while (map_iter_next(&it, &key, &value)) {
        work_add(c, W_EXPR, USE_RESULT, 0, key);
        work_add(c, W_EXPR, USE_RESULT, 0, value);
    }
}

static uint32_t label_new(Compiler *c)
{
    if (c->label_count == c->label_capacity) {
        c->label_capacity = c->label_capacity ? c->label_capacity * 2 : 8;
        c->labels = vm_realloc(c->labels, c->label_capacity * sizeof *c->labels);
    }
    return (uint32_t)c->label_count++;
}

/* and, or, andalso, orelse: t = {Op, Arg...}. */
static bool expr_boolean(Compiler *c, Use use, Term op, Term t)
{
    const char *name = op == A_and ? "and" : op == A_or ? "or" : op == A_andalso ? "andalso" : op == A_orelse
        ? "orelse" : NULL;
    if (!name) {
        return false;
    }
    size_t n = tuple_arity(t) - 1;
    const Term *args = tuple_elements(t) + 1;
    if (n == 0) {
        error_special(c, name, "called without arguments in", t);
        emit(c, M_PUSH, 0, NIL);
    } else if (op == A_and || op == A_or) {
        work_add(c, W_EMIT, op == A_and ? M_AND : M_OR, (uint32_t)n, NIL);
        expr_args(c, USE_LOOK, args, n);
    } else {
        uint32_t label = label_new(c);
        work_add(c, W_LABEL, 0, label, NIL);
        work_add(c, W_EXPR, use, 0, args[n - 1]);
        for (size_t i = n - 1; i > 0; i--) {
            work_add(c, W_EMIT, op == A_andalso ? M_AND_JUMP : M_OR_JUMP, label, NIL);
            work_add(c, W_EXPR, USE_LOOK, 0, args[i - 1]);
        }
    }
    return true;
}

/* What traces may do, and what is a special form elsewhere too. */
typedef struct Special {
    Term name;
    const char *text, *error_text; /* the name in messages about arity, and about dialect and guards */
    unsigned arity_min, arity_max;
    bool in_guard, in_table;
    uint32_t op;
    Term t;
} Special;

static const Special specials[] = {
    {A_self, "self", "self", 0, 0, true, true, M_ACTION, 0}, /* handled by name: a call */
    {A_is_seq_trace, "is_seq_trace", "is_seq_trace", 0, 0, true, false, M_IS_SEQ_TRACE, 0},
    {A_get_seq_token, "get_seq_token", "get_seq_token", 0, 0, false, false, M_GET_SEQ_TOKEN, 0},
    {A_set_seq_token, "set_seq_token", "set_seq_trace", 2, 2, false, false, M_ACTION, ACTION_SET_SEQ_TOKEN},
    {A_return_trace, "return_trace", "return_trace", 0, 0, false, false, M_RETURN_TRACE, 0},
    {A_exception_trace, "exception_trace", "exception_trace", 0, 0, false, false, M_EXCEPTION_TRACE, 0},
    {A_message, "message", "message", 1, 1, false, false, M_MESSAGE, 0},
    {A_display, "display", "display", 1, 1, false, false, M_DISPLAY, 0},
    {A_process_dump, "process_dump", "process_dump", 0, 0, false, false, M_ACTION, ACTION_PROCESS_DUMP},
    {A_caller, "caller", "caller", 0, 0, false, false, M_ACTION, ACTION_CALLER},
    {A_caller_line, "caller_line", "caller_line", 0, 0, false, false, M_ACTION, ACTION_CALLER_LINE},
    {A_silent, "silent", "silent", 1, 1, false, false, M_ACTION, ACTION_SILENT},
    {A_trace, "trace", "trace", 2, 3, false, false, M_ACTION, ACTION_TRACE},
    {A_enable_trace, "enable_trace", "enable_trace", 1, 2, false, false, M_ACTION, ACTION_ENABLE},
    {A_disable_trace, "disable_trace", "disable_trace", 1, 2, false, false, M_ACTION, ACTION_DISABLE},
};

static bool special_allowed(Compiler *c, const Special *s, size_t n, Term t)
{
    if (!s->in_table && c->m->dialect != MATCH_TRACE) {
        error_special(c, s->error_text, "used in wrong dialect", NONVALUE);
    } else if (!s->in_guard && c->in_guard) {
        error_special(c, s->error_text, "called in guard context", NONVALUE);
    } else if (n < s->arity_min || n > s->arity_max) {
        error_special(c, s->text, s->arity_max == 0 ? "called with arguments in"
            : "called with wrong number of arguments in",
                      t);
    } else {
        return true;
    }
    return false;
}

static bool expr_special(Compiler *c, Term name, Term t)
{
    const Special *s = NULL;
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        if (specials[i].name == name) {
            s = &specials[i];
        }
    }
    if (!s) {
        return false;
    }
    size_t n = tuple_arity(t) - 1;
    if (!special_allowed(c, s, n, t)) {
        emit(c, M_PUSH, 0, NIL);
    } else if (name == A_self) {
        emit(c, M_CALL, 0, (Term)(uintptr_t)match_function(A_self, 0));
    } else {
        work_add(c, W_EMIT, s->op, (uint32_t)n, s->t);
        expr_args(c, USE_RESULT, tuple_elements(t) + 1, n);
    }
    return true;
}

/* get_tcw, set_tcw: functions to the error messages, but of traces only. */
static bool expr_control_word(Compiler *c, Term name, size_t n, const Term *args)
{
    bool set = name == A_set_tcw && n == 1;
    if (!set && !(name == A_get_tcw && n == 0)) {
        return false;
    }
    if (c->m->dialect != MATCH_TRACE || (set && c->in_guard)) {
        error_function(c, name, n, "cannot be called in this context");
        emit(c, M_PUSH, 0, NIL);
    } else {
        work_add(c, W_EMIT, M_ACTION, (uint32_t)n, set ? ACTION_SET_TCW : ACTION_GET_TCW);
        expr_args(c, USE_RESULT, args, n);
    }
    return true;
}

static void expr_function(Compiler *c, Use use, Term name, Term t)
{
    size_t n = tuple_arity(t) - 1;
    const Term *args = tuple_elements(t) + 1;
    if (expr_control_word(c, name, n, args)) {
        return;
    }
    const MatchFunction *f = match_function(name, (unsigned)n);
    const NativeRow *native = f && !f->fn ? native_find(A_erlang, name, (unsigned)n) : NULL;
    if (!f || (!f->fn && !native)) {
        error_function(c, name, n, "does_not_exist");
        emit(c, M_PUSH, 0, NIL);
        return;
    }
    if (use == USE_RESULT && f->gives_parts) {
        work_add(c, W_EMIT, M_COPY, 0, NIL);
    }
    if (native) {
        work_add(c, W_EMIT, M_NATIVE, (uint32_t)n, (Term)(uintptr_t)native);
    } else {
        work_add(c, W_EMIT, M_CALL, (uint32_t)n, (Term)(uintptr_t)f);
    }
    expr_args(c, USE_LOOK, args, n);
}

static void expr_tuple(Compiler *c, Use use, Term t)
{
    size_t n = tuple_arity(t);
    Term name = n > 0 ? tuple_elements(t)[0] : NONVALUE;
    if (n == 1 && is_tuple(name)) { /* {{...}}: a tuple */
        work_add(c, W_EMIT, M_TUPLE, (uint32_t)tuple_arity(name), NIL);
        expr_args(c, USE_RESULT, tuple_elements(name), tuple_arity(name));
    } else if (n == 0 || !is_atom(name)) {
        error_add_term(c, "%s%s is neither a function call, nor a tuple (tuples are written {{ ... }}).", "", t);
        emit(c, M_PUSH, 0, NIL);
    } else if (name == A_const) {
        if (n != 2) {
            error_special(c, "const", "called with more than one argument in", t);
            emit(c, M_PUSH, 0, NIL);
        } else {
            expr_constant(c, use, tuple_elements(t)[1]);
        }
    } else if (!expr_boolean(c, use, name, t) && !expr_special(c, name, t)) {
        expr_function(c, use, name, t);
    }
}

static void expr_term(Compiler *c, Use use, Term t)
{
    if (is_atom(t)) {
        expr_atom(c, use, t);
    } else if (is_tuple(t)) {
        expr_tuple(c, use, t);
    } else if (is_cons(t)) {
        work_add(c, W_EMIT, M_CONS, 0, NIL);
        work_add(c, W_EXPR, USE_RESULT, 0, cons_tail(t));
        work_add(c, W_EXPR, USE_RESULT, 0, cons_head(t));
    } else if (is_map(t)) {
        expr_map(c, t);
    } else {
        expr_constant(c, use, t);
    }
}

static void work_run(Compiler *c)
{
    while (c->work_count > 0) {
        Work w = c->work[--c->work_count];
        switch (w.kind) {
        case W_PATTERN:
            pattern_term(c, w.t, w.op);
            break;
        case W_ELEMENT:
            pattern_element(c, w.t, w.n, w.op);
            break;
        case W_EXPR:
            expr_term(c, w.op, w.t);
            break;
        case W_LABEL:
            c->labels[w.n] = (uint32_t)c->m->code_count;
            break;
        default:
            emit(c, w.op, w.n, w.t);
        }
    }
}

/* --- clauses ---------------------------------------------------------------------------------------------------- */

/* '$$' lists variables by number: the slots in that order. Also when it is not used, to keep this simple. */
static void clause_order(Compiler *c)
{
    MatchProg *m = c->m;
    m->order = vm_realloc(m->order, (m->order_count + c->var_count + 1) * sizeof *m->order);
    for (size_t i = 1; i < c->var_count; i++) { /* insertion: nearly always sorted already */
        Variable v = c->vars[i];
        size_t j = i;
        for (; j > 0 && c->vars[j - 1].number > v.number; j--) {
            c->vars[j] = c->vars[j - 1];
        }
        c->vars[j] = v;
    }
    for (size_t i = 0; i < c->var_count; i++) {
        m->order[m->order_count + i] = c->vars[i].slot;
    }
}

static bool clause_head(Compiler *c, Term head)
{
    if (c->m->dialect == MATCH_TRACE && head != A_underscore && match_variable(head) < 0) {
        if (!is_list(head)) {
            emit(c, M_HEAD_NEVER, 0, NIL);
            return true;
        }
        if (list_length(head) < 0) {
            error_add_term(c, "%sMatch expression part %s is not a proper list.", "", head);
            return false;
        }
    }
    work_add(c, W_PATTERN, 0, 0, head);
    work_run(c);
    return true;
}

static void clause_guards(Compiler *c, Term guards)
{
    c->in_guard = true;
    if (!is_list(guards)) {
        error_add(c, "Match expression is not a list.");
        return;
    }
    for (; is_cons(guards); guards = cons_tail(guards)) {
        work_add(c, W_EXPR, USE_LOOK, 0, cons_head(guards));
        work_run(c);
        emit(c, M_GUARD, 0, NIL);
    }
    if (!is_nil(guards)) {
        error_add(c, "Match expression is not a proper list.");
    }
}

static void clause_body(Compiler *c, Term body)
{
    bool trace = c->m->dialect == MATCH_TRACE;
    c->in_guard = false;
    if (!is_cons(body) && !trace) {
        error_add(c, "Body clause does not return anything.");
        return;
    }
    if (!is_list(body)) {
        error_add(c, "Match expression is not a list.");
        return;
    }
    for (; is_cons(body); body = cons_tail(body)) {
        bool last = !is_cons(cons_tail(body));
        work_add(c, W_EXPR, last && !trace ? USE_RESULT : USE_LOOK, 0, cons_head(body));
        work_run(c);
        emit(c, last && !trace ? M_RETURN : M_DROP, 0, NIL);
    }
    if (!is_nil(body)) {
        error_add(c, "Match expression is not a proper list.");
    }
    if (trace) {
        emit(c, M_RETURN_TRUE, 0, NIL);
    }
}

static void clause_patch(Compiler *c, size_t from)
{
    for (size_t i = from; i < c->m->code_count; i++) {
        MatchInstr *in = &c->m->code[i];
        if (in->op == M_AND_JUMP || in->op == M_OR_JUMP) {
            in->n = c->labels[in->n];
        }
    }
}

static void clause_compile(Compiler *c, MatchClause *k, const Term *parts)
{
    MatchProg *m = c->m;
    c->var_count = c->label_count = 0;
    c->depth = 1; /* the subject */
    if (m->stack_max < 1) {
        m->stack_max = 1;
    }
    k->head_term = parts[0];
    k->body_term = parts[2];
    k->head = (uint32_t)m->code_count;
    if (!clause_head(c, parts[0])) {
        return;
    }
    clause_order(c);
    c->depth = 0;
    k->guard = (uint32_t)m->code_count;
    clause_guards(c, parts[1]);
    k->body = (uint32_t)m->code_count;
    c->depth = 0;
    clause_body(c, parts[2]);
    clause_patch(c, k->guard);
    m->order_count += c->var_count;
}

/* --- programs ----------------------------------------------------------------------------------------------------- */

static void prog_destroy(Magic *magic)
{
    MatchProg *m = magic->data;
    if (m->frag) {
        frag_free(m->frag);
    }
    vm_free(m->clauses);
    vm_free(m->code);
    vm_free(m->order);
    vm_free(m);
}
static const MagicKind prog_kind = {"match spec", prog_destroy};

Magic *match_magic_of(Term ref) { return magic_of(ref, &prog_kind); }

const MatchProg *match_prog_of(Term ref)
{
    Magic *m = match_magic_of(ref);
    return m ? m->data : NULL;
}

void match_set_table(Magic *spec, const uint64_t numbers[2])
{
    memcpy(((MatchProg *)spec->data)->table, numbers, sizeof ((MatchProg *)0)->table);
}

bool match_is_for_table(const MatchProg *m, const uint64_t numbers[2])
{
    return (m->table[0] == 0 && m->table[1] == 0) || memcmp(m->table, numbers, sizeof m->table) == 0;
}

bool match_is_about_calls(const MatchProg *m)
{
    for (size_t i = 0; i < m->code_count; i++) {
        const MatchInstr *in = &m->code[i];
        if (in->op == M_RETURN_TRACE || in->op == M_EXCEPTION_TRACE ||
            (in->op == M_ACTION && (in->t == ACTION_CALLER || in->t == ACTION_CALLER_LINE))) {
            return true;
        }
    }
    return false;
}

Term match_prog_spec(const MatchProg *m) { return m->spec; }

size_t match_clause_count(const MatchProg *m) { return m->clause_count; }

/* Checks the outermost shape and counts the clauses. */
static bool spec_check(Compiler *c, Term spec, size_t *clauses)
{
    if (!is_cons(spec)) {
        error_add(c, "Match programs are not in a list.");
        return false;
    }
    int64_t n = list_length(spec);
    if (n < 0) {
        error_add(c, "Match programs are not in a proper list.");
        return false;
    }
    for (Term t = spec; is_cons(t); t = cons_tail(t)) {
        if (!is_tuple_arity(cons_head(t), 3)) {
            error_add(c, "Match program part is not a tuple of arity 3.");
            return false;
        }
    }
    *clauses = (size_t)n;
    return true;
}

static void spec_compile(Compiler *c, Term spec)
{
    MatchProg *m = c->m;
    size_t n;
    if (!spec_check(c, spec, &n)) {
        return;
    }
    m->frag = frag_new(term_size_whole(spec));
    Term *hp = m->frag->mem;
    spec = term_copy_whole(spec, &hp, &m->frag->off_heap);
    m->frag->used = (size_t)(hp - m->frag->mem);
    m->spec = spec;
    m->clauses = vm_calloc(n * sizeof *m->clauses);
    for (; is_cons(spec) && !c->failed; spec = cons_tail(spec)) {
        clause_compile(c, &m->clauses[m->clause_count++], tuple_elements(cons_head(spec)));
    }
}

Magic *match_compile(Proc *p, Term spec, MatchDialect dialect, Term *errors)
{
    MatchProg *m = vm_calloc(sizeof *m);
    m->dialect = dialect;
    Compiler c = {.p = p, .m = m, .errors = NIL, .wants_errors = errors != NULL};
    spec_compile(&c, spec);
    vm_free(c.work);
    vm_free(c.vars);
    vm_free(c.labels);
    if (!c.failed) {
        return magic_new(&prog_kind, m);
    }
    Magic dead = {.data = m};
    prog_destroy(&dead);
    if (errors) {
        *errors = NIL;
        for (Term t = c.errors; is_cons(t); t = cons_tail(t)) {
            *errors = heap_cons_on(p, cons_head(t), *errors);
        }
    }
    return NULL;
}
