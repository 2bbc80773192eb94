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
#include "vm/interp/interp.h"
#include "vm/load/code_index.h"
#include "vm/lock.h"
#include "vm/proc/safe.h"
#include "vm/load/walk.h"
#include "vm/vm.h"

typedef struct CodeRange {
    const Word *start, *end;
    const Instance *in;
} CodeRange;
typedef struct CodeIndex {
    size_t count;
    CodeRange range[];
} CodeIndex;

/* A table of chains. The three kinds of entries begin their chain with hash_next. */
typedef struct Buckets {
    size_t count;
    void *first[]; /* atomic */
} Buckets;

/*
 * Everything this file keeps. Readers take no lock: entries are added at the front of their chains. When a table grows,
 * entries move between chains, so a reader may walk off into another chain and miss, but never finds a wrong one and
 * never walks in a circle; what is missed is looked up again under the lock. The index is changed by who runs alone.
 */
static struct CodeTables {
    SpinLock lock; /* of who adds */
    Buckets *modules, *exports, *funs; /* atomic */
    size_t module_count, export_count, fun_count;
    CodeIndex *index;
} code;

enum { FIRST_BUCKETS = 1024 };

static Buckets *buckets_new(size_t count)
{
    Buckets *b = vm_calloc(sizeof *b + count * sizeof *b->first);
    b->count = count;
    return b;
}

static void **bucket_of(Buckets *const *table, size_t hash)
{
    Buckets *b = __atomic_load_n(table, __ATOMIC_ACQUIRE);
    return &b->first[hash % b->count];
}

/* The next link of a chain; the first from its bucket. */
#define CHAIN(link) __atomic_load_n(&(link), __ATOMIC_ACQUIRE)

static void buckets_publish(Buckets **table, Buckets *grown)
{
    Buckets *old = *table;
    __atomic_store_n(table, grown, __ATOMIC_RELEASE);
    safe_free_later(old, vm_free);
}

/* Adds an entry in front of its chain. Under the lock. */
#define CHAIN_ADD(bucket, entry) \
    do { \
        void **at_ = (bucket); \
        __atomic_store_n(&(entry)->hash_next, *at_, __ATOMIC_RELAXED); \
        __atomic_store_n(at_, (void *)(entry), __ATOMIC_RELEASE); \
    } while (0)

