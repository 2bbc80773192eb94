/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The internet checksum (RFC 1071): loom_net_checksum:sum/2, whose body in Erlang is what other machines run. Every
 * byte that the network stack sends or takes passes here.
 */
#include "gen/natives.h"
#include "vm/heap/heap.h"
#include "vm/proc/proc.h"
#include "vm/term/binary.h"

enum { MODULUS = 65535 };

/* The sum of the 16-bit words, the last padded by zeros, modulo 65535. The order of bytes within words may be settled
 * last (RFC 1071, 2 (B)), so words are taken as they lie, eight bytes at a time. */
static uint64_t sum_of(const uint8_t *s, size_t n)
{
    uint64_t sum = 0, word;
    for (; n >= sizeof word; s += sizeof word, n -= sizeof word) {
        memcpy(&word, s, sizeof word);
        sum += word;
        sum += sum < word; /* the carry comes round */
    }
    word = 0;
    memcpy(&word, s, n);
    sum += word;
    sum += sum < word;
    return __builtin_bswap16((uint16_t)(sum % MODULUS));
}

/* sum(Iodata, Sum): what comes after an even number of bytes, added to Sum. */
NATIVE(native_loom_net_checksum_sum)
{
    if (!is_small(a[1]) || small_value(a[1]) < 0) {
        return p_badarg(p);
    }
    uint64_t sum = (uint64_t)small_value(a[1]) % MODULUS;
    bool odd = false, good = true;
    IoWalk walk;
    Term leaf;
    int more;
    iolist_walk_init(&walk, a[0]);
    while (good && (more = iolist_walk_next(&walk, &leaf)) != 0) {
        const uint8_t *bytes;
        uint8_t byte;
        size_t n = 1;
        if (more > 0 && is_small(leaf)) {
            byte = (uint8_t)small_value(leaf);
            bytes = &byte;
        } else {
            good = more > 0 && is_binary(leaf) && binary_bytes(p, leaf, &bytes, &n);
        }
        if (good) {
            /* Behind an odd number of bytes, these count in the other half of their word. */
            sum += sum_of(bytes, n) << (odd ? 8 : 0);
            odd ^= n & 1;
        }
    }
    iolist_walk_end(&walk);
    return good ? make_small((int64_t)(sum % MODULUS)) : p_badarg(p);
}
