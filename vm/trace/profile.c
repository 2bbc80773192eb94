/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See profile.h. {profile, Pid, active | inactive, {M, F, A}, Time} and
 * {profile, scheduler, Id, active | inactive, Working, Time}.
 * Ports have no queue of their own here, so runnable_ports is taken and has nothing to say.
 */
#include "vm/trace/profile.h"

#include "gen/natives.h"
#include "vm/trace/trace_priv.h"

Profiling profiling;

static Term told_time(Term space[TRACE_TIME_WORDS])
{
    return trace_time(profiling.times ? profiling.times : TRACE_TIMESTAMP, space);
}

void profile_process(Proc *p, bool active)
{
    Term space[4], time_space[TRACE_TIME_WORDS];
    if (p->id == profiling.tracer || (p->flags & PF_SYSTEM)) {
        return;
    }
    Term what[6] = {MAKE_HEADER(5, SUB_TUPLE), A_profile, p->id, active ? A_active : A_inactive, trace_where(p, space),
                    told_time(time_space)};
    trace_tell(profiling.tracer, make_boxed(what));
}

void profile_scheduler(const Sched *s, bool active, unsigned working)
{
    Term time_space[TRACE_TIME_WORDS];
    Term what[7] = {MAKE_HEADER(6, SUB_TUPLE), A_profile, A_scheduler, make_small((int64_t)s->index + 1),
                    active ? A_active : A_inactive, make_small(working), told_time(time_space)};
    trace_tell(profiling.tracer, make_boxed(what));
}

/* --- natives ------------------------------------------------------------------------------------------------- */
static const struct {
    Term name;
    uint32_t flag, time;
} options[] = {
    {A_runnable_ports, PROFILE_PORTS, 0},
    {A_runnable_procs, PROFILE_PROCS, 0},
    {A_scheduler, PROFILE_SCHEDULERS, 0},
    {A_exclusive, PROFILE_EXCLUSIVE, 0},
    {A_timestamp, 0, TRACE_TIMESTAMP},
    {A_monotonic_timestamp, 0, TRACE_MONOTONIC},
    {A_strict_monotonic_timestamp, 0, TRACE_STRICT_MONOTONIC},
};
enum { OPTION_COUNT = sizeof options / sizeof *options, FLAG_OPTIONS = 4 };

static Term profile_term(Proc *p)
{
    if (!profiling.flags || !trace_tracer_alive(profiling.tracer)) {
        return A_undefined;
    }
    Term list = NIL;
    for (size_t i = 0; i < FLAG_OPTIONS; i++) {
        if (profiling.flags & options[i].flag) {
            list = heap_cons_on(p, options[i].name, list);
        }
    }
    return heap_tuple2(p, profiling.tracer, list);
}

static bool options_parse(Term list, Profiling *wanted)
{
    for (; is_cons(list); list = cons_tail(list)) {
        size_t i = 0;
        while (i < OPTION_COUNT && options[i].name != cons_head(list)) {
            i++;
        }
        if (i == OPTION_COUNT) {
            return false;
        }
        wanted->flags |= options[i].flag;
        wanted->times |= options[i].time;
    }
    return is_nil(list);
}

NATIVE(native_system_profile_0)
{
    (void)a;
    return profile_term(p);
}

NATIVE(native_system_profile_2)
{
    Profiling wanted = {.tracer = a[0]};
    Term old = profile_term(p);
    if (a[0] != A_undefined && (!options_parse(a[1], &wanted) || !trace_tracer_alive(a[0]))) {
        return p_badarg(p);
    }
    profiling = wanted;
    return old;
}
