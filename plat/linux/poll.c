/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * Waiting: one epoll set for all descriptors. Scheduler 0 looks into it; any other scheduler waits on a
 * wake descriptor of its own. Plain files and /dev/null cannot be in an epoll set and never block, so they
 * stand in a list of sources that are always ready.
 *
 * Levels, not edges: a source that wants input is reported until it is read or stops wanting.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "plat/linux/linux.h"
#include "vm/proc/port.h"
#include "vm/proc/safe.h"

enum { EVENTS_AT_ONCE = 64, MAX_SCHEDS = 1024 };
enum { NS_PER_MS = 1000000 };

static struct Poller {
    int epoll;
    size_t foreign; /* sources in the epoll set that are not standard input or output */
    PollSource *always;
    PollSource **by_fd; /* whose a descriptor in the set is */
    size_t fd_count;
    /* The batch being handled: a source that leaves the set must also leave it. */
    struct epoll_event batch[EVENTS_AT_ONCE];
    int batch_at, batch_count;
    struct Waker {
        int fd;
        uint32_t asked;  /* atomic: a wake is on its way and not yet seen */
        uint32_t armed;  /* fd exists */
    } wakers[MAX_SCHEDS];
} poller = {.epoll = -1};

void poll_arm_waker(unsigned index)
{
    struct Waker *w = &poller.wakers[index];
    w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->fd < 0) {
        vm_panic("eventfd: %d", errno);
    }
    if (index == 0) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
        epoll_ctl(poller.epoll, EPOLL_CTL_ADD, w->fd, &ev);
    }
    __atomic_store_n(&w->armed, 1, __ATOMIC_RELEASE);
}

void poll_init(void)
{
    poller.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poller.epoll < 0) {
        vm_panic("epoll_create1: %d", errno);
    }
    poll_arm_waker(0);
}

static uint32_t epoll_bits(unsigned want)
{
    return ((want & WATCH_IN) ? (uint32_t)EPOLLIN : 0) | ((want & WATCH_OUT) ? (uint32_t)EPOLLOUT : 0);
}

static void always_remove(PollSource *source)
{
    for (PollSource **at = &poller.always; *at; at = &(*at)->next_always) {
        if (*at == source) {
            *at = source->next_always;
            return;
        }
    }
}

static PollSource **source_of(int fd)
{
    if ((size_t)fd >= poller.fd_count) {
        size_t count = (size_t)fd * 2 + 64;
        poller.by_fd = vm_realloc(poller.by_fd, count * sizeof *poller.by_fd);
        memset(poller.by_fd + poller.fd_count, 0, (count - poller.fd_count) * sizeof *poller.by_fd);
        poller.fd_count = count;
    }
    return &poller.by_fd[fd];
}

static void batch_forget(const PollSource *source)
{
    for (int i = poller.batch_at; i < poller.batch_count; i++) {
        if (poller.batch[i].data.ptr == source) {
            poller.batch[i].events = 0;
        }
    }
}

/* A descriptor can be in the set once. A second source for it, a port opened on another port's descriptor, takes
 * over. */
static void take_over(PollSource *old)
{
    old->armed = 0;
    old->want = 0;
    batch_forget(old);
}

/* Makes the kernel's idea of a source that can be in the set equal to `bits`. False: it cannot be. */
static bool poll_arm(PollSource *source, unsigned bits)
{
    struct epoll_event ev = {.events = epoll_bits(bits), .data.ptr = source};
    if (source->armed == bits) {
        return true;
    }
    PollSource **whose = source_of(source->fd);
    if (!bits) {
        epoll_ctl(poller.epoll, EPOLL_CTL_DEL, source->fd, &ev);
        *whose = NULL;
        poller.foreign -= source->fd > STDERR_FILENO;
    } else if (source->armed) {
        epoll_ctl(poller.epoll, EPOLL_CTL_MOD, source->fd, &ev);
    } else if (*whose && source->takes_over && epoll_ctl(poller.epoll, EPOLL_CTL_MOD, source->fd, &ev) == 0) {
        take_over(*whose);
        *whose = source;
    } else if (epoll_ctl(poller.epoll, EPOLL_CTL_ADD, source->fd, &ev) == 0) {
        *whose = source;
        poller.foreign += source->fd > STDERR_FILENO;
    } else {
        return false;
    }
    source->armed = bits;
    return true;
}

void poll_watch(PollSource *source, unsigned want)
{
    if (source->always) {
        if (!want) {
            always_remove(source);
            source->always = false;
        }
    } else if (!poll_arm(source, want)) {
        source->always = true;
        source->next_always = poller.always;
        __atomic_store_n(&poller.always, source, __ATOMIC_RELAXED); /* plat_poll looks before it has the lock */
    }
    if (!want) {
        batch_forget(source);
    }
    source->want = want;
}

