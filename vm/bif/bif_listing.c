/* SPDX-License-Identifier: Apache-2.0 */
/* erts_debug: listing code (erts_debug:df/1 and its like) and counting locks, which this machine does not do. */
#include "gen/natives.h"

#include "gen/ops.h"
#include "vm/load/walk.h"
#include "vm/term/binary.h"
#include "vm/term/number.h"
#include "vm/term/print.h"

/* --- code --------------------------------------------------------------------------------------------------------- */
NATIVE(native_erts_debug_instructions)
{
    Term list = NIL;
    (void)a;
    for (int i = SPECIFIC_COUNT; i > 0; i--) {
        const char *name = specific_ops[i - 1].name;
        list = heap_cons_on(p, heap_string(p, (const uint8_t *)name, strlen(name)), list);
    }
    return list;
}

/* As with OTP's native code: there is no function with all instructions in it. */
NATIVE(native_erts_debug_interpreter_size)
{
    (void)p;
    (void)a;
    return make_small(0);
}

/* Where {M, F, A} begins, or what address an integer is. NULL: no code. */
static const Word *code_asked(Term t)
{
    uint64_t address;
    if (is_tuple_arity(t, 3)) {
        const Term *e = tuple_elements(t);
        const Module *m = is_atom(e[0]) ? module_find(e[0]) : NULL;
        const Instance *in = m ? m->current : NULL;
        for (size_t i = 0; in && i < in->function_count; i++) {
            if (in->functions[i].name == e[1] && make_small(in->functions[i].arity) == e[2]) {
                return in->functions[i].start;
            }
        }
        return NULL;
    }
    return is_integer(t) && integer_to_uint64(t, &address) ? (const Word *)(uintptr_t)address : NULL;
}

/* A word as the kind of its operand says: constants as terms, registers by name, anything else as a number. */
static size_t operand_print(char kind, Word w, char *text, size_t cap)
{
    switch (kind) {
    case 'x':
        return (size_t)snprintf(text, cap, " x(%lu)", (unsigned long)w);
    case 'y':
        return (size_t)snprintf(text, cap, " y(%lu)", (unsigned long)w - 1);
    case 'c':
    case 'q':
    case 'a':
    case 'i':
        break;
    case 's':
    case 'r':
    case 'd':
        if (!(w & 3)) {
            unsigned long n = (unsigned long)(w >> 3);
            return (size_t)(w & 4 ? snprintf(text, cap, " y(%lu)", n - 1) : snprintf(text, cap, " x(%lu)", n));
        }
        break;
    case 'u':
    case 'v':
    case 'n':
    case 'A':
        return (size_t)snprintf(text, cap, " %lu", (unsigned long)w);
    default:
        return (size_t)snprintf(text, cap, " %lx", (unsigned long)w);
    }
    text[0] = ' ';
    return 1 + term_print(w, text + 1, cap - 1);
}

/* {NextAddress, <<"Address: instruction operands\n">>, {M, F, A}}, or false when there is no code. An address must be
 * that of an instruction: those that this returns, and the beginnings of functions, are. */
NATIVE(native_erts_debug_disassemble)
{
    enum { LINE_BYTES = 512, OPERAND_BYTES = 64 };
    const Word *ip = code_asked(a[0]);
    const Instance *in;
    const FunctionInfo *f = ip ? code_find(ip, &in) : NULL;
    int op = f ? walk_op(ip) : -1;
    if (op < 0) {
        return A_false;
    }
    char line[LINE_BYTES];
    size_t n = (size_t)snprintf(line, sizeof line, "%016lX: %s", (unsigned long)(uintptr_t)ip, specific_ops[op].name);
    size_t word = 1;
    for (const char *kind = specific_ops[op].kinds; *kind && n + OPERAND_BYTES < sizeof line - 2; kind++) {
        if (*kind == '_' || *kind == '=') {
            continue;
        }
        size_t more = operand_print(*kind, ip[word], line + n, OPERAND_BYTES);
        n += more < OPERAND_BYTES ? more : OPERAND_BYTES - 1;
        word += *kind == 'b' ? 2 : 1;
    }
    line[n++] = '\n';
    Term mfa = heap_tuple3(p, in->name, f->name, make_small(f->arity));
    Term next = heap_uint64(p, (uint64_t)(uintptr_t)(ip + walk_words(ip)));
    return heap_tuple3(p, next, binary_from_bytes(p, line, n), mfa);
}

/* --- locks: not counted; this is what these answer in a machine that does not count them -------------------------- */
NATIVE(native_erts_debug_lcnt_control)
{
    (void)a;
    return p_badarg(p);
}

NATIVE(native_erts_debug_lcnt_nothing)
{
    (void)p;
    (void)a;
    return A_error;
}
