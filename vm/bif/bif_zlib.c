/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zlib streams for zlib.erl. A stream is a magic reference that one process controls; its input is a byte queue, and
 * each deflate_nif/inflate_nif takes a bounded part of it, so that zlib.erl's loop is where processes are preempted.
 */
#include "gen/natives.h"
#include "vm/bif/bif_buffer_queue.h"
#include "vm/term/binary.h"

#include <zlib.h>

typedef enum { STREAM_NONE, STREAM_DEFLATE, STREAM_INFLATE, STREAM_CLOSED } StreamState;
enum { EOS_ERROR = 0, EOS_RESET = 1, EOS_CUT = 2 }; /* as in zlib.erl */
enum { DEFAULT_BUFFER_BYTES = 4000, OUTPUT_MAX_BYTES = 1 << 24 };

typedef struct Stream {
    z_stream z;
    StreamState state;
    Term controller; /* pid */
    ByteQueue input;
    HeapFrag *stash;
    Term stashed;
    size_t buffer_bytes;
    int eos_behavior;
    bool eos_seen;
    bool raw; /* no header, so no checksum by zlib: we keep one */
    uint32_t crc;
} Stream;

static void *stream_alloc(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    return vm_alloc((size_t)items * size);
}

static void stream_free(void *opaque, void *mem)
{
    (void)opaque;
    vm_free(mem);
}

static int stream_stop(Stream *s)
{
    int r = Z_OK;
    if (s->state == STREAM_DEFLATE) {
        r = deflateEnd(&s->z);
    } else if (s->state == STREAM_INFLATE) {
        r = inflateEnd(&s->z);
    }
    if (s->input.size > 0 && r == Z_OK) {
        r = Z_DATA_ERROR;
    }
    queue_clear(&s->input);
    s->eos_seen = false;
    s->state = STREAM_NONE;
    return r;
}

static void stream_destroy(Magic *m)
{
    Stream *s = m->data;
    stream_stop(s);
    if (s->stash) {
        frag_free(s->stash);
    }
    vm_free(s);
}
static const MagicKind stream_kind = {"zlib", stream_destroy};

/* --- arguments and results ------------------------------------------------------------------------- */

/* The stream, when p may use it; NULL after recording the exception. */
static Stream *stream_of(Proc *p, Term t)
{
    Magic *m = magic_of(t, &stream_kind);
    if (!m) {
        p_badarg(p);
        return NULL;
    }
    Stream *s = m->data;
    if (s->controller != p->id) {
        p_fault(p, FAULT_ERROR, A_not_on_controlling_process);
        return NULL;
    }
    return s;
}

static Stream *stream_in_state(Proc *p, Term t, StreamState state)
{
    Stream *s = stream_of(p, t);
    if (s && s->state != state) {
        p_fault(p, FAULT_ERROR, A_not_initialized);
        return NULL;
    }
    return s;
}

static bool int_arg(Term t, int *v)
{
    if (!is_small(t) || small_value(t) < INT32_MIN || small_value(t) > INT32_MAX) {
        return false;
    }
    *v = (int)small_value(t);
    return true;
}

static Term zlib_fault(Proc *p, const Stream *s, int code)
{
    switch (code) {
    case Z_NEED_DICT:
        return p_error2(p, A_need_dictionary, heap_uint64(p, s->z.adler));
    case Z_STREAM_ERROR:
        return p_fault(p, FAULT_ERROR, A_stream_error);
    case Z_DATA_ERROR:
        return p_fault(p, FAULT_ERROR, A_data_error);
    case Z_BUF_ERROR:
        return p_fault(p, FAULT_ERROR, A_buf_error);
    case Z_MEM_ERROR:
        return p_system_limit(p);
    case Z_VERSION_ERROR:
        return p_fault(p, FAULT_ERROR, A_version_error);
    default:
        return p_fault(p, FAULT_ERROR, A_unknown_error);
    }
}

static Term zlib_result(Proc *p, const Stream *s, int code)
{
    return code == Z_OK ? A_ok : zlib_fault(p, s, code);
}

/* --- life ---------------------------------------------------------------------------------------------- */

NATIVE(native_zlib_open_nif)
{
    (void)a;
    Stream *s = vm_calloc(sizeof *s);
    s->controller = p->id;
    s->buffer_bytes = DEFAULT_BUFFER_BYTES;
    s->z.zalloc = stream_alloc;
    s->z.zfree = stream_free;
    return heap_magic_ref(p, magic_new(&stream_kind, s));
}

NATIVE(native_zlib_close_nif)
{
    Stream *s = stream_of(p, a[0]);
    if (!s) {
        return NONVALUE;
    }
    if (s->state == STREAM_CLOSED) {
        return p_fault(p, FAULT_ERROR, A_not_initialized);
    }
    stream_stop(s);
    s->state = STREAM_CLOSED;
    return A_ok;
}

