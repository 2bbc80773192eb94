/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ram_file_drv: files in memory, for ram_file.erl (file:open/2 with `ram`). A command is one byte and its big-endian
 * arguments; each known one is answered with one message whose first byte says what follows. Its answers have a head
 * that is a list whatever the port's options say, so that ram_file can match on it.
 *
 * The contents never shrink in memory, only their size does; bytes behind the size are cleared when it grows again.
 */
#include "vm/plat.h"
#include "vm/proc/port.h"
#include "vm/proc/port_priv.h"

enum { /* as in ram_file.erl */
    CMD_OPEN = 1,
    CMD_READ = 2,
    CMD_SEEK = 3,
    CMD_WRITE = 4,
    CMD_SYNC = 9,
    CMD_TRUNCATE = 14,
    CMD_PREAD = 17,
    CMD_PWRITE = 18,
    CMD_DATASYNC = 19,
    CMD_GET = 30,
    CMD_SIZE = 37,
    CMD_ADVISE = 38,
    CMD_ALLOCATE = 39,
};
enum { MODE_READ = 1, MODE_WRITE = 2, MODE_MASK = 3 };
enum { FROM_START = 0, FROM_POSITION = 1, FROM_END = 2 };
enum { ANSWER_OK = 0, ANSWER_ERROR = 1, ANSWER_DATA = 2, ANSWER_NUMBER = 3 };
enum { WORD_BYTES = 4 };

typedef struct RamFile {
    Port *port;
    uint8_t *bytes; /* from plat_alloc, since there may not be enough */
    size_t size, capacity;
    int64_t position; /* may lie behind the end */
    unsigned mode;
} RamFile;

typedef struct Args {
    const uint8_t *bytes;
    size_t n;
} Args;

/* --- answers ----------------------------------------------------------------------------------------- */
static void answer_ok(RamFile *f)
{
    port_deliver_with_head(f->port, &(uint8_t){ANSWER_OK}, 1, NULL, 0);
}

static void answer_error(RamFile *f, const char *posix)
{
    uint8_t text[16] = {ANSWER_ERROR};
    size_t n = strlen(posix);
    memcpy(text + 1, posix, n);
    port_deliver_with_head(f->port, text, n + 1, NULL, 0);
}

static void head_put(uint8_t head[1 + WORD_BYTES], uint8_t kind, uint64_t value)
{
    head[0] = kind;
    for (unsigned i = 0; i < WORD_BYTES; i++) {
        head[1 + i] = (uint8_t)(value >> 8 * (WORD_BYTES - 1 - i));
    }
}

static void answer_number(RamFile *f, uint64_t value)
{
    uint8_t head[1 + WORD_BYTES];
    head_put(head, ANSWER_NUMBER, value);
    port_deliver_with_head(f->port, head, sizeof head, NULL, 0);
}

static void answer_data(RamFile *f, int64_t at, int64_t n)
{
    uint8_t head[1 + WORD_BYTES];
    int64_t there = at < (int64_t)f->size ? (int64_t)f->size - at : 0;
    n = n < there ? n : there;
    head_put(head, ANSWER_DATA, (uint64_t)n);
    /* A position behind the end has no address; no data has any. */
    port_deliver_with_head(f->port, head, sizeof head, n > 0 ? f->bytes + at : head, (size_t)n);
}

/* --- contents ------------------------------------------------------------------------------------------ */
static bool ram_reserve(RamFile *f, size_t size)
{
    if (size <= f->capacity) {
        return true;
    }
    size_t capacity = f->capacity < 256 ? 256 : f->capacity;
    while (capacity < size) {
        capacity += capacity / 2;
    }
    uint8_t *bytes = plat_realloc(f->bytes, capacity);
    if (!bytes) {
        return false;
    }
    f->bytes = bytes;
    f->capacity = capacity;
    return true;
}

/* Grows the file with zeros. */
static bool ram_extend(RamFile *f, size_t size)
{
    if (size <= f->size) {
        return true;
    }
    if (!ram_reserve(f, size)) {
        return false;
    }
    memset(f->bytes + f->size, 0, size - f->size);
    f->size = size;
    return true;
}

/* Writes and answers; the position after it, or the old one when it failed. */
static int64_t ram_write(RamFile *f, int64_t at, Args data)
{
    if (!(f->mode & MODE_WRITE)) {
        answer_error(f, "ebadf");
    } else if (!ram_extend(f, (size_t)at + data.n)) {
        answer_error(f, "enomem");
    } else {
        memcpy(f->bytes + at, data.bytes, data.n);
        answer_number(f, data.n);
        return at + (int64_t)data.n;
    }
    return f->position;
}

