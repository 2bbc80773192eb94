/* SPDX-License-Identifier: Apache-2.0 */
/*
 * {spawn, Command} and {spawn_executable, File}: a program as a port, over two pipes. Children are started with
 * posix_spawn (which does not copy this process) and waited for when SIGCHLD arrives.
 *
 * The end: when the program's output ends, and with the option exit_status also the program has ended, the owner gets
 * {exit_status, N}, the rest of a line, and eof or the exit signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plat/linux/drivers.h"
#include "plat/linux/outq.h"
#include "plat/linux/spawn_env.h"
#include "vm/bif/native.h"
#include "vm/proc/port_priv.h"

enum { READ_SIZE = 64 * 1024, SIGNALED = 128 };
enum { CHILD_IN = 0, CHILD_OUT = 1, ALT_IN = 3, ALT_OUT = 4 }; /* nouse_stdio: descriptors 3 and 4 */

typedef struct SpawnPort {
    PollSource in; /* first; the program's output */
    Port *port;    /* NULL once closed: waits for the program only */
    OutQueue *out;
    pid_t pid;
    bool input_ended, exited;
    bool end_told; /* no more messages follow */
    int status;
    struct SpawnPort *next, **link; /* all that have a living program */
} SpawnPort;

static struct Children {
    SpawnPort *first;
} children;

/* --- options ---------------------------------------------------------------------------------------------- */
typedef struct SpawnOptions {
    char *command;   /* of {spawn, _}; NULL for an executable */
    char *file;
    char **argv;
    char **envp;     /* owned, NULL-terminated */
    char *cd;
    bool stderr_to_stdout, use_stdio;
} SpawnOptions;

static void free_strings(char **list)
{
    for (char **s = list; list && *s; s++) {
        vm_free(*s);
    }
    vm_free(list);
}

static void spawn_options_free(SpawnOptions *o)
{
    vm_free(o->command);
    vm_free(o->file);
    vm_free(o->cd);
    free_strings(o->argv);
    free_strings(o->envp);
}

/* A string without NUL in it, or NULL. */
static char *text_of(Term t)
{
    size_t n;
    char *s = (char *)port_name_text(t, &n);
    if (s && strlen(s) != n) {
        vm_free(s);
        return NULL;
    }
    return s;
}

static Term option_value(Term options, Term key)
{
    Term found = NONVALUE;
    for (; is_cons(options); options = cons_tail(options)) {
        Term o = cons_head(options);
        if (is_tuple_arity(o, 2) && tuple_elements(o)[0] == key) {
            found = tuple_elements(o)[1];
        }
    }
    return found;
}

static bool option_present(Term options, Term word)
{
    for (; is_cons(options); options = cons_tail(options)) {
        if (cons_head(options) == word) {
            return true;
        }
    }
    return false;
}

static char *copy_text(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(vm_alloc(n), s, n);
}

/* argv from arg0 and the list of arguments. */
static bool build_argv(SpawnOptions *o, Term arg0, Term args)
{
    int64_t count = list_length(args);
    if (count < 0) {
        return false;
    }
    size_t i = 0;
    o->argv = vm_calloc(((size_t)count + 2) * sizeof *o->argv);
    o->argv[i++] = arg0 ? text_of(arg0) : copy_text(o->file);
    for (; is_cons(args) && o->argv[i - 1]; args = cons_tail(args)) {
        o->argv[i++] = text_of(cons_head(args));
    }
    return o->argv[i - 1] != NULL;
}

/* /bin/sh -c "exec COMMAND": the shell splits the words, the program takes its place. */
static void build_shell_argv(SpawnOptions *o)
{
    size_t n = strlen(o->command) + sizeof "exec ";
    char *line = vm_alloc(n);
    snprintf(line, n, "exec %s", o->command);
    o->file = copy_text("/bin/sh");
    o->argv = vm_calloc(4 * sizeof *o->argv);
    o->argv[0] = copy_text("sh");
    o->argv[1] = copy_text("-c");
    o->argv[2] = line;
}

