/* SPDX-License-Identifier: Apache-2.0 */
/* Between call.c and action.c. */
#pragma once

#include "vm/proc/proc.h"

/* For a process that is entering a function: the last word of the call it came from. */
const Word *call_trace_caller(const Proc *p);
