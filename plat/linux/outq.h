/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on their way to a descriptor. What cannot be written at once waits in memory and goes out when the descriptor
 * takes it; above OUTQ_HIGH bytes the port is busy, below OUTQ_LOW no more. A queue whose port has closed
 * lingers until it is empty.
 */
#pragma once

#include "plat/linux/linux.h"
#include "vm/proc/port.h"

enum { OUTQ_HIGH = 8192, OUTQ_LOW = 4096 };

typedef struct OutQueue {
    PollSource source; /* first: the poller hands it to us */
    Port *port;        /* NULL once closed */
    uint8_t *bytes;
    size_t start, size, capacity;
    bool close_fd;     /* close the descriptor with the queue */
    bool chunked;      /* the descriptor blocks: write only small pieces, and only when poll says so */
    bool failed;
    void (*drained)(Port *port); /* called when the queue has become empty; may be NULL */
    struct OutQueue *next, **link; /* list of all */
} OutQueue;

/* The queue owns fd when close_fd. */
OutQueue *outq_new(Port *port, int fd, bool close_fd);
/* False when nobody reads any more (EPIPE and the like). */
bool outq_write(OutQueue *q, const uint8_t *bytes, size_t n);
/* Takes q: frees it now or when it has been written out. */
void outq_close(OutQueue *q);
/* Frees it now, whatever it holds. */
void outq_discard(OutQueue *q);
static inline size_t outq_size(const OutQueue *q) { return q ? q->size : 0; }
