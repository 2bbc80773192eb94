/* SPDX-License-Identifier: Apache-2.0 */
/* Natives of the external term format. */
#include "gen/natives.h"
#include "vm/term/binary.h"
#include "vm/term/etf.h"
#include "vm/term/etf_tags.h"

typedef struct EncodeOptions {
    unsigned minor_version;
    int level; /* of compression; 0 none */
    bool deterministic;
} EncodeOptions;

enum { DEFAULT_LEVEL = 6 };

static bool encode_option(EncodeOptions *o, Term option, bool only_version)
{
    if (!only_version && option == A_compressed) {
        o->level = DEFAULT_LEVEL;
        return true;
    }
    if (!only_version && option == A_deterministic) {
        o->deterministic = true;
        return true;
    }
    if (!is_tuple_arity(option, 2) || !is_small(tuple_elements(option)[1])) {
        return false;
    }
    Term name = tuple_elements(option)[0];
    int64_t n = small_value(tuple_elements(option)[1]);
    if (name == A_minor_version && n >= 0 && n <= 2) {
        o->minor_version = (unsigned)n;
        return true;
    }
    if (!only_version && name == A_compressed && n >= 0 && n <= 9) {
        o->level = (int)n;
        return true;
    }
    return false;
}

static bool encode_options(EncodeOptions *o, Term options, bool only_version)
{
    *o = (EncodeOptions){.minor_version = 1};
    for (; is_cons(options); options = cons_tail(options)) {
        if (!encode_option(o, cons_head(options), only_version)) {
            return false;
        }
    }
    return is_nil(options);
}

/* 131 and the term. */
static void encode(Proc *p, EtfBuffer *b, Term t, const EncodeOptions *o)
{
    enum { FIRST_CAPACITY = 256 };
    b->capacity = FIRST_CAPACITY;
    b->data = vm_alloc(b->capacity);
    b->data[0] = ETF_VERSION;
    b->size = 1;
    etf_encode(b, t, o->minor_version, o->deterministic);
    p_charge(p, (intptr_t)(b->size / 64));
}

static Term encode_to_binary(Proc *p, Term t, const EncodeOptions *o)
{
    EtfBuffer b = {0};
    encode(p, &b, t, o);
    uint8_t *small = NULL;
    size_t size = b.size;
    if (o->level > 0) {
        small = etf_deflate(b.data + 1, b.size - 1, o->level, &size);
        p_charge(p, (intptr_t)(b.size / 8));
    }
    Term result = binary_from_bytes(p, small ? small : b.data, small ? size : b.size);
    vm_free(small);
    vm_free(b.data);
    return result;
}

NATIVE(native_term_to_binary_1)
{
    EncodeOptions o = {.minor_version = 1};
    return encode_to_binary(p, a[0], &o);
}

NATIVE(native_term_to_binary_2)
{
    EncodeOptions o;
    return encode_options(&o, a[1], false) ? encode_to_binary(p, a[0], &o) : p_badarg(p);
}

/* --- iovecs ----------------------------------------------------------------------------------------- */
static Term cut_binary(Proc *p, Term t)
{
    Bits v = bits_view(t);
    if (v.bit_offset % 8 == 0) {
        return t;
    }
    uint8_t *to; /* an iovec has whole bytes only */
    t = binary_new(p, v.bit_size / 8, &to);
    bits_copy(to, 0, v.base, v.bit_offset, v.bit_size);
    return t;
}

/* The pieces between the cuts, and the binaries at them. */
static Term iovec_of(Proc *p, const EtfBuffer *b)
{
    Term list = NIL;
    size_t end = b->size;
    for (size_t i = b->cut_count; i-- > 0;) {
        size_t at = b->cuts[i].offset;
        if (end > at) {
            list = heap_cons_on(p, binary_from_bytes(p, b->data + at, end - at), list);
        }
        list = heap_cons_on(p, cut_binary(p, b->cuts[i].binary), list);
        end = at;
    }
    return heap_cons_on(p, binary_from_bytes(p, b->data, end), list);
}

static Term encode_to_iovec(Proc *p, Term t, const EncodeOptions *o)
{
    if (o->level > 0) {
        return heap_cons_on(p, encode_to_binary(p, t, o), NIL);
    }
    EtfBuffer b = {.cut_binaries = true};
    encode(p, &b, t, o);
    Term list = iovec_of(p, &b);
    vm_free(b.data);
    vm_free(b.cuts);
    return list;
}

NATIVE(native_term_to_iovec_1)
{
    EncodeOptions o = {.minor_version = 1};
    return encode_to_iovec(p, a[0], &o);
}

NATIVE(native_term_to_iovec_2)
{
    EncodeOptions o;
    return encode_options(&o, a[1], false) ? encode_to_iovec(p, a[0], &o) : p_badarg(p);
}

/* --- size -------------------------------------------------------------------------------------------- */
static Term external_size(Proc *p, Term t, const EncodeOptions *o)
{
    EtfBuffer b = {.cut_binaries = true}; /* large binaries need only be counted */
    encode(p, &b, t, o);
    uint64_t size = b.size + b.cut_bytes + b.uncounted;
    vm_free(b.data);
    vm_free(b.cuts);
    return heap_uint64(p, size);
}

NATIVE(native_external_size_1)
{
    EncodeOptions o = {.minor_version = 1};
    return external_size(p, a[0], &o);
}

NATIVE(native_external_size_2)
{
    EncodeOptions o;
    if (!encode_options(&o, a[1], true) || o.minor_version > 1) { /* 2 is not known here in OTP 25 */
        return p_badarg(p);
    }
    return external_size(p, a[0], &o);
}

/* --- decoding ------------------------------------------------------------------------------------------ */
static Term decode(Proc *p, Term binary, unsigned flags, size_t *used)
{
    const uint8_t *data;
    size_t n;
    if (!binary_bytes(p, binary, &data, &n)) {
        return p_badarg(p);
    }
    p_charge(p, (intptr_t)(n / 64));
    Term t = etf_to_term(p, data, n, flags, used);
    return t == NONVALUE ? p_badarg(p) : t;
}

NATIVE(native_binary_to_term_1)
{
    return decode(p, a[0], 0, NULL);
}

NATIVE(native_binary_to_term_2)
{
    unsigned flags = 0;
    bool want_used = false;
    Term l = a[1];
    for (; is_cons(l); l = cons_tail(l)) {
        if (cons_head(l) == A_safe) {
            flags |= ETF_SAFE;
        } else if (cons_head(l) == A_used) {
            want_used = true;
        } else {
            return p_badarg_cause(p, A_badopt);
        }
    }
    if (!is_nil(l)) {
        return p_badarg_cause(p, A_badopt);
    }
    size_t used;
    Term t = decode(p, a[0], flags, &used);
    return t == NONVALUE || !want_used ? t : heap_tuple2(p, t, heap_uint64(p, used));
}
