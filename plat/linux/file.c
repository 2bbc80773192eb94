/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * prim_file's natives on open files: prim_file.erl calls them with a reference that holds the descriptor. A file is
 * closed by close_nif or when the last reference to it is collected, so a dead owner's files close
 * with its heap. Names are the NUL-terminated binaries that internal_name2native makes.
 *
 * These calls block the scheduler for as long as the file system does.
 */
#include "plat/linux/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gen/natives_linux.h"
#include "vm/term/binary.h"
#include "vm/term/number.h"

enum { IOV_AT_ONCE = 256, READ_CHUNK = 64 * 1024, REDUCTION_BYTES = 1024 };

/* --- answers ----------------------------------------------------------------------------------------- */
Term posix_atom(int error)
{
    char text[32];
    const char *name = error == ENOTSUP ? "enotsup" : strerrorname_np(error); /* it has two names */
    size_t i = 0;
    for (; name && name[i] && i < sizeof text - 1; i++) {
        text[i] = (char)tolower((unsigned char)name[i]);
    }
    text[i] = 0;
    return i ? atom_put_cstr(text) : A_unknown;
}

Term file_error(Proc *p, int error)
{
    return heap_tuple2(p, A_error, posix_atom(error));
}

Term file_result(Proc *p, int status)
{
    return status == 0 ? A_ok : file_error(p, errno);
}

static Term ok_with(Proc *p, Term value)
{
    return heap_tuple2(p, A_ok, value);
}

/* --- references --------------------------------------------------------------------------------------- */
static void file_destroy(Magic *m)
{
    File *f = m->data;
    if (f->fd >= 0) {
        close(f->fd);
    }
    vm_free(f);
}

const MagicKind file_kind = {.name = "file", .destroy = file_destroy};

File *file_of(Term t)
{
    Magic *m = magic_of(t, &file_kind);
    return m ? m->data : NULL;
}

static Term file_new(Proc *p, int fd)
{
    File *f = vm_alloc(sizeof *f);
    f->fd = fd;
    return ok_with(p, heap_magic_ref(p, magic_new(&file_kind, f)));
}

/* The open file of argument t; else NONVALUE in *answer: badarg, or {error, einval} when it is closed. */
static File *file_open_of(Proc *p, Term t, Term *answer)
{
    File *f = file_of(t);
    if (!f) {
        *answer = p_badarg(p);
    } else if (f->fd < 0) {
        *answer = heap_tuple2(p, A_error, A_einval);
        return NULL;
    }
    return f;
}

const char *path_of(Term t, PathBuf *buf)
{
    if (!is_binary(t)) {
        return NULL;
    }
    Bits b = bits_view(t);
    size_t n = b.bit_size / 8;
    if (n >= sizeof buf->text) {
        n = sizeof buf->text - 1; /* too long for any system call: ENAMETOOLONG follows */
    }
    bits_copy((uint8_t *)buf->text, 0, b.base, b.bit_offset, n * 8);
    buf->text[n] = 0;
    if (n && buf->text[n - 1] == 0) {
        n--;
    }
    return strlen(buf->text) == n ? buf->text : NULL;
}

/* --- open and close ------------------------------------------------------------------------------------ */
enum {
    MODE_READ = 1, MODE_WRITE = 2, MODE_APPEND = 4, MODE_EXCLUSIVE = 8, MODE_SYNC = 16, MODE_ANY_TYPE = 32,
    MODE_DIRECTORY = 64,
};

static bool open_modes(Term list, unsigned *modes)
{
    static const struct {
        Term atom;
        unsigned bits;
    } known[] = {
        {A_read, MODE_READ},
        {A_write, MODE_WRITE},
        {A_append, MODE_WRITE | MODE_APPEND},
        {A_exclusive, MODE_WRITE | MODE_EXCLUSIVE},
        {A_sync, MODE_SYNC},
        {A_skip_type_check, MODE_ANY_TYPE},
        {A_directory, MODE_DIRECTORY},
    };
    *modes = 0;
    for (; is_cons(list); list = cons_tail(list)) {
        /* raw, binary, delayed_write and others are dealt with above us. */
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (cons_head(list) == known[i].atom) {
                *modes |= known[i].bits;
            }
        }
    }
    if (!(*modes & (MODE_READ | MODE_WRITE))) {
        *modes |= MODE_READ;
    }
    return is_nil(list);
}

