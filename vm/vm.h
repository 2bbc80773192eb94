/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual machine as a platform starts it. */
#pragma once

#include "lib/cstd.h"

struct Proc;

typedef struct VmFile {
    const char *name; /* module name, without ".beam" */
    const uint8_t *bytes;
    size_t size;
    bool deferred; /* read when it is needed: net/esock_start.h */
} VmFile;

typedef struct VmConfig {
    const VmFile *preloaded; /* the modules of erts/ebin: erl_prim_loader, init, prim_file, ... */
    size_t preloaded_count;
    void (*read_deferred)(VmFile *file); /* sets bytes and size, or ends the program */
    /* Arguments for init as `erl` hands them to the emulator's init:boot/1: "-root", DIR, "-progname", "erl", "--",
     * "-home", ... */
    const char *const *boot_args;
    size_t boot_arg_count;
    const char *const *env; /* "NAME=value", ends with NULL; the machine copies it */
    size_t max_processes, max_ports, max_atoms; /* 0: OTP's defaults */
    unsigned schedulers, schedulers_online; /* what +S asked for; 0 default */
    unsigned async_threads;
    bool printable_unicode; /* +pc unicode: io:printable_range() */
    bool break_ignored;     /* +Bi: system_info(break_ignored) */
    char warning_map;       /* +W: 'i', 'w' or 'e' */
    /* NULL, or told of each slice: who ran, for how many reductions, how it ended. p may be gone afterwards. */
    void (*on_slice)(const struct Proc *p, uint64_t reductions, int result);
    void (*on_start)(void); /* NULL, or called when all is set up: the next thing is the first Erlang instruction */
} VmConfig;

/* Runs until halt; ends through plat_halt(). */
_Noreturn void vm_main(const VmConfig *config);
const VmConfig *vm_config(void);
/* Prints "loom: what" with where it happened, the current process, then plat_panic(). */
_Noreturn void vm_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define vm_assert(condition) \
    ((condition) ? (void)0 : vm_panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition))
#ifdef LOOM_DEBUG
#define debug_assert(condition) vm_assert(condition)
#else
#define debug_assert(condition) ((void)0)
#endif
