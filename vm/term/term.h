/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terms: every Erlang value is one 64-bit tagged word, or a pointer to a boxed object.
 *
 *   low 2 bits   00 header of a boxed object (never a value by itself; also a code address on a stack)
 *                01 pointer to a cons cell [head, tail]
 *                10 pointer to a boxed object, whose first word is a header
 *                11 immediate; then low 4 bits  0011 pid  0111 port  1011 see below  1111 small integer
 *                   and low 6 bits of 1011:  00'1011 atom   01'1011 catch   11'1011 nil
 *
 * A header is  arity:58 | subtag:4 | 00.  The arity counts the words that follow (tuple: its elements).
 * Each subtag's object is `raw` words the collector does not look at, then terms; see header_raw_words().
 * During a collection the header of a moved object is replaced by a boxed pointer to its new place, and
 * a moved cons holds NONVALUE in its head and the new address in its tail.
 *
 * SUB_BUFFER is reserved for the mutable typed buffer of the V front end.
 */
#pragma once

#include "lib/cstd.h"

typedef uint64_t Word;
typedef uint64_t Term;

#define NONVALUE ((Term)0) /* "no term": a native's failure, an empty slot; never reachable by Erlang code */

enum { TAG_HEADER = 0, TAG_LIST = 1, TAG_BOXED = 2, TAG_IMMED = 3 };
enum { IMM_PID = 0x3, IMM_PORT = 0x7, IMM_SMALL = 0xf };
enum { IMM_ATOM = 0x0b, IMM_CATCH = 0x1b, IMM_NIL = 0x3b };

enum {
    SUB_TUPLE = 0x0,
    SUB_MATCH = 0x1, /* binary match context */
    SUB_POS_BIG = 0x2,
    SUB_NEG_BIG = 0x3,
    SUB_REF = 0x4,
    SUB_FUN = 0x5,
    SUB_FLOAT = 0x6,
    SUB_EXPORT = 0x7,   /* fun M:F/A */
    SUB_REFC_BIN = 0x8, /* off-heap, reference-counted binary */
    SUB_HEAP_BIN = 0x9,
    SUB_SUB_BIN = 0xa,
    SUB_BUFFER = 0xb,
    SUB_EXT_PID = 0xc,
    SUB_EXT_PORT = 0xd,
    SUB_EXT_REF = 0xe,
    SUB_MAP = 0xf,
};

#define NIL ((Term)IMM_NIL)

/* --- immediates --------------------------------------------------------------------------- */
#define SMALL_BITS 60
#define SMALL_MAX ((INT64_C(1) << 59) - 1)
#define SMALL_MIN (-(INT64_C(1) << 59))
#define MAKE_SMALL(v) (((Term)(int64_t)(v) << 4) | IMM_SMALL)
#define MAKE_ATOM(ix) (((Term)(ix) << 6) | IMM_ATOM)

static inline bool is_small(Term t) { return (t & 0xf) == IMM_SMALL; }
static inline bool is_both_small(Term a, Term b) { return (a & b & 0xf) == IMM_SMALL; }
static inline bool small_fits(int64_t v) { return v >= SMALL_MIN && v <= SMALL_MAX; }
static inline Term make_small(int64_t v) { return MAKE_SMALL(v); }
static inline int64_t small_value(Term t) { return (int64_t)t >> 4; }

static inline bool is_atom(Term t) { return (t & 0x3f) == IMM_ATOM; }
static inline Term make_atom(uint32_t index) { return MAKE_ATOM(index); }
static inline uint32_t atom_index(Term t) { return (uint32_t)(t >> 6); }

static inline bool is_nil(Term t) { return t == NIL; }

/* A catch marker in a stack slot holds the handler's code address (canonical, so 58 bits suffice). */
static inline bool is_catch(Term t) { return (t & 0x3f) == IMM_CATCH; }
static inline Term make_catch(const Word *ip) { return ((Term)(uintptr_t)ip << 6) | IMM_CATCH; }
static inline const Word *catch_ip(Term t) { return (const Word *)(uintptr_t)((int64_t)t >> 6); }

