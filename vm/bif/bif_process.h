/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the natives about processes. */
#pragma once

#include "vm/bif/native.h"

/* An integer or map that max_heap_size takes (spawn option, process_flag, system_flag). Keeps what a map leaves out. */
bool max_heap_parse(Term t, size_t *words, unsigned *flags);
/* #{size, kill, error_logger} on p's heap. */
Term max_heap_term(Proc *p, size_t words, unsigned flags);
/* PRIO_ or -1; and back. */
int priority_parse(Term t);
Term priority_term(unsigned priority);
/* Lets another process act on the signals it has got, so that what p asks it next is answered in order. False: it is ending. */
bool process_settle(Proc *p, Proc *other);
/* process_info(_, garbage_collection_info): figures of t in words, as a list on p's heap. */
Term process_gc_info(Proc *p, const Proc *t);
/* process_info(garbage_collection_info) of t on p's heap. */
Term process_gc_info(Proc *p, const Proc *t);
