/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an instruction is written. Each specific instruction is one C function of vm/ops/op_<family>.c:
 *
 *     OP(move_xy) { REG_X(1) = REG_Y(2); NEXT(3); }
 *
 * An instruction in memory is a row of 64-bit words: word 0 the address of its function, then one word per
 * operand. The machine's registers are the parameters, so that a C compiler keeps them in CPU registers:
 *
 *     ip      this instruction          p       the process
 *     x       x register 0              E       stack top: E[0] return address slot of this frame, y(n) is E[n+1]
 *     hp      heap top                  fcalls  reductions left
 *
 * NEXT/GOTO end a function by calling the next one in tail position: an interpreter without a loop. The same files are
 * compiled a second way (OP_LOOP: sanitizers, unoptimised builds, and later the native-code compiler's fallbacks):
 * there a function stores its registers and returns the next ip to the loop in interp/.
 *
 * Calls and frames: `allocate N` makes E[0] (return address) and N y registers. `call` writes its return address to
 * E[0] of the caller's own frame and jumps; `return` jumps to E[0]. So there is no return-address register, and a
 * function without a frame returns through its caller's slot.
 */
#pragma once

#include "vm/bif/native.h"
#include "vm/proc/sched.h"
#include "vm/stress.h"

#define OP_PARAMS \
    const Word *ip __attribute__((unused)), Proc *p __attribute__((unused)), \
        Term *x __attribute__((unused)), Term *E __attribute__((unused)), \
        Term *hp __attribute__((unused)), intptr_t fcalls __attribute__((unused))
#define OP_ARGS ip, p, x, E, hp, fcalls

/* Writes the registers back: before anything that reads or changes p's heap, stack or reductions. And the reverse. */
#define OP_SAVE() (p->hp = hp, p->stop = E, p->fcalls = fcalls)
#define OP_LOAD() (hp = p->hp, E = p->stop, fcalls = p->fcalls)

#ifdef OP_LOOP
typedef const Word *OpResult; /* next ip; NULL: leave the interpreter (p->ip, run result are set) */
#define GOTO(target)               \
    do {                           \
        const Word *to_ = (target); \
        OP_SAVE();                 \
        return to_;                \
    } while (0)
#define OP_LEAVE(result)                \
    do {                                \
        p->run_result = (result);       \
        return NULL;                    \
    } while (0)
#else
typedef int OpResult; /* RunResult */
#ifdef __clang__
#define OP_MUST_TAIL __attribute__((musttail))
#else
#define OP_MUST_TAIL /* gcc makes a jump of it whenever no local of the function lives in memory: keep it so */
#endif
#define GOTO(target)                                                  \
    do {                                                              \
        const Word *to_ = (target);                                   \
        OP_MUST_TAIL return ((OpFn)to_[0])(to_, p, x, E, hp, fcalls); \
    } while (0)
#define OP_LEAVE(result) return (result)
#endif
typedef OpResult (*OpFn)(const Word *ip, Proc *p, Term *x, Term *E, Term *hp, intptr_t fcalls);

#define OP(name) \
    OpResult op_##name(OP_PARAMS); \
    OpResult op_##name(OP_PARAMS)
#define NEXT(words) GOTO(ip + (words))
/* Ends an instruction in another function of the same shape: its rare part, kept apart so that the common part needs no
 * registers saved. */
#ifdef OP_LOOP
#define OP_TAIL(fn) return fn(OP_ARGS)
#else
#define OP_TAIL(fn) OP_MUST_TAIL return fn(OP_ARGS)
#endif
#define OP_SLOW(name) static __attribute__((noinline)) OpResult name(OP_PARAMS)

/* Leaves a frame for the calling function, then goes where the native that trapped wants to (op_trace.c). */
OpResult op_trap_traced(OP_PARAMS);

/* Operand i (1-based) as: immediate word, x or y register (index already scaled to words), code address, any source,
 * any destination. A source word is a constant term, or (low two bits 00) a register: index << 3 | is_y << 2. */
#define ARG(i) (ip[i])
#define REG_X(i) (x[ip[i]])
#define REG_Y(i) (E[ip[i]]) /* the loader stores n+1 */
#define LABEL(i) ((const Word *)ip[i])
static inline Term op_source(Word w, const Term *x, const Term *E)
{
    return (w & 3) ? w : (w & 4) ? E[w >> 3] : x[w >> 3];
}
static inline Term *op_dest(Word w, Term *x, Term *E) { return (w & 4) ? E + (w >> 3) : x + (w >> 3); }
#define SRC(i) op_source(ip[i], x, E)
#define DST(i) (*op_dest(ip[i], x, E))

/* A segment of bs_create_bin: five words from segment i's start. */
enum BsSegment {
    BSC_APPEND,
    BSC_PRIVATE_APPEND,
    BSC_BINARY,
    BSC_INTEGER,
    BSC_FLOAT,
    BSC_UTF8,
    BSC_UTF16,
    BSC_UTF32,
    BSC_STRING, /* value: pointer to the bytes; size: their number as a small */
};
typedef struct BsSegmentWords {
    Word type;  /* enum BsSegment; above the low byte its number in the source, where the compiler gives one */
    Word unit;
    Word flags; /* BS_ bits */
    Word value; /* source */
    Word size;  /* source; atom all or undefined where there is none */
} BsSegmentWords;
/* Flags of bit syntax instructions, as .beam files encode them; native is little endian on this machine: the loader
 * turns BS_NATIVE into BS_LITTLE, so instructions see only the first two. */
enum { BS_LITTLE = 2, BS_SIGNED = 4, BS_NATIVE = 16 };

/* Jump to the fail label of operand i. */
#define FAIL(i) GOTO(LABEL(i))

/* Raise what p_fault() recorded, at this instruction: finds the handler or ends the process (proc/exception.c).
 * Helpers may have allocated since OP_SAVE (the fault's own terms), so the heap top is whichever is further. */
#define RAISE()                                     \
    do {                                            \
        p->hp = hp > p->hp ? hp : p->hp;            \
        p->stop = E;                                \
        p->fcalls = fcalls;                         \
        const Word *h_ = exception_raise(p, x, ip); \
        OP_LOAD();                                  \
        if (!h_) {                                  \
            OP_LEAVE(RUN_EXITED);                   \
        }                                           \
        GOTO(h_);                                   \
    } while (0)
/* Unwinds to the innermost catch: sets x0..x2, p->stop, and returns its handler; NULL: none, reason in p->fault_reason
 * (already in its final `{Reason, Stacktrace}` form for errors). `ip`: the failing instruction. */
const Word *exception_raise(Proc *p, Term *x, const Word *ip);

/* Makes room for `need` words (heap and stack share them). live: x registers that are roots. */
#define ENSURE(need, live)                                        \
    do {                                                          \
        if (__builtin_expect((size_t)(E - hp) < (size_t)(need) + STACK_RESERVE || \
                             (p->flags & PF_NEEDS_COLLECT) || STRESS_GC, 0)) { \
            OP_SAVE();                                            \
            p->ip = ip;                                           \
            if (!heap_collect_gc(p, (need) + STACK_RESERVE, x, (live))) { \
                OP_LEAVE(RUN_EXITED);                             \
            }                                                     \
            OP_LOAD();                                            \
        }                                                         \
    } while (0)
/* The same with `t` as one more root: it need not be in a live register. */
#define ENSURE_KEEPING(need, live, t) \
    do {                              \
        x[live] = (t);                \
        ENSURE(need, (live) + 1);     \
        (t) = x[live];                \
    } while (0)
enum { STACK_RESERVE = 4 }; /* words kept free between heap and stack */
