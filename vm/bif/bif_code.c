/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code management as erlang.erl, init.erl, code_server.erl and erts_code_purger.erl ask for it: prepare, finish,
 * on_load, delete, purge, module_info. The work is in vm/load; here are the rules about who may do what when.
 *
 * A purged module's literals may still be part of terms: processes copy theirs (bif_literals.c). Code is never kept:
 * the purger kills or refuses for processes that still run it.
 */
#include "vm/bif/bif_code.h"

#include "gen/natives.h"
#include "lib/md5.h"
#include "vm/bif/bif_literals.h"
#include "vm/load/beam_file.h"
#include "vm/load/code.h"
#include "vm/net/esock.h"
#include "vm/net/esock_start.h"
#include "vm/proc/exception.h"
#include "vm/term/binary.h"
#include "vm/vm.h"

/* --- prepared code: a magic reference ------------------------------------------------------------------- */
static void prepared_destroy(Magic *m)
{
    if (m->data) {
        load_discard(m->data);
    }
}

static const MagicKind prepared_kind = {"prepared code", prepared_destroy};

NATIVE(native_prepare_loading)
{
    const uint8_t *bytes;
    size_t size;
    if (!is_atom(a[0]) || !binary_bytes(p, a[1], &bytes, &size)) {
        return p_badarg(p);
    }
    p_charge(p, (intptr_t)(size / 64));
    Term error = A_badfile;
    Prepared *pr = load_prepare(a[0], bytes, size, &error);
    if (!pr) {
        Term why = heap_string(p, (const uint8_t *)load_why(), strlen(load_why()));
        Term args[] = {a[0], why};
        exception_log(p, A_error, "Error loading module ~w:~n  ~ts~n~n", heap_list(p, 2, args, NIL));
        return heap_tuple2(p, A_error, error);
    }
    return heap_magic_ref(p, magic_new(&prepared_kind, pr));
}

NATIVE(native_has_prepared_code_on_load)
{
    Magic *m = magic_of(a[0], &prepared_kind);
    if (!m || !m->data) {
        return p_badarg(p);
    }
    return make_boolean(prepared_has_on_load(m->data));
}

/* {Tag, [Module]} of those that `bad` says yes to, or NONVALUE. */
static Term finish_refusal(Proc *p, Term list, Term tag, bool (*bad)(const Prepared *pr))
{
    Term modules = NIL;
    for (Term l = list; is_cons(l); l = cons_tail(l)) {
        const Prepared *pr = magic_of(cons_head(l), &prepared_kind)->data;
        if (bad(pr)) {
            modules = heap_cons_on(p, prepared_module(pr), modules);
        }
    }
    return is_nil(modules) ? NONVALUE : heap_tuple2(p, tag, modules);
}

static bool finish_has_old(const Prepared *pr)
{
    const Module *m = module_find(prepared_module(pr));
    return m && m->current && m->old;
}

static bool finish_named_before(Term list, Term at, Term module)
{
    for (; list != at; list = cons_tail(list)) {
        if (prepared_module(magic_of(cons_head(list), &prepared_kind)->data) == module) {
            return true;
        }
    }
    return false;
}

static Term finish_duplicates(Proc *p, Term list)
{
    Term modules = NIL;
    for (Term l = list; is_cons(l); l = cons_tail(l)) {
        Term module = prepared_module(magic_of(cons_head(l), &prepared_kind)->data);
        if (finish_named_before(list, l, module)) {
            modules = heap_cons_on(p, module, modules);
        }
    }
    return is_nil(modules) ? NONVALUE : heap_tuple2(p, A_duplicated, modules);
}

NATIVE(native_finish_loading)
{
    int64_t count = list_length(a[0]);
    for (Term l = a[0]; is_cons(l); l = cons_tail(l)) {
        Magic *m = magic_of(cons_head(l), &prepared_kind);
        if (!m || !m->data) {
            return p_badarg(p);
        }
    }
    if (count < 0) {
        return p_badarg(p);
    }
    if (count > 1 && finish_refusal(p, a[0], A_on_load, prepared_has_on_load) != NONVALUE) {
        return p_system_limit(p);
    }
    Term refused = finish_duplicates(p, a[0]);
    if (refused == NONVALUE) {
        refused = finish_refusal(p, a[0], A_not_purged, finish_has_old);
    }
    if (refused != NONVALUE) {
        return refused;
    }
    Term result = A_ok;
    for (Term l = a[0]; is_cons(l); l = cons_tail(l)) {
        Magic *m = magic_of(cons_head(l), &prepared_kind);
        Prepared *pr = m->data;
        if (prepared_has_on_load(pr)) {
            result = heap_tuple2(p, A_on_load, heap_cons_on(p, prepared_module(pr), NIL));
        }
        m->data = NULL;
        load_finish(pr);
    }
    return result;
}

