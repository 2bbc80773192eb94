/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tty_sl: the terminal for user_drv's line editor. The port speaks user_drv's commands (first byte of a
 * port_command); the terminal is switched to single characters without echo. What is on the line is kept in tty_line.c,
 * which knows how it lies on the screen. Input is passed on in whole UTF-8 characters.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "plat/linux/drivers.h"
#include "plat/linux/outq.h"
#include "plat/linux/tty_line.h"

enum { OP_PUTC, OP_MOVE, OP_INSC, OP_DELC, OP_BEEP, OP_PUTC_SYNC };
enum {
    CTRL_MAGIC = 0x018b0900,
    CTRL_GET_WINSIZE = 100 + CTRL_MAGIC,
    CTRL_GET_UNICODE = 101 + CTRL_MAGIC,
    CTRL_SET_UNICODE = 102 + CTRL_MAGIC,
};
enum { READ_SIZE = 1024, DEFAULT_COLUMNS = 80, CONTROL_C = 3 };

typedef struct TtyPort {
    PollSource in; /* first */
    Port *port;
    OutQueue *out;
    TtyLine line;
    bool unicode;
    uint8_t held[4]; /* the beginning of a character that is not complete */
    size_t held_count;
    unsigned syncs;  /* {Port, ok} owed when all is written */
} TtyPort;

static struct Terminal {
    TtyPort *open;            /* one port has the terminal */
    struct termios found, raw;
    volatile int changed;     /* found is to be restored at exit */
} terminal;

/* --- mode --------------------------------------------------------------------------------------------------- */
void tty_restore(void)
{
    if (terminal.changed) {
        terminal.changed = 0;
        tcsetattr(0, TCSADRAIN, &terminal.found);
    }
}

static bool terminal_raw(void)
{
    if (tcgetattr(0, &terminal.found) < 0) {
        return false;
    }
    terminal.raw = terminal.found;
    terminal.raw.c_iflag &= ~(tcflag_t)(ISTRIP | IXON);
    terminal.raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
    terminal.raw.c_oflag |= OPOST | ONLCR;
    terminal.raw.c_cc[VMIN] = 1;
    terminal.raw.c_cc[VTIME] = 0;
    if (tcsetattr(0, TCSANOW, &terminal.raw) < 0) {
        return false;
    }
    terminal.changed = 1;
    return true;
}

static unsigned terminal_columns(void)
{
    struct winsize size;
    return ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : DEFAULT_COLUMNS;
}

void tty_window_changed(void)
{
    if (terminal.open) {
        tty_line_columns(&terminal.open->line, terminal_columns());
        if (terminal.changed) {
            tcsetattr(0, TCSANOW, &terminal.raw); /* after SIGCONT the shell's mode is set */
        }
    }
}

void tty_interrupt(void)
{
    if (terminal.open) {
        port_deliver_data(terminal.open->port, &(uint8_t){CONTROL_C}, 1);
    }
}

/* UTF-8 unless the locale says otherwise; no locale at all means UTF-8 too. */
static bool locale_is_unicode(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < 3; i++) {
        const char *v = getenv(names[i]);
        if (v && *v) {
            return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
        }
    }
    return true;
}

/* --- input ----------------------------------------------------------------------------------------------------- */
/* Bytes that the character starting with b has; 0: b does not start one. */
static size_t utf8_length(uint8_t b)
{
    return b < 0x80 ? 1 : b >= 0xc2 && b < 0xe0 ? 2 : b >= 0xe0 && b < 0xf0 ? 3 : b >= 0xf0 && b < 0xf5 ? 4 : 0;
}

