/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: a monotonic clock in nanoseconds, one alarm, and idling until either an alarm or any interrupt.
 *
 * The clock is the time stamp counter, measured at boot against the HPET (or the PIT where there is none). On a real
 * processor without a constant counter the HPET itself is the clock. Zero is the moment the loader handed over.
 */
#pragma once

#include "lib/cstd.h"

/* Needs acpi_init and irq_init. */
void clock_start(uint64_t handover_tsc);
/* Measures again over all the time since clock_start, before the first alarm is set. */
void clock_settle(void);
bool clock_is_ready(void);
int64_t clock_now_ns(void);
/* What was measured, in Hz. */
uint64_t clock_tsc_hz(void);
uint64_t clock_timer_hz(void);

/* Sets the one alarm to that time (replaces what was set), or takes it away with INT64_MAX. */
void clock_alarm_set(int64_t deadline_ns);
/* True once after the alarm rang. */
bool clock_alarm_rang(void);
void clock_alarm_isr(void);

/* Waits with the processor halted until the deadline (INT64_MAX: none), or until some handler has run while `is_wanted`
 * (may be NULL) says true, whichever comes first. Called and left with interrupts on. Cannot miss a wake-up. */
void clock_idle_until(int64_t deadline_ns, bool (*is_wanted)(void));

/* Wall clock from the battery-backed one, in seconds since 1970 UTC at kernel time zero; read once. */
void rtc_init(void);
int64_t rtc_wall_ns(void);
