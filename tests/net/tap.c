/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TAP device as an Erlang port of {packet, 2}: frames from standard input go to the device, frames from the device
 * to standard output. On the way it can lose, double and hold back frames: tap NAME LOSS DOUBLE REORDER SEED, in
 * permille. The device exists (ip tuntap add), so that it outlives this.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FRAME = 65536, BAD = 2, HELD_MS = 20, TRIES = 200, TRY_US = 10000 };

typedef struct Way {
    int to;
    int is_port; /* length in front */
    uint8_t held[FRAME + 2];
    size_t held_size; /* 0: none */
} Way;

static unsigned chances[3]; /* loss, double, reorder */
static uint64_t state;

static unsigned draw(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % 1000;
}

static void put(const Way *w, uint8_t *frame, size_t n)
{
    uint8_t *start = frame + 2;
    if (w->is_port) {
        frame[0] = (uint8_t)(n >> 8);
        frame[1] = (uint8_t)n;
        start = frame;
        n += 2;
    }
    while (n > 0) {
        ssize_t done = write(w->to, start, n);
        if (done <= 0) {
            if (w->is_port) {
                perror("tap: write");
                exit(0);
            }
            return; /* the device is down */
        }
        start += done;
        n -= (size_t)done;
    }
}

static void release(Way *w)
{
    if (w->held_size) {
        put(w, w->held, w->held_size);
        w->held_size = 0;
    }
}

/* frame + 2 is where the bytes start. */
static void forward(Way *w, uint8_t *frame, size_t n)
{
    if (draw() < chances[0]) {
        return;
    }
    if (!w->held_size && draw() < chances[2]) {
        memcpy(w->held, frame, n + 2);
        w->held_size = n;
        return;
    }
    put(w, frame, n);
    if (draw() < chances[1]) {
        put(w, frame, n);
    }
    release(w);
}

static int read_all(int fd, uint8_t *to, size_t n)
{
    while (n > 0) {
        ssize_t done = read(fd, to, n);
        if (done <= 0) {
            if (done < 0) {
                perror("tap: read");
            }
            return 0;
        }
        to += done;
        n -= (size_t)done;
    }
    return 1;
}

int main(int argc, char **argv)
{
    static uint8_t frame[FRAME + 2];
    static Way in, out;
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR);
    if (argc != 6 || fd < 0) {
        return BAD;
    }
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", argv[1]);
    for (int i = 0; i < 3; i++) {
        chances[i] = (unsigned)atoi(argv[2 + i]);
    }
    state = (uint64_t)atoi(argv[5]);
    int tries = 0;
    while (ioctl(fd, TUNSETIFF, &r) < 0) { /* the last one may not have ended yet */
        if (++tries == TRIES) {
            return BAD;
        }
        usleep(TRY_US);
    }
    in = (Way){.to = fd};
    out = (Way){.to = 1, .is_port = 1};
    for (;;) {
        struct pollfd p[2] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
        if (poll(p, 2, HELD_MS) == 0) {
            release(&in);
            release(&out);
        }
        if (p[0].revents) {
            if (!read_all(0, frame, 2)) {
                return 0;
            }
            size_t n = (size_t)frame[0] << 8 | frame[1];
            if (!read_all(0, frame + 2, n)) {
                return 0;
            }
            forward(&in, frame, n);
        }
        if (p[1].revents & POLLIN) {
            ssize_t n = read(fd, frame + 2, FRAME);
            if (n > 0) {
                forward(&out, frame, (size_t)n);
            }
        }
    }
}
