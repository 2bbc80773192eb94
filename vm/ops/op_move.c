/* SPDX-License-Identifier: Apache-2.0 */
/* Moving terms, building and taking apart tuples, lists; the stack frame. */
#include "vm/ops/op.h"

OP(move_xx) { REG_X(2) = REG_X(1); NEXT(3); }
OP(move_xy) { REG_Y(2) = REG_X(1); NEXT(3); }
OP(move_yx) { REG_X(2) = REG_Y(1); NEXT(3); }
OP(move_cx) { REG_X(2) = ARG(1); NEXT(3); }
OP(move_cy) { REG_Y(2) = ARG(1); NEXT(3); }
OP(move_yy) { REG_Y(2) = REG_Y(1); NEXT(3); }
OP(move) { DST(2) = SRC(1); NEXT(3); }

OP(swap_xx)
{
    Term t = REG_X(1);
    REG_X(1) = REG_X(2);
    REG_X(2) = t;
    NEXT(3);
}
OP(swap)
{
    Term t = DST(1);
    DST(1) = DST(2);
    DST(2) = t;
    NEXT(3);
}

/* Two in a row. */
OP(move2_xx)
{
    REG_X(2) = REG_X(1);
    REG_X(4) = REG_X(3);
    NEXT(5);
}
OP(move2_xy)
{
    REG_Y(2) = REG_X(1);
    REG_Y(4) = REG_X(3);
    NEXT(5);
}
OP(move2_yx)
{
    REG_X(2) = REG_Y(1);
    REG_X(4) = REG_Y(3);
    NEXT(5);
}

OP(move3_xy)
{
    REG_Y(2) = REG_X(1);
    REG_Y(4) = REG_X(3);
    REG_Y(6) = REG_X(5);
    NEXT(7);
}
OP(move3_yx)
{
    REG_X(2) = REG_Y(1);
    REG_X(4) = REG_Y(3);
    REG_X(6) = REG_Y(5);
    NEXT(7);
}
OP(move_xx_yx)
{
    REG_X(2) = REG_X(1);
    REG_X(4) = REG_Y(3);
    NEXT(5);
}
OP(move_yx_xx)
{
    REG_X(2) = REG_Y(1);
    REG_X(4) = REG_X(3);
    NEXT(5);
}

/* --- lists -------------------------------------------------------------------------------------------- */
#define GET_LIST(cons, d1, d2)                   \
    do {                                         \
        const Term *cell = list_ptr(cons);       \
        Term head = cell[0], tail = cell[1];     \
        d1 = head;                               \
        d2 = tail;                               \
        NEXT(4);                                 \
    } while (0)
OP(get_list_xxx) { GET_LIST(REG_X(1), REG_X(2), REG_X(3)); }
OP(get_list_xyx) { GET_LIST(REG_X(1), REG_Y(2), REG_X(3)); }
OP(get_list_xxy) { GET_LIST(REG_X(1), REG_X(2), REG_Y(3)); }
OP(get_list_yxx) { GET_LIST(REG_Y(1), REG_X(2), REG_X(3)); }
OP(get_list) { GET_LIST(SRC(1), DST(2), DST(3)); }
OP(nonempty_get_list_xxx)
{
    Term t = REG_X(2);
    if (!is_cons(t)) {
        FAIL(1);
    }
    Term head = cons_head(t), tail = cons_tail(t);
    REG_X(3) = head;
    REG_X(4) = tail;
    NEXT(5);
}
OP(get_hd_xx) { REG_X(2) = cons_head(REG_X(1)); NEXT(3); }
OP(get_hd) { DST(2) = cons_head(SRC(1)); NEXT(3); }
OP(get_tl_xx) { REG_X(2) = cons_tail(REG_X(1)); NEXT(3); }
OP(get_tl) { DST(2) = cons_tail(SRC(1)); NEXT(3); }

#define PUT_LIST(head, tail, dst)  \
    do {                           \
        hp[0] = (head);            \
        hp[1] = (tail);            \
        dst = make_list(hp);       \
        hp += 2;                   \
        NEXT(4);                   \
    } while (0)
OP(put_list_xxx) { PUT_LIST(REG_X(1), REG_X(2), REG_X(3)); }
OP(put_list_xcx) { PUT_LIST(REG_X(1), ARG(2), REG_X(3)); }
OP(put_list_cxx) { PUT_LIST(ARG(1), REG_X(2), REG_X(3)); }
OP(put_list_yxx) { PUT_LIST(REG_Y(1), REG_X(2), REG_X(3)); }
OP(put_list) { PUT_LIST(SRC(1), SRC(2), DST(3)); }

