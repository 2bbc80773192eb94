/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
/* Values that options and control messages share. */
#include <netinet/ip.h>

#include "plat/linux/esock.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

bool esock_get_uint(Term map, Term key, unsigned *v)
{
    uint64_t n;
    Term t = map_get(map, key);
    if (t == NONVALUE || !is_integer(t) || !integer_to_uint64(t, &n) || n > UINT32_MAX) {
        return false;
    }
    *v = (unsigned)n;
    return true;
}

bool esock_tos_read(Term t, int *v)
{
    switch (t) {
    case A_lowdelay: *v = IPTOS_LOWDELAY; return true;
    case A_throughput: *v = IPTOS_THROUGHPUT; return true;
    case A_reliability: *v = IPTOS_RELIABILITY; return true;
    case A_mincost: *v = IPTOS_MINCOST; return true;
    default: return esock_int(t, v);
    }
}

Term esock_tos_build(int v)
{
    switch (IPTOS_TOS(v)) {
    case IPTOS_LOWDELAY: return A_lowdelay;
    case IPTOS_THROUGHPUT: return A_throughput;
    case IPTOS_RELIABILITY: return A_reliability;
    case IPTOS_MINCOST: return A_mincost;
    default: return make_small(v);
    }
}

Term esock_level_build(int level)
{
    return level == SOL_SOCKET ? A_socket : make_small(level);
}

bool esock_level_read(Term t, int *level)
{
    *level = SOL_SOCKET;
    return t == A_socket || esock_int(t, level);
}