void poll_want(PollSource *source, unsigned want)
{
    if (source->always || (want & ~source->armed)) {
        poll_watch(source, want);
    } else {
        source->want = want;
    }
}

bool poll_one(int fd, unsigned want, int timeout_ms)
{
    struct pollfd p = {.fd = fd};
    p.events = (short)(((want & WATCH_IN) ? POLLIN : 0) | ((want & WATCH_OUT) ? POLLOUT : 0));
    int n;
    do {
        n = poll(&p, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* The order matters. Emptied first: a wake before the request is cleared finds it set and writes nothing, but what it
 * is for was queued before it, and is found by whoever calls this. The other way round the read could swallow a later
 * wake's count and leave the request set: nobody would ever write again. */
static void waker_clear(struct Waker *w)
{
    uint64_t count;
    ssize_t n = read(w->fd, &count, sizeof count);
    (void)n; /* EAGAIN: there is nothing to empty */
    __atomic_store_n(&w->asked, 0, __ATOMIC_SEQ_CST);
}

static void batch_run(void)
{
    while (poller.batch_at < poller.batch_count) {
        struct epoll_event *ev = &poller.batch[poller.batch_at++];
        PollSource *source = ev->data.ptr;
        if (!source) {
            waker_clear(&poller.wakers[0]);
        } else if (ev->events) {
            unsigned events = 0;
            if (ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                events |= WATCH_IN;
            }
            if (ev->events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
                events |= WATCH_OUT;
            }
            if (events & source->want) {
                source->ready(source, events & source->want);
            } else {
                poll_arm(source, source->want); /* poll_want left it in */
            }
        }
    }
    poller.batch_count = poller.batch_at = 0;
}

static void always_run(void)
{
    /* A ready function may take any source out: begin again at the first after each call, bounded by the count. */
    size_t limit = 0;
    for (PollSource *s = poller.always; s; s = s->next_always) {
        limit++;
    }
    PollSource *s = poller.always;
    while (s && limit-- > 0) {
        PollSource *next = s->next_always;
        s->ready(s, s->want);
        bool still = false;
        for (PollSource *at = poller.always; at && next; at = at->next_always) {
            still |= at == next;
        }
        s = still ? next : NULL;
    }
}

/* A scheduler other than 0 only waits to be woken. */
static void wait_for_wake(unsigned index, int timeout_ms)
{
    struct Waker *w = &poller.wakers[index];
    safe_sleep(sched_get(index));
    bool woken = poll_one(w->fd, WATCH_IN, timeout_ms);
    safe_awake(sched_get(index));
    if (woken) {
        waker_clear(w);
    }
}

/* To know would take a system call. */
bool plat_is_pending(void) { return false; }

void plat_poll(Sched *s, int64_t timeout_ns)
{
    int64_t ms = timeout_ns < 0 ? -1 : (timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
    if (ms > INT_MAX) {
        ms = INT_MAX;
    }
    if (s->index != 0) {
        wait_for_wake(s->index, (int)ms);
        return;
    }
    if (signals_pending() || __atomic_load_n(&poller.always, __ATOMIC_RELAXED)) {
        ms = 0;
    }
    if (ms > 0 && determined_is_on() && poller.foreign == 0) {
        determined_pass(timeout_ns);
        ms = 0;
    }
    if (ms) {
        /* What has happened is asked again under the lock: until then another scheduler may close what it happened
         * to. */
        struct epoll_event first;
        safe_sleep(s);
        if (epoll_wait(poller.epoll, &first, 1, (int)ms) == 0 && determined_is_on()) {
            determined_pass(timeout_ns);
        }
        safe_awake(s);
    }
    ports_lock();
    int n = epoll_wait(poller.epoll, poller.batch, EVENTS_AT_ONCE, 0);
    poller.batch_at = 0;
    poller.batch_count = n < 0 ? 0 : n;
    batch_run();
    if (poller.always) {
        always_run();
    }
    ports_unlock();
    signals_dispatch();
}

void plat_wake(Sched *s)
{
    struct Waker *w = &poller.wakers[s ? s->index : 0];
    if (!__atomic_load_n(&w->armed, __ATOMIC_ACQUIRE) ||
        __atomic_exchange_n(&w->asked, 1, __ATOMIC_SEQ_CST)) {
        return;
    }
    uint64_t one = 1;
    if (write(w->fd, &one, sizeof one) < 0) {
        return; /* EAGAIN: the counter is full, so it is readable anyway */
    }
}
