/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raising: makes the raw stack trace, looks for the innermost catch marker on the stack, and either continues at its
 * handler or ends the process with the reason that others will see.
 *
 * Walking the stack needs no frame sizes: a slot with a code address (low bits 00) begins a frame, and everything
 * above it up to the next such slot is its y registers. The top frame's slot holds a stale address unless a call is
 * under way, so it is skipped when the failing instruction has a frame (Instance.frames says so).
 *
 * Comes from: RAISE in ops/op.h. Goes to: the handler, or proc_exit through the scheduler.
 */
#include "vm/proc/exception.h"

#include "gen/ops.h"
#include "vm/load/code.h"
#include "vm/proc/clock.h"
#include "vm/proc/msg.h"
#include "vm/proc/registry.h"
#include "vm/term/map.h"
#include "vm/trace/call.h"

enum { RAW_CLASS, RAW_MODULE, RAW_FUNCTION, RAW_ARGS, RAW_INFO, RAW_ADDRESSES, RAW_ARITY };
enum { DEPTH_DEFAULT = 8, DEPTH_MAX = 1024 };

static struct Exceptions {
    unsigned asked; /* system_flag(backtrace_depth) */
    unsigned depth; /* stack trace entries at most: one even when 0 was asked for */
} exceptions = {DEPTH_DEFAULT, DEPTH_DEFAULT};

unsigned exception_depth(void)
{
    return exceptions.depth;
}

unsigned exception_depth_asked(void)
{
    return exceptions.asked;
}

unsigned exception_set_depth(unsigned depth)
{
    unsigned old = exceptions.asked;
    exceptions.asked = depth < DEPTH_MAX ? depth : DEPTH_MAX;
    exceptions.depth = exceptions.asked ? exceptions.asked : 1;
    return old;
}

static Term class_atom(FaultClass class)
{
    return class == FAULT_ERROR ? A_error : class == FAULT_EXIT ? A_exit : A_throw;
}

/* --- addresses ------------------------------------------------------------------------------------------- */
/* Return addresses from `slot` up, at most max, into to; each moved back into the call. Neighbours that are equal
 * count once. */
static unsigned stack_addresses(const Term *slot, const Term *end, Word *to, unsigned max, Word before)
{
    unsigned n = 0;
    for (; slot < end && n < max; slot++) {
        Word w = *slot;
        if (is_header(w) && w != 0 && w != before && w != (Word)(uintptr_t)code_normal_exit && !call_frame_words(w)) {
            to[n++] = (Word)(uintptr_t)call_frame_address(slot);
            before = w;
        }
    }
    return n;
}

/* True when the instruction had made its call before there was found to be nothing to call: OTP's machine then sees the
 * caller twice, failing and waiting for the return. */
static bool fails_in_call(const Proc *p, const Word *ip)
{
    Word op = breakpoint_instruction(ip);
    if (op == (Word)(uintptr_t)op_call_fun || op == (Word)(uintptr_t)op_call_fun2) {
        return true;
    }
    if (op != (Word)(uintptr_t)op_call_ext_native || !p->fault_hide_native) {
        return false;
    }
    const Export *e = (const Export *)(uintptr_t)ip[2];
    return export_function(e) == A_apply && export_arity(e) == 2 && export_module(e) == A_erlang;
}

/* The failing instruction's own address (unless it stands in no function, or is a native's body), then the callers'. */
static Term raw_addresses(Proc *p, const Word *ip, unsigned max)
{
    Word *object = heap_alloc(p, 1 + (size_t)max);
    const Instance *in = NULL;
    unsigned n = 0;
    const Term *slot = p->stop;
    if (max > 0 && breakpoint_instruction(ip) != (Word)(uintptr_t)op_call_native && code_find(ip, &in)) {
        object[1 + n++] = (Word)(uintptr_t)ip;
        if (n < max && fails_in_call(p, ip)) {
            object[1 + n++] = (Word)(uintptr_t)ip;
        }
        slot += code_has_frame(in, ip);
    }
    n += stack_addresses(slot, p->stack_end, object + 1 + n, max - n, 0);
    object[0] = MAKE_HEADER(n, SUB_POS_BIG);
    heap_trim(p, object + 1 + n);
    return make_boxed(object);
}

/* --- who failed ------------------------------------------------------------------------------------------ */
static bool is_native_call(const Word *ip)
{
    Word op = breakpoint_instruction(ip);
    return op == (Word)(uintptr_t)op_call_ext_native || op == (Word)(uintptr_t)op_call_ext_native_only ||
           op == (Word)(uintptr_t)op_call_ext_native_last || op == (Word)(uintptr_t)op_call_native;
}

/* The module that explains a native's errors. */
static Term error_info_module(Term module)
{
    switch (module) {
    case A_erlang:
    case A_atomics:
    case A_counters:
    case A_persistent_term:
    case A_erts_internal:
        return A_erl_erts_errors;
    case A_binary:
    case A_ets:
    case A_io:
    case A_lists:
    case A_maps:
    case A_math:
    case A_re:
    case A_unicode:
        return A_erl_stdlib_errors;
    case A_os:
        return A_erl_kernel_errors;
    default:
        return NONVALUE;
    }
}

