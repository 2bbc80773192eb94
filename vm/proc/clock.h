/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erlang's clocks. Native time unit: the nanosecond. Erlang monotonic time starts at CLOCK_START so that it fits a
 * small integer for centuries; the offset to system time is fixed at boot (no_time_warp).
 */
#pragma once

#include "lib/cstd.h"

#define CLOCK_START (INT64_C(-576460752) * 1000000000)

void clock_init(void);
int64_t clock_uptime_ns(void);    /* since clock_init */
int64_t clock_monotonic_ns(void); /* Erlang monotonic time */
int64_t clock_offset_ns(void);    /* to add for Erlang system time */
int64_t clock_system_ns(void);
int64_t clock_unique_monotonic(void); /* unique_integer([monotonic]) */
int64_t clock_unique_us(void);    /* erlang:now/0: system time in microseconds, never the same twice */
