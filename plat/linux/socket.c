/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/*
 * vm/net/socket.h over Linux's sockets: descriptors that never block, watched by the epoll set of poll.c.
 */
#include "plat/linux/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "vm/heap/heap.h"

enum { VECTOR_MAX = 64, CONTROL_SIZE = 256 };

Term socket_error(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK ? A_eagain : posix_atom(errno);
}

static Term result_of(int status)
{
    return status < 0 ? socket_error() : NONVALUE;
}

/* --- addresses ------------------------------------------------------------------------------------------------ */
static socklen_t address_to(struct sockaddr_storage *to, const NetAddress *a)
{
    struct sockaddr_in *in = (struct sockaddr_in *)to;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
    struct sockaddr_un *un = (struct sockaddr_un *)to;
    memset(to, 0, sizeof *to);
    switch (a->family) {
    case NET_INET:
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->bytes, sizeof in->sin_addr);
        return sizeof *in;
    case NET_INET6:
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(a->port);
        in6->sin6_flowinfo = a->flow;
        in6->sin6_scope_id = a->scope;
        memcpy(&in6->sin6_addr, a->bytes, sizeof in6->sin6_addr);
        return sizeof *in6;
    default:
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, a->bytes, a->size);
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + a->size);
    }
}

static void local_from(NetAddress *a, const struct sockaddr_un *un, socklen_t n)
{
    size_t size = n > offsetof(struct sockaddr_un, sun_path) ? n - offsetof(struct sockaddr_un, sun_path) : 0;
    size_t path = strnlen(un->sun_path, size);
    a->family = NET_LOCAL;
    a->size = (uint8_t)(path ? path : size); /* an abstract name starts with a zero byte */
    memcpy(a->bytes, un->sun_path, a->size);
}

void socket_address_from(NetAddress *a, const struct sockaddr_storage *from, socklen_t n)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    *a = (NetAddress){.family = NET_UNDEFINED};
    if (n < sizeof from->ss_family || from->ss_family == AF_UNSPEC) {
        a->family = NET_UNSPEC;
    } else if (from->ss_family == AF_INET) {
        a->family = NET_INET;
        a->size = sizeof in->sin_addr;
        a->port = ntohs(in->sin_port);
        memcpy(a->bytes, &in->sin_addr, a->size);
    } else if (from->ss_family == AF_INET6) {
        a->family = NET_INET6;
        a->size = sizeof in6->sin6_addr;
        a->port = ntohs(in6->sin6_port);
        a->flow = in6->sin6_flowinfo;
        a->scope = in6->sin6_scope_id;
        memcpy(a->bytes, &in6->sin6_addr, a->size);
    } else if (from->ss_family == AF_UNIX) {
        local_from(a, (const struct sockaddr_un *)from, n);
    }
}

static int family_number(NetFamily family)
{
    return family == NET_INET ? AF_INET : family == NET_INET6 ? AF_INET6 : AF_UNIX;
}

/* --- life ------------------------------------------------------------------------------------------------------- */
static void socket_ready(PollSource *source, unsigned events)
{
    LinuxSocket *s = (LinuxSocket *)(void *)((char *)source - offsetof(LinuxSocket, source));
    s->head.ready(s->head.owner, ((events & WATCH_IN) ? SOCKET_READ : 0) | ((events & WATCH_OUT) ? SOCKET_WRITE : 0));
}

Socket *socket_new(int fd)
{
    LinuxSocket *s = vm_calloc(sizeof *s);
    s->source = (PollSource){.fd = fd, .takes_over = true, .ready = socket_ready};
    return &s->head;
}

Term socket_in_netns(const char *name, Term (*fn)(void *arg), void *arg)
{
    if (!name) {
        return fn(arg);
    }
    int ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int theirs = ours < 0 ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    Term result = theirs < 0 || setns(theirs, CLONE_NEWNET) < 0 ? socket_error() : NONVALUE;
    if (result == NONVALUE) {
        result = fn(arg);
        if (setns(ours, CLONE_NEWNET) < 0 && result == NONVALUE) {
            result = socket_error();
        }
    }
    if (theirs >= 0) {
        close(theirs);
    }
    if (ours >= 0) {
        close(ours);
    }
    return result;
}

typedef struct OpenRequest {
    int family, type, protocol, fd;
} OpenRequest;

static Term open_here(void *arg)
{
    OpenRequest *o = arg;
    o->fd = socket(o->family, o->type | SOCK_NONBLOCK | SOCK_CLOEXEC, o->protocol);
    return result_of(o->fd);
}

static Socket *socket_open(NetFamily family, NetType type, bool tcp, const char *netns, Term *error)
{
    int protocol = family == NET_LOCAL ? 0 : tcp ? IPPROTO_TCP : IPPROTO_UDP;
    OpenRequest o = {family_number(family), type == NET_STREAM ? SOCK_STREAM : SOCK_DGRAM, protocol, -1};
    *error = socket_in_netns(netns, open_here, &o);
    if (*error != NONVALUE) {
        if (o.fd >= 0) {
            close(o.fd);
        }
        return NULL;
    }
    return socket_new(o.fd);
}

