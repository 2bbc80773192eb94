/* SPDX-License-Identifier: Apache-2.0 */
/* What code management offers to the rest of the machine. */
#pragma once

#include "vm/proc/proc.h"

/* True when p still runs, or can return into, or holds a fun of the old instance of `module`: check_process_code. */
bool code_check_process(Proc *p, Term module);
