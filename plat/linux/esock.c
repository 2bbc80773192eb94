/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * vm/net/esock.h over Linux's sockets: opening, connecting, moving data, and the tables of what is supported.
 * Names and numbers that OTP does not have on Linux are told without a number, as OTP tells them.
 */
#include "plat/linux/esock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/uio.h>
#include <unistd.h>

#include "plat/linux/file.h"
#include "vm/term/binary.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

enum { VECTOR_MAX = 1024 };

static Term result_of(int status)
{
    return status < 0 ? socket_error() : NONVALUE;
}

/* --- tables ----------------------------------------------------------------------------------- */
Term esock_names(Proc *p, const EsockName *names, size_t count)
{
    Term list = NIL;
    for (size_t i = count; i-- > 0;) {
        Term pair = heap_tuple2(p, atom_put_cstr(names[i].name), heap_uint64(p, names[i].number));
        list = heap_cons_on(p, pair, list);
    }
    return list;
}

Term esock_flags(Proc *p, const EsockName *names, size_t count, unsigned flags)
{
    Term found[64];
    size_t n = 0;
    for (size_t i = 0; i < count && flags; i++) {
        if (names[i].number && (flags & names[i].number) == names[i].number) {
            flags &= ~(unsigned)names[i].number;
            found[n++] = atom_put_cstr(names[i].name);
        }
    }
    if (flags) {
        found[n++] = heap_int64(p, (int)flags);
    }
    return heap_list(p, n, found, NIL);
}

static Term protocol_row(Proc *p, Term list, Term names, int number)
{
    return heap_cons_on(p, heap_tuple2(p, names, make_small(number)), list);
}

/* [{[Name, Alias ...], Number}]. Of a name or number that is there twice the last counts. */
static Term protocol_table(Proc *p)
{
    static const EsockName always[] = {{"ip", IPPROTO_IP}, {"ipv6", IPPROTO_IPV6}, {"tcp", IPPROTO_TCP},
                                       {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};
    Term list = NIL;
    const struct protoent *e;
    setprotoent(1);
    while ((e = getprotoent())) {
        Term names = NIL;
        for (char **alias = e->p_aliases; *alias; alias++) {
            names = heap_cons_on(p, atom_put_cstr(*alias), names);
        }
        names = heap_cons_on(p, atom_put_cstr(e->p_name), names);
        list = protocol_row(p, list, names, e->p_proto);
    }
    endprotoent();
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        Term names = heap_cons_on(p, atom_put_cstr(always[i].name), NIL);
        list = protocol_row(p, list, names, (int)always[i].number);
    }
    return list;
}

static Term esock_supports(Proc *p, Term what)
{
    switch (what) {
    case A_msg_flags: return esock_message_flag_table(p);
    case A_protocols: return protocol_table(p);
    case A_ioctl_requests: return esock_ioctl_table(p);
    case A_ioctl_flags: return esock_ioctl_flag_table(p);
    case A_options: return esock_option_table(p);
    default: break;
    }
    const Term there[] = {A_sctp, A_ipv6, A_local, A_netns, A_sendfile};
    Term list = NIL;
    for (size_t i = what == NONVALUE ? sizeof there / sizeof *there : 0; i-- > 0;) {
        list = heap_cons_on(p, heap_tuple2(p, there[i], A_true), list);
    }
    return list;
}

/* --- opening and closing ---------------------------------------------------------------------- */
static bool int_option(int fd, int name, int *v)
{
    socklen_t n = sizeof *v;
    return getsockopt(fd, SOL_SOCKET, name, v, &n) == 0;
}

typedef struct OpenRequest {
    int domain, type, protocol, fd;
} OpenRequest;

static Term open_here(void *arg)
{
    OpenRequest *o = arg;
    o->fd = socket(o->domain, o->type | SOCK_NONBLOCK | SOCK_CLOEXEC, o->protocol);
    return result_of(o->fd);
}

