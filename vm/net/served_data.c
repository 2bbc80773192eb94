/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes and datagrams, in and out, and the messages to those who move them. See served_priv.h. */
#include "vm/net/served_priv.h"
#include "vm/term/atom.h"

/* A binary that is little of what it keeps alive is copied. */
enum { BY_REFERENCE = 512, DATAGRAM_MAX = 65507, REPORT_PART = 4 };

/* --- in ------------------------------------------------------------------------------------------------------- */
void served_in_add(Served *s, Binary *binary, const uint8_t *bytes, size_t n, const NetAddress *from, uint8_t tos,
                   uint8_t ttl)
{
    bool own = !binary || n < BY_REFERENCE;
    ServedChunk *c = vm_alloc(sizeof *c + (own ? n : 0));
    *c = (ServedChunk){.binary = own ? NULL : binary, .at = own ? c->own : bytes, .left = n, .tos = tos, .ttl = ttl};
    if (from) {
        c->from = *from;
    }
    if (own) {
        memcpy(c->own, bytes, n);
    } else {
        binary_retain(binary);
    }
    spin_lock(&s->lock);
    *s->in_end = c;
    s->in_end = &c->next;
    s->in_bytes += n;
    spin_unlock(&s->lock);
}

static void chunk_free(ServedChunk *c)
{
    if (c->binary) {
        binary_release(c->binary);
    }
    vm_free(c);
}

/* Takes the first chunk out. Under the lock. */
static ServedChunk *in_first(Served *s)
{
    ServedChunk *c = s->in;
    s->in = c->next;
    if (!s->in) {
        s->in_end = &s->in;
    }
    return c;
}

void served_in_clear(Served *s)
{
    while (s->in) {
        chunk_free(in_first(s));
    }
    s->in_bytes = 0;
}

/* Nothing is there to be read: why. Under the lock. */
static int64_t in_empty(Served *s, Term *error)
{
    if (s->error != NONVALUE) {
        *error = s->error;
        s->error = NONVALUE;
        return -1;
    }
    if (s->in_ended || s->shut_read) {
        return 0;
    }
    *error = A_eagain;
    return -1;
}

static int64_t recv_stream(Served *s, uint8_t *buf, size_t n, Term *error)
{
    size_t done = 0, report = 0;
    size_t enough = (size_t)s->options[SOPT_RCVBUF] / REPORT_PART;
    spin_lock(&s->lock);
    while (s->in && done < n) {
        ServedChunk *c = s->in;
        size_t part = c->left < n - done ? c->left : n - done;
        memcpy(buf + done, c->at, part);
        done += part;
        c->at += part;
        c->left -= part;
        if (!c->left) {
            chunk_free(in_first(s));
        }
    }
    s->in_bytes -= done;
    s->unreported += done;
    if (s->unreported > enough) {
        report = s->unreported;
        s->unreported = 0;
    }
    int64_t result = done || !n ? (int64_t)done : in_empty(s, error);
    spin_unlock(&s->lock);
    if (report) {
        served_tell_number(s, A_read, (int64_t)report);
    }
    return result;
}

static size_t extras_of(const Served *s, const ServedChunk *c, SocketExtra *extras, size_t max)
{
    const struct {
        SocketOption wanted, option;
        uint8_t value;
    } all[] = {{SOPT_RECVTTL, SOPT_TTL, c->ttl}, {SOPT_RECVTOS, SOPT_TOS, c->tos},
               {SOPT_RECVTCLASS, SOPT_TCLASS, c->tos}}; /* in Linux' order */
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all && count < max; i++) {
        if (s->options[all[i].wanted]) {
            extras[count++] = (SocketExtra){all[i].option, all[i].value};
        }
    }
    return count;
}

int64_t served_recv_from(Socket *h, uint8_t *buf, size_t n, NetAddress *from, SocketExtra *extras, size_t *count,
                         Term *error)
{
    Served *s = served_of(h);
    spin_lock(&s->lock);
    if (!s->in) {
        int64_t result = in_empty(s, error);
        spin_unlock(&s->lock);
        return result;
    }
    ServedChunk *c = in_first(s);
    s->in_bytes -= c->left;
    spin_unlock(&s->lock);
    size_t size = c->left < n ? c->left : n; /* the rest of a datagram is lost */
    memcpy(buf, c->at, size);
    *from = c->from;
    if (count) {
        *count = extras_of(s, c, extras, *count);
    }
    chunk_free(c);
    return (int64_t)size;
}

int64_t served_recv(Socket *h, uint8_t *buf, size_t n, Term *error)
{
    Served *s = served_of(h);
    NetAddress from;
    return s->type == NET_STREAM ? recv_stream(s, buf, n, error)
                                 : served_recv_from(h, buf, n, &from, NULL, NULL, error);
}

/* --- messages ------------------------------------------------------------------------------------------------- */
void served_tell(const Served *s, Letter *l, Term what)
{
    Term pid = s->pid == NONVALUE ? served_service() : s->pid;
    if (pid == NONVALUE) {
        frag_free(l->frag);
        return;
    }
    letter_send(l, pid, letter_tuple(l, 3, (const Term[]){A_loom_socket, make_small((int64_t)s->id), what}));
}