static int open_flags(unsigned modes)
{
    int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK; /* a FIFO must not block us before we know what it is */
    if ((modes & (MODE_READ | MODE_WRITE)) == (MODE_READ | MODE_WRITE)) {
        flags |= O_RDWR;
    } else {
        flags |= (modes & MODE_WRITE) ? O_WRONLY : O_RDONLY;
    }
    if (modes & MODE_WRITE) {
        flags |= O_CREAT;
        if (!(modes & (MODE_READ | MODE_APPEND | MODE_EXCLUSIVE))) {
            flags |= O_TRUNC;
        }
    }
    flags |= (modes & MODE_APPEND) ? O_APPEND : 0;
    flags |= (modes & MODE_EXCLUSIVE) ? O_EXCL : 0;
    flags |= (modes & MODE_SYNC) ? O_SYNC : 0;
    flags |= (modes & MODE_DIRECTORY) ? O_DIRECTORY : 0;
    return flags;
}

/* 0 when a file of this type may be opened so, else the error. Reads and writes happen in the machine's only thread,
 * so pipes and sockets, which may block it for ever, are refused with what OTP says of directories; devices are left
 * non-blocking. */
static int type_check(int fd, unsigned modes)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return errno;
    }
    if ((modes & (MODE_ANY_TYPE | MODE_DIRECTORY)) || S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) ||
            S_ISBLK(st.st_mode)) {
        return 0;
    }
    return EISDIR;
}

/* The same for a file that is read to its end: a device may have none. */
static int whole_type_check(int fd)
{
    struct stat st, null;
    int error = type_check(fd, MODE_READ);
    if (error || fstat(fd, &st) < 0 || S_ISREG(st.st_mode)) {
        return error;
    }
    return stat("/dev/null", &null) == 0 && null.st_rdev == st.st_rdev ? 0 : EISDIR;
}

static void blocking_again(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) {
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    }
}

NATIVE(native_prim_file_open_nif)
{
    PathBuf buf;
    unsigned modes;
    const char *path = path_of(a[0], &buf);
    if (!path || !open_modes(a[1], &modes)) {
        return p_badarg(p);
    }
    int flags = open_flags(modes);
    if ((modes & MODE_DIRECTORY) && (modes & MODE_WRITE)) {
        return heap_tuple2(p, A_error, A_eisdir);
    }
    int fd = open(path, flags, 0666);
    if (fd < 0) {
        return file_error(p, errno);
    }
    int error = type_check(fd, modes);
    if (error) {
        close(fd);
        return file_error(p, error);
    }
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode)) {
        blocking_again(fd);
    }
    return file_new(p, fd);
}

NATIVE(native_prim_file_file_desc_to_ref_nif)
{
    int64_t fd;
    if (!integer_to_int64(a[0], &fd) || fd < 0 || fd > INT_MAX) {
        return p_badarg(p);
    }
    if (fcntl((int)fd, F_GETFD) < 0) {
        return file_error(p, errno);
    }
    return file_new(p, (int)fd);
}

NATIVE(native_prim_file_close_nif)
{
    Term answer = NONVALUE;
    File *f = file_open_of(p, a[0], &answer);
    if (!f) {
        return answer;
    }
    int fd = f->fd;
    f->fd = -1;
    return file_result(p, close(fd));
}

NATIVE(native_prim_file_delayed_close_nif)
{
    File *f = file_of(a[0]);
    if (!f) {
        return p_badarg(p);
    }
    if (f->fd >= 0) {
        close(f->fd);
        f->fd = -1;
    }
    return A_ok;
}

NATIVE(native_prim_file_get_handle_nif)
{
    Term answer = NONVALUE;
    File *f = file_open_of(p, a[0], &answer);
    return f ? binary_from_bytes(p, &f->fd, sizeof f->fd) : answer;
}

/* --- reading -------------------------------------------------------------------------------------------- */
ssize_t file_read_full(int fd, uint8_t *buf, size_t n, off_t offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = offset < 0 ? read(fd, buf + done, n - done)
                                 : pread(fd, buf + done, n - done, offset + (off_t)done);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return done ? (ssize_t)done : -1;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* {ok, Bin}, eof or {error, _}. Reads into memory of its own first: a wish for 1 GB of a short file costs little. */
static Term read_answer(Proc *p, int fd, size_t size, off_t offset)
{
    Binary *b = NULL;
    size_t n = 0;
    struct stat st;
    size_t step = READ_CHUNK;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        off_t at = offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
        size_t rest = at >= 0 && st.st_size > at ? (size_t)(st.st_size - at) : 0;
        step = rest < size ? rest + 1 : size;
    }
    if (step > size) {
        step = size;
    }
    while (n < size) {
        size_t want = size - n < step ? size - n : step;
        b = b ? binary_realloc(b, n + want) : binary_alloc(want);
        ssize_t got = file_read_full(fd, b->data + n, want, offset < 0 ? -1 : offset + (off_t)n);
        if (got < 0) {
            int error = errno;
            binary_release(b);
            return file_error(p, error);
        }
        n += (size_t)got;
        if ((size_t)got < want) {
            break;
        }
        step = READ_CHUNK * 16;
    }
    p_charge(p, (intptr_t)(n / REDUCTION_BYTES));
    if (n == 0 && size > 0) {
        binary_release(b);
        return A_eof;
    }
    Term bin;
    if (n <= HEAP_BIN_MAX) {
        bin = binary_from_bytes(p, b ? b->data : (const uint8_t *)"", n);
        if (b) {
            binary_release(b);
        }
    } else {
        b = binary_realloc(b, n);
        Term *hp = heap_alloc(p, REFC_BIN_WORDS);
        bin = build_refc_bin(&hp, heap_off_heap(p), b, b->data, n);
    }
    return ok_with(p, bin);
}