/* --- on_load ---------------------------------------------------------------------------------------------- */
NATIVE(native_call_on_load_function)
{
    Module *m = is_atom(a[0]) ? module_find(a[0]) : NULL;
    if (!m || !m->on_load_pending) {
        return p_badarg(p);
    }
    /* An export of its own that no code names, so that the ordinary trap reaches a function that may be local. */
    Export *e = export_put(a[0], atom_put_cstr("$on_load"), 0);
    __atomic_store_n(&e->addr, module_on_load_entry(m), __ATOMIC_RELEASE);
    return p_trap(p, e, 0, NULL);
}

NATIVE(native_finish_after_on_load)
{
    Module *m = is_atom(a[0]) ? module_find(a[0]) : NULL;
    if (!m || !m->on_load_pending || !is_boolean(a[1])) {
        return p_badarg(p);
    }
    Export *e = export_find(a[0], atom_put_cstr("$on_load"), 0);
    if (e) {
        __atomic_store_n(&e->addr, e->stub, __ATOMIC_RELEASE);
    }
    load_finish_on_load(m, a[1] == A_true);
    return A_true;
}

/* --- what is loaded ------------------------------------------------------------------------------------------ */
NATIVE(native_module_loaded)
{
    if (!is_atom(a[0])) {
        return p_badarg(p);
    }
    if (esock_start_needed(a[0])) {
        return esock_start(p, a[0]);
    }
    const Module *m = module_find(a[0]);
    return make_boolean(m && m->current && !m->on_load_pending);
}

typedef struct NameList {
    Proc *p;
    Term list;
} NameList;

static void loaded_add(Module *m, void *arg)
{
    NameList *names = arg;
    if (m->current || m->old) {
        names->list = heap_cons_on(names->p, m->name, names->list);
    }
}

NATIVE(native_loaded)
{
    (void)a;
    NameList names = {p, NIL};
    module_each(loaded_add, &names);
    return names.list;
}

NATIVE(native_pre_loaded)
{
    (void)a;
    Term list = NIL;
    const VmConfig *config = vm_config();
    for (size_t i = 0; i < config->preloaded_count; i++) {
        list = heap_cons_on(p, atom_put_cstr(config->preloaded[i].name), list);
    }
    return list;
}

NATIVE(native_check_old_code)
{
    if (!is_atom(a[0])) {
        return p_badarg(p);
    }
    const Module *m = module_find(a[0]);
    return make_boolean(m && m->old);
}

/* --- delete and purge ------------------------------------------------------------------------------------------ */
NATIVE(native_delete_module)
{
    if (!is_atom(a[0])) {
        return p_badarg(p);
    }
    Module *m = module_find(a[0]);
    if (!m || !m->current) {
        return A_undefined;
    }
    if (m->old) {
        return p_badarg(p);
    }
    module_delete(m);
    return A_true;
}

static bool in_code(const Instance *in, uintptr_t address)
{
    return address - (uintptr_t)in->code < in->code_words * sizeof(Word);
}

/* Does p run old code, or will it return into it? Funs do not count: one whose code is gone answers badfun. */
bool code_check_process(Proc *p, Term module)
{
    const Module *m = module_find(module);
    if (!m || !m->old) {
        return false;
    }
    if (in_code(m->old, (uintptr_t)p->ip)) {
        return true;
    }
    for (const Term *slot = p->stop; slot < p->stack_end; slot++) {
        uintptr_t address = is_catch(*slot) ? (uintptr_t)catch_ip(*slot) : is_header(*slot) ? *slot : 0;
        if (in_code(m->old, address)) {
            return true;
        }
    }
    return false;
}

NATIVE(native_check_process_code)
{
    if (!is_atom(a[0])) {
        return p_badarg(p);
    }
    return make_boolean(code_check_process(p, a[0]));
}

NATIVE(native_purge_module)
{
    Module *m = is_atom(a[0]) ? module_find(a[0]) : NULL;
    if (!is_atom(a[0])) {
        return p_badarg(p);
    }
    if (a[1] == A_prepare_on_load || a[1] == A_prepare) {
        bool there = m && (a[1] == A_prepare ? m->old != NULL : module_purges_failed(m));
        if (there) {
            module_purge_begin(m);
        }
        return make_boolean(there);
    }
    if (a[1] == A_abort) {
        if (m && m->old) {
            module_purge_abort(m);
        }
        return A_false;
    }
    if (a[1] != A_complete) {
        return p_badarg(p);
    }
    if (!m || !m->old) {
        return A_false;
    }
    LiteralArea *literals = m->old->literals;
    m->old->literals = NULL;
    module_purge_old(m);
    literal_area_retire(literals);
    literals_release();
    return A_true;
}

