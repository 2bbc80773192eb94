/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions in instructions. A catch or try puts a marker with its handler's address into a y register; raising
 * looks for the innermost marker on the stack (proc/exception.c) and continues at the handler with x0 = NONVALUE,
 * x1 class, x2 value, x3 raw stack trace.
 */
#include "vm/load/code.h"
#include "vm/ops/fault.h"
#include "vm/ops/op.h"
#include "vm/proc/exception.h"

OP(catch) { REG_Y(1) = make_catch(LABEL(2)); NEXT(3); }
OP(try) { REG_Y(1) = make_catch(LABEL(2)); NEXT(3); }
OP(try_end) { REG_Y(1) = NIL; NEXT(2); }
OP(try_case)
{
    REG_Y(1) = NIL;
    x[0] = x[1];
    x[1] = x[2];
    x[2] = x[3];
    NEXT(2);
}
OP(catch_end)
{
    REG_Y(1) = NIL;
    if (x[0] == NONVALUE) {
        OP_SAVE();
        Term r = exception_as_exit(p, x[1], x[2], x[3]);
        OP_LOAD();
        x[0] = r;
        if (p->flags & PF_NEEDS_COLLECT) {
            ENSURE(0, 1);
        }
    }
    NEXT(2);
}

#define RAISE_ERROR(reason)                  \
    do {                                     \
        OP_SAVE();                           \
        p_fault(p, FAULT_ERROR, (reason));   \
        RAISE();                             \
    } while (0)
#define RAISE_ERROR2(tag)            \
    do {                             \
        Term value = SRC(1);         \
        OP_SAVE();                   \
        p_error2(p, tag, value);     \
        RAISE();                     \
    } while (0)
OP(badmatch) { RAISE_ERROR2(A_badmatch); }
OP(case_end) { RAISE_ERROR2(A_case_clause); }
OP(try_case_end) { RAISE_ERROR2(A_try_clause); }
OP(badrecord) { RAISE_ERROR2(A_badrecord); }
OP(if_end) { RAISE_ERROR(A_if_clause); }
OP(func_info)
{
    OP_SAVE();
    p_fault(p, FAULT_ERROR, A_function_clause);
    fault_blame_function(p, (unsigned)ARG(3), x);
    RAISE();
}

/* Again, with the trace it had. */
OP(raise)
{
    Term raw = SRC(1), value = SRC(2);
    OP_SAVE();
    exception_again(p, exception_raw_class(raw), value, raw);
    RAISE();
}
OP(raw_raise)
{
    Term class = x[0], value = x[1], raw = x[2];
    if (class != A_error && class != A_exit && class != A_throw) {
        x[0] = A_badarg;
        NEXT(1);
    }
    OP_SAVE();
    exception_again(p, class == A_error ? FAULT_ERROR : class == A_exit ? FAULT_EXIT : FAULT_THROW, value, raw);
    RAISE();
}
OP(build_stacktrace)
{
    OP_SAVE();
    Term list = exception_stacktrace(p, x[0]);
    OP_LOAD();
    x[0] = list;
    if (p->flags & PF_NEEDS_COLLECT) {
        ENSURE(0, 1);
    }
    NEXT(1);
}
