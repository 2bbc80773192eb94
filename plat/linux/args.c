/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * erl's command line. What `erl` does in two programs (erlexec builds the list, the emulator takes its own
 * flags out of it) is done here in one pass:
 *
 *   ERL_AFLAGS  command line  ERL_FLAGS  ERL_OTP25_FLAGS  ERL_ZFLAGS       each may hold  -args_file FILE
 *        |
 *        +-- `+X ...`     emulator flags: taken, checked, used or accepted without effect
 *        +-- `-x ...`     a few have a meaning here (-env, -detached, ...); the others go to init
 *        +-- `-extra ...` everything behind goes to the end of init's list
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plat/linux/linux.h"

enum { MAX_ARGS_FILES = 100 }; /* an -args_file that names itself ends here */
enum { MIN_PROCESSES = 1024, MAX_PROCESSES = 134217727, MIN_ATOMS = 8192, MAX_SCHEDULERS = 1024 };

typedef struct Parser {
    StartOptions *o;
    StringList extra;
    unsigned files;
    bool print, print_exit;
} Parser;

void string_list_add(StringList *list, const char *item)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 32;
        list->items = realloc(list->items, list->capacity * sizeof *list->items);
        if (!list->items) {
            fprintf(stderr, "loom: out of memory\n");
            exit(1);
        }
    }
    list->items[list->count++] = item;
}

static void *checked(void *mem)
{
    if (!mem) {
        fprintf(stderr, "loom: out of memory\n");
        exit(1);
    }
    return mem;
}

/* --- complaints ------------------------------------------------------------------------------------ */
_Noreturn static void usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn static void usage_error(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "\nUsage: loom [+emulator flags] [flags of erl] [-extra args]   (loom --help says more)\n");
    exit(1);
}

static bool number_in(const char *s, long min, long max, long *value)
{
    char *end;
    errno = 0;
    long v = strtol(s, &end, 10);
    if (end == s || *end || errno || v < min || v > max) {
        return false;
    }
    *value = v;
    return true;
}

/* Like the emulator, which reads a number's beginning and lets the rest be. */
static size_t limit_flag(const char *what, const char *s, long min, long max)
{
    long v;
    if (strcmp(s, "legacy") == 0) {
        return 0;
    }
    if (!number_in(s, min, max, &v)) {
        usage_error("bad number of %s %s", what, s);
    }
    return (size_t)v;
}

/* --- emulator flags ---------------------------------------------------------------------------------- */
static bool one_of(const char *s, const char *words)
{
    size_t n = strlen(s);
    for (const char *at = words; *at;) {
        const char *end = strchr(at, ' ');
        size_t word = end ? (size_t)(end - at) : strlen(at);
        if (n > 0 && word == n && memcmp(at, s, n) == 0) {
            return true;
        }
        at += word + (end ? 1 : 0);
    }
    return false;
}

static void flag_schedulers(StartOptions *o, const char *value)
{
    char *end;
    long total = strtol(value, &end, 10);
    long online = total;
    if (end == value && *end != ':') {
        usage_error("bad amount of schedulers %s", value);
    }
    if (*end == ':') {
        char *end2;
        online = strtol(end + 1, &end2, 10);
        if (end2 == end + 1) {
            online = total;
        }
        end = end2;
    }
    if (*end || total > MAX_SCHEDULERS || total < -MAX_SCHEDULERS) {
        usage_error("bad amount of schedulers %s", value);
    }
    if (total > 0 && online > total) {
        usage_error("bad amount of schedulers online %ld (total amount of schedulers %ld)", online, total);
    }
    o->schedulers = total > 0 ? (unsigned)total : 0;
    o->schedulers_online = online > 0 ? (unsigned)online : 0;
}

static void flag_break(StartOptions *o, const char *suffix)
{
    if (!*suffix || strcmp(suffix, "d") == 0) {
        o->break_mode = BREAK_EXIT;
    } else if (strcmp(suffix, "c") == 0) {
        o->break_mode = BREAK_SHELL;
    } else if (strcmp(suffix, "i") == 0) {
        o->break_mode = BREAK_IGNORE;
    } else {
        usage_error("bad +B option %s", suffix);
    }
}

/* The value of a flag that may be written attached (+A1) or as the next argument (+A 1). */
static const char *flag_value(const char *flag, size_t prefix, const StringList *in, size_t *at)
{
    if (flag[prefix]) {
        return flag + prefix;
    }
    if (*at + 1 >= in->count) {
        usage_error("Missing argument(s) for '+%s'.", flag);
    }
    return in->items[++*at];
}

/* The length of the longest of the names (separated by blanks) that the text begins with; 0 without one. */
static size_t prefix_of(const char *text, const char *names)
{
    size_t longest = 0;
    for (const char *name = names; *name != '\0';) {
        size_t n = strcspn(name, " ");
        if (n > longest && strncmp(text, name, n) == 0) {
            longest = n;
        }
        name += n + strspn(name + n, " ");
    }
    return longest;
}

