/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic execution: `loom --deterministic SEED`. One scheduler; everything that may differ from run to run
 * comes from here.
 *
 * Time is a number that grows by what the program does: REDUCTION_NS for each reduction, READ_NS for each look at a
 * clock; when nothing can run it jumps to the next timer. The wall clock begins within a day of EPOCH_S, the seed says
 * when: programs make seeds of their own from it. Random bytes come from the seed. So two runs of the same program
 * take the same steps, on any machine, as long as nothing outside answers them: descriptors other than the standard
 * three are waited for in real time, and what comes through them is not repeated.
 *
 * `--schedule FILE` writes one line a slice: process, reductions, how it ended (y yielded, w waits, x exited), time in
 * ns.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plat/linux/linux.h"
#include "vm/proc/sched.h"
#include "vm/term/term.h"

enum { REDUCTION_NS = 20, READ_NS = 100 };
#define EPOCH_S INT64_C(1577836800) /* 2020-01-01T00:00:00Z */
#define NS_PER_S INT64_C(1000000000)
#define DAY_NS (UINT64_C(86400) * 1000000000)

static struct Determined {
    bool on;
    int64_t now_ns, wall_start_ns;
    uint64_t random;
    FILE *schedule;
} determined;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "loom: %s: %s\n", what, why);
    exit(1);
}

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t random_next(void)
{
    uint64_t z = determined.random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void determined_begin(const char *seed)
{
    char *end;
    errno = 0;
    determined.random = strtoull(seed, &end, 0);
    if (end == seed || *end || errno) {
        fail("--deterministic", "needs a number below 2^64 to begin from");
    }
    determined.on = true;
    determined.wall_start_ns = EPOCH_S * NS_PER_S + (int64_t)(random_next() % DAY_NS);
}

bool determined_is_on(void)
{
    return determined.on;
}

void determined_schedule_to(const char *file)
{
    determined.schedule = fopen(file, "w");
    if (!determined.schedule) {
        fail(file, strerror(errno));
    }
}

int64_t determined_now_ns(void)
{
    return determined.now_ns += READ_NS;
}

int64_t determined_wall_ns(void)
{
    return determined.wall_start_ns + determined_now_ns();
}

void determined_pass(int64_t ns)
{
    determined.now_ns += ns;
}

void determined_random(uint8_t *bytes, size_t n)
{
    while (n > 0) {
        uint64_t word = random_next();
        size_t part = n < sizeof word ? n : sizeof word;
        memcpy(bytes, &word, part);
        bytes += part;
        n -= part;
    }
}

void determined_slice(const Proc *p, uint64_t reductions, int result)
{
    if (determined.on) {
        determined.now_ns += (int64_t)reductions * REDUCTION_NS;
    }
    if (determined.schedule) {
        fprintf(determined.schedule, "<0.%lu.%lu> %lu %c %ld\n", (unsigned long)pid_number(p->id),
                (unsigned long)pid_serial(p->id), (unsigned long)reductions,
                result == RUN_YIELDED ? 'y' : result == RUN_WAITING ? 'w' : 'x',
                determined.on ? (long)determined.now_ns : 0L);
    }
}
