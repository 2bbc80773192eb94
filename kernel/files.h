/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the boot bundle. The nucleus has verified all of them; any other loader has verified none, and then each is
 * compared with its hash before its first use, because hashing the whole bundle takes longer than all else that the
 * kernel does.
 */
#pragma once

#include "include/bootinfo.h"
#include "lib/bundle.h"

/* Opens the bundle: checks its index. Stops the machine with one line if that is damaged. Needs the heap. */
void files_init(const BootInfo *info);
/* Names, sizes and hashes; NULL when the machine was started without a bundle. The bytes of a file are to be had from
 * files_get. */
const Bundle *files_bundle(void);
/* True if the file's content is as its hash says; then *file is it. False: damaged, which the log says once. */
bool files_get(uint32_t index, BundleFile *file);
/* Checks all of them. */
bool files_check_all(void);
