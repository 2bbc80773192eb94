/* SPDX-License-Identifier: Apache-2.0 */
/* The native table: the core's rows and the platform's, found by module, function and arity. */
#include "vm/bif/native.h"

#include "gen/natives.h"
#include "vm/plat.h"
#include "vm/vm.h"

typedef struct Slot {
    Term m, f;
    const NativeRow *row;
} Slot;

enum { MODULE_SLOTS = 512 }; /* several times the modules that have natives */

/* Written once at boot. */
static struct {
    Slot *slots;
    size_t mask;
    Term modules[MODULE_SLOTS]; /* 0: free */
    size_t module_count;
    size_t core_count, plat_count;
} table;

static size_t native_hash(Term m, Term f, unsigned arity)
{
    return (size_t)(atom_index(m) * 0x9e3779b1u ^ atom_index(f) * 0x85ebca6bu ^ arity * 0xc2b2ae35u);
}

static size_t native_rows(const NativeRow *rows)
{
    size_t n = 0;
    while (rows[n].fn) {
        n++;
    }
    return n;
}

static Term *module_slot(Term m)
{
    size_t i = atom_index(m) * 0x9e3779b1u % MODULE_SLOTS;
    while (table.modules[i] && table.modules[i] != m) {
        i = (i + 1) % MODULE_SLOTS;
    }
    return &table.modules[i];
}

bool native_module(Term m)
{
    return *module_slot(m) != 0;
}

static void native_add(const NativeRow *row)
{
    Term m = atom_put_cstr(row->module), f = atom_put_cstr(row->function);
    Term *module = module_slot(m);
    table.module_count += !*module;
    vm_assert(table.module_count < MODULE_SLOTS / 2);
    *module = m;
    size_t i = native_hash(m, f, row->arity) & table.mask;
    while (table.slots[i].row) {
        i = (i + 1) & table.mask;
    }
    table.slots[i] = (Slot){m, f, row};
}

void native_init(void)
{
    const NativeRow *plat = plat_natives();
    table.core_count = native_rows(core_natives);
    table.plat_count = native_rows(plat);
    size_t size = 256;
    while (size < (table.core_count + table.plat_count) * 3) {
        size *= 2;
    }
    table.slots = vm_calloc(size * sizeof(Slot));
    table.mask = size - 1;
    for (size_t i = 0; i < table.core_count + table.plat_count; i++) {
        native_add(native_at(i));
    }
}

const NativeRow *native_at(size_t i)
{
    if (i < table.core_count) {
        return &core_natives[i];
    }
    i -= table.core_count;
    return i < table.plat_count ? &plat_natives()[i] : NULL;
}

const NativeRow *native_find(Term m, Term f, unsigned arity)
{
    for (size_t i = native_hash(m, f, arity) & table.mask; table.slots[i].row; i = (i + 1) & table.mask) {
        const Slot *s = &table.slots[i];
        if (s->m == m && s->f == f && s->row->arity == arity) {
            return s->row;
        }
    }
    return NULL;
}
