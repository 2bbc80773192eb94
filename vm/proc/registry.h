/* SPDX-License-Identifier: Apache-2.0 */
/* Registered names: atom -> local pid or port. */
#pragma once

#include "vm/proc/proc.h"

/* NONVALUE when nobody has it. */
Term registry_find(Term name);
/* False when the name is taken. The caller has checked that `who` lives and has no name, and notes the name there. */
bool registry_put(Term name, Term who);
void registry_delete(Term name);
void registry_each(void (*fn)(Term name, Term who, void *arg), void *arg);
size_t registry_count(void);
