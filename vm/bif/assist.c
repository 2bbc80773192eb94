/* SPDX-License-Identifier: Apache-2.0 */
/* The table of assists, and the one code address that they need: no export leads to it. */
#include "vm/bif/assist.h"

#include "gen/ops.h"
#include "vm/load/code.h"

static const struct Assist {
    Term m, f;
    unsigned arity;
    NativeFn fn;
} assists[] = {
    {A_lists, A_sort, 1, assist_sort},
    {A_lists, A_usort, 1, assist_usort},
    {A_lists, A_keysort, 2, assist_keysort},
    {A_lists, A_ukeysort, 2, assist_ukeysort},
};

/* Written once at boot. It is named after lists:sort/1, for those who ask where a process is. */
static Export more;

NativeFn assist_find(Term m, Term f, unsigned arity)
{
    for (size_t i = 0; i < sizeof assists / sizeof *assists; i++) {
        if (assists[i].m == m && assists[i].f == f && assists[i].arity == arity) {
            return assists[i].fn;
        }
    }
    return NULL;
}

Export *assist_more(void)
{
    return &more;
}

void assist_init(void)
{
    more = (Export){
        .info = {(Word)op_func_info, A_lists, A_sort, 1},
        .stub = {(Word)op_call_native, (Word)sort_more, (Word)&more},
    };
    more.addr = more.stub;
}
