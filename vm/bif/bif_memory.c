/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory the machine uses, in the form that erlang:memory/0,1 and erlang:alloc_sizes/1 of OTP add up: the
 * sizes of OTP's allocators as messages, and the list of allocated areas. Loom has one allocator, so each OTP
 * allocator stands for a kind of data: eheap_alloc heaps, fix_alloc process structures, ets_alloc tables, binary_alloc
 * binaries, literal_alloc literals, ll_alloc atoms and code. The figures are counted, not estimated, except that small
 * tables are taken by their element sizes.
 */
#include "gen/natives.h"
#include "vm/bif/system_info.h"
#include "vm/ets/ets.h"
#include "vm/heap/literal.h"
#include "vm/heap/offheap.h"
#include "vm/load/code.h"
#include "vm/proc/msg.h"
#include "vm/proc/port.h"
#include "vm/proc/safe.h"
#include "vm/proc/timer.h"

typedef struct MemoryFigures {
    size_t atom_text, atom_table;
    size_t modules, exports, functions, code, literals;
    size_t heaps, process_structs, process_table, port_table;
    size_t binaries, ets;
} MemoryFigures;

static size_t instance_bytes(const Instance *in)
{
    if (!in) {
        return 0;
    }
    return in->code_words * sizeof(Word) + in->function_count * sizeof(FunctionInfo) +
           in->line_count * sizeof(LineInfo) + (in->literals ? in->literals->words * sizeof(Term) : 0);
}

static void count_module(Module *m, void *arg)
{
    MemoryFigures *f = arg;
    const Instance *in[] = {m->current, m->old};
    f->modules += sizeof *m;
    for (unsigned i = 0; i < 2; i++) {
        f->code += instance_bytes(in[i]);
        f->modules += in[i] ? sizeof *in[i] : 0;
        f->functions += in[i] ? in[i]->fun_count * sizeof(FunEntry) : 0;
    }
}

static void count_export(Export *e, void *arg)
{
    MemoryFigures *f = arg;
    f->exports += sizeof *e;
}

static void count_process(Proc *p, void *arg)
{
    MemoryFigures *f = arg;
    f->process_structs += sizeof *p;
    f->heaps += proc_memory(p) - sizeof *p;
}

static void count_code(MemoryFigures *f)
{
    memset(f, 0, sizeof *f);
    for (size_t i = 0, n = atom_count(); i < n; i++) {
        size_t bytes;
        (void)atom_text(make_atom((uint32_t)i), &bytes);
        f->atom_text += bytes + 1;
    }
    f->atom_table = atom_count() * 5 * sizeof(Word);
    module_each(count_module, f);
    export_each(count_export, f);
    f->literals = literal_used_bytes();
    f->process_table = proc_table_limit() * sizeof(Proc *);
    f->port_table = port_count() * sizeof(Port);
    f->ets = ets_memory_words() * sizeof(Word);
    f->binaries = (size_t)binary_total_bytes();
}

static void count_all(MemoryFigures *f)
{
    count_code(f);
    safe_alone_begin();
    proc_each(count_process, f);
    safe_alone_end();
}

static size_t code_bytes(const MemoryFigures *f) /* literals of modules are in f->code too */
{
    return f->modules + f->exports + f->functions + (f->code > f->literals ? f->code : f->literals);
}

void system_memory_totals(MemoryTotals *totals)
{
    MemoryFigures f;
    count_all(&f);
    *totals = (MemoryTotals){.processes = f.heaps + f.process_structs,
                             .atom = f.atom_text + f.atom_table,
                             .binary = f.binaries,
                             .code = code_bytes(&f),
                             .ets = f.ets};
    totals->system = totals->atom + totals->binary + totals->code + totals->ets + f.process_table + f.port_table;
}

static Term size_row(Proc *p, Term name, size_t bytes)
{
    return heap_tuple2(p, name, heap_int64(p, (int64_t)bytes));
}

Term system_info_allocated_areas(Proc *p)
{
    MemoryFigures f;
    count_code(&f);
    Term rows[] = {
        heap_tuple3(p, A_atom_space, heap_int64(p, (int64_t)f.atom_text), heap_int64(p, (int64_t)f.atom_text)),
        size_row(p, A_atom_table, f.atom_table),
        size_row(p, A_module_table, f.modules),
        size_row(p, A_export_table, f.exports),
        size_row(p, A_fun_table, f.functions),
        size_row(p, A_loaded_code, f.code),
        size_row(p, A_bif_timer, timer_message_bytes()),
        size_row(p, A_process_table, f.process_table),
        size_row(p, A_port_table, f.port_table),
        size_row(p, A_ets_misc, 0),
        size_row(p, A_external_alloc, 0),
    };
    return heap_list(p, sizeof rows / sizeof rows[0], rows, NIL);
}

