/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's environment variables: os:getenv/1 and its kin, and what started programs inherit. */
#pragma once

#include "lib/cstd.h"

/* The i-th "NAME=value" (UTF-8 or whatever the platform gave), NULL past the end. Borrowed until the next change. */
const char *env_at(size_t i);
