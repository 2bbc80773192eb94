/* SPDX-License-Identifier: Apache-2.0 */
/* See registry.h. One table for the machine; with several schedulers it gets a lock around changes. */
#include "vm/proc/registry.h"

#include "vm/proc/idmap.h"

static struct Registry {
    IdMap *names;
} registry;

Term registry_find(Term name)
{
    uint64_t *who = idmap_find(registry.names, name);
    return who ? *who : NONVALUE;
}

bool registry_put(Term name, Term who)
{
    return !idmap_find(registry.names, name) && idmap_put(&registry.names, name, who);
}

void registry_delete(Term name)
{
    idmap_delete(&registry.names, name, NULL);
}

void registry_each(void (*fn)(Term name, Term who, void *arg), void *arg)
{
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(registry.names, &i));) {
        fn(s->key, s->value, arg);
    }
}

size_t registry_count(void)
{
    return idmap_count(registry.names);
}
