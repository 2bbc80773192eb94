/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes an instance of what the loader has produced, and moves instances through their life: prepared, (pending its
 * on_load), current, old, gone. Publishing is a series of atomic pointer stores into export slots and fun entries; code
 * that runs the old instance goes on until it makes a fully qualified call.
 */
#include "vm/load/link.h"

#include "vm/load/code_index.h"
#include "vm/term/atom.h"
#include "vm/trace/breakpoint.h"
#include "vm/vm.h"

static void link_code(Loader *ld, Instance *in)
{
    size_t words = ld->code.count;
    Word *code = vm_realloc(ld->code.at, words * sizeof *code); /* gives back what was too much */
    ld->code.at = NULL;
    for (size_t i = 0; i < ld->label_fixups.count; i++) {
        Word *w = &code[ld->label_fixups.at[i]];
        *w = (Word)(code + ld->labels[*w].offset);
    }
    for (size_t i = 0; i < ld->fun_fixups.count; i++) {
        Word *w = &code[ld->fun_fixups.at[i]];
        *w = (Word)in->funs[*w];
    }
    in->code = code;
    in->code_words = words;
    in->frames = vm_realloc(ld->frames.at, ((words + 63) / 64) * sizeof *in->frames);
    ld->frames.at = NULL;
}

static void link_functions(const Loader *ld, Instance *in)
{
    in->function_count = ld->functions.count;
    bool natives = native_module(ld->name);
    in->functions = vm_alloc((in->function_count + 1) * sizeof *in->functions);
    for (size_t i = 0; i < in->function_count; i++) {
        const LoadedFunction *f = &ld->functions.at[i];
        in->functions[i] = (FunctionInfo){in->code + f->start, in->code + f->entry, f->name, f->arity};
        in->has_natives = in->has_natives || (natives && native_find(ld->name, f->name, f->arity));
    }
    in->on_load = ld->on_load >= 0 ? in->functions[ld->on_load].entry : NULL;
}

enum { LINE_MAX_SHOWN = (1 << 24) - 2 }; /* OTP drops larger ones, and tests say so */

