/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's generator of random bytes, behind plat_random: ChaCha20 with a key that erases itself, one for all
 * processors. Its seed is a hash of all there is: RDSEED, RDRAND, times that vary from run to run, and what drivers
 * add. See doc/entropy.md.
 */
#pragma once

#include "lib/cstd.h"

typedef struct RandomInfo {
    bool rdseed, rdrand;  /* the processor has it, and gave something */
    uint64_t added_bytes; /* by drivers */
    uint64_t reseeds;
} RandomInfo;

/* Any number of bytes. From any processor, at any time after the clock is known. */
void random_bytes(void *bytes, size_t n);
/* Mixes data in: it can add what others do not know, and take nothing away. */
void random_add(const void *data, size_t n);
RandomInfo random_info(void);
