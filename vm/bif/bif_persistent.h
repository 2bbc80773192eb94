/* SPDX-License-Identifier: Apache-2.0 */
/* Persistent terms, for other parts of the machine. */
#pragma once

#include "vm/term/term.h"

/* The value, a literal; NONVALUE when there is none. */
Term persistent_get(Term key);
/* Words of the table. */
size_t persistent_slots(void);
/* All of them; nobody else may run. */
void persistent_each(void (*fn)(Term key, Term value, void *arg), void *arg);
