/* SPDX-License-Identifier: Apache-2.0 */
/*
 * {fd, In, Out}: open descriptors as a port; `user` reads {fd, 0, 1}, standard_error writes {fd, 2, 2}. The
 * descriptors stay open when the port closes: they are not ours. And open_port/2 with the name of a
 * file, which OTP calls vanilla and does not document: the file is opened, made or emptied when it is
 * written, and closed with the port.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "plat/linux/drivers.h"
#include "plat/linux/outq.h"

enum { READ_SIZE = 64 * 1024, CTRL_GET_WINSIZE = 100 + 0x018b0900 };

typedef struct FdPort {
    PollSource in; /* first */
    Port *port;
    OutQueue *out;
    int owned; /* descriptor to close with the port; -1: none */
} FdPort;

static void fd_ready(PollSource *source, unsigned events)
{
    FdPort *d = (FdPort *)source;
    static uint8_t buf[READ_SIZE]; /* used and left within this call, on scheduler 0 */
    (void)events;
    ssize_t n = read(source->fd, buf, sizeof buf);
    if (n > 0) {
        port_deliver_data(d->port, buf, (size_t)n);
    } else if (n == 0) {
        poll_watch(source, 0);
        port_deliver_eof(d->port);
    } else if (errno != EINTR && errno != EAGAIN) {
        poll_watch(source, 0);
        if (errno == EIO) {
            port_deliver_eof(d->port); /* the terminal has gone */
        } else {
            port_terminate(d->port, posix_atom(errno));
        }
    }
}

static FdPort *fd_port(Port *port, int in, int out)
{
    FdPort *d = vm_calloc(sizeof *d);
    d->port = port;
    d->owned = -1;
    d->in = (PollSource){.fd = in, .ready = fd_ready};
    if (port->out) {
        d->out = outq_new(port, out, false);
    }
    if (port->in) {
        poll_watch(&d->in, WATCH_IN);
    }
    return d;
}

static void *vanilla_open(Port *port, Term name, Term options, Term *error)
{
    int flags = O_CLOEXEC | (!port->out ? O_RDONLY : port->in ? O_RDWR | O_CREAT : O_WRONLY | O_CREAT | O_TRUNC);
    (void)name;
    (void)options;
    int fd = open(port->label, flags, 0666);
    if (fd < 0) {
        *error = A_einval;
        return NULL;
    }
    FdPort *d = fd_port(port, fd, fd);
    d->owned = fd;
    return d;
}

static void *fd_open(Port *port, Term name, Term options, Term *error)
{
    int in = (int)small_value(tuple_elements(name)[1]), out = (int)small_value(tuple_elements(name)[2]);
    (void)options;
    if ((port->in && fcntl(in, F_GETFD) < 0) || (port->out && fcntl(out, F_GETFD) < 0)) {
        *error = A_einval;
        return NULL;
    }
    return fd_port(port, in, out);
}

static void fd_close(void *data)
{
    FdPort *d = data;
    poll_watch(&d->in, 0);
    if (d->out) {
        outq_close(d->out);
    }
    if (d->owned >= 0) {
        close(d->owned);
    }
    vm_free(d);
}

static bool fd_output(void *data, const uint8_t *bytes, size_t n)
{
    FdPort *d = data;
    return d->out && outq_write(d->out, bytes, n);
}

static size_t fd_queued(void *data)
{
    return outq_size(((FdPort *)data)->out);
}

/* Window size: two native 32-bit integers, columns and rows, as a list of bytes. */
static Term fd_control(Proc *caller, void *data, unsigned command, const uint8_t *bytes, size_t n)
{
    FdPort *d = data;
    struct winsize size;
    (void)bytes;
    (void)n;
    int fd = d->out ? d->out->source.fd : d->in.fd;
    if (command != CTRL_GET_WINSIZE || ioctl(fd, TIOCGWINSZ, &size) < 0) {
        return NONVALUE;
    }
    uint32_t answer[2] = {size.ws_col, size.ws_row};
    return heap_string(caller, (const uint8_t *)answer, sizeof answer);
}

const PortDriver fd_driver = {
    .name = "fd",
    .open = fd_open,
    .close = fd_close,
    .output = fd_output,
    .control = fd_control,
    .queued = fd_queued,
};

const PortDriver vanilla_driver = {
    .name = "vanilla",
    .open = vanilla_open,
    .close = fd_close,
    .output = fd_output,
    .queued = fd_queued,
};
