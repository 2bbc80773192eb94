/* SPDX-License-Identifier: Apache-2.0 */
/* See esock_start.h. prim_socket is loaded as if on_load/0, which makes its tables, were marked to run first:
 * nobody can call it before that is through. What erl_init does at start, prim_socket:on_load(), is done by a
 * process of its own; those who want the modules meanwhile wait for it and for the registry, in short slices. */
#include "vm/net/esock_start.h"

#include "vm/load/code.h"
#include "vm/net/esock.h"
#include "vm/plat.h"
#include "vm/proc/registry.h"
#include "vm/proc/safe.h"
#include "vm/vm.h"

typedef enum { START_NOT, START_LOADING, START_RUNNING, START_DONE } StartState;

static struct EsockStart {
    uint32_t state; /* StartState; atomic */
    Term starter;   /* the process that runs on_load; set before START_RUNNING */
} start;

bool esock_start_needed(Term module)
{
    if (__atomic_load_n(&start.state, __ATOMIC_ACQUIRE) == START_DONE) {
        return false;
    }
    const VmConfig *config = vm_config();
    for (size_t i = 0; i < config->preloaded_count; i++) {
        if (config->preloaded[i].deferred && atom_put_cstr(config->preloaded[i].name) == module) {
            return true;
        }
    }
    return false;
}

static void load_all(void)
{
    const VmConfig *config = vm_config();
    for (size_t i = 0; i < config->preloaded_count; i++) {
        VmFile file = config->preloaded[i];
        Term error = NONVALUE, name = atom_put_cstr(file.name);
        if (!file.deferred) {
            continue;
        }
        config->read_deferred(&file);
        Prepared *pr = load_prepare_preloaded(name, file.bytes, file.size, &error);
        if (!pr || (name == A_prim_socket && !prepared_set_on_load(pr, A_on_load))) {
            vm_panic("preloaded module %s: %s", file.name, pr ? "no on_load/0" : load_why());
        }
        load_finish(pr);
    }
}

static void start_now(void)
{
    SpawnOpts o;
    safe_alone_begin();
    load_all();
    Term name = atom_put_cstr("$on_load"); /* see native_call_on_load_function */
    Export *e = export_put(A_prim_socket, name, 0);
    __atomic_store_n(&e->addr, module_on_load_entry(module_find(A_prim_socket)), __ATOMIC_RELEASE);
    safe_alone_end();
    spawn_opts_default(&o, NULL);
    o.priority = PRIO_MAX;
    start.starter = proc_spawn_mfa(NULL, A_prim_socket, name, NIL, &o, NULL);
    __atomic_store_n(&start.state, START_RUNNING, __ATOMIC_RELEASE);
}

static void start_done(void)
{
    safe_alone_begin();
    if (__atomic_load_n(&start.state, __ATOMIC_RELAXED) == START_RUNNING) {
        load_finish_on_load(module_find(A_prim_socket), true);
        __atomic_store_n(&start.state, START_DONE, __ATOMIC_RELEASE);
    }
    safe_alone_end();
}

/* on_load has returned, and the registry has its name. One that crashed has ended too. */
static bool is_running(void)
{
    if (start.starter != NONVALUE && proc_lookup(start.starter)) {
        return false;
    }
    Term registry = esock_globals()->registry;
    return registry == NIL || !proc_lookup(registry) || registry_find(A_socket_registry) != NONVALUE;
}

Term esock_start(Proc *p, Term module)
{
    uint32_t state = START_NOT;
    if (__atomic_compare_exchange_n(&start.state, &state, START_LOADING, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        start_now();
    } else if (state == START_RUNNING && is_running()) {
        start_done();
        return A_true;
    }
    if (state == START_DONE) {
        return A_true;
    }
    p_charge(p, SLICE_REDUCTIONS);
    return p_trap(p, export_put(A_erlang, A_module_loaded, 1), 1, &module);
}
