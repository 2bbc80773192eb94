/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of loaded code: modules, exports, fun entries, and the index from code addresses to instances.
 * Entries of the first three are never freed, so that code and terms may point at them without counting. The index is a
 * sorted array, replaced as a whole when it changes, so that a reader needs no lock.
 *
 * Comes from: link.c (publishing), terms that name functions. Goes to: call instructions, stack traces, purge.
 */
#include "vm/load/code.h"

#include "gen/ops.h"
#include "vm/load/code_index.h"
#include "vm/vm.h"

typedef struct CodeRange {
    const Word *start, *end;
    const Instance *in;
} CodeRange;
typedef struct CodeIndex {
    size_t count;
    CodeRange range[];
} CodeIndex;

/* Everything this file keeps. One writer at a time: code loading is serialised by the code server. */
static struct CodeTables {
    Module **modules;
    size_t module_buckets, module_count;
    Export **exports;
    size_t export_buckets, export_count;
    FunEntry **funs;
    size_t fun_buckets, fun_count;
    CodeIndex *index;
} code;

enum { FIRST_BUCKETS = 1024 };

void code_init(void)
{
    code.module_buckets = code.export_buckets = code.fun_buckets = FIRST_BUCKETS;
    code.modules = vm_calloc(FIRST_BUCKETS * sizeof *code.modules);
    code.exports = vm_calloc(FIRST_BUCKETS * sizeof *code.exports);
    code.funs = vm_calloc(FIRST_BUCKETS * sizeof *code.funs);
    code.index = vm_calloc(sizeof(CodeIndex));
}

static size_t hash_words(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t h = a * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ (h >> 29) ^ b) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 32) ^ c) * UINT64_C(0x94d049bb133111eb);
    return (size_t)(h ^ (h >> 31));
}

/* --- modules ------------------------------------------------------------------------------------------ */
static size_t module_hash(Term name)
{
    return hash_words(name, 0, 0);
}

Module *module_find(Term name)
{
    Module *m = code.modules[module_hash(name) % code.module_buckets];
    while (m && m->name != name) {
        m = m->hash_next;
    }
    return m;
}

static void modules_grow(void)
{
    size_t buckets = code.module_buckets * 2;
    Module **table = vm_calloc(buckets * sizeof *table);
    for (size_t i = 0; i < code.module_buckets; i++) {
        for (Module *m = code.modules[i], *next; m; m = next) {
            next = m->hash_next;
            Module **bucket = &table[module_hash(m->name) % buckets];
            m->hash_next = *bucket;
            *bucket = m;
        }
    }
    vm_free(code.modules);
    code.modules = table;
    code.module_buckets = buckets;
}

Module *module_put(Term name)
{
    Module *m = module_find(name);
    if (m) {
        return m;
    }
    if (code.module_count++ >= code.module_buckets) {
        modules_grow();
    }
    m = vm_calloc(sizeof *m);
    m->name = name;
    Module **bucket = &code.modules[module_hash(name) % code.module_buckets];
    m->hash_next = *bucket;
    *bucket = m;
    return m;
}

void module_each(void (*fn)(Module *m, void *arg), void *arg)
{
    for (size_t i = 0; i < code.module_buckets; i++) {
        for (Module *m = code.modules[i]; m; m = m->hash_next) {
            fn(m, arg);
        }
    }
}

/* --- exports ------------------------------------------------------------------------------------------ */
static size_t export_hash(Term m, Term f, unsigned arity)
{
    return hash_words(m, f, arity);
}

Export *export_find(Term m, Term f, unsigned arity)
{
    Export *e = code.exports[export_hash(m, f, arity) % code.export_buckets];
    while (e && (export_function(e) != f || export_module(e) != m || export_arity(e) != arity)) {
        e = e->hash_next;
    }
    return e;
}

static void exports_grow(void)
{
    size_t buckets = code.export_buckets * 2;
    Export **table = vm_calloc(buckets * sizeof *table);
    for (size_t i = 0; i < code.export_buckets; i++) {
        for (Export *e = code.exports[i], *next; e; e = next) {
            next = e->hash_next;
            size_t h = export_hash(export_module(e), export_function(e), export_arity(e));
            e->hash_next = table[h % buckets];
            table[h % buckets] = e;
        }
    }
    vm_free(code.exports);
    code.exports = table;
    code.export_buckets = buckets;
}

Export *export_put(Term m, Term f, unsigned arity)
{
    Export *e = export_find(m, f, arity);
    if (e) {
        return e;
    }
    if (code.export_count++ >= code.export_buckets) {
        exports_grow();
    }
    e = vm_calloc(sizeof *e);
    e->info[0] = (Word)op_func_info;
    e->info[1] = m;
    e->info[2] = f;
    e->info[3] = arity;
    e->native = native_find(m, f, arity);
    if (e->native) {
        e->stub[0] = (Word)op_call_native;
        e->stub[1] = (Word)e->native->fn;
        e->stub[2] = (Word)e;
    } else {
        e->stub[0] = (Word)op_call_error_handler;
        e->stub[1] = (Word)e;
    }
    e->addr = e->stub;
    size_t h = export_hash(m, f, arity) % code.export_buckets;
    e->hash_next = code.exports[h];
    code.exports[h] = e;
    return e;
}

void export_each(void (*fn)(Export *e, void *arg), void *arg)
{
    for (size_t i = 0; i < code.export_buckets; i++) {
        for (Export *e = code.exports[i]; e; e = e->hash_next) {
            fn(e, arg);
        }
    }
}