static bool size_argument(Term t, size_t *size)
{
    uint64_t v;
    if (!integer_to_uint64(t, &v) || v > SIZE_MAX / 4) {
        return false;
    }
    *size = (size_t)v;
    return true;
}

static bool offset_argument(Term t, off_t *offset)
{
    int64_t v;
    if (!integer_to_int64(t, &v) || v < 0) {
        return false;
    }
    *offset = (off_t)v;
    return true;
}

NATIVE(native_prim_file_read_nif)
{
    Term answer = NONVALUE;
    size_t size;
    File *f = file_open_of(p, a[0], &answer);
    if (!f) {
        return answer;
    }
    return size_argument(a[1], &size) ? read_answer(p, f->fd, size, -1) : p_badarg(p);
}

NATIVE(native_prim_file_pread_nif)
{
    Term answer = NONVALUE;
    size_t size;
    off_t offset;
    File *f = file_open_of(p, a[0], &answer);
    if (!f) {
        return answer;
    }
    if (!offset_argument(a[1], &offset) || !size_argument(a[2], &size)) {
        return p_badarg(p);
    }
    return read_answer(p, f->fd, size, offset);
}

NATIVE(native_prim_file_read_file_nif)
{
    PathBuf buf;
    const char *path = path_of(a[0], &buf);
    if (!path) {
        return p_badarg(p);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return file_error(p, errno);
    }
    int error = whole_type_check(fd);
    Term answer;
    if (error) {
        answer = file_error(p, error);
    } else {
        answer = read_answer(p, fd, SIZE_MAX / 4, -1);
        if (answer == A_eof) {
            answer = ok_with(p, binary_from_bytes(p, "", 0));
        }
    }
    close(fd);
    return answer;
}

/* A record's header at Offset is <<Size:32, Pointer:32>>; then Size bytes at Pointer (dets). */
NATIVE(native_prim_file_ipread_s32bu_p32bu_nif)
{
    Term answer = NONVALUE;
    off_t offset;
    size_t max;
    uint8_t h[8];
    File *f = file_open_of(p, a[0], &answer);
    if (!f) {
        return answer;
    }
    if (!offset_argument(a[1], &offset) || !size_argument(a[2], &max)) {
        return p_badarg(p);
    }
    ssize_t got = file_read_full(f->fd, h, sizeof h, offset);
    if (got < 0) {
        return file_error(p, errno);
    }
    uint32_t size = (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
    uint32_t pointer = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    if (got < (ssize_t)sizeof h || size > max) {
        return A_eof;
    }
    Term data = A_eof;
    if (size > 0) {
        Term read = read_answer(p, f->fd, size, pointer);
        if (is_tuple_arity(read, 2)) {
            if (tuple_elements(read)[0] == A_error) {
                return read;
            }
            data = tuple_elements(read)[1];
        }
    }
    return ok_with(p, heap_tuple3(p, make_small(size), make_small(pointer), data));
}

/* --- writing -------------------------------------------------------------------------------------------- */
/* Takes up to IOV_AT_ONCE binaries from the list. Returns how many, -1 when the list is not one of binaries. */
static int gather(Proc *p, Term *list, struct iovec *iov, size_t *bytes)
{
    int n = 0;
    *bytes = 0;
    for (; is_cons(*list) && n < IOV_AT_ONCE; *list = cons_tail(*list)) {
        const uint8_t *data;
        size_t size;
        if (!binary_bytes(p, cons_head(*list), &data, &size)) {
            return -1;
        }
        if (size > 0) {
            iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
            *bytes += size;
        }
    }
    return is_list(*list) ? n : -1;
}

/* Writes all of a batch. offset -1: at the position. 0 or errno. */
static int write_all(int fd, struct iovec *iov, int n, off_t offset)
{
    while (n > 0) {
        ssize_t put = offset < 0 ? writev(fd, iov, n) : pwritev(fd, iov, n, offset);
        if (put < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EAGAIN && poll_one(fd, WATCH_OUT, -1)) {
                continue;
            }
            return errno;
        }
        if (offset >= 0) {
            offset += put;
        }
        while (n > 0 && (size_t)put >= iov->iov_len) {
            put -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (uint8_t *)iov->iov_base + put;
            iov->iov_len -= (size_t)put;
        }
    }
    return 0;
}