/* Pids and ports of this node: number (28 bits, index in the table) and serial (32 bits). */
#define PID_NUMBER_BITS 28
static inline bool is_local_pid(Term t) { return (t & 0xf) == IMM_PID; }
static inline bool is_local_port(Term t) { return (t & 0xf) == IMM_PORT; }
static inline Term make_pid(uint32_t number, uint32_t serial)
{
    return (((Term)serial << PID_NUMBER_BITS | number) << 4) | IMM_PID;
}
static inline Term make_port(uint64_t number) { return ((Term)number << 4) | IMM_PORT; }
static inline uint32_t pid_number(Term t) { return (uint32_t)(t >> 4) & ((1u << PID_NUMBER_BITS) - 1); }
static inline uint32_t pid_serial(Term t) { return (uint32_t)(t >> (4 + PID_NUMBER_BITS)); }
static inline uint64_t port_number(Term t) { return t >> 4; }

/* --- pointers and headers ------------------------------------------------------------------ */
static inline bool is_immed(Term t) { return (t & 3) == TAG_IMMED; }
static inline bool is_cons(Term t) { return (t & 3) == TAG_LIST; }
static inline bool is_boxed(Term t) { return (t & 3) == TAG_BOXED; }
static inline bool is_list(Term t) { return is_cons(t) || is_nil(t); }
static inline Term *list_ptr(Term t) { return (Term *)(uintptr_t)(t - TAG_LIST); }
static inline Term *boxed_ptr(Term t) { return (Term *)(uintptr_t)(t - TAG_BOXED); }
static inline Term make_list(const Term *cell) { return (Term)(uintptr_t)cell + TAG_LIST; }
static inline Term make_boxed(const Term *object) { return (Term)(uintptr_t)object + TAG_BOXED; }
static inline Term cons_head(Term t) { return list_ptr(t)[0]; }
static inline Term cons_tail(Term t) { return list_ptr(t)[1]; }

#define MAKE_HEADER(arity, sub) (((Word)(arity) << 6) | ((Word)(sub) << 2))
static inline bool is_header(Word w) { return (w & 3) == TAG_HEADER; }
static inline unsigned header_sub(Word w) { return (unsigned)(w >> 2) & 0xf; }
static inline size_t header_arity(Word w) { return (size_t)(w >> 6); }
static inline unsigned boxed_sub(Term t) { return header_sub(*boxed_ptr(t)); }
static inline bool is_boxed_sub(Term t, unsigned sub) { return is_boxed(t) && boxed_sub(t) == sub; }

/* --- tuples ------------------------------------------------------------------------------- */
#define TUPLE_WORDS(n) ((size_t)(n) + 1)
static inline bool is_tuple(Term t) { return is_boxed_sub(t, SUB_TUPLE); }
static inline size_t tuple_arity(Term t) { return header_arity(*boxed_ptr(t)); }
static inline bool is_tuple_arity(Term t, size_t n)
{
    return is_boxed(t) && *boxed_ptr(t) == MAKE_HEADER(n, SUB_TUPLE);
}
static inline Term *tuple_elements(Term t) { return boxed_ptr(t) + 1; } /* 0-based */

/* --- floats -------------------------------------------------------------------------------- */
#define FLOAT_WORDS 2
static inline bool is_float(Term t) { return is_boxed_sub(t, SUB_FLOAT); }
static inline double float_value(Term t)
{
    double d;
    memcpy(&d, boxed_ptr(t) + 1, sizeof d);
    return d;
}
/* Writes FLOAT_WORDS words at *hp and advances it. */
static inline Term make_float(Term **hp, double d)
{
    Term *o = *hp;
    o[0] = MAKE_HEADER(1, SUB_FLOAT);
    memcpy(o + 1, &d, sizeof d);
    *hp = o + FLOAT_WORDS;
    return make_boxed(o);
}

/* --- bignums: sign in the subtag, magnitude as little-endian 64-bit limbs, no leading zero, never a
 *     value that fits a small ------------------------------------------------------------------ */
static inline bool is_big(Term t) { return is_boxed(t) && (boxed_sub(t) & 0xe) == SUB_POS_BIG; }
static inline bool big_is_negative(Term t) { return boxed_sub(t) == SUB_NEG_BIG; }
static inline size_t big_limbs(Term t) { return header_arity(*boxed_ptr(t)); }
static inline const uint64_t *big_digits(Term t) { return boxed_ptr(t) + 1; }
static inline bool is_integer(Term t) { return is_small(t) || is_big(t); }
static inline bool is_number(Term t) { return is_integer(t) || is_float(t); }

