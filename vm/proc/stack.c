/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See stack.h. Every frame begins with the slot that its callee returns to, and code addresses are the only
 * stack words with tag 00, so a walk needs no frame sizes. The innermost slot is different: it holds the return address
 * of the last call that the frame made, which is over, unless its function has no frame (code_has_frame).
 */
#include "vm/proc/stack.h"

#include "vm/term/print.h"
#include "vm/trace/call.h"

enum { LINE_MAX_BYTES = 4096 };

static bool is_code_address(Term t)
{
    return t != 0 && (t & 3) == 0;
}

void stack_each_address(const Proc *p, bool in_call, bool (*fn)(const Word *ip, void *arg), void *arg)
{
    const Term *at = p->stop;
    const Instance *in;
    (void)in_call;
    if (p->ip && code_find(p->ip, &in)) { /* else: a native that is no part of a module */
        if (!fn(p->ip, arg)) {
            return;
        }
        at += code_has_frame(in, p->ip);
    }
    for (; at < p->stack_end; at++) {
        if (is_code_address(*at) && !fn(call_frame_address(at), arg)) {
            return;
        }
    }
}

Term stack_location(Proc *p, const Word *ip)
{
    const Instance *in;
    const FunctionInfo *f = ip ? code_find(ip, &in) : NULL;
    if (!f) {
        return NONVALUE;
    }
    Term where = NIL, file;
    unsigned line;
    if (code_find_line(in, ip, &file, &line)) {
        where = heap_cons_on(p, heap_tuple2(p, A_line, make_small(line)), NIL);
        where = heap_cons_on(p, heap_tuple2(p, A_file, file), where);
    }
    Term e[] = {in->module->name, f->name, make_small(f->arity), where};
    return heap_tuple(p, 4, e);
}

/* --- text -------------------------------------------------------------------------------------------------- */
typedef struct Text {
    char *bytes;
    size_t n, capacity;
} Text;

static void text_add(Text *t, const char *s, size_t n)
{
    if (t->n + n + 1 > t->capacity) {
        t->capacity = (t->n + n + 1) * 2;
        t->bytes = vm_realloc(t->bytes, t->capacity);
    }
    memcpy(t->bytes + t->n, s, n);
    t->n += n;
    t->bytes[t->n] = 0;
}

static void text_add_term(Text *t, Term term)
{
    char buf[LINE_MAX_BYTES];
    size_t n = term_print(term, buf, sizeof buf);
    text_add(t, buf, n < sizeof buf ? n : sizeof buf - 1);
}

static void text_add_format(Text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void text_add_format(Text *t, const char *format, ...)
{
    char buf[128];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(buf, sizeof buf, format, ap);
    va_end(ap);
    text_add(t, buf, n < (int)sizeof buf ? (size_t)n : sizeof buf - 1);
}

/* 0x... (m:f/a + offset in bytes) */
static void text_add_address(Text *t, const Word *ip)
{
    const Instance *in;
    const FunctionInfo *f = code_find(ip, &in);
    text_add_format(t, "0x%016lx ", (unsigned long)(uintptr_t)ip);
    if (!f) {
        text_add_format(t, "(<terminate process normally>)");
        return;
    }
    text_add(t, "(", 1);
    text_add_term(t, in->module->name);
    text_add(t, ":", 1);
    text_add_term(t, f->name);
    text_add_format(t, "/%u + %lu)", f->arity, (unsigned long)((const char *)ip - (const char *)f->start));
}

char *stack_backtrace(const Proc *p, bool in_call, size_t *n)
{
    Text t = {0};
    unsigned y = 0;
    const Term *at = p->stop;
    const Instance *in;
    bool known = p->ip && code_find(p->ip, &in);
    if (known || !in_call) {
        text_add_format(&t, "Program counter: ");
        text_add_address(&t, p->ip);
        text_add(&t, "\n", 1);
        at += known && code_has_frame(in, p->ip);
    }
    for (; at < p->stack_end; at++) {
        if (is_code_address(*at) || *at == 0) {
            y = 0;
            if (*at) {
                text_add_format(&t, "\n0x%016lx Return addr ", (unsigned long)(uintptr_t)at);
                text_add_address(&t, (const Word *)(uintptr_t)*at);
                text_add(&t, "\n", 1);
            }
            continue;
        }
        text_add_format(&t, "y(%u)     ", y++);
        if (is_catch(*at)) {
            text_add_format(&t, "Catch ");
            text_add_address(&t, catch_ip(*at));
        } else {
            text_add_term(&t, *at);
        }
        text_add(&t, "\n", 1);
    }
    *n = t.n;
    return t.bytes;
}
