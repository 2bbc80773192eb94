/* SPDX-License-Identifier: Apache-2.0 */
/*
 * B=stress-alloc: each allocation fails in turn. At the allocations that LOOM_STRESS_ALLOC=FIRST:STEP:LAST selects, the
 * program forks: in the child that one fails, and the parent waits for what comes of it and goes on. Legal ends of a
 * child: the words of vm/heap/mem.c and exit status 1; where the failure can be lived with, the end that the program
 * has anyhow (status 0); or one for enomem. Anything else (a signal, a sanitizer's report, another status, no end) is
 * told with the allocation's number and back trace, and at the end the program's own status is 99.
 *
 * Right with one scheduler only: fork takes one thread along.
 */
#define _GNU_SOURCE
#include "plat/linux/stress_alloc.h"

#ifdef LOOM_STRESS_ALLOC
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILD_SECONDS = 60, STATUS_FOUND = 99, SAID = 8192 };

static struct StressAlloc {
    bool ready, busy, child;
    unsigned long count, first, step, last; /* of allocations */
    unsigned long tried, ended, survived, bad;
} stress;

static void stress_start(void)
{
    stress.ready = true;
    const char *spec = getenv("LOOM_STRESS_ALLOC");
    if (!spec || sscanf(spec, "%lu:%lu:%lu", &stress.first, &stress.step, &stress.last) != 3 || stress.step == 0) {
        stress.first = ~0ul;
    }
}

/* What the child said on standard error, and how it ended; NULL: as it should. */
static const char *verdict(int status, const char *said)
{
    if (WIFSIGNALED(status)) {
        return "ended by a signal";
    }
    if (strstr(said, "Sanitizer") || strstr(said, "runtime error")) {
        return "a sanitizer's report";
    }
    if (WEXITSTATUS(status) == 1 && strstr(said, "loom: out of memory: ")) {
        stress.ended++;
        return NULL;
    }
    if (WEXITSTATUS(status) == 0 || (WEXITSTATUS(status) == 1 && strstr(said, "enomem"))) {
        stress.survived++;
        return NULL;
    }
    return "another end";
}

static void judge(pid_t pid, int from)
{
    char said[SAID];
    size_t n = 0;
    ssize_t got;
    while (n < sizeof said - 1 && (got = read(from, said + n, sizeof said - 1 - n)) > 0) {
        n += (size_t)got;
    }
    said[n] = 0;
    close(from);
    int status = 0;
    waitpid(pid, &status, 0);
    const char *why = verdict(status, said);
    if (why) {
        void *frames[32];
        stress.bad++;
        dprintf(2, "FAIL allocation %lu: %s (wait status %d)\n%s\n", stress.count, why, status, said);
        backtrace_symbols_fd(frames, backtrace(frames, 32), 2);
    }
}

/* True in the child, whose allocation fails. */
static bool fork_one(void)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        stress.child = true;
        alarm(CHILD_SECONDS);
        return true;
    }
    close(ends[1]);
    if (pid > 0) {
        stress.tried++;
        judge(pid, ends[0]);
    }
    return false;
}

bool stress_alloc_fails(void)
{
    if (!stress.ready) {
        stress_start();
    }
    if (stress.child || stress.busy || ++stress.count < stress.first || stress.count > stress.last ||
        (stress.count - stress.first) % stress.step != 0) {
        return false;
    }
    stress.busy = true;
    bool fails = fork_one();
    stress.busy = false;
    return fails;
}

int stress_alloc_status(int status)
{
    if (stress.child || stress.first == ~0ul) {
        return status;
    }
    dprintf(2, "stress-alloc: %lu allocations, %lu failed in turn: %lu ended it, %lu did not, %lu wrong\n",
            stress.count, stress.tried, stress.ended, stress.survived, stress.bad);
    return stress.bad ? STATUS_FOUND : status;
}
#endif
