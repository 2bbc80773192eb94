/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the kernel by itself, on the machine: command line `selftest`; and deliberate faults: `crash=KIND`. */
#pragma once

/* Runs all, prints one line each, ends the machine. */
_Noreturn void selftest_run(void);
/* pf gp ud de stack panic: raises that fault. Returns for any other word. */
void selftest_crash(const char *kind);
