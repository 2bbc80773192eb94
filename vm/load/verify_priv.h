/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier's state. A Reg is what is known of one register; a State is what is known at one place of the code;
 * each label keeps the
 * join of the states that arrive there. Facts only get weaker in a join, so that going over a function again ends.
 */
#pragma once

#include "vm/load/verify.h"

typedef enum {
    R_NONE,   /* may hold anything */
    R_TERM,
    R_PARAM,  /* a term, or argument `size` of the function, which is a match context if some caller passes one */
    R_CONTEXT,
    R_EITHER, /* a term or a match context: good for bs_start_match only */
    /* x0 at a handler is NONVALUE, and then x1..x3 are the exception; behind a catch's normal path x0 may be a term
     * instead. */
    R_RAISED,
    R_MAYBE_RAISED,
    R_HIDDEN, /* x1..x3: a term if x0 is NONVALUE */
    R_CATCH,  /* y: a catch whose handlers are set `size` of Verifier.sets */
} RegKind;
typedef enum { T_ANY, T_CONS, T_TUPLE /* of `size` elements at least */, T_MAP } RegType;

typedef union Reg {
    struct {
        uint32_t kind : 4, type : 3;
        uint32_t fragile : 1; /* reaches into a message that is still in the queue */
        uint32_t size : 24;
        uint32_t id;          /* registers with the same number hold the same term; 0: nothing known */
    };
    struct {
        uint32_t fact; /* all but the id */
        uint32_t unused;
    };
    uint64_t bits;
} Reg;

enum { MAX_REGS = MAX_X_REGS, MAX_Y_REGS = 4096, FLOATS_FOLLOWED = 64 };

typedef struct State {
    uint32_t nx; /* x registers from here on are R_NONE */
    int32_t frame;
    uint32_t ny;
    uint32_t heap;   /* words that test_heap and others have made room for */
    uint64_t floats; /* bit i: float register i has a value */
    uint32_t fresh;  /* id of the tuple that setelement/3 has just made, 0: none */
    uint16_t building; /* between bs_init and the last bs_put */
    uint16_t peeking;  /* loop_rec has taken a message that remains in the queue */
    uint32_t y_none, catches; /* of the y registers: R_NONE, R_CATCH */
    uint32_t since;    /* lowest label passed since a reduction was charged, on whichever way */
    uint32_t unused;
} State; /* without padding: states are compared as bytes */
_Static_assert(sizeof(State) == 48, "State has padding");
/* What a label keeps: the State, then nx + ny registers. */
typedef struct LabelState {
    State s;
    uint32_t y_at; /* y register 0 */
    Reg reg[]; /* x registers: room for four at least */
} LabelState;

typedef struct VerifyLabel {
    uint32_t function; /* serial number of the function it stands in, 0: not seen */
    uint32_t index;    /* its instruction */
    LabelState *at;    /* NULL: nothing has arrived yet */
} VerifyLabel;

/* Arguments that must be terms, by function. */
typedef struct VerifiedFunction {
    uint32_t entry_label;
    Term name;
    unsigned arity;
    uint64_t terms[4];
    uint64_t contexts[4]; /* arguments that some caller may pass a context in */
} VerifiedFunction;
/* A call whose argument is the caller's own argument `param`, or a context (param NO_PARAM). */
typedef struct PassedOn {
    uint32_t caller, label;
    uint16_t argument, param;
} PassedOn;
enum { NO_PARAM = 256 };

typedef struct Chunk {
    struct Chunk *next;
    size_t used, size;
    _Alignas(16) uint8_t mem[];
} Chunk;

struct Verifier {
    Loader *ld;
    VerifyLabel *labels;
    VEC(VerifiedFunction) functions;
    VEC(PassedOn) passed;
    bool any_context;

    /* The function being verified. */
    uint32_t serial;
    unsigned arity;
    Instruction *code;
    uint32_t count;
    const Operand *operands;
    Chunk *chunks; /* label states */
    size_t chunk_bytes;
    VEC(uint32_t) sets;      /* of handlers: each a count, then labels */
    uint32_t next_id;
    bool zero_frames;        /* allocate clears: some instruction may raise before every y register is set */
    bool set_results;        /* guard BIFs set their destination: what they fail to is read as if it had a value */
    bool restart;            /* one of the two has been found out just now */
    bool counted;            /* the jump being followed charges a reduction or waits */
    uint32_t again;          /* earliest instruction whose label has got weaker since it was passed */

    /* The instruction being looked at. */
    uint32_t index;
    bool reachable;
    bool saw_fragile;
    State s;
    Reg x[MAX_REGS];
    Reg y[MAX_Y_REGS];
};

