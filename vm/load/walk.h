/* SPDX-License-Identifier: Apache-2.0 */
/* From an instruction in memory to its row in ops.tab, and to the next instruction. */
#pragma once

#include "vm/load/code.h"

/* Index into specific_ops of the instruction at ip, behind a breakpoint; -1: no instruction starts there. */
int walk_op(const Word *ip);
/* Words of the instruction at ip with its lists and tables. */
size_t walk_words(const Word *ip);
void walk_init(void); /* at boot */
