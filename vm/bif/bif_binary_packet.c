/* SPDX-License-Identifier: Apache-2.0 */
/* Packet formats: where a packet ends in a stream, and erlang:decode_packet/3. HTTP lines become terms in
 * bif_binary_http.c. */
#include "vm/bif/bif_binary_packet.h"
#include "gen/natives.h"
#include "vm/term/binary.h"

/* A header and a body of known size; sizes that do not fit 31 bits are nonsense, as in OTP. */
static int64_t sized(size_t header, uint64_t body, const PacketOptions *o)
{
    if (body > INT32_MAX - header || (o->packet_size && body > o->packet_size)) {
        return PACKET_INVALID;
    }
    return (int64_t)(header + body);
}

static uint64_t be(const uint8_t *s, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++) {
        v = v << 8 | s[i];
    }
    return v;
}

static int64_t counted(const uint8_t *s, size_t n, unsigned count, const PacketOptions *o, size_t *header)
{
    *header = count;
    return n < count ? PACKET_MORE : sized(count, be(s, count), o);
}

/* BER: identifier (several bytes when its low five bits are set), then length, short or up to four bytes. */
static int64_t asn1(const uint8_t *s, size_t n, const PacketOptions *o)
{
    size_t i = 1;
    if (n < 2) {
        return PACKET_MORE;
    }
    if ((s[0] & 0x1f) == 0x1f) {
        while (i < n && s[i] & 0x80) {
            i++;
        }
        i++;
    }
    if (i >= n) {
        return PACKET_MORE;
    }
    unsigned count = s[i] & 0x7f;
    if (!(s[i] & 0x80)) {
        return sized(i + 1, count, o);
    }
    i++;
    if (n - i < count) {
        return PACKET_MORE;
    }
    return count > 4 ? PACKET_INVALID : sized(i + count, be(s + i, count), o);
}

static int64_t cdr(const uint8_t *s, size_t n, const PacketOptions *o)
{
    if (n < 12) {
        return PACKET_MORE;
    }
    if (memcmp(s, "GIOP", 4) != 0) {
        return PACKET_INVALID;
    }
    uint64_t size = be(s + 8, 4);
    return sized(12, s[6] & 1 ? __builtin_bswap32((uint32_t)size) : size, o);
}

static int64_t tpkt(const uint8_t *s, size_t n, const PacketOptions *o)
{
    if (n < 4) {
        return PACKET_MORE;
    }
    return s[0] != 3 || be(s + 2, 2) < 4 ? PACKET_INVALID : sized(4, be(s + 2, 2) - 4, o);
}

/* An SSL 2.0 client hello: two bytes of length with the top bit set, then message type 1 and the version. */
static bool is_ssl2_hello(const uint8_t *s)
{
    return s[0] & 0x80 && s[2] == 1;
}

static int64_t ssl_tls(const uint8_t *s, size_t n, const PacketOptions *o)
{
    if (n < 5) {
        return PACKET_MORE;
    }
    if (is_ssl2_hello(s)) {
        uint64_t body = be(s, 2) & 0x7fff;
        return body < 3 ? PACKET_INVALID : sized(5, body - 3, o);
    }
    return sized(5, be(s + 3, 2), o);
}

static int64_t line(const uint8_t *s, size_t n, const PacketOptions *o)
{
    const uint8_t *end = memchr(s, o->delimiter, n);
    size_t size = end ? (size_t)(end - s) + 1 : n;
    if (o->packet_size && size > o->packet_size) {
        return PACKET_INVALID;
    }
    if (o->line_length && size >= o->line_length) {
        return (int64_t)o->line_length;
    }
    return end ? (int64_t)size : PACKET_MORE;
}

/* A line, and for headers the lines after it that start with white space. */
static int64_t http(PacketType type, const uint8_t *s, size_t n, const PacketOptions *o)
{
    bool header = type == PACKET_HTTPH || type == PACKET_HTTPH_BIN;
    size_t limit = o->packet_size ? o->packet_size : o->line_length, size = 0;
    for (;;) {
        const uint8_t *end = memchr(s + size, '\n', n - size);
        if (!end) {
            return limit && n >= limit ? PACKET_INVALID : PACKET_MORE;
        }
        bool first = size == 0;
        size = (size_t)(end - s) + 1;
        if (limit && size > limit) {
            return PACKET_INVALID;
        }
        bool empty = first && (size == 1 || (size == 2 && s[0] == '\r'));
        if (!header || empty) {
            return (int64_t)size;
        }
        if (size == n) {
            return PACKET_MORE;
        }
        if (s[size] != ' ' && s[size] != '\t') {
            return (int64_t)size;
        }
    }
}

int64_t packet_length(PacketType type, const uint8_t *s, size_t n, const PacketOptions *o, size_t *header)
{
    *header = 0;
    switch (type) {
    case PACKET_RAW:
        return (int64_t)n;
    case PACKET_1:
        return counted(s, n, 1, o, header);
    case PACKET_2:
        return counted(s, n, 2, o, header);
    case PACKET_4:
        return counted(s, n, 4, o, header);
    case PACKET_ASN1:
        return asn1(s, n, o);
    case PACKET_SUNRM:
        return n < 4 ? PACKET_MORE : sized(4, be(s, 4) & 0x7fffffff, o);
    case PACKET_CDR:
        return cdr(s, n, o);
    case PACKET_FCGI:
        return n < 8 ? PACKET_MORE : s[0] != 1 ? PACKET_INVALID : sized(8, be(s + 4, 2) + s[6], o);
    case PACKET_TPKT:
        return tpkt(s, n, o);
    case PACKET_SSL_TLS:
        return ssl_tls(s, n, o);
    case PACKET_LINE:
        return line(s, n, o);
    default:
        return http(type, s, n, o);
    }
}

