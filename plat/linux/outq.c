/* SPDX-License-Identifier: Apache-2.0 */
/* See outq.h. */
#define _GNU_SOURCE
#include "plat/linux/outq.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct OutQueues {
    OutQueue *first;
} queues;

static void outq_ready(PollSource *source, unsigned events);

/* Whether writing to fd may block. Terminals and pipes are opened anew without blocking where possible: the flag
 * belongs to the open file, which we share with the shell that started us. */
static int unblocked(int fd, bool *chunked, bool *opened)
{
    struct stat st;
    char path[32];
    int flags = fcntl(fd, F_GETFL);
    *chunked = *opened = false;
    if (flags < 0 || (flags & O_NONBLOCK) || fstat(fd, &st) < 0 || S_ISREG(st.st_mode)) {
        return fd;
    }
    if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (own >= 0) {
            *opened = true;
            return own;
        }
    }
    *chunked = true;
    return fd;
}

OutQueue *outq_new(Port *port, int fd, bool close_fd)
{
    OutQueue *q = vm_calloc(sizeof *q);
    bool opened = false;
    int use = close_fd ? fd : unblocked(fd, &q->chunked, &opened);
    q->source = (PollSource){.fd = use, .ready = outq_ready};
    q->port = port;
    q->close_fd = close_fd || opened;
    q->next = queues.first;
    q->link = &queues.first;
    if (q->next) {
        q->next->link = &q->next;
    }
    queues.first = q;
    return q;
}

void outq_discard(OutQueue *q)
{
    poll_watch(&q->source, 0);
    *q->link = q->next;
    if (q->next) {
        q->next->link = q->link;
    }
    if (q->close_fd) {
        close(q->source.fd);
    }
    vm_free(q->bytes);
    vm_free(q);
}

void outq_close(OutQueue *q)
{
    q->port = NULL;
    q->drained = NULL;
    if (q->size == 0 || q->failed) {
        outq_discard(q);
    }
}

/* Writes what the descriptor takes of n bytes. -1: it is broken. */
static ssize_t write_some(const OutQueue *q, const uint8_t *bytes, size_t n)
{
    size_t done = 0;
    while (done < n) {
        size_t piece = n - done;
        if (q->chunked) {
            piece = piece < PIPE_BUF ? piece : PIPE_BUF;
            if (!poll_one(q->source.fd, WATCH_OUT, 0)) {
                break;
            }
        }
        ssize_t put = write(q->source.fd, bytes + done, piece);
        if (put < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                break;
            }
            return -1;
        }
        done += (size_t)put;
    }
    return (ssize_t)done;
}

static void outq_add(OutQueue *q, const uint8_t *bytes, size_t n)
{
    if (q->start + q->size + n > q->capacity) {
        memmove(q->bytes, q->bytes + q->start, q->size);
        q->start = 0;
        if (q->size + n > q->capacity) {
            q->capacity = (q->size + n) * 2;
            q->bytes = vm_realloc(q->bytes, q->capacity);
        }
    }
    memcpy(q->bytes + q->start + q->size, bytes, n);
    q->size += n;
}

bool outq_write(OutQueue *q, const uint8_t *bytes, size_t n)
{
    if (q->failed) {
        return false;
    }
    if (q->size == 0) {
        ssize_t put = write_some(q, bytes, n);
        if (put < 0) {
            q->failed = true;
            return false;
        }
        bytes += put;
        n -= (size_t)put;
        if (n == 0) {
            return true;
        }
    }
    outq_add(q, bytes, n);
    poll_watch(&q->source, WATCH_OUT);
    if (q->size >= OUTQ_HIGH && q->port && !q->port->busy) {
        port_set_busy(q->port, true);
    }
    return true;
}

static void outq_ready(PollSource *source, unsigned events)
{
    OutQueue *q = (OutQueue *)source;
    Port *port = q->port;
    (void)events;
    ssize_t put = write_some(q, q->bytes + q->start, q->size);
    if (put < 0) {
        q->failed = true;
        poll_watch(source, 0);
        if (port) {
            port_terminate(port, A_epipe); /* frees q through the driver's close */
        } else {
            outq_discard(q);
        }
        return;
    }
    q->start += (size_t)put;
    q->size -= (size_t)put;
    if (q->size == 0) {
        q->start = 0;
        poll_watch(source, 0);
        if (!port) {
            outq_discard(q);
            return;
        }
        if (q->drained) {
            q->drained(port);
        }
    }
    if (port->busy && q->size < OUTQ_LOW) {
        port_set_busy(port, false);
    }
}

void linux_flush_ports(void)
{
    for (OutQueue *q = queues.first; q; q = q->next) {
        while (q->size > 0 && !q->failed) {
            ssize_t put = write_some(q, q->bytes + q->start, q->size);
            if (put < 0) {
                q->failed = true;
                break;
            }
            q->start += (size_t)put;
            q->size -= (size_t)put;
            if (q->size > 0) {
                poll_one(q->source.fd, WATCH_OUT, -1);
            }
        }
    }
}
