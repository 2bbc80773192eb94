/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sockets, their life and their connections. See served_priv.h. */
#include "vm/net/served_priv.h"

#include "vm/proc/clock.h"
#include "vm/term/atom.h"

enum { ID_PLACES = 4096, PORT_PLACES = 4096, FIRES_AT_ONCE = 32 };
enum { EPHEMERAL_FIRST = 32768, EPHEMERAL_LAST = 60999 };
enum { SEND_ROOM = 256 << 10 };

static struct ServedTable {
    Served *ids[ID_PLACES];
    Served *ports[PORT_PLACES];
    uint64_t next_id;
    Term service; /* pid; 0: there has been none */
    ServedHost host;
} table;

ServedHost *served_host(void) { return &table.host; }
Term served_service(void) { return table.service ? table.service : NONVALUE; }

/* --- the table ------------------------------------------------------------------------------------------------ */
Served *served_find(uint64_t id)
{
    Served *s = table.ids[id % ID_PLACES];
    while (s && s->id != id) {
        s = s->next;
    }
    return s;
}

Served *served_new(NetFamily family, NetType type)
{
    Served *s = vm_calloc(sizeof *s);
    s->id = ++table.next_id;
    s->family = family;
    s->type = type;
    s->pid = NONVALUE;
    s->error = NONVALUE;
    s->in_end = &s->in;
    s->pending_end = &s->pending;
    s->room = SEND_ROOM;
    s->local.family = (uint8_t)family;
    s->local.size = family == NET_INET ? 4 : 16;
    served_options_init(s);
    Served **place = &table.ids[s->id % ID_PLACES];
    s->next = *place;
    *place = s;
    return s;
}

static void port_link(Served *s)
{
    Served **place = &table.ports[s->local.port % PORT_PLACES];
    s->port_next = *place;
    if (*place) {
        (*place)->port_link = &s->port_next;
    }
    s->port_link = place;
    *place = s;
    s->bound = true;
}

static void port_unlink(Served *s)
{
    if (s->port_link) {
        *s->port_link = s->port_next;
        if (s->port_next) {
            s->port_next->port_link = s->port_link;
        }
        s->port_link = NULL;
    }
}

Served *served_at_port(uint16_t port, Served *after)
{
    Served *s = after ? after->port_next : table.ports[port % PORT_PLACES];
    while (s && s->local.port != port) {
        s = s->port_next;
    }
    return s;
}

