/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses as the modules socket and net have them: maps with family, addr, port ... */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "plat/linux/linux.h"
#include "vm/heap/heap.h"

/* The map for an address of n bytes (0: not told). One that is cut short is #{family, addr => Bytes}, as are
 * those of families that we do not know. */
Term sockaddr_to_map(Proc *p, const struct sockaddr *a, socklen_t n);
/* The other way; false: no such address. */
bool sockaddr_from_map(Proc *p, Term map, struct sockaddr_storage *a, socklen_t *n);
/* A hardware address, whose family is the hardware's type. */
Term sockaddr_hardware_to_map(Proc *p, const struct sockaddr *a, socklen_t n);

/* inet | inet6 | local | unspec | integer(). False: none of these. */
bool sockaddr_family_of(Term t, int *family);
Term sockaddr_family_name(int family);
/* stream | dgram | raw | seqpacket | integer() */
bool socket_type_of(Term t, int *type);
Term socket_type_name(int type);

/* {A,B,C,D} | any | loopback | broadcast, and {A,...,H} | any | loopback */
bool in_addr_of(Term t, struct in_addr *a);
bool in6_addr_of(Term t, struct in6_addr *a);
Term in_addr_tuple(Proc *p, const void *bytes);
Term in6_addr_tuple(Proc *p, const void *bytes);
