/* SPDX-License-Identifier: Apache-2.0 */
/* Natives: start_timer, send_after, cancel_timer, read_timer. */
#include "gen/natives.h"
#include "vm/proc/clock.h"
#include "vm/proc/monitor.h"
#include "vm/proc/msg.h"
#include "vm/proc/timer.h"

#define NS_PER_MS INT64_C(1000000)
/* Absolute times: from the start to the end of Erlang monotonic time; relative ones reach as far. */
#define MIN_ABSOLUTE_MS (CLOCK_START / NS_PER_MS)
#define MAX_UPTIME_MS (INT64_MAX / NS_PER_MS - 1)

/* Time in ms to an uptime in ns; false when it is no such time or after the end of time. */
static bool timer_due(Term time, bool absolute, int64_t *due_ns)
{
    if (!is_small(time)) {
        return false;
    }
    int64_t now = clock_uptime_ns(), ms = small_value(time);
    int64_t first = absolute ? MIN_ABSOLUTE_MS : 0, after = ms - first;
    if (after < 0 || after > MAX_UPTIME_MS - (absolute ? 0 : now / NS_PER_MS + 1)) {
        return false;
    }
    *due_ns = after * NS_PER_MS + (absolute ? 0 : now);
    return true;
}

/* The message in a fragment of its own: Msg itself, or {timeout, Ref, Msg}. */
static Term timer_message(uint64_t id, Term message, bool wrap, HeapFrag **frag)
{
    if (!wrap) {
        Term copy;
        *frag = frag_copy_whole(message, &copy);
        return copy;
    }
    HeapFrag *f = frag_new(term_size_whole(message) + REF_PLAIN_WORDS + TUPLE_WORDS(3));
    Term *hp = f->mem;
    Term copy = term_copy_whole(message, &hp, &f->off_heap), ref = ref_build(&hp, id, NONVALUE);
    hp[0] = MAKE_HEADER(3, SUB_TUPLE);
    hp[1] = A_timeout;
    hp[2] = ref;
    hp[3] = copy;
    f->used = f->words;
    *frag = f;
    return make_boxed(hp);
}

static Term timer_begin(Proc *p, const Term *a, bool absolute, bool wrap)
{
    int64_t due_ns;
    if (!timer_due(a[0], absolute, &due_ns)) {
        return p_badarg_cause(p, A_time);
    }
    if (!is_local_pid(a[1]) && !is_atom(a[1])) {
        return p_badarg(p);
    }
    Term ref = heap_new_ref(p);
    HeapFrag *frag;
    Term message = timer_message(ref_id(ref), a[2], wrap, &frag);
    timer_start_message(p->sched, due_ns, a[1], ref_id(ref), message, frag);
    return ref;
}

/* [{abs, Bool}]. */
static bool parse_abs(Term list, bool *absolute)
{
    *absolute = false;
    for (; is_cons(list); list = cons_tail(list)) {
        Term o = cons_head(list);
        if (!is_tuple_arity(o, 2) || tuple_elements(o)[0] != A_abs || !is_boolean(tuple_elements(o)[1])) {
            return false;
        }
        *absolute = tuple_elements(o)[1] == A_true;
    }
    return is_nil(list);
}

NATIVE(native_start_timer_3) { return timer_begin(p, a, false, true); }
NATIVE(native_send_after_3) { return timer_begin(p, a, false, false); }
NATIVE(native_start_timer_4)
{
    bool absolute;
    return parse_abs(a[3], &absolute) ? timer_begin(p, a, absolute, true) : p_badarg_cause(p, A_badopt);
}
NATIVE(native_send_after_4)
{
    bool absolute;
    return parse_abs(a[3], &absolute) ? timer_begin(p, a, absolute, false) : p_badarg_cause(p, A_badopt);
}

/* --- asking and cancelling ------------------------------------------------------------------------------------ */
static bool parse_async_info(Term list, bool info_allowed, bool *async, bool *info)
{
    *async = false;
    *info = true;
    for (; is_cons(list); list = cons_tail(list)) {
        Term o = cons_head(list);
        if (!is_tuple_arity(o, 2) || !is_boolean(tuple_elements(o)[1])) {
            return false;
        }
        bool value = tuple_elements(o)[1] == A_true;
        if (tuple_elements(o)[0] == A_async) {
            *async = value;
        } else if (tuple_elements(o)[0] == A_info && info_allowed) {
            *info = value;
        } else {
            return false;
        }
    }
    return is_nil(list);
}

static Term left_term(int64_t left)
{
    return left < 0 ? A_false : make_small(left);
}

NATIVE(native_cancel_timer_1)
{
    return is_ref(a[0]) ? left_term(timer_cancel(ref_id(a[0]))) : p_badarg(p);
}

NATIVE(native_read_timer_1)
{
    return is_ref(a[0]) ? left_term(timer_read(ref_id(a[0]))) : p_badarg(p);
}

/* The answer as a message {Tag, Ref, Left} when asked so. */
static Term timer_answer(Proc *p, Term tag, Term ref, int64_t left, bool async, bool info)
{
    if (async && info) {
        msg_send(p, p, heap_tuple3(p, tag, ref, left_term(left)));
    }
    return async || !info ? A_ok : left_term(left);
}

NATIVE(native_cancel_timer_2)
{
    bool async, info;
    if (!parse_async_info(a[1], true, &async, &info) || !is_ref(a[0])) {
        return p_badarg(p);
    }
    return timer_answer(p, A_cancel_timer, a[0], timer_cancel(ref_id(a[0])), async, info);
}

NATIVE(native_read_timer_2)
{
    bool async, info;
    if (!parse_async_info(a[1], false, &async, &info) || !is_ref(a[0])) {
        return p_badarg(p);
    }
    return timer_answer(p, A_read_timer, a[0], timer_read(ref_id(a[0])), async, true);
}
