/* SPDX-License-Identifier: Apache-2.0 */
/* Dates, for other parts of the machine. */
#pragma once

#include "lib/cstd.h"

typedef struct Date {
    int64_t year, month, day, hour, minute, second;
    int64_t days_since_1970;
} Date;
Date date_local_now(void);