/* As in OTP, the modules of the machine itself show no lines in stack traces. */
static bool is_preloaded(Term module)
{
    const VmConfig *config = vm_config();
    size_t n;
    const char *name = (const char *)atom_text(module, &n);
    for (size_t i = 0; i < config->preloaded_count; i++) {
        if (strcmp(config->preloaded[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void link_lines(const Loader *ld, Instance *in)
{
    in->line_count = ld->preloaded || is_preloaded(ld->name) ? 0 : ld->lines.count;
    in->lines = vm_alloc((in->line_count + 1) * sizeof *in->lines);
    for (size_t i = 0; i < in->line_count; i++) {
        LineItem item = ld->line_items[ld->lines.at[i].item];
        if (item.line > LINE_MAX_SHOWN) {
            item.line = 0;
        }
        in->lines[i] = (LineInfo){in->code + ld->lines.at[i].offset, item.file, item.line};
    }
}

static void link_exports(const Loader *ld, Instance *in)
{
    in->export_count = ld->export_count;
    in->exports = vm_alloc((in->export_count + 1) * sizeof *in->exports);
    for (size_t i = 0; i < in->export_count; i++) {
        const LoadedExport *e = &ld->exports[i];
        in->exports[i].function = e->function;
        in->exports[i].arity = e->arity;
        in->exports[i].entry = in->code + ld->labels[e->label].offset;
    }
}

/* The entries exist from here on; they point at this code only when it is published. */
static void link_funs(const Loader *ld, Instance *in)
{
    in->fun_count = ld->fun_count;
    in->funs = vm_alloc((in->fun_count + 1) * sizeof(FunEntry *));
    in->fun_code = vm_alloc((in->fun_count + 1) * sizeof(const Word *));
    for (size_t i = 0; i < in->fun_count; i++) {
        const LoadedFun *f = &ld->funs[i];
        FunEntry *e = fun_entry_put(ld->name, f->index, in->md5, f->old_uniq, f->arity - f->free_count, f->free_count);
        e->name = f->name;
        e->info[2] = f->name;
        in->funs[i] = e;
    }
}

static void link_digest(const Loader *ld, Instance *in)
{
    Cursor c = ld->file.chunk[CHUNK_DIGEST];
    const uint8_t *known = ld->preloaded && c.at ? cursor_bytes(&c, sizeof in->md5) : NULL;
    if (known) {
        memcpy(in->md5, known, sizeof in->md5);
    } else {
        beam_file_digest(&ld->file, in->md5);
    }
}

Instance *link_make_instance(Loader *ld)
{
    Instance *in = vm_calloc(sizeof *in);
    in->name = ld->name;
    link_digest(ld, in);
    link_funs(ld, in);
    link_code(ld, in);
    for (size_t i = 0; i < in->fun_count; i++) {
        in->fun_code[i] = in->code + ld->labels[ld->funs[i].label].offset;
    }
    link_functions(ld, in);
    link_lines(ld, in);
    link_exports(ld, in);
    in->files = ld->files;
    in->file_count = ld->file_count;
    in->strings = ld->strings;
    in->literals = ld->area;
    in->attributes = ld->attributes;
    in->compile_info = ld->compile_info;
    ld->files = NULL;
    ld->strings = NULL;
    ld->area = NULL;
    return in;
}

void link_free_instance(Instance *in)
{
    vm_free(in->code);
    vm_free(in->frames);
    vm_free(in->functions);
    vm_free(in->lines);
    vm_free(in->exports);
    vm_free(in->funs);
    vm_free(in->fun_code);
    vm_free(in->files);
    vm_free(in->strings);
    if (in->literals) {
        literal_area_free(in->literals);
    }
    vm_free(in);
}

/* --- publishing ------------------------------------------------------------------------------------------- */
static void export_set(Export *e, const Word *addr)
{
    breakpoint_export_moved(e);
    __atomic_store_n(&e->addr, addr, __ATOMIC_RELEASE);
}

static void publish_funs(const Instance *in)
{
    for (size_t i = 0; i < in->fun_count; i++) {
        __atomic_store_n(&in->funs[i]->addr, in->fun_code[i], __ATOMIC_RELEASE);
    }
}

static bool in_code(const Instance *in, const Word *ip)
{
    return (uintptr_t)ip - (uintptr_t)in->code < in->code_words * sizeof(Word);
}

/* Exports that still lead into `in` go back to their stubs. */
static void withdraw_exports(const Instance *in)
{
    for (size_t i = 0; i < in->export_count; i++) {
        Export *e = export_find(in->name, in->exports[i].function, in->exports[i].arity);
        if (e && in_code(in, e->behind ? e->behind : e->addr)) {
            export_set(e, e->stub);
        }
    }
}

static void publish_exports(Instance *in)
{
    for (size_t i = 0; i < in->export_count; i++) {
        export_set(export_put(in->name, in->exports[i].function, in->exports[i].arity), in->exports[i].entry);
    }
}

static void make_current(Module *m, Instance *in)
{
    Instance *before = m->current;
    if (before) {
        vm_assert(!m->old);
        m->old = before;
        breakpoint_code_retired(before);
    }
    __atomic_store_n(&m->current, in, __ATOMIC_RELEASE);
    publish_exports(in);
    breakpoint_code_loaded(in);
    if (before) {
        withdraw_exports(before); /* those that the new version no longer has */
    }
}

void link_publish(Instance *in)
{
    Module *m = module_put(in->name);
    in->module = m;
    code_index_add(in);
    publish_funs(in);
    if (in->on_load) {
        vm_assert(!m->pending);
        m->pending = in;
        m->on_load_pending = true;
        return;
    }
    make_current(m, in);
}

const Word *module_on_load_entry(const Module *m)
{
    return m->pending->on_load;
}

static void unload(Instance *in)
{
    breakpoint_code_retired(in);
    withdraw_exports(in);
    for (size_t i = 0; i < in->fun_count; i++) {
        FunEntry *e = in->funs[i];
        if (in_code(in, e->addr)) {
            __atomic_store_n(&e->addr, e->stub, __ATOMIC_RELEASE);
        }
    }
    code_index_remove(in);
    link_free_instance(in);
}

void load_finish_on_load(Module *m, bool keep)
{
    Instance *in = m->pending;
    m->pending = NULL;
    m->on_load_pending = false;
    if (keep) {
        make_current(m, in);
    } else {
        if (!m->failed) { /* else the one before was never purged, which OTP always does: it stays */
            m->failed = in;
        }
        if (m->current) {
            publish_funs(m->current);
        }
    }
}

bool module_purges_failed(Module *m)
{
    if (!m->failed) {
        return false;
    }
    m->set_aside = m->old;
    m->old = m->failed;
    m->failed = NULL;
    return true;
}

void module_delete(Module *m)
{
    vm_assert(m->current && !m->old);
    m->old = m->current;
    breakpoint_code_retired(m->old);
    __atomic_store_n(&m->current, NULL, __ATOMIC_RELEASE);
    withdraw_exports(m->old);
}

void module_unload_old(Module *m)
{
    Instance *in = m->old;
    m->old = m->set_aside;
    m->set_aside = NULL;
    unload(in);
}
