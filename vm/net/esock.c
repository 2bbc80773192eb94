/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket's life, and who waits for it. See esock.h.
 *
 * open or accept makes an Esock, owned by the process that asked. It ends by close/1 (nif_close, which turns away
 * all who wait, then nif_finalize_close) or with its owner. The reference stays valid and answers {error,
 * closed}.
 *
 * Processes whose end matters (the owner; those in a line of several, so that a dead one does not hold up the
 * others) have a watch on the socket, which counts as a reference to it. One who waits alone has none: whoever
 * comes next finds out that it is dead.
 */
#include "vm/net/esock.h"

#include "gen/natives.h"
#include "vm/plat.h"
#include "vm/proc/letter.h"
#include "vm/proc/monitor.h"
#include "vm/proc/port.h"
#include "vm/proc/signal.h"
#include "vm/term/binary.h"
#include "vm/term/compare.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

enum { READ_SIZE = 8192, CONTROL_SIZE = 1024 };
enum { SOCKET_WORDS = TUPLE_WORDS(2) + REF_MAGIC_WORDS };
enum { PROTOCOL_IP = 0, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_SCTP = 132 };

static EsockGlobals globals = {.registry = NIL, .use_registry = true};

EsockGlobals *esock_globals(void)
{
    return &globals;
}

const EsockOps *esock_ops(void)
{
    return plat_esocks();
}

bool esock_int(Term t, int *v)
{
    int64_t n;
    if (!integer_to_int64(t, &n) || n < INT32_MIN || n > INT32_MAX) {
        return false;
    }
    *v = (int)n;
    return true;
}

bool esock_bytes(Proc *p, Term t, const uint8_t **bytes, size_t *size)
{
    uint8_t *to;
    if (is_binary(t)) {
        return binary_bytes(p, t, bytes, size);
    }
    if ((!is_cons(t) && !is_nil(t)) || iolist_size_of(t, size) != IO_OK) {
        return false;
    }
    binary_new(p, *size, &to);
    *bytes = to;
    return iolist_copy(t, to, *size) == IO_OK;
}

Term esock_not_int(Proc *p, Term t)
{
    return is_integer(t) ? esock_invalid(p, heap_tuple2(p, A_integer_range, t)) : p_badarg(p);
}

/* --- locks ------------------------------------------------------------------------------------ */
void esock_lock_all(Esock *e)
{
    spin_lock(&e->in.lock);
    spin_lock(&e->out.lock);
}

void esock_unlock_all(Esock *e)
{
    spin_unlock(&e->out.lock);
    spin_unlock(&e->in.lock);
}

/* --- messages --------------------------------------------------------------------------------- */
static Term letter_socket(Letter *l, Esock *e)
{
    Term ref = build_magic_ref(&l->hp, &l->frag->off_heap, e->magic);
    return letter_tuple(l, 2, (Term[]){A_dollar_socket, ref});
}

static Term letter_copy(Letter *l, Term t)
{
    return term_copy(t, &l->hp, &l->frag->off_heap);
}

/* {'$socket', Socket, select, Handle}, or {'$socket', Socket, abort, {Handle, Reason}} for a reason. */
static void request_tell(Esock *e, const EsockRequest *r, Term reason)
{
    Letter l = letter_new(SOCKET_WORDS + TUPLE_WORDS(4) + TUPLE_WORDS(2) + term_size(r->handle));
    Term handle = letter_copy(&l, r->handle), socket = letter_socket(&l, e);
    if (reason != NONVALUE) {
        handle = letter_tuple(&l, 2, (Term[]){handle, reason});
    }
    Term tag = reason == NONVALUE ? A_select : A_abort;
    letter_send(&l, r->pid, letter_tuple(&l, 4, (Term[]){A_dollar_socket, socket, tag, handle}));
}

static void registry_tell(Esock *e, Term what)
{
    if (e->registered && globals.registry != NIL) {
        Letter l = letter_new(SOCKET_WORDS + TUPLE_WORDS(3));
        Term socket = letter_socket(&l, e);
        letter_send(&l, globals.registry, letter_tuple(&l, 3, (Term[]){A_dollar_socket, what, socket}));
    }
}

void esock_register(Esock *e)
{
    registry_tell(e, A_add);
}

