/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system_flag(multi_scheduling, _): while some process blocks, one scheduler alone runs processes. Blocks are counted
 * in each process and end with it. There are no dirty schedulers, so a `normal` block differs in name only.
 */
#pragma once

#include "vm/proc/proc.h"

/* False: too many blocks. The other schedulers finish the slices they are in. */
bool blocking_begin(Proc *p, bool normal);
/* Ends one block, if there is any. */
void blocking_end(Proc *p, bool normal);
/* disabled: there is one scheduler only; enabled, blocked, blocked_normal. */
Term blocking_state(void);
bool blocking_is_blocker(const Proc *p, bool normal);
/* p ends. */
void blocking_release_all(Proc *p);
