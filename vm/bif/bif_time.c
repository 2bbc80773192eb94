/* SPDX-License-Identifier: Apache-2.0 */
/* Natives: clocks, dates. Native time unit is the nanosecond; dates are the proleptic Gregorian calendar. */
#include "gen/natives.h"
#include "vm/bif/bif_time.h"
#include "vm/plat.h"
#include "vm/proc/clock.h"
#include "vm/term/number.h"

#define NS_PER_SECOND INT64_C(1000000000)
enum { SECONDS_PER_DAY = 86400 };

/* --- time units -------------------------------------------------------------------------------------------- */
static const struct {
    Term name;
    int64_t per_second;
} units[] = {
    {A_native, NS_PER_SECOND},      {A_nanosecond, NS_PER_SECOND}, {A_microsecond, 1000000}, {A_millisecond, 1000},
    {A_second, 1},                  {A_perf_counter, NS_PER_SECOND},
    {A_nano_seconds, NS_PER_SECOND}, {A_micro_seconds, 1000000},    {A_milli_seconds, 1000},  {A_seconds, 1},
};

/* Parts a second; 0 when t is no unit. */
static int64_t unit_parse(Term t)
{
    int64_t n;
    if (integer_to_int64(t, &n)) {
        return n > 0 ? n : 0;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].name == t) {
            return units[i].per_second;
        }
    }
    return 0;
}

static Term wide_term(Proc *p, __int128 v)
{
    if (v >= INT64_MIN && v <= INT64_MAX) {
        return heap_int64(p, (int64_t)v);
    }
    unsigned __int128 magnitude = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
    uint64_t limbs[2] = {(uint64_t)magnitude, (uint64_t)(magnitude >> 64)};
    Term *hp = heap_alloc(p, 3);
    return integer_from_magnitude(&hp, limbs, 2, v < 0);
}

/* ns in that unit, rounded down; badarg for a bad unit. */
static Term time_in_unit(Proc *p, int64_t ns, Term unit)
{
    int64_t per_second = unit_parse(unit);
    if (per_second == 0) {
        return p_badarg(p);
    }
    if (per_second == NS_PER_SECOND) {
        return heap_int64(p, ns);
    }
    __int128 scaled = (__int128)ns * per_second, q = scaled / NS_PER_SECOND;
    return wide_term(p, scaled % NS_PER_SECOND < 0 ? q - 1 : q);
}

/* --- clocks ------------------------------------------------------------------------------------------------ */
NATIVE(native_monotonic_time_0)
{
    (void)a;
    return heap_int64(p, clock_monotonic_ns());
}
NATIVE(native_monotonic_time_1) { return time_in_unit(p, clock_monotonic_ns(), a[0]); }
NATIVE(native_system_time_0)
{
    (void)a;
    return heap_int64(p, clock_system_ns());
}
NATIVE(native_system_time_1) { return time_in_unit(p, clock_system_ns(), a[0]); }
NATIVE(native_time_offset_0)
{
    (void)a;
    return heap_int64(p, clock_offset_ns());
}
NATIVE(native_time_offset_1) { return time_in_unit(p, clock_offset_ns(), a[0]); }
NATIVE(native_os_system_time_0)
{
    (void)a;
    return heap_int64(p, plat_wall_ns());
}
NATIVE(native_os_system_time_1) { return time_in_unit(p, plat_wall_ns(), a[0]); }
NATIVE(native_os_perf_counter_0)
{
    (void)a;
    return heap_int64(p, plat_monotonic_ns());
}
NATIVE(native_erts_internal_time_unit)
{
    (void)p;
    (void)a;
    return make_small(NS_PER_SECOND);
}

static Term timestamp_term(Proc *p, int64_t us)
{
    int64_t seconds = us / 1000000;
    return heap_tuple3(p, make_small(seconds / 1000000), make_small(seconds % 1000000), make_small(us % 1000000));
}
NATIVE(native_timestamp)
{
    (void)a;
    return timestamp_term(p, clock_system_ns() / 1000);
}
NATIVE(native_os_timestamp)
{
    (void)a;
    return timestamp_term(p, plat_wall_ns() / 1000);
}
NATIVE(native_now)
{
    (void)a;
    return timestamp_term(p, clock_unique_us());
}

