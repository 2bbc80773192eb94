/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as a .beam file. The answer is an error or a prepared module, never a crash, a leak, or a
 * read outside the input. What prepares is published and purged as well, so that linking and freeing are covered. (It
 * is not run: see the verifier.)
 */
#include "tests/fuzz/machine.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    machine_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Term error = NONVALUE;
    uint8_t *copy = vm_alloc(size); /* exactly sized, so that one byte too far is seen */
    memcpy(copy, data, size);
    Prepared *pr = load_prepare(NONVALUE, copy, size, &error);
    vm_free(copy);
    if (!pr) {
        vm_assert(is_atom(error));
        return 0;
    }
    if (prepared_has_on_load(pr)) {
        load_discard(pr);
        return 0;
    }
    Module *m = module_put(prepared_module(pr));
    load_finish(pr);
    module_delete(m);
    module_purge_old(m);
    return 0;
}
