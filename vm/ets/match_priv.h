/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled match specifications, between the compiler and the machine that runs them. */
#pragma once

#include "vm/ets/match.h"

typedef enum MatchOp {
    /* Heads. The subject is on the stack; each takes the top apart. */
    M_HEAD_ANY,       /* pop */
    M_HEAD_BIND,      /* slot n = pop */
    M_HEAD_SAME,      /* pop is slot n */
    M_HEAD_IS,        /* pop is t */
    M_HEAD_CONS,      /* a cell becomes its tail and, above it, its head */
    M_HEAD_TUPLE,     /* top is a tuple of n elements; stays */
    M_HEAD_ELEMENT,   /* push element n of the top */
    M_HEAD_EL_BIND,   /* slot n = element t of the top */
    M_HEAD_EL_SAME,   /* element t of the top is slot n */
    M_HEAD_EL_IS,     /* element n of the top is t */
    M_HEAD_MAP,       /* top is a map of at least n pairs; stays */
    M_HEAD_MAP_VALUE, /* push the value of key t in the top */
    M_HEAD_DONE,      /* pop */
    M_HEAD_NEVER,
    /* Expressions. */
    M_PUSH,           /* t */
    M_PUSH_COPY,      /* a copy of t */
    M_PUSH_SLOT,
    M_PUSH_SLOT_COPY, /* copied when the subject is elsewhere */
    M_PUSH_SUBJECT,
    M_PUSH_SUBJECT_COPY,
    M_PUSH_ALL,       /* list of n slots from order[t] */
    M_PUSH_ALL_COPY,
    M_CONS,           /* tail on top, head below */
    M_TUPLE,          /* of the n topmost, the first on top */
    M_MAP,            /* of the 2n topmost, likewise */
    M_CALL,           /* function t of n arguments, likewise */
    M_NATIVE,         /* native function at t, n arguments */
    M_COPY,           /* the top becomes its copy */
    M_AND,            /* of n booleans */
    M_OR,
    M_AND_JUMP,       /* false: keep, go to n; true: drop */
    M_OR_JUMP,
    M_DROP,
    M_GUARD,          /* pop; not true: the clause fails */
    M_RETURN,         /* pop: the result */
    M_RETURN_TRUE,
    M_ACTION,         /* action t of n arguments */
    /* Traces only. */
    M_RETURN_TRACE,
    M_EXCEPTION_TRACE,
    M_MESSAGE,
    M_DISPLAY,
    M_IS_SEQ_TRACE,
    M_GET_SEQ_TOKEN,
} MatchOp;

typedef struct MatchInstr {
    uint32_t op;
    uint32_t n;
    Term t;
} MatchInstr;

typedef struct MatchClause {
    uint32_t head, guard, body; /* where they start */
    Term head_term, body_term;  /* in the program's own copy of the spec */
} MatchClause;

struct MatchProg {
    MatchDialect dialect;
    HeapFrag *frag; /* the spec, whole */
    Term spec;      /* in it */
    MatchClause *clauses;
    size_t clause_count;
    MatchInstr *code;
    size_t code_count, code_capacity;
    uint32_t *order; /* slots in the order of their variables' numbers, for '$$' */
    size_t order_count;
    size_t slot_count, stack_max;
    uint64_t table[2]; /* see match_set_table() */
};

/* Functions of guards and bodies. */
typedef struct MatchFunction {
    Term name;
    unsigned arity;
    /* NULL: the native erlang:name/arity. NONVALUE: failed, perhaps with a fault */
    Term (*fn)(Proc *p, const Term *args);
    bool gives_parts; /* the result may be part of an argument */
} MatchFunction;
const MatchFunction *match_function(Term name, unsigned arity); /* NULL: there is none */

typedef enum { ACTION_TRACE, ACTION_ENABLE, ACTION_DISABLE, ACTION_SILENT, ACTION_SET_SEQ_TOKEN, ACTION_PROCESS_DUMP,
               ACTION_CALLER, ACTION_CALLER_LINE, ACTION_GET_TCW, ACTION_SET_TCW } MatchAction;

/* '$0' .. '$999999999': the number; -1: t is no variable. */
int64_t match_variable(Term t);
/* No variables, no '_', no maps inside: matching it is =:=. */
bool match_is_ground(Term t);
/* No variables, no '_'. OTP looks such a key up: a map in it stands for itself, not for all that have as much. */
bool match_is_bound(Term t);