/* --- fun entries ------------------------------------------------------------------------------------------ */
static size_t fun_hash(Term module, uint32_t index, uint32_t old_uniq)
{
    return hash_words(module, index, old_uniq);
}

FunEntry *fun_entry_find(Term module, uint32_t index, const uint8_t uniq[16], uint32_t old_uniq)
{
    FunEntry *e = code.funs[fun_hash(module, index, old_uniq) % code.fun_buckets];
    while (e && (e->module != module || e->index != index || e->old_uniq != old_uniq ||
                 memcmp(e->uniq, uniq, sizeof e->uniq) != 0)) {
        e = e->hash_next;
    }
    return e;
}

static void funs_grow(void)
{
    size_t buckets = code.fun_buckets * 2;
    FunEntry **table = vm_calloc(buckets * sizeof *table);
    for (size_t i = 0; i < code.fun_buckets; i++) {
        for (FunEntry *e = code.funs[i], *next; e; e = next) {
            next = e->hash_next;
            size_t h = fun_hash(e->module, e->index, e->old_uniq) % buckets;
            e->hash_next = table[h];
            table[h] = e;
        }
    }
    vm_free(code.funs);
    code.funs = table;
    code.fun_buckets = buckets;
}

FunEntry *fun_entry_put(Term module, uint32_t index, const uint8_t uniq[16], uint32_t old_uniq, unsigned arity,
                        unsigned free_count)
{
    FunEntry *e = fun_entry_find(module, index, uniq, old_uniq);
    if (e) {
        return e;
    }
    if (code.fun_count++ >= code.fun_buckets) {
        funs_grow();
    }
    e = vm_calloc(sizeof *e);
    e->info[0] = (Word)op_func_info;
    e->info[1] = module;
    e->info[2] = NIL;
    e->info[3] = arity + free_count;
    e->stub[0] = (Word)op_call_unloaded_fun;
    e->stub[1] = (Word)e;
    e->addr = e->stub;
    e->module = module;
    e->name = NIL;
    e->index = e->old_index = index;
    e->old_uniq = old_uniq;
    memcpy(e->uniq, uniq, sizeof e->uniq);
    e->arity = arity;
    e->free_count = free_count;
    size_t h = fun_hash(module, index, old_uniq) % code.fun_buckets;
    e->hash_next = code.funs[h];
    code.funs[h] = e;
    return e;
}

/* --- code addresses ------------------------------------------------------------------------------------------ */
static void code_index_publish(CodeIndex *index)
{
    CodeIndex *old = code.index;
    __atomic_store_n(&code.index, index, __ATOMIC_RELEASE);
    vm_free(old); /* with several schedulers: after all of them have passed a safe point */
}

void code_index_add(const Instance *in)
{
    const CodeIndex *old = code.index;
    CodeIndex *index = vm_alloc(sizeof *index + (old->count + 1) * sizeof *index->range);
    size_t i = 0;
    for (; i < old->count && old->range[i].start < in->code; i++) {
        index->range[i] = old->range[i];
    }
    index->range[i] = (CodeRange){in->code, in->code + in->code_words, in};
    for (; i < old->count; i++) {
        index->range[i + 1] = old->range[i];
    }
    index->count = old->count + 1;
    code_index_publish(index);
}

void code_index_remove(const Instance *in)
{
    const CodeIndex *old = code.index;
    CodeIndex *index = vm_alloc(sizeof *index + old->count * sizeof *index->range);
    index->count = 0;
    for (size_t i = 0; i < old->count; i++) {
        if (old->range[i].in != in) {
            index->range[index->count++] = old->range[i];
        }
    }
    code_index_publish(index);
}

static const Instance *code_find_instance(const Word *ip)
{
    const CodeIndex *index = __atomic_load_n(&code.index, __ATOMIC_ACQUIRE);
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const CodeRange *r = &index->range[middle];
        if (ip < r->start) {
            high = middle;
        } else if (ip >= r->end) {
            low = middle + 1;
        } else {
            return r->in;
        }
    }
    return NULL;
}

const FunctionInfo *code_find(const Word *ip, const Instance **instance)
{
    const Instance *in = code_find_instance(ip);
    if (!in || in->function_count == 0 || ip < in->functions[0].start) {
        return NULL;
    }
    size_t low = 0, high = in->function_count; /* functions[low].start <= ip */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (in->functions[middle].start <= ip) {
            low = middle;
        } else {
            high = middle;
        }
    }
    if (instance) {
        *instance = in;
    }
    return &in->functions[low];
}

bool code_has_frame(const Instance *in, const Word *ip)
{
    size_t i = (size_t)(ip - in->code);
    return i < in->code_words && (in->frames[i / 64] >> (i % 64) & 1);
}

bool code_find_line(const Instance *in, const Word *ip, Term *file, unsigned *line)
{
    size_t low = 0, high = in->line_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (in->lines[middle].ip <= ip) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || in->lines[low - 1].line == 0) {
        return false;
    }
    *file = in->files[in->lines[low - 1].file];
    *line = in->lines[low - 1].line;
    return true;
}

bool code_is_fun_of(const Instance *in, const void *entry)
{
    for (size_t i = 0; i < in->fun_count; i++) {
        const FunEntry *e = in->funs[i];
        if (e == entry) {
            return (size_t)((uintptr_t)e->addr - (uintptr_t)in->code) < in->code_words * sizeof(Word);
        }
    }
    return false;
}
