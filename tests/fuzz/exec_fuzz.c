/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: mutated modules are run. The input says which seed module to take and how to change its instructions,
 * one change at a time; a change that the verifier refuses is taken back, any other result is run: every exported
 * function with arguments drawn from the input, in a process of limited heap and few slices. Whatever the code does,
 * nothing outside the process's terms may be read or written: the sanitizers watch. Prints how many got how far.
 *
 * Seeds: *.beam in the directory $EXEC_FUZZ_SEEDS.
 */
#include "tests/fuzz/machine.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/beam_mutate.h"
#include "vm/proc/signal.h"
#include "vm/term/etf.h"

enum { SLICES = 6, CHILD_SLICES = 40, FUNCTIONS = 12, MAX_HEAP_WORDS = 1 << 18, ARGUMENTS = 14 };
enum { SEEDS = 64, FILE_MAX = 1 << 16, STEP_BYTES = 4, STEPS = 24 };

static struct Counts {
    unsigned long inputs, passed, calls, slices;
} counts;
static struct Seeds {
    size_t count, size[SEEDS];
    uint8_t bytes[SEEDS][FILE_MAX];
} seeds;
static struct Arguments {
    HeapFrag *frag;
    Term term[ARGUMENTS];
} arguments;

static Proc *first; /* here for the leak sanitizer, which does not look into the process table */

static void counts_print(void)
{
    fprintf(stderr, "exec_fuzz: %lu modules, %lu verified and run, %lu calls, %lu slices\n", counts.inputs,
        counts.passed,
            counts.calls, counts.slices);
}

/* What external terms there are to begin with. */
static const uint8_t samples[] =
    "\x83h\x0e"
    "a\x05"                                 /* 5 */
    "b\xff\xff\xff\xff"                     /* -1 */
    "n\x0a\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a" /* a large integer */
    "F\x3f\xf8\0\0\0\0\0\0"                 /* 1.5 */
    "w\x02ok"
    "j"
    "l\0\0\0\x03" "a\x01" "a\x02" "a\x03" "j"
    "h\x03" "w\x01" "a" "a\x02" "k\0\x02xy"
    "t\0\0\0\x02" "w\x01" "a" "a\x01" "w\x01" "b" "j"
    "m\0\0\0\x05" "hello"
    "M\0\0\0\x03\x05" "abc"
    "m\0\0\0\x50" "0123456789012345678901234567890123456789" "0123456789012345678901234567890123456789"
    "l\0\0\0\x02" "h\x02" "a\x01" "a\x02" "h\x02" "w\x01" "k" "j" "j"
    "h\0";

static void seeds_read(void)
{
    char pattern[512];
    glob_t found;
    const char *folder = getenv("EXEC_FUZZ_SEEDS");
    snprintf(pattern, sizeof pattern, "%s/*.beam", folder ? folder : "build/test/fuzz/exec_fuzz.seeds");
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && seeds.count < SEEDS; i++) {
            FILE *f = fopen(found.gl_pathv[i], "rb");
            size_t n = f ? fread(seeds.bytes[seeds.count], 1, FILE_MAX, f) : 0;
            if (n > 0 && n < FILE_MAX / 2) {
                seeds.size[seeds.count++] = n;
            }
            if (f) {
                fclose(f);
            }
        }
        globfree(&found);
    }
    if (!seeds.count) {
        fprintf(stderr, "exec_fuzz: no seeds in %s\n", pattern);
        exit(1);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    machine_init();
    size_t words, used;
    vm_assert(etf_decoded_words(samples + 1, sizeof samples - 2, 0, &words, &used));
    arguments.frag = frag_new(words);
    Term *hp = arguments.frag->mem;
    Term all = etf_decode(samples + 1, sizeof samples - 2, 0, &hp, &arguments.frag->off_heap);
    vm_assert(is_tuple_arity(all, ARGUMENTS));
    memcpy(arguments.term, tuple_elements(all), sizeof arguments.term);
    /* The first process must not end: it never begins. */
    SpawnOpts o;
    spawn_opts_default(&o, NULL);
    first = proc_lookup(proc_spawn_mfa(NULL, A_init, A_start, NIL, &o, NULL));
    first->suspend_count = 1;
    seeds_read();
    atexit(counts_print);
    return 0;
}

/* What asks the machine to stop, or to wait for what does not come, is out of bounds. */
Term native_halt(Proc *p, Term *a);
Term native_halt(Proc *p, Term *a)
{
    (void)a;
    return p_badarg(p);
}

static void kill_one(Proc *p, void *arg)
{
    (void)arg;
    if (p == first) {
        return;
    }
    signal_send(p->id, signal_new_term(SIG_EXIT, p->id, 0, A_kill, 0));
}

static void run(unsigned slices)
{
    while (slices-- > 0 && sched_step(sched_get(0))) {
        counts.slices++;
    }
}

static void call(Term m, Term f, unsigned arity, uint32_t *random)
{
    SpawnOpts o;
    Term args = NIL, cells[2 * 256], *hp = cells;
    for (unsigned i = 0; i < arity; i++) {
        *random = *random * 1664525u + 1013904223u;
        args = heap_cons(&hp, arguments.term[(*random >> 16) % ARGUMENTS], args);
    }
    spawn_opts_default(&o, NULL);
    o.max_heap_words = MAX_HEAP_WORDS;
    o.max_heap_flags = MAX_HEAP_KILL;
    Term pid = proc_spawn_mfa(NULL, m, f, args, &o, NULL);
    if (pid == NONVALUE) {
        return;
    }
    counts.calls++;
    msg_send_pid(NULL, pid, arguments.term[(*random >> 8) % ARGUMENTS]);
    run(SLICES);
    for (int tries = 0; tries < 20 && proc_count() > 1; tries++) { /* it may have spawned others */
        proc_each(kill_one, NULL);
        run(CHILD_SLICES);
    }
    vm_assert(proc_count() == 1);
}

/* Loads and runs it, unless it is refused. */
static bool try_module(const uint8_t *data, size_t size, uint32_t random)
{
    Term error = NONVALUE;
    counts.inputs++;
    uint8_t *copy = vm_alloc(size);
    memcpy(copy, data, size);
    Prepared *pr = load_prepare(NONVALUE, copy, size, &error);
    vm_free(copy);
    if (!pr) {
        return false;
    }
    if (prepared_has_on_load(pr)) {
        load_discard(pr);
        return false;
    }
    counts.passed++;
    Term name = prepared_module(pr);
    Module *m = module_put(name);
    load_finish(pr);
    const Instance *in = m->current;
    for (size_t i = 0; i < in->export_count && i < FUNCTIONS; i++) {
        call(name, in->exports[i].function, in->exports[i].arity, &random);
    }
    module_delete(m);
    module_purge_old(m);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t good[FILE_MAX], next[FILE_MAX];
    if (size < 1 + STEP_BYTES) {
        return 0;
    }
    size_t seed = data[0] % seeds.count, good_size = seeds.size[seed];
    memcpy(good, seeds.bytes[seed], good_size);
    for (size_t i = 1; i + STEP_BYTES <= size && i < 1 + STEPS * STEP_BYTES; i += STEP_BYTES) {
        memcpy(next, good, good_size);
        uint32_t random = be32(data + i);
        size_t next_size = beam_mutate(next, good_size, sizeof next, random);
        if (next_size && try_module(next, next_size, random)) {
            memcpy(good, next, next_size);
            good_size = next_size;
        }
    }
    return 0;
}
