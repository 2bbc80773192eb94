/* SPDX-License-Identifier: Apache-2.0 */
/* What a match specification says about the keys of a table's objects, found in its heads and bodies. */
#include "vm/ets/match_priv.h"

#include "vm/term/compare.h"
#include "vm/term/map.h"
#include "vm/term/term_stack.h"

static void push_map(TermStack *todo, Term map)
{
    MapIter it;
    Term key, value;
    map_iter_init(&it, map);
    while (map_iter_next(&it, &key, &value)) {
        term_stack_push(todo, key);
        term_stack_push(todo, value);
    }
}

static bool is_ground(Term t, bool maps)
{
    TermStack todo;
    term_stack_init(&todo);
    term_stack_push(&todo, t);
    bool ground = true;
    while (ground && term_stack_pop(&todo, &t)) {
        if (is_atom(t)) {
            ground = t != A_underscore && match_variable(t) < 0;
        } else if (is_cons(t)) {
            term_stack_push(&todo, cons_tail(t));
            term_stack_push(&todo, cons_head(t));
        } else if (is_tuple(t)) {
            term_stack_push_array(&todo, tuple_elements(t), tuple_arity(t));
        } else if (is_map(t)) {
            ground = maps;
            push_map(&todo, t);
        }
    }
    term_stack_free(&todo);
    return ground;
}

bool match_is_ground(Term t) { return is_ground(t, false); }
bool match_is_bound(Term t) { return is_ground(t, true); }

MatchKey match_clause_key(const MatchProg *m, size_t clause, unsigned keypos, Term *key)
{
    Term head = m->clauses[clause].head_term;
    if (head == A_underscore || match_variable(head) >= 0) {
        return KEY_ANY;
    }
    if (!is_tuple(head) || tuple_arity(head) < keypos) {
        return KEY_NEVER;
    }
    *key = tuple_elements(head)[keypos - 1];
    return match_is_bound(*key) ? KEY_BOUND : KEY_ANY;
}

/* Does the expression surely have the value that the pattern matched? Both without maps. */
static bool same_value(Term pattern, Term expr)
{
    TermStack todo; /* pattern, expression below each other */
    term_stack_init(&todo);
    term_stack_push(&todo, pattern);
    term_stack_push(&todo, expr);
    bool same = true;
    while (same && term_stack_pop(&todo, &expr)) {
        term_stack_pop(&todo, &pattern);
        if (is_tuple_arity(expr, 2) && tuple_elements(expr)[0] == A_const) {
            same = match_is_ground(pattern) && term_identical(pattern, tuple_elements(expr)[1]);
        } else if (is_tuple(pattern)) {
            size_t n = tuple_arity(pattern);
            same = is_tuple_arity(expr, 1) && is_tuple_arity(tuple_elements(expr)[0], n);
            for (size_t i = 0; same && i < n; i++) {
                term_stack_push(&todo, tuple_elements(pattern)[i]);
                term_stack_push(&todo, tuple_elements(tuple_elements(expr)[0])[i]);
            }
        } else if (is_cons(pattern)) {
            same = is_cons(expr);
            if (same) {
                term_stack_push(&todo, cons_tail(pattern));
                term_stack_push(&todo, cons_tail(expr));
                term_stack_push(&todo, cons_head(pattern));
                term_stack_push(&todo, cons_head(expr));
            }
        } else {
            bool other = pattern == A_underscore || pattern == A_dollar_underscore || pattern == A_dollar_dollar;
            same = !other && !is_map(pattern) && !is_tuple(expr) && term_identical(pattern, expr);
        }
    }
    term_stack_free(&todo);
    return same;
}

/* {element, KeyPos, '$_'} */
static bool takes_key(Term expr, unsigned keypos)
{
    if (!is_tuple_arity(expr, 3)) {
        return false;
    }
    const Term *e = tuple_elements(expr);
    return e[0] == A_element && e[1] == make_small(keypos) && e[2] == A_dollar_underscore;
}

/* OTP's rule, so that what it refuses is refused: one expression, and one whose key can be seen to be the head's. */
static bool clause_keeps_key(const MatchClause *k, unsigned keypos)
{
    Term head = k->head_term, value = cons_head(k->body_term);
    if (is_cons(cons_tail(k->body_term))) {
        return false;
    }
    if (value == A_dollar_underscore) {
        return true;
    }
    Term made = NONVALUE;
    bool literal = false;
    if (is_tuple_arity(value, 1) && is_tuple(tuple_elements(value)[0])) {
        made = tuple_elements(value)[0];
    } else if (is_tuple_arity(value, 2) && tuple_elements(value)[0] == A_const && is_tuple(tuple_elements(value)[1])) {
        made = tuple_elements(value)[1];
        literal = true;
    }
    if (made == NONVALUE || tuple_arity(made) < keypos || !is_tuple(head) || tuple_arity(head) < keypos) {
        return false;
    }
    Term expr = tuple_elements(made)[keypos - 1];
    if (!literal && takes_key(expr, keypos)) {
        return true;
    }
    Term key = tuple_elements(head)[keypos - 1];
    return literal ? match_is_ground(key) && term_identical(key, expr) : same_value(key, expr);
}

bool match_keeps_key(const MatchProg *m, unsigned keypos)
{
    for (size_t i = 0; i < m->clause_count; i++) {
        if (!clause_keeps_key(&m->clauses[i], keypos)) {
            return false;
        }
    }
    return true;
}

bool match_key_prefix(const MatchProg *m, unsigned keypos, Term *pattern)
{
    if (m->clause_count != 1 || match_clause_key(m, 0, keypos, pattern) != KEY_ANY) {
        return false;
    }
    Term head = m->clauses[0].head_term;
    return is_tuple(head) && (is_tuple(*pattern) || is_cons(*pattern));
}

int match_prefix_compare(Term key, Term pattern)
{
    TermStack todo; /* key, pattern below each other */
    term_stack_init(&todo);
    term_stack_push(&todo, key);
    term_stack_push(&todo, pattern);
    int order = 0;
    while (order == 0 && term_stack_pop(&todo, &pattern)) {
        term_stack_pop(&todo, &key);
        if (pattern == A_underscore || match_variable(pattern) >= 0 || is_map(pattern)) {
            break;
        }
        if (is_cons(pattern) && is_cons(key)) {
            term_stack_push(&todo, cons_tail(key));
            term_stack_push(&todo, cons_tail(pattern));
            term_stack_push(&todo, cons_head(key));
            term_stack_push(&todo, cons_head(pattern));
        } else if (is_tuple(pattern) && is_tuple(key) && tuple_arity(key) == tuple_arity(pattern)) {
            for (size_t i = tuple_arity(key); i > 0; i--) {
                term_stack_push(&todo, tuple_elements(key)[i - 1]);
                term_stack_push(&todo, tuple_elements(pattern)[i - 1]);
            }
        } else {
            order = term_compare(key, pattern); /* of different types, sizes, or the pattern has no variables */
        }
    }
    term_stack_free(&todo);
    return order;
}
