/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where crash dumps go: the file that ERL_CRASH_DUMP names, else erl_crash.dump. ERL_CRASH_DUMP_SECONDS says how long
 * writing may take (0: no dump; negative or not set: as long as it takes), ERL_CRASH_DUMP_BYTES how many bytes it may
 * have. As in OTP, a dump that takes too long is ended by SIGALRM, and one that has too many bytes says so in its end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm/bif/env.h"
#include "vm/plat.h"

enum { DUMP_MODE = 0640 };
static const char over[] = "\n=abort:CRASH DUMP SIZE LIMIT REACHED\n";

static struct CrashDump {
    int fd;
    int64_t left; /* bytes that may still be written; negative: any number */
} dump;

/* The machine's variable, which os:putenv/2 changes; NULL when it is not set. */
static const char *variable(const char *name)
{
    size_t n = strlen(name);
    const char *item;
    for (size_t i = 0; (item = env_at(i)); i++) {
        if (strncmp(item, name, n) == 0 && item[n] == '=') {
            return item + n + 1;
        }
    }
    return NULL;
}

static int64_t number(const char *name)
{
    const char *text = variable(name);
    return text ? strtoll(text, NULL, 10) : -1;
}

static bool write_whole(const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t put = write(dump.fd, bytes, n);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return false;
        }
        bytes += put;
        n -= (size_t)put;
    }
    return true;
}

static void limit_time(int64_t seconds)
{
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    signal(SIGALRM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    alarm((unsigned)seconds);
}

bool plat_dump_begin(void)
{
    static const char start[] = "\nCrash dump is being written to: ";
    const char *name = variable("ERL_CRASH_DUMP");
    int64_t seconds = number("ERL_CRASH_DUMP_SECONDS");
    dump.left = number("ERL_CRASH_DUMP_BYTES");
    name = name ? name : "erl_crash.dump";
    if (seconds == 0 || dump.left == 0) {
        return false;
    }
    plat_log(start, sizeof start - 1);
    plat_log(name, strlen(name));
    plat_log("...", 3);
    dump.fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, DUMP_MODE);
    if (dump.fd >= 0 && seconds > 0) {
        limit_time(seconds);
    }
    return dump.fd >= 0;
}

bool plat_dump_write(const char *bytes, size_t n)
{
    if (dump.left < 0) {
        return write_whole(bytes, n);
    }
    size_t room = (size_t)dump.left;
    if (n <= room) {
        dump.left -= (int64_t)n;
        return write_whole(bytes, n);
    }
    dump.left = 0;
    (void)(write_whole(bytes, room) && write_whole(over, sizeof over - 1));
    return false;
}

void plat_dump_end(bool complete)
{
    alarm(0);
    if (complete) {
        plat_log("done\n", 5);
    }
    close(dump.fd);
}