NATIVE(native_zlib_set_controller_nif)
{
    Stream *s = stream_of(p, a[0]);
    if (!s) {
        return NONVALUE;
    }
    if (!is_local_pid(a[1])) {
        return p_badarg(p);
    }
    s->controller = a[1];
    return A_ok;
}

/* A stream that has not been initialised yet. */
static Stream *stream_fresh(Proc *p, Term t)
{
    Stream *s = stream_of(p, t);
    if (s && s->state != STREAM_NONE) {
        p_fault(p, FAULT_ERROR, A_already_initialized);
        return NULL;
    }
    return s;
}

static void stream_begin(Stream *s, StreamState state, int window_bits)
{
    s->state = state;
    s->eos_seen = false;
    s->raw = window_bits < 0;
    s->crc = 0;
}

NATIVE(native_zlib_deflateInit_nif)
{
    int level, method, bits, memory, strategy;
    if (!int_arg(a[1], &level) || !int_arg(a[2], &method) || !int_arg(a[3], &bits) ||
        !int_arg(a[4], &memory) || !int_arg(a[5], &strategy)) {
        return p_badarg(p);
    }
    Stream *s = stream_fresh(p, a[0]);
    if (!s) {
        return NONVALUE;
    }
    int r = deflateInit2(&s->z, level, method, bits, memory, strategy);
    if (r == Z_OK) {
        stream_begin(s, STREAM_DEFLATE, bits);
    }
    return zlib_result(p, s, r);
}

NATIVE(native_zlib_inflateInit_nif)
{
    int bits, behavior;
    if (!int_arg(a[1], &bits) || !int_arg(a[2], &behavior) || behavior < EOS_ERROR || behavior > EOS_CUT) {
        return p_badarg(p);
    }
    Stream *s = stream_fresh(p, a[0]);
    if (!s) {
        return NONVALUE;
    }
    s->z.next_in = NULL;
    s->z.avail_in = 0;
    int r = inflateInit2(&s->z, bits);
    if (r == Z_OK) {
        stream_begin(s, STREAM_INFLATE, bits);
        s->eos_behavior = behavior;
    }
    return zlib_result(p, s, r);
}

NATIVE(native_zlib_deflateEnd_nif)
{
    Stream *s = stream_in_state(p, a[0], STREAM_DEFLATE);
    return s ? zlib_result(p, s, stream_stop(s)) : NONVALUE;
}

NATIVE(native_zlib_inflateEnd_nif)
{
    Stream *s = stream_in_state(p, a[0], STREAM_INFLATE);
    if (!s) {
        return NONVALUE;
    }
    /* What follows the end of the stream was to be dropped ("cut"); other left-over input is an error. */
    bool complete = s->eos_seen;
    if (complete && s->eos_behavior == EOS_CUT) {
        queue_clear(&s->input);
    }
    int r = stream_stop(s);
    return zlib_result(p, s, r == Z_OK && !complete ? Z_DATA_ERROR : r);
}

NATIVE(native_zlib_deflateReset_nif)
{
    Stream *s = stream_in_state(p, a[0], STREAM_DEFLATE);
    if (!s) {
        return NONVALUE;
    }
    queue_clear(&s->input);
    s->eos_seen = false;
    s->crc = 0;
    return zlib_result(p, s, deflateReset(&s->z));
}

NATIVE(native_zlib_inflateReset_nif)
{
    Stream *s = stream_in_state(p, a[0], STREAM_INFLATE);
    if (!s) {
        return NONVALUE;
    }
    queue_clear(&s->input);
    s->eos_seen = false;
    s->crc = 0;
    return zlib_result(p, s, inflateReset(&s->z));
}

/* --- dictionaries and parameters ------------------------------------------------------------------------- */

NATIVE(native_zlib_deflateSetDictionary_nif)
{
    size_t n;
    Stream *s = stream_in_state(p, a[0], STREAM_DEFLATE);
    if (!s) {
        return NONVALUE;
    }
    uint8_t *bytes = iolist_to_memory(a[1], &n);
    if (!bytes) {
        return p_badarg(p);
    }
    int r = n <= UINT32_MAX ? deflateSetDictionary(&s->z, bytes, (unsigned)n) : Z_STREAM_ERROR;
    vm_free(bytes);
    return r == Z_OK ? heap_uint64(p, s->z.adler) : zlib_fault(p, s, r);
}

NATIVE(native_zlib_inflateSetDictionary_nif)
{
    size_t n;
    Stream *s = stream_in_state(p, a[0], STREAM_INFLATE);
    if (!s) {
        return NONVALUE;
    }
    uint8_t *bytes = iolist_to_memory(a[1], &n);
    if (!bytes) {
        return p_badarg(p);
    }
    int r = n <= UINT32_MAX ? inflateSetDictionary(&s->z, bytes, (unsigned)n) : Z_STREAM_ERROR;
    vm_free(bytes);
    return zlib_result(p, s, r);
}