/* --- those whose end matters ------------------------------------------------------------------ */
static void process_down(void *arg, Term pid);

static bool watchers_add(Esock *e, Term pid)
{
    spin_lock(&globals.watchers_lock);
    bool there = false;
    for (size_t i = 0; i < e->watcher_count; i++) {
        there |= e->watchers[i] == pid;
    }
    if (!there) {
        e->watchers = vm_realloc(e->watchers, (e->watcher_count + 1) * sizeof *e->watchers);
        e->watchers[e->watcher_count++] = pid;
    }
    spin_unlock(&globals.watchers_lock);
    return !there;
}

static void watchers_remove(Esock *e, Term pid)
{
    spin_lock(&globals.watchers_lock);
    for (size_t i = 0; i < e->watcher_count; i++) {
        if (e->watchers[i] == pid) {
            e->watchers[i] = e->watchers[--e->watcher_count];
            break;
        }
    }
    spin_unlock(&globals.watchers_lock);
}

static void watch_begin(Proc *p, Signal *s, bool dead)
{
    Esock *e = (Esock *)(uintptr_t)s->id;
    if (dead) {
        process_down(e, p->id);
    } else {
        watch_add(p, e, process_down);
    }
}

static void watch_end(Proc *p, Signal *s, bool dead)
{
    Esock *e = (Esock *)(uintptr_t)s->id;
    if (!dead && watch_remove(p, e)) {
        magic_release(e->magic);
    }
}

/* False: it is dead already. self: the running process, or NULL. */
static bool watch_process(Proc *self, Esock *e, Term pid)
{
    if (!watchers_add(e, pid)) {
        return true;
    }
    magic_retain(e->magic);
    if (self && self->id == pid) {
        watch_add(self, e, process_down);
        return true;
    }
    Signal *s = signal_new(SIG_CALL, NONVALUE, (uintptr_t)e);
    s->call = watch_begin;
    if (signal_send(pid, s)) {
        return true;
    }
    watchers_remove(e, pid);
    magic_release(e->magic);
    return false;
}

/* The socket is closed. Its callers hold a reference of their own. */
static void watch_nobody(Proc *self, Esock *e)
{
    spin_lock(&globals.watchers_lock);
    Term *pids = e->watchers;
    size_t count = e->watcher_count;
    e->watchers = NULL;
    e->watcher_count = 0;
    spin_unlock(&globals.watchers_lock);
    for (size_t i = 0; i < count; i++) {
        if (self && self->id == pids[i]) {
            if (watch_remove(self, e)) {
                magic_release(e->magic);
            }
        } else {
            Signal *s = signal_new(SIG_CALL, NONVALUE, (uintptr_t)e);
            s->call = watch_end;
            signal_send(pids[i], s);
        }
    }
    vm_free(pids);
}

/* --- waiting in line -------------------------------------------------------------------------- */
static void request_free(EsockRequest *r)
{
    if (r->frag) {
        frag_free(r->frag);
    }
    vm_free(r);
}

static void request_set(EsockRequest *r, Term handle)
{
    if (r->frag) {
        frag_free(r->frag);
    }
    r->frag = frag_copy_whole(handle, &r->handle);
    if (!r->frag) {
        r->handle = handle;
    }
}

static void request_append(EsockSide *side, Term pid, Term handle)
{
    EsockRequest *r = vm_calloc(sizeof *r);
    r->pid = pid;
    request_set(r, handle);
    if (!side->first) {
        side->last = &side->first;
    }
    *side->last = r;
    side->last = &r->next;
}

static EsockRequest *request_pop(EsockSide *side)
{
    EsockRequest *r = side->first;
    side->first = r->next;
    return r;
}

/* Written under the side's lock; esock_sync() looks first without. */
static void side_want(EsockSide *side, bool wanted)
{
    __atomic_store_n(&side->wanted, wanted, __ATOMIC_RELAXED);
}

void esock_want(EsockSide *side)
{
    side_want(side, true);
    side->state |= ES_SELECTED;
}

void esock_next(Esock *e, EsockSide *side)
{
    if (!side->first) {
        return;
    }
    do {
        request_free(request_pop(side));
    } while (side->first && !(side->first->next ? watch_process(NULL, e, side->first->pid)
                                                : proc_lookup(side->first->pid) != NULL));
    side_want(side, false);
    if (side->first) {
        esock_want(side);
    } else {
        side->state &= ~(unsigned)(ES_ACCEPTING | ES_CONNECTING);
    }
}

