/* SPDX-License-Identifier: Apache-2.0 */
/* See spawn_env.h. */
#define _GNU_SOURCE
#include "plat/linux/spawn_env.h"

#include <string.h>

#include "vm/bif/env.h"
#include "vm/bif/native.h"
#include "vm/heap/heap.h"
#include "vm/proc/port_priv.h"

typedef struct EnvList {
    char **items;
    size_t count, capacity;
} EnvList;

static void env_add(EnvList *l, char *item)
{
    if (l->count + 1 >= l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 64;
        l->items = vm_realloc(l->items, l->capacity * sizeof *l->items);
    }
    l->items[l->count++] = item;
    l->items[l->count] = NULL;
}

static void env_remove(EnvList *l, const char *name, size_t n)
{
    for (size_t i = 0; i < l->count; i++) {
        if (strncmp(l->items[i], name, n) == 0 && l->items[i][n] == '=') {
            vm_free(l->items[i]);
            l->items[i] = l->items[--l->count];
            l->items[l->count] = NULL;
            return;
        }
    }
}

static char *join(const char *name, size_t n, const char *value)
{
    size_t m = strlen(value);
    char *s = vm_alloc(n + m + 2);
    memcpy(s, name, n);
    s[n] = '=';
    memcpy(s + n + 1, value, m + 1);
    return s;
}

/* One {Name, Value | false}. False: bad. */
static bool env_change(EnvList *l, Term change)
{
    size_t n, m = 0;
    if (!is_tuple_arity(change, 2)) {
        return false;
    }
    const Term *e = tuple_elements(change);
    char *name = (char *)port_name_text(e[0], &n);
    bool remove = e[1] == A_false;
    char *value = remove ? NULL : (char *)port_name_text(e[1], &m);
    bool ok = name && n > 0 && strlen(name) == n && !strchr(name, '=') && (remove || (value && strlen(value) == m));
    if (ok) {
        env_remove(l, name, n);
        if (!remove) {
            env_add(l, join(name, n, value));
        }
    }
    vm_free(name);
    vm_free(value);
    return ok;
}

char **spawn_env_build(Term changes)
{
    EnvList l = {0};
    const char *item;
    for (size_t i = 0; (item = env_at(i)); i++) {
        const char *eq = strchr(item, '=');
        if (eq) {
            env_add(&l, join(item, (size_t)(eq - item), eq + 1));
        }
    }
    if (!l.items) {
        l.items = vm_calloc(sizeof *l.items);
    }
    bool ok = list_length(changes) >= 0;
    for (; ok && is_cons(changes); changes = cons_tail(changes)) {
        ok = env_change(&l, cons_head(changes));
    }
    if (!ok) {
        for (size_t i = 0; i < l.count; i++) {
            vm_free(l.items[i]);
        }
        vm_free(l.items);
        return NULL;
    }
    return l.items;
}