/* False: bad option. */
static bool spawn_options_parse(SpawnOptions *o, Term name, Term options)
{
    const Term *e = tuple_elements(name);
    Term args = option_value(options, A_args), arg0 = option_value(options, A_arg0);
    Term cd = option_value(options, A_cd), env = option_value(options, A_env);
    *o = (SpawnOptions){.use_stdio = !option_present(options, A_nouse_stdio),
                        .stderr_to_stdout = option_present(options, A_stderr_to_stdout)};
    if (cd && !(o->cd = text_of(cd))) {
        return false;
    }
    o->envp = spawn_env_build(env ? env : NIL);
    if (!o->envp) {
        return false;
    }
    if (e[0] == A_spawn_executable) {
        o->file = is_atom(e[1]) ? copy_text((const char *)atom_text(e[1], &(size_t){0})) : text_of(e[1]);
        return o->file && build_argv(o, arg0, args ? args : NIL);
    }
    if (args || arg0) {
        return false;
    }
    o->command = is_atom(e[1]) ? copy_text((const char *)atom_text(e[1], &(size_t){0})) : text_of(e[1]);
    if (!o->command) {
        return false;
    }
    build_shell_argv(o);
    return true;
}

/* --- starting ----------------------------------------------------------------------------------------------- */
typedef struct Pipes {
    int to_child[2], from_child[2]; /* -1: not used */
} Pipes;

static void pipes_close(Pipes *pp)
{
    int *fds[] = {&pp->to_child[0], &pp->to_child[1], &pp->from_child[0], &pp->from_child[1]};
    for (size_t i = 0; i < 4; i++) {
        if (*fds[i] >= 0) {
            close(*fds[i]);
            *fds[i] = -1;
        }
    }
}

/* Pipe ends above the numbers that the child uses, so that moving them there cannot overwrite another. */
static bool pipe_high(int fds[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) < 0) {
        return false;
    }
    fds[0] = fcntl(low[0], F_DUPFD_CLOEXEC, ALT_OUT + 1);
    fds[1] = fcntl(low[1], F_DUPFD_CLOEXEC, ALT_OUT + 1);
    close(low[0]);
    close(low[1]);
    return fds[0] >= 0 && fds[1] >= 0;
}

static bool pipes_open(Pipes *pp, const Port *port)
{
    *pp = (Pipes){{-1, -1}, {-1, -1}};
    if ((port->out && !pipe_high(pp->to_child)) || (port->in && !pipe_high(pp->from_child))) {
        int error = errno;
        pipes_close(pp);
        errno = error;
        return false;
    }
    return true;
}

static void file_actions(posix_spawn_file_actions_t *fa, const SpawnOptions *o, const Pipes *pp)
{
    int in = o->use_stdio ? CHILD_IN : ALT_IN, out = o->use_stdio ? CHILD_OUT : ALT_OUT;
    posix_spawn_file_actions_init(fa);
    if (pp->to_child[0] >= 0) {
        posix_spawn_file_actions_adddup2(fa, pp->to_child[0], in);
    } else if (o->use_stdio) {
        posix_spawn_file_actions_addopen(fa, CHILD_IN, "/dev/null", O_RDONLY, 0);
    }
    if (pp->from_child[1] >= 0) {
        posix_spawn_file_actions_adddup2(fa, pp->from_child[1], out);
        if (o->stderr_to_stdout) {
            posix_spawn_file_actions_adddup2(fa, pp->from_child[1], STDERR_FILENO);
        }
    }
    posix_spawn_file_actions_addclosefrom_np(fa, o->use_stdio ? 3 : ALT_OUT + 1);
    if (o->cd) {
        posix_spawn_file_actions_addchdir_np(fa, o->cd);
    }
}

static int spawn_program(const SpawnOptions *o, const Pipes *pp, pid_t *pid)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    sigset_t none, all;
    file_actions(&fa, o, pp);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(pid, o->file, &fa, &attr, o->argv, o->envp);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    return error;
}

static void spawn_ready(PollSource *source, unsigned events);

static SpawnPort *spawn_port_new(Port *port, Pipes *pp, pid_t pid)
{
    SpawnPort *d = vm_calloc(sizeof *d);
    d->port = port;
    d->pid = pid;
    d->in = (PollSource){.fd = pp->from_child[0], .ready = spawn_ready};
    pp->from_child[0] = -1;
    if (pp->to_child[1] >= 0) {
        fcntl(pp->to_child[1], F_SETFL, O_NONBLOCK);
        d->out = outq_new(port, pp->to_child[1], true);
        pp->to_child[1] = -1;
    }
    if (port->in) {
        poll_watch(&d->in, WATCH_IN);
    }
    d->next = children.first;
    d->link = &children.first;
    if (d->next) {
        d->next->link = &d->next;
    }
    children.first = d;
    port->os_pid = pid;
    return d;
}

