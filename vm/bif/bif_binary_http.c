/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP lines as terms, for packet types http, httph and their _bin forms:
 *
 *     {http_request, Method, Uri, {Major, Minor}}     {http_response, {Major, Minor}, Status, Phrase}
 *     {http_header, Number, Field, FieldAsSent, Value}     http_eoh     {http_error, Line}
 */
#include "vm/bif/bif_binary_packet.h"
#include "vm/proc/proc.h"
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

static Term make_text(Proc *p, bool binary, Span t)
{
    return binary ? binary_from_bytes(p, t.s, t.n) : heap_string(p, t.s, t.n);
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
static bool take_version(Proc *p, Span *t, Term *version)
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
    *version = heap_tuple2(p, make_small(major), make_small(minor));
    return true;
}

static Term http_error(Proc *p, bool binary, Span line)
{
    return heap_tuple2(p, A_http_error, make_text(p, binary, line));
}

/* {absoluteURI, http | https, Host, Port | undefined, Path} */
static Term absolute_uri(Proc *p, bool binary, Term scheme, Span t)
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
    Term e[5] = {A_absoluteURI, scheme, make_text(p, binary, host), port, make_text(p, binary, path)};
    return heap_tuple(p, 5, e);
}

static Term make_uri(Proc *p, bool binary, Span t)
{
    if (t.n == 1 && t.s[0] == '*') {
        return A_times;
    }
    if (t.s[0] == '/') {
        return heap_tuple2(p, A_abs_path, make_text(p, binary, t));
    }
    if (span_starts(&t, "http://")) {
        span_skip(&t, 7);
        return absolute_uri(p, binary, A_http, t);
    }
    if (span_starts(&t, "https://")) {
        span_skip(&t, 8);
        return absolute_uri(p, binary, A_https, t);
    }
    Span rest = t, scheme = take_until(&rest, ":");
    if (rest.n == 0) {
        return make_text(p, binary, t);
    }
    span_skip(&rest, 1);
    return heap_tuple3(p, A_scheme, make_text(p, binary, scheme), make_text(p, binary, rest));
}

static Term make_method(Proc *p, bool binary, Span t)
{
    for (size_t i = 0; i < sizeof known_methods / sizeof known_methods[0]; i++) {
        if (strlen(known_methods[i]) == t.n && memcmp(known_methods[i], t.s, t.n) == 0) {
            return atom_put_cstr(known_methods[i]);
        }
    }
    return make_text(p, binary, t);
}

static Term request_or_response(Proc *p, bool binary, Span line, Span t)
{
    Term version, e[4];
    int32_t status;
    if (span_starts(&t, "HTTP/")) {
        if (!take_version(p, &t, &version) || t.n == 0 || !is_blank(t.s[0])) {
            return http_error(p, binary, line);
        }
        skip_blanks(&t);
        if (!take_number(&t, &status)) {
            return http_error(p, binary, line);
        }
        skip_blanks(&t);
        e[0] = A_http_response;
        e[1] = version;
        e[2] = make_small(status);
        e[3] = make_text(p, binary, t);
        return heap_tuple(p, 4, e);
    }
    Span method = take_token(&t);
    if (method.n == 0 || t.n == 0 || !is_blank(t.s[0])) {
        return http_error(p, binary, line);
    }
    skip_blanks(&t);
    Span uri = take_until(&t, " \t");
    skip_blanks(&t);
    if (uri.n == 0) {
        return http_error(p, binary, line);
    }
    if (t.n == 0) {
        version = heap_tuple2(p, make_small(0), make_small(9));
    } else if (!take_version(p, &t, &version)) {
        return http_error(p, binary, line);
    }
    e[0] = A_http_request;
    e[1] = make_method(p, binary, method);
    e[2] = make_uri(p, binary, uri);
    e[3] = version;
    return heap_tuple(p, 4, e);
}

static uint8_t upper(uint8_t c) { return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c; }
static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

/* The field name as an atom with its number, or as text with a capital after each hyphen. */
static Term make_field(Proc *p, bool binary, Span t, int *number)
{
    uint8_t name[NORMALISED_FIELD_MAX];
    bool start = true;
    *number = 0;
    if (t.n > sizeof name) {
        return make_text(p, binary, t);
    }
    for (size_t i = 0; i < t.n; i++) {
        name[i] = start ? upper(t.s[i]) : lower(t.s[i]);
        start = t.s[i] == '-';
    }
    for (size_t i = 0; i < sizeof known_fields / sizeof known_fields[0]; i++) {
        if (strlen(known_fields[i]) == t.n && memcmp(known_fields[i], name, t.n) == 0) {
            *number = (int)i + 1;
            return atom_put_cstr(known_fields[i]);
        }
    }
    return make_text(p, binary, (Span){name, t.n});
}

static Term header(Proc *p, bool binary, Span line, Span t)
{
    int number;
    if (t.n == 0) {
        return A_http_eoh;
    }
    Span name = take_token(&t);
    if (t.n == 0 || t.s[0] != ':') {
        return http_error(p, binary, line);
    }
    span_skip(&t, 1);
    skip_blanks(&t);
    Term field = make_field(p, binary, name, &number);
    Term e[5] = {A_http_header, make_small(number), field, make_text(p, binary, name), make_text(p, binary, t)};
    return heap_tuple(p, 5, e);
}

Term packet_http(Proc *p, PacketType type, const uint8_t *s, size_t n)
{
    bool binary = type == PACKET_HTTP_BIN || type == PACKET_HTTPH_BIN;
    Span line = {s, n}, t = line;
    if (t.n && t.s[t.n - 1] == '\n') {
        t.n--;
    }
    if (t.n && t.s[t.n - 1] == '\r') {
        t.n--;
    }
    if (type == PACKET_HTTPH || type == PACKET_HTTPH_BIN) {
        return header(p, binary, line, t);
    }
    return request_or_response(p, binary, line, t);
}
