/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See breakpoint.h. The table hashes by address; entries leave it only with their code, so a process that is about to
 * look one up (its instruction was op_breakpoint) finds at least the original instruction.
 *
 * Everything here changes only while one scheduler runs alone (natives marked so, loading), so readers need no lock.
 * The figures of call_time are the exception: call.c guards them.
 */
#include "vm/trace/breakpoint.h"

#include "gen/ops.h"
#include "vm/load/walk.h"
#include "vm/proc/idmap.h"

static struct Breakpoints {
    Breakpoint **buckets;
    size_t bucket_count, count;
    BreakpointRequest on_load;
    size_t traced_natives; /* exports with calls_traced set */
    bool calls_stale;      /* some call of a native does not agree with its export */
} bps;

/* --- the table --------------------------------------------------------------------------------------------- */
static size_t slot_of(const Word *ip, size_t buckets)
{
    return (size_t)((uintptr_t)ip * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (buckets - 1);
}

Breakpoint *breakpoint_find(const Word *ip)
{
    Breakpoint *b = bps.bucket_count ? bps.buckets[slot_of(ip, bps.bucket_count)] : NULL;
    while (b && b->ip != ip) {
        b = b->hash_next;
    }
    return b;
}

static void table_grow(void)
{
    size_t n = bps.bucket_count ? bps.bucket_count * 2 : 64;
    Breakpoint **buckets = vm_calloc(n * sizeof *buckets);
    for (size_t i = 0; i < bps.bucket_count; i++) {
        for (Breakpoint *b = bps.buckets[i], *next; b; b = next) {
            next = b->hash_next;
            size_t to = slot_of(b->ip, n);
            b->hash_next = buckets[to];
            buckets[to] = b;
        }
    }
    vm_free(bps.buckets);
    bps.buckets = buckets;
    bps.bucket_count = n;
}

static void instruction_set(const Word *ip, Word fn)
{
    __atomic_store_n((Word *)(uintptr_t)ip, fn, __ATOMIC_RELEASE);
}

static Breakpoint *table_put(const Word *ip)
{
    Breakpoint *b = breakpoint_find(ip);
    if (!b) {
        if (bps.count++ >= bps.bucket_count) {
            table_grow();
        }
        b = vm_calloc(sizeof *b);
        *b = (Breakpoint){.ip = ip, .original = ip[0], .meta_tracer = NIL};
        size_t at = slot_of(ip, bps.bucket_count);
        b->hash_next = bps.buckets[at];
        bps.buckets[at] = b;
    }
    return b;
}

static bool is_break_op(Word fn)
{
    return fn == (Word)(uintptr_t)op_breakpoint || fn == (Word)(uintptr_t)op_breakpoint_global;
}

Word breakpoint_instruction(const Word *ip)
{
    Word fn = __atomic_load_n(ip, __ATOMIC_RELAXED);
    return is_break_op(fn) ? breakpoint_find(ip)->original : fn;
}

/* --- one breakpoint ------------------------------------------------------------------------------------------ */
static void spec_replace(Magic **place, Magic *spec)
{
    if (spec) {
        magic_retain(spec);
    }
    if (*place) {
        magic_release(*place);
    }
    *place = spec;
}

static void times_clear(Breakpoint *b)
{
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(b->times, &i));) {
        vm_free((void *)(uintptr_t)s->value);
    }
    idmap_free(&b->times);
}

static void kinds_clear(Breakpoint *b, unsigned kinds)
{
    kinds &= b->kinds;
    if (kinds & BREAK_COUNT) {
        kinds |= BREAK_COUNTING;
    }
    if (kinds & BREAK_TIME) {
        kinds |= BREAK_TIMING;
        times_clear(b);
    }
    if (kinds & BREAK_CALL) {
        spec_replace(&b->spec, NULL);
    }
    if (kinds & BREAK_META) {
        spec_replace(&b->meta_spec, NULL);
        b->meta_tracer = NIL;
    }
    b->kinds &= ~kinds;
}

