/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See registry.h. Atoms are numbered without gaps, so the name itself is the index: an array in chunks that exist
 * where names are registered. Sending to a name is two loads. Changes, which also write the name into the process or
 * port, take a lock. (A hash table needs less memory for few names, but a lock or a retry for readers.)
 */
#include "vm/proc/registry.h"

#include "vm/lock.h"

enum { CHUNK_SHIFT = 9, CHUNK_SIZE = 1 << CHUNK_SHIFT };

static struct Registry {
    SpinLock lock;
    size_t chunk_count;
    Term **chunks; /* atomic, each atomic: NONVALUE where nobody has the name. NULL: no name in this range */
    size_t count;  /* atomic */
} registry;

_Static_assert(NONVALUE == 0, "a fresh chunk holds no names");

void registry_init(size_t max_atoms)
{
    registry.chunk_count = max_atoms / CHUNK_SIZE + 1;
    registry.chunks = vm_calloc(registry.chunk_count * sizeof *registry.chunks);
}

/* Where the name's owner stands; NULL: nobody has it. */
static Term *registry_slot(Term name)
{
    size_t i = atom_index(name);
    Term *chunk = __atomic_load_n(&registry.chunks[i >> CHUNK_SHIFT], __ATOMIC_ACQUIRE);
    return chunk ? &chunk[i & (CHUNK_SIZE - 1)] : NULL;
}

Term registry_find(Term name)
{
    const Term *slot = registry_slot(name);
    return slot ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : NONVALUE;
}

/* --- changes: under the lock -------------------------------------------------------------------------------------- */
static void registry_set(Term name, Term who)
{
    Term *slot = registry_slot(name);
    if (!slot) {
        Term *chunk = vm_calloc(CHUNK_SIZE * sizeof *chunk);
        __atomic_store_n(&registry.chunks[atom_index(name) >> CHUNK_SHIFT], chunk, __ATOMIC_RELEASE);
        slot = registry_slot(name);
    }
    __atomic_store_n(slot, who, __ATOMIC_RELEASE);
    __atomic_store_n(&registry.count, who == NONVALUE ? registry.count - 1 : registry.count + 1, __ATOMIC_RELAXED);
}

static RegisterResult registry_try(Term name, Term who, Term *at)
{
    if (!at) {
        return REGISTER_DEAD;
    }
    if (registry_find(name) != NONVALUE) {
        return REGISTER_TAKEN;
    }
    if (*at != NIL && *at != NONVALUE) {
        return REGISTER_HAS_NAME;
    }
    registry_set(name, who);
    __atomic_store_n(at, name, __ATOMIC_RELAXED);
    return REGISTERED;
}

RegisterResult registry_put(Term name, Term who, Term *(*place)(Term who))
{
    spin_lock(&registry.lock);
    RegisterResult result = registry_try(name, who, place(who));
    spin_unlock(&registry.lock);
    return result;
}

bool registry_delete(Term name, Term *(*place)(Term who))
{
    spin_lock(&registry.lock);
    Term who = registry_find(name);
    if (who != NONVALUE) {
        Term *at = place(who);
        registry_set(name, NONVALUE);
        if (at) {
            __atomic_store_n(at, NIL, __ATOMIC_RELAXED);
        }
    }
    spin_unlock(&registry.lock);
    return who != NONVALUE;
}

void registry_forget(Term who, Term *place)
{
    spin_lock(&registry.lock);
    if (*place != NIL && *place != NONVALUE && registry_find(*place) == who) {
        registry_set(*place, NONVALUE);
    }
    spin_unlock(&registry.lock);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */
void registry_each(void (*fn)(Term name, Term who, void *arg), void *arg)
{
    for (size_t c = 0; c < registry.chunk_count; c++) {
        const Term *chunk = __atomic_load_n(&registry.chunks[c], __ATOMIC_ACQUIRE);
        for (size_t i = 0; chunk && i < CHUNK_SIZE; i++) {
            Term who = __atomic_load_n(&chunk[i], __ATOMIC_ACQUIRE);
            if (who != NONVALUE) {
                fn(make_atom((uint32_t)(c << CHUNK_SHIFT | i)), who, arg);
            }
        }
    }
}

size_t registry_count(void)
{
    return __atomic_load_n(&registry.count, __ATOMIC_RELAXED);
}