static Term write_list(Proc *p, int fd, Term list, off_t offset)
{
    struct iovec iov[IOV_AT_ONCE];
    if (list_length(list) < 0) {
        return p_badarg(p);
    }
    while (is_cons(list)) {
        size_t bytes;
        int n = gather(p, &list, iov, &bytes);
        if (n < 0) {
            return p_badarg(p);
        }
        int error = write_all(fd, iov, n, offset);
        if (error) {
            return file_error(p, error);
        }
        if (offset >= 0) {
            offset += (off_t)bytes;
        }
        p_charge(p, (intptr_t)(bytes / REDUCTION_BYTES));
    }
    return A_ok;
}

NATIVE(native_prim_file_write_nif)
{
    Term answer = NONVALUE;
    File *f = file_open_of(p, a[0], &answer);
    return f ? write_list(p, f->fd, a[1], -1) : answer;
}

NATIVE(native_prim_file_pwrite_nif)
{
    Term answer = NONVALUE;
    off_t offset;
    File *f = file_open_of(p, a[0], &answer);
    if (!f) {
        return answer;
    }
    return offset_argument(a[1], &offset) ? write_list(p, f->fd, a[2], offset) : p_badarg(p);
}

/* --- position, size, sync -------------------------------------------------------------------------------- */
NATIVE(native_prim_file_seek_nif)
{
    Term answer = NONVALUE;
    int64_t offset;
    File *f = file_open_of(p, a[0], &answer);
    if (!f) {
        return answer;
    }
    int whence = a[1] == A_bof ? SEEK_SET : a[1] == A_cur ? SEEK_CUR : a[1] == A_eof ? SEEK_END : -1;
    if (whence < 0 || !integer_to_int64(a[2], &offset)) {
        return p_badarg(p);
    }
    off_t at = lseek(f->fd, (off_t)offset, whence);
    return at < 0 ? file_error(p, errno) : ok_with(p, heap_int64(p, at));
}

NATIVE(native_prim_file_sync_nif)
{
    Term answer = NONVALUE;
    File *f = file_open_of(p, a[0], &answer);
    if (!f) {
        return answer;
    }
    if (!is_small(a[1])) {
        return p_badarg(p);
    }
    return file_result(p, small_value(a[1]) ? fdatasync(f->fd) : fsync(f->fd));
}

NATIVE(native_prim_file_truncate_nif)
{
    Term answer = NONVALUE;
    File *f = file_open_of(p, a[0], &answer);
    if (!f) {
        return answer;
    }
    off_t at = lseek(f->fd, 0, SEEK_CUR);
    return at < 0 ? file_error(p, errno) : file_result(p, ftruncate(f->fd, at));
}

NATIVE(native_prim_file_allocate_nif)
{
    Term answer = NONVALUE;
    off_t offset, length;
    File *f = file_open_of(p, a[0], &answer);
    if (!f) {
        return answer;
    }
    if (!offset_argument(a[1], &offset) || !offset_argument(a[2], &length)) {
        return p_badarg(p);
    }
    /* The file grows, as with OTP; not every filesystem knows the call, so the C library writes zeros for those. */
    if (fallocate(f->fd, 0, offset, length) == 0) {
        return A_ok;
    }
    int error = posix_fallocate(f->fd, offset, length);
    return error ? file_error(p, error) : A_ok;
}

NATIVE(native_prim_file_advise_nif)
{
    static const struct {
        Term atom;
        int advice;
    } known[] = {
        {A_normal, POSIX_FADV_NORMAL},       {A_sequential, POSIX_FADV_SEQUENTIAL},
        {A_random, POSIX_FADV_RANDOM},       {A_no_reuse, POSIX_FADV_NOREUSE},
        {A_will_need, POSIX_FADV_WILLNEED},  {A_dont_need, POSIX_FADV_DONTNEED},
    };
    Term answer = NONVALUE;
    off_t offset, length;
    File *f = file_open_of(p, a[0], &answer);
    if (!f) {
        return answer;
    }
    if (!offset_argument(a[1], &offset) || !offset_argument(a[2], &length)) {
        return p_badarg(p);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (a[3] == known[i].atom) {
            int error = posix_fadvise(f->fd, offset, length, known[i].advice);
            return error ? file_error(p, error) : A_ok;
        }
    }
    return is_atom(a[3]) ? heap_tuple2(p, A_error, A_einval) : p_badarg(p);
}