static const Term allocator_names[] = {A_temp_alloc, A_sl_alloc,  A_std_alloc,     A_ll_alloc,     A_eheap_alloc,
                                       A_ets_alloc,  A_fix_alloc, A_literal_alloc, A_binary_alloc, A_driver_alloc};
enum { ALLOCATORS = sizeof allocator_names / sizeof allocator_names[0] };

Term system_info_allocators(Proc *p) { return heap_list(p, ALLOCATORS, allocator_names, NIL); }

static size_t allocator_bytes(const MemoryFigures *f, Term name)
{
    switch (name) {
    case A_eheap_alloc:
        return f->heaps;
    case A_ets_alloc:
        return f->ets;
    case A_binary_alloc:
        return f->binaries;
    case A_fix_alloc:
        return f->process_structs + timer_message_bytes();
    case A_literal_alloc:
        return f->literals;
    case A_ll_alloc: /* literals of modules are in f->code too */
        return f->atom_text + f->atom_table + f->modules + f->exports + f->functions + f->process_table +
               f->port_table + (f->code > f->literals ? f->code - f->literals : 0);
    default:
        return 0;
    }
}

/* {Name, S, S, S}: current, and the same for the peaks, which are not kept. */
static Term peaked(Proc *p, Term name, Term size)
{
    Term row[] = {name, size, size, size};
    return heap_tuple(p, 4, row);
}

/* [{mbcs, [{blocks, [{Type, [{size, S, S, S}]}]}, {carriers_size, S, S, S}]}, {sbcs, ...empty}] and, for structures,
 * {fix_types, [{proc, Bytes, Bytes}, {bif_timer, Bytes, Bytes}]}. */
static Term allocator_data(Proc *p, const MemoryFigures *f, Term name)
{
    Term size = heap_int64(p, (int64_t)allocator_bytes(f, name));
    Term sizes = heap_cons_on(p, peaked(p, A_size, size), NIL);
    Term used = heap_cons_on(p, heap_tuple2(p, name, sizes), NIL);
    Term mbcs[] = {heap_tuple2(p, A_blocks, used), peaked(p, A_carriers_size, size)};
    Term sbcs[] = {heap_tuple2(p, A_blocks, NIL), peaked(p, A_carriers_size, make_small(0))};
    Term rows[3], *row = rows;
    if (name == A_fix_alloc) {
        Term timers = heap_int64(p, (int64_t)timer_message_bytes());
        Term types = heap_cons_on(p, heap_tuple3(p, A_bif_timer, timers, timers), NIL);
        types = heap_cons_on(p, heap_tuple3(p, A_proc, size, size), types);
        *row++ = heap_tuple2(p, A_fix_types, types);
    }
    *row++ = heap_tuple2(p, A_mbcs, heap_list(p, 2, mbcs, NIL));
    *row++ = heap_tuple2(p, A_sbcs, heap_list(p, 2, sbcs, NIL));
    return heap_list(p, (size_t)(row - rows), rows, NIL);
}

static bool is_allocator(Term t)
{
    for (unsigned i = 0; i < ALLOCATORS; i++) {
        if (allocator_names[i] == t) {
            return true;
        }
    }
    return t == A_mseg_alloc || t == A_sys_alloc;
}

bool system_info_send_memory(Proc *p, Term kind, Term ref, Term types)
{
    MemoryFigures f;
    Term rows[ALLOCATORS + 2];
    size_t n = 0;
    if (kind != A_memory_internal && kind != A_allocator_sizes && kind != A_allocator) {
        return false;
    }
    count_all(&f);
    for (; is_cons(types); types = cons_tail(types)) {
        Term name = cons_head(types);
        if (!is_allocator(name) || n == sizeof rows / sizeof rows[0]) {
            return false;
        }
        bool known = name != A_mseg_alloc && name != A_sys_alloc;
        rows[n++] = known ? heap_tuple3(p, name, make_small(0), allocator_data(p, &f, name))
                          : heap_tuple2(p, name, A_false);
    }
    if (!is_nil(types)) {
        return false;
    }
    msg_send(p, p, heap_tuple3(p, ref, make_small(0), heap_list(p, n, rows, NIL)));
    p_charge(p, (intptr_t)(proc_count() / 4 + atom_count() / 64));
    return true;
}
