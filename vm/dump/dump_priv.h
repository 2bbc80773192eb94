/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of crash dumps: buffered text to the platform, and terms. */
#pragma once

#include "vm/proc/idmap.h"
#include "vm/term/term.h"

enum { DUMP_BUFFER = 16 * 1024 };
typedef struct Dump {
    bool full; /* the platform takes no more */
    bool kept; /* `text` takes what is written, not the platform */
    char *text;
    size_t text_n;
    size_t n;
    char buffer[DUMP_BUFFER];
    /* Terms whose objects are to be written: what dump_term and its like have named. */
    Term *todo;
    size_t todo_count, todo_capacity;
    IdMap *seen;     /* objects named since the last dump_objects_end, by address */
    IdMap *binaries; /* Binary behind some term written: all of them, by address */
    bool half;       /* the slot before was the key of a pair */
    uintptr_t shift; /* added to addresses: keeps the objects of one section apart from those of others */
} Dump;

/* --- text (dump_text.c) ------------------------------------------------------------------------------------------- */
void dump_bytes(Dump *d, const void *bytes, size_t n);
void dump_format(Dump *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void dump_base64(Dump *d, const uint8_t *bytes, size_t n);
/* As erlang:display shows it; of a long one the beginning. */
void dump_shown(Dump *d, Term t);
void dump_flush(Dump *d);

/* --- terms (dump_term.c) ------------------------------------------------------------------------------------------ */
/* An immediate as it is, anything else by its address; its object follows with dump_objects(). */
void dump_term(Dump *d, Term t);
/* The address by which a tuple {key, value} that exists in the dump only is named; its line, among the objects. */
void dump_pair_name(Dump *d, const Term *pair);
void dump_pair_object(Dump *d, const Term *pair);
/* One line for each object that was named, and those that it names. */
void dump_objects(Dump *d);
void dump_objects_end(Dump *d); /* forgets what was named */
/* The bytes of all counted binaries, a section each. */
void dump_binaries(Dump *d);

/* --- processes (dump_proc.c) -------------------------------------------------------------------------------------- */
struct Proc;
void dump_processes(Dump *d);        /* a summary each */
void dump_processes_stacks(Dump *d); /* the same with their stacks, for people */
void dump_process_memory(Dump *d);   /* stacks, messages, dictionaries and their objects */
void dump_address(Dump *d, const Word *ip); /* 0x... (m:f/a + offset) */
