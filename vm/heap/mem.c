/* SPDX-License-Identifier: Apache-2.0 */
/* General memory for the machine: the platform's allocator, with running out as a clear end instead of a NULL. */
#include "vm/heap/heap.h"

#include "lib/fmt.h"
#include "vm/plat.h"
#include "vm/vm.h"

void vm_out_of_memory(size_t bytes)
{
    char text[80];
    int n = fmt_buf(text, sizeof text, "loom: out of memory: cannot allocate %zu bytes\n", bytes);
    plat_log(text, (size_t)n);
    plat_give_up();
}

void *vm_alloc(size_t bytes)
{
    void *mem = plat_alloc(bytes ? bytes : 1);
    if (!mem) {
        vm_out_of_memory(bytes);
    }
    return mem;
}

void *vm_calloc(size_t bytes)
{
    return memset(vm_alloc(bytes), 0, bytes);
}

void *vm_realloc(void *mem, size_t bytes)
{
    void *moved = plat_realloc(mem, bytes ? bytes : 1);
    if (!moved) {
        vm_out_of_memory(bytes);
    }
    return moved;
}

void vm_free(void *mem)
{
    plat_free(mem);
}

void *vm_stack_grow(void *items, const void *local, size_t *capacity, size_t item_size)
{
    size_t bytes = *capacity * item_size;
    *capacity *= 2;
    return items == local ? memcpy(vm_alloc(2 * bytes), local, bytes) : vm_realloc(items, 2 * bytes);
}