/* +s<name> value, +s<name>value and so on: accepted; the sizes are left to Loom's own defaults. Returns the value. */
static const char *flag_named(const char *flag, const char *names, const char *complaint, const StringList *in,
                              size_t *at)
{
    size_t n = prefix_of(flag + 1, names);
    if (n == 0) {
        usage_error("bad %s option -%s", complaint, flag);
    }
    return flag_value(flag, 1 + n, in, at);
}

static void flag_heap(const char *flag, const StringList *in, size_t *at)
{
    long v;
    const char *value = flag_named(flag, "ms mbs pds max maxk maxel mqd", "heap size", in, at);
    if (prefix_of(flag, "hmqd") != 0 && !one_of(value, "off_heap on_heap")) {
        usage_error("Invalid message_queue_data flag: %s", value);
    }
    if (prefix_of(flag, "hms hmbs hpds") != 0 && !number_in(value, 0, LONG_MAX, &v)) {
        usage_error("bad heap size %s", value);
    }
    if (prefix_of(flag, "hmaxk hmaxel") != 0 && !one_of(value, "true false")) {
        usage_error("bad max heap kill %s", value);
    }
}

static void flag_size(const char *flag, const StringList *in, size_t *at)
{
    long v;
    const char *value = flag_value(flag, 1, in, at);
    if (*flag == 'T' && !number_in(value, 0, 9, &v)) {
        usage_error("bad modified timing level %s", value);
    }
    if (*flag == 'R' && !number_in(value, 23, 25, &v)) {
        usage_error("bad compatibility release number %s", value);
    }
    if (*flag == 'C' && !one_of(value, "no_time_warp single_time_warp multi_time_warp")) {
        usage_error("Invalid time warp mode: %s", value);
    }
}

static void flag_optional_boolean(const StringList *in, size_t *at)
{
    if (*at + 1 < in->count && one_of(in->items[*at + 1], "true false")) {
        ++*at;
    }
}

/* +pc and +fn. File names are always UTF-8 here. */
static void flag_characters(StartOptions *o, const char *flag, const StringList *in, size_t *at)
{
    if (flag[0] == 'p') {
        const char *range = flag[1] == 'c' ? flag_value(flag, 2, in, at) : flag + 1;
        if (flag[1] != 'c' || !one_of(range, "latin1 unicode")) {
            usage_error("bad range of printable characters: %s", range);
        }
        o->printable_unicode = strcmp(range, "unicode") == 0;
        return;
    }
    const char *coding = flag[1] == 'n' ? flag_value(flag, 2, in, at) : flag + 1;
    if (flag[1] != 'n' || !one_of(coding, "u l a uw ui ue lw li le aw ai ae")) {
        usage_error("bad filename encoding %s, can be (l,u or a, optionally followed by w, i or e)", coding);
    }
}

