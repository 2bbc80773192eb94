/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One load under way. load.c drives; tables.c reads the chunks into arrays, decode.c cuts the code into generic
 * instructions, specialise.c turns each into words. All memory hangs on the Loader until it is handed to the Instance,
 * so a failure anywhere is one call to loader_free.
 *
 * The first error wins: it sets `why`, and everything after sees it through loader_failed.
 */
#pragma once

#include "gen/ops.h"
#include "vm/load/beam_file.h"
#include "vm/load/code.h"

typedef enum {
    OPERAND_NUMBER,
    OPERAND_CONST, /* value is the term */
    OPERAND_X,
    OPERAND_Y,
    OPERAND_LABEL, /* 0: none */
    OPERAND_FLOAT_REG,
    OPERAND_LIST,  /* value elements; the specialiser finds them at loader->list */
    OPERAND_HEAP,  /* allocation list, added up to words */
    /* Until decode_fill_in has made OPERAND_CONST of them: index of a literal; an integer; the address of one's `size`
     * bytes. */
    OPERAND_LITERAL,
    OPERAND_INT64,
    OPERAND_BIG,
} OperandTag;
typedef struct OperandHead {
    uint16_t tag;   /* OperandTag */
    uint16_t class; /* the bit CLASS_, by which specialise.c finds the specific instruction */
} OperandHead;
typedef struct Operand {
    union {
        OperandHead head;
        struct {
            uint16_t tag, class;
        };
    };
    uint32_t size;
    uint64_t value;
} Operand;
enum { OPERAND_MAX = 8 };

/* Else: number of y registers. MIXED - n: reached with different frames, of n y registers at least, as compilers share
 * code that only raises: nothing may return there. */
enum { FRAME_NONE = -1, FRAME_UNKNOWN = -2, FRAME_MIXED = -3 };
static inline int frame_registers(int frame) /* y registers that surely exist */
{
    return frame >= 0 ? frame : frame <= FRAME_MIXED ? FRAME_MIXED - frame : 0;
}
static inline int frame_mix(int a, int b)
{
    int n = frame_registers(a) < frame_registers(b) ? frame_registers(a) : frame_registers(b);
    return a == b ? a : FRAME_MIXED - n;
}
#define LABEL_UNBOUND UINT32_MAX
typedef struct Label {
    uint32_t offset; /* in code words */
    int16_t frame;   /* at the label; FRAME_UNKNOWN: not known yet */
    int16_t arity;   /* entry labels: of their function; else -1 */
    bool skipped;    /* bound where nothing is known to arrive: nothing was emitted there */
} Label;

typedef struct LoadedFun {
    Term name;
    uint32_t arity; /* with free variables */
    uint32_t label, index, free_count, old_uniq;
} LoadedFun;
typedef struct LoadedExport {
    Term function;
    uint32_t arity, label;
} LoadedExport;
typedef struct LineItem {
    uint32_t file, line;
} LineItem;
typedef struct LoadedFunction {
    uint32_t start, entry; /* offsets */
    uint32_t entry_label;
    uint32_t arity;
    Term name;
} LoadedFunction;
typedef struct LineRow {
    uint32_t offset, item;
} LineRow;
/* The last instructions emitted since a label: what joining may still change. */
enum { TRAIL_KEPT = 8, TRAIL_MAX = 64 };
typedef struct Trail {
    unsigned count; /* the last TRAIL_KEPT at least */
    struct TrailStep {
        uint32_t offset;
        int spec;
    } step[TRAIL_MAX];
} Trail;
typedef struct CallCheck {
    uint32_t label, arity;
} CallCheck;

#define RARELY(condition) __builtin_expect(condition, 0)
/* A growing array: VEC(T) name; */
#define VEC(T) struct { T *at; size_t count, capacity; }
/* Makes room for n more. */
#define VEC_ROOM(v, n)                                                             \
    do {                                                                           \
        if (RARELY((v)->capacity - (v)->count < (n))) {                                 \
            (v)->capacity = (v)->capacity * 2 + (n);                               \
            (v)->at = vm_realloc((v)->at, (v)->capacity * sizeof *(v)->at);        \
        }                                                                          \
    } while (0)
#define VEC_PUSH(v, ...)                                                           \
    do {                                                                           \
        if (RARELY((v)->count == (v)->capacity)) {                                 \
            (v)->capacity = (v)->capacity ? (v)->capacity * 2 : 64;                \
            (v)->at = vm_realloc((v)->at, (v)->capacity * sizeof *(v)->at);        \
        }                                                                          \
        (v)->at[(v)->count++] = __VA_ARGS__;                                       \
    } while (0)

