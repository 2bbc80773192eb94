/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Match specifications: [{Head, Guards, Body}], compiled once, run against many terms. Used by ETS (dialect
 * table) and by tracing (dialect trace, where the subject is the list of a call's arguments).
 *
 * A program is a row of small instructions for a machine with a stack and a slot per variable. Heads take
 * their subject apart, guards and bodies are postfix expressions. Nothing here recurses over terms.
 */
#pragma once

#include "vm/proc/proc.h"

typedef enum { MATCH_TABLE, MATCH_TRACE } MatchDialect;
typedef struct MatchProg MatchProg;

/* Returns owned (magic, refc 0), or NULL; then, when errors is not NULL, *errors is the list of {error, String} on p's
 * heap. */
Magic *match_compile(Proc *p, Term spec, MatchDialect dialect, Term *errors);
/* The program that a compiled match spec's reference names; NULL: it is none. */
const MatchProg *match_prog_of(Term ref);
Magic *match_magic_of(Term ref); /* likewise, the magic */
/* Asks for something that only calls have: their caller, their return. */
bool match_is_about_calls(const MatchProg *m);
Term match_prog_spec(const MatchProg *m); /* as it was given: lives as long as m */
static inline const MatchProg *match_magic_prog(const Magic *m) { return m->data; }

/* For continuations: the table (its reference's numbers) that a specification was compiled for; 0, 0: any. */
void match_set_table(Magic *spec, const uint64_t numbers[2]);
bool match_is_for_table(const MatchProg *m, const uint64_t numbers[2]);

/* What a traced call's body asked for. */
enum { MATCH_RETURN_TRACE = 1, MATCH_EXCEPTION_TRACE = 2 };

/* The memory to run a program: reused from subject to subject. */
typedef struct MatchRun {
    Proc *p;
    const MatchProg *prog;
    bool dry;        /* a test: actions do nothing */
    bool copy;       /* subjects lie outside of p's heap: what the result takes from them is copied */
    unsigned flags;  /* MATCH_ of the last subject that matched */
    Term message;    /* trace: the argument of the last {message, _}; else true */
    Term subject;
    Term *slots, *stack;
    Term space[48];
} MatchRun;
void match_start(MatchRun *r, Proc *p, const MatchProg *prog, bool copy);
void match_end(MatchRun *r);
/* The value of the first clause that matches, on p's heap (but for immediates); NONVALUE: none does. */
Term match_run(MatchRun *r, Term subject);

/* Side effects that tracing performs, for bodies that ask for them: filled in by tracing at boot. Each gets its
 * arguments, and returns the action's value or NONVALUE (its value is then 'EXIT'). dry: a test, nothing may change.
 * An action not there yields 'EXIT'. */
typedef struct MatchActions {
    /* 2: disable, enable; 3: pid, disable, enable */
    Term (*trace)(Proc *p, unsigned n, const Term *args, bool dry);
    Term (*enable_trace)(Proc *p, unsigned n, const Term *args, bool dry);  /* 1: flag; 2: pid, flag */
    Term (*disable_trace)(Proc *p, unsigned n, const Term *args, bool dry);
    Term (*silent)(Proc *p, unsigned n, const Term *args, bool dry);        /* 1 */
    Term (*set_seq_token)(Proc *p, unsigned n, const Term *args, bool dry); /* 2 */
    Term (*process_dump)(Proc *p, unsigned n, const Term *args, bool dry);  /* 0 */
    Term (*caller)(Proc *p, unsigned n, const Term *args, bool dry);        /* 0 */
    Term (*caller_line)(Proc *p, unsigned n, const Term *args, bool dry);   /* 0 */
} MatchActions;
extern MatchActions match_actions;
/* erlang:system_flag(trace_control_word, _): atomic. */
extern uint32_t match_trace_control_word;

/* --- for tables ----------------------------------------------------------------------------------- */
size_t match_clause_count(const MatchProg *m);
typedef enum { KEY_NEVER, KEY_BOUND, KEY_ANY } MatchKey;
/* What a clause's head says about element keypos (1-based) of a subject. *key: the bound key. */
MatchKey match_clause_key(const MatchProg *m, size_t clause, unsigned keypos, Term *key);
/* A specification of one clause whose head gives a beginning of the key (of a tuple or list: up to the first
 * variable): in term order, the keys with that beginning stand together. */
bool match_key_prefix(const MatchProg *m, unsigned keypos, Term *pattern);
/* Where key stands to them: < 0 before, 0 among, > 0 behind. */
int match_prefix_compare(Term key, Term pattern);
/* True when every body surely returns a tuple whose key is the subject's. */
bool match_keeps_key(const MatchProg *m, unsigned keypos);