static void emulator_flag(Parser *ps, const StringList *in, size_t *at)
{
    StartOptions *o = ps->o;
    const char *flag = in->items[*at] + 1;
    long v;
    switch (flag[0]) {
    case 'S':
        if (strncmp(flag, "SP", 2) == 0 || strncmp(flag, "SD", 2) == 0) {
            size_t prefix = flag[1] == 'P' ? 2 : strncmp(flag, "SDPcpu", 6) == 0 ? 6 : strncmp(flag, "SDcpu", 5) == 0
                ? 5 : 4;
            (void)flag_value(flag, prefix, in, at);
        } else {
            flag_schedulers(o, flag_value(flag, 1, in, at));
        }
        return;
    case 'P':
        o->max_processes = limit_flag("processes", flag_value(flag, 1, in, at), MIN_PROCESSES, MAX_PROCESSES);
        return;
    case 'Q':
        o->max_ports = limit_flag("ports", flag_value(flag, 1, in, at), MIN_PROCESSES, MAX_PROCESSES);
        return;
    case 't': {
        const char *value = flag_value(flag, 1, in, at);
        if (!number_in(value, MIN_ATOMS, INT_MAX, &v)) {
            usage_error("bad atom table size %s", value);
        }
        o->max_atoms = (size_t)v;
        return;
    }
    case 'A': {
        const char *value = flag_value(flag, 1, in, at);
        o->async_threads = number_in(value, 0, 1024, &v) ? (unsigned)v : 0;
        return;
    }
    case 'B':
        flag_break(o, flag + 1);
        return;
    case 's':
        if (strcmp(flag, "ssrct") == 0) {
            return;
        }
        (void)flag_named(flag, "bt bwt bwtdcpu bwtdio cl ct ecio fwi pp ss ssdcpu ssdio tbt ub wct wt wtdcpu wtdio ws",
                         "scheduling", in, at);
        return;
    case 'z':
        (void)flag_named(flag, "dbbl dntgc osrl ebwt", "-z", in, at);
        return;
    case 'h':
        flag_heap(flag, in, at);
        return;
    case 'a': case 'T': case 'R': case 'C': case 'e': case 'i': case 'n':
        if (strcmp(flag, "ec") != 0) {
            flag_size(flag, in, at);
        }
        return;
    case 'W': {
        const char *map = flag_value(flag, 1, in, at);
        if (!one_of(map, "i w e")) {
            usage_error("unrecognized warning_map option %s", map);
        }
        o->warning_map = *map;
        return;
    }
    case 'I':
        (void)flag_value(flag, strlen(flag), in, at);
        return;
    case 'J':
        if (!one_of(flag, "JPperf JDdump")) {
            usage_error("invalid JIT option -%s", flag);
        }
        (void)flag_value(flag, strlen(flag), in, at);
        return;
    case 'M':
        if (!flag[1]) {
            usage_error("bad \"M\" parameter");
        }
        if (*at + 1 < in->count && !one_of((const char[]){in->items[*at + 1][0], 0}, "- +")) {
            ++*at;
        }
        return;
    case 'c': case 'K':
        flag_optional_boolean(in, at);
        return;
    case 'p': case 'f':
        flag_characters(o, flag, in, at);
        return;
    case 'r':
        if (flag[1] == 'g') {
            (void)flag_value(flag, 2, in, at);
        }
        return;
    case 'd':
        if (strcmp(flag, "dcg") == 0) {
            (void)flag_value(flag, strlen(flag), in, at);
        }
        return;
    case 'v': case 'L': case 'D':
        return;
    case 'V':
        printf("Loom " LOOM_VERSION " (BEAM virtual machine, OTP 25) emulator version 13.1.5\n");
        exit(0);
    default:
        usage_error("loom: unknown flag +%s", flag);
    }
}

/* --- flags that erlexec acts on ------------------------------------------------------------------------ */
static void parse_list(Parser *ps, const StringList *in, bool from_env);

/* Words of a line of shell-like text: quotes, backslashes (outside quotes), and (files only) # comments. */
static void split_words(char *text, bool comments, StringList *words)
{
    char *from = text;
    for (;;) {
        while (isspace((unsigned char)*from)) {
            from++;
        }
        if (comments && *from == '#') {
            while (*from && *from != '\n') {
                from++;
            }
            continue;
        }
        if (!*from) {
            return;
        }
        char *word = checked(malloc(strlen(from) + 1)), *to = word, quote = 0;
        for (; *from && (quote || !isspace((unsigned char)*from)); from++) {
            if (comments && !quote && *from == '#') {
                break;
            }
            if (quote ? *from == quote : (*from == '"' || *from == '\'')) {
                quote = quote ? 0 : *from;
            } else if (*from == '\\' && !quote && from[1]) {
                *to++ = *++from;
            } else {
                *to++ = *from;
            }
        }
        *to = 0;
        string_list_add(words, word);
    }
}

static void args_file(Parser *ps, const char *name)
{
    FILE *f = fopen(name, "r");
    if (!f || ++ps->files > MAX_ARGS_FILES) {
        char cwd[4096];
        usage_error("Failed to open arguments file \"%s\" at \"%s\": %s", name,
                    getcwd(cwd, sizeof cwd) ? cwd : "?", f ? "too many arguments files" : strerror(errno));
    }
    size_t cap = 4096, n = 0, got;
    char *text = checked(malloc(cap + 1));
    while ((got = fread(text + n, 1, cap - n, f)) > 0) {
        n += got;
        if (n == cap) {
            cap *= 2;
            text = checked(realloc(text, cap + 1));
        }
    }
    fclose(f);
    text[n] = 0;
    StringList words = {0};
    split_words(text, true, &words);
    free(text);
    parse_list(ps, &words, true);
    free(words.items);
}

static const char *next_of(const StringList *in, size_t *at)
{
    if (*at + 1 >= in->count) {
        usage_error("Missing argument(s) for '%s'.", in->items[*at]);
    }
    return in->items[++*at];
}

static void add_all(Parser *ps, const char *const *items)
{
    for (; *items; items++) {
        string_list_add(&ps->o->init_args, *items);
    }
}

