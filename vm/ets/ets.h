/* SPDX-License-Identifier: Apache-2.0 */
/* What the rest of the machine needs of ETS: the end of a process, and figures for system_info. */
#pragma once

#include "vm/proc/proc.h"

/* p ends (called by proc_exit while p is still registered): its fixations go, its tables go to their
 * heirs or are deleted. Frees all at once. */
void ets_owner_exit(Proc *p);
/* Tables alive, for system_info(ets_count). The limit is not enforced (as in OTP): system_info(ets_limit). */
size_t ets_table_count(void);
enum { ETS_LIMIT = 8192 };
/* Memory of all tables in words, for memory(ets). */
size_t ets_memory_words(void);
