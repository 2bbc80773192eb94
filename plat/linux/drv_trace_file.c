/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace_file_drv: the tracer that dbg:trace_port(file, ...) and fprof open. What is sent to the port is appended to a
 * file, each packet as a byte 0, its size (32 bits, big endian) and its bytes. The command line:
 *
 *     trace_file_drv [w Size Count Milliseconds Index] n Name
 *
 * With `w` the log wraps: files are named by putting a number at Index into Name, 0 to Count and around again; a new
 * one begins when this one has Size bytes, or after so many milliseconds when that is not 0, and then the oldest goes
 * once there are Count. port_control(Port, $f, "") writes out what is buffered.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "plat/linux/drivers.h"
#include "plat/linux/linux.h"

enum { BUFFER_SIZE = 128 * 1024, HEAD_SIZE = 5, CONTROL_FLUSH = 'f' };

typedef struct TraceFile {
    PollSource timer; /* first; fd -1: none */
    Port *port;
    int fd;
    char *name;       /* of a wrapping log: without its number */
    bool wraps;
    unsigned size, count, index;
    unsigned now, oldest, left; /* numbers of files; how many may still be made before one goes */
    size_t written;             /* to this file, with what is buffered */
    size_t used;
    uint8_t buffer[BUFFER_SIZE];
} TraceFile;

/* --- files ------------------------------------------------------------------------------------------------- */
static char *file_name(const TraceFile *t, unsigned number)
{
    size_t n = strlen(t->name) + 16;
    char *name = vm_alloc(n);
    if (t->wraps) {
        snprintf(name, n, "%.*s%u%s", (int)t->index, t->name, number, t->name + t->index);
    } else {
        snprintf(name, n, "%s", t->name);
    }
    return name;
}

static bool file_open(TraceFile *t)
{
    char *name = file_name(t, t->now);
    do {
        t->fd = open(name, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0666);
    } while (t->fd < 0 && errno == EINTR);
    vm_free(name);
    t->written = 0;
    return t->fd >= 0;
}

static bool file_write(TraceFile *t, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(t->fd, bytes, n);
        if (done < 0 && errno != EINTR) {
            return false;
        }
        bytes += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return true;
}

static bool file_flush(TraceFile *t)
{
    size_t n = t->used;
    t->used = 0;
    return t->fd >= 0 && file_write(t, t->buffer, n);
}

static bool file_append(TraceFile *t, const uint8_t *bytes, size_t n)
{
    t->written += n;
    if (t->used + n > BUFFER_SIZE && !file_flush(t)) {
        return false;
    }
    if (n > BUFFER_SIZE) {
        return file_write(t, bytes, n);
    }
    memcpy(t->buffer + t->used, bytes, n);
    t->used += n;
    return true;
}

static bool file_next(TraceFile *t)
{
    bool ok = file_flush(t);
    close(t->fd);
    t->left -= t->left > 0;
    if (t->left == 0) {
        char *name = file_name(t, t->oldest);
        unlink(name);
        vm_free(name);
        t->oldest = t->oldest == t->count ? 0 : t->oldest + 1;
    }
    t->now = t->now == t->count ? 0 : t->now + 1;
    return file_open(t) && ok;
}

static void timer_ready(PollSource *source, unsigned events)
{
    TraceFile *t = (TraceFile *)source;
    uint64_t times;
    (void)events;
    if (read(source->fd, &times, sizeof times) == sizeof times && !file_next(t)) {
        port_terminate(t->port, posix_atom(errno));
    }
}

/* --- the port ------------------------------------------------------------------------------------------------- */
/* Reads the options in front of the name. False: they are none. */
static bool options_parse(TraceFile *t, const char *command, unsigned *ms)
{
    int at = 0;
    *ms = 0;
    (void)sscanf(command, "trace_file_drv %n", &at);
    if (sscanf(command + at, "w %u %u %u %u %n", &t->size, &t->count, ms, &t->index, &at) == 4) {
        const char *rest = strstr(command, " n ");
        t->wraps = true;
        command = rest ? rest + 1 : "";
    } else {
        command += at;
    }
    if (strncmp(command, "n ", 2) != 0) {
        return false;
    }
    t->name = strdup(command + 2);
    t->left = t->count;
    return t->name && t->name[0] && (!t->wraps || t->index <= strlen(t->name));
}

static void trace_free(TraceFile *t)
{
    if (t->timer.fd >= 0) {
        poll_watch(&t->timer, 0);
        close(t->timer.fd);
    }
    free(t->name);
    vm_free(t);
}

static bool timer_start(TraceFile *t, unsigned ms)
{
    struct itimerspec spec = {.it_interval = {ms / 1000, (long)(ms % 1000) * 1000000}};
    spec.it_value = spec.it_interval;
    t->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (t->timer.fd < 0 || timerfd_settime(t->timer.fd, 0, &spec, NULL) < 0) {
        return false;
    }
    poll_watch(&t->timer, WATCH_IN);
    return true;
}

static void *trace_open(Port *port, Term name, Term options, Term *error)
{
    TraceFile *t = vm_calloc(sizeof *t);
    unsigned ms;
    (void)name;
    (void)options;
    t->port = port;
    t->timer = (PollSource){.fd = -1, .ready = timer_ready};
    if (!options_parse(t, port->label, &ms)) {
        trace_free(t);
        *error = A_badarg;
        return NULL;
    }
    if (!file_open(t) || (ms > 0 && !timer_start(t, ms))) {
        *error = posix_atom(errno);
        trace_free(t);
        return NULL;
    }
    return t;
}

static void trace_close(void *data)
{
    TraceFile *t = data;
    file_flush(t);
    if (t->fd >= 0) {
        close(t->fd);
    }
    trace_free(t);
}

static bool trace_output(void *data, const uint8_t *bytes, size_t n)
{
    TraceFile *t = data;
    const uint8_t head[HEAD_SIZE] = {0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    if (!file_append(t, head, sizeof head) || !file_append(t, bytes, n)) {
        return false;
    }
    bool full = t->wraps && t->timer.fd < 0 && t->written >= t->size;
    return !full || file_next(t);
}

/* Answers are a byte 0, or a byte 1 and the name of an error. */
static Term trace_control(Proc *caller, void *data, unsigned command, const uint8_t *bytes, size_t n)
{
    uint8_t answer[64] = {0};
    (void)bytes;
    (void)n;
    if (command != CONTROL_FLUSH) {
        return NONVALUE;
    }
    if (file_flush(data)) {
        return heap_string(caller, answer, 1);
    }
    size_t size;
    const uint8_t *text = atom_text(posix_atom(errno), &size);
    answer[0] = 1;
    memcpy(answer + 1, text, size < sizeof answer - 1 ? size : sizeof answer - 1);
    return heap_string(caller, answer, 1 + size);
}

const PortDriver trace_file_driver = {
    .name = "trace_file_drv",
    .open = trace_open,
    .close = trace_close,
    .output = trace_output,
    .control = trace_control,
};