/* The error_info map of the top entry, or false. */
static Term raw_info(Proc *p, const Export *e)
{
    Term cause = p->fault_cause;
    if (p->fault_hide_native || !e) {
        if (cause == NONVALUE) {
            return A_false;
        }
        if (is_map(cause)) { /* erlang:error/3 hands over the whole map */
            return cause;
        }
        Term kv[] = {A_cause, cause, A_function, A_format_bs_fail, A_module, A_erl_erts_errors};
        return map_from_pairs(p, kv, 3);
    }
    Term module = e->native && p->fault_class == FAULT_ERROR ? error_info_module(export_module(e)) : NONVALUE;
    if (module == NONVALUE) {
        return A_false;
    }
    Term kv[] = {A_module, module, A_cause, cause};
    return map_from_pairs(p, kv, cause == NONVALUE ? 1 : 2);
}

/* The native to name on top, NULL when there is none; sets its arguments. */
static const Export *raw_blamed(Proc *p, const Term *x, const Word *ip)
{
    if (p->fault_hide_native) {
        return NULL;
    }
    if (!p->fault_export && is_native_call(ip)) {
        p->fault_export = (const Export *)(uintptr_t)ip[2];
    }
    if (p->fault_export && p->fault_args == NONVALUE) {
        p->fault_args = heap_list(p, export_arity(p->fault_export), x, NIL);
    }
    return p->fault_export;
}

static Term raw_make(Proc *p, const Term *x, const Word *ip)
{
    const Export *e = raw_blamed(p, x, ip);
    Term info = raw_info(p, e);
    unsigned depth = exceptions.depth;
    Term addresses = raw_addresses(p, ip, e ? depth - 1 : depth);
    Term *raw = heap_alloc(p, TUPLE_WORDS(RAW_ARITY));
    raw[0] = MAKE_HEADER(RAW_ARITY, SUB_TUPLE);
    raw[1 + RAW_CLASS] = class_atom(p->fault_class);
    raw[1 + RAW_MODULE] = e ? export_module(e) : A_false;
    raw[1 + RAW_FUNCTION] = e ? export_function(e) : A_false;
    raw[1 + RAW_ARGS] = p->fault_args == NONVALUE ? A_false : p->fault_args;
    raw[1 + RAW_INFO] = info;
    raw[1 + RAW_ADDRESSES] = addresses;
    return make_boxed(raw);
}

static const Term *raw_fields(Term raw)
{
    return is_tuple_arity(raw, RAW_ARITY) ? tuple_elements(raw) : NULL;
}

FaultClass exception_raw_class(Term raw)
{
    const Term *f = raw_fields(raw);
    Term class = f ? f[RAW_CLASS] : A_error;
    return class == A_exit ? FAULT_EXIT : class == A_throw ? FAULT_THROW : FAULT_ERROR;
}

Term exception_raw_from_list(Proc *p, FaultClass class, Term list)
{
    Term fields[RAW_ARITY] = {class_atom(class), A_false, A_false, A_false, A_false, list};
    return heap_tuple(p, RAW_ARITY, fields);
}

void exception_again(Proc *p, FaultClass class, Term value, Term raw)
{
    p_fault(p, class, value);
    const Term *f = raw_fields(raw);
    if (f) {
        /* The class may have changed since: raw_raise takes it from a register. */
        Term fields[RAW_ARITY];
        memcpy(fields, f, sizeof fields);
        fields[RAW_CLASS] = class_atom(class);
        p->fault_trace = fields[RAW_CLASS] == f[RAW_CLASS] ? raw : heap_tuple(p, RAW_ARITY, fields);
    } else {
        p->fault_trace = exception_raw_from_list(p, class, is_list(raw) ? raw : NIL);
    }
}

/* --- symbols --------------------------------------------------------------------------------------------- */
/* [{file, F}, {line, L}], in front of `tail`. */
static Term location_list(Proc *p, const Instance *in, const Word *ip, Term tail)
{
    Term file;
    unsigned line;
    if (!code_find_line(in, ip, &file, &line)) {
        return tail;
    }
    tail = heap_cons_on(p, heap_tuple2(p, A_line, make_small(line)), tail);
    return heap_cons_on(p, heap_tuple2(p, A_file, file), tail);
}

static Term info_list(Proc *p, Term info)
{
    return info == A_false ? NIL : heap_cons_on(p, heap_tuple2(p, A_error_info, info), NIL);
}

static Term entry_make(Proc *p, Term m, Term f, Term arity_or_args, Term location)
{
    Term fields[4] = {m, f, arity_or_args, location};
    return heap_tuple(p, 4, fields);
}

