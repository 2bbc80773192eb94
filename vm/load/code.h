/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loaded code: modules with current and old instances, exports as atomic slots, fun entries. A code address (`const
 * Word *`) always points at an instruction word; the three words before a function's entry are its module,
 * function and arity, so that "which function is this entry" needs no search.
 */
#pragma once

#include "vm/heap/heap.h"
#include "vm/term/term.h"

struct NativeRow;

/* One function's place in an instance, sorted by address. */
typedef struct FunctionInfo {
    const Word *start; /* its func_info instruction */
    const Word *entry;
    Term name;
    unsigned arity;
} FunctionInfo;
/* line table: from `ip` on, this location, until the next row. */
typedef struct LineInfo {
    const Word *ip;
    uint32_t file; /* index into files; 0 = the module's own name with ".erl" */
    uint32_t line; /* 0: no line */
} LineInfo;

/* One loaded version of a module. Owns its code, literals and tables. */
typedef struct Instance {
    struct Module *module; /* NULL before it is published */
    Term name;
    Word *code;
    size_t code_words;
    LiteralArea *literals;
    FunctionInfo *functions;
    size_t function_count;
    /* one bit for each word of code: an instruction that starts there runs with a stack frame of its own */
    uint64_t *frames;
    LineInfo *lines;
    size_t line_count;
    Term *files; /* lists of characters in the literal area */
    size_t file_count;
    uint8_t md5[16];
    /* For module_info: the raw chunks as literals. */
    Term attributes, compile_info; /* decoded, in the literal area; NIL if absent */
    struct ExportRow {
        Term function;
        unsigned arity;
        const Word *entry;
    } *exports;
    size_t export_count;
    uint8_t *strings; /* the bytes that instructions point at */
    const Word *on_load; /* entry of the -on_load function, or NULL */
    struct FunEntry **funs;
    const Word **fun_code; /* where each begins here */
    size_t fun_count;
    bool has_natives;
} Instance;

typedef struct Module {
    Term name;
    Instance *current; /* atomic */
    Instance *old;     /* being phased out; NULL when none */
    struct Module *hash_next;
    Instance *pending; /* loaded, its on_load function has not succeeded yet: nothing exported */
    bool on_load_pending;
    Instance *failed;  /* its on_load function has failed; processes may still run it: purged apart from old code */
    /* pids of processes that called a fun of code being purged: suspended; under a lock of purge.c */
    Term *callers;
    size_t caller_count, caller_capacity;
    Instance *set_aside; /* old code while `failed` is purged in its place */
} Module;

/* A call target M:F/A. `addr` is what call_ext jumps to: the current entry, or the stub. */
typedef struct Export {
    const Word *addr;  /* atomic */
    Word info[4];      /* op_func_info, module, function, arity: stub[0] is an entry like any other */
    Word stub[3];      /* [op_call_native, NativeFn, export] or [op_call_error_handler, export] */
    const struct NativeRow *native; /* NULL: Erlang code */
    /* while a global trace has `addr` at the stub: where calls go on (trace/breakpoint.h); else NULL */
    const Word *behind;
    bool calls_traced;  /* of a native: the instructions that call it go through `addr` */
    struct Export *hash_next;
} Export;
static inline Term export_module(const Export *e) { return e->info[1]; }
static inline Term export_function(const Export *e) { return e->info[2]; }
static inline unsigned export_arity(const Export *e) { return (unsigned)e->info[3]; }

/* What a fun object refers to. Entries are never freed (module, index and uniq identify one for ever). */
typedef struct FunEntry {
    const Word *addr; /* atomic: entry of the lambda body, or the stub for code that is gone */
    Word info[4];     /* as Export's: module, (fun name atom), arity incl. free variables */
    Word stub[2];     /* [op_call_unloaded_fun, entry] */
    Term module;
    Term name;        /* '-f/1-fun-0-' */
    uint32_t index, old_index;
    uint32_t old_uniq;
    uint8_t uniq[16]; /* MD5 of the module */
    unsigned arity;   /* as the caller sees it */
    unsigned free_count;
    /* its code while that is being purged: calls wait for how the purge ends (module_purge_begin); else NULL */
    const Word *held;
    struct FunEntry *hash_next;
} FunEntry;