/* --- tuples ------------------------------------------------------------------------------------------- */
OP(get_tuple_element_xx) { REG_X(3) = tuple_elements(REG_X(1))[ARG(2)]; NEXT(4); }
OP(get_tuple_element_yx) { REG_X(3) = tuple_elements(REG_Y(1))[ARG(2)]; NEXT(4); }
OP(get_tuple_element_xy) { REG_Y(3) = tuple_elements(REG_X(1))[ARG(2)]; NEXT(4); }
OP(get_elements_xxx)
{
    const Term *elements = tuple_elements(REG_X(1)) + ARG(2);
    Term first = elements[0], second = elements[1];
    REG_X(3) = first;
    REG_X(4) = second;
    NEXT(5);
}
OP(element_is_eq)
{
    Term t = tuple_elements(REG_X(1))[ARG(2)];
    REG_X(3) = t;
    if (t != ARG(5)) {
        FAIL(4);
    }
    NEXT(6);
}
OP(tagged_tuple_element)
{
    Term t = REG_X(2);
    if (!is_boxed(t) || boxed_ptr(t)[0] != ARG(3) || boxed_ptr(t)[1] != ARG(4)) {
        FAIL(1);
    }
    REG_X(6) = tuple_elements(t)[ARG(5)];
    NEXT(7);
}
OP(tuple_element)
{
    Term t = REG_X(2);
    if (!is_boxed(t) || *boxed_ptr(t) != ARG(3)) {
        FAIL(1);
    }
    REG_X(5) = tuple_elements(t)[ARG(4)];
    NEXT(6);
}
OP(get_tuple_element) { DST(3) = tuple_elements(SRC(1))[ARG(2)]; NEXT(4); }
/* Only on a tuple that setelement has just copied: nothing older points at the new element. */
OP(set_tuple_element) { tuple_elements(SRC(2))[ARG(3)] = SRC(1); NEXT(4); }

OP(put_tuple2)
{
    Word n = ARG(2);
    Term *tuple = hp;
    tuple[0] = MAKE_HEADER(n, SUB_TUPLE);
    for (Word i = 1; i <= n; i++) {
        tuple[i] = op_source(ip[2 + i], x, E);
    }
    hp += n + 1;
    DST(1) = make_boxed(tuple);
    NEXT(3 + n);
}

/* Of a known size; element i stands in operand from + i - 1. */
#define TUPLE_ELEMENT(i, from) (hp[i] = SRC((from) + (i) - 1))
#define TUPLE_DONE(n, dst, words)              \
    do {                                       \
        hp[0] = MAKE_HEADER(n, SUB_TUPLE);     \
        dst = make_boxed(hp);                  \
        hp += (n) + 1;                         \
        NEXT(words);                           \
    } while (0)
OP(put_tuple2_2)
{
    TUPLE_ELEMENT(1, 2);
    TUPLE_ELEMENT(2, 2);
    TUPLE_DONE(2, REG_X(1), 4);
}
OP(put_tuple2_3)
{
    TUPLE_ELEMENT(1, 2);
    TUPLE_ELEMENT(2, 2);
    TUPLE_ELEMENT(3, 2);
    TUPLE_DONE(3, REG_X(1), 5);
}
OP(put_tuple2_4)
{
    TUPLE_ELEMENT(1, 2);
    TUPLE_ELEMENT(2, 2);
    TUPLE_ELEMENT(3, 2);
    TUPLE_ELEMENT(4, 2);
    TUPLE_DONE(4, REG_X(1), 6);
}

/* --- the frame ---------------------------------------------------------------------------------------- */
/* E[0] has the tag of a code address from the start, so that the collector and a search for a handler know a frame by
 * it. */
/* ENSURE for instructions that have done nothing yet: the rare part collects and starts the instruction again. What it
 * needs is handed over in the last x register, which is never live. */
#if defined(OP_LOOP)
#define ENSURE_FIRST(need, live) ENSURE(need, live)
#else
OP_SLOW(collect_and_retry)
{
    OP_SAVE();
    p->ip = ip;
    Word need = x[MAX_X_REGS - 1];
    if (!heap_collect_gc(p, need / MAX_X_REGS, x, (unsigned)(need % MAX_X_REGS))) {
        OP_LEAVE(RUN_EXITED);
    }
    OP_LOAD();
    GOTO(ip);
}
#define ENSURE_FIRST(need, live)                                                             \
    do {                                                                                     \
        if (__builtin_expect((size_t)(E - hp) < (size_t)(need) + STACK_RESERVE ||            \
                             (p->flags & PF_NEEDS_COLLECT), 0)) {                            \
            x[MAX_X_REGS - 1] = ((Word)(need) + STACK_RESERVE) * MAX_X_REGS + (live);        \
            OP_TAIL(collect_and_retry);                                                      \
        }                                                                                    \
    } while (0)
#endif

#define PUSH_FRAME(n)  \
    do {               \
        E -= (n) + 1;  \
        E[0] = 0;      \
    } while (0)