/* A working directory that is not there: the shell's complaint, not ours, as OTP has it. */
static void spare_bad_directory(SpawnOptions *o)
{
    struct stat st;
    if (o->cd && (stat(o->cd, &st) < 0 || !S_ISDIR(st.st_mode))) {
        char text[PATH_MAX + 64];
        int n = snprintf(text, sizeof text, "spawn: Could not cd to %s\n", o->cd);
        plat_log(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
        vm_free(o->cd);
        o->cd = NULL;
        vm_free(o->file);
        o->file = copy_text("/bin/false");
    }
}

/* posix_spawn reports what exec says; OTP looks beforehand, and only at these. */
static int check_executable(const char *file)
{
    struct stat st;
    if (stat(file, &st) < 0) {
        return errno;
    }
    return access(file, X_OK) < 0 ? errno : 0;
}

static void *spawn_open(Port *port, Term name, Term options, Term *error)
{
    SpawnOptions o;
    Pipes pp;
    pid_t pid;
    SpawnPort *d = NULL;
    if (!spawn_options_parse(&o, name, options)) {
        *error = A_badarg;
        spawn_options_free(&o);
        return NULL;
    }
    int failed = o.command ? 0 : check_executable(o.file);
    if (!failed) {
        spare_bad_directory(&o);
        failed = pipes_open(&pp, port) ? 0 : errno;
        if (!failed) {
            failed = spawn_program(&o, &pp, &pid);
            if (!failed) {
                d = spawn_port_new(port, &pp, pid);
            }
            pipes_close(&pp);
        }
    }
    spawn_options_free(&o);
    if (failed) {
        *error = posix_atom(failed);
    }
    return d;
}

/* --- running -------------------------------------------------------------------------------------------------- */
static void deliver_exit_status(const SpawnPort *d)
{
    int code = WIFSIGNALED(d->status) ? SIGNALED + WTERMSIG(d->status) : WEXITSTATUS(d->status);
    HeapFrag *frag = frag_new(TUPLE_WORDS(2));
    frag->mem[0] = MAKE_HEADER(2, SUB_TUPLE);
    frag->mem[1] = A_exit_status;
    frag->mem[2] = make_small(code);
    frag->used = TUPLE_WORDS(2);
    port_deliver(d->port, make_boxed(frag->mem), frag);
}

/* Output has ended, or the program has: tells the owner when it is time. The port may be gone afterwards. */
static void spawn_progress(SpawnPort *d)
{
    Port *port = d->port;
    if (d->end_told || (port->in && !d->input_ended)) {
        return;
    }
    if (port->exit_status) {
        if (!d->exited) {
            return;
        }
        deliver_exit_status(d);
    } else if (!port->in) {
        return; /* nothing to read and nothing to tell: open until the owner closes it */
    }
    d->end_told = true;
    port_deliver_eof(port);
}

static void spawn_ready(PollSource *source, unsigned events)
{
    SpawnPort *d = (SpawnPort *)source;
    static uint8_t buf[READ_SIZE];
    (void)events;
    ssize_t n = read(source->fd, buf, sizeof buf);
    if (n > 0) {
        port_deliver_data(d->port, buf, (size_t)n);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        poll_watch(source, 0);
        d->input_ended = true;
        spawn_progress(d);
    }
}

static void spawn_unlink(SpawnPort *d)
{
    if (d->link) {
        *d->link = d->next;
        if (d->next) {
            d->next->link = d->link;
        }
        d->link = NULL;
    }
}

void spawn_children_reap(void)
{
    SpawnPort *next;
    for (SpawnPort *d = children.first; d; d = next) {
        next = d->next;
        if (waitpid(d->pid, &d->status, WNOHANG) != d->pid) {
            continue;
        }
        spawn_unlink(d);
        d->exited = true;
        if (!d->port) {
            vm_free(d);
        } else {
            spawn_progress(d);
            /* What that closed may have been the next one's port, but its SpawnPort stays until it is reaped. */
        }
    }
}

static void spawn_close(void *data)
{
    SpawnPort *d = data;
    poll_watch(&d->in, 0);
    if (d->in.fd >= 0) {
        close(d->in.fd);
    }
    if (d->out) {
        outq_close(d->out);
        d->out = NULL;
    }
    d->port = NULL;
    if (d->exited) {
        vm_free(d);
    }
}

static bool spawn_output(void *data, const uint8_t *bytes, size_t n)
{
    SpawnPort *d = data;
    return d->out && outq_write(d->out, bytes, n);
}

static size_t spawn_queued(void *data)
{
    return outq_size(((SpawnPort *)data)->out);
}

const PortDriver spawn_driver = {
    .name = "spawn",
    .open = spawn_open,
    .close = spawn_close,
    .output = spawn_output,
    .queued = spawn_queued,
};