static Socket *socket_adopt(int fd, NetFamily family, bool check, bool *connected, Term *error)
{
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    if (check && getsockname(fd, (struct sockaddr *)&a, &n) < 0) {
        *error = socket_error();
        return NULL;
    }
    if (check && a.ss_family != family_number(family)) {
        *error = A_einval;
        return NULL;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        *error = socket_error();
        return NULL;
    }
    n = sizeof a;
    *connected = getpeername(fd, (struct sockaddr *)&a, &n) == 0;
    return socket_new(fd);
}

static void socket_close(Socket *s, bool keep_descriptor)
{
    LinuxSocket *l = (LinuxSocket *)(void *)s;
    poll_watch(&l->source, 0);
    if (!keep_descriptor) {
        close(l->source.fd);
    }
    vm_free(l);
}

void socket_watch(Socket *s, unsigned want)
{
    LinuxSocket *l = (LinuxSocket *)(void *)s;
    poll_want(&l->source, ((want & SOCKET_READ) ? WATCH_IN : 0) | ((want & SOCKET_WRITE) ? WATCH_OUT : 0));
}

/* --- connections -------------------------------------------------------------------------------------------------- */
static Term socket_bind(Socket *s, const NetAddress *a)
{
    struct sockaddr_storage to;
    socklen_t n = address_to(&to, a);
    return result_of(bind(socket_fd(s), (struct sockaddr *)&to, n));
}

static Term socket_connect(Socket *s, const NetAddress *a)
{
    struct sockaddr_storage to = {.ss_family = AF_UNSPEC};
    socklen_t n = a ? address_to(&to, a) : sizeof to.ss_family;
    int status;
    do {
        status = connect(socket_fd(s), (struct sockaddr *)&to, n);
    } while (status < 0 && errno == EINTR);
    if (status < 0 && (errno == EINPROGRESS || errno == EAGAIN)) {
        return A_einprogress;
    }
    return result_of(status);
}

static Term socket_connected(Socket *s)
{
    int error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(socket_fd(s), SOL_SOCKET, SO_ERROR, &error, &n) < 0) {
        return socket_error();
    }
    return error ? posix_atom(error) : NONVALUE;
}

static Term socket_listen(Socket *s, int backlog)
{
    return result_of(listen(socket_fd(s), backlog));
}

