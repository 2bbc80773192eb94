/* SPDX-License-Identifier: Apache-2.0 */
/* What exit.c needs of proc.c. */
#pragma once

#include "vm/proc/proc.h"

/* Takes p out of the process table; its slot may be used again. */
void proc_table_remove(Proc *p);
/* The running number that the next process gets if its slot is free; and choosing another one, for tests: returns the
 * first from n on whose slot is free. */
uint64_t proc_table_next(void);
uint64_t proc_table_set_next(uint64_t n);
size_t dict_bytes(const struct Dict *d);
/* [{Key, Value}] of `of` on `to`s heap. */
Term dict_to_list(Proc *to, Proc *of);