size_t packet_http_words(PacketType type, size_t n)
{
    enum { FRAME = 64, PARTS = 2 }; /* tuples and heads of binaries; how often a byte can be in the term */
    bool binary = type == PACKET_HTTP_BIN || type == PACKET_HTTPH_BIN;
    return FRAME + (binary ? PARTS * n / 8 : PARTS * 2 * n);
}

/* --- erlang:decode_packet/3 ------------------------------------------------------------------------ */

static bool packet_type(Term t, PacketType *type)
{
    static const struct {
        Term name;
        PacketType type;
    } types[] = {
        {A_raw, PACKET_RAW},         {MAKE_SMALL(0), PACKET_RAW},
        {MAKE_SMALL(1), PACKET_1}, {MAKE_SMALL(2), PACKET_2},
        {MAKE_SMALL(4), PACKET_4}, {A_asn1, PACKET_ASN1},
        {A_sunrm, PACKET_SUNRM},     {A_cdr, PACKET_CDR},
        {A_fcgi, PACKET_FCGI},       {A_tpkt, PACKET_TPKT},
        {A_ssl_tls, PACKET_SSL_TLS}, {A_line, PACKET_LINE},
        {A_http, PACKET_HTTP},       {A_httph, PACKET_HTTPH},
        {A_http_bin, PACKET_HTTP_BIN}, {A_httph_bin, PACKET_HTTPH_BIN},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].name == t) {
            *type = types[i].type;
            return true;
        }
    }
    return false;
}

static bool packet_options(Term list, PacketType type, PacketOptions *o)
{
    *o = (PacketOptions){0, 0, '\n'};
    for (; is_cons(list); list = cons_tail(list)) {
        Term option = cons_head(list);
        if (!is_tuple_arity(option, 2) || !is_small(tuple_elements(option)[1])) {
            return false;
        }
        Term name = tuple_elements(option)[0];
        uint64_t v = (uint64_t)small_value(tuple_elements(option)[1]);
        if (name == A_line_delimiter && type == PACKET_LINE && v <= 255) {
            o->delimiter = (uint8_t)v;
        } else if (name == A_packet_size && v <= UINT32_MAX) {
            o->packet_size = (size_t)v;
        } else if (name == A_line_length && v <= UINT32_MAX) {
            o->line_length = (size_t)v;
        } else {
            return false;
        }
    }
    return is_nil(list);
}

void packet_ssl(SslRecord *r, const uint8_t *s, size_t n)
{
    if (is_ssl2_hello(s)) {
        /* As the handshake message it would be in TLS. */
        *r = (SslRecord){22, s[3], s[4], {1, 0, (uint8_t)((n - 3) >> 8), (uint8_t)(n - 3)}, 4, s + 3, n - 3};
    } else {
        *r = (SslRecord){s[0], s[1], s[2], {0}, 0, s + 5, n - 5};
    }
}

/* {ssl_tls, [], ContentType, {Major, Minor}, Data} */
static Term ssl_record(Proc *p, Term bin, const uint8_t *s, size_t n)
{
    SslRecord r;
    Term data;
    packet_ssl(&r, s, n);
    if (r.prefix_size) {
        uint8_t *to;
        data = binary_new(p, r.prefix_size + r.body_size, &to);
        memcpy(to, r.prefix, r.prefix_size);
        memcpy(to + r.prefix_size, r.body, r.body_size);
    } else {
        data = binary_sub(p, bin, (size_t)(r.body - s) * 8, r.body_size * 8);
    }
    Term e[5] = {A_ssl_tls, NIL, make_small(r.type), heap_tuple2(p, make_small(r.major), make_small(r.minor)), data};
    return heap_tuple(p, 5, e);
}

static Term http_packet(Proc *p, PacketType type, const uint8_t *s, size_t n)
{
    Term *hp = heap_alloc(p, packet_http_words(type, n));
    Term packet = packet_http(&hp, heap_off_heap(p), type, s, n);
    heap_trim(p, hp);
    return packet;
}

NATIVE(native_decode_packet)
{
    PacketType type;
    PacketOptions options;
    size_t header;
    if (!packet_type(a[0], &type)) {
        return p_badarg_cause(p, A_badopt);
    }
    if (!is_bitstring(a[1]) || !packet_options(a[2], type, &options)) {
        return p_badarg(p);
    }
    /* Bits behind the last whole byte stay in the rest. */
    size_t bits = bitstring_bit_size(a[1]), n;
    Term bytes = bits & 7 ? binary_sub(p, a[1], 0, bits & ~(size_t)7) : a[1];
    const uint8_t *s;
    binary_bytes(p, bytes, &s, &n);
    int64_t size = packet_length(type, s, n, &options, &header);
    if (size == PACKET_INVALID) {
        return heap_tuple2(p, A_error, A_invalid);
    }
    if (size == PACKET_MORE) {
        return heap_tuple2(p, A_more, A_undefined);
    }
    if ((uint64_t)size > n) {
        return heap_tuple2(p, A_more, make_small(size));
    }
    p_charge(p, size / 256);
    Term packet;
    if (type == PACKET_SSL_TLS) {
        packet = ssl_record(p, a[1], s, (size_t)size);
    } else if (type >= PACKET_HTTP) {
        packet = http_packet(p, type, s, (size_t)size);
    } else {
        packet = binary_sub(p, a[1], header * 8, ((size_t)size - header - packet_padding(type, s)) * 8);
    }
    Term rest = binary_sub(p, a[1], (size_t)size * 8, bits - (size_t)size * 8);
    return heap_tuple3(p, A_ok, packet, rest);
}
