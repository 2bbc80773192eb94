/* SPDX-License-Identifier: Apache-2.0 */
/* Natives about the program itself. */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "gen/natives_linux.h"
#include "plat/linux/linux.h"

NATIVE(native_os_getpid)
{
    char text[16];
    (void)a;
    int n = snprintf(text, sizeof text, "%d", (int)getpid());
    return heap_string(p, (const uint8_t *)text, (size_t)n);
}
