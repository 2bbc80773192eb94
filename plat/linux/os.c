/* SPDX-License-Identifier: Apache-2.0 */
/* Natives about the program itself, and erlang:load_nif/2. */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "gen/natives_linux.h"
#include "plat/linux/linux.h"
#include "vm/term/binary.h"
#include "vm/vm.h"

NATIVE(native_os_getpid)
{
    char text[16];
    (void)a;
    int n = snprintf(text, sizeof text, "%d", (int)getpid());
    return heap_string(p, (const uint8_t *)text, (size_t)n);
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
    vm_free(name);
    if (built_in) {
        return A_ok;
    }
    Term reason = heap_tuple2(p, A_load_failed, heap_string(p, (const uint8_t *)why, sizeof why - 1));
    return heap_tuple2(p, A_error, reason);
}