/* --- references: three 32-bit numbers; kinds by arity ---------------------------------------- */
typedef struct Ref {
    Word header;    /* arity 2 plain, 3 alias (pid follows), 4 magic */
    uint64_t n01;   /* numbers 0 (low, 18 bits used) and 1 */
    uint64_t n2;    /* number 2 */
    union {
        Term pid;          /* alias reference: the process it names (an immediate) */
        struct Ref *next;  /* magic: off-heap list */
    } u;
    struct Magic *magic;
} Ref;
enum { REF_PLAIN_ARITY = 2, REF_ALIAS_ARITY = 3, REF_MAGIC_ARITY = 4 };
#define REF_PLAIN_WORDS 3
#define REF_ALIAS_WORDS 4
#define REF_MAGIC_WORDS 5
static inline bool is_local_ref(Term t) { return is_boxed_sub(t, SUB_REF); }
static inline Ref *ref_ptr(Term t) { return (Ref *)boxed_ptr(t); }
static inline bool is_magic_ref(Term t)
{
    return is_boxed(t) && *boxed_ptr(t) == MAKE_HEADER(REF_MAGIC_ARITY, SUB_REF);
}
static inline bool is_ref(Term t)
{
    return is_boxed(t) && (boxed_sub(t) == SUB_REF || boxed_sub(t) == SUB_EXT_REF);
}

/* --- pids, ports, references of other nodes --------------------------------------------------- */
typedef struct ExtPid { /* also ports (number only) */
    Word header;        /* SUB_EXT_PID or SUB_EXT_PORT, arity 3 */
    Term node;          /* atom */
    uint64_t creation;
    uint64_t data;      /* pid: serial << 32 | number; port: number */
} ExtPid;
#define EXT_PID_WORDS 4
typedef struct ExtRef {
    Word header;        /* SUB_EXT_REF, arity 6 */
    Term node;
    uint64_t creation;
    uint64_t count;     /* of 32-bit numbers, 1..5 */
    uint32_t n[6];
} ExtRef;
#define EXT_REF_WORDS 7
static inline bool is_pid(Term t) { return is_local_pid(t) || is_boxed_sub(t, SUB_EXT_PID); }
static inline bool is_port(Term t) { return is_local_port(t) || is_boxed_sub(t, SUB_EXT_PORT); }

/* --- funs ----------------------------------------------------------------------------------- */
struct FunEntry;
struct Export;
typedef struct Fun {
    Word header; /* arity 2 + number of free variables */
    const struct FunEntry *entry;
    Term creator; /* pid */
    Term env[];
} Fun;
#define FUN_WORDS(free) (3 + (size_t)(free))
typedef struct ExportFun {
    Word header; /* arity 1 */
    struct Export *export;
} ExportFun;
#define EXPORT_FUN_WORDS 2
static inline bool is_local_fun(Term t) { return is_boxed_sub(t, SUB_FUN); }
static inline bool is_export_fun(Term t) { return is_boxed_sub(t, SUB_EXPORT); }
static inline bool is_any_fun(Term t) { return is_local_fun(t) || is_export_fun(t); }
static inline Fun *fun_ptr(Term t) { return (Fun *)boxed_ptr(t); }
static inline struct Export *export_fun_export(Term t) { return ((ExportFun *)boxed_ptr(t))->export; }

/* --- maps (layout; operations in map.h) ------------------------------------------------------
 *   flat       [header arity 1+1+n][n as raw size][keys tuple][value 1]...[value n], keys sorted in term order
 *   HAMT head  [header][size raw][child]...      inner node  [header][child]...
 * Header arity of maps:  (bitmap:16 << 2) | kind.  A flat map's bitmap field is unused; its size word says n.
 */
