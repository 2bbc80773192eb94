/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of Linux behind vm/net: shared by socket.c (life, data), socket_option.c and socket_names.c. */
#pragma once

#include <sys/socket.h>

#include "plat/linux/linux.h"
#include "vm/net/socket.h"
#include "vm/term/atom.h"

typedef struct LinuxSocket {
    Socket head; /* first */
    PollSource source;
} LinuxSocket;

static inline int socket_fd(const Socket *s) { return ((const LinuxSocket *)(const void *)s)->source.fd; }

Term socket_error(void); /* errno as an atom */
void socket_address_from(NetAddress *a, const struct sockaddr_storage *from, socklen_t n);
/* Runs fn(arg) in a network name space, or in ours when name is NULL. errno's atom, or what fn returns. */
Term socket_in_netns(const char *name, Term (*fn)(void *arg), void *arg);
/* The extras in a message's control data. */
size_t socket_extras_read(struct msghdr *m, SocketExtra *extras, size_t max);

/* setsockopt, after which priority and type of service are as they were, unless it was them that were set. */
Term socket_set_bytes(int fd, int level, int name, const void *bytes, socklen_t n);
Socket *socket_new(int fd);
void socket_watch(Socket *s, unsigned want);
/* What a system call that moves n bytes returned; below 0: *error is errno's atom. */
int64_t socket_moved(ssize_t n, Term *error);
int64_t socket_send_file(Socket *s, int file, uint64_t offset, uint64_t count, Term *error);
void socket_file_close(int file);

Term socket_set_option(Socket *s, NetFamily family, SocketOption option, const SocketValue *v);
Term socket_get_option(Socket *s, NetFamily family, SocketOption option, SocketValue *v);
Term socket_packet_extras(Socket *s, NetFamily family, SocketExtra *extras, size_t *count);

Term socket_host_name(char *text, size_t n);
int socket_service_port(const char *name, const char *protocol);
bool socket_service_name(unsigned port, const char *protocol, char *text, size_t n);
Term socket_interfaces(const char *netns, NetInterface **list, size_t *count);
void socket_set_interface(Socket *s, NetInterfaceField what, const NetInterface *value);

extern const SocketOps linux_sockets;
