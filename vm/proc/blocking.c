/* SPDX-License-Identifier: Apache-2.0 */
/* See blocking.h. The counts of a process are its own; here is how many processes have any, by kind. */
#include "vm/proc/blocking.h"

#include "vm/proc/sched.h"

enum { MAX_BLOCKS = UINT16_MAX };

static struct Blocking {
    uint32_t blockers[2]; /* atomic: processes that block, that block `normal` */
} blocking;

bool blocking_begin(Proc *p, bool normal)
{
    if (p->blocks[normal] == MAX_BLOCKS) {
        return false;
    }
    if (p->blocks[normal]++ == 0) {
        __atomic_fetch_add(&blocking.blockers[normal], 1, __ATOMIC_SEQ_CST);
        sched_block_others(true);
    }
    return true;
}

static void leave(bool normal)
{
    __atomic_fetch_sub(&blocking.blockers[normal], 1, __ATOMIC_SEQ_CST);
    sched_block_others(false);
}

void blocking_end(Proc *p, bool normal)
{
    if (p->blocks[normal] > 0 && --p->blocks[normal] == 0) {
        leave(normal);
    }
}

void blocking_release_all(Proc *p)
{
    for (unsigned normal = 0; normal < 2; normal++) {
        if (p->blocks[normal] > 0) {
            p->blocks[normal] = 0;
            leave(normal);
        }
    }
}

Term blocking_state(void)
{
    return sched_count() == 1                                              ? A_disabled
           : __atomic_load_n(&blocking.blockers[false], __ATOMIC_SEQ_CST) ? A_blocked
           : __atomic_load_n(&blocking.blockers[true], __ATOMIC_SEQ_CST)  ? A_blocked_normal
                                                                           : A_enabled;
}

bool blocking_is_blocker(const Proc *p, bool normal)
{
    return __atomic_load_n(&p->blocks[normal], __ATOMIC_RELAXED) > 0;
}