/* --- dates ------------------------------------------------------------------------------------------------------- */
static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t days_of_month(int64_t year, int64_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static int64_t div_down(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Years begin in March here, so that the leap day is the last of its year; eras have 400 years. */
static int64_t date_to_seconds(const Date *d)
{
    int64_t y = d->month <= 2 ? d->year - 1 : d->year, era = div_down(y, 400), in_era = y - era * 400;
    int64_t day_of_year = (153 * (d->month + (d->month > 2 ? -3 : 9)) + 2) / 5 + d->day - 1;
    int64_t days = era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + day_of_year - 719468;
    return days * SECONDS_PER_DAY + d->hour * 3600 + d->minute * 60 + d->second;
}

static Date date_from_seconds(int64_t seconds)
{
    int64_t days = div_down(seconds, SECONDS_PER_DAY), rest = seconds - days * SECONDS_PER_DAY;
    days += 719468;
    int64_t era = div_down(days, 146097), day = days - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t day_of_year = day - (365 * year + year / 4 - year / 100), month = (5 * day_of_year + 2) / 153;
    Date d = {.days_since_1970 = div_down(seconds, SECONDS_PER_DAY),
              .day = day_of_year - (153 * month + 2) / 5 + 1,
              .month = month < 10 ? month + 3 : month - 9,
              .hour = rest / 3600,
              .minute = rest / 60 % 60,
              .second = rest % 60};
    d.year = year + era * 400 + (d.month <= 2);
    return d;
}

static bool parse_triple(Term t, int64_t *v)
{
    if (!is_tuple_arity(t, 3)) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        if (!is_small(tuple_elements(t)[i])) {
            return false;
        }
        v[i] = small_value(tuple_elements(t)[i]);
    }
    return true;
}

/* {{Y,M,D},{H,Mi,S}} with every part in range and the year in 1600..9999999. */
static bool date_parse(Term t, Date *d)
{
    int64_t ymd[3], hms[3];
    if (!is_tuple_arity(t, 2) || !parse_triple(tuple_elements(t)[0], ymd) || !parse_triple(tuple_elements(t)[1], hms)) {
        return false;
    }
    *d = (Date){ymd[0], ymd[1], ymd[2], hms[0], hms[1], hms[2], 0};
    return d->year >= 1600 && d->year <= 9999999 && d->month >= 1 && d->month <= 12 && d->day >= 1 &&
           d->day <= days_of_month(d->year, d->month) && d->hour >= 0 && d->hour < 24 && d->minute >= 0 &&
           d->minute < 60 && d->second >= 0 && d->second < 60;
}

static Term ymd_term(Proc *p, const Date *d)
{
    return heap_tuple3(p, heap_int64(p, d->year), make_small(d->month), make_small(d->day));
}

static Term hms_term(Proc *p, const Date *d)
{
    return heap_tuple3(p, make_small(d->hour), make_small(d->minute), make_small(d->second));
}

static Term date_term(Proc *p, int64_t seconds)
{
    Date d = date_from_seconds(seconds);
    return heap_tuple2(p, ymd_term(p, &d), hms_term(p, &d));
}

static int64_t utc_now(void)
{
    return div_down(clock_system_ns(), NS_PER_SECOND);
}

static int64_t local_now(void)
{
    int64_t utc = utc_now();
    return utc + plat_utc_offset(utc);
}

Date date_local_now(void)
{
    return date_from_seconds(local_now());
}

NATIVE(native_date)
{
    (void)a;
    Date d = date_from_seconds(local_now());
    return ymd_term(p, &d);
}
NATIVE(native_time)
{
    (void)a;
    Date d = date_from_seconds(local_now());
    return hms_term(p, &d);
}
NATIVE(native_localtime)
{
    (void)a;
    return date_term(p, local_now());
}
NATIVE(native_universaltime)
{
    (void)a;
    return date_term(p, utc_now());
}

/* Local time is only known where 32-bit time_t reached back to. */
static bool has_local_time(const Date *d)
{
    return d->year >= 1902;
}

NATIVE(native_localtime_to_universaltime_2)
{
    Date d;
    if (!date_parse(a[0], &d) || !has_local_time(&d) || !(is_boolean(a[1]) || a[1] == A_undefined)) {
        return p_badarg(p);
    }
    int dst = a[1] == A_true ? 1 : a[1] == A_false ? 0 : -1;
    return date_term(p, plat_local_to_utc(date_to_seconds(&d), dst));
}

NATIVE(native_universaltime_to_localtime)
{
    Date d;
    if (!date_parse(a[0], &d) || !has_local_time(&d)) {
        return p_badarg(p);
    }
    int64_t utc = date_to_seconds(&d);
    return date_term(p, utc + plat_utc_offset(utc));
}

NATIVE(native_universaltime_to_posixtime)
{
    Date d;
    return date_parse(a[0], &d) ? heap_int64(p, date_to_seconds(&d)) : p_badarg(p);
}

NATIVE(native_posixtime_to_universaltime)
{
    int64_t seconds;
    return integer_to_int64(a[0], &seconds) ? date_term(p, seconds) : p_badarg(p);
}
