/* SPDX-License-Identifier: Apache-2.0 */
/* Natives under OTP's module seq_trace. The work is in vm/trace/seq.c. */
#include "gen/natives.h"
#include "vm/term/compare.h"
#include "vm/trace/seq.h"

static Term checked(Proc *p, Term result)
{
    return result == NONVALUE ? p_badarg(p) : result;
}

NATIVE(native_seq_trace)
{
    return checked(p, seq_trace_set(p, a[0], a[1], false));
}

NATIVE(native_seq_trace_info)
{
    return checked(p, seq_trace_info(p, a[0]));
}

NATIVE(native_seq_trace_print_1)
{
    return make_boolean(seq_trace_print(p, a[0]));
}

/* Only under the token's own label. */
NATIVE(native_seq_trace_print_2)
{
    if (p->seq_token == NIL || !term_identical(tuple_elements(seq_trace_info(p, A_label))[1], a[0])) {
        return A_false;
    }
    return make_boolean(seq_trace_print(p, a[1]));
}
