/* SPDX-License-Identifier: Apache-2.0 */
/* COM1 as the kernel's last resort: polled output, 115200 8N1. Input and interrupts belong to the driver above. */
#pragma once

#include "lib/cstd.h"

enum { SERIAL_PORT = 0x3f8, SERIAL_PORT_COUNT = 8, SERIAL_IRQ = 4 };

void serial_init(void);
bool serial_exists(void);
/* "\n" goes out as "\r\n". Gives up on a line that does not drain. */
void serial_write(const char *text, size_t n);
void serial_flush(void);