enum { MAP_FLAT = 0, MAP_HEAD = 1, MAP_NODE = 2 };
#define MAP_HEADER(kind, bitmap) MAKE_HEADER(((Word)(bitmap) << 2) | (kind), SUB_MAP)
#define MAP_FLAT_MAX 32
static inline bool is_map_object(Term t) { return is_boxed_sub(t, SUB_MAP); }
static inline unsigned map_header_kind(Word h) { return (unsigned)header_arity(h) & 3; }
static inline unsigned map_header_bitmap(Word h) { return (unsigned)(header_arity(h) >> 2) & 0xffff; }
static inline bool is_map(Term t) { return is_map_object(t) && map_header_kind(*boxed_ptr(t)) != MAP_NODE; }
static inline bool is_flat_map(Term t)
{
    return is_map_object(t) && map_header_kind(*boxed_ptr(t)) == MAP_FLAT;
}
static inline size_t map_size(Term t) { return (size_t)boxed_ptr(t)[1]; } /* flat and HAMT head alike */
static inline Term flat_map_keys(Term t) { return boxed_ptr(t)[2]; }     /* the keys tuple */
static inline Term *flat_map_values(Term t) { return boxed_ptr(t) + 3; }
#define FLAT_MAP_WORDS(n) (3 + (size_t)(n)) /* without the keys tuple */

/* --- binaries (layout; operations in binary.h) ------------------------------------------------- */
typedef struct Binary Binary; /* heap.h: the shared, counted bytes */
typedef struct HeapBin {
    Word header; /* arity 1 + words of data */
    size_t size; /* bytes */
    uint8_t data[];
} HeapBin;
#define HEAP_BIN_MAX 64
#define HEAP_BIN_WORDS(bytes) (2 + ((size_t)(bytes) + 7) / 8)
typedef struct RefcBin {
    Word header; /* arity 5 */
    struct RefcBin *next; /* off-heap list */
    Binary *bin;
    uint8_t *data;
    size_t size;   /* bytes visible through this reference */
    Word writable; /* 1: bs_append may extend in place (see binary.h) */
} RefcBin;
#define REFC_BIN_WORDS 6
typedef struct SubBin {
    Word header; /* arity 4: raw 3, then orig */
    size_t size;         /* whole bytes */
    size_t offset;       /* bytes into orig */
    uint8_t bit_offset;  /* 0..7 */
    uint8_t bit_size;    /* 0..7 extra bits after size bytes */
    uint8_t is_writable; /* made by bs_append: its orig has room behind */
    uint8_t pad[5];
    Term orig; /* RefcBin or HeapBin, never a SubBin */
} SubBin;
#define SUB_BIN_WORDS 5
typedef struct MatchCtx {
    Word header;      /* arity 5: raw 4, then orig */
    const uint8_t *base; /* bytes of orig; the collector recomputes it when orig moves */
    size_t offset;    /* bits from base: next to read */
    /* bits from base: the matched binary. What lies around it in orig is not for this process to see */
    size_t start, end;
    Term orig;        /* RefcBin or HeapBin */
} MatchCtx;
#define MATCH_CTX_WORDS 6
_Static_assert(sizeof(SubBin) == SUB_BIN_WORDS * 8, "SubBin layout");
_Static_assert(sizeof(MatchCtx) == MATCH_CTX_WORDS * 8, "MatchCtx layout");
_Static_assert(sizeof(RefcBin) == REFC_BIN_WORDS * 8, "RefcBin layout");
_Static_assert(sizeof(Ref) == REF_MAGIC_WORDS * 8, "Ref layout");
_Static_assert(sizeof(ExtRef) == EXT_REF_WORDS * 8, "ExtRef layout");

static inline bool is_bitstring(Term t)
{
    return is_boxed(t) && boxed_sub(t) >= SUB_REFC_BIN && boxed_sub(t) <= SUB_SUB_BIN;
}

/* --- the collector's view --------------------------------------------------------------------- */
/* Words of the object that `header` starts, header included. */
static inline size_t header_object_words(const Word *object)
{
    Word h = *object;
    if (header_sub(h) != SUB_MAP) {
        return 1 + header_arity(h);
    }
    switch (map_header_kind(h)) {
    case MAP_FLAT:
        return FLAT_MAP_WORDS(object[1]);
    case MAP_HEAD:
        return 2 + (size_t)__builtin_popcount(map_header_bitmap(h));
    default:
        return 1 + (size_t)__builtin_popcount(map_header_bitmap(h));
    }
}
/* Of those, how many after the header are raw (not terms). The rest are terms. */
static inline size_t header_raw_words(Word h)
{
    switch (header_sub(h)) {
    case SUB_TUPLE:
        return 0;
    case SUB_FUN:
        return 1;
    case SUB_MATCH:
        return 4;
    case SUB_SUB_BIN:
        return 3;
    case SUB_MAP:
        return map_header_kind(h) == MAP_NODE ? 0 : 1;
    default:
        return header_arity(h);
    }
}
