/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Death. Order matters to those who watch: the name and the tables are gone before any link or monitor tells of the
 * death, and the signal queue is closed first, so that whatever arrives later is answered as for a dead process.
 */
#include "vm/dump/dump.h"
#include "vm/ets/ets.h"
#include "vm/proc/blocking.h"
#include "vm/proc/idmap.h"
#include "vm/proc/link.h"
#include "vm/proc/monitor.h"
#include "vm/proc/registry.h"
#include "vm/proc/safe.h"
#include "vm/proc/sched.h"
#include "vm/proc/suspend.h"
#include "vm/proc/table.h"
#include "vm/proc/timer.h"
#include "vm/term/print.h"
#include "vm/trace/call.h"
#include "vm/trace/profile.h"
#include "vm/vm.h"

static void exit_check_vital(const Proc *p, Term reason)
{
    char name[32], why[1024], text[1100];
    bool init = pid_number(p->id) == 0 && pid_serial(p->id) == 0;
    if (init || p->flags & PF_SYSTEM) {
        term_print(p->id, name, sizeof name);
        term_print(reason, why, sizeof why);
        int n = snprintf(text, sizeof text, "System process %s terminated: %s", name, why);
        dump_halt(text, (size_t)n);
    }
}

static void exit_free_memory(Proc *p)
{
    p->sched->gc_count += p->gc_count;
    p->sched->gc_words_reclaimed += p->gc_words_reclaimed;
    msg_free_all(p);
    if (p->dict) {
        dict_free(p->dict);
    }
    heap_free_all(p);
    vm_free(p->saved_x_more);
}

void proc_exit(Proc *p, Term reason)
{
    exit_check_vital(p, reason);
    p->flags |= PF_EXITING;
    if (trace_on(p, TRACE_PROCS)) {
        trace_proc_event1(p, A_exit, reason);
    }
    __atomic_fetch_or(&p->state, PS_EXITING, __ATOMIC_RELEASE);
    timer_owner_exit(p);
    ets_owner_exit(p);
    registry_forget(p->id, &p->registered_name);
    if (!is_nil(p->registered_name) && trace_on(p, TRACE_PROCS)) {
        trace_proc_event1(p, A_unregister, p->registered_name);
    }
    suspend_release_all(p);
    blocking_release_all(p);
    link_break_all(p, &p->links, p->id, reason);
    monitor_end_all(&p->monitors, p->id, reason);
    signal_close_all(p);
    if (trace_on(p, TRACE_EXITING)) {
        trace_scheduled(p, A_out_exited);
    }
    if (profile_on(PROFILE_PROCS)) {
        profile_process(p, false);
    }
    if (p->call_time) {
        call_time_free(p);
    }
    exit_free_memory(p);
    proc_table_remove(p);
    safe_free_later(p, vm_free);
}
