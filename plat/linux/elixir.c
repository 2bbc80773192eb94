/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loom --elixir [elixir | elixirc | iex | mix] ARGS...: Elixir as it is installed, on this machine. Its programs are
 * scripts that start `erl`, which they look up on the path and nowhere else; so the path begins with a folder that
 * holds an `erl` which is loom. Whatever they start in turn (mix, System.cmd) finds it too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plat/linux/linux.h"

static bool is_program(const char *name)
{
    return strcmp(name, "elixir") == 0 || strcmp(name, "elixirc") == 0 || strcmp(name, "iex") == 0 ||
           strcmp(name, "mix") == 0;
}

_Noreturn static void fail(const char *what, const char *why)
{
    fprintf(stderr, "loom: %s: %s\n", what, why);
    exit(1);
}

/* Puts the folder `bin` beside the program `self` in front of PATH. */
static void path_prepend(const char *self)
{
    char erl[PATH_MAX + 16];
    const char *name = strrchr(self, '/');
    int folder = name ? snprintf(erl, sizeof erl, "%.*s/bin", (int)(name - self), self) : -1;
    if (folder < 0 || (size_t)folder + 5 > sizeof erl) {
        fail("--elixir", "cannot tell where loom is");
    }
    strcpy(erl + folder, "/erl");
    if (access(erl, X_OK) < 0) {
        fail(erl, strerror(errno));
    }
    const char *old = getenv("PATH");
    char *path;
    if (asprintf(&path, "%.*s%s%s", folder, erl, old ? ":" : "", old ? old : "") < 0 || setenv("PATH", path, 1) < 0) {
        fail("--elixir", "out of memory");
    }
}

void elixir_main(char **argv, const char *self)
{
    static char elixir[] = "elixir";
    char *program = argv[0] && is_program(argv[0]) ? argv[0] : elixir;
    if (program != argv[0]) {
        argv--; /* there was an argument before: its place takes the program's name */
        argv[0] = program;
    }
    path_prepend(self);
    execvp(program, argv);
    fail(program, errno == ENOENT ? "not found; is Elixir installed?" : strerror(errno));
}
