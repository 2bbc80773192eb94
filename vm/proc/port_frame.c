/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data through ports: packets with a length in front, lines, lists or binaries. Input that is not a whole
 * packet or line yet waits in port->partial.
 */
#include "vm/plat.h"
#include "vm/proc/idmap.h"
#include "vm/proc/msg.h"
#include "vm/proc/port.h"
#include "vm/proc/port_priv.h"
#include "vm/term/binary.h"
#include "vm/term/unicode.h"
#include "vm/trace/trace.h"
#include "vm/vm.h"

enum { DATA_MESSAGE_WORDS = 3 * TUPLE_WORDS(2) };

/* --- names -------------------------------------------------------------------------------------------- */
uint8_t *port_name_text(Term t, size_t *n)
{
    if (is_binary(t)) {
        return iolist_to_memory(t, n);
    }
    /* Flat lists of code points: the usual case, and the only one that may hold code points above 255. */
    size_t length = 0;
    Term rest = t;
    for (; is_cons(rest); rest = cons_tail(rest)) {
        Term c = cons_head(rest);
        if (!is_small(c) || small_value(c) < 0 || small_value(c) > 0x10ffff) {
            return iolist_to_memory(t, n);
        }
        length++;
    }
    if (!is_nil(rest)) {
        return NULL;
    }
    uint8_t *text = vm_alloc(length * 4 + 1);
    size_t used = 0;
    for (rest = t; is_cons(rest); rest = cons_tail(rest)) {
        used += utf8_encode((uint32_t)small_value(cons_head(rest)), text + used);
    }
    text[used] = 0;
    *n = used;
    return text;
}

/* --- out ------------------------------------------------------------------------------------------------- */
/* One packet: `bytes` begins with room for its length. Takes it. */
static void output_packet(Port *port, uint8_t *bytes, size_t size)
{
    unsigned head = port->packet;
    if (head && size >> (8 * head)) { /* its length does not fit in front of it */
        vm_free(bytes);
        port_terminate(port, A_einval);
        return;
    }
    for (unsigned i = 0; i < head; i++) {
        bytes[i] = (uint8_t)(size >> 8 * (head - 1 - i));
    }
    port->output += size;
    bool ok = port->driver->output(port->data, bytes, head + size);
    vm_free(bytes);
    if (!ok) {
        port_terminate(port, A_epipe);
    }
}

bool port_output(Port *port, Term caller, Term data)
{
    size_t size;
    if (iolist_size_of(data, &size) != IO_OK) {
        return false;
    }
    if (port->driver->command) {
        port->output += size;
        port->driver->command(port->data, caller, data, size);
        return true;
    }
    uint8_t *bytes = vm_alloc(port->packet + size + 1);
    iolist_copy(data, bytes + port->packet, size);
    output_packet(port, bytes, size);
    return true;
}

void port_output_bytes(Port *port, const uint8_t *data, size_t n)
{
    if (!port->driver->output) {
        return; /* a socket: nobody is there to be answered */
    }
    uint8_t *bytes = vm_alloc(port->packet + n + 1);
    memcpy(bytes + port->packet, data, n);
    output_packet(port, bytes, n);
}

/* --- in ---------------------------------------------------------------------------------------------------- */
static Term build_tuple2(Term **hp, Term a, Term b)
{
    Term *t = *hp;
    t[0] = MAKE_HEADER(2, SUB_TUPLE);
    t[1] = a;
    t[2] = b;
    *hp = t + TUPLE_WORDS(2);
    return make_boxed(t);
}

static size_t data_words(const Port *port, size_t n)
{
    if (!port->binary) {
        return 2 * n;
    }
    return n <= HEAP_BIN_MAX ? HEAP_BIN_WORDS(n) : REFC_BIN_WORDS;
}

static Term build_data(const Port *port, Term **hp, OffHeap *oh, const uint8_t *bytes, size_t n)
{
    if (!port->binary) {
        Term list = NIL;
        for (size_t i = n; i-- > 0;) {
            list = heap_cons(hp, make_small(bytes[i]), list);
        }
        return list;
    }
    if (n <= HEAP_BIN_MAX) {
        HeapBin *b = (HeapBin *)*hp;
        (*hp)[HEAP_BIN_WORDS(n) - 1] = 0;
        b->header = MAKE_HEADER(HEAP_BIN_WORDS(n) - 1, SUB_HEAP_BIN);
        b->size = n;
        memcpy(b->data, bytes, n);
        *hp += HEAP_BIN_WORDS(n);
        return make_boxed((Term *)b);
    }
    Binary *b = binary_alloc(n);
    memcpy(b->data, bytes, n);
    return build_refc_bin(hp, oh, b, b->data, n);
}

static void deliver(Port *port, Term message, HeapFrag *frag)
{
    if (trace_port_on(port, TRACE_SEND)) {
        trace_port_says(port, port->owner, message);
    }
    msg_send_frag_from(port->id, port->owner, message, frag);
}

/* {Port, {data, Data}}, or {Port, {data, {Flag, Data}}} when flag is not NONVALUE. */
static void send_data(Port *port, Term flag, const uint8_t *bytes, size_t n)
{
    HeapFrag *frag = frag_new(DATA_MESSAGE_WORDS + data_words(port, n));
    Term *hp = frag->mem;
    Term data = build_data(port, &hp, &frag->off_heap, bytes, n);
    if (flag) {
        data = build_tuple2(&hp, flag, data);
    }
    data = build_tuple2(&hp, A_data, data);
    Term message = build_tuple2(&hp, port->id, data);
    frag->used = (size_t)(hp - frag->mem);
    deliver(port, message, frag);
}

