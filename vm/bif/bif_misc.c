/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small natives about the machine as a whole: halt, what the command line decided for error_logger and io, random
 * bytes, and the dynamic trace tags, which do nothing in a machine built without dynamic tracing (OTP's default too).
 */
#include "gen/natives.h"
#include "vm/dump/dump.h"
#include "vm/plat.h"
#include "vm/term/binary.h"
#include "vm/term/unicode.h"
#include "vm/vm.h"

/* --- halt ------------------------------------------------------------------------------------------------------- */
enum { HALT_ABORT = -1, SLOGAN_MAX = 1023 };

/* [{flush, boolean()}]. The platform flushes in any case. */
static bool halt_options_ok(Term l)
{
    for (; is_cons(l); l = cons_tail(l)) {
        Term o = cons_head(l);
        if (!is_tuple_arity(o, 2) || tuple_elements(o)[0] != A_flush || !is_boolean(tuple_elements(o)[1])) {
            return false;
        }
    }
    return is_nil(l);
}

/* A string that says why: at most SLOGAN_MAX characters of it. False: no string. */
static bool slogan_text(Term l, uint8_t *text, size_t *n)
{
    *n = 0;
    for (size_t chars = 0; is_cons(l); l = cons_tail(l)) {
        Term c = cons_head(l);
        if (!is_small(c) || !unicode_is_valid((uint64_t)small_value(c))) {
            return false;
        }
        if (chars++ < SLOGAN_MAX) {
            *n += utf8_encode((uint32_t)small_value(c), text + *n);
        }
    }
    return is_nil(l);
}

NATIVE(native_halt)
{
    uint8_t slogan[4 * SLOGAN_MAX];
    size_t n;
    if (!halt_options_ok(a[1])) {
        return p_badarg_cause(p, A_badopt);
    }
    if (is_big(a[0]) && !big_is_negative(a[0])) {
        plat_halt((int)(big_digits(a[0])[0] & INT32_MAX));
    }
    if (is_small(a[0]) && small_value(a[0]) >= 0) {
        plat_halt((int)(small_value(a[0]) & INT32_MAX));
    }
    if (a[0] == A_abort) {
        plat_halt(HALT_ABORT);
    }
    if (is_list(a[0]) && slogan_text(a[0], slogan, &n)) {
        dump_halt((const char *)slogan, n);
    }
    return p_badarg(p);
}

/* --- from the command line ---------------------------------------------------------------------------------------- */
NATIVE(native_error_logger_warning_map)
{
    (void)p;
    (void)a;
    switch (vm_config()->warning_map) {
    case 'i':
        return A_info;
    case 'e':
        return A_error;
    default:
        return A_warning;
    }
}

NATIVE(native_io_printable_range)
{
    (void)p;
    (void)a;
    return vm_config()->printable_unicode ? A_unicode : A_latin1;
}

/* --- random bytes ------------------------------------------------------------------------------------------------- */
enum { RANDOM_MOST = 1 << 20 };

/* loom_random:bytes(Count): unpredictable ones, whatever the platform's source is. */
NATIVE(native_loom_random_bytes)
{
    uint8_t *data;
    if (!is_small(a[0]) || small_value(a[0]) < 0 || small_value(a[0]) > RANDOM_MOST) {
        return p_badarg(p);
    }
    size_t n = (size_t)small_value(a[0]);
    Term bin = binary_new(p, n, &data);
    plat_random(data, n);
    return bin;
}

/* --- threads of OTP's emulator ------------------------------------------------------------------------------------ */
/* One less than this many answers come to each request for memory figures (bif_memory.c). */
NATIVE(native_erts_internal_no_aux_work_threads)
{
    (void)p;
    (void)a;
    return make_small(2);
}

NATIVE(native_erts_internal_system_check) { return a[0] == A_schedulers ? A_ok : p_badarg(p); }

/* --- dynamic trace tags ------------------------------------------------------------------------------------------- */
NATIVE(native_dt_undefined)
{
    (void)p;
    (void)a;
    return A_undefined;
}

NATIVE(native_dt_spread_tag) { return is_boolean(a[0]) ? A_true : p_badarg(p); }
NATIVE(native_dt_restore_tag) { return a[0] == A_true ? A_true : p_badarg(p); }

NATIVE(native_dt_tag_data)
{
    (void)p;
    return a[0];
}
