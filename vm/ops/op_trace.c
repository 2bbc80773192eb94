/* SPDX-License-Identifier: Apache-2.0 */
/* Where traced code leaves the ordinary path: breakpoints, calls of traced natives, and the frames that watch
 * returns. */
#include "vm/load/code.h"
#include "vm/ops/call.h"
#include "vm/ops/op.h"
#include "vm/trace/call.h"

#include "gen/ops.h"

const Word code_trace_frames[9] = {
    0, 0, 0, 0, (Word)(uintptr_t)op_return_trace, (Word)(uintptr_t)op_exception_trace,
        (Word)(uintptr_t)op_return_to_trace,
    (Word)(uintptr_t)op_return_time_trace, (Word)(uintptr_t)op_traced_tail_return,
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
/* Calls that are a function's last: what the native raises names this function all the same, so it leaves a frame. */
#define TAIL_FRAME()                                 \
    E -= FRAME_TAIL;                                 \
    E[0] = (Term)(uintptr_t)CODE_TRACED_TAIL;        \
    E[1] = make_small((int64_t)(uintptr_t)ip)
OP(traced_native_only)
{
    ENSURE(FRAME_TAIL, export_arity((const Export *)(uintptr_t)ARG(2)));
    TAIL_FRAME();
    GOTO(native_entry(ARG(2)));
}
OP(traced_native_last)
{
    ENSURE(FRAME_TAIL, export_arity((const Export *)(uintptr_t)ARG(2)));
    E += ARG(3) + 1;
    TAIL_FRAME();
    GOTO(native_entry(ARG(2)));
}
OpResult op_trap_traced(OP_PARAMS)
{
    TAIL_FRAME(); /* of the words that heap_alloc leaves; the breakpoint there makes room again */
    p->fault_class = FAULT_NONE;
    GOTO(p->trap_export->addr);
}
OP(traced_tail_return)
{
    E += FRAME_TAIL;
    GOTO((const Word *)E[0]);
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