NATIVE(native_zlib_inflateGetDictionary_nif)
{
    uint8_t window[1 << MAX_WBITS];
    unsigned n = sizeof window;
    Stream *s = stream_in_state(p, a[0], STREAM_INFLATE);
    if (!s) {
        return NONVALUE;
    }
    int r = inflateGetDictionary(&s->z, window, &n);
    return r == Z_OK ? binary_from_bytes(p, window, n) : zlib_fault(p, s, r);
}

NATIVE(native_zlib_deflateParams_nif)
{
    int level, strategy;
    uint8_t nothing;
    if (!int_arg(a[1], &level) || !int_arg(a[2], &strategy)) {
        return p_badarg(p);
    }
    Stream *s = stream_in_state(p, a[0], STREAM_DEFLATE);
    if (!s) {
        return NONVALUE;
    }
    /* zlib.erl has flushed the stream, so there is nothing to write; zlib wants a buffer all the same. */
    s->z.next_in = NULL;
    s->z.avail_in = 0;
    s->z.next_out = &nothing;
    s->z.avail_out = 1;
    int r = deflateParams(&s->z, level, strategy);
    return zlib_result(p, s, r == Z_BUF_ERROR ? Z_OK : r);
}

/* --- work ---------------------------------------------------------------------------------------------------- */

NATIVE(native_zlib_enqueue_nif)
{
    Stream *s = stream_of(p, a[0]);
    if (!s) {
        return NONVALUE;
    }
    if (s->state != STREAM_DEFLATE && s->state != STREAM_INFLATE) {
        return p_fault(p, FAULT_ERROR, A_not_initialized);
    }
    return queue_put_iovec(&s->input, a[1]) ? A_ok : p_badarg(p);
}

typedef int (*Codec)(z_stream *z, int flush);

/* One call of zlib on `n` bytes at `in`; the bytes it took are *used. */
static int codec_step(Stream *s, Codec codec, const uint8_t *in, size_t n, int flush, size_t *used)
{
    uint8_t *out = s->z.next_out;
    s->z.next_in = (uint8_t *)(uintptr_t)in;
    s->z.avail_in = (unsigned)n;
    int r = codec(&s->z, flush);
    *used = n - s->z.avail_in;
    if (s->raw && (s->state == STREAM_DEFLATE ? *used > 0 : s->z.next_out > out)) {
        s->crc = s->state == STREAM_DEFLATE
                     ? (uint32_t)crc32(s->crc, in, (unsigned)*used)
                     : (uint32_t)crc32(s->crc, out, (unsigned)(s->z.next_out - out));
    }
    return r;
}

/* Feeds at most `limit` bytes of the queue. Z_OK: there is more to do; Z_BUF_ERROR: all input is used and all output is
 * out, up to `flush`; Z_STREAM_END, Z_NEED_DICT or an error as zlib gives them. */
static int codec_run(Stream *s, Codec codec, size_t limit, int flush)
{
    size_t done = 0, used;
    int r = Z_OK;
    while (r == Z_OK && s->input.size > 0 && done < limit && s->z.avail_out > 0) {
        const BytePiece *head = s->input.first;
        size_t n = head->size < limit - done ? head->size : limit - done;
        r = codec_step(s, codec, head->data, n, Z_NO_FLUSH, &used);
        queue_skip(&s->input, used);
        done += used;
        if (r == Z_BUF_ERROR) {
            r = used ? Z_OK : Z_BUF_ERROR;
        }
        if (used == 0) {
            break;
        }
    }
    if (r == Z_OK && s->input.size == 0 && s->z.avail_out > 0) {
        r = codec_step(s, codec, NULL, 0, flush, &used);
        if (r == Z_OK && s->z.avail_out > 0) {
            r = Z_BUF_ERROR;
        }
    }
    return r;
}

/* Runs the codec with an output of `room` bytes and answers {Word, Output}. `finished` means that the input is used up
 * and that there was room for more: a full output may be followed by another. */