/* --- verify_state.c -------------------------------------------------------------------------------------------- */
bool verify_bad(Verifier *v, const char *why); /* false */
void state_entry(Verifier *v, unsigned arity);
/* The current state arrives at the label. */
bool state_to_label(Verifier *v, uint64_t label);
/* The label's state becomes the current one. */
void state_from_label(Verifier *v, const LabelState *at);
/* An instruction here may raise: the state of an exception arrives at the handlers of this frame. */
bool state_raises(Verifier *v);
/* No y register is without a value: needed wherever the collector may run. */
bool state_frame_is_set(Verifier *v);
/* x registers from `live` on are lost. */
void state_keep_x(Verifier *v, uint32_t live);
/* All x registers, floats and heap are lost: calls and waits. */
void state_scheduled_out(Verifier *v);
bool state_no_catch(Verifier *v);
/* Before anything that leaves the current message in the queue. */
bool state_drop_message(Verifier *v);
void state_forget_functions(Verifier *v);

bool reg_read_slow(Verifier *v, const Operand *o);
bool reg_write_slow(Verifier *v, const Operand *o, Reg r);
/* A term. */
static inline bool reg_read(Verifier *v, const Operand *o)
{
    if (o->tag == OPERAND_CONST ||
        (o->tag == OPERAND_X && o->value < v->s.nx && v->x[o->value].kind == R_TERM && !v->x[o->value].fragile)) {
        return true;
    }
    return reg_read_slow(v, o);
}
static inline bool reg_write(Verifier *v, const Operand *o, Reg r)
{
    uint32_t nx = v->s.nx;
    if (o->tag == OPERAND_X && o->value <= nx && nx < MAX_REGS - 1 && v->x[0].kind <= R_EITHER) {
        v->s.nx = nx + (o->value == nx);
        v->x[o->value] = r;
        return true;
    }
    return reg_write_slow(v, o, r);
}
bool reg_read_kept(Verifier *v, const Operand *o, uint32_t live); /* ... that is still there after a collection */
bool reg_read_context(Verifier *v, const Operand *o, bool or_term);
static inline bool reg_write_term(Verifier *v, const Operand *o)
{
    return reg_write(v, o, (Reg){.kind = R_TERM, .fragile = v->saw_fragile});
}
Reg reg_of_constant(Term t);
Reg *reg_at_slow(Verifier *v, const Operand *o);
/* NULL after verify_bad: out of range. */
static inline Reg *reg_at(Verifier *v, const Operand *o)
{
    return o->tag == OPERAND_X && o->value < v->s.nx   ? &v->x[o->value]
           : o->tag == OPERAND_Y && o->value < v->s.ny ? &v->y[o->value]
                                                       : reg_at_slow(v, o);
}
/* The operand's term is known to be of that type from here on. */
void reg_refine(Verifier *v, const Operand *o, RegType type, uint32_t size);
bool reg_is(Verifier *v, const Operand *o, RegType type, uint32_t size);
bool reg_need_term(Verifier *v, const Reg *r); /* a term, not a context */
/* Before a guard BIF goes to its label: where v->set_results says so, its destination holds a term there too. */
bool reg_set_result(Verifier *v, Instruction *in, const Operand *to);
uint32_t verify_set_of(Verifier *v, uint64_t label);

/* --- verify.c -------------------------------------------------------------------------------------------------- */
/* The code at that label of the function begins with try_case: only exceptions may arrive there. */
bool verify_begins_handler(const Verifier *v, uint64_t label);

/* --- verify_ops.c ---------------------------------------------------------------------------------------------- */
/* Flags of vm/tab/verify.def. */
enum { RAISES = 1, ENDS = 2, COLLECTS = 4, LOSES = 8, PUTS = 16, FLOW = 32, DATA = 64 };
enum { RESULT = 128 }; /* for verify_plain: the destination may have to be set before the label is taken */
bool verify_step(Verifier *v, Instruction *in);
/* The message looked at becomes the process's own before this instruction, if a register reaches into it. */
void verify_pin(Verifier *v, Instruction *in);
/* The instruction may raise. */
bool verify_raises(Verifier *v, Instruction *in);
bool verify_heap_take(Verifier *v, uint64_t words);
bool verify_heap_need(Verifier *v, const Operand *o);
/* x0 .. x(live - 1) and the frame are roots. */
bool verify_live(Verifier *v, uint64_t live);
bool verify_number(Verifier *v, const Operand *o, uint64_t max);
bool verify_float_read(Verifier *v, const Operand *o);
bool verify_float_write(Verifier *v, const Operand *o);
bool verify_list_read(Verifier *v, const Instruction *in);
bool verify_to_label(Verifier *v, const Operand *o);
bool verify_no_match_label(Verifier *v, const Operand *label, const Operand *source);
/* An instruction as its row describes it, with these flags. */
bool verify_plain(Verifier *v, Instruction *in, const Operand *o, unsigned flags);

/* --- verify_flow.c, verify_data.c ------------------------------------------------------------------------------ */
bool verify_flow(Verifier *v, Instruction *in, const Operand *o);
bool verify_data(Verifier *v, Instruction *in, const Operand *o);
/* x0 .. x(n - 1) are arguments; label: of a function of this module, else 0. */
bool verify_arguments(Verifier *v, uint64_t n, uint64_t label);
