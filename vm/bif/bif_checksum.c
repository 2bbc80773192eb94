/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of iodata, and the portable hashes as functions. */
#include <zlib.h>

#include "gen/natives.h"
#include "lib/md5.h"
#include "vm/term/binary.h"
#include "vm/term/hash.h"
#include "vm/term/number.h"

/* Bytes of iodata in one piece; *owned must be freed. False: fault set. */
static bool iodata_bytes(Proc *p, Term t, const uint8_t **data, size_t *n, uint8_t **owned)
{
    *owned = NULL;
    if (is_bitstring(t) && binary_bytes(p, t, data, n)) {
        p_charge(p, (intptr_t)(*n / 256));
        return true;
    }
    *owned = is_list(t) ? iolist_to_memory(t, n) : NULL;
    *data = *owned;
    if (!*owned) {
        p_badarg(p);
        return false;
    }
    p_charge(p, (intptr_t)(*n / 64));
    return true;
}

/* --- MD5 ---------------------------------------------------------------------------------------------- */
NATIVE(native_md5)
{
    const uint8_t *data;
    size_t n;
    uint8_t *owned, digest[MD5_BYTES];
    if (!iodata_bytes(p, a[0], &data, &n, &owned)) {
        return NONVALUE;
    }
    md5_of(data, n, digest);
    vm_free(owned);
    return binary_from_bytes(p, digest, sizeof digest);
}

NATIVE(native_md5_init)
{
    (void)a;
    Md5 m;
    md5_start(&m);
    return binary_from_bytes(p, &m, sizeof m);
}

/* A context is the bytes of an Md5, in OTP too. */
static bool md5_context(Proc *p, Term t, Md5 *m)
{
    const uint8_t *data;
    size_t n;
    _Static_assert(sizeof *m == 88, "as OTP's contexts");
    if (!binary_bytes(p, t, &data, &n) || n != sizeof *m) {
        p_badarg(p);
        return false;
    }
    memcpy(m, data, sizeof *m);
    return true;
}

NATIVE(native_md5_update)
{
    Md5 m;
    const uint8_t *data;
    size_t n;
    uint8_t *owned;
    if (!md5_context(p, a[0], &m) || !iodata_bytes(p, a[1], &data, &n, &owned)) {
        return NONVALUE;
    }
    md5_add(&m, data, n);
    vm_free(owned);
    return binary_from_bytes(p, &m, sizeof m);
}

NATIVE(native_md5_final)
{
    Md5 m;
    uint8_t digest[MD5_BYTES];
    if (!md5_context(p, a[0], &m)) {
        return NONVALUE;
    }
    md5_end(&m, digest);
    return binary_from_bytes(p, digest, sizeof digest);
}

/* --- CRC-32 and Adler-32 -------------------------------------------------------------------------------- */
typedef uLong Checksum(uLong start, const Bytef *data, z_size_t n);
typedef uLong Combine(uLong a, uLong b, z_off_t n);

static bool as_uint32(Term t, uint32_t *v)
{
    if (!is_small(t) || small_value(t) < 0 || small_value(t) > UINT32_MAX) {
        return false;
    }
    *v = (uint32_t)small_value(t);
    return true;
}

static Term checksum(Proc *p, uint32_t start, Term iodata, Checksum *function)
{
    const uint8_t *data;
    size_t n;
    uint8_t *owned;
    if (!iodata_bytes(p, iodata, &data, &n, &owned)) {
        return NONVALUE;
    }
    uint32_t sum = (uint32_t)function(start, data, n);
    vm_free(owned);
    return make_small(sum);
}

NATIVE(native_crc32_1)
{
    return checksum(p, 0, a[0], crc32_z);
}

NATIVE(native_crc32_2)
{
    uint32_t start;
    return as_uint32(a[0], &start) ? checksum(p, start, a[1], crc32_z) : p_badarg(p);
}

/* zlib's, on nothing, leaves a sum as it is, were it no remainder. */
static unsigned long adler32_of(unsigned long sum, const uint8_t *data, size_t n)
{
    enum { BASE = 65521 };
    return n ? adler32_z(sum, data, n) : (sum >> 16) % BASE << 16 | (sum & 0xffff) % BASE;
}

NATIVE(native_adler32_1)
{
    return checksum(p, 1, a[0], adler32_of);
}

NATIVE(native_adler32_2)
{
    uint32_t start;
    if (is_nil(a[1])) {
        return as_uint32(a[0], &start) ? a[0] : p_badarg(p);
    }
    return as_uint32(a[0], &start) ? checksum(p, start, a[1], adler32_of) : p_badarg(p);
}

static Term combine(Proc *p, Term *a, Combine *function)
{
    uint32_t x, y, size;
    if (!as_uint32(a[0], &x) || !as_uint32(a[1], &y) || !as_uint32(a[2], &size)) {
        return p_badarg(p);
    }
    return make_small((uint32_t)function(x, y, (z_off_t)size));
}

NATIVE(native_crc32_combine)
{
    return combine(p, a, crc32_combine);
}

NATIVE(native_adler32_combine)
{
    /* zlib would count the second sum's start value even when it has no data */
    uint32_t x, y;
    if (a[2] == make_small(0) && as_uint32(a[0], &x) && as_uint32(a[1], &y)) {
        return a[0];
    }
    return combine(p, a, adler32_combine);
}

/* --- portable hashes --------------------------------------------------------------------------------------- */
/* 1..2^32. */
static bool hash_range(Term t, uint64_t *range)
{
    return integer_to_uint64(t, range) && *range >= 1 && *range <= UINT64_C(1) << 32;
}

NATIVE(native_phash)
{
    uint64_t range;
    if (!hash_range(a[1], &range)) {
        return p_badarg(p);
    }
    uint32_t h = term_hash_phash(a[0], (uint32_t)range);
    return make_small(h == 0 ? INT64_C(1) << 32 : (int64_t)h); /* 2^32 itself does not fit */
}

NATIVE(native_phash2_1)
{
    (void)p;
    return make_small(term_hash_phash2(a[0]));
}

NATIVE(native_phash2_2)
{
    uint64_t range;
    if (!hash_range(a[1], &range)) {
        return p_badarg(p);
    }
    return make_small((int64_t)(term_hash_portable2(a[0]) % range));
}