/* --- looking into .beam files ----------------------------------------------------------------------------------- */
NATIVE(native_beamfile_chunk)
{
    const uint8_t *bytes, *chunk;
    size_t size, chunk_size;
    uint8_t *id = NULL;
    size_t id_size = 0;
    if (!binary_bytes(p, a[0], &bytes, &size) || !(id = iolist_to_memory(a[1], &id_size)) || id_size != 4) {
        vm_free(id);
        return p_badarg(p);
    }
    bool found = beam_file_chunk(bytes, size, (const char *)id, &chunk, &chunk_size);
    vm_free(id);
    if (!found) {
        return A_undefined;
    }
    size_t view_offset = (size_t)(chunk - bytes);
    return binary_sub(p, a[0], view_offset * 8, chunk_size * 8);
}

NATIVE(native_beamfile_module_md5)
{
    const uint8_t *bytes;
    size_t size;
    uint8_t md5[16];
    if (!binary_bytes(p, a[0], &bytes, &size)) {
        return p_badarg(p);
    }
    if (!beam_file_md5(bytes, size, md5)) {
        return A_undefined;
    }
    return binary_from_bytes(p, md5, sizeof md5);
}

/* --- module_info -------------------------------------------------------------------------------------------------- */
static Term info_exports(Proc *p, const Instance *in)
{
    Term list = NIL;
    for (size_t i = in->export_count; i > 0; i--) {
        const struct ExportRow *row = &in->exports[i - 1];
        list = heap_cons_on(p, heap_tuple2(p, row->function, make_small(row->arity)), list);
    }
    return list;
}

static Term info_functions(Proc *p, const Instance *in)
{
    Term list = NIL;
    for (size_t i = in->function_count; i > 0; i--) {
        const FunctionInfo *f = &in->functions[i - 1];
        list = heap_cons_on(p, heap_tuple2(p, f->name, make_small(f->arity)), list);
    }
    return list;
}

/* Natives are BIFs, which are no NIFs, save those of the modules that OTP gives NIFs. */
static bool module_has_nifs(Term module)
{
    return module == A_prim_file || module == A_prim_buffer || module == A_prim_net || module == A_prim_socket ||
           module == A_zlib || module == A_erl_tracer;
}

static Term info_nifs(Proc *p, const Instance *in)
{
    Term list = NIL;
    if (!module_has_nifs(in->module->name)) {
        return list;
    }
    for (size_t i = in->function_count; i > 0; i--) {
        const FunctionInfo *f = &in->functions[i - 1];
        if (native_find(in->module->name, f->name, f->arity)) {
            list = heap_cons_on(p, heap_tuple2(p, f->name, make_small(f->arity)), list);
        }
    }
    return list;
}

static Term module_info_item(Proc *p, const Instance *in, Term item)
{
    switch (item) {
    case A_module:
        return in->module->name;
    case A_exports:
        return info_exports(p, in);
    case A_functions:
        return info_functions(p, in);
    case A_nifs:
        return info_nifs(p, in);
    case A_native: /* compiled by HiPE */
        return A_false;
    case A_attributes:
        return in->attributes;
    case A_compile:
        return in->compile_info;
    case A_md5:
        return binary_from_bytes(p, in->md5, sizeof in->md5);
    case A_native_addresses: /* of what HiPE compiled */
        return NIL;
    default:
        return NONVALUE;
    }
}

static const Instance *module_info_instance(Term name)
{
    const Module *m = is_atom(name) ? module_find(name) : NULL;
    return m ? m->current : NULL;
}

NATIVE(native_get_module_info_1)
{
    const Instance *in = module_info_instance(a[0]);
    if (!in) {
        return p_badarg(p);
    }
    static const Term items[] = {A_md5, A_compile, A_attributes, A_exports, A_module};
    Term list = NIL;
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        list = heap_cons_on(p, heap_tuple2(p, items[i], module_info_item(p, in, items[i])), list);
    }
    return list;
}

NATIVE(native_get_module_info_2)
{
    const Instance *in = module_info_instance(a[0]);
    Term value = in ? module_info_item(p, in, a[1]) : NONVALUE;
    return value == NONVALUE ? p_badarg(p) : value;
}

/* The libraries of preloaded modules are built in: their functions are in the native tables. Others are shared objects
 * made against ERTS, which Loom does not load. */
NATIVE(native_load_nif)
{
    static const char why[] = "Loom does not load NIF libraries";
    size_t n;
    uint8_t *name = iolist_to_memory(a[0], &n);
    if (!name) {
        return p_badarg(p);
    }
    bool built_in = false;
    for (size_t i = 0; i < vm_config()->preloaded_count; i++) {
        built_in |= strcmp((const char *)name, vm_config()->preloaded[i].name) == 0;
    }
    if (strcmp((const char *)name, "prim_socket") == 0 && is_map(a[1])) {
        esock_configure(a[1]);
    }
    vm_free(name);
    if (built_in) {
        return A_ok;
    }
    Term reason = heap_tuple2(p, A_load_failed, heap_string(p, (const uint8_t *)why, sizeof why - 1));
    return heap_tuple2(p, A_error, reason);
}