static bool utf8_continues(const uint8_t *s, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

/* Delivers whole characters; a byte that is no UTF-8 is taken for Latin-1. */
static void deliver_characters(TtyPort *d, const uint8_t *s, size_t n)
{
    uint8_t out[2 * (READ_SIZE + 4)];
    size_t used = 0, i = 0;
    d->held_count = 0;
    while (i < n) {
        size_t length = utf8_length(s[i]), there = n - i < length ? n - i : length;
        if (length && utf8_continues(s + i, there)) {
            if (there < length) {
                memcpy(d->held, s + i, there);
                d->held_count = there;
                break;
            }
            memcpy(out + used, s + i, length);
            used += length;
            i += length;
        } else {
            out[used++] = (uint8_t)(0xc0 | s[i] >> 6);
            out[used++] = (uint8_t)(0x80 | (s[i] & 0x3f));
            i++;
        }
    }
    port_deliver_data(d->port, out, used);
}

static void tty_ready(PollSource *source, unsigned events)
{
    TtyPort *d = (TtyPort *)source;
    uint8_t buf[READ_SIZE + 4];
    (void)events;
    memcpy(buf, d->held, d->held_count);
    ssize_t n = read(source->fd, buf + d->held_count, READ_SIZE);
    if (n > 0) {
        deliver_characters(d, buf, d->held_count + (size_t)n);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        poll_watch(source, 0);
        port_deliver_eof(d->port);
    }
}

/* --- port ------------------------------------------------------------------------------------------------------ */
static void tty_drained(Port *port)
{
    TtyPort *d = port->data;
    for (; d->syncs > 0; d->syncs--) {
        port_deliver(port, A_ok, NULL);
    }
}

static bool terminal_usable(void)
{
    const char *term = getenv("TERM");
    return isatty(0) && isatty(1) && term && *term && strcmp(term, "dumb") != 0;
}

static void *tty_open(Port *port, Term name, Term options, Term *error)
{
    (void)name;
    (void)options;
    if (terminal.open || !terminal_usable() || !terminal_raw()) {
        *error = A_einval;
        return NULL;
    }
    setlocale(LC_CTYPE, "C.UTF-8"); /* for the width of characters */
    TtyPort *d = vm_calloc(sizeof *d);
    d->port = port;
    d->unicode = locale_is_unicode();
    d->in = (PollSource){.fd = 0, .ready = tty_ready};
    d->out = outq_new(port, 1, false);
    d->out->drained = tty_drained;
    tty_line_init(&d->line, terminal_columns());
    poll_watch(&d->in, WATCH_IN);
    terminal.open = d;
    return d;
}

static void tty_close(void *data)
{
    TtyPort *d = data;
    poll_watch(&d->in, 0);
    outq_close(d->out);
    tty_line_free(&d->line);
    terminal.open = NULL;
    tty_restore();
    vm_free(d);
}

static bool tty_output(void *data, const uint8_t *bytes, size_t n)
{
    TtyPort *d = data;
    int count = n >= 3 ? (int16_t)(uint16_t)(bytes[1] << 8 | bytes[2]) : 0;
    if (n == 0) {
        return true;
    }
    switch (bytes[0]) {
    case OP_PUTC:
    case OP_PUTC_SYNC:
        tty_line_put(&d->line, bytes + 1, n - 1, d->unicode);
        break;
    case OP_MOVE:
        tty_line_move(&d->line, count);
        break;
    case OP_INSC:
        tty_line_insert(&d->line, bytes + 1, n - 1, d->unicode);
        break;
    case OP_DELC:
        tty_line_delete(&d->line, count);
        break;
    case OP_BEEP:
        tty_line_beep(&d->line);
        break;
    default:
        return true; /* an unknown command is none */
    }
    size_t size;
    const uint8_t *text = tty_line_output(&d->line, &size);
    d->syncs += bytes[0] == OP_PUTC_SYNC;
    if (!outq_write(d->out, text, size)) {
        return false;
    }
    if (outq_size(d->out) == 0) {
        tty_drained(d->port);
    }
    return true;
}

static Term tty_control(Proc *caller, void *data, unsigned command, const uint8_t *bytes, size_t n)
{
    TtyPort *d = data;
    struct winsize size;
    uint8_t was = d->unicode;
    switch (command) {
    case CTRL_GET_WINSIZE: {
        if (ioctl(1, TIOCGWINSZ, &size) < 0) {
            return NONVALUE;
        }
        uint32_t answer[2] = {size.ws_col ? size.ws_col : DEFAULT_COLUMNS, size.ws_row ? size.ws_row : 24};
        return heap_string(caller, (const uint8_t *)answer, sizeof answer);
    }
    case CTRL_GET_UNICODE:
        return heap_string(caller, &was, 1);
    case CTRL_SET_UNICODE:
        if (n != 1) {
            return NONVALUE;
        }
        d->unicode = bytes[0] != 0;
        return heap_string(caller, &was, 1);
    default:
        return NONVALUE;
    }
}

static size_t tty_queued(void *data)
{
    return outq_size(((TtyPort *)data)->out);
}

const PortDriver tty_driver = {
    .name = "tty_sl",
    .open = tty_open,
    .close = tty_close,
    .output = tty_output,
    .control = tty_control,
    .queued = tty_queued,
};