void code_init(void)
{
    code.modules = buckets_new(FIRST_BUCKETS);
    code.exports = buckets_new(FIRST_BUCKETS);
    code.funs = buckets_new(FIRST_BUCKETS);
    code.index = vm_calloc(sizeof(CodeIndex));
    walk_init();
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

static Module *module_look(Term name)
{
    Module *m = CHAIN(*bucket_of(&code.modules, module_hash(name)));
    while (m && m->name != name) {
        m = CHAIN(m->hash_next);
    }
    return m;
}

Module *module_find(Term name)
{
    Module *m = module_look(name);
    if (!m) {
        spin_lock(&code.lock);
        m = module_look(name);
        spin_unlock(&code.lock);
    }
    return m;
}

static void modules_grow(void)
{
    Buckets *old = code.modules, *grown = buckets_new(old->count * 2);
    for (size_t i = 0; i < old->count; i++) {
        for (Module *m = old->first[i], *next; m; m = next) {
            next = m->hash_next;
            CHAIN_ADD(&grown->first[module_hash(m->name) % grown->count], m);
        }
    }
    buckets_publish(&code.modules, grown);
}

Module *module_put(Term name)
{
    spin_lock(&code.lock);
    Module *m = module_look(name);
    if (!m) {
        if (code.module_count++ >= code.modules->count) {
            modules_grow();
        }
        m = vm_calloc(sizeof *m);
        m->name = name;
        CHAIN_ADD(bucket_of(&code.modules, module_hash(name)), m);
    }
    spin_unlock(&code.lock);
    return m;
}

void module_each(void (*fn)(Module *m, void *arg), void *arg)
{
    const Buckets *b = CHAIN(code.modules);
    for (size_t i = 0; i < b->count; i++) {
        for (Module *m = CHAIN(b->first[i]); m; m = CHAIN(m->hash_next)) {
            fn(m, arg);
        }
    }
}

/* --- exports ------------------------------------------------------------------------------------------ */
static size_t export_hash(Term m, Term f, unsigned arity)
{
    return hash_words(m, f, arity);
}

static Export *export_look(Term m, Term f, unsigned arity)
{
    Export *e = CHAIN(*bucket_of(&code.exports, export_hash(m, f, arity)));
    while (e && (export_function(e) != f || export_module(e) != m || export_arity(e) != arity)) {
        e = CHAIN(e->hash_next);
    }
    return e;
}

Export *export_find(Term m, Term f, unsigned arity)
{
    Export *e = export_look(m, f, arity);
    if (!e) {
        spin_lock(&code.lock);
        e = export_look(m, f, arity);
        spin_unlock(&code.lock);
    }
    return e;
}

static void exports_grow(void)
{
    Buckets *old = code.exports, *grown = buckets_new(old->count * 2);
    for (size_t i = 0; i < old->count; i++) {
        for (Export *e = old->first[i], *next; e; e = next) {
            next = e->hash_next;
            size_t h = export_hash(export_module(e), export_function(e), export_arity(e));
            CHAIN_ADD(&grown->first[h % grown->count], e);
        }
    }
    buckets_publish(&code.exports, grown);
}

static Export *export_new(Term m, Term f, unsigned arity)
{
    Export *e = vm_calloc(sizeof *e);
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
    return e;
}

Export *export_put(Term m, Term f, unsigned arity)
{
    Export *e = export_look(m, f, arity);
    if (e) {
        return e;
    }
    spin_lock(&code.lock);
    e = export_look(m, f, arity);
    if (!e) {
        if (code.export_count++ >= code.exports->count) {
            exports_grow();
        }
        e = export_new(m, f, arity);
        CHAIN_ADD(bucket_of(&code.exports, export_hash(m, f, arity)), e);
    }
    spin_unlock(&code.lock);
    return e;
}

void export_each(void (*fn)(Export *e, void *arg), void *arg)
{
    const Buckets *b = CHAIN(code.exports);
    for (size_t i = 0; i < b->count; i++) {
        for (Export *e = CHAIN(b->first[i]); e; e = CHAIN(e->hash_next)) {
            fn(e, arg);
        }
    }
}

/* --- fun entries ------------------------------------------------------------------------------------------ */
static size_t fun_hash(Term module, uint32_t index, uint32_t old_uniq)
{
    return hash_words(module, index, old_uniq);
}

static FunEntry *fun_entry_look(Term module, uint32_t index, const uint8_t uniq[16], uint32_t old_uniq, unsigned arity,
                                unsigned free_count)
{
    FunEntry *e = CHAIN(*bucket_of(&code.funs, fun_hash(module, index, old_uniq)));
    while (e && (e->module != module || e->index != index || e->old_uniq != old_uniq || e->arity != arity ||
                 e->free_count != free_count ||
                 memcmp(e->uniq, uniq, sizeof e->uniq) != 0)) {
        e = CHAIN(e->hash_next);
    }
    return e;
}

static void funs_grow(void)
{
    Buckets *old = code.funs, *grown = buckets_new(old->count * 2);
    for (size_t i = 0; i < old->count; i++) {
        for (FunEntry *e = old->first[i], *next; e; e = next) {
            next = e->hash_next;
            size_t h = fun_hash(e->module, e->index, e->old_uniq);
            CHAIN_ADD(&grown->first[h % grown->count], e);
        }
    }
    buckets_publish(&code.funs, grown);
}

static FunEntry *fun_entry_new(Term module, uint32_t index, const uint8_t uniq[16], uint32_t old_uniq, unsigned arity,
                               unsigned free_count)
{
    FunEntry *e = vm_calloc(sizeof *e);
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
    return e;
}

FunEntry *fun_entry_put(Term module, uint32_t index, const uint8_t uniq[16], uint32_t old_uniq, unsigned arity,
                        unsigned free_count)
{
    spin_lock(&code.lock);
    FunEntry *e = fun_entry_look(module, index, uniq, old_uniq, arity, free_count);
    if (!e) {
        if (code.fun_count++ >= code.funs->count) {
            funs_grow();
        }
        e = fun_entry_new(module, index, uniq, old_uniq, arity, free_count);
        CHAIN_ADD(bucket_of(&code.funs, fun_hash(module, index, old_uniq)), e);
    }
    spin_unlock(&code.lock);
    return e;
}

/* --- code addresses ------------------------------------------------------------------------------------------ */
static void code_index_publish(CodeIndex *index)
{
    CodeIndex *old = code.index;
    __atomic_store_n(&code.index, index, __ATOMIC_RELEASE);
    safe_free_later(old, vm_free);
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

bool code_mfa(const Word *ip, Term mfa[3])
{
    const Instance *in;
    const FunctionInfo *f = code_find(ip, &in);
    if (f) {
        mfa[0] = in->name;
        mfa[1] = f->name;
        mfa[2] = make_small(f->arity);
        return true;
    }
    if (ip == code_normal_exit || ip[-4] != (Word)op_func_info) {
        return false;
    }
    mfa[0] = ip[-3];
    mfa[1] = ip[-2];
    mfa[2] = make_small((int64_t)ip[-1]);
    return true;
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
