/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the Linux platform share. All event sources are descriptors in one epoll set that
 * scheduler 0 polls; signals only set a bit and write the wake descriptor. Nothing here is seen by vm/.
 */
#pragma once

#include "vm/plat.h"
#include "vm/proc/proc.h"
#include "vm/vm.h"

/* --- event sources (poll.c) -------------------------------------------------------------------- */
#define LOOM_VERSION "0.1.0"
enum { WATCH_IN = 1, WATCH_OUT = 2 };
typedef struct PollSource PollSource;
struct PollSource {
    int fd;          /* -1: unused */
    unsigned want;   /* WATCH_ bits now watched */
    unsigned armed;  /* those the kernel knows, 0: not in the set; more than wanted after poll_want */
    bool takes_over; /* when another source has the same descriptor in the set, that one leaves it */
    bool always;     /* epoll cannot watch it (plain file, /dev/null): it is always ready */
    void (*ready)(PollSource *source, unsigned events); /* errors and hang-ups come as what is wanted */
    PollSource *next_always;
};
/* What plat_wake() of that scheduler writes to. */
void poll_arm_waker(unsigned index);
void poll_init(void);
/* Changes what is watched; want 0 takes the source out (then it may be freed, even inside a ready function). */
void poll_watch(PollSource *source, unsigned want);
/* The same for sources that change their mind all the time: what is no longer wanted is taken out only when it
 * happens. Use poll_watch before freeing. */
void poll_want(PollSource *source, unsigned want);
/* Waits for one descriptor outside the loop (flush at exit). Milliseconds, -1 for ever. True when ready. */
bool poll_one(int fd, unsigned want, int timeout_ms);

/* --- signals (signals.c) ------------------------------------------------------------------------ */
typedef enum { BREAK_MENU, BREAK_SHELL, BREAK_EXIT, BREAK_IGNORE } BreakMode; /* +B, +Bc, +Bd, +Bi */
void signals_init(BreakMode mode);
void signals_dispatch(void); /* acts on the signals that arrived; called by plat_poll */
bool signals_pending(void);
/* A child ended: called from signals_dispatch (drv_spawn.c). */
void spawn_children_reap(void);
/* The terminal changed its size (drv_tty.c). */
void tty_window_changed(void);
/* As if ^C had been typed: user_drv interrupts the current shell. */
void tty_interrupt(void);

/* --- deterministic execution (determined.c) ------------------------------------------------------- */
void determined_begin(const char *seed); /* --deterministic SEED; ends the program when it is no number */
void determined_schedule_to(const char *file); /* --schedule FILE */
bool determined_is_on(void);
int64_t determined_now_ns(void);
int64_t determined_wall_ns(void);
void determined_random(uint8_t *bytes, size_t n);
void determined_pass(int64_t ns); /* nothing can run for so long */
/* VmConfig.on_slice */
void determined_slice(const Proc *p, uint64_t reductions, int result);

/* --- ends of the program -------------------------------------------------------------------------- */
/* Writes out what ports hold, waiting as long as their readers need. */
void linux_flush_ports(void);
/* Gives the terminal back as it was found. Async-signal-safe. */
void tty_restore(void);

/* --- start-up (args.c, main.c) ------------------------------------------------------------------- */
typedef struct StringList {
    const char **items;
    size_t count, capacity;
} StringList;
void string_list_add(StringList *list, const char *item);

/* `loom --elixir argv...` (elixir.c); self is the program's own absolute name. */
_Noreturn void elixir_main(char **argv, const char *self);

typedef struct StartOptions {
    StringList init_args;    /* what init gets, from "-root" on */
    char *root;              /* OTP's directory */
    char *erts_dir;          /* ROOT/erts-V or ROOT/lib/erts-V: where the preloaded modules' ebin is */
    char *bindir;
    const char *progname;
    bool detached;
    BreakMode break_mode;
    size_t max_processes, max_ports, max_atoms;
    unsigned schedulers, schedulers_online, async_threads;
    bool printable_unicode;
    char warning_map;
} StartOptions;
/* Parses erl's command line, ERL_FLAGS and relatives. Ends the program after a message when it is wrong. */
void args_parse(int argc, char **argv, StartOptions *o);
/* Finds OTP: sets root, erts_dir and bindir; ends the program with a message when there is none. */
void root_find(StartOptions *o, const char *asked);

/* `loom info ...`; returns the exit status. Needs no OTP. */
int info_main(int argc, char **argv);
/* `loom verify FILE...` (verify.c): its exit status. */
int verify_main(int argc, char **argv);

/* --- files (file.c) ------------------------------------------------------------------------------ */
/* The atom for an errno value. */
Term posix_atom(int error);
