/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP lines as terms, for packet types http, httph and their _bin forms:
 *
 *     {http_request, Method, Uri, {Major, Minor}}     {http_response, {Major, Minor}, Status, Phrase}
 *     {http_header, Number, Field, FieldAsSent, Value}     http_eoh     {http_error, Line}
 */
#include "vm/bif/bif_binary_packet.h"
#include "vm/term/atom.h"
#include "vm/term/binary.h"

/* A stretch of text that is consumed from its start. */
typedef struct Span {
    const uint8_t *s;
    size_t n;
} Span;

static const char *const known_fields[] = {
    "Cache-Control", "Connection", "Date", "Pragma", "Transfer-Encoding", "Upgrade", "Via", "Accept",
    "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization", "From", "Host",
    "If-Modified-Since", "If-Match", "If-None-Match", "If-Range", "If-Unmodified-Since", "Max-Forwards",
    "Proxy-Authorization", "Range", "Referer", "User-Agent", "Age", "Location", "Proxy-Authenticate",
    "Public", "Retry-After", "Server", "Vary", "Warning", "Www-Authenticate", "Allow", "Content-Base",
    "Content-Encoding", "Content-Language", "Content-Length", "Content-Location", "Content-Md5",
    "Content-Range", "Content-Type", "Etag", "Expires", "Last-Modified", "Accept-Ranges", "Set-Cookie",
    "Set-Cookie2", "X-Forwarded-For", "Cookie", "Keep-Alive", "Proxy-Connection",
};
static const char *const known_methods[] = {"OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE"};
enum { NORMALISED_FIELD_MAX = 50 };

/* Where terms go, and whether texts become binaries or lists. */
typedef struct Build {
    Term *hp;
    OffHeap *off_heap;
    bool binary;
} Build;

static Term make_text(Build *b, Span t)
{
    if (b->binary) {
        uint8_t *data;
        Term bin = binary_build_new(&b->hp, b->off_heap, t.n, &data);
        memcpy(data, t.s, t.n);
        return bin;
    }
    Term list = NIL;
    for (size_t i = t.n; i-- > 0;) {
        list = heap_cons(&b->hp, make_small(t.s[i]), list);
    }
    return list;
}

static Term make_tuple(Build *b, size_t n, const Term *elements)
{
    Term *t = b->hp;
    t[0] = MAKE_HEADER(n, SUB_TUPLE);
    memcpy(t + 1, elements, n * sizeof *elements);
    b->hp += n + 1;
    return make_boxed(t);
}

static Term make_pair(Build *b, Term first, Term second)
{
    const Term e[2] = {first, second};
    return make_tuple(b, 2, e);
}

static void span_skip(Span *t, size_t n)
{
    t->s += n;
    t->n -= n;
}

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }
static void skip_blanks(Span *t)
{
    while (t->n && is_blank(t->s[0])) {
        span_skip(t, 1);
    }
}

/* Takes the characters before the first one in `stops` (all, when there is none). */
static Span take_until(Span *t, const char *stops)
{
    Span taken = {t->s, 0};
    while (taken.n < t->n && (t->s[taken.n] == 0 || !strchr(stops, t->s[taken.n]))) {
        taken.n++;
    }
    span_skip(t, taken.n);
    return taken;
}

static bool span_starts(const Span *t, const char *prefix)
{
    size_t n = strlen(prefix);
    return t->n >= n && memcmp(t->s, prefix, n) == 0;
}

/* A character of a token: printing, and no separator. */
static bool is_token(uint8_t c)
{
    return c > 32 && c < 127 && !strchr("()<>@,;:\\\"/[]?={}", c);
}
static Span take_token(Span *t)
{
    Span taken = {t->s, 0};
    while (taken.n < t->n && is_token(t->s[taken.n])) {
        taken.n++;
    }
    span_skip(t, taken.n);
    return taken;
}

static bool take_number(Span *t, int32_t *v)
{
    uint32_t sum = 0;
    if (t->n == 0 || t->s[0] < '0' || t->s[0] > '9') {
        return false;
    }
    while (t->n && t->s[0] >= '0' && t->s[0] <= '9') {
        sum = sum * 10 + (t->s[0] - '0');
        span_skip(t, 1);
    }
    *v = (int32_t)sum;
    return true;
}

/* HTTP/Major.Minor */
static bool take_version(Build *b, Span *t, Term *version)
{
    int32_t major, minor;
    if (!span_starts(t, "HTTP/")) {
        return false;
    }
    span_skip(t, 5);
    if (!take_number(t, &major) || t->n == 0 || t->s[0] != '.') {
        return false;
    }
    span_skip(t, 1);
    if (!take_number(t, &minor)) {
        return false;
    }
    *version = make_pair(b, make_small(major), make_small(minor));
    return true;
}

static Term http_error(Build *b, Span line)
{
    return make_pair(b, A_http_error, make_text(b, line));
}

