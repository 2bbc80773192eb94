/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See dump.h. The sections in the order of OTP's dumps; those about what Loom does not have (allocators, hash tables,
 * dirty schedulers, other nodes) are left out. Everybody else stands at a safe point meanwhile, so nothing is locked.
 */
#include "vm/dump/dump.h"

#include "vm/bif/bif_persistent.h"
#include "vm/bif/bif_time.h"
#include "vm/bif/system_info.h"
#include "vm/dump/dump_priv.h"
#include "vm/ets/table.h"
#include "vm/load/code.h"
#include "vm/plat.h"
#include "vm/proc/clock.h"
#include "vm/proc/link.h"
#include "vm/proc/port.h"
#include "vm/proc/safe.h"
#include "vm/proc/timer.h"
#include "vm/term/etf.h"

enum { PERSISTENT_SHIFT = 2 }; /* processes name the same literals */

static void put_general(Dump *d, const char *slogan, size_t n)
{
    static const char days[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char version[SYSTEM_VERSION_MAX];
    Date t = date_local_now();
    system_version_text(version, sizeof version);
    dump_format(d, "=erl_crash_dump:0.5\n%s %s %2d %02d:%02d:%02d %d\nSlogan: ", days[t.days_since_1970 % 7],
                months[t.month - 1], (int)t.day, (int)t.hour, (int)t.minute, (int)t.second, (int)t.year);
    dump_bytes(d, slogan, n);
    dump_format(d, "\nSystem version: %s\nTaints: \nAtoms: %zu\nCalling Thread: scheduler:%u\n", version, atom_count(),
                plat_sched()->index + 1);
}

static void put_schedulers(Dump *d)
{
    static const char *const names[PRIO_COUNT] = {"Max", "High", "Normal", "Low"};
    for (unsigned i = 0; i < sched_count(); i++) {
        const Sched *s = sched_get(i);
        dump_format(d, "=scheduler:%u\nScheduler Sleep Info Flags: \nScheduler Sleep Info Aux Work: \n", i + 1);
        dump_format(d, "Current Port: \n");
        for (unsigned prio = 0; prio < PRIO_COUNT; prio++) {
            dump_format(d, "Run Queue %s Length: %zu\n", names[prio], s->queue[prio].count);
        }
        dump_format(d, "Run Queue Port Length: 0\nRun Queue Flags: \nCurrent Process: ");
        if (s->current) {
            dump_shown(d, s->current->id);
        }
        dump_format(d, "\n");
    }
}

static void put_memory(Dump *d)
{
    MemoryTotals m;
    system_memory_totals(&m);
    dump_format(d, "=memory\ntotal: %zu\nprocesses: %zu\nprocesses_used: %zu\nsystem: %zu\n", m.processes + m.system,
                m.processes, m.processes, m.system);
    dump_format(d, "atom: %zu\natom_used: %zu\nbinary: %zu\n", m.atom, m.atom, m.binary);
    dump_format(d, "code: %zu\nets: %zu\n", m.code, m.ets);
}

/* --- ports -------------------------------------------------------------------------------------------------------- */
static void put_port_link(Term peer, void *arg)
{
    Dump *d = arg;
    dump_format(d, d->half ? ", " : "Links: ");
    d->half = true;
    dump_shown(d, peer);
}

static void put_port(Port *port, void *arg)
{
    Dump *d = arg;
    dump_format(d, "=port:");
    dump_shown(d, port->id);
    dump_format(d, "\nState: CONNECTED%s%s\nSlot: %lu\nConnected: ", port->binary ? "|BINARY_IO" : "",
                port->busy ? "|PORT_BUSY" : "", (unsigned long)port_number(port->id));
    dump_shown(d, port->owner);
    dump_format(d, "\n");
    d->half = false;
    link_each(port->links, put_port_link, d);
    dump_format(d, "%s", d->half ? "\n" : "");
    d->half = false;
    if (is_atom(port->name)) {
        dump_format(d, "Registered as: ");
        dump_shown(d, port->name);
        dump_format(d, "\n");
    }
    const char *kind = port->os_pid                            ? "controls external process"
                       : strcmp(port->driver->name, "fd") == 0 ? "is UNIX fd not opened by emulator"
                                                               : "controls linked-in driver";
    dump_format(d, "Port %s: %s\n", kind, port->label ? port->label : port->driver->name);
    dump_format(d, "Input: %lu\nOutput: %lu\nQueue: %zu\n", (unsigned long)port->input, (unsigned long)port->output,
                port->driver->queued && port->data ? port->driver->queued(port->data) : 0);
}

/* --- tables ------------------------------------------------------------------------------------------------------- */
static void put_table(Table *t, void *arg)
{
    Dump *d = arg;
    static const char *const types[] = {"set", "bag", "duplicate_bag", "ordered_set"};
    static const char *const protections[] = {"private", "protected", "public"};
    const Ref ref = {.header = MAKE_HEADER(REF_PLAIN_ARITY, SUB_REF), .n01 = t->magic->ref_numbers[0],
                     .n2 = t->magic->ref_numbers[1]};
    dump_format(d, "=ets:");
    dump_shown(d, t->owner);
    dump_format(d, "\nSlot: %lu\nTable: ", (unsigned long)(uintptr_t)t);
    dump_shown(d, t->named ? t->name : make_boxed((const Term *)&ref));
    dump_format(d, "\nName: ");
    dump_shown(d, t->name);
    if (store_is_tree(&t->store)) {
        dump_format(d, "\nOrdered set (AVL tree), Elements: %zu\n", t->store.count);
    } else {
        dump_format(d, "\nBuckets: %zu\n", t->store.u.hash.active);
    }
    dump_format(d, "Fixed: %s\nObjects: %zu\nWords: %zu\n", table_is_fixed(t) ? "true" : "false", t->store.count,
                store_memory_words(&t->store));
    dump_format(d, "Type: %s\nProtection: %s\nCompressed: %s\nWrite Concurrency: ", types[t->store.type],
                protections[t->protection], t->compressed ? "true" : "false");
    dump_shown(d, t->write_concurrency);
    dump_format(d, "\nRead Concurrency: %s\n", t->read_concurrency ? "true" : "false");
}

/* --- timers ------------------------------------------------------------------------------------------------------- */
static void put_timer(Term to, Term message, int64_t ms_left, void *arg)
{
    Dump *d = arg;
    dump_format(d, "=timer:");
    dump_shown(d, to);
    dump_format(d, "\nMessage: ");
    dump_shown(d, message);
    dump_format(d, "\nTime left: %ld\n", (long)ms_left);
}

static void put_timers(Proc *p, void *arg) { timer_each(p, put_timer, arg); }

/* --- code --------------------------------------------------------------------------------------------------------- */
typedef struct CodeBytes {
    size_t current, old;
} CodeBytes;

static size_t instance_size(const Instance *in) { return in ? in->code_words * sizeof(Word) : 0; }

static void add_code(Module *m, void *arg)
{
    CodeBytes *sum = arg;
    sum->current += instance_size(m->current);
    sum->old += instance_size(m->old);
}

static void put_encoded(Dump *d, const char *what, Term t)
{
    static const uint8_t version = 131;
    EtfBuffer b = {0};
    b.data = vm_alloc(1);
    b.data[0] = version;
    b.size = b.capacity = 1;
    etf_encode(&b, t, 2, false);
    dump_format(d, "%s: ", what);
    dump_base64(d, b.data, b.size);
    dump_format(d, "\n");
    vm_free(b.data);
}

static void put_module(Module *m, void *arg)
{
    Dump *d = arg;
    if (!m->current && !m->old) {
        return;
    }
    dump_format(d, "=mod:");
    dump_shown(d, m->name);
    dump_format(d, "\nCurrent size: %zu\n", instance_size(m->current));
    if (m->current && !is_nil(m->current->attributes)) {
        put_encoded(d, "Current attributes", m->current->attributes);
        put_encoded(d, "Current compilation info", m->current->compile_info);
    }
    if (m->old) {
        dump_format(d, "Old size: %zu\n", instance_size(m->old));
    }
}

static void put_funs(Module *m, void *arg)
{
    Dump *d = arg;
    for (size_t i = 0; m->current && i < m->current->fun_count; i++) {
        const FunEntry *f = m->current->funs[i];
        dump_format(d, "=fun\nModule: ");
        dump_shown(d, f->module);
        dump_format(d, "\nUniq: %u\nIndex: %u\nAddress: 0x%016lx\nRefc: 1\n", f->old_uniq, f->old_index,
                    (unsigned long)(uintptr_t)f->addr);
    }
}

static void put_code_sizes(Dump *d)
{
    CodeBytes sum = {0};
    module_each(add_code, &sum);
    dump_format(d, "Current code: %zu\nOld code: %zu\n", sum.current, sum.old);
}

static void put_module_size(Module *m, void *arg)
{
    Dump *d = arg;
    if (m->current || m->old) {
        dump_shown(d, m->name);
        dump_format(d, " %zu", instance_size(m->current));
        if (m->old) {
            dump_format(d, " (%zu old)", instance_size(m->old));
        }
        dump_format(d, "\n");
    }
}

static void put_code(Dump *d)
{
    dump_format(d, "=loaded_modules\n");
    put_code_sizes(d);
    module_each(put_module, d);
    module_each(put_funs, d);
}

/* --- the rest ----------------------------------------------------------------------------------------------------- */
static void put_persistent(Term key, Term value, void *arg)
{
    Dump *d = arg;
    dump_term(d, key);
    dump_format(d, "|");
    dump_term(d, value);
    dump_format(d, "\n");
}

static void put_persistent_terms(Dump *d)
{
    dump_format(d, "=persistent_terms\n");
    d->shift = PERSISTENT_SHIFT;
    persistent_each(put_persistent, d);
    dump_format(d, "=literals\n");
    dump_objects(d);
    dump_objects_end(d);
    d->shift = 0;
}

static void put_atoms(Dump *d)
{
    dump_format(d, "=atoms\n");
    for (size_t i = atom_count(); i > 0 && !d->full; i--) {
        dump_shown(d, make_atom((uint32_t)(i - 1)));
        dump_format(d, "\n");
    }
}

static void put_ports(Dump *d)
{
    ports_lock();
    port_each(put_port, d);
    ports_unlock();
}

static void put_nodes(Dump *d) { dump_format(d, "=node:'nonode@nohost'\n=no_distribution\n"); }

static void put_everything(Dump *d, const char *slogan, size_t n)
{
    put_general(d, slogan, n);
    put_schedulers(d);
    put_memory(d);
    dump_processes(d);
    put_ports(d);
    table_each(put_table, d);
    proc_each(put_timers, d);
    put_nodes(d);
    put_code(d);
    dump_process_memory(d);
    put_persistent_terms(d);
    dump_binaries(d);
    put_atoms(d);
    dump_format(d, "=end\n");
    dump_flush(d);
}

_Noreturn void dump_halt(const char *slogan, size_t n)
{
    plat_log(slogan, n);
    plat_log("\n", 1);
    safe_alone_begin();
    if (plat_dump_begin()) {
        Dump *d = vm_calloc(sizeof *d);
        put_everything(d, slogan, n);
        plat_dump_end(!d->full);
    }
    plat_halt(1);
}

char *dump_text(DumpPart part, size_t *n)
{
    Dump *d = vm_calloc(sizeof *d);
    d->kept = true;
    safe_alone_begin();
    switch (part) {
    case DUMP_INFO:
        put_memory(d);
        put_schedulers(d);
        break;
    case DUMP_PROCS:
        dump_processes_stacks(d);
        put_ports(d);
        break;
    case DUMP_LOADED:
        put_code_sizes(d);
        module_each(put_module_size, d);
        break;
    case DUMP_DIST:
        put_nodes(d);
        break;
    }
    safe_alone_end();
    dump_flush(d);
    char *text = d->text;
    *n = d->text_n;
    vm_free(d);
    return text;
}
