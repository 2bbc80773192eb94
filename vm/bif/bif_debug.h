/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of erts_debug:get_internal_state/1 that show lists: bif_debug_lists.c. */
#pragma once

#include "vm/proc/proc.h"

/* which: link_list or monitor_list; pid: a process, or the name of a node. */
Term debug_list(Proc *p, Term which, Term pid);
Term debug_node_references(Proc *p);
Term debug_process_info_args(Proc *p);
Term debug_processes_info(Proc *p);
