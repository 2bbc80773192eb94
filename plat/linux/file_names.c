/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prim_file's natives on names: what a file is, directories, links, owners and times. Answers are
 * those of OTP on Unix; where the systems' errors differ from what OTP promises they are translated here.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gen/natives_linux.h"
#include "plat/linux/file.h"
#include "vm/term/binary.h"
#include "vm/term/number.h"

/* --- #file_info{} ---------------------------------------------------------------------------------------- */
static Term type_atom(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return A_regular;
    case S_IFDIR:
        return A_directory;
    case S_IFLNK:
        return A_symlink;
    case S_IFCHR:
    case S_IFBLK:
        return A_device;
    default:
        return A_other;
    }
}

static Term info_tuple(Proc *p, const struct stat *st, bool readable, bool writable)
{
    bool device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
    Term access = readable ? (writable ? A_read_write : A_read) : (writable ? A_write : A_none);
    Term e[] = {
        A_file_info,
        heap_int64(p, st->st_size),
        type_atom(st->st_mode),
        access,
        heap_int64(p, st->st_atime),
        heap_int64(p, st->st_mtime),
        heap_int64(p, st->st_ctime),
        make_small(st->st_mode),
        make_small((int64_t)st->st_nlink),
        heap_uint64(p, st->st_dev),
        heap_uint64(p, device ? st->st_rdev : 0),
        heap_uint64(p, st->st_ino),
        make_small(st->st_uid),
        make_small(st->st_gid),
    };
    return heap_tuple(p, sizeof e / sizeof *e, e);
}

NATIVE(native_prim_file_read_info_nif)
{
    PathBuf buf;
    struct stat st;
    const char *path = path_of(a[0], &buf);
    if (!path || !is_small(a[1])) {
        return p_badarg(p);
    }
    bool follow = small_value(a[1]) != 0;
    if ((follow ? stat(path, &st) : lstat(path, &st)) < 0) {
        return file_error(p, errno);
    }
    return info_tuple(p, &st, access(path, R_OK) == 0, access(path, W_OK) == 0);
}

NATIVE(native_prim_file_read_handle_info_nif)
{
    struct stat st;
    File *f = file_of(a[0]);
    if (!f) {
        return p_badarg(p);
    }
    if (f->fd < 0) {
        return heap_tuple2(p, A_error, A_einval);
    }
    if (fstat(f->fd, &st) < 0) {
        return file_error(p, errno);
    }
    return info_tuple(p, &st, st.st_mode & S_IRUSR, st.st_mode & S_IWUSR);
}

NATIVE(native_prim_file_set_permissions_nif)
{
    PathBuf buf;
    const char *path = path_of(a[0], &buf);
    if (!path || !is_small(a[1])) {
        return p_badarg(p);
    }
    return file_result(p, chmod(path, (mode_t)small_value(a[1]) & 07777));
}

NATIVE(native_prim_file_set_owner_nif)
{
    PathBuf buf;
    const char *path = path_of(a[0], &buf);
    if (!path || !is_small(a[1]) || !is_small(a[2])) {
        return p_badarg(p);
    }
    return file_result(p, chown(path, (uid_t)small_value(a[1]), (gid_t)small_value(a[2])));
}

NATIVE(native_prim_file_set_time_nif)
{
    PathBuf buf;
    int64_t access_time, modified;
    const char *path = path_of(a[0], &buf);
    if (!path || !integer_to_int64(a[1], &access_time) || !integer_to_int64(a[2], &modified) ||
        !is_integer(a[3])) {
        return p_badarg(p);
    }
    struct timespec times[2] = {{.tv_sec = access_time}, {.tv_sec = modified}};
    return file_result(p, utimensat(AT_FDCWD, path, times, 0));
}

/* --- links and names ----------------------------------------------------------------------------------------- */
NATIVE(native_prim_file_read_link_nif)
{
    PathBuf buf;
    char target[PATH_MAX];
    const char *path = path_of(a[0], &buf);
    if (!path) {
        return p_badarg(p);
    }
    ssize_t n = readlink(path, target, sizeof target);
    if (n < 0) {
        return file_error(p, errno);
    }
    return heap_tuple2(p, A_ok, binary_from_bytes(p, target, (size_t)n));
}