/* {absoluteURI, http | https, Host, Port | undefined, Path} */
static Term absolute_uri(Build *b, Term scheme, Span t)
{
    static const uint8_t root[] = "/";
    Span path = {root, 1}, host = take_until(&t, ":/");
    Term port = A_undefined;
    if (t.n && t.s[0] == ':') {
        int32_t number;
        span_skip(&t, 1);
        Span digits = take_until(&t, "/");
        Span d = digits;
        if (take_number(&d, &number) && d.n == 0) {
            port = make_small(number);
        }
    }
    if (t.n) {
        path = t;
    }
    Term e[5] = {A_absoluteURI, scheme, make_text(b, host), port, make_text(b, path)};
    return make_tuple(b, 5, e);
}

static Term make_uri(Build *b, Span t)
{
    if (t.n == 1 && t.s[0] == '*') {
        return A_times;
    }
    if (t.s[0] == '/') {
        return make_pair(b, A_abs_path, make_text(b, t));
    }
    if (span_starts(&t, "http://")) {
        span_skip(&t, 7);
        return absolute_uri(b, A_http, t);
    }
    if (span_starts(&t, "https://")) {
        span_skip(&t, 8);
        return absolute_uri(b, A_https, t);
    }
    Span rest = t, scheme = take_until(&rest, ":");
    if (rest.n == 0) {
        return make_text(b, t);
    }
    span_skip(&rest, 1);
    Term e[3] = {A_scheme, make_text(b, scheme), make_text(b, rest)};
    return make_tuple(b, 3, e);
}

static Term make_method(Build *b, Span t)
{
    for (size_t i = 0; i < sizeof known_methods / sizeof known_methods[0]; i++) {
        if (strlen(known_methods[i]) == t.n && memcmp(known_methods[i], t.s, t.n) == 0) {
            return atom_put_cstr(known_methods[i]);
        }
    }
    return make_text(b, t);
}

static Term request_or_response(Build *b, Span line, Span t)
{
    Term version, e[4];
    int32_t status;
    if (span_starts(&t, "HTTP/")) {
        if (!take_version(b, &t, &version) || t.n == 0 || !is_blank(t.s[0])) {
            return http_error(b, line);
        }
        skip_blanks(&t);
        if (!take_number(&t, &status)) {
            return http_error(b, line);
        }
        skip_blanks(&t);
        e[0] = A_http_response;
        e[1] = version;
        e[2] = make_small(status);
        e[3] = make_text(b, t);
        return make_tuple(b, 4, e);
    }
    Span method = take_token(&t);
    if (method.n == 0 || t.n == 0 || !is_blank(t.s[0])) {
        return http_error(b, line);
    }
    skip_blanks(&t);
    Span uri = take_until(&t, " \t");
    skip_blanks(&t);
    if (uri.n == 0) {
        return http_error(b, line);
    }
    if (t.n == 0) {
        version = make_pair(b, make_small(0), make_small(9));
    } else if (!take_version(b, &t, &version)) {
        return http_error(b, line);
    }
    e[0] = A_http_request;
    e[1] = make_method(b, method);
    e[2] = make_uri(b, uri);
    e[3] = version;
    return make_tuple(b, 4, e);
}

static uint8_t upper(uint8_t c) { return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c; }
static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

/* The field name as an atom with its number, or as text with a capital at its start and after each hyphen, but for a
 * hyphen in place of a capital. */
static Term make_field(Build *b, Span t, int *number)
{
    uint8_t name[NORMALISED_FIELD_MAX];
    bool start = true;
    *number = 0;
    if (t.n > sizeof name) {
        return make_text(b, t);
    }
    for (size_t i = 0; i < t.n; i++) {
        name[i] = start ? upper(t.s[i]) : lower(t.s[i]);
        start = !start && t.s[i] == '-';
    }
    for (size_t i = 0; i < sizeof known_fields / sizeof known_fields[0]; i++) {
        if (strlen(known_fields[i]) == t.n && memcmp(known_fields[i], name, t.n) == 0) {
            *number = (int)i + 1;
            return atom_put_cstr(known_fields[i]);
        }
    }
    return make_text(b, (Span){name, t.n});
}

static Term header(Build *b, Span line, Span t)
{
    int number;
    if (t.n == 0) {
        return A_http_eoh;
    }
    Span name = take_token(&t);
    if (t.n == 0 || t.s[0] != ':') {
        return http_error(b, line);
    }
    span_skip(&t, 1);
    skip_blanks(&t);
    Term field = make_field(b, name, &number);
    Term e[5] = {A_http_header, make_small(number), field, make_text(b, name), make_text(b, t)};
    return make_tuple(b, 5, e);
}

Term packet_http(Term **hp, OffHeap *oh, PacketType type, const uint8_t *s, size_t n)
{
    Build b = {*hp, oh, type == PACKET_HTTP_BIN || type == PACKET_HTTPH_BIN};
    Span line = {s, n}, t = line;
    if (t.n && t.s[t.n - 1] == '\n') {
        t.n--;
    }
    if (t.n && t.s[t.n - 1] == '\r') {
        t.n--;
    }
    bool is_header = type == PACKET_HTTPH || type == PACKET_HTTPH_BIN;
    Term packet = is_header ? header(&b, line, t) : request_or_response(&b, line, t);
    *hp = b.hp;
    return packet;
}
