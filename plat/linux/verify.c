/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `loom verify FILE...`: loads each module as far as it is checked, and says what is wrong with it. Nothing is run.
 * For people who write
 * compilers, and for the tests of the verifier.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plat/linux/linux.h"
#include "vm/bif/native.h"
#include "vm/heap/literal.h"
#include "vm/load/code.h"
#include "vm/proc/sched.h"

static bool verify_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *bytes = NULL;
    size_t n = 0, capacity = 0;
    if (!f) {
        printf("%s: cannot be opened\n", path);
        return false;
    }
    for (size_t got = 1; got > 0; n += got) {
        if (n == capacity) {
            capacity = capacity ? capacity * 2 : 1 << 16;
            bytes = vm_realloc(bytes, capacity);
        }
        got = fread(bytes + n, 1, capacity - n, f);
    }
    fclose(f);
    Term error = NONVALUE;
    Prepared *pr = load_prepare(NONVALUE, (const uint8_t *)bytes, n, &error);
    if (pr) {
        load_discard(pr);
    } else {
        printf("%s: %s\n", path, load_why());
    }
    vm_free(bytes);
    return pr != NULL;
}

int verify_main(int argc, char **argv)
{
    int bad = 0;
    literal_init();
    atom_init((size_t)1 << 20);
    native_init();
    sched_init_all(1, 1);
    code_init();
    proc_table_init(0);
    for (int i = 1; i < argc; i++) {
        bad += !verify_file(argv[i]);
    }
    printf("%d passed, %d refused\n", argc - 1 - bad, bad);
    return bad != 0;
}