NATIVE(native_prim_file_make_hard_link_nif)
{
    PathBuf from_buf, to_buf;
    const char *from = path_of(a[0], &from_buf), *to = path_of(a[1], &to_buf);
    return from && to ? file_result(p, link(from, to)) : p_badarg(p);
}

NATIVE(native_prim_file_make_soft_link_nif)
{
    PathBuf from_buf, to_buf;
    const char *from = path_of(a[0], &from_buf), *to = path_of(a[1], &to_buf);
    return from && to ? file_result(p, symlink(from, to)) : p_badarg(p);
}

NATIVE(native_prim_file_rename_nif)
{
    PathBuf from_buf, to_buf;
    const char *from = path_of(a[0], &from_buf), *to = path_of(a[1], &to_buf);
    if (!from || !to) {
        return p_badarg(p);
    }
    if (rename(from, to) == 0) {
        return A_ok;
    }
    if (errno == ENOTEMPTY) {
        errno = EEXIST;
    }
    if (strcmp(from, "/") == 0) {
        errno = EINVAL;
    }
    return file_error(p, errno);
}

NATIVE(native_prim_file_del_file_nif)
{
    PathBuf buf;
    struct stat st;
    const char *path = path_of(a[0], &buf);
    if (!path) {
        return p_badarg(p);
    }
    if (unlink(path) == 0) {
        return A_ok;
    }
    int error = errno;
    if (error == EISDIR || (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))) {
        error = EPERM; /* what POSIX says; Linux says EISDIR */
    }
    return file_error(p, error);
}

NATIVE(native_prim_file_altname_nif)
{
    PathBuf buf;
    return path_of(a[0], &buf) ? heap_tuple2(p, A_error, A_enotsup) : p_badarg(p);
}

/* --- directories --------------------------------------------------------------------------------------------- */
NATIVE(native_prim_file_list_dir_nif)
{
    PathBuf buf;
    const char *path = path_of(a[0], &buf);
    if (!path) {
        return p_badarg(p);
    }
    DIR *dir = opendir(path);
    if (!dir) {
        return file_error(p, errno);
    }
    Term list = NIL;
    intptr_t count = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            list = heap_cons_on(p, binary_from_bytes(p, e->d_name, strlen(e->d_name)), list);
            count++;
        }
    }
    closedir(dir);
    p_charge(p, count / 4);
    return heap_tuple2(p, A_ok, list);
}

NATIVE(native_prim_file_make_dir_nif)
{
    PathBuf buf;
    const char *path = path_of(a[0], &buf);
    return path ? file_result(p, mkdir(path, 0777)) : p_badarg(p);
}

/* The working directory must not be deleted below us: OTP answers einval or eexist, never succeeds. */
static bool is_cwd_or_above(const char *path)
{
    char resolved[PATH_MAX], cwd[PATH_MAX];
    if (!realpath(path, resolved) || !getcwd(cwd, sizeof cwd)) {
        return false;
    }
    size_t n = strlen(resolved);
    return strncmp(cwd, resolved, n) == 0 && (cwd[n] == 0 || cwd[n] == '/');
}

NATIVE(native_prim_file_del_dir_nif)
{
    PathBuf buf;
    const char *path = path_of(a[0], &buf);
    if (!path) {
        return p_badarg(p);
    }
    bool inside = is_cwd_or_above(path);
    if (rmdir(path) == 0) {
        return A_ok;
    }
    int error = errno;
    if (error == ENOTEMPTY) {
        error = EEXIST;
    }
    if (error == EEXIST && inside) {
        error = EINVAL;
    }
    return file_error(p, error);
}

NATIVE(native_prim_file_get_device_cwd_nif)
{
    return is_small(a[0]) ? heap_tuple2(p, A_error, A_enotsup) : p_badarg(p);
}

NATIVE(native_prim_file_set_cwd_nif)
{
    PathBuf buf;
    const char *path = path_of(a[0], &buf);
    return path ? file_result(p, chdir(path)) : p_badarg(p);
}

NATIVE(native_prim_file_get_cwd_nif)
{
    (void)a;
    char cwd[PATH_MAX];
    if (!getcwd(cwd, sizeof cwd)) {
        return file_error(p, errno);
    }
    return heap_tuple2(p, A_ok, binary_from_bytes(p, cwd, strlen(cwd)));
}
