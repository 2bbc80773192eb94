/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process memory. A process has one block: heap grows up from `heap`, stack down from `stack_end`;
 * an old generation; and heap fragments. All terms a process can reach lie in those, in a message
 * fragment, or in a literal area.
 *
 * Natives allocate with heap_alloc(): it never fails, never collects and never moves a term; when
 * the block is full it gives a fragment. The interpreter collects afterwards, at a safe point. So a
 * native may hold any Term in a C variable for as long as it runs.
 *
 * Code that builds terms for elsewhere (messages, literals, ETS) takes a target (Term **hp, OffHeap *oh):
 * it writes at *hp, advances it, and links refc binaries and magic references into oh.
 */
#pragma once

#include "lib/cstd.h"
#include "vm/term/term.h"

typedef struct Proc Proc;

/* Refc binaries and magic references of one memory area: a list through their next fields, so that
 * the counts are dropped when the area dies. `first` is a pointer to an object header. */
typedef struct OffHeap {
    Word *first;
    size_t bytes; /* bytes held by refc binaries: counts as garbage pressure */
} OffHeap;

/* A piece of memory filled with terms: native overflow, or a message under way. */
typedef struct HeapFrag {
    struct HeapFrag *next;
    size_t words;     /* capacity */
    size_t used;
    OffHeap off_heap;
    Term mem[];
} HeapFrag;

/* The bytes behind refc binaries. `refc` is atomic. `size` may grow only through binary_realloc with refc 1. */
struct Binary {
    int64_t refc;
    size_t size;
    uint8_t data[] __attribute__((aligned(16)));
};

/* What a magic reference names: a native resource with a destructor, counted. `kind` tells whose it is. */
typedef struct Magic {
    int64_t refc; /* atomic */
    const struct MagicKind *kind;
    uint64_t ref_numbers[2]; /* n01, n2 of the references to it */
    void *data;
    struct Magic *noted_next; /* in the table of magic.c */
    bool noted;               /* atomic */
} Magic;
typedef struct MagicKind {
    const char *name;
    void (*destroy)(Magic *m); /* frees m->data; called once, on whichever process's collection drops the last */
} MagicKind;

/* --- memory --------------------------------------------------------------------------------- */
/* General memory: never NULL. Where there is none, the machine ends with a message: nothing is half done then.
 * vm_free(NULL) is allowed. */
void *vm_alloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *vm_calloc(size_t bytes) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *vm_realloc(void *mem, size_t bytes);
void vm_free(void *mem);
/* Doubles a stack that is full, and says where it is now. One that is still at `local`, where most stay, moves to
 * memory of its own, for vm_free(). */
void *vm_stack_grow(void *items, const void *local, size_t *capacity, size_t item_size);
_Noreturn void vm_out_of_memory(size_t bytes);

/* --- for natives ---------------------------------------------------------------------------- */
/* Space for `words` words on p's heap or in a fragment; must be filled with terms before the next safe point. */
Term *heap_alloc(Proc *p, size_t words);
/* Gives back the tail of the LAST heap_alloc: [used_end, its end). */
void heap_trim(Proc *p, Term *used_end);
/* Target for (hp, oh) builders on p's own heap. */
OffHeap *heap_off_heap(Proc *p);

/* A list that grows at its end; begins as {NIL, NULL}. */
typedef struct ListTail {
    Term first, *last;
} ListTail;
void heap_append(Proc *p, ListTail *list, Term element);

static inline Term heap_cons(Term **hp, Term head, Term tail)
{
    Term *c = *hp;
    c[0] = head;
    c[1] = tail;
    *hp = c + 2;
    return make_list(c);
}
/* On p's heap: conveniences for natives. */
Term heap_list(Proc *p, size_t n, const Term *elements, Term tail);
Term heap_tuple(Proc *p, size_t n, const Term *elements);
Term heap_tuple2(Proc *p, Term a, Term b);
Term heap_tuple3(Proc *p, Term a, Term b, Term c);
Term heap_cons_on(Proc *p, Term head, Term tail);
Term heap_float(Proc *p, double d);
Term heap_int64(Proc *p, int64_t v);   /* small or bignum */
Term heap_uint64(Proc *p, uint64_t v);
Term heap_string(Proc *p, const uint8_t *bytes, size_t n); /* list of byte values */
#define INT64_WORDS 2 /* at most, for the (hp) form below */
Term build_int64(Term **hp, int64_t v);
Term build_uint64(Term **hp, uint64_t v);

/* --- copying -------------------------------------------------------------------------------- */
/* Words that copying t needs (shared subterms counted each time; literals count 0 unless whole). Bounded C stack. */
size_t term_size(Term t);
size_t term_size_whole(Term t); /* counts literals too: for literal areas, ETS, persistent terms */
/* Copies t to *hp. Terms in literal areas are not copied (term_copy) or are (term_copy_whole). */
Term term_copy(Term t, Term **hp, OffHeap *oh);
Term term_copy_whole(Term t, Term **hp, OffHeap *oh);
/* The terms together with each object that they share counted once, literals too; *shares: some are. And a copy of that
 * size, in place of the roots. */
size_t term_size_sharing(const Term *roots, size_t n, bool *shares);
void term_copy_sharing(Term *roots, size_t n, Term **hp, OffHeap *oh);
/* Copies t to p's heap, whatever area it comes from. */
Term heap_copy(Proc *p, Term t);

