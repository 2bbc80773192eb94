/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending and receiving. A receive looks at one message after the other: loop_rec takes the current one into x0 or
 * jumps to the wait instruction, loop_rec_end goes on to the next, remove_message takes it.
 */
#include "vm/interp/interp.h"
#include "vm/load/code.h"
#include "vm/ops/fault.h"
#include "vm/ops/op.h"
#include "vm/proc/msg.h"
#include "vm/proc/timer.h"
#include "vm/trace/trace.h"

static __attribute__((noinline)) Term send_message(Proc *p, Term *x)
{
    Term r = msg_send_any(p, x[0], x[1]);
    if (r == NONVALUE && p->fault_class != FAULT_TRAP && p->fault_class != FAULT_WAIT &&
        !(p->flags & PF_EXITING)) {
        fault_blame_bif(p, export_put(A_erlang, A_send, 2), 2, x);
    }
    return r;
}

OP(send)
{
    fcalls--;
    OP_SAVE();
    Term r = send_message(p, x);
    OP_LOAD();
    if (p->flags & PF_EXITING) {
        OP_LEAVE(RUN_EXITED);
    }
    if (r != NONVALUE) {
        x[0] = r;
        NEXT(1);
    }
    if (p->fault_class == FAULT_WAIT) {
        interp_save_x(p, x, ip, 2);
        OP_LEAVE(RUN_WAITING);
    }
    if (p->fault_class != FAULT_TRAP) {
        RAISE();
    }
    p->fault_class = FAULT_NONE;
    E[0] = (Term)(uintptr_t)(ip + 1);
    GOTO(p->trap_export->addr);
}

OP(loop_rec)
{
    Message *m = msg_current(p);
    if (!m) {
        OP_SAVE();
        msg_fetch(p);
        if (p->flags & PF_EXITING) {
            OP_LEAVE(RUN_EXITED);
        }
        OP_LOAD();
        m = msg_current(p);
        if (!m) {
            FAIL(1);
        }
    }
    p->msg_peeked = true;
    DST(2) = m->term;
    NEXT(3);
}
OP(remove_message)
{
    OP_SAVE();
    if (p->recv_timer) {
        timer_cancel_receive(p);
    }
    msg_remove_current(p);
    OP_LOAD();
    NEXT(1);
}
/* Put before an instruction that may call or raise while a register reaches into the message. */
OP(pin_message)
{
    OP_SAVE();
    msg_pin_current(p);
    OP_LOAD();
    NEXT(1);
}
OP(loop_rec_end)
{
    msg_skip_current(p);
    if (--fcalls < 0) {
        OP_SAVE();
        interp_save_x(p, x, LABEL(1), 0);
        OP_LEAVE(RUN_YIELDED);
    }
    GOTO(LABEL(1));
}
OP(wait)
{
    OP_SAVE();
    interp_save_x(p, x, LABEL(1), 0);
    OP_LEAVE(RUN_WAITING);
}

typedef enum { TIMEOUT_OVER, TIMEOUT_WAIT, TIMEOUT_BAD } TimeoutState;
static __attribute__((noinline)) TimeoutState timeout_state(Proc *p, Term t)
{
    if (__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) & PS_TIMEOUT) {
        return TIMEOUT_OVER;
    }
    if (p->recv_timer || t == A_infinity) {
        return TIMEOUT_WAIT;
    }
    if (!is_small(t) || (uint64_t)small_value(t) > UINT32_MAX) {
        return TIMEOUT_BAD;
    }
    if (t == make_small(0)) {
        return TIMEOUT_OVER;
    }
    timer_set_receive(p, (uint64_t)small_value(t));
    return TIMEOUT_WAIT;
}
OP(wait_timeout)
{
    Term t = SRC(2);
    OP_SAVE();
    TimeoutState state = timeout_state(p, t);
    if (state == TIMEOUT_OVER) {
        NEXT(3);
    }
    if (state == TIMEOUT_BAD) {
        msg_rewind(p);
        p_fault(p, FAULT_ERROR, A_timeout_value);
        RAISE();
    }
    Word operand = ARG(2); /* in an x register: read again when woken */
    interp_save_x(p, x, LABEL(1), operand & 7 ? 0 : (unsigned)(operand >> 3) + 1);
    OP_LEAVE(RUN_WAITING);
}
OP(timeout)
{
    timer_cancel_receive(p); /* one that has fired is still ours to free */
    msg_rewind(p);
    if (trace_on(p, TRACE_RECEIVE)) {
        OP_SAVE();
        trace_message_received(p, A_clock_service, A_timeout);
        OP_LOAD();
    }
    NEXT(1);
}

OP(recv_marker_reserve)
{
    OP_SAVE();
    Term marker = msg_marker_reserve(p);
    OP_LOAD();
    DST(1) = marker;
    NEXT(2);
}
OP(recv_marker_bind)
{
    msg_marker_bind(p, SRC(1), SRC(2));
    NEXT(3);
}
OP(recv_marker_clear)
{
    msg_marker_clear(p, SRC(1));
    NEXT(2);
}
OP(recv_marker_use)
{
    msg_marker_use(p, SRC(1));
    NEXT(2);
}
