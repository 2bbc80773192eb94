/* SPDX-License-Identifier: Apache-2.0 */
/* `loom info`: what this build is, which OTP it finds, which native functions it has. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/natives.h"
#include "plat/linux/linux.h"
#include "vm/bif/native.h"

enum { MAX_MODULES = 256 };

typedef struct ModuleCount {
    const char *module;
    unsigned total, guard, dirty;
} ModuleCount;

/* i-th row of the core's and the platform's tables; NULL past the end. Nothing is initialised yet, so native_at is of
 * no use. */
static const NativeRow *row_at(size_t i)
{
    size_t core = 0;
    while (core_natives[core].fn) {
        if (core++ == i) {
            return &core_natives[i];
        }
    }
    const NativeRow *rows = plat_natives();
    for (size_t j = 0; rows[j].fn; j++) {
        if (core + j == i) {
            return &rows[j];
        }
    }
    return NULL;
}

static ModuleCount *module_find(ModuleCount *counts, size_t *n, const char *module)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(counts[i].module, module) == 0) {
            return &counts[i];
        }
    }
    if (*n == MAX_MODULES) {
        return NULL;
    }
    counts[*n] = (ModuleCount){.module = module};
    return &counts[(*n)++];
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ModuleCount *)a)->module, ((const ModuleCount *)b)->module);
}

static int natives_table(void)
{
    static ModuleCount counts[MAX_MODULES];
    ModuleCount sum = {.module = "all"};
    size_t n = 0;
    const NativeRow *row;
    for (size_t i = 0; (row = row_at(i)); i++) {
        ModuleCount *c = module_find(counts, &n, row->module);
        if (!c) {
            fprintf(stderr, "loom: more than %d modules have natives\n", MAX_MODULES);
            return 1;
        }
        c->total++;
        c->guard += (row->flags & NATIVE_GUARD) != 0;
        c->dirty += (row->flags & NATIVE_DIRTY) != 0;
    }
    qsort(counts, n, sizeof *counts, by_name);
    printf("%-28s %7s %7s %7s\n", "module", "natives", "guards", "long");
    for (size_t i = 0; i < n; i++) {
        printf("%-28s %7u %7u %7u\n", counts[i].module, counts[i].total, counts[i].guard, counts[i].dirty);
        sum.total += counts[i].total;
        sum.guard += counts[i].guard;
        sum.dirty += counts[i].dirty;
    }
    printf("%-28s %7u %7u %7u\n", sum.module, sum.total, sum.guard, sum.dirty);
    return 0;
}

/* module:function/arity, one a line, for scripts. */
static int natives_list(void)
{
    const NativeRow *row;
    for (size_t i = 0; (row = row_at(i)); i++) {
        printf("%s\t%s\t%u\n", row->module, row->function, row->arity);
    }
    return 0;
}

int info_main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--natives") == 0) {
        return natives_table();
    }
    if (argc > 1 && strcmp(argv[1], "--natives-list") == 0) {
        return natives_list();
    }
    if (argc > 1) {
        fprintf(stderr, "loom: info: unknown option %s; there are --natives and --natives-list\n", argv[1]);
        return 1;
    }
    StartOptions o = {0};
    PlatInfo plat;
    size_t natives = 0;
    while (row_at(natives)) {
        natives++;
    }
    plat_info(&plat);
    root_find(&o, NULL);
    printf("loom      %s\n", LOOM_VERSION);
    printf("platform  %s/%s %d.%d.%d, %u processors\n", plat.os_family, plat.os_name, plat.version[0],
           plat.version[1], plat.version[2], plat.cpus);
    printf("engine    %s\n",
#ifdef OP_LOOP
           "interpreter, with a loop"
#else
           "interpreter, threaded"
#endif
    );
    printf("natives   %zu\n", natives);
    printf("otp       %s\n", o.root);
    printf("preloaded %s/ebin\n", o.erts_dir);
    printf("programs  %s\n", o.bindir);
    return 0;
}
