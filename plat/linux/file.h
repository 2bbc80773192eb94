/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that implement prim_file's natives: open files, paths and answers. */
#pragma once

#include <sys/types.h>

#include "plat/linux/linux.h"
#include "vm/heap/heap.h"

/* An open file behind prim_file's reference. */
typedef struct File {
    int fd; /* -1: closed */
} File;
extern const MagicKind file_kind;
/* The file a term refers to, or NULL. */
File *file_of(Term t);

/* A path as a C string. Borrowed until the next path_of with the same buffer. NULL when the term is no native path. */
typedef struct PathBuf {
    char text[4096 + 1];
} PathBuf;
const char *path_of(Term t, PathBuf *buf);

Term file_error(Proc *p, int error);           /* {error, Posix} */
Term file_result(Proc *p, int status);         /* ok when 0, else {error, errno's atom} */
/* [p|pre]read until n bytes, end of file, or error. offset -1: at the file's position. */
ssize_t file_read_full(int fd, uint8_t *buf, size_t n, off_t offset);
