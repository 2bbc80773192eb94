/* SPDX-License-Identifier: Apache-2.0 */
/* Registered names: atom -> local pid or port. */
#pragma once

#include "vm/proc/proc.h"

typedef enum { REGISTERED, REGISTER_TAKEN, REGISTER_HAS_NAME, REGISTER_DEAD } RegisterResult;

void registry_init(size_t max_atoms);
/* NONVALUE when nobody has it. No lock. */
Term registry_find(Term name);
/* Gives `who` the name. place(who) says where a live process or port keeps its name (NIL, or NONVALUE: none), NULL
 * when it is dead; it is called under the registry's lock. */
RegisterResult registry_put(Term name, Term who, Term *(*place)(Term who));
/* Takes the name away. False: nobody has it. */
bool registry_delete(Term name, Term *(*place)(Term who));
/* `who` ends: the name at *place goes, and it gets none any more (place answers NULL from here on). */
void registry_forget(Term who, Term *place);
void registry_each(void (*fn)(Term name, Term who, void *arg), void *arg);
size_t registry_count(void);
