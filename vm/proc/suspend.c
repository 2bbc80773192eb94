/* SPDX-License-Identifier: Apache-2.0 */
/* See suspend.h. A suspended process handles signals, but the scheduler does not enter the interpreter for it. */
#include "vm/proc/suspend.h"

#include "vm/proc/idmap.h"
#include "vm/proc/sched.h"

void suspend_add(Proc *p, Proc *target)
{
    uint64_t *count = idmap_find(p->suspends, target->id);
    idmap_put(&p->suspends, target->id, count ? *count + 1 : 1);
    __atomic_fetch_add(&target->suspend_count, 1, __ATOMIC_RELEASE);
}

static void suspend_drop(Term pid, uint64_t count)
{
    Proc *target = proc_lookup(pid);
    if (target && __atomic_sub_fetch(&target->suspend_count, (uint32_t)count, __ATOMIC_RELEASE) == 0) {
        sched_ready(target);
    }
}

void suspend_begin(Proc *p)
{
    __atomic_fetch_add(&p->suspend_count, 1, __ATOMIC_RELEASE);
}

void suspend_end(Term pid)
{
    suspend_drop(pid, 1);
}

bool suspend_remove(Proc *p, Term target)
{
    uint64_t *count = idmap_find(p->suspends, target);
    if (!count) {
        return false;
    }
    if (--*count == 0) {
        idmap_delete(&p->suspends, target, NULL);
    }
    suspend_drop(target, 1);
    return true;
}

void suspend_release_all(Proc *p)
{
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(p->suspends, &i));) {
        suspend_drop(s->key, s->value);
    }
    idmap_free(&p->suspends);
}