static bool is_native_body(const Word *entry)
{
    return breakpoint_instruction(entry) == (Word)(uintptr_t)op_call_native;
}

/* The instruction, and for natives the calls of it, follow from the kinds. */
static void show(Breakpoint *b)
{
    bool global = b->original == (Word)(uintptr_t)op_call_error_handler; /* the stub of an export */
    bool native = b->original == (Word)(uintptr_t)op_call_native;
    Export *e = global ? (Export *)(uintptr_t)b->ip[1] : native ? (Export *)(uintptr_t)b->ip[2] : NULL;
    if (global && b->kinds) {
        e->behind = e->behind ? e->behind : e->addr;
        instruction_set(b->ip, (Word)(uintptr_t)op_breakpoint_global);
        __atomic_store_n(&e->addr, e->stub, __ATOMIC_RELEASE);
        return;
    }
    if (global) {
        if (e->behind) {
            __atomic_store_n(&e->addr, e->behind, __ATOMIC_RELEASE);
            e->behind = NULL;
        }
        instruction_set(b->ip, b->original);
        return;
    }
    instruction_set(b->ip, b->kinds ? (Word)(uintptr_t)op_breakpoint : b->original);
    if (native && e->calls_traced != (b->kinds != 0)) {
        e->calls_traced = b->kinds != 0;
        bps.traced_natives += e->calls_traced ? 1 : (size_t)-1;
        bps.calls_stale = true;
    }
}

/* Starting a counter anew: true when that was all to do. */
static bool restart(Breakpoint *b, const BreakpointRequest *r)
{
    bool pause = r->wish == BREAK_PAUSE;
    if (r->kinds & b->kinds & BREAK_COUNT) {
        if (!pause) {
            __atomic_store_n(&b->count, 0, __ATOMIC_RELAXED);
        }
        b->kinds = pause ? b->kinds & ~(unsigned)BREAK_COUNTING : b->kinds | BREAK_COUNTING;
    }
    if (r->kinds & b->kinds & BREAK_TIME) {
        if (!pause) {
            times_clear(b);
        }
        b->kinds = pause ? b->kinds & ~(unsigned)BREAK_TIMING : b->kinds | BREAK_TIMING;
    }
    return r->wish != BREAK_ON && !(r->kinds & (BREAK_CALL | BREAK_META));
}

static void request_apply(const Word *ip, const BreakpointRequest *r)
{
    Breakpoint *b = breakpoint_find(ip);
    bool counters_only = !(r->kinds & (BREAK_CALL | BREAK_META));
    if (!b && (r->wish == BREAK_OFF || (r->wish != BREAK_ON && counters_only))) {
        return;
    }
    b = table_put(ip);
    if (r->wish == BREAK_OFF) {
        kinds_clear(b, r->kinds);
    } else {
        kinds_clear(b, r->kinds & BREAK_GLOBAL ? ~(unsigned)BREAK_GLOBAL : BREAK_GLOBAL);
        if (!restart(b, r)) {
            if ((r->kinds & BREAK_COUNT) && !(b->kinds & BREAK_COUNT)) {
                b->count = 0;
                b->kinds |= BREAK_COUNTING;
            }
            if ((r->kinds & BREAK_TIME) && !(b->kinds & BREAK_TIME)) {
                b->kinds |= BREAK_TIMING;
            }
            b->kinds |= r->kinds;
        }
        if (r->kinds & BREAK_CALL) {
            spec_replace(&b->spec, r->spec);
        }
        if (r->kinds & BREAK_META) {
            spec_replace(&b->meta_spec, r->spec);
            b->meta_tracer = r->meta_tracer;
        }
    }
    show(b);
}

/* --- functions and exports ------------------------------------------------------------------------------------- */
static bool matches(const BreakpointPattern *pattern, Term m, Term f, unsigned arity)
{
    return (pattern->given < 1 || pattern->m == m) && (pattern->given < 2 || pattern->f == f) &&
           (pattern->given < 3 || pattern->arity == arity);
}

