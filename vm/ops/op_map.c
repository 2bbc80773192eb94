/* SPDX-License-Identifier: Apache-2.0 */
/* Map instructions: term/map.c does the work, without collecting. */
#include "vm/ops/fault.h"
#include "vm/ops/op.h"
#include "vm/term/map.h"

#define NOINLINE static __attribute__((noinline))
enum { SCRATCH_PAIRS = 64 };

/* The list operand at `list` (count, then key, value, ...) as terms in kv. */
static void pairs_fetch(const Word *list, Term *kv, const Term *x, const Term *E)
{
    for (Word i = 0; i < list[0]; i++) {
        kv[i] = op_source(list[1 + i], x, E);
    }
}

NOINLINE Term map_put_list(Proc *p, Term map, const Word *list, const Term *x, const Term *E, bool exact)
{
    Term local[2 * SCRATCH_PAIRS], *kv = local, missing = NONVALUE;
    if (!is_map(map)) {
        return p_error2(p, A_badmap, map);
    }
    if (list[0] > 2 * SCRATCH_PAIRS) {
        kv = vm_alloc(list[0] * sizeof(Term));
    }
    pairs_fetch(list, kv, x, E);
    Term r = exact ? map_put_exact(p, map, kv, list[0] / 2, &missing) : map_put_assoc(p, map, kv, list[0] / 2);
    if (kv != local) {
        vm_free(kv);
    }
    return r == NONVALUE ? p_error2(p, A_badkey, missing) : r;
}

/* Operands: fail, map, destination, live, list. */
#define PUT_MAP(exact)                                                             \
    do {                                                                           \
        Term map = SRC(2);                                                         \
        Word words = 6 + ARG(5), live = ARG(4);                                    \
        OP_SAVE();                                                                 \
        Term r = map_put_list(p, map, ip + 5, x, E, exact);                        \
        OP_LOAD();                                                                 \
        if (__builtin_expect(r == NONVALUE, 0)) {                                  \
            if (ARG(1)) {                                                          \
                p_fault(p, FAULT_NONE, NIL);                                       \
                FAIL(1);                                                           \
            }                                                                      \
            RAISE();                                                               \
        }                                                                          \
        if (__builtin_expect(p->flags & PF_NEEDS_COLLECT, 0)) {                    \
            x[live] = r;                                                           \
            ENSURE(0, (unsigned)live + 1);                                         \
            r = x[live];                                                           \
        }                                                                          \
        DST(3) = r;                                                                \
        NEXT(words);                                                               \
    } while (0)
OP(put_map_assoc) { PUT_MAP(false); }
OP(put_map_exact) { PUT_MAP(true); }

OP(has_map_fields)
{
    Term map = SRC(2);
    Word n = ARG(3);
    for (Word i = 0; i < n; i++) {
        if (map_get(map, op_source(ip[4 + i], x, E)) == NONVALUE) {
            FAIL(1);
        }
    }
    NEXT(4 + n);
}
/* Key, destination, ...: no destination is the map or a later key. */
OP(get_map_elements)
{
    Term map = SRC(2);
    Word n = ARG(3);
    for (Word i = 0; i < n; i += 2) {
        Term value = map_get(map, op_source(ip[4 + i], x, E));
        if (value == NONVALUE) {
            FAIL(1);
        }
        *op_dest(ip[5 + i], x, E) = value;
    }
    NEXT(4 + n);
}