static Socket *esock_open(Proc *p, Term domain, Term type, int protocol, Term options, EsockKind *kind, Term *result)
{
    OpenRequest o = {.protocol = protocol, .fd = -1};
    Term netns = map_get(options, A_netns);
    if (!sockaddr_family_of(domain, &o.domain)) {
        *result = esock_invalid(p, A_domain);
        return NULL;
    }
    if (!socket_type_of(type, &o.type)) {
        *result = esock_invalid(p, A_type);
        return NULL;
    }
    size_t n;
    char *space = netns != NONVALUE && is_binary(netns) ? (char *)iolist_to_memory(netns, &n) : NULL;
    Term error = socket_in_netns(space, open_here, &o);
    vm_free(space);
    if (error != NONVALUE) {
        if (o.fd >= 0) {
            close(o.fd);
        }
        *result = esock_error(p, error);
        return NULL;
    }
    if (o.protocol == 0) {
        int_option(o.fd, SO_PROTOCOL, &o.protocol);
    }
    *kind = (EsockKind){sockaddr_family_name(o.domain), socket_type_name(o.type), o.protocol};
    return socket_new(o.fd);
}

/* What a descriptor is: it says so itself, or else the options do. False: neither does. */
static bool adopt_kind(int fd, Term options, EsockKind *kind, Term *missing)
{
    int domain, type, protocol = 0;
    Term t;
    *missing = A_domain;
    if (!int_option(fd, SO_DOMAIN, &domain) &&
        ((t = map_get(options, A_domain)) == NONVALUE || !sockaddr_family_of(t, &domain))) {
        return false;
    }
    *missing = A_type;
    if (!int_option(fd, SO_TYPE, &type) &&
        ((t = map_get(options, A_type)) == NONVALUE || !socket_type_of(t, &type))) {
        return false;
    }
    if (!int_option(fd, SO_PROTOCOL, &protocol) && (t = map_get(options, A_protocol)) != NONVALUE &&
        !esock_int(t, &protocol)) {
        protocol = 0;
    }
    *kind = (EsockKind){sockaddr_family_name(domain), socket_type_name(type), protocol};
    return true;
}

static Socket *esock_adopt(Proc *p, int fd, Term options, EsockKind *kind, bool *connected, bool *borrowed,
                           Term *result)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    Term missing;
    if (!adopt_kind(fd, options, kind, &missing)) {
        *result = esock_invalid(p, missing);
        return NULL;
    }
    *borrowed = map_get(options, A_dup) == A_false;
    int own = *borrowed ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int flags = own < 0 ? -1 : fcntl(own, F_GETFL);
    if (own < 0 || (flags >= 0 && fcntl(own, F_SETFL, flags | O_NONBLOCK) < 0)) {
        *result = esock_error(p, socket_error());
        if (own >= 0 && !*borrowed) {
            close(own);
        }
        return NULL;
    }
    *connected = getpeername(own, (struct sockaddr *)&a, &n) == 0;
    return socket_new(own);
}

static void *close_slowly(void *arg)
{
    close((int)(intptr_t)arg);
    return NULL;
}

/* Closing waits while the socket lingers, so that is done aside. */
static void descriptor_close(int fd)
{
    struct linger l = {0};
    socklen_t n = sizeof l;
    pthread_t thread;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &n) == 0 && l.l_onoff && l.l_linger > 0 &&
        pthread_create(&thread, NULL, close_slowly, (void *)(intptr_t)fd) == 0) {
        pthread_detach(thread);
        return;
    }
    close(fd);
}

static void esock_close(Socket *s, bool keep_descriptor)
{
    LinuxSocket *l = (LinuxSocket *)(void *)s;
    poll_watch(&l->source, 0);
    if (!keep_descriptor) {
        descriptor_close(l->source.fd);
    }
    vm_free(l);
}

/* --- addresses and connections ---------------------------------------------------------------- */
static bool address_read(Proc *p, Term map, EsockAddress *a)
{
    struct sockaddr_storage storage;
    socklen_t n;
    if (!sockaddr_from_map(p, map, &storage, &n)) {
        return false;
    }
    memcpy(a->bytes, &storage, sizeof storage);
    a->size = n;
    return true;
}

/* Bytes behind the size are zero: an address that is not there at all is of family unspec. */
static Term address_build(Proc *p, const EsockAddress *a)
{
    return sockaddr_to_map(p, (const struct sockaddr *)(const void *)a->bytes, a->size);
}

static const struct sockaddr *sockaddr_of(const EsockAddress *a)
{
    return (const struct sockaddr *)(const void *)a->bytes;
}

static Term esock_bind(Socket *s, const EsockAddress *a)
{
    return result_of(bind(socket_fd(s), sockaddr_of(a), a->size));
}

static Term esock_connect(Socket *s, const EsockAddress *a)
{
    int status;
    do {
        status = connect(socket_fd(s), sockaddr_of(a), a->size);
    } while (status < 0 && errno == EINTR);
    return status < 0 && (errno == EINPROGRESS || errno == EAGAIN) ? A_einprogress : result_of(status);
}

