/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * The program `loom`: finds OTP, reads the preloaded modules, sets up signals and events, and starts the
 * virtual machine.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plat/linux/linux.h"

/* erlang:pre_loaded() of OTP 25. */
static const char *const preloaded_names[] = {
    "erl_init", "init", "erl_prim_loader", "erlang", "erts_internal", "prim_buffer", "prim_eval", "prim_file",
    "prim_inet", "prim_net", "prim_socket", "prim_zip", "socket_registry", "zlib", "erts_code_purger",
    "erts_dirty_process_signal_handler", "erts_literal_area_collector", "erl_tracer", "atomics", "counters",
    "persistent_term",
};
static const char *const deferred_names[] = {"prim_net", "prim_socket", "socket_registry"};
enum { PRELOADED_COUNT = sizeof preloaded_names / sizeof *preloaded_names };

_Noreturn static void fail(const char *what, const char *why)
{
    fprintf(stderr, "loom: %s: %s\n", what, why);
    exit(1);
}

/* --- where OTP is -------------------------------------------------------------------------------------- */
static bool is_file(const char *format, const char *a, const char *b)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, format, a, b); /* NOLINT: formats are literals below */
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The newest erts-V directory below `dir` that has the preloaded modules or, when they are elsewhere, the programs. */
static char *erts_below(const char *dir, bool preloaded)
{
    DIR *d = opendir(dir);
    char *best = NULL;
    if (!d) {
        return NULL;
    }
    for (struct dirent *e; (e = readdir(d));) {
        char *path;
        if (strncmp(e->d_name, "erts-", 5) != 0 || asprintf(&path, "%s/%s", dir, e->d_name) < 0) {
            continue;
        }
        bool ok = preloaded ? is_file("%s/%s", path, "ebin/init.beam") : is_file("%s/%s", path, "bin/inet_gethost");
        if (ok && (!best || strcmp(path, best) > 0)) {
            free(best);
            best = path;
        } else {
            free(path);
        }
    }
    closedir(d);
    return best;
}

static bool root_try(StartOptions *o, const char *root)
{
    char path[PATH_MAX];
    if (!root || !*root || !is_file("%s/%s", root, "bin/start.boot")) {
        return false;
    }
    snprintf(path, sizeof path, "%s/lib", root);
    o->erts_dir = erts_below(path, true);
    if (!o->erts_dir) {
        o->erts_dir = erts_below(root, true);
    }
    if (!o->erts_dir) {
        return false;
    }
    char *programs = erts_below(root, false);
    o->root = strdup(root);
    if (programs && asprintf(&o->bindir, "%s/bin", programs) < 0) {
        fail("start", "out of memory");
    }
    free(programs);
    if (!o->bindir) {
        o->bindir = strdup(o->erts_dir);
    }
    return true;
}

void root_find(StartOptions *o, const char *asked)
{
    static const char *const places[] = {"/usr/lib/erlang", "/usr/local/lib/erlang", "/usr/lib64/erlang",
                                         "/opt/erlang/lib/erlang", "/opt/erlang"};
    if (o->root) {
        return;
    }
    if (!asked) {
        asked = getenv("LOOM_ROOT");
    }
    if (asked && *asked) {
        if (!root_try(o, asked)) {
            fail(asked, "no OTP 25 with its preloaded modules there (asked for by LOOM_ROOT or --root)");
        }
        return;
    }
    if (root_try(o, getenv("ROOTDIR"))) {
        return;
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (root_try(o, places[i])) {
            return;
        }
    }
    fail("OTP", "not found in the usual places; install Debian's erlang-base, or set LOOM_ROOT");
}

/* --- preloaded modules --------------------------------------------------------------------------------- */
static void read_module(const StartOptions *o, const char *name, VmFile *file)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/ebin/%s.beam", o->erts_dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        fail(path, strerror(errno));
    }
    size_t size = (size_t)st.st_size, n = 0;
    uint8_t *bytes = malloc(size ? size : 1);
    while (bytes && n < size) {
        ssize_t got = read(fd, bytes + n, size - n);
        if (got <= 0) {
            fail(path, got < 0 ? strerror(errno) : "file got shorter while it was read");
        }
        n += (size_t)got;
    }
    if (!bytes) {
        fail(path, "out of memory");
    }
    close(fd);
    *file = (VmFile){.name = name, .bytes = bytes, .size = size};
}