/* Where an error was found: for people. */
typedef struct LoadPlace {
    Term function; /* NONVALUE: before the first */
    unsigned arity, generic;
    uint32_t index; /* instruction, counted from the function's first label */
} LoadPlace;

typedef struct Instruction {
    uint8_t generic, n;
    uint16_t fix;          /* what the verifier wants: verify.h */
    uint8_t fix_operand;
    uint32_t fix_number;
    uint32_t at;                  /* its operands, in kept_operands */
    uint32_t list_at, list_count; /* elements of the list operand, if it has one */
} Instruction;
typedef struct Verifier Verifier;

typedef struct Loader {
    const char *why; /* first error; NULL while all is well */
    BeamFile file;
    bool preloaded; /* load_prepare_preloaded */
    Term name;

    /* From the chunks. */
    Term *atoms; /* 1-based */
    uint32_t atom_count;
    Export **imports;
    uint32_t import_count;
    LoadedExport *exports;
    uint32_t export_count;
    LoadedFun *funs;
    uint32_t fun_count;
    const uint8_t *string_bytes;
    size_t string_size;
    uint8_t *strings; /* own copy: goes to the instance */
    uint8_t *literal_bytes;     /* inflated LitT */
    size_t literal_size;
    Term *literals;
    uint32_t literal_count;
    LineItem *line_items;
    uint32_t line_item_count;
    const uint8_t **file_names; /* length-prefixed, in the chunk */
    uint32_t file_count;        /* with the module's own */
    Term *files;
    Term attributes, compile_info;
    LiteralArea *area;
    Term *literal_hp;

    /* Code. */
    Cursor code_start;
    uint32_t label_count;
    size_t big_words; /* for large integers in the code */
    VEC(Instruction) kept;
    VEC(Operand) kept_operands;
    VEC(uint32_t) later; /* those to fill in */
    Label *labels;
    VEC(Word) code;
    VEC(uint32_t) label_fixups; /* offsets of words that hold a label number */
    VEC(uint32_t) fun_fixups;   /* ... a fun index */
    VEC(uint64_t) frames; /* bit i: an instruction begins at word i, with a frame; as many as code has room for */
    VEC(LineRow) lines;
    VEC(LoadedFunction) functions;
    VEC(CallCheck) calls;
    VEC(uint32_t) unreached; /* labels bound here that nothing reaches: fine if func_info follows */
    struct {
        Operand *at;
        size_t count;
    } list; /* elements of the list operand of the instruction being specialised */
    Verifier *verifier;
    LoadPlace place;
    int frame;             /* y registers of the frame here, or FRAME_ */
    bool skipping;         /* inside a function whose body is a native */
    bool expect_entry;     /* the next label is the entry of the last function */
    Trail trail;
    int64_t on_load;       /* index of the function that has the on_load mark, -1 */
} Loader;

/* Records the first error; false, so that checks can return it. */
bool load_fail(Loader *ld, const char *why);
static inline bool load_failed(const Loader *ld) { return ld->why != NULL; }

/* tables.c: each reads one chunk; false after load_fail. */
bool tables_read_atoms(Loader *ld);
bool tables_read(Loader *ld);           /* imports, exports, funs, strings, lines, sizes of literals */
bool tables_build_literals(Loader *ld); /* after decoding: makes the area, decodes everything that goes there */

/* decode.c: the code chunk as instructions. */
bool decode_header(Loader *ld);
bool decode_code(Loader *ld);
uint16_t class_of_constant(Term t);
void decode_fill_in(Loader *ld); /* after tables_build_literals */

/* function.c: verifies and specialises all that has been decoded. */
bool functions_load(Loader *ld);

/* specialise.c: emits one generic instruction, no GEN_line, with its `n` operands. */
bool specialise_line(Loader *ld, const Operand *o);
bool specialise(Loader *ld, unsigned generic, Operand *o, unsigned n);

/* join.c: joins the last instructions of the trail as long as ops.tab has a join for them. */
void join_last(Loader *ld);
/* False: there is none for the last two. */
static inline bool join_possible(const Trail *t)
{
    const struct TrailStep *last = &t->step[t->count] - 1;
    return t->count >= 2 && (op_join_firsts[last->spec] >> (last[-1].spec % 64) & 1);
}