/* True when the flag was for us. */
static bool start_flag(Parser *ps, const StringList *in, size_t *at)
{
    const char *arg = in->items[*at];
    if (strcmp(arg, "-detached") == 0) {
        ps->o->detached = true;
        add_all(ps, (const char *const[]){"-noshell", "-noinput", NULL});
    } else if (strcmp(arg, "-noinput") == 0) {
        add_all(ps, (const char *const[]){"-noshell", "-noinput", NULL});
    } else if (strcmp(arg, "-compile") == 0) {
        add_all(ps, (const char *const[]){"-noshell", "-noinput", "-s", "c", "lc_batch", NULL});
    } else if (strcmp(arg, "-make") == 0) {
        add_all(ps, (const char *const[]){"-noshell", "-noinput", "-s", "make", "all", NULL});
    } else if (strcmp(arg, "-env") == 0) {
        const char *name = next_of(in, at);
        setenv(name, *at + 1 < in->count ? in->items[++*at] : "", 1);
    } else if (strcmp(arg, "-args_file") == 0) {
        args_file(ps, next_of(in, at));
    } else if (strcmp(arg, "-version") == 0) {
        printf("Loom " LOOM_VERSION " (BEAM virtual machine, OTP 25) emulator version 13.1.5\n");
        exit(0);
    } else if (strcmp(arg, "-emu_args") == 0) {
        ps->print = true;
    } else if (strcmp(arg, "-emu_args_exit") == 0) {
        ps->print = ps->print_exit = true;
    } else if (strcmp(arg, "-emu_type") == 0 || strcmp(arg, "-emu_flavor") == 0) {
        const char *value = next_of(in, at);
        if (!one_of(value, "opt smp emu")) {
            usage_error("loom: Invalid emulator type or flavor: %s. Loom has only the flavor emu.", value);
        }
    } else if (strcmp(arg, "-sname") == 0 || strcmp(arg, "-name") == 0) {
        fprintf(stderr, "loom: %s: distribution is not there yet; start without a node name\n", arg);
        exit(1);
    } else {
        return false;
    }
    return true;
}

static void parse_list(Parser *ps, const StringList *in, bool from_env)
{
    for (size_t i = 0; i < in->count; i++) {
        const char *arg = in->items[i];
        if (strcmp(arg, "-extra") == 0) {
            for (i++; i < in->count; i++) {
                string_list_add(&ps->extra, in->items[i]);
            }
            if (from_env) {
                string_list_add(&ps->extra, "--");
            }
        } else if (arg[0] == '+') {
            emulator_flag(ps, in, &i);
        } else if (arg[0] != '-' || !start_flag(ps, in, &i)) {
            string_list_add(&ps->o->init_args, arg);
        }
    }
}

static void parse_env(Parser *ps, const char *name)
{
    const char *value = getenv(name);
    if (!value) {
        return;
    }
    char *copy = checked(strdup(value));
    StringList words = {0};
    split_words(copy, false, &words);
    free(copy);
    parse_list(ps, &words, true);
    free(words.items);
}

/* PATH begins with OTP's directories, and the variables erlexec sets are set. */
static void export_environment(const StartOptions *o)
{
    const char *path = getenv("PATH");
    char *dirs = NULL, *full = NULL;
    if (asprintf(&dirs, "%s:%s/bin", o->bindir, o->root) < 0) {
        checked(NULL);
    }
    if (!path || strncmp(path, dirs, strlen(dirs)) != 0) {
        if (asprintf(&full, "%s%s%s", dirs, path ? ":" : "", path ? path : "") < 0) {
            checked(NULL);
        }
        setenv("PATH", full, 1);
        free(full);
    }
    free(dirs);
    setenv("ROOTDIR", o->root, 1);
    setenv("BINDIR", o->bindir, 1);
    setenv("PROGNAME", o->progname, 1);
    setenv("EMU", "beam", 1);
}

static void print_args(const Parser *ps)
{
    for (size_t i = 0; i < ps->o->init_args.count; i++) {
        printf("%s\n", ps->o->init_args.items[i]);
    }
    fflush(stdout);
    if (ps->print_exit) {
        exit(0);
    }
}

void args_parse(int argc, char **argv, StartOptions *o)
{
    Parser ps = {.o = o};
    StringList given = {0};
    const char *home = getenv("HOME");
    root_find(o, NULL);
    export_environment(o);
    add_all(&ps, (const char *const[]){"-root", o->root, "-bindir", o->bindir, "-progname", o->progname, "--",
                                       "-home", home ? home : "/", "--", NULL});
    for (int i = 1; i < argc; i++) {
        string_list_add(&given, argv[i]);
    }
    parse_env(&ps, "ERL_AFLAGS");
    parse_list(&ps, &given, false);
    parse_env(&ps, "ERL_FLAGS");
    parse_env(&ps, "ERL_OTP25_FLAGS");
    parse_env(&ps, "ERL_ZFLAGS");
    free(given.items);
    if (ps.extra.count) {
        string_list_add(&o->init_args, "-extra");
        for (size_t i = 0; i < ps.extra.count; i++) {
            string_list_add(&o->init_args, ps.extra.items[i]);
        }
        free(ps.extra.items);
    }
    if (ps.print) {
        print_args(&ps);
    }
}
