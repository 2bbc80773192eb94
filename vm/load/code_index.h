/* SPDX-License-Identifier: Apache-2.0 */
/* The index from code addresses to instances: its writers (link.c). Readers use code_find(). */
#pragma once

#include "vm/load/code.h"

void code_index_add(const Instance *in);
void code_index_remove(const Instance *in);
