/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Breakpoints: which functions are traced, and how. A function's first instruction word is replaced by op_breakpoint,
 * which finds the Breakpoint by its address, does what it says and goes on in the instruction that was there.
 * Functions without one cost nothing.
 *
 * A global trace sees only calls through the export: its slot leads to the export's stub, whose instruction is
 * op_breakpoint_global while it does. Natives are called in place by instructions that name them; those of traced
 * natives are rewritten to call the export (traced_*), so that natives too are entered through one address.
 */
#pragma once

#include "vm/ets/match.h"
#include "vm/load/code.h"

enum { /* Breakpoint.kinds */
    BREAK_GLOBAL = 1 << 0,
    BREAK_LOCAL = 1 << 1,
    BREAK_META = 1 << 2,
    BREAK_COUNT = 1 << 3,
    BREAK_TIME = 1 << 4,
    BREAK_COUNTING = 1 << 5, /* not paused */
    BREAK_TIMING = 1 << 6,
    BREAK_CALL = BREAK_GLOBAL | BREAK_LOCAL,
};

struct IdMap;
typedef struct Breakpoint {
    const Word *ip;
    Word original; /* the instruction's function */
    unsigned kinds;
    Magic *spec, *meta_spec; /* NULL: every call */
    Term meta_tracer;        /* pid or port */
    uint64_t count;          /* atomic */
    struct IdMap *times;     /* pid -> CallTimeItem */
    struct Breakpoint *hash_next;
} Breakpoint;
typedef struct CallTimeItem {
    uint64_t count;
    int64_t ns;
} CallTimeItem;
static inline Term breakpoint_module(const Breakpoint *b) { return b->ip[-3]; }
static inline Term breakpoint_function(const Breakpoint *b) { return b->ip[-2]; }
static inline unsigned breakpoint_arity(const Breakpoint *b) { return (unsigned)b->ip[-1]; }

/* What trace_pattern/3 asks for. */
typedef enum { BREAK_OFF, BREAK_ON, BREAK_RESTART, BREAK_PAUSE } BreakpointWish;
typedef struct BreakpointRequest {
    BreakpointWish wish;
    unsigned kinds; /* GLOBAL; or LOCAL, META, COUNT, TIME */
    Magic *spec;    /* retained by the caller while it is used */
    Term meta_tracer;
} BreakpointRequest;
/* {M, F, A}: the first `given` are compared. */
typedef struct BreakpointPattern {
    Term m, f;
    unsigned arity;
    unsigned given;
} BreakpointPattern;

/* The one at this address; NULL: there is none. */
Breakpoint *breakpoint_find(const Word *ip);
/* The function of the instruction at ip, behind a breakpoint if there is one. */
Word breakpoint_instruction(const Word *ip);
/* Sets or clears; returns how many functions match. */
size_t breakpoint_apply(const BreakpointPattern *pattern, const BreakpointRequest *r);
/* The breakpoint of a function: local (any kind but GLOBAL) or of its export. *exists: there is such a function. */
Breakpoint *breakpoint_of(Term m, Term f, unsigned arity, bool *exists);

/* trace_pattern(on_load, ...): what becomes of functions that are loaded later. */
void breakpoint_on_load(const BreakpointRequest *r);
const BreakpointRequest *breakpoint_on_load_request(void); /* kinds 0: nothing */

/* The loader's part. */
void breakpoint_code_loaded(Instance *in); /* published: on_load patterns, calls of traced natives */
void breakpoint_code_retired(const Instance *in); /* old or gone: its breakpoints go */
void breakpoint_export_moved(Export *e); /* before its address is set: a global trace ends */
