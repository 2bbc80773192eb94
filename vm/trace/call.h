/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call of a function with a breakpoint: runs its match specifications, sends, counts, measures. What is to happen
 * when the function returns is kept in frames that tracing pushes under it; each is a stack frame like any other (a
 * code address, then terms), whose address is an instruction that does the work and returns further.
 */
#pragma once

#include "vm/trace/breakpoint.h"
#include "vm/trace/trace.h"

enum { /* words of the frames with their address */
    FRAME_RETURN = 5, /* module, function, arity, tracer (NIL: the process's own) */
    FRAME_TO = 1,
    FRAME_TIME = 2,   /* address of the function that was measured before, as a small; 0 none */
    FRAME_TAIL = 2,   /* the call of a native that is a function's last: its address, as a small */
};
extern const Word code_trace_frames[9]; /* four words that are no code, then one instruction each: */
#define CODE_RETURN_TRACE (&code_trace_frames[4])
#define CODE_EXCEPTION_TRACE (&code_trace_frames[5])
#define CODE_RETURN_TO (&code_trace_frames[6])
#define CODE_RETURN_TIME (&code_trace_frames[7])
#define CODE_TRACED_TAIL (&code_trace_frames[8])
/* Words of the frame that this slot begins when tracing pushed it to watch a return, else 0. */
static inline unsigned call_frame_words(Term slot)
{
    const Word *ip = (const Word *)(uintptr_t)slot;
    if (ip < CODE_RETURN_TRACE || ip > CODE_RETURN_TIME) {
        return 0;
    }
    return ip == CODE_RETURN_TO ? FRAME_TO : ip == CODE_RETURN_TIME ? FRAME_TIME : FRAME_RETURN;
}

/* Where the call was made that returns to the address in *slot: in its last word. The frame of a traced tail call of a
 * native stands for the one that its function has given up. */
static inline const Word *call_frame_address(const Term *slot)
{
    bool tail = *slot == (Term)(uintptr_t)CODE_TRACED_TAIL;
    return tail ? (const Word *)(uintptr_t)small_value(slot[1]) : (const Word *)(uintptr_t)*slot - 1;
}

/* p is about to enter the function at ip (its breakpoint), its arguments in x. Returns the instruction to go on with,
 * 0 when the process is to end. May collect. */
Word call_trace_enter(Proc *p, Term *x, const Word *ip);
/* A frame of tracing has been returned to with x0: does what it says and pops it. */
void call_trace_return(Proc *p, Term value);
void call_trace_return_to(Proc *p);
void call_trace_return_time(Proc *p);
/* An exception goes through the frames up to `end`, which begins the handler's frame (or is the stack's end). */
void call_trace_unwind(Proc *p, const Term *end, Term class, Term value);

/* call_time: the process is scheduled out and in again, or ends. */
typedef struct CallTime {
    const Word *current; /* address of the breakpoint that is measured; NULL none */
    int64_t since_ns;
} CallTime;
void call_time_pause(Proc *p);
void call_time_resume(Proc *p);
void call_time_free(Proc *p);
/* [{Pid, Count, Seconds, Microseconds}] on p's heap. */
Term call_time_list(Proc *p, const Breakpoint *b);

/* Fills in match_actions. At boot. */
void call_trace_init(void);
