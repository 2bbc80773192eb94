/* SPDX-License-Identifier: Apache-2.0 */
/* Where traced code leaves the ordinary path: breakpoints, calls of traced natives, and the frames that watch returns. */
#include "vm/load/code.h"
#include "vm/ops/op.h"
#include "vm/trace/call.h"

#include "gen/ops.h"

const Word code_trace_frames[8] = {
    0, 0, 0, 0, (Word)(uintptr_t)op_return_trace, (Word)(uintptr_t)op_exception_trace, (Word)(uintptr_t)op_return_to_trace,
    (Word)(uintptr_t)op_return_time_trace,
};

/* The instruction that a breakpoint stands for is entered as if nothing had been there: it does not know. */
OP(breakpoint)
{
    OP_SAVE();
    p->ip = ip;
    OpFn instruction = (OpFn)(uintptr_t)call_trace_enter(p, x, ip);
    OP_LOAD();
    if (!instruction) {
        OP_LEAVE(RUN_EXITED);
    }
    OP_TAIL(instruction);
}
OP(breakpoint_global)
{
    const Export *e = (const Export *)(uintptr_t)ARG(1);
    OP_SAVE();
    p->ip = ip;
    if (!call_trace_enter(p, x, ip)) {
        OP_LEAVE(RUN_EXITED);
    }
    OP_LOAD();
    GOTO(e->behind);
}

static inline const Word *native_entry(Word e)
{
    return __atomic_load_n(&((const Export *)(uintptr_t)e)->addr, __ATOMIC_ACQUIRE);
}
OP(traced_native)
{
    E[0] = (Term)(uintptr_t)(ip + 3);
    GOTO(native_entry(ARG(2)));
}
OP(traced_native_only) { GOTO(native_entry(ARG(2))); }
OP(traced_native_last)
{
    E += ARG(3) + 1;
    GOTO(native_entry(ARG(2)));
}
OP(traced_native_bare) { GOTO(native_entry(ARG(2))); }

OP(return_trace)
{
    OP_SAVE();
    p->ip = ip;
    call_trace_return(p, x[0]);
    OP_LOAD();
    GOTO((const Word *)E[0]);
}
OP(exception_trace)
{
    OP_SAVE();
    p->ip = ip;
    call_trace_return(p, x[0]);
    OP_LOAD();
    GOTO((const Word *)E[0]);
}
OP(return_to_trace)
{
    OP_SAVE();
    p->ip = ip;
    call_trace_return_to(p);
    OP_LOAD();
    GOTO((const Word *)E[0]);
}
OP(return_time_trace)
{
    OP_SAVE();
    call_trace_return_time(p);
    OP_LOAD();
    GOTO((const Word *)E[0]);
}