typedef struct Applying {
    const BreakpointPattern *pattern;
    const BreakpointRequest *r;
    size_t count;
} Applying;

/* Setting a local trace ends a global one on the same function, and the other way round. */
static void clear_global(Term m, Term f, unsigned arity)
{
    Export *e = export_find(m, f, arity);
    if (e) {
        breakpoint_export_moved(e);
    }
}

static void clear_local(Module *m, void *arg)
{
    const BreakpointPattern *pattern = arg;
    const Instance *in = m->current;
    for (size_t i = 0; in && i < in->function_count; i++) {
        const FunctionInfo *f = &in->functions[i];
        Breakpoint *b = matches(pattern, in->name, f->name, f->arity) ? breakpoint_find(f->entry) : NULL;
        if (b) {
            kinds_clear(b, ~(unsigned)BREAK_GLOBAL);
            show(b);
        }
    }
}

static void apply_instance(const Instance *in, Applying *a)
{
    for (size_t i = 0; i < in->function_count; i++) {
        const FunctionInfo *f = &in->functions[i];
        if (matches(a->pattern, in->name, f->name, f->arity)) {
            a->count++;
            if (a->r->wish != BREAK_OFF) {
                clear_global(in->name, f->name, f->arity);
            }
            request_apply(f->entry, a->r);
        }
    }
}

static void apply_module(Module *m, void *arg)
{
    Applying *a = arg;
    if (m->current && (a->pattern->given < 1 || a->pattern->m == m->name)) {
        apply_instance(m->current, a);
    }
}

static void apply_export(Export *e, void *arg)
{
    Applying *a = arg;
    if (!export_is_loaded(e) || !matches(a->pattern, export_module(e), export_function(e), export_arity(e))) {
        return;
    }
    const Word *entry = e->behind ? e->behind : e->addr;
    a->count++;
    if (is_native_body(entry)) {
        request_apply(entry, a->r);
        return;
    }
    request_apply(e->stub, a->r);
}

static void apply(Applying *a)
{
    const BreakpointPattern *p = a->pattern;
    bool global = a->r->kinds & BREAK_GLOBAL;
    if (global && a->r->wish != BREAK_OFF) {
        module_each(clear_local, (void *)(uintptr_t)p);
    }
    if (global && p->given == 3) {
        Export *e = export_find(p->m, p->f, p->arity);
        if (e) {
            apply_export(e, a);
        }
    } else if (global) {
        export_each(apply_export, a);
    } else if (p->given >= 1) {
        Module *m = module_find(p->m);
        if (m) {
            apply_module(m, a);
        }
    } else {
        module_each(apply_module, a);
    }
}

Breakpoint *breakpoint_of(Term m, Term f, unsigned arity, bool *exists)
{
    const Export *e = export_find(m, f, arity);
    Breakpoint *b = e && e->addr == e->stub ? breakpoint_find(e->stub) : NULL;
    *exists = true;
    if (b && b->kinds) {
        return b;
    }
    const Module *module = module_find(m);
    const Instance *in = module ? module->current : NULL;
    for (size_t i = 0; in && i < in->function_count; i++) {
        if (in->functions[i].name == f && in->functions[i].arity == arity) {
            b = breakpoint_find(in->functions[i].entry);
            return b && b->kinds ? b : NULL;
        }
    }
    *exists = e && export_is_loaded(e);
    return NULL;
}

/* --- calls of natives ------------------------------------------------------------------------------------------- */
/* apply/2,3 in code are no calls, as in OTP: what they apply is. */
static bool is_apply(const Export *e)
{
    return export_module(e) == A_erlang && export_function(e) == A_apply;
}