/* --- commands ------------------------------------------------------------------------------------------------ */

/* The next argument, 32 bits with sign; false: there is none. */
static bool next_int(Args *args, int64_t *value)
{
    if (args->n < WORD_BYTES) {
        return false;
    }
    const uint8_t *b = args->bytes;
    *value = (int32_t)((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
    args->bytes += WORD_BYTES;
    args->n -= WORD_BYTES;
    return true;
}

static void command_open(RamFile *f, Args args)
{
    int64_t mode;
    if (!next_int(&args, &mode)) {
        answer_error(f, "einval");
        return;
    }
    f->mode = MODE_WRITE;
    f->size = 0;
    f->position = 0;
    if (!ram_reserve(f, args.n + 1)) {
        answer_error(f, "enomem");
        return;
    }
    memcpy(f->bytes, args.bytes, args.n);
    f->size = args.n;
    f->mode = (unsigned)mode & MODE_MASK;
    answer_number(f, 0);
}

static void command_seek(RamFile *f, Args args)
{
    int64_t offset, from;
    if (next_int(&args, &offset) && next_int(&args, &from) && from >= FROM_START && from <= FROM_END) {
        int64_t base = from == FROM_START ? 0 : from == FROM_POSITION ? f->position : (int64_t)f->size;
        if (base + offset >= 0) {
            f->position = base + offset;
            answer_number(f, (uint64_t)f->position);
            return;
        }
    }
    answer_error(f, "einval");
}

static void command_read(RamFile *f, Args args, bool at_position)
{
    int64_t at = f->position, n;
    if ((!at_position && !next_int(&args, &at)) || !next_int(&args, &n) || at < 0 || n < 0) {
        answer_error(f, "einval");
    } else if (!(f->mode & MODE_READ)) {
        answer_error(f, "ebadf");
    } else {
        answer_data(f, at, n);
        if (at_position && at < (int64_t)f->size) {
            f->position = n < (int64_t)f->size - at ? at + n : (int64_t)f->size;
        }
    }
}

static void command_pwrite(RamFile *f, Args args)
{
    int64_t at;
    if (!next_int(&args, &at) || at < 0) {
        answer_error(f, "einval");
    } else {
        ram_write(f, at, args);
    }
}

static void command_truncate(RamFile *f)
{
    if (!(f->mode & MODE_WRITE)) {
        answer_error(f, "eacces");
    } else if (!ram_extend(f, (size_t)f->position)) {
        answer_error(f, "enomem");
    } else {
        f->size = (size_t)f->position;
        answer_ok(f);
    }
}

static bool ram_file_output(void *data, const uint8_t *bytes, size_t n)
{
    RamFile *f = data;
    if (n == 0) {
        return true;
    }
    Args args = {bytes + 1, n - 1};
    switch (bytes[0]) {
    case CMD_OPEN:
        command_open(f, args);
        break;
    case CMD_READ: case CMD_PREAD:
        command_read(f, args, bytes[0] == CMD_READ);
        break;
    case CMD_SEEK:
        command_seek(f, args);
        break;
    case CMD_WRITE:
        f->position = ram_write(f, f->position, args);
        break;
    case CMD_PWRITE:
        command_pwrite(f, args);
        break;
    case CMD_TRUNCATE:
        command_truncate(f);
        break;
    case CMD_GET:
        answer_data(f, 0, (int64_t)f->size);
        break;
    case CMD_SIZE:
        answer_number(f, f->size);
        break;
    case CMD_SYNC: case CMD_DATASYNC: case CMD_ADVISE: case CMD_ALLOCATE: /* memory has nothing to do for these */
        if (f->mode) {
            answer_ok(f);
        } else {
            answer_error(f, "ebadf");
        }
        break;
    default: /* as in OTP, no answer */
        break;
    }
    return true;
}

/* --- life ----------------------------------------------------------------------------------------------------- */
static void *ram_file_open(Port *port, Term name, Term options, Term *error)
{
    RamFile *f = vm_calloc(sizeof *f);
    (void)name;
    (void)options;
    (void)error;
    f->port = port;
    return f;
}

static void ram_file_close(void *data)
{
    RamFile *f = data;
    plat_free(f->bytes);
    vm_free(f);
}

const PortDriver ram_file_driver = {
    .name = "ram_file_drv",
    .open = ram_file_open,
    .close = ram_file_close,
    .output = ram_file_output,
};