void port_deliver_with_head(Port *port, const uint8_t *head, size_t head_size, const uint8_t *bytes, size_t n)
{
    HeapFrag *frag = frag_new(DATA_MESSAGE_WORDS + 2 * head_size + (bytes ? data_words(port, n) : 0));
    Term *hp = frag->mem;
    Term data = bytes ? build_data(port, &hp, &frag->off_heap, bytes, n) : NIL;
    for (size_t i = head_size; i-- > 0;) {
        data = heap_cons(&hp, make_small(head[i]), data);
    }
    data = build_tuple2(&hp, A_data, data);
    Term message = build_tuple2(&hp, port->id, data);
    frag->used = (size_t)(hp - frag->mem);
    port->input += head_size + n;
    msg_send_frag_from(port->id, port->owner, message, frag);
}

void port_deliver(Port *port, Term message, HeapFrag *frag)
{
    HeapFrag *outer = frag_new(TUPLE_WORDS(2) + (frag ? frag->used : 0));
    Term *hp = outer->mem;
    Term inner = frag ? term_copy(message, &hp, &outer->off_heap) : message;
    Term whole = build_tuple2(&hp, port->id, inner);
    outer->used = (size_t)(hp - outer->mem);
    if (frag) {
        frag_free(frag);
    }
    deliver(port, whole, outer);
}

static void partial_add(Port *port, const uint8_t *bytes, size_t n)
{
    if (port->partial_size + n > port->partial_capacity) {
        size_t capacity = port->partial_capacity ? port->partial_capacity : 256;
        while (capacity < port->partial_size + n) {
            capacity *= 2;
        }
        port->partial = vm_realloc(port->partial, capacity);
        port->partial_capacity = capacity;
    }
    memcpy(port->partial + port->partial_size, bytes, n);
    port->partial_size += n;
}

/* Sends `bytes`, with what waits in partial before them, as one line or part of one. */
static void send_line(Port *port, Term flag, const uint8_t *bytes, size_t n)
{
    if (port->partial_size) {
        partial_add(port, bytes, n);
        send_data(port, flag, port->partial, port->partial_size);
        port->partial_size = 0;
    } else {
        send_data(port, flag, bytes, n);
    }
}

/* The line that ends before bytes[n]: a carriage return at its end belongs to the line break. */
static void send_whole_line(Port *port, const uint8_t *bytes, size_t n)
{
    if (n > 0) {
        n -= bytes[n - 1] == '\r';
    } else if (port->partial_size > 0) {
        port->partial_size -= port->partial[port->partial_size - 1] == '\r';
    }
    send_line(port, A_eol, bytes, n);
}

/* partial holds more than a line: its last byte, a carriage return that no newline followed, begins the next. */
static void send_overlong_partial(Port *port)
{
    port->partial_size--;
    send_line(port, A_noeol, NULL, 0);
    partial_add(port, (const uint8_t *)"\r", 1);
}

/* A line of port->line bytes is cut there, unless a line break follows, which may be two bytes. */
static void deliver_lines(Port *port, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        /* most: with a carriage return that does not count */
        size_t have = port->partial_size, most = port->line + 1 - have;
        const uint8_t *newline = memchr(bytes, '\n', n < most + 1 ? n : most + 1);
        size_t length = newline ? (size_t)(newline - bytes) : n;
        uint8_t last = length > 0 ? bytes[length - 1] : have > 0 ? port->partial[have - 1] : 0;
        bool fits = have + length <= port->line || (have + length == port->line + 1 && last == '\r');
        size_t take;
        if (newline && fits) {
            take = length + 1;
            send_whole_line(port, bytes, length);
        } else if (fits) {
            take = n;
            partial_add(port, bytes, n);
        } else if (have > port->line) {
            take = 0;
            send_overlong_partial(port);
        } else {
            take = port->line - have;
            send_line(port, A_noeol, bytes, take);
        }
        bytes += take;
        n -= take;
    }
}

static size_t packet_size(const Port *port)
{
    size_t size = 0;
    for (unsigned i = 0; i < port->packet; i++) {
        size = size << 8 | port->partial[i];
    }
    return size;
}

static void deliver_packets(Port *port, const uint8_t *bytes, size_t n)
{
    size_t head = port->packet, at = 0;
    partial_add(port, bytes, n);
    uint8_t *base = port->partial;
    while (port->partial_size - at >= head) {
        port->partial = base + at; /* packet_size reads at the front */
        size_t size = packet_size(port);
        port->partial = base;
        if (port->partial_size - at - head < size) {
            break;
        }
        port->input += size; /* without its head, as port_info tells it */
        send_data(port, NONVALUE, base + at + head, size);
        at += head + size;
    }
    port->partial_size -= at;
    memmove(base, base + at, port->partial_size);
}

void port_deliver_data(Port *port, const uint8_t *bytes, size_t n)
{
    if (port->line) {
        port->input += n;
        deliver_lines(port, bytes, n);
    } else if (port->packet) {
        deliver_packets(port, bytes, n);
    } else if (n > 0) {
        port->input += n;
        send_data(port, NONVALUE, bytes, n);
    }
}

void port_deliver_eof(Port *port)
{
    if (port->line && port->partial_size > port->line) {
        send_overlong_partial(port);
    }
    if (port->line && port->partial_size) {
        send_line(port, A_noeol, NULL, 0);
    }
    if (port->eof) {
        port_deliver(port, A_eof, NULL);
    } else {
        port_terminate(port, A_normal);
    }
}