void code_init(void);
Module *module_find(Term name); /* NULL when never loaded */
Module *module_put(Term name);
void module_each(void (*fn)(Module *m, void *arg), void *arg);
/* Finds or makes the export. Never fails, never freed. */
Export *export_put(Term m, Term f, unsigned arity);
Export *export_find(Term m, Term f, unsigned arity); /* NULL when nobody ever named it */
static inline bool export_is_loaded(const Export *e) { return e->addr != e->stub || e->native || e->behind; }
void export_each(void (*fn)(Export *e, void *arg), void *arg);
/* An entry made by a term that lies about its arity is another entry: code is never entered with the wrong number of
 * variables. */
FunEntry *fun_entry_put(Term module, uint32_t index, const uint8_t uniq[16], uint32_t old_uniq, unsigned arity,
                        unsigned free_count);
/* The function that code address lies in, through the address index (atomic snapshot); NULL for foreign addresses. */
const FunctionInfo *code_find(const Word *ip, const Instance **instance);
/* Module, function, arity of a code address: in a module, or the stub of an export or a lambda. False: neither. */
bool code_mfa(const Word *ip, Term mfa[3]);
/* True when the instruction at ip runs with a frame of its function: then E[0] is that frame's slot, not the
 * caller's. */
bool code_has_frame(const Instance *in, const Word *ip);
/* Line of a return address or instruction; false when unknown. *file is a term (list of characters). */
bool code_find_line(const Instance *in, const Word *ip, Term *file, unsigned *line);

/* --- loading -------------------------------------------------------------------------------- */
/* Prepares a module from bytes of a .beam (or gzip of one): all checks, all memory, nothing visible. NULL with *error
 * set to an atom (badfile, ...) and a line in `why` on the log when asked. `name` NONVALUE: any module. */
typedef struct Prepared Prepared;
Prepared *load_prepare(Term name, const uint8_t *bytes, size_t n, Term *error);
/* The same for a module that the machine brings: it shows no lines in stack traces, as OTP's preloaded modules, and
 * may carry its MD5 with it (tools/lighten), because only what builds the machine makes such files. */
Prepared *load_prepare_preloaded(Term name, const uint8_t *bytes, size_t n, Term *error);
const char *load_why(void); /* why the last load_prepare failed, for people */
Term prepared_module(const Prepared *pr);
bool prepared_has_on_load(const Prepared *pr);
/* Treats the exported name/0 as if it had the on_load mark. False: there is no such function. */
bool prepared_set_on_load(Prepared *pr, Term name);
/* Publishes (infallible): current becomes old. The caller has checked that there is no old instance. Takes pr. */
void load_finish(Prepared *pr);
/* Publishes the exports of an instance whose on_load succeeded, or drops it. */
void load_finish_on_load(Module *m, bool keep);
/* The instance whose on_load function failed becomes the old code until module_purge_old. False: there is none. */
bool module_purges_failed(Module *m);
void load_discard(Prepared *pr);
/* Entry of the on_load function that is waiting to be called. */
const Word *module_on_load_entry(const Module *m);
/* True when `entry` is a FunEntry whose code lies in `in`. Any pointer may be asked about: it is not followed. */
bool code_is_fun_of(const Instance *in, const void *entry);
/* delete_module: current becomes old, exports back to stubs. */
void module_delete(Module *m);
/* Calls of funs of the old code wait (purge.c) until the purge is over: aborted, or with module_purge_old. Alone. */
void module_purge_begin(Module *m);
void module_purge_abort(Module *m);
/* Frees the old instance: nobody refers to it any more (see bif_code.c). */
void module_purge_old(Module *m);
void module_unload_old(Module *m); /* the last step of it */
/* p, which is running, called a fun of m that is being purged: it stops at its next yield until the purge is over. */
void module_purge_await(Module *m, Proc *p);
