/* SPDX-License-Identifier: Apache-2.0 */
/* The port drivers of the Linux platform. */
#pragma once

#include "vm/proc/port.h"

extern const PortDriver fd_driver;    /* {fd, In, Out} */
extern const PortDriver vanilla_driver; /* the name of a file */
extern const PortDriver spawn_driver; /* {spawn, Command}, {spawn_executable, File} */
extern const PortDriver tty_driver;   /* {spawn, "tty_sl ..."} */
extern const PortDriver trace_file_driver; /* {spawn, "trace_file_drv ..."}: dbg, fprof */
