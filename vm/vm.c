/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start of the machine: tables in the order they depend on each other, the preloaded modules, the first processes,
 * then the scheduler. Comes from: plat/<platform>/main. Goes to: vm/proc/sched.c.
 */
#include "vm/vm.h"

#include "lib/fmt.h"
#include "vm/bif/assist.h"
#include "vm/bif/bif_literals.h"
#include "vm/bif/native.h"
#include "vm/heap/literal.h"
#include "vm/load/code.h"
#include "vm/plat.h"
#include "vm/proc/port.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"
#include "vm/proc/timer.h"
#include "vm/term/binary.h"
#include "vm/trace/call.h"

enum { DEFAULT_PROCESSES = 262144, DEFAULT_PORTS = 65536, DEFAULT_ATOMS = 1048576 };

static VmConfig vm; /* written once at boot */

const VmConfig *vm_config(void)
{
    return &vm;
}

void vm_panic(const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    int n = fmt_vbuf(text, sizeof text, format, ap);
    va_end(ap);
    plat_log("loom: ", 6);
    plat_log(text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
    plat_log("\n", 1);
    plat_panic();
}

static void vm_set_defaults(void)
{
    vm.max_processes = vm.max_processes ? vm.max_processes : DEFAULT_PROCESSES;
    vm.max_ports = vm.max_ports ? vm.max_ports : DEFAULT_PORTS;
    vm.max_atoms = vm.max_atoms ? vm.max_atoms : DEFAULT_ATOMS;
    if (vm.schedulers == 0) {
        PlatInfo info;
        plat_info(&info);
        vm.schedulers = info.cpus;
    }
    vm.schedulers = vm.schedulers > MAX_SCHEDULERS ? MAX_SCHEDULERS : vm.schedulers;
    if (vm.schedulers_online == 0 || vm.schedulers_online > vm.schedulers) {
        vm.schedulers_online = vm.schedulers;
    }
}

static void vm_load_preloaded(void)
{
    for (size_t i = 0; i < vm.preloaded_count; i++) {
        const VmFile *file = &vm.preloaded[i];
        Term error = NONVALUE;
        if (file->deferred) {
            continue;
        }
        Prepared *pr = load_prepare_preloaded(atom_put_cstr(file->name), file->bytes, file->size, &error);
        if (!pr) {
            size_t n = 0;
            vm_panic("preloaded module %s: %s", file->name, (const char *)atom_text(error, &n));
        }
        load_finish(pr);
    }
}

/* [<<"-root">>, <<"/usr/lib/erlang">>, ...] in a fragment of its own: there is no process yet. */
static HeapFrag *vm_boot_arguments(Term *args)
{
    size_t words = 0;
    for (size_t i = 0; i < vm.boot_arg_count; i++) {
        words += 2 + HEAP_BIN_WORDS(strlen(vm.boot_args[i])) + REFC_BIN_WORDS;
    }
    HeapFrag *frag = frag_new(words + 4);
    Term *hp = frag->mem;
    Term list = NIL;
    for (size_t i = vm.boot_arg_count; i > 0; i--) {
        const char *text = vm.boot_args[i - 1];
        size_t n = strlen(text);
        Term bin;
        if (n > HEAP_BIN_MAX) {
            Binary *b = binary_alloc(n);
            memcpy(b->data, text, n);
            bin = build_refc_bin(&hp, &frag->off_heap, b, b->data, n);
        } else {
            HeapBin *h = (HeapBin *)hp;
            h->header = MAKE_HEADER(HEAP_BIN_WORDS(n) - 1, SUB_HEAP_BIN);
            h->size = n;
            memcpy(h->data, text, n);
            hp += HEAP_BIN_WORDS(n);
            bin = make_boxed((Term *)h);
        }
        list = heap_cons(&hp, bin, list);
    }
    *args = heap_cons(&hp, A_init, heap_cons(&hp, list, NIL));
    frag->used = (size_t)(hp - frag->mem);
    return frag;
}

/* Its pid; NONVALUE when the module is not there. */
static Term vm_spawn_system(Term module)
{
    SpawnOpts o;
    spawn_opts_default(&o, NULL);
    o.system = true;
    o.priority = PRIO_HIGH;
    return module_find(module) ? proc_spawn_mfa(NULL, module, A_start, NIL, &o, NULL) : NONVALUE;
}

static void vm_spawn_first(void)
{
    SpawnOpts o;
    spawn_opts_default(&o, NULL);
    Term args;
    HeapFrag *frag = vm_boot_arguments(&args);
    proc_spawn_mfa(NULL, A_erl_init, A_start, args, &o, NULL);
    frag_free(frag);
    vm_spawn_system(A_erts_code_purger);
    literals_set_collector(vm_spawn_system(A_erts_literal_area_collector));
}

void vm_main(const VmConfig *config)
{
    vm = *config;
    vm_set_defaults();
    literal_init();
    atom_init(vm.max_atoms);
    native_init();
    assist_init();
    registry_init(atom_limit());
    sched_init_all(vm.schedulers, vm.schedulers_online);
    code_init();
    call_trace_init();
    proc_table_init(vm.max_processes);
    port_table_init(vm.max_ports);
    vm_load_preloaded();
    vm_spawn_first();
    for (unsigned i = 1; i < sched_count(); i++) {
        if (!plat_start_scheduler(sched_get(i))) {
            sched_keep(i); /* the machine has said why */
        }
    }
    if (vm.on_start) {
        vm.on_start();
    }
    sched_main(sched_get(0));
}
