/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Releasing literal areas (heap/literal.h) as the process erts_literal_area_collector of OTP asks
 * for it: it is told that there is something, asks for the next areas, has every process copy what
 * it has of them, and asks again. All that was retired in the meantime is released at once, so many
 * erased terms cost no more rounds than one.
 *
 * A process answers a request for itself, at a point where it may collect. What it is sent later
 * refers to no literal being released any more (literal_stays), so one answer from each is enough.
 * Terms that are kept outside of processes (timers, tags of monitors, tables, match specifications)
 * never refer to literals: they are copied whole.
 */
#include "vm/bif/bif_literals.h"

#include "gen/natives.h"
#include "vm/bif/bif_process.h"
#include "vm/heap/literal.h"
#include "vm/proc/msg.h"
#include "vm/proc/signal.h"

/* Written alone. */
static struct {
    Term collector;
    bool told; /* it has been, or is at work, and has not yet found nothing more to do */
} release = {NONVALUE, false};

void literals_set_collector(Term pid)
{
    release.collector = pid;
}

void literals_release(void)
{
    if (!release.told && release.collector != NONVALUE) {
        release.told = true;
        msg_send_pid(NULL, release.collector, A_copy_literals);
    }
}

NATIVE(native_release_area_switch)
{
    (void)p;
    (void)a;
    release.told = literal_release_next();
    return make_boolean(release.told);
}

/* The signal's term is {AreaId, How, Pid}; the answer {copy_literals, {AreaId, How, Pid}, ok}. */
static void copy_literals(Proc *p, Signal *s, bool dead)
{
    if (!dead) {
        process_leave_literals(p);
    }
    Term *answer = signal_room(s, TUPLE_WORDS(3));
    answer[0] = MAKE_HEADER(3, SUB_TUPLE);
    answer[1] = A_copy_literals;
    answer[2] = s->head.term;
    answer[3] = A_ok;
    HeapFrag *frag = s->head.frag;
    s->head.frag = NULL;
    msg_send_frag(s->from, make_boxed(answer), frag);
}

NATIVE(native_send_copy_request)
{
    if (p->id != release.collector || !is_local_pid(a[0])) {
        return p_badarg(p);
    }
    Term id = heap_tuple3(p, a[1], a[2], a[0]);
    Signal *s = signal_new_term(SIG_TASK, p->id, 0, id, TUPLE_WORDS(3));
    s->call = copy_literals;
    if (!signal_send(a[0], s)) {
        msg_send(p, p, heap_tuple3(p, A_copy_literals, id, A_ok));
    }
    return A_ok;
}