bool esock_may_act(Proc *p, Esock *e, EsockSide *side, EsockRole role, Term handle, bool queue, Term *answer)
{
    if (side->first && side->first->pid != p->id && !proc_lookup(side->first->pid)) {
        esock_next(e, side);
    }
    if (!side->first) {
        return true;
    }
    if (side->role != role) {
        *answer = esock_error_invalid(p, A_state);
        return false;
    }
    if (side->first->pid == p->id) {
        return true;
    }
    for (const EsockRequest *r = side->first; r; r = r->next) {
        if (r->pid == p->id) {
            *answer = esock_raise(p, A_state);
            return false;
        }
    }
    if (!queue) {
        return true;
    }
    request_append(side, p->id, handle);
    watch_process(p, e, p->id);
    if (!watch_process(NULL, e, side->first->pid)) {
        esock_next(e, side);
    }
    *answer = A_select;
    return false;
}

void esock_become_current(Proc *p, EsockSide *side, EsockRole role, Term handle)
{
    if (side->first) {
        request_set(side->first, handle);
    } else {
        side->role = role;
        request_append(side, p->id, handle);
    }
}

void esock_abort_others(Esock *e, EsockSide *side, Term reason)
{
    for (bool current = true; side->first; current = false) {
        EsockRequest *r = request_pop(side);
        if (!current) {
            request_tell(e, r, reason);
        }
        request_free(r);
    }
    side_want(side, false);
}

/* The socket closes: all who have not been told to come back are told that it does. */
static void side_stop(Esock *e, EsockSide *side)
{
    if (side->first && side->wanted) {
        request_tell(e, side->first, A_closed);
    }
    esock_abort_others(e, side, A_closed);
}

Term esock_cancel(Proc *p, Esock *e, EsockSide *side, EsockRole role, Term handle)
{
    if (!side->first || side->role != role) {
        return A_not_found;
    }
    if (side->first->pid == p->id) {
        if (!term_identical(side->first->handle, handle)) {
            return A_not_found;
        }
        Term answer = side->wanted ? A_ok : A_select_sent;
        esock_next(e, side);
        return answer;
    }
    for (EsockRequest **at = &side->first->next; *at; at = &(*at)->next) {
        EsockRequest *r = *at;
        if (r->pid == p->id && term_identical(r->handle, handle)) {
            *at = r->next;
            if (!*at) {
                side->last = at;
            }
            request_free(r);
            return A_ok;
        }
    }
    return A_not_found;
}

static void side_forget(Esock *e, EsockSide *side, Term pid)
{
    if (side->first && side->first->pid == pid) {
        esock_next(e, side);
        return;
    }
    for (EsockRequest **at = &side->first; *at; at = &(*at)->next) {
        EsockRequest *r = *at;
        if (r->pid == pid) {
            *at = r->next;
            if (!*at) {
                side->last = at;
            }
            request_free(r);
            return;
        }
    }
}

size_t esock_request_count(const EsockSide *side, EsockRole role)
{
    size_t n = 0;
    for (const EsockRequest *r = side->role == role ? side->first : NULL; r; r = r->next) {
        n++;
    }
    return n;
}

/* --- events ----------------------------------------------------------------------------------- */
static void side_ready(Esock *e, EsockSide *side)
{
    spin_lock(&side->lock);
    if (side->wanted) {
        side_want(side, false);
        request_tell(e, side->first, NONVALUE);
    }
    spin_unlock(&side->lock);
}

/* Under ports_lock(), as all events are. Who is told is not told again before it has asked again. */
static void socket_ready(void *owner, unsigned events)
{
    Esock *e = owner;
    if (events & SOCKET_READ) {
        side_ready(e, &e->in);
    }
    if (events & SOCKET_WRITE) {
        side_ready(e, &e->out);
    }
    e->watched &= ~events;
    esock_ops()->watch(e->socket, e->watched);
}