static Socket *socket_accept(Socket *s, NetAddress *from, Term *error)
{
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    int fd;
    do {
        fd = accept4(socket_fd(s), (struct sockaddr *)&a, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        *error = socket_error();
        return NULL;
    }
    socket_address_from(from, &a, n);
    return socket_new(fd);
}

static Term socket_shutdown(Socket *s, ShutdownHow how)
{
    return result_of(shutdown(socket_fd(s), (int)how));
}

static Term socket_name(Socket *s, NetAddress *a)
{
    struct sockaddr_storage name = {0};
    socklen_t n = sizeof name;
    if (getsockname(socket_fd(s), (struct sockaddr *)&name, &n) < 0) {
        return socket_error();
    }
    socket_address_from(a, &name, n);
    return NONVALUE;
}

static Term socket_peer(Socket *s, NetAddress *a)
{
    struct sockaddr_storage name = {0};
    socklen_t n = sizeof name;
    if (getpeername(socket_fd(s), (struct sockaddr *)&name, &n) < 0) {
        return socket_error();
    }
    socket_address_from(a, &name, n);
    return NONVALUE;
}

/* --- data --------------------------------------------------------------------------------------------------------- */
int64_t socket_moved(ssize_t n, Term *error)
{
    if (n < 0) {
        *error = socket_error();
    }
    return n;
}

static int64_t socket_send(Socket *s, const SocketVec *v, size_t count, Term *error)
{
    struct iovec iov[VECTOR_MAX];
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = count < VECTOR_MAX ? count : VECTOR_MAX};
    ssize_t n;
    for (size_t i = 0; i < m.msg_iovlen; i++) {
        iov[i] = (struct iovec){(void *)(uintptr_t)v[i].bytes, v[i].size};
    }
    do {
        n = count == 1 ? send(socket_fd(s), v->bytes, v->size, MSG_NOSIGNAL) : sendmsg(socket_fd(s), &m, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return socket_moved(n, error);
}

static int64_t socket_recv(Socket *s, uint8_t *buf, size_t size, Term *error)
{
    ssize_t n;
    do {
        n = recv(socket_fd(s), buf, size, 0);
    } while (n < 0 && errno == EINTR);
    return socket_moved(n, error);
}

/* Control data for extras at m->msg_control, which has CONTROL_SIZE bytes. */
static void extras_write(struct msghdr *m, const SocketExtra *extras, size_t count)
{
    size_t used = 0;
    m->msg_controllen = CONTROL_SIZE;
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    for (size_t i = 0; i < count && c; i++) {
        bool v6 = extras[i].option == SOPT_TCLASS;
        int value = (int)extras[i].value;
        c->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
        c->cmsg_type = v6 ? IPV6_TCLASS : extras[i].option == SOPT_TOS ? IP_TOS : IP_TTL;
        c->cmsg_len = CMSG_LEN(sizeof value);
        memcpy(CMSG_DATA(c), &value, sizeof value);
        used += CMSG_SPACE(sizeof value);
        c = CMSG_NXTHDR(m, c);
    }
    m->msg_controllen = used;
    if (!used) {
        m->msg_control = NULL;
    }
}

static int64_t socket_send_to(Socket *s, const NetAddress *to, SocketVec data, const SocketExtra *extras, size_t count,
                              Term *error)
{
    struct sockaddr_storage name;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE] = {0};
    struct iovec iov = {(void *)(uintptr_t)data.bytes, data.size};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    ssize_t n;
    if (to) {
        m.msg_namelen = address_to(&name, to);
        m.msg_name = &name;
    }
    extras_write(&m, extras, count);
    do {
        n = sendmsg(socket_fd(s), &m, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return socket_moved(n, error);
}

static int64_t extra_value(const struct cmsghdr *c)
{
    size_t n = c->cmsg_len - CMSG_LEN(0);
    uint64_t v = 0;
    if (n == 1 || n == 2 || n == 4 || n == 8) {
        memcpy(&v, CMSG_DATA(c), n); /* little endian */
    }
    return n == 4 ? (int32_t)v : (int64_t)v;
}

size_t socket_extras_read(struct msghdr *m, SocketExtra *extras, size_t max)
{
    static const struct {
        int level, type;
        SocketOption option;
    } kinds[] = {{IPPROTO_IP, IP_TOS, SOPT_TOS},       {IPPROTO_IPV6, IPV6_TCLASS, SOPT_TCLASS},
                 {IPPROTO_IP, IP_TTL, SOPT_TTL},       {IPPROTO_IP, IP_RECVTOS, SOPT_TOS},
                 {IPPROTO_IP, IP_RECVTTL, SOPT_TTL},   {IPPROTO_IPV6, IPV6_RECVTCLASS, SOPT_TCLASS}};
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c && count < max; c = CMSG_NXTHDR(m, c)) {
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            if (c->cmsg_level == kinds[i].level && c->cmsg_type == kinds[i].type) {
                extras[count++] = (SocketExtra){kinds[i].option, extra_value(c)};
                break;
            }
        }
    }
    return count;
}

static int64_t socket_recv_from(Socket *s, uint8_t *buf, size_t size, NetAddress *from, SocketExtra *extras,
                                size_t *count,
                                Term *error)
{
    struct sockaddr_storage name = {0};
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
    struct iovec iov = {buf, size};
    struct msghdr m = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;
    if (count) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
    }
    do {
        n = recvmsg(socket_fd(s), &m, 0);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        socket_address_from(from, &name, m.msg_namelen);
        if (count) {
            *count = socket_extras_read(&m, extras, *count);
        }
    }
    return socket_moved(n, error);
}

/* --- files -------------------------------------------------------------------------------------------------------- */
static int socket_file_open(const uint8_t *handle, size_t n, Term *error)
{
    int fd;
    if (n != sizeof fd) {
        *error = A_einval;
        return -1;
    }
    memcpy(&fd, handle, sizeof fd);
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) {
        *error = socket_error();
    }
    return own;
}

int64_t socket_send_file(Socket *s, int file, uint64_t offset, uint64_t count, Term *error)
{
    off_t at = (off_t)offset;
    ssize_t n;
    do {
        n = sendfile(socket_fd(s), file, &at, count);
    } while (n < 0 && errno == EINTR);
    return socket_moved(n, error);
}

void socket_file_close(int file)
{
    close(file);
}

const SocketOps linux_sockets = {
    .open = socket_open,
    .adopt = socket_adopt,
    .close = socket_close,
    .watch = socket_watch,
    .descriptor = socket_fd,
    .bind = socket_bind,
    .connect = socket_connect,
    .connected = socket_connected,
    .listen = socket_listen,
    .accept = socket_accept,
    .shutdown = socket_shutdown,
    .name = socket_name,
    .peer = socket_peer,
    .send = socket_send,
    .recv = socket_recv,
    .send_to = socket_send_to,
    .recv_from = socket_recv_from,
    .file_open = socket_file_open,
    .send_file = socket_send_file,
    .file_close = socket_file_close,
    .set_option = socket_set_option,
    .get_option = socket_get_option,
    .packet_extras = socket_packet_extras,
    .host_name = socket_host_name,
    .service_port = socket_service_port,
    .service_name = socket_service_name,
    .interfaces = socket_interfaces,
    .set_interface = socket_set_interface,
};