/* The instruction that a call of a native should be, given the one it is; 0: it is no such call. */
static Word call_wanted(const Instance *in, const Word *ip, Word fn)
{
    static const OpFn plain[] = {op_call_ext_native, op_call_ext_native_only, op_call_ext_native_last,
        op_call_ext_native};
    static const OpFn traced[] = {op_traced_native, op_traced_native_only, op_traced_native_last,
        op_traced_native_bare};
    for (unsigned i = 0; i < 4; i++) {
        if (fn == (Word)(uintptr_t)plain[i] || fn == (Word)(uintptr_t)traced[i]) {
            const Export *e = (const Export *)(uintptr_t)ip[2];
            bool on = e->calls_traced && !is_apply(e);
            unsigned k = i == 0 && !code_has_frame(in, ip) ? 3 : i;
            return (Word)(uintptr_t)(on ? traced[k] : plain[k]);
        }
    }
    return 0;
}

static void calls_update(const Instance *in)
{
    const Word *end = in->code + in->code_words;
    for (const Word *ip = in->code; ip < end; ip += walk_words(ip)) {
        Word fn = breakpoint_instruction(ip), wanted = call_wanted(in, ip, fn);
        if (wanted && wanted != fn) {
            if (ip[0] == fn) {
                instruction_set(ip, wanted);
            } else {
                breakpoint_find(ip)->original = wanted; /* the call is the first instruction of a traced function */
            }
        }
    }
}

static void calls_update_module(Module *m, void *arg)
{
    (void)arg;
    Instance *const all[] = {m->current, m->old, m->pending};
    for (unsigned i = 0; i < 3; i++) {
        if (all[i]) {
            calls_update(all[i]);
        }
    }
}

static void calls_settle(void)
{
    if (bps.calls_stale) {
        bps.calls_stale = false;
        module_each(calls_update_module, NULL);
    }
}

size_t breakpoint_apply(const BreakpointPattern *pattern, const BreakpointRequest *r)
{
    Applying a = {pattern, r, 0};
    apply(&a);
    calls_settle();
    return a.count;
}

/* --- loading ---------------------------------------------------------------------------------------------------- */
void breakpoint_on_load(const BreakpointRequest *r)
{
    Magic *spec = bps.on_load.spec;
    bps.on_load = r->wish == BREAK_OFF ? (BreakpointRequest){0} : *r;
    bps.on_load.spec = spec;
    spec_replace(&bps.on_load.spec, r->wish == BREAK_OFF ? NULL : r->spec);
}

const BreakpointRequest *breakpoint_on_load_request(void)
{
    return &bps.on_load;
}

void breakpoint_code_loaded(Instance *in)
{
    if (!bps.traced_natives && !bps.on_load.kinds) {
        return;
    }
    if (bps.traced_natives) {
        calls_update(in);
    }
    if (bps.on_load.kinds & BREAK_GLOBAL) {
        BreakpointPattern all = {.m = in->name, .given = 1};
        Applying a = {&all, &bps.on_load, 0};
        for (size_t i = 0; i < in->export_count; i++) {
            apply_export(export_put(in->name, in->exports[i].function, in->exports[i].arity), &a);
        }
    } else if (bps.on_load.kinds) {
        BreakpointPattern all = {.m = in->name, .given = 1};
        apply_instance(in, &(Applying){&all, &bps.on_load, 0});
    }
    calls_settle();
}

void breakpoint_code_retired(const Instance *in)
{
    if (!bps.count) {
        return;
    }
    for (size_t i = 0; i < in->function_count; i++) {
        const Word *entry = in->functions[i].entry;
        for (Breakpoint **at = &bps.buckets[slot_of(entry, bps.bucket_count)]; *at; at = &(*at)->hash_next) {
            Breakpoint *b = *at;
            if (b->ip == entry) {
                kinds_clear(b, ~0u);
                show(b);
                *at = b->hash_next;
                vm_free(b);
                bps.count--;
                break;
            }
        }
    }
    calls_settle();
}

void breakpoint_export_moved(Export *e)
{
    Breakpoint *b = e->behind ? breakpoint_find(e->stub) : NULL;
    if (b) {
        kinds_clear(b, ~0u);
        show(b);
    }
}