void esock_sync(Esock *e)
{
    if (!__atomic_load_n(&e->in.wanted, __ATOMIC_RELAXED) && !__atomic_load_n(&e->out.wanted, __ATOMIC_RELAXED)) {
        return;
    }
    ports_lock();
    esock_lock_all(e);
    unsigned want = (e->in.wanted ? SOCKET_READ : 0) | (e->out.wanted ? SOCKET_WRITE : 0);
    if (e->socket && (e->watched | want) != e->watched) {
        e->watched |= want;
        esock_ops()->watch(e->socket, e->watched);
    }
    esock_unlock_all(e);
    ports_unlock();
}

/* --- making ----------------------------------------------------------------------------------- */
static void globals_count(const EsockKind *k, int by)
{
    spin_lock(&globals.lock);
    globals.sockets += (uint64_t)(int64_t)by;
    uint64_t *domain = k->domain == A_inet ? &globals.inet : k->domain == A_inet6 ? &globals.inet6
                     : k->domain == A_local ? &globals.local : NULL;
    uint64_t *type = k->type == A_stream ? &globals.streams : k->type == A_dgram ? &globals.dgrams
                   : k->type == A_seqpacket ? &globals.seqpackets : NULL;
    uint64_t *protocol = k->protocol == PROTOCOL_IP ? &globals.ip : k->protocol == PROTOCOL_TCP ? &globals.tcp
                       : k->protocol == PROTOCOL_UDP ? &globals.udp
                       : k->protocol == PROTOCOL_SCTP ? &globals.sctp : NULL;
    uint64_t *counters[] = {domain, type, protocol};
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        if (counters[i]) {
            *counters[i] += (uint64_t)(int64_t)by;
        }
    }
    spin_unlock(&globals.lock);
}

static void meta_clear(Esock *e)
{
    if (e->meta_frag) {
        frag_free(e->meta_frag);
        e->meta_frag = NULL;
    }
    e->meta = A_undefined;
}

static void esock_destroy(Magic *m)
{
    Esock *e = m->data;
    meta_clear(e);
    vm_free(e->watchers);
    vm_free(e);
}

static const MagicKind esock_kind = {"socket", esock_destroy};

Esock *esock_of(Term t)
{
    Magic *m = magic_of(t, &esock_kind);
    return m ? m->data : NULL;
}

Term esock_new(Proc *p, Socket *s, const EsockKind *kind, Term owner, const Esock *like)
{
    Esock *e = vm_calloc(sizeof *e);
    e->magic = magic_new(&esock_kind, e);
    e->socket = s;
    e->kind = *kind;
    e->owner = owner;
    e->closer = NIL;
    e->adopted = -1;
    e->file = -1;
    e->meta = A_undefined;
    e->read_size = like ? like->read_size : READ_SIZE;
    e->read_parts = like ? like->read_parts : 0;
    e->read_control_size = like ? like->read_control_size : CONTROL_SIZE;
    e->write_control_size = like ? like->write_control_size : CONTROL_SIZE;
    e->iow = like ? like->iow : globals.iow;
    e->debug = like ? like->debug : globals.socket_debug;
    e->registered = like ? like->registered : globals.use_registry;
    s->ready = socket_ready;
    s->owner = e;
    Term ref = heap_magic_ref(p, e->magic);
    globals_count(kind, 1);
    watch_process(p, e, owner);
    return ref;
}

void esock_configure(Term extra)
{
    Term pid = map_get(extra, A_registry), use = map_get(extra, A_use_registry), debug = map_get(extra, A_debug);
    globals.registry = pid != NONVALUE && is_local_pid(pid) ? pid : NIL;
    globals.use_registry = use != A_false;
    globals.debug = debug == A_true;
    globals.socket_debug = map_get(extra, A_socket_debug) == A_true;
}

/* --- ending ----------------------------------------------------------------------------------- */
/* Under all locks. self: the running process, or NULL where it is ending. */
static void esock_shut(Proc *self, Esock *e)
{
    Socket *s = e->socket;
    e->socket = NULL;
    e->watched = 0;
    e->in.state |= ES_CLOSED;
    e->out.state |= ES_CLOSED;
    e->owner = e->closer = NIL;
    if (e->file >= 0) {
        esock_ops()->file_close(e->file);
        e->file = -1;
    }
    meta_clear(e);
    globals_count(&e->kind, -1);
    esock_ops()->close(s, e->borrowed);
    registry_tell(e, A_del);
    watch_nobody(self, e);
}

