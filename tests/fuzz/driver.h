/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For fuzz targets whose work is written in Erlang: tests/fuzz/drivers/NAME.erl exports run/1, which takes the input as
 * a binary and calls natives only (there is no OTP here). What it finds wrong it says and halts, which is a finding.
 * mk/test.mk compiles drivers to build/test/fuzz/drivers, beside the targets.
 */
#pragma once

#include "tests/fuzz/machine.h"

#include <stdio.h>
#include <stdlib.h>

#include "vm/proc/signal.h"
#include "vm/term/etf.h"

enum { DRIVER_SLICES = 100, DRIVER_HEAP_WORDS = 1 << 21, DRIVER_FILE_MAX = 1 << 20 };

static struct Driver {
    Term name, run;
    Proc *first; /* here for the leak sanitizer, which does not look into the process table */
    const char *program;
} driver;

Term native_halt(Proc *p, Term *a);
Term native_halt(Proc *p, Term *a)
{
    (void)p;
    (void)a;
    vm_panic("the driver found something wrong");
}

static void driver_load(const char *name)
{
    char path[512];
    static uint8_t bytes[DRIVER_FILE_MAX];
    size_t folder = strlen(driver.program);
    while (folder > 0 && driver.program[folder - 1] != '/') {
        folder--;
    }
    snprintf(path, sizeof path, "%.*sdrivers/%s.beam", (int)folder, driver.program, name);
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    Term error = NONVALUE;
    Prepared *pr = load_prepare(NONVALUE, bytes, n, &error);
    if (!f || !pr) {
        fprintf(stderr, "%s: %s\n", path, f ? load_why() : "cannot be read");
        exit(1);
    }
    fclose(f);
    driver.name = prepared_module(pr);
    driver.run = atom_put_cstr("run");
    module_put(driver.name);
    load_finish(pr);
}

static inline void driver_init(char **argv, const char *name)
{
    machine_init();
    driver.program = argv[0];
    driver_load(name);
    /* The first process must not end: it never begins. */
    SpawnOpts o;
    spawn_opts_default(&o, NULL);
    driver.first = proc_lookup(proc_spawn_mfa(NULL, A_init, A_start, NIL, &o, NULL));
    driver.first->suspend_count = 1;
}

static void driver_kill(Proc *p, void *arg)
{
    (void)arg;
    if (p != driver.first) {
        signal_send(p->id, signal_new_term(SIG_EXIT, p->id, 0, A_kill, 0));
    }
}

static void driver_slices(unsigned slices)
{
    while (slices-- > 0 && proc_count() > 1 && sched_step(sched_get(0))) {
    }
}

/* [Bin], in a fragment of its own: by way of the external format. */
static HeapFrag *driver_arguments(const uint8_t *data, size_t size, Term *args)
{
    size_t n = size + 11, words, used;
    uint8_t *external = vm_alloc(n);
    static const uint8_t head[] = {'l', 0, 0, 0, 1, 'm'};
    memcpy(external, head, sizeof head);
    for (int i = 0; i < 4; i++) {
        external[6 + i] = (uint8_t)(size >> (24 - 8 * i));
    }
    if (size) {
        memcpy(external + 10, data, size);
    }
    external[n - 1] = 'j';
    vm_assert(etf_decoded_words(external, n, 0, &words, &used));
    HeapFrag *f = frag_new(words);
    Term *hp = f->mem;
    *args = etf_decode(external, n, 0, &hp, &f->off_heap);
    f->used = (size_t)(hp - f->mem);
    vm_free(external);
    return f;
}

static inline int driver_run(const uint8_t *data, size_t size)
{
    SpawnOpts o;
    Term args;
    HeapFrag *f = driver_arguments(data, size, &args);
    spawn_opts_default(&o, NULL);
    o.max_heap_words = DRIVER_HEAP_WORDS;
    o.max_heap_flags = MAX_HEAP_KILL;
    Term pid = proc_spawn_mfa(NULL, driver.name, driver.run, args, &o, NULL);
    vm_assert(pid != NONVALUE);
    frag_free(f);
    driver_slices(DRIVER_SLICES);
    for (int tries = 0; tries < 20 && proc_count() > 1; tries++) {
        proc_each(driver_kill, NULL);
        driver_slices(DRIVER_SLICES);
    }
    vm_assert(proc_count() == 1);
    return 0;
}

/* The two functions of a target. */
#define DRIVER_TARGET(name)                                          \
    int LLVMFuzzerInitialize(int *argc, char ***argv)                \
    {                                                                \
        (void)argc;                                                  \
        driver_init(*argv, #name);                                   \
        return 0;                                                    \
    }                                                                \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)     \
    {                                                                \
        return driver_run(data, size);                               \
    }