/* --- fragments -------------------------------------------------------------------------------- */
HeapFrag *frag_new(size_t words); /* used = 0 */
void frag_free(HeapFrag *f);      /* releases its off-heap references too */
HeapFrag *frag_copy_term(Term t, Term *copy); /* NULL when t needs no memory (immediate or literal) */
/* The same, literals too: for what is kept outside of processes. NULL when t is immediate. */
HeapFrag *frag_copy_whole(Term t, Term *copy);
/* Makes the fragment part of p's heap; takes it. NULL allowed. */
void heap_adopt_frag(Proc *p, HeapFrag *f);
void off_heap_release(OffHeap *oh); /* drops every count in the list and empties it */
/* Moves all of `from` into `to`. */
void off_heap_merge(OffHeap *to, OffHeap *from);

/* --- refc binaries and magic ------------------------------------------------------------------- */
Binary *binary_alloc(size_t bytes); /* refc 1 */
Binary *binary_realloc(Binary *b, size_t bytes); /* only with refc 1 */
void binary_retain(Binary *b);
void binary_release(Binary *b);
/* A RefcBin term for b; takes one reference. REFC_BIN_WORDS. */
Term build_refc_bin(Term **hp, OffHeap *oh, Binary *b, const uint8_t *data, size_t size);
Magic *magic_new(const MagicKind *kind, void *data); /* refc 0: the first reference made retains it */
Term build_magic_ref(Term **hp, OffHeap *oh, Magic *m); /* REF_MAGIC_WORDS */
Term heap_magic_ref(Proc *p, Magic *m);
/* m when t is a magic reference of that kind, else NULL. */
Magic *magic_of(Term t, const MagicKind *kind);
void magic_retain(Magic *m);
void magic_release(Magic *m);
/* The reference's numbers are about to leave as text or bytes: reading them back is to give a reference to m again. */
void magic_note(Magic *m);
/* A term for this machine's reference with those numbers, read from text or bytes: magic when they are a living, noted
 * one's. At most REF_MAGIC_WORDS. */
Term build_read_ref(Term **hp, OffHeap *oh, uint64_t n01, uint64_t n2);

/* --- literal areas ------------------------------------------------------------------------------ */
/* All literals live in one reserved address range, so that the collector tells them by address. */
typedef struct LiteralArea {
    Term *start;
    size_t words;
    OffHeap off_heap;
    struct LiteralArea *next; /* of those that wait for their release */
} LiteralArea;
LiteralArea *literal_area_new(size_t words); /* memory for `words` terms; start is where to build, all to be filled */
void literal_area_free(LiteralArea *area);   /* the caller knows that nobody refers to it */
/* Nobody gets terms of this area any more; it is freed when no process has any (literal.h). NULL allowed. Alone. */
void literal_area_retire(LiteralArea *area);
extern struct LiteralRange {
    uintptr_t start;
    uintptr_t size;
} literal_range; /* written once at boot */
static inline bool is_literal_ptr(const void *ptr)
{
    return (uintptr_t)ptr - literal_range.start < literal_range.size;
}

/* True for a literal that may be shared: of no area that is being released. */
extern struct LiteralRange literal_released; /* from the first to the last of those; written alone */
bool literal_is_released(const void *ptr);
static inline bool literal_stays(const void *ptr)
{
    return is_literal_ptr(ptr) &&
           ((uintptr_t)ptr - literal_released.start >= literal_released.size || !literal_is_released(ptr));
}

/* --- collection (interpreter and scheduler only) -------------------------------------------------- */
/* Makes room for `need` words between heap top and stack. Roots: live x registers, stack, dictionary, and
 * all that Proc lists. Minor when it suffices, else full. Returns false when max_heap_size killed it. */
bool heap_collect_gc(Proc *p, size_t need, Term *x, unsigned live);
/* Words that count against max_heap_size: blocks, fragments, and messages unless they are kept off the heap. */
size_t heap_total_words(const Proc *p);
void heap_collect_full_gc(Proc *p, size_t need, Term *x, unsigned live);
/* Gives the process its first block. `min_words` from the spawn options (0 = default 233). */
void heap_init(Proc *p, size_t min_words);
void heap_free_all(Proc *p);
/* Shrinks to what is used (hibernate); no live registers, empty stack but for `keep_stack` words. */
void heap_hibernate_gc(Proc *p, Term *x, unsigned live);
/* Copies what p has of literal areas that are being released: nothing of p refers to them any more. `x`: as saved.
 * False when max_heap_size killed it. */
bool heap_leave_literals(Proc *p, Term *x, unsigned live);
/* Calls fn for every slot of p that may hold a term. Right after a full collection only. */
void heap_each_slot(Proc *p, Term *x, unsigned live, void (*fn)(Term *slot, void *arg), void *arg);
/* Next legal heap size (words) that holds `words`: OTP's Fibonacci-like series. */
size_t heap_next_size(size_t words);
/* Walks all terms of p and panics on a bad one: debug and stress builds. */
void heap_check(Proc *p, const Term *x, unsigned live);
/* True when `hit` says yes to some word of p's memory: stack, heap, fragments, messages, registers. Raw words (float
 * and binary contents, code addresses on the stack) are shown too, so an answer can be wrong only on the safe side. */
bool heap_find_word(Proc *p, bool (*hit)(Word w, void *arg), void *arg);

