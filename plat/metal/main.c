/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel is up and the bundle is verified: makes a VmConfig of them and starts the machine. Preloaded are all
 * modules in the bundle's erts/ebin/. Words of the command line from the first that begins with '-' on go to init, as
 * on erl's command line; single quotes hold a word together.
 */
#include "kernel/files.h"
#include "kernel/log.h"
#include "kernel/main.h"
#include "kernel/panic/panic.h"
#include "kernel/power.h"
#include "vm/heap/heap.h"
#include "vm/load/code.h"
#include "vm/plat.h"
#include "vm/proc/proc.h"
#include "vm/proc/sched.h"
#include "vm/proc/stack.h"
#include "vm/vm.h"

enum { MAX_ARGS = 128, MAX_PRELOADED = 64 };
#define PRELOADED_DIR "erts/ebin/"
#define BEAM_SUFFIX ".beam"

static const char *const first_args[] = {"-root", "/otp", "-bindir", "/otp/bin", "-progname", "loom", "--", "-home",
                                         "/home", "--"};
#define BOOT_SCRIPT "/otp/bin/loom"
static const char *const environment[] = {"HOME=/home", "ROOTDIR=/otp", "BINDIR=/otp/bin", "EMU=beam", "PROGNAME=loom",
                                          "TERM=vt100", "PATH=/otp/bin", NULL};

static struct Start {
    VmFile files[MAX_PRELOADED];
    size_t file_count;
    const char *args[MAX_ARGS];
    size_t arg_count;
    char words[BOOT_CMDLINE_MAX]; /* the command line, cut into words */
} start;

static void add_arg(const char *arg)
{
    if (start.arg_count == MAX_ARGS) {
        panic("more than %d words for init on the command line", MAX_ARGS);
    }
    start.args[start.arg_count++] = arg;
}

/* Cuts the next word out of the text at *at, in place: quotes go, the rest moves up. False at the end. */
static bool take_word(char **at, char **word)
{
    char *from = *at;
    bool quoted = false;
    while (*from == ' ') {
        from++;
    }
    if (*from == '\0') {
        return false;
    }
    char *to = *word = from;
    for (; *from != '\0' && (quoted || *from != ' '); from++) {
        if (*from == '\'') {
            quoted = !quoted;
        } else {
            *to++ = *from;
        }
    }
    *at = *from == '\0' ? from : from + 1;
    *to = '\0';
    return true;
}

static void add_cmdline(void)
{
    memcpy(start.words, kernel_boot_info()->cmdline, sizeof start.words);
    char *at = start.words, *word;
    bool for_init = false, own_boot = false;
    while (take_word(&at, &word)) {
        for_init |= word[0] == '-';
        own_boot |= strcmp(word, "-boot") == 0;
        if (for_init) {
            add_arg(word);
        }
    }
    if (!own_boot) {
        add_arg("-boot");
        add_arg(BOOT_SCRIPT);
    }
}

/* The module's name if the file is one to preload, else NULL. */
static char *module_name(const BundleFile *f)
{
    size_t dir = sizeof PRELOADED_DIR - 1, suffix = sizeof BEAM_SUFFIX - 1;
    if (f->name_size <= dir + suffix || memcmp(f->name, PRELOADED_DIR, dir) != 0 ||
        memcmp(f->name + f->name_size - suffix, BEAM_SUFFIX, suffix) != 0) {
        return NULL;
    }
    size_t n = f->name_size - dir - suffix;
    char *name = vm_alloc(n + 1);
    memcpy(name, f->name + dir, n);
    name[n] = '\0';
    return name;
}

static void add_preloaded(const Bundle *b)
{
    for (uint32_t i = bundle_lower_bound(b, PRELOADED_DIR, sizeof PRELOADED_DIR - 1); i < b->count; i++) {
        BundleFile f = bundle_at(b, i);
        char *name = module_name(&f);
        if (name == NULL) {
            continue;
        }
        if (!files_get(i, &f)) {
            klog("loom: kernel: a module to preload is damaged; not started");
            power_test_exit(false);
        }
        if (start.file_count == MAX_PRELOADED) {
            panic("more than %d modules to preload in the bundle", MAX_PRELOADED);
        }
        start.files[start.file_count++] = (VmFile){.name = name, .bytes = f.data, .size = f.size};
    }
}

/* During a panic: which process ran, and where its Erlang code was. */
static void say_process(void)
{
    const Sched *s = sched_count() > 0 ? plat_sched() : NULL;
    const Proc *p = s != NULL ? s->current : NULL;
    if (p == NULL) {
        klog_raw("no Erlang process was running\n");
        return;
    }
    size_t n;
    const char *name = is_atom(p->registered_name) ? (const char *)atom_text(p->registered_name, &n) : "";
    klog_raw("process <0.%u.%u> %s, started as %s:%s/%u\n", pid_number(p->id), pid_serial(p->id), name,
             (const char *)atom_text(p->initial_m, &n), (const char *)atom_text(p->initial_f, &n), p->initial_arity);
    char *trace = stack_backtrace(p, false, &n);
    klog_raw("%.*s\n", (int)(n < 400 ? n : 400), trace);
}

static void say_started(void)
{
    klog("vm: first Erlang instruction");
}

_Noreturn void kernel_payload(void)
{
    const Bundle *b = files_bundle();
    if (b == NULL) {
        klog("loom: there is no bundle, so there is nothing to run");
        power_test_exit(false);
    }
    panic_set_hook(say_process);
    add_preloaded(b);
    for (size_t i = 0; i < sizeof first_args / sizeof first_args[0]; i++) {
        add_arg(first_args[i]);
    }
    add_cmdline();
    klog("vm: %zu modules preloaded", start.file_count);
    VmConfig config = {.preloaded = start.files,
                       .preloaded_count = start.file_count,
                       .boot_args = start.args,
                       .boot_arg_count = start.arg_count,
                       .env = environment,
                       .max_processes = 16384,
                       .printable_unicode = true,
                       .warning_map = 'w',
                       .on_start = say_started};
    vm_main(&config);
}