static Term esock_connected(Socket *s)
{
    int error = 0;
    if (!int_option(socket_fd(s), SO_ERROR, &error)) {
        return socket_error();
    }
    return error ? posix_atom(error) : NONVALUE;
}

static Term esock_listen(Socket *s, int backlog)
{
    return result_of(listen(socket_fd(s), backlog));
}

static Socket *esock_accept(Socket *s, Term *error)
{
    int fd;
    do {
        fd = accept4(socket_fd(s), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        *error = socket_error();
        return NULL;
    }
    return socket_new(fd);
}

static Term esock_shutdown(Socket *s, ShutdownHow how)
{
    return result_of(shutdown(socket_fd(s), (int)how));
}

static Term esock_name(Socket *s, bool of_peer, EsockAddress *a)
{
    socklen_t n = sizeof a->bytes;
    struct sockaddr *to = (struct sockaddr *)(void *)a->bytes;
    memset(a->bytes, 0, sizeof a->bytes);
    int status = of_peer ? getpeername(socket_fd(s), to, &n) : getsockname(socket_fd(s), to, &n);
    a->size = n;
    return result_of(status);
}

/* --- data ------------------------------------------------------------------------------------- */

static int64_t esock_send(Socket *s, const EsockMessage *m, Term *error)
{
    struct iovec iov[VECTOR_MAX];
    struct msghdr h = {.msg_iov = iov, .msg_iovlen = m->count, .msg_control = m->control_size ? m->control : NULL,
                       .msg_controllen = m->control_size};
    int flags = m->flags | MSG_NOSIGNAL;
    ssize_t n;
    if (m->to) {
        h.msg_name = (void *)(uintptr_t)m->to->bytes;
        h.msg_namelen = m->to->size;
    }
    for (size_t i = 0; i < m->count; i++) {
        iov[i] = (struct iovec){(void *)(uintptr_t)m->out[i].bytes, m->out[i].size};
    }
    bool plain = m->count == 1 && !m->to && !m->control_size;
    do {
        n = plain ? send(socket_fd(s), m->out->bytes, m->out->size, flags) : sendmsg(socket_fd(s), &h, flags);
    } while (n < 0 && errno == EINTR);
    return socket_moved(n, error);
}

static int64_t esock_receive(Socket *s, EsockMessage *m, Term *error)
{
    struct iovec iov = {m->in, m->room};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = m->control,
                       .msg_controllen = m->control ? m->control_size : 0};
    ssize_t n;
    if (!m->from) {
        do {
            n = recv(socket_fd(s), m->in, m->room, m->flags);
        } while (n < 0 && errno == EINTR);
        return socket_moved(n, error);
    }
    memset(m->from->bytes, 0, sizeof m->from->bytes);
    do {
        h.msg_name = m->from->bytes;
        h.msg_namelen = sizeof(struct sockaddr_storage);
        n = recvmsg(socket_fd(s), &h, m->flags);
    } while (n < 0 && errno == EINTR);
    m->from->size = h.msg_namelen;
    m->control_size = h.msg_controllen;
    m->flags = h.msg_flags;
    return socket_moved(n, error);
}

/* --- files ------------------------------------------------------------------------------------ */
static int esock_file_open(Term file, Term *error)
{
    const File *f = file_of(file);
    if (!f) {
        return -1;
    }
    int fd = f->fd < 0 ? -1 : fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        *error = f->fd < 0 ? A_einval : socket_error();
    }
    return fd;
}

const EsockOps linux_esocks = {
    .open = esock_open,
    .adopt = esock_adopt,
    .close = esock_close,
    .watch = socket_watch,
    .descriptor = socket_fd,
    .address_read = address_read,
    .address_build = address_build,
    .bind = esock_bind,
    .connect = esock_connect,
    .connected = esock_connected,
    .listen = esock_listen,
    .accept = esock_accept,
    .shutdown = esock_shutdown,
    .name = esock_name,
    .send = esock_send,
    .receive = esock_receive,
    .control_read = esock_control_read,
    .control_build = esock_control_build,
    .flags_build = esock_message_flags,
    .file_open = esock_file_open,
    .send_file = socket_send_file,
    .file_close = socket_file_close,
    .set_option = esock_set_option,
    .get_option = esock_get_option,
    .ioctl = esock_ioctl,
    .supports = esock_supports,
    .vector_max = VECTOR_MAX,
};
