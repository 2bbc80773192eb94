/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix signals. A handler sets a bit and wakes scheduler 0; everything else happens in signals_dispatch, between two
 * processes' slices. SIGTERM, SIGQUIT and SIGUSR1 (and those that os:set_signal/2 asks for) go to the process
 * `erl_signal_server` as {notify, Name}, as OTP does. SIGINT opens the break menu.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "gen/natives_linux.h"
#include "plat/linux/linux.h"
#include "vm/proc/msg.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"
#include "vm/term/atom.h"

static struct Signals {
    volatile uint64_t arrived; /* atomic: bit per signal number */
    BreakMode mode;
} signals;

static const struct {
    int number;
    const char *name;
    bool by_default; /* handled without being asked for */
} known[] = {
    {SIGHUP, "sighup", false},   {SIGQUIT, "sigquit", true}, {SIGABRT, "sigabrt", false}, {SIGALRM, "sigalrm", false},
    {SIGTERM, "sigterm", true},  {SIGUSR1, "sigusr1", true}, {SIGUSR2, "sigusr2", false}, {SIGCHLD, "sigchld", false},
    {SIGSTOP, "sigstop", false}, {SIGTSTP, "sigtstp", false},
};
enum { KNOWN_COUNT = sizeof known / sizeof *known };

static void note_signal(int number)
{
    int saved = errno;
    __atomic_or_fetch(&signals.arrived, UINT64_C(1) << number, __ATOMIC_SEQ_CST);
    plat_wake(NULL);
    errno = saved;
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigfillset(&sa.sa_mask);
    sigaction(number, &sa, NULL);
}

void signals_init(BreakMode mode)
{
    signals.mode = mode;
    handle(SIGPIPE, SIG_IGN);
    handle(SIGCHLD, note_signal);
    handle(SIGWINCH, note_signal);
    handle(SIGCONT, note_signal);
    handle(SIGINT, mode == BREAK_IGNORE ? SIG_IGN : note_signal);
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (known[i].by_default) {
            handle(known[i].number, note_signal);
        }
    }
}

bool signals_pending(void)
{
    return __atomic_load_n(&signals.arrived, __ATOMIC_SEQ_CST) != 0;
}

/* {notify, Name} to erl_signal_server. Before it is there, a signal does what it does to any program. */
static void notify(int number, const char *name)
{
    Term server = registry_find(A_erl_signal_server);
    if (!server || !is_local_pid(server)) {
        tty_restore();
        handle(number, SIG_DFL);
        raise(number);
        return;
    }
    HeapFrag *frag = frag_new(TUPLE_WORDS(2));
    frag->mem[0] = MAKE_HEADER(2, SUB_TUPLE);
    frag->mem[1] = A_notify;
    frag->mem[2] = atom_put_cstr(name);
    frag->used = TUPLE_WORDS(2);
    msg_send_frag(server, make_boxed(frag->mem), frag);
}

/* --- the break menu --------------------------------------------------------------------------------------- */
static void menu_show(void)
{
    static const char text[] = "\nBREAK: (a)bort (c)ontinue (v)ersion\n";
    plat_log(text, sizeof text - 1);
}

/* Reads answers from the terminal itself, with the terminal as it was before us. */
static void break_menu(void)
{
    struct termios raw;
    bool tty = isatty(0) && tcgetattr(0, &raw) == 0;
    char c;
    tty_restore();
    menu_show();
    for (;;) {
        ssize_t n = read(0, &c, 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0 || c == 'a' || c == 'A') {
            linux_flush_ports();
            _exit(0);
        }
        if (c == 'c') {
            break;
        }
        if (c == 'v') {
            static const char version[] = "loom " LOOM_VERSION " (OTP 25)\n";
            plat_log(version, sizeof version - 1);
        }
        if (c == '\n') {
            menu_show();
        }
    }
    if (tty) {
        tcsetattr(0, TCSANOW, &raw);
    }
}

static void interrupt(void)
{
    switch (signals.mode) {
    case BREAK_MENU:
        break_menu();
        return;
    case BREAK_EXIT:
        linux_flush_ports();
        tty_restore();
        _exit(0);
    case BREAK_SHELL:
        tty_interrupt();
        return;
    case BREAK_IGNORE:
        return;
    }
}

void signals_dispatch(void)
{
    if (!signals_pending()) {
        return;
    }
    uint64_t arrived = __atomic_exchange_n(&signals.arrived, 0, __ATOMIC_SEQ_CST);
    if (arrived >> SIGCHLD & 1) {
        spawn_children_reap();
    }
    if (arrived >> SIGWINCH & 1 || arrived >> SIGCONT & 1) {
        tty_window_changed();
    }
    if (arrived >> SIGINT & 1) {
        interrupt();
    }
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (known[i].number != SIGCHLD && arrived >> known[i].number & 1) {
            notify(known[i].number, known[i].name);
        }
    }
}

/* --- os:set_signal/2 --------------------------------------------------------------------------------------- */
NATIVE(native_os_set_signal)
{
    size_t n;
    if (!is_atom(a[0]) || !is_atom(a[1])) {
        return p_badarg(p);
    }
    const char *name = (const char *)atom_text(a[0], &n);
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        int number = known[i].number;
        if (strcmp(name, known[i].name) != 0) {
            continue;
        }
        if (a[1] == A_ignore) {
            handle(number, number == SIGCHLD ? note_signal : SIG_IGN);
        } else if (a[1] == A_default) {
            handle(number, number == SIGCHLD ? note_signal : SIG_DFL);
        } else if (a[1] == A_handle) {
            handle(number, note_signal);
        } else {
            return p_badarg(p);
        }
        return A_ok;
    }
    return p_badarg(p);
}
