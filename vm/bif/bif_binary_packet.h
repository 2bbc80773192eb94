/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and decoding packets in a stream of bytes: erlang:decode_packet/3, and ports and sockets with {packet,
 * Type}. */
#pragma once

#include "vm/heap/heap.h"

typedef enum {
    PACKET_RAW,
    PACKET_1,
    PACKET_2,
    PACKET_4,
    PACKET_ASN1,
    PACKET_SUNRM,
    PACKET_CDR,
    PACKET_FCGI,
    PACKET_TPKT,
    PACKET_SSL_TLS,
    PACKET_LINE,
    PACKET_HTTP,
    PACKET_HTTPH,
    PACKET_HTTP_BIN,
    PACKET_HTTPH_BIN,
} PacketType;

typedef struct PacketOptions {
    size_t packet_size; /* largest packet; 0: any */
    size_t line_length; /* longer lines are cut; 0: none are */
    uint8_t delimiter;  /* of PACKET_LINE */
} PacketOptions;

enum { PACKET_MORE = 0, PACKET_INVALID = -1 };
/* Bytes of the first packet in s[0..n), header included: may be more than n. PACKET_MORE: not known yet. *header: bytes
 * at its start that are not delivered. */
int64_t packet_length(PacketType type, const uint8_t *s, size_t n, const PacketOptions *o, size_t *header);
/* Bytes at the end of a whole packet that are not delivered. */
static inline size_t packet_padding(PacketType type, const uint8_t *s)
{
    return type == PACKET_FCGI ? s[6] : 0;
}
/* The term that an HTTP packet (a whole line of n bytes) stands for, built at *hp: at most packet_http_words. */
size_t packet_http_words(PacketType type, size_t n);
Term packet_http(Term **hp, OffHeap *oh, PacketType type, const uint8_t *s, size_t n);
/* An SSL or TLS record's parts. A prefix that is not in the stream goes before the body of an SSL 2.0 hello. */
typedef struct SslRecord {
    unsigned type, major, minor;
    uint8_t prefix[4];
    size_t prefix_size;
    const uint8_t *body;
    size_t body_size;
} SslRecord;
void packet_ssl(SslRecord *r, const uint8_t *s, size_t n);
