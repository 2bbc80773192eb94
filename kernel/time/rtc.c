/* SPDX-License-Identifier: Apache-2.0 */
/* The battery-backed clock, read once at boot; the monotonic clock counts on from there. */
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/log.h"
#include "kernel/time/clock.h"

enum { CMOS_INDEX = 0x70, CMOS_DATA = 0x71, REG_STATUS_A = 10, REG_STATUS_B = 11, REG_CENTURY = 0x32 };
enum { UPDATING = 0x80, HOURS_24 = 2, BINARY = 4, AFTERNOON = 0x80, TRIES = 5, PATIENCE = 20000 };

typedef struct RtcTime {
    uint8_t second, minute, hour, day, month, year, century;
} RtcTime;

static struct Rtc {
    int64_t wall_at_zero_ns;
} rtc;

static uint8_t cmos_read(uint8_t reg)
{
    io_out8(CMOS_INDEX, reg);
    return io_in8(CMOS_DATA);
}

static RtcTime read_once(void)
{
    for (int i = 0; i < PATIENCE && (cmos_read(REG_STATUS_A) & UPDATING) != 0; i++) {
    }
    return (RtcTime){cmos_read(0), cmos_read(2), cmos_read(4), cmos_read(7), cmos_read(8), cmos_read(9),
            cmos_read(REG_CENTURY)};
}

/* Two equal readings: no update in between. */
static RtcTime read_stable(void)
{
    RtcTime a = read_once();
    for (int i = 0; i < TRIES; i++) {
        RtcTime b = read_once();
        if (memcmp(&a, &b, sizeof a) == 0) {
            break;
        }
        a = b;
    }
    return a;
}

static uint8_t from_bcd(uint8_t v) { return (uint8_t)((v >> 4) * 10 + (v & 15)); }

static RtcTime decode(RtcTime t, uint8_t status)
{
    bool afternoon = (status & HOURS_24) == 0 && (t.hour & AFTERNOON) != 0;
    t.hour &= 0x7f;
    if ((status & BINARY) == 0) {
        t = (RtcTime){from_bcd(t.second), from_bcd(t.minute), from_bcd(t.hour),   from_bcd(t.day),
                      from_bcd(t.month),  from_bcd(t.year),   from_bcd(t.century)};
    }
    if ((status & HOURS_24) == 0) {
        t.hour = (uint8_t)(t.hour % 12 + (afternoon ? 12 : 0));
    }
    return t;
}

/* Days from 1970-01-01, proleptic Gregorian. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void rtc_init(void)
{
    RtcTime t = decode(read_stable(), cmos_read(REG_STATUS_B));
    int64_t year = (t.century >= 19 && t.century <= 22 ? t.century * 100 : 2000) + t.year;
    if (t.month < 1 || t.month > 12 || t.day < 1 || t.day > 31 || t.hour > 23 || t.minute > 59 || t.second > 60) {
        klog("rtc: no sensible time; the wall clock starts at 1970");
        return;
    }
    int64_t seconds = days_of(year, t.month, t.day) * 86400 + t.hour * 3600 + t.minute * 60 + t.second;
    rtc.wall_at_zero_ns = seconds * 1000000000 - clock_now_ns();
    klog("rtc: %04lld-%02u-%02u %02u:%02u:%02u UTC", (long long)year, t.month, t.day, t.hour, t.minute, t.second);
}

int64_t rtc_wall_ns(void) { return rtc.wall_at_zero_ns + clock_now_ns(); }
