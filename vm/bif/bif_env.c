/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environment variables. The table starts as a copy of what the platform gave (VmConfig.env) and belongs to the
 * machine: putenv changes nothing outside, but programs started by ports inherit it. Names and values are bytes in the
 * file name encoding, UTF-8; bytes that are no UTF-8 read as Latin-1 characters.
 */
#include "gen/natives.h"
#include "vm/bif/env.h"
#include "vm/term/unicode.h"
#include "vm/vm.h"

static struct {
    uint32_t lock;
    bool loaded; /* from the platform's */
    char **items;
    size_t count, capacity;
} env;

static void env_append(char *item)
{
    if (env.count == env.capacity) {
        env.capacity = env.capacity ? 2 * env.capacity : 64;
        env.items = vm_realloc(env.items, env.capacity * sizeof *env.items);
    }
    env.items[env.count++] = item;
}

static void env_lock(void)
{
    while (__atomic_exchange_n(&env.lock, 1, __ATOMIC_ACQUIRE)) {
        __builtin_ia32_pause();
    }
    if (env.loaded) {
        return;
    }
    env.loaded = true;
    for (const char *const *e = vm_config()->env; e && *e; e++) {
        size_t n = strlen(*e) + 1;
        env_append(memcpy(vm_alloc(n), *e, n));
    }
}

static void env_unlock(void) { __atomic_store_n(&env.lock, 0, __ATOMIC_RELEASE); }

const char *env_at(size_t i)
{
    env_lock();
    const char *item = i < env.count ? env.items[i] : NULL;
    env_unlock();
    return item;
}

static bool item_has_name(const char *item, const char *name, size_t n)
{
    return strncmp(item, name, n) == 0 && item[n] == '=';
}

/* Index of the variable, or count. Under the lock. */
static size_t env_find(const char *name, size_t n)
{
    size_t i = 0;
    while (i < env.count && !item_has_name(env.items[i], name, n)) {
        i++;
    }
    return i;
}

/* Text of a list of characters as UTF-8 with room for `extra` more bytes behind; NULL when it is none or has a NUL. */
static char *text_of(Term t, size_t extra, size_t *n)
{
    int64_t length = list_length(t);
    if (length < 0) {
        return NULL;
    }
    uint8_t *text = vm_alloc(4 * (size_t)length + 1 + extra), *to = text;
    for (; is_cons(t); t = cons_tail(t)) {
        Term c = cons_head(t);
        if (!is_small(c) || small_value(c) <= 0 || !unicode_is_valid((uint64_t)small_value(c))) {
            vm_free(text);
            return NULL;
        }
        to += utf8_encode((uint32_t)small_value(c), to);
    }
    *to = 0;
    *n = (size_t)(to - text);
    return (char *)text;
}

/* The list of characters of bytes. */
static Term text_term(Proc *p, const char *s, size_t n)
{
    const uint8_t *bytes = (const uint8_t *)s;
    size_t chars;
    if (utf8_valid_prefix(bytes, n, &chars) != n) {
        return heap_string(p, bytes, n);
    }
    Term *hp = heap_alloc(p, 2 * chars), result = NIL, *slot = &result;
    while (n > 0) {
        uint32_t c;
        unsigned used = utf8_decode(bytes, n, &c);
        *slot = make_list(hp);
        hp[0] = make_small(c);
        slot = hp + 1;
        hp += 2;
        bytes += used;
        n -= used;
    }
    *slot = NIL;
    return result;
}

NATIVE(native_os_getenv)
{
    size_t n;
    char *name = text_of(a[0], 0, &n);
    if (!name || strchr(name, '=')) {
        vm_free(name);
        return p_badarg(p);
    }
    Term value = A_false;
    env_lock();
    size_t i = env_find(name, n);
    if (n > 0 && i < env.count) {
        value = text_term(p, env.items[i] + n + 1, strlen(env.items[i] + n + 1));
    }
    env_unlock();
    vm_free(name);
    return value;
}

NATIVE(native_os_putenv)
{
    size_t n, m;
    char *value = text_of(a[1], 0, &m), *name = value ? text_of(a[0], m + 1, &n) : NULL;
    if (!name || strchr(name, '=')) {
        vm_free(name);
        vm_free(value);
        return p_badarg(p);
    }
    name[n] = '=';
    memcpy(name + n + 1, value, m + 1);
    vm_free(value);
    if (n == 0) { /* accepted and forgotten, as OTP's emulator does */
        vm_free(name);
        return A_true;
    }
    env_lock();
    size_t i = env_find(name, n);
    if (i < env.count) {
        vm_free(env.items[i]);
        env.items[i] = name;
    } else {
        env_append(name);
    }
    env_unlock();
    return A_true;
}

NATIVE(native_os_unsetenv)
{
    size_t n;
    char *name = text_of(a[0], 0, &n);
    if (!name || strchr(name, '=')) {
        vm_free(name);
        return p_badarg(p);
    }
    env_lock();
    size_t i = env_find(name, n);
    if (n > 0 && i < env.count) {
        vm_free(env.items[i]);
        env.items[i] = env.items[--env.count];
    }
    env_unlock();
    vm_free(name);
    return A_true;
}

NATIVE(native_os_env)
{
    (void)a;
    Term list = NIL;
    env_lock();
    for (size_t i = env.count; i-- > 0;) {
        const char *item = env.items[i], *sign = strchr(item, '=');
        if (sign && sign > item) {
            Term name = text_term(p, item, (size_t)(sign - item));
            list = heap_cons_on(p, heap_tuple2(p, name, text_term(p, sign + 1, strlen(sign + 1))), list);
        }
    }
    env_unlock();
    return list;
}