void served_tell_atom(const Served *s, Term tag, Term value)
{
    Letter l = letter_new(SERVED_MESSAGE_WORDS + 3);
    served_tell(s, &l, letter_tuple(&l, 2, (const Term[]){tag, value}));
}

void served_tell_number(const Served *s, Term tag, int64_t number)
{
    Letter l = letter_new(SERVED_MESSAGE_WORDS + 3);
    served_tell(s, &l, letter_tuple(&l, 2, (const Term[]){tag, make_small(number)}));
}

Term served_address_term(Letter *l, const NetAddress *a)
{
    Term ip = letter_binary(l, a->bytes, a->size);
    return letter_tuple(l, 2, (const Term[]){ip, make_small(a->port)});
}

/* --- out ------------------------------------------------------------------------------------------------------ */
/* Takes room for at most n bytes. */
static size_t room_take(Served *s, size_t n, Term *error)
{
    size_t room = 0;
    spin_lock(&s->lock);
    if (s->error != NONVALUE) {
        *error = s->error;
        s->error = NONVALUE;
    } else if (s->shut_write) {
        *error = A_epipe;
    } else if (!s->room) {
        *error = A_eagain;
    } else {
        room = s->room < n ? s->room : n;
        s->room -= room;
    }
    spin_unlock(&s->lock);
    return room;
}

int64_t served_send(Socket *h, const SocketVec *v, size_t count, Term *error)
{
    Served *s = served_of(h);
    size_t size = 0, done = 0;
    for (size_t i = 0; i < count; i++) {
        size += v[i].size;
    }
    if (!size) {
        return 0;
    }
    *error = NONVALUE;
    size = room_take(s, size, error);
    if (*error != NONVALUE) {
        return -1;
    }
    Binary *b = binary_alloc(size);
    for (size_t i = 0; done < size; i++) {
        size_t part = v[i].size < size - done ? v[i].size : size - done;
        memcpy(b->data + done, v[i].bytes, part);
        done += part;
    }
    Letter l = letter_new(SERVED_MESSAGE_WORDS + 3 + REFC_BIN_WORDS);
    Term data = build_refc_bin(&l.hp, &l.frag->off_heap, b, b->data, size);
    served_tell(s, &l, letter_tuple(&l, 2, (const Term[]){A_send, data}));
    return (int64_t)size;
}

static Term send_datagram(Served *s, const NetAddress *to, SocketVec data, int32_t tos, int32_t ttl)
{
    NetAddress from = s->local, target = *to;
    Term error = served_bind_any(s);
    if (error != NONVALUE) {
        return error;
    }
    from.port = s->local.port;
    if (data.size > DATAGRAM_MAX) {
        return A_emsgsize;
    }
    served_unmap(&target);
    served_unmap(&from);
    NetAddress source;
    if (from.size != target.size) { /* bound to any, of the other kind */
        from = (NetAddress){.family = target.family, .size = target.size, .port = from.port};
    }
    if (!served_source(&target, &source)) {
        return A_enetunreach;
    }
    if (served_service() == NONVALUE) {
        return A_enetdown;
    }
    if (s->room < data.size) {
        return NONVALUE; /* the service is far behind: a datagram is lost, as it may */
    }
    s->room -= data.size;
    Letter l = letter_new(SERVED_MESSAGE_WORDS + 7 + 2 * SERVED_ADDRESS_WORDS + LETTER_BINARY_WORDS(data.size));
    Term source_term = served_address_term(&l, &from), target_term = served_address_term(&l, &target);
    Term bytes = letter_binary(&l, data.bytes, data.size);
    const Term what[] = {A_send_to, source_term, target_term, bytes, make_small(tos), make_small(ttl)};
    served_tell(s, &l, letter_tuple(&l, 6, what));
    return NONVALUE;
}

int64_t served_send_to(Socket *h, const NetAddress *to, SocketVec data, const SocketExtra *extras, size_t count,
                       Term *error)
{
    Served *s = served_of(h);
    int32_t tos = s->family == NET_INET ? s->options[SOPT_TOS] : s->options[SOPT_TCLASS];
    int32_t ttl = s->options[SOPT_TTL];
    for (size_t i = 0; i < count; i++) {
        if (extras[i].option == SOPT_TTL) {
            ttl = (int32_t)extras[i].value;
        } else if ((extras[i].option == SOPT_TOS) == (s->family == NET_INET)) {
            tos = (int32_t)extras[i].value;
        }
    }
    ports_lock(); /* the port is pinned, the tables are everybody's */
    spin_lock(&s->lock);
    *error = s->error; /* of an earlier datagram */
    s->error = NONVALUE;
    spin_unlock(&s->lock);
    if (*error == NONVALUE) {
        const NetAddress *peer = to ? to : s->peer_known ? &s->peer : NULL;
        *error = !peer ? A_edestaddrreq : peer->port == 0 ? A_einval : send_datagram(s, peer, data, tos, ttl);
    }
    ports_unlock();
    return *error == NONVALUE ? (int64_t)data.size : -1;
}