OP(allocate)
{
    ENSURE_FIRST(ARG(1) + 1, (unsigned)ARG(2));
    PUSH_FRAME(ARG(1));
    NEXT(3);
}
OP(allocate_heap)
{
    ENSURE_FIRST(ARG(1) + 1 + ARG(2), (unsigned)ARG(3));
    PUSH_FRAME(ARG(1));
    NEXT(4);
}
OP(allocate_zero)
{
    ENSURE_FIRST(ARG(1) + 1, (unsigned)ARG(2));
    PUSH_FRAME(ARG(1));
    for (Word i = 1; i <= ARG(1); i++) {
        E[i] = NIL;
    }
    NEXT(3);
}
OP(allocate_heap_zero)
{
    ENSURE_FIRST(ARG(1) + 1 + ARG(2), (unsigned)ARG(3));
    PUSH_FRAME(ARG(1));
    for (Word i = 1; i <= ARG(1); i++) {
        E[i] = NIL;
    }
    NEXT(4);
}
OP(test_heap)
{
    ENSURE_FIRST(ARG(1), (unsigned)ARG(2));
    NEXT(3);
}
OP(allocate_move_xy)
{
    ENSURE_FIRST(ARG(1) + 1, (unsigned)ARG(2));
    PUSH_FRAME(ARG(1));
    REG_Y(4) = REG_X(3);
    NEXT(5);
}
OP(nonempty_list_allocate)
{
    if (!is_cons(REG_X(2))) {
        FAIL(1);
    }
    ENSURE_FIRST(ARG(3) + 1, (unsigned)ARG(4));
    PUSH_FRAME(ARG(3));
    NEXT(5);
}
#define CONS(head, tail, dst) \
    do {                      \
        hp[0] = (head);       \
        hp[1] = (tail);       \
        dst = make_list(hp);  \
        hp += 2;              \
    } while (0)
OP(test_heap_put_list_xxx)
{
    ENSURE_FIRST(ARG(1), (unsigned)ARG(2));
    CONS(REG_X(3), REG_X(4), REG_X(5));
    NEXT(6);
}
OP(test_heap_put_list_yxx)
{
    ENSURE_FIRST(ARG(1), (unsigned)ARG(2));
    CONS(REG_Y(3), REG_X(4), REG_X(5));
    NEXT(6);
}
OP(test_heap_tuple_2)
{
    ENSURE_FIRST(ARG(1), (unsigned)ARG(2));
    TUPLE_ELEMENT(1, 4);
    TUPLE_ELEMENT(2, 4);
    TUPLE_DONE(2, REG_X(3), 6);
}
OP(test_heap_tuple_3)
{
    ENSURE_FIRST(ARG(1), (unsigned)ARG(2));
    TUPLE_ELEMENT(1, 4);
    TUPLE_ELEMENT(2, 4);
    TUPLE_ELEMENT(3, 4);
    TUPLE_DONE(3, REG_X(3), 7);
}
OP(put_list_yxx_return)
{
    ENSURE_FIRST(ARG(1), (unsigned)ARG(2));
    CONS(REG_Y(3), REG_X(4), REG_X(5));
    E += ARG(6) + 1;
    GOTO((const Word *)E[0]);
}
OP(deallocate)
{
    E += ARG(1) + 1;
    NEXT(2);
}
OP(trim)
{
    E += ARG(1);
    E[0] = 0;
    NEXT(3);
}
OP(init_y) { REG_Y(1) = NIL; NEXT(2); }
OP(init_yregs_2)
{
    DST(1) = NIL;
    DST(2) = NIL;
    NEXT(3);
}
OP(init_yregs_3)
{
    DST(1) = NIL;
    DST(2) = NIL;
    DST(3) = NIL;
    NEXT(4);
}
OP(init_yregs)
{
    Word n = ARG(1);
    for (Word i = 0; i < n; i++) {
        *op_dest(ip[2 + i], x, E) = NIL;
    }
    NEXT(2 + n);
}

OP(return) { GOTO((const Word *)E[0]); }
OP(deallocate_return)
{
    E += ARG(1) + 1;
    GOTO((const Word *)E[0]);
}
OP(move_return_x) { x[0] = REG_X(1); GOTO((const Word *)E[0]); }
OP(move_return_c) { x[0] = ARG(1); GOTO((const Word *)E[0]); }
OP(move_deallocate_return_y)
{
    x[0] = REG_Y(1);
    E += ARG(2) + 1;
    GOTO((const Word *)E[0]);
}
OP(move_deallocate_return_x)
{
    x[0] = REG_X(1);
    E += ARG(2) + 1;
    GOTO((const Word *)E[0]);
}
OP(move_deallocate_return_c)
{
    x[0] = ARG(1);
    E += ARG(2) + 1;
    GOTO((const Word *)E[0]);
}
OP(jump) { GOTO(LABEL(1)); }