static Term codec_output(Proc *p, Stream *s, Codec codec, size_t limit, size_t room, int flush)
{
    Binary *b = binary_alloc(room);
    size_t input = s->input.size;
    s->z.next_out = b->data;
    s->z.avail_out = (unsigned)room;
    int r = codec_run(s, codec, limit, flush);
    size_t made = room - s->z.avail_out;
    s->z.next_in = NULL;
    s->z.next_out = NULL;
    s->z.avail_in = s->z.avail_out = 0;
    p_charge(p, (intptr_t)(limit / 64));
    bool failed = r < 0 && r != Z_BUF_ERROR, stuck = made == 0 && input > 0 && s->input.size == input;
    if (failed || stuck || made == 0) {
        binary_release(b);
    }
    if (failed || stuck) {
        return zlib_fault(p, s, failed ? r : Z_DATA_ERROR);
    }
    s->eos_seen = r == Z_STREAM_END;
    Term out = NIL;
    if (made > 0) {
        if (made < room / 2) {
            b = binary_realloc(b, made);
        }
        out = heap_cons_on(p, binary_take(p, b, made), NIL);
    }
    if (s->input.size == 0 && made < room) {
        return heap_tuple2(p, A_finished, out);
    }
    return r == Z_NEED_DICT ? heap_tuple3(p, A_need_dictionary, heap_uint64(p, s->z.adler), out)
                            : heap_tuple2(p, A_continue, out);
}

/* Arguments 1..3 of deflate_nif and inflate_nif. */
static bool codec_args(const Term *a, size_t *limit, size_t *room, int *flush)
{
    int in, out;
    if (!int_arg(a[1], &in) || !int_arg(a[2], &out) || !int_arg(a[3], flush) || in <= 0 || out <= 0 ||
        out > OUTPUT_MAX_BYTES) {
        return false;
    }
    *limit = (size_t)in;
    *room = (size_t)out;
    return true;
}

NATIVE(native_zlib_deflate_nif)
{
    size_t limit, room;
    int flush;
    if (!codec_args(a, &limit, &room, &flush)) {
        return p_badarg(p);
    }
    Stream *s = stream_in_state(p, a[0], STREAM_DEFLATE);
    if (!s) {
        return NONVALUE;
    }
    return codec_output(p, s, deflate, limit, room, flush);
}

/* What to do with input behind the end of a stream. */
static int after_end(Stream *s)
{
    switch (s->eos_behavior) {
    case EOS_ERROR:
        return Z_DATA_ERROR;
    case EOS_RESET:
        s->eos_seen = false;
        return inflateReset(&s->z);
    default:
        queue_clear(&s->input);
        return Z_OK;
    }
}

NATIVE(native_zlib_inflate_nif)
{
    size_t limit, room;
    int flush;
    if (!codec_args(a, &limit, &room, &flush)) {
        return p_badarg(p);
    }
    Stream *s = stream_in_state(p, a[0], STREAM_INFLATE);
    if (!s) {
        return NONVALUE;
    }
    if (s->eos_seen && s->input.size > 0) {
        int r = after_end(s);
        if (r != Z_OK) {
            return zlib_fault(p, s, r);
        }
    }
    if (s->eos_seen) {
        return heap_tuple2(p, A_finished, NIL);
    }
    return codec_output(p, s, inflate, limit, room, flush);
}

NATIVE(native_zlib_crc32_nif)
{
    Stream *s = stream_of(p, a[0]);
    if (!s) {
        return NONVALUE;
    }
    if (s->state != STREAM_DEFLATE && s->state != STREAM_INFLATE) {
        return p_fault(p, FAULT_ERROR, A_not_initialized);
    }
    return heap_uint64(p, s->crc);
}

/* --- what zlib.erl keeps in a stream --------------------------------------------------------------------------- */

NATIVE(native_zlib_getBufSize_nif)
{
    Stream *s = stream_of(p, a[0]);
    return s ? heap_uint64(p, s->buffer_bytes) : NONVALUE;
}

NATIVE(native_zlib_setBufSize_nif)
{
    int n;
    Stream *s = stream_of(p, a[0]);
    if (!s) {
        return NONVALUE;
    }
    if (!int_arg(a[1], &n) || n <= 0) {
        return p_badarg(p);
    }
    s->buffer_bytes = (size_t)n;
    return A_ok;
}

NATIVE(native_zlib_setStash_nif)
{
    Stream *s = stream_of(p, a[0]);
    if (!s) {
        return NONVALUE;
    }
    if (s->stash) {
        return p_badarg(p);
    }
    /* Literals are copied too: their module may be gone when the stash is read. */
    s->stash = frag_new(term_size_whole(a[1]) + 1);
    Term *hp = s->stash->mem;
    s->stashed = term_copy_whole(a[1], &hp, &s->stash->off_heap);
    s->stash->used = (size_t)(hp - s->stash->mem);
    return A_ok;
}

NATIVE(native_zlib_clearStash_nif)
{
    Stream *s = stream_of(p, a[0]);
    if (!s) {
        return NONVALUE;
    }
    if (!s->stash) {
        return p_badarg(p);
    }
    frag_free(s->stash);
    s->stash = NULL;
    return A_ok;
}

NATIVE(native_zlib_getStash_nif)
{
    Stream *s = stream_of(p, a[0]);
    if (!s) {
        return NONVALUE;
    }
    return s->stash ? heap_tuple2(p, A_ok, heap_copy(p, s->stashed)) : A_empty_word;
}