static void esock_stop(Esock *e)
{
    e->in.state |= ES_CLOSING;
    e->out.state |= ES_CLOSING;
    side_stop(e, &e->out);
    side_stop(e, &e->in);
}

/* A watched process has ended; the watch's reference is ours. */
static void process_down(void *arg, Term pid)
{
    Esock *e = arg;
    ports_lock();
    esock_lock_all(e);
    watchers_remove(e, pid);
    if (e->socket && (pid == e->closer || (pid == e->owner && esock_is_open(&e->in)))) {
        esock_stop(e);
        esock_shut(NULL, e);
    } else if (e->socket) {
        e->owner = pid == e->owner ? NIL : e->owner;
        side_forget(e, &e->in, pid);
        side_forget(e, &e->out, pid);
    }
    esock_unlock_all(e);
    ports_unlock();
    esock_sync(e);
    magic_release(e->magic);
}

void esock_owner_change(Proc *p, Esock *e, Term owner)
{
    e->owner = owner;
    if (!watch_process(p, e, owner)) {
        esock_stop(e);
        esock_shut(p, e);
    }
}

NATIVE(native_esock_close)
{
    Esock *e = esock_of(a[0]);
    if (!e) {
        return p_badarg(p);
    }
    esock_lock_all(e);
    bool open = esock_is_open(&e->in);
    if (open) {
        esock_stop(e);
        e->closer = p->id;
        watch_process(p, e, p->id);
    }
    esock_unlock_all(e);
    return open ? A_ok : esock_error(p, A_closed);
}

NATIVE(native_esock_finalize_close)
{
    Esock *e = esock_of(a[0]);
    Term result = A_ok;
    if (!e) {
        return p_badarg(p);
    }
    ports_lock();
    esock_lock_all(e);
    if (e->in.state & ES_CLOSED) {
        result = esock_error(p, A_closed);
    } else if (!(e->in.state & ES_CLOSING) || e->closer != p->id) {
        result = esock_raise(p, A_state);
    } else {
        esock_shut(p, e);
    }
    esock_unlock_all(e);
    ports_unlock();
    return result;
}

/* --- opening ---------------------------------------------------------------------------------- */
static bool option_bool(Term options, Term key, bool otherwise)
{
    Term t = map_get(options, key);
    return t == A_true || (t != A_false && otherwise);
}

static Term open_done(Proc *p, Esock *e, Term ref, Term options)
{
    e->debug = option_bool(options, A_debug, globals.socket_debug);
    e->registered = option_bool(options, A_use_registry, globals.use_registry);
    esock_register(e);
    return esock_ok(p, ref);
}

NATIVE(native_esock_open_4)
{
    EsockKind kind;
    int protocol;
    Term result = NONVALUE;
    if (!esock_ops()) {
        return p_fault(p, FAULT_ERROR, A_notsup);
    }
    if (!esock_int(a[2], &protocol)) {
        return esock_not_int(p, a[2]);
    }
    if (!is_map(a[3])) {
        return p_badarg(p);
    }
    Socket *s = esock_ops()->open(p, a[0], a[1], protocol, a[3], &kind, &result);
    if (!s) {
        return result;
    }
    Term ref = esock_new(p, s, &kind, p->id, NULL);
    return open_done(p, esock_of(ref), ref, a[3]);
}

NATIVE(native_esock_open_2)
{
    EsockKind kind;
    int fd;
    bool connected, borrowed;
    Term result = NONVALUE;
    if (!esock_ops()) {
        return p_fault(p, FAULT_ERROR, A_notsup);
    }
    if (!esock_int(a[0], &fd)) {
        return esock_not_int(p, a[0]);
    }
    if (!is_map(a[1])) {
        return p_badarg(p);
    }
    Socket *s = esock_ops()->adopt(p, fd, a[1], &kind, &connected, &borrowed, &result);
    if (!s) {
        return result;
    }
    Term ref = esock_new(p, s, &kind, p->id, NULL);
    Esock *e = esock_of(ref);
    e->adopted = fd;
    e->borrowed = borrowed;
    e->out.state |= connected ? ES_CONNECTED : 0;
    return open_done(p, e, ref, a[1]);
}