/* The entry of a code address; NONVALUE when it lies in no function (code that is gone). */
static Term entry_of_address(Proc *p, const Word *ip, Term args, Term info)
{
    const Instance *in;
    const FunctionInfo *f = code_find(ip, &in);
    if (!f) {
        return NONVALUE;
    }
    Term location = location_list(p, in, ip, info_list(p, info));
    return entry_make(p, in->name, f->name, args == A_false ? make_small(f->arity) : args, location);
}

static Term addresses_list(Proc *p, const Word *address, size_t n, Term args, Term info)
{
    Term list = NIL;
    for (size_t i = n; i > 0; i--) {
        bool top = i == 1;
        const Word *ip = (const Word *)(uintptr_t)address[i - 1];
        Term entry = entry_of_address(p, ip, top ? args : A_false, top ? info : A_false);
        if (entry != NONVALUE) {
            list = heap_cons_on(p, entry, list);
        }
    }
    return list;
}

Term exception_stacktrace(Proc *p, Term raw)
{
    const Term *f = raw_fields(raw);
    if (!f) {
        return is_list(raw) ? raw : NIL;
    }
    Term addresses = f[RAW_ADDRESSES];
    if (!is_big(addresses)) {
        return is_list(addresses) ? addresses : NIL;
    }
    bool native = f[RAW_MODULE] != A_false;
    Term list = addresses_list(p, big_digits(addresses), big_limbs(addresses), native ? A_false : f[RAW_ARGS],
                               native ? A_false : f[RAW_INFO]);
    if (native) {
        Term top = entry_make(p, f[RAW_MODULE], f[RAW_FUNCTION], f[RAW_ARGS], info_list(p, f[RAW_INFO]));
        list = heap_cons_on(p, top, list);
    }
    return list;
}

/* --- handlers ---------------------------------------------------------------------------------------------- */
/* The innermost marker; *frame the slot that begins its frame. NULL: none. */
static const Word *find_handler(const Proc *p, Term **frame)
{
    Term *base = p->stop;
    for (Term *slot = p->stop; slot < p->stack_end; slot++) {
        if (is_header(*slot)) {
            base = slot;
        } else if (is_catch(*slot)) {
            *frame = base;
            return catch_ip(*slot);
        }
    }
    return NULL;
}

Term exception_as_exit(Proc *p, Term class, Term value, Term raw)
{
    if (class == A_throw) {
        return value;
    }
    if (class == A_error) {
        value = heap_tuple2(p, value, exception_stacktrace(p, raw));
    }
    return heap_tuple2(p, A_EXIT, value);
}

void exception_log(Proc *p, Term level, const char *format, Term args)
{
    Term logger = registry_find(A_logger);
    if (logger == NONVALUE || logger == p->id || !is_local_pid(logger)) {
        return;
    }
    Term my[] = {A_tag, level == A_warning ? A_warning_msg : A_error, A_emulator, A_true};
    Term meta[] = {A_pid,          p->id,
                   A_gl,           p->group_leader,
                   A_time,         heap_int64(p, clock_system_ns() / 1000),
                   A_error_logger, map_from_pairs(p, my, 2)};
    Term fields[] = {A_log, level, heap_string(p, (const uint8_t *)format, strlen(format)), args,
                     map_from_pairs(p, meta, 4)};
    msg_send_pid(p, logger, heap_tuple(p, 5, fields));
}

static void log_crash(Proc *p, Term reason)
{
    Term args[] = {p->id, reason};
    exception_log(p, A_error, "Error in process ~p with exit value:~n~p~n", heap_list(p, 2, args, NIL));
}

static const Word *end_process(Proc *p, FaultClass class, Term value, Term raw)
{
    if (class == FAULT_THROW) {
        value = heap_tuple2(p, A_nocatch, value);
    }
    if (class != FAULT_EXIT) {
        value = heap_tuple2(p, value, exception_stacktrace(p, raw));
        log_crash(p, value);
    }
    p_fault(p, FAULT_EXIT, value);
    return NULL;
}

const Word *exception_raise(Proc *p, Term *x, const Word *ip)
{
    FaultClass class = p->fault_class;
    Term value = p->fault_reason;
    Term raw = p->fault_trace != NONVALUE ? p->fault_trace : raw_make(p, x, ip);
    p->ip = ip;
    Term *frame = p->stack_end;
    const Word *handler = find_handler(p, &frame);
    if (p->flags & PF_TRACE_FRAMES) {
        bool uncaught = !handler && class == FAULT_THROW;
        call_trace_unwind(p, frame, uncaught ? A_error : class_atom(class),
                          uncaught ? heap_tuple2(p, A_nocatch, value) : value);
    }
    if (!handler) {
        return end_process(p, class, value, raw);
    }
    p_fault(p, FAULT_NONE, NIL);
    p->stop = frame;
    x[0] = NONVALUE;
    x[1] = class_atom(class);
    x[2] = value;
    x[3] = raw;
    if (--p->fcalls < 0) { /* no code that only raises and handles keeps the processor */
        p->handler_ip = handler;
        return code_yield_at_handler;
    }
    return handler;
}
