/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More than one processor. Processor 0 boots and takes the interrupts of all devices; the others run what they are
 * given.
 */
#pragma once

#include "lib/cstd.h"

/* Processors that run. */
unsigned smp_count(void);
/* Starts processor `index` (1 ...; of those ACPI lists, without the one that booted), which runs fn(arg) on a stack of
 * its own with interrupts on. False: there is none, it does not answer, or memory is short. Called in order, on
 * processor 0. */
bool smp_start(unsigned index, void (*fn)(void *arg), void *arg);
/* Makes the processor leave the halt it may be in, or the next one it was about to begin. */
void smp_wake(unsigned index);
/* Every processor forgets the translations it has cached. The caller holds mm_lock. */
void smp_flush_tlbs(void);
void smp_flush_isr(void);
/* A panic: all others stop for good. */
void smp_stop_others(void);
bool smp_is_stopping(void);