static bool is_deferred(const char *name)
{
    for (size_t i = 0; i < sizeof deferred_names / sizeof *deferred_names; i++) {
        if (strcmp(name, deferred_names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static struct Started {
    StartOptions options; /* written once, before anything runs */
} started = {.options = {.warning_map = 'w'}};

static void read_deferred(VmFile *file)
{
    read_module(&started.options, file->name, file);
}

/* --- start --------------------------------------------------------------------------------------------- */
static const char help_text[] =
    "loom: a BEAM virtual machine that runs OTP 25's own modules.\n"
    "\n"
    "  loom [flags]           as `erl`: -noshell -noinput -eval E -s M [F [A..]] -run M F A.. -pa DIR -boot FILE\n"
    "                         -config FILE -env NAME VALUE -args_file FILE -detached -version -extra ARG..\n"
    "                         and the emulator flags +S +P +Q +A +t +B +h.. +s.. +M.. (others are accepted as by erl)\n"
    "  loom info              what this build is and which OTP it runs\n"
    "  loom info --natives    its native functions, counted by module\n"
    "  loom verify FILE...    whether .beam files would be loaded, and why not\n"
    "  loom --deterministic SEED ...   one scheduler, time and randomness made from the seed: all runs are the same\n"
    "  loom --schedule FILE ...        one scheduler; writes who ran, for how many reductions, and how it ended\n"
    "  loom --elixir P ...    Elixir's elixir (the default), elixirc, iex or mix, on loom\n"
    "  loom --root DIR ...    OTP's directory (also LOOM_ROOT, ROOTDIR; then the usual places)\n"
    "  loom --version, loom --help\n"
    "\n"
    "ERL_AFLAGS, ERL_FLAGS and ERL_ZFLAGS are read as erl reads them.\n";

static void detach(void)
{
    pid_t pid = fork();
    if (pid < 0) {
        fail("-detached", strerror(errno));
    }
    if (pid > 0) {
        _exit(0);
    }
    setsid();
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; null >= 0 && fd < 3; fd++) {
        dup2(null, fd);
    }
    if (null > 2) {
        close(null);
    }
}

/* Descriptors 0..2 must exist: an open() that got one of them would be mistaken for the terminal. */
static void standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd < 3);
    if (fd >= 3) {
        close(fd);
    }
}

extern char **environ;

int main(int argc, char **argv)
{
    StartOptions *o = &started.options;
    static VmFile modules[PRELOADED_COUNT];
    static VmConfig config;
    static char self[PATH_MAX];

    standard_descriptors();
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(help_text, stdout);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("loom " LOOM_VERSION " (OTP 25)");
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "info") == 0) {
        return info_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "verify") == 0) {
        return verify_main(argc - 1, argv + 1);
    }
    bool schedule = false;
    for (; argc > 2 && strncmp(argv[1], "--", 2) == 0; argc -= 2, argv += 2) {
        if (strcmp(argv[1], "--root") == 0) {
            root_find(o, argv[2]);
        } else if (strcmp(argv[1], "--deterministic") == 0) {
            determined_begin(argv[2]);
        } else if (strcmp(argv[1], "--schedule") == 0) {
            determined_schedule_to(argv[2]);
            schedule = true;
        } else {
            break;
        }
    }
    /* An absolute name: OTP starts further nodes and escripts by it. */
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    o->progname = n > 0 ? self : "loom";
    if (argc > 1 && strcmp(argv[1], "--elixir") == 0) {
        elixir_main(argv + 2, o->progname);
    }
    args_parse(argc, argv, o);
    if (o->detached) {
        detach();
    }
    for (size_t i = 0; i < PRELOADED_COUNT; i++) {
        if (is_deferred(preloaded_names[i])) {
            modules[i] = (VmFile){.name = preloaded_names[i], .deferred = true};
        } else {
            read_module(o, preloaded_names[i], &modules[i]);
        }
    }
    config = (VmConfig){
        .preloaded = modules,
        .preloaded_count = PRELOADED_COUNT,
        .read_deferred = read_deferred,
        .boot_args = o->init_args.items,
        .boot_arg_count = o->init_args.count,
        .env = (const char *const *)environ,
        .max_processes = o->max_processes,
        .max_ports = o->max_ports,
        .max_atoms = o->max_atoms,
        /* One, for a schedule that can be written down and repeated. */
        .schedulers = schedule || determined_is_on() ? 1 : o->schedulers,
        .schedulers_online = schedule || determined_is_on() ? 1 : o->schedulers_online,
        .on_slice = schedule || determined_is_on() ? determined_slice : NULL,
        .async_threads = o->async_threads,
        .printable_unicode = o->printable_unicode,
        .break_ignored = o->break_mode == BREAK_IGNORE,
        .warning_map = o->warning_map,
    };
    poll_init();
    signals_init(o->break_mode);
    vm_main(&config);
}
