/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by port.c, port_frame.c and drivers: text out of terms, the drivers that every platform has. */
#pragma once

#include "vm/proc/port.h"

/* A file name or command (deep list of characters and binaries, or binary) as NUL-terminated UTF-8; NULL when it is
 * none. *n its bytes without the NUL. Free with vm_free. */
uint8_t *port_name_text(Term t, size_t *n);

extern const PortDriver ram_file_driver; /* {spawn, "ram_file_drv"} */
