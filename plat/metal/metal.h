/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the bare-metal platform share.
 *
 *     main.c      the kernel is up: files of the bundle and command line -> VmConfig -> vm_main
 *     plat.c      vm/plat.h over the kernel
 *     poll.c      interrupts -> messages; idling
 *     caps.c      capabilities: who may touch which hardware, and what happens when an owner dies
 *     hw_*.c      natives of the module loom_hw
 *     ports.c     port drivers that are Erlang processes, and the module loom_port
 *     files.c     the module loom_bundle
 *     libc.c      what the C libraries in the image need and no operating system gives
 *
 * Comes from: kernel/main.c. Goes to: vm/.
 */
#pragma once

#include "vm/heap/heap.h"
#include "vm/plat.h"
#include "vm/proc/letter.h"

/* True if that process lives. In caps.c. */
bool is_alive(Term pid);

/* Sends what arrived in the interrupt ring. True if something did. In poll.c. */
bool poll_interrupts(void);
/* Nanoseconds spent halted. */
int64_t poll_idle_ns(void);
/* Lets everybody but the calling process run until volumes are written and nothing has happened for a while, so that
 * output on its way reaches the wire; then calls end(status). In poll.c. */
_Noreturn void poll_run_out(void (*end)(int status), int status);
/* Volumes are written: what poll_run_out asked for. */
void poll_written(void);