/* --- addresses ------------------------------------------------------------------------------------------------ */
static const uint8_t mapped_head[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void served_map(NetAddress *a, NetFamily family)
{
    if (family == NET_INET6 && a->family == NET_INET) {
        memmove(a->bytes + sizeof mapped_head, a->bytes, 4);
        memcpy(a->bytes, mapped_head, sizeof mapped_head);
        a->family = NET_INET6;
        a->size = 16;
    }
}

void served_unmap(NetAddress *a)
{
    if (a->family == NET_INET6 && memcmp(a->bytes, mapped_head, sizeof mapped_head) == 0) {
        memmove(a->bytes, a->bytes + sizeof mapped_head, 4);
        a->family = NET_INET;
        a->size = 4;
    }
}

static NetAddress unmapped(const NetAddress *a)
{
    NetAddress to = *a;
    served_unmap(&to);
    return to;
}

bool served_is_any(const NetAddress *a)
{
    static const uint8_t zeros[16];
    NetAddress plain = unmapped(a);
    return memcmp(plain.bytes, zeros, plain.size) == 0;
}

bool served_same_ip(const NetAddress *a, const NetAddress *b)
{
    NetAddress x = unmapped(a), y = unmapped(b);
    return x.size == y.size && memcmp(x.bytes, y.bytes, x.size) == 0;
}

/* --- life ----------------------------------------------------------------------------------------------------- */
static Socket *served_open(NetFamily family, NetType type, bool tcp, const char *netns, Term *error)
{
    (void)tcp;
    if (family != NET_INET && family != NET_INET6) {
        *error = A_eafnosupport;
        return NULL;
    }
    if (netns) {
        *error = A_enoent;
        return NULL;
    }
    return &served_new(family, type)->head;
}

static Socket *served_adopt(int fd, NetFamily family, bool check, bool *connected, Term *error)
{
    (void)fd;
    (void)family;
    (void)check;
    (void)connected;
    *error = A_ebadf; /* there are no descriptors */
    return NULL;
}

static int served_descriptor(const Socket *h)
{
    (void)h;
    return -1;
}

static void served_free(Served *s)
{
    Served **at = &table.ids[s->id % ID_PLACES];
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    port_unlink(s);
    if (s->kick) {
        timer_cancel_call(s->kick);
    }
    served_in_clear(s);
    served_groups_clear(s);
    vm_free(s);
}

/* Bytes that nobody will read any more make the end of a connection a reset, as the peer has to know. */
static void connection_end(Served *s)
{
    bool linger_zero = s->linger_on && s->linger_seconds == 0;
    if (s->type == NET_STREAM && (s->state == SERVED_CONNECTED || s->state == SERVED_CONNECTING)) {
        served_tell_atom(s, A_close, linger_zero || s->in_bytes ? A_abort : A_orderly);
    }
    served_free(s);
}

static void served_close(Socket *h, bool keep_descriptor)
{
    Served *s = served_of(h);
    (void)keep_descriptor;
    if (s->state == SERVED_LISTENING) {
        served_tell_atom(s, A_close, A_listen);
        while (s->pending) {
            Served *connection = s->pending;
            s->pending = connection->pending_next;
            connection->in_bytes |= 1; /* nobody has read what it brought */
            connection_end(connection);
        }
    }
    connection_end(s);
}

/* --- events --------------------------------------------------------------------------------------------------- */
static unsigned events_of(Served *s)
{
    unsigned events = 0;
    spin_lock(&s->lock);
    bool failed = s->error != NONVALUE;
    if (s->in || s->in_ended || s->shut_read || failed || s->pending) {
        events |= SOCKET_READ;
    }
    if (failed || (s->state == SERVED_CONNECTED && s->room) || (s->state == SERVED_OPEN && s->type == NET_STREAM)) {
        events |= SOCKET_WRITE;
    }
    spin_unlock(&s->lock);
    return events & s->want;
}

static void kick_due(void *arg)
{
    Served *s = arg;
    s->kick = NULL;
    served_fire(s);
}

static void kick(Served *s)
{
    if (!s->kick) {
        s->kick = timer_start_call(clock_uptime_ns(), kick_due, s);
    }
}

/* The owner passes over an event while it is away sending or receiving (its port is pinned): so it gets it again. */
void served_fire(Served *s)
{
    uint64_t id = s->id;
    for (unsigned i = 0; i < FIRES_AT_ONCE; i++) {
        unsigned events = s->head.ready ? events_of(s) : 0;
        if (!events) {
            return;
        }
        s->head.ready(s->head.owner, events);
        s = served_find(id);
        if (!s) {
            return;
        }
    }
    kick(s);
}

static void served_watch(Socket *h, unsigned want)
{
    Served *s = served_of(h);
    s->want = want;
    if (events_of(s)) {
        kick(s); /* not at once: this is called by the one that would be called */
    }
}

void served_fail(Served *s, Term reason)
{
    spin_lock(&s->lock);
    s->error = reason;
    s->in_ended = true;
    s->shut_write = true;
    spin_unlock(&s->lock);
    if (s->state == SERVED_CONNECTING) {
        s->state = SERVED_OPEN;
    }
    served_fire(s);
}

/* --- the service ---------------------------------------------------------------------------------------------- */
static void tell_listen(const Served *s)
{
    Letter l = letter_new(SERVED_MESSAGE_WORDS + 6 + SERVED_ADDRESS_WORDS + SERVED_SETTINGS_WORDS);
    Term only6 = s->family == NET_INET6 && s->options[SOPT_IPV6_V6ONLY] ? A_true : A_false;
    Term local = served_address_term(&l, &s->local), settings = served_settings_term(&l, s);
    const Term what[] = {A_listen, local, only6, make_small(s->backlog), settings};
    served_tell(s, &l, letter_tuple(&l, 5, what));
}

static void restart(Served *s)
{
    bool connection = s->type == NET_STREAM && (s->state == SERVED_CONNECTED || s->state == SERVED_CONNECTING);
    s->pid = NONVALUE;
    if (s->state == SERVED_LISTENING) {
        tell_listen(s);
    }
    served_groups_tell(s);
    spin_lock(&s->lock);
    s->room = SEND_ROOM; /* what was under way is lost */
    bool over = s->in_ended && s->shut_write;
    spin_unlock(&s->lock);
    if (connection && !over) {
        served_fail(s, A_econnreset);
    }
}

bool served_register(Term pid)
{
    if (table.service && table.service != pid && proc_lookup(table.service)) {
        return false;
    }
    table.service = pid;
    uint64_t last = table.next_id;
    for (unsigned i = 0; i < ID_PLACES; i++) {
        uint64_t id = 0; /* the place's ids fall; what is told may close any socket, so each is looked for anew */
        for (Served *s = table.ids[i]; s;) {
            id = s->id;
            if (id <= last) {
                restart(s);
            }
            s = table.ids[i];
            while (s && s->id >= id) {
                s = s->next;
            }
        }
    }
    return true;
}

/* --- addresses and ports -------------------------------------------------------------------------------------- */
static bool overlap(const NetAddress *a, const NetAddress *b)
{
    return served_is_any(a) || served_is_any(b) || served_same_ip(a, b);
}

/* Whether `local` is taken for s by another socket of its kind. */
static bool is_taken(const Served *s, const NetAddress *local)
{
    for (Served *o = served_at_port(local->port, NULL); o; o = served_at_port(local->port, o)) {
        bool shared = o->options[SOPT_REUSEADDR] && s->options[SOPT_REUSEADDR] && o->state != SERVED_LISTENING;
        bool apart = o->family != s->family && (o->family == NET_INET6 ? o : s)->options[SOPT_IPV6_V6ONLY];
        if (o != s && o->type == s->type && !shared && !apart && overlap(&o->local, local)) {
            return true;
        }
    }
    return false;
}

static Term bind_ephemeral(Served *s, NetAddress local)
{
    enum { COUNT = EPHEMERAL_LAST - EPHEMERAL_FIRST + 1 };
    uint16_t random;
    plat_random(&random, sizeof random);
    unsigned start = random % COUNT; /* nobody can guess the next one: RFC 6056, 3.3.1 */
    for (unsigned i = 0; i < COUNT; i++) {
        local.port = (uint16_t)(EPHEMERAL_FIRST + (start + i) % COUNT);
        if (!is_taken(s, &local)) {
            s->local = local;
            port_link(s);
            return NONVALUE;
        }
    }
    return A_eaddrinuse;
}

Term served_bind_any(Served *s)
{
    return s->bound ? NONVALUE : bind_ephemeral(s, s->local);
}

static Term served_bind(Socket *h, const NetAddress *a)
{
    Served *s = served_of(h);
    if (s->bound || a->family != s->family) {
        return s->bound ? A_einval : A_eafnosupport;
    }
    NetAddress local = *a, plain = unmapped(a);
    if (!served_is_any(&plain) && !served_is_ours(&plain)) {
        return A_eaddrnotavail;
    }
    if (plain.family == NET_INET6 && !served_is_any(&plain)) {
        s->options[SOPT_IPV6_V6ONLY] = 1; /* nothing of IPv4's can come to it */
    }
    if (local.port == 0) {
        return bind_ephemeral(s, local);
    }
    if (is_taken(s, &local)) {
        return A_eaddrinuse;
    }
    s->local = local;
    port_link(s);
    return NONVALUE;
}

/* --- connections ---------------------------------------------------------------------------------------------- */
static void tell_connect(const Served *s)
{
    Letter l = letter_new(SERVED_MESSAGE_WORDS + 5 + 2 * SERVED_ADDRESS_WORDS + SERVED_SETTINGS_WORDS);
    NetAddress local = unmapped(&s->local), peer = unmapped(&s->peer);
    Term from = served_address_term(&l, &local), to = served_address_term(&l, &peer);
    const Term what[] = {A_connect, from, to, served_settings_term(&l, s)};
    served_tell(s, &l, letter_tuple(&l, 4, what));
}

static Term datagram_disconnect(Served *s)
{
    s->peer_known = false;
    s->state = SERVED_OPEN;
    return NONVALUE;
}

static Term served_connect(Socket *h, const NetAddress *a)
{
    Served *s = served_of(h);
    if (!a) {
        return datagram_disconnect(s);
    }
    if (a->family != s->family) {
        return A_eafnosupport;
    }
    if (s->type == NET_STREAM && s->state != SERVED_OPEN) {
        return s->state == SERVED_CONNECTING ? A_ealready : A_eisconn;
    }
    NetAddress to = unmapped(a), from;
    if (served_is_any(&to)) { /* this machine, as everywhere */
        memset(to.bytes, 0, to.size);
        to.bytes[to.size - 1] = 1;
        to.bytes[0] = to.family == NET_INET ? 127 : 0;
    }
    if (!served_source(&to, &from)) {
        return A_enetunreach;
    }
    Term error = served_bind_any(s);
    if (error != NONVALUE) {
        return error;
    }
    served_map(&to, s->family);
    served_map(&from, s->family);
    if (served_is_any(&s->local)) {
        memcpy(s->local.bytes, from.bytes, from.size);
    }
    s->peer = *a;
    memcpy(s->peer.bytes, to.bytes, to.size);
    s->peer_known = true;
    if (s->type == NET_DGRAM) {
        s->state = SERVED_CONNECTED;
        return NONVALUE;
    }
    if (served_service() == NONVALUE) {
        return A_enetdown;
    }
    spin_lock(&s->lock);
    s->in_ended = s->shut_write = s->shut_read = false; /* after an attempt that failed */
    s->error = NONVALUE;
    spin_unlock(&s->lock);
    s->state = SERVED_CONNECTING;
    tell_connect(s);
    return A_einprogress;
}

static Term served_connected(Socket *h)
{
    Served *s = served_of(h);
    spin_lock(&s->lock);
    Term error = s->error;
    s->error = NONVALUE;
    spin_unlock(&s->lock);
    return error == NONVALUE && s->state != SERVED_CONNECTED ? A_enotconn : error;
}

static Term served_listen(Socket *h, int backlog)
{
    Served *s = served_of(h);
    if (s->type != NET_STREAM || (s->state != SERVED_OPEN && s->state != SERVED_LISTENING)) {
        return A_einval;
    }
    Term error = served_bind_any(s);
    if (error != NONVALUE) {
        return error;
    }
    for (Served *o = served_at_port(s->local.port, NULL); o; o = served_at_port(s->local.port, o)) {
        if (o != s && o->state == SERVED_LISTENING && overlap(&o->local, &s->local) && is_taken(s, &s->local)) {
            return A_eaddrinuse;
        }
    }
    s->backlog = backlog < 1 ? 1 : backlog;
    s->state = SERVED_LISTENING;
    tell_listen(s);
    return NONVALUE;
}

static Socket *served_accept(Socket *h, NetAddress *from, Term *error)
{
    Served *s = served_of(h), *connection = s->pending;
    if (!connection) {
        *error = A_eagain;
        return NULL;
    }
    s->pending = connection->pending_next;
    s->pending_end = s->pending ? s->pending_end : &s->pending;
    s->pending_count--;
    connection->listener = NULL;
    *from = connection->peer;
    return &connection->head;
}

static Term served_shutdown(Socket *h, ShutdownHow how)
{
    Served *s = served_of(h);
    if (s->state != SERVED_CONNECTED) {
        return A_enotconn;
    }
    spin_lock(&s->lock);
    s->shut_read |= how != SHUT_WRITE;
    s->shut_write |= how != SHUT_READ;
    spin_unlock(&s->lock);
    if (s->type == NET_STREAM) {
        served_tell_atom(s, A_shutdown, how == SHUT_READ ? A_read : how == SHUT_WRITE ? A_write : A_both);
    }
    return NONVALUE;
}

static Term served_name(Socket *h, NetAddress *a)
{
    *a = served_of(h)->local;
    return NONVALUE;
}

static Term served_peer(Socket *h, NetAddress *a)
{
    const Served *s = served_of(h);
    *a = s->peer;
    return s->peer_known && s->state == SERVED_CONNECTED ? NONVALUE : A_enotconn;
}

/* --- files: the service has none to send from; OTP then reads them itself ------------------------------------- */
static int served_file_open(const uint8_t *handle, size_t n, Term *error)
{
    (void)handle;
    (void)n;
    *error = A_enotsup;
    return -1;
}

static int64_t served_send_file(Socket *h, int file, uint64_t offset, uint64_t n, Term *error)
{
    (void)h;
    (void)file;
    (void)offset;
    (void)n;
    *error = A_enotsup;
    return -1;
}

static void served_file_close(int file)
{
    (void)file;
}

const SocketOps served_sockets = {
    .open = served_open,
    .adopt = served_adopt,
    .close = served_close,
    .watch = served_watch,
    .descriptor = served_descriptor,
    .bind = served_bind,
    .connect = served_connect,
    .connected = served_connected,
    .listen = served_listen,
    .accept = served_accept,
    .shutdown = served_shutdown,
    .name = served_name,
    .peer = served_peer,
    .send = served_send,
    .recv = served_recv,
    .send_to = served_send_to,
    .recv_from = served_recv_from,
    .file_open = served_file_open,
    .send_file = served_send_file,
    .file_close = served_file_close,
    .set_option = served_set_option,
    .get_option = served_get_option,
    .packet_extras = served_packet_extras,
    .host_name = served_host_name,
    .service_port = served_service_port,
    .service_name = served_service_name,
    .interfaces = served_interfaces,
    .set_interface = served_set_interface,
};
