/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of sockets and set in them: info, what is supported, options, interfaces. See esock.h. */
#include "gen/natives.h"
#include "vm/net/esock.h"
#include "vm/proc/port.h"
#include "vm/term/map.h"
#include "vm/term/number.h"

/* Options of level otp, as prim_socket.erl numbers them. */
enum {
    OTP_DEBUG = 1001, OTP_IOW, OTP_CONTROLLING_PROCESS, OTP_RCVBUF, OTP_RCVCTRLBUF = 1006, OTP_SNDCTRLBUF, OTP_FD,
    OTP_META, OTP_USE_REGISTRY, OTP_DOMAIN = 1999, OTP_TYPE = 1998, OTP_PROTOCOL = 1997, OTP_DTP = 1996,
};
enum { READ_SIZE = 8192, CONTROL_SIZE = 1024, IOV_MAX_TOLD = 1024 };

/* --- info ------------------------------------------------------------------------------------- */
NATIVE(native_esock_info_0)
{
    (void)a;
    EsockGlobals *g = esock_globals();
    spin_lock(&g->lock);
    const struct {
        Term key;
        uint64_t value;
    } counts[] = {{A_num_cnt_bits, 64}, {A_num_sockets, g->sockets}, {A_num_tdgrams, g->dgrams},
                  {A_num_tstreams, g->streams}, {A_num_tseqpkgs, g->seqpackets}, {A_num_dlocal, g->local},
                  {A_num_dinet, g->inet}, {A_num_dinet6, g->inet6}, {A_num_pip, g->ip}, {A_num_ptcp, g->tcp},
                  {A_num_pudp, g->udp}, {A_num_psctp, g->sctp}};
    spin_unlock(&g->lock);
    enum { COUNTS = sizeof counts / sizeof *counts };
    Term kv[2 * COUNTS];
    for (size_t i = 0; i < COUNTS; i++) {
        kv[2 * i] = counts[i].key;
        kv[2 * i + 1] = heap_uint64(p, counts[i].value);
    }
    const Term info[] = {A_debug,        make_boolean(g->debug),
                         A_socket_debug, make_boolean(g->socket_debug),
                         A_use_registry, make_boolean(g->use_registry),
                         A_iow,          make_boolean(g->iow),
                         A_counters,     map_from_pairs(p, kv, COUNTS),
                         A_iov_max,      make_small(IOV_MAX_TOLD)};
    return map_from_pairs(p, info, 6);
}

static Term states_of(Proc *p, unsigned state)
{
    const Term names[] = {A_bound, A_listening, A_accepting, A_connecting, A_connected, A_selected,
                          A_closing, A_closed};
    Term list = NIL;
    for (size_t i = sizeof names / sizeof *names; i-- > 0;) {
        list = state & 1u << i ? heap_cons_on(p, names[i], list) : list;
    }
    return list;
}

static Term counters_of(Proc *p, const Esock *e)
{
    const struct {
        Term key;
        uint64_t value;
    } counts[] = {
        {A_read_byte, e->read.bytes}, {A_read_fails, e->read.fails}, {A_read_pkg, e->read.packets},
        {A_read_pkg_max, e->read.packet_max}, {A_read_tries, e->read.tries}, {A_read_waits, e->read.waits},
        {A_write_byte, e->write.bytes}, {A_write_fails, e->write.fails}, {A_write_pkg, e->write.packets},
        {A_write_pkg_max, e->write.packet_max}, {A_write_tries, e->write.tries}, {A_write_waits, e->write.waits},
        {A_acc_success, e->accepts.packets}, {A_acc_fails, e->accepts.fails}, {A_acc_tries, e->accepts.tries},
        {A_acc_waits, e->accepts.waits}, {A_sendfile, e->file_calls}, {A_sendfile_byte, e->files.bytes},
        {A_sendfile_fails, e->files.fails}, {A_sendfile_max, e->files.packet_max}, {A_sendfile_pkg, e->files.packets},
        {A_sendfile_pkg_max, e->files.packet_max}, {A_sendfile_tries, e->files.tries},
        {A_sendfile_waits, e->files.waits}};
    enum { ALL = sizeof counts / sizeof *counts, OF_FILES = 8 };
    size_t n = e->files_counted ? ALL : ALL - OF_FILES;
    Term kv[2 * ALL];
    for (size_t i = 0; i < n; i++) {
        kv[2 * i] = counts[i].key;
        kv[2 * i + 1] = heap_uint64(p, counts[i].value);
    }
    return map_from_pairs(p, kv, n);
}

static Term count_of(const EsockSide *side, EsockRole role)
{
    return make_small((int64_t)esock_request_count(side, role));
}

NATIVE(native_esock_info_1)
{
    Esock *e = esock_of(a[0]);
    if (!e) {
        return p_badarg(p);
    }
    esock_lock_all(e);
    Term origin = e->adopted <= 0 ? A_normal : e->borrowed ? A_fromfd
                : heap_tuple2(p, A_fromfd, make_small(e->adopted));
    const Term kv[] = {A_domain,        e->kind.domain,
                       A_type,          e->kind.type,
                       A_protocol,      make_small(e->kind.protocol),
                       A_owner,         e->owner == NIL ? A_undefined : e->owner,
                       A_rstates,       states_of(p, e->in.state),
                       A_wstates,       states_of(p, e->out.state),
                       A_ctype,         origin,
                       A_counters,      counters_of(p, e),
                       A_num_readers,   count_of(&e->in, ESOCK_TRANSFER),
                       A_num_writers,   count_of(&e->out, ESOCK_TRANSFER),
                       A_num_acceptors, count_of(&e->in, ESOCK_ACCEPT)};
    Term info = map_from_pairs(p, kv, 11);
    esock_unlock_all(e);
    return info;
}

NATIVE(native_esock_supports_0)
{
    (void)a;
    return esock_ops() ? esock_ops()->supports(p, NONVALUE) : p_fault(p, FAULT_ERROR, A_notsup);
}

NATIVE(native_esock_supports_1)
{
    return esock_ops() ? esock_ops()->supports(p, a[0]) : p_fault(p, FAULT_ERROR, A_notsup);
}

NATIVE(native_esock_command)
{
    Term command = is_map(a[0]) ? map_get(a[0], A_command) : NONVALUE;
    Term data = is_map(a[0]) ? map_get(a[0], A_data) : NONVALUE;
    EsockGlobals *g = esock_globals();
    if (command == NONVALUE || data == NONVALUE) {
        return p_badarg(p);
    }
    bool *flag = command == A_debug ? &g->debug : command == A_socket_debug ? &g->socket_debug
               : command == A_use_registry ? &g->use_registry : NULL;
    if (!flag) {
        return esock_raise(p, heap_tuple2(p, A_command, command));
    }
    if (!is_boolean(data)) {
        return esock_raise(p, heap_tuple2(p, A_data, data));
    }
    *flag = data == A_true;
    return A_ok;
}

/* --- options of level otp --------------------------------------------------------------------- */
/* A buffer's size, or the atom default. */
static bool size_of(Term t, size_t otherwise, size_t *size)
{
    uint64_t n;
    if (t == A_default) {
        *size = otherwise;
        return true;
    }
    if (!is_integer(t) || !integer_to_uint64(t, &n) || n == 0 || n > INT64_MAX) {
        return false;
    }
    *size = n;
    return true;
}

static bool set_bool(Term value, bool *flag)
{
    *flag = is_boolean(value) ? value == A_true : *flag;
    return is_boolean(value);
}

static bool set_read_size(Esock *e, Term value)
{
    int parts;
    if (size_of(value, READ_SIZE, &e->read_size)) {
        e->read_parts = 0;
        return true;
    }
    if (!is_tuple_arity(value, 2) || !esock_int(tuple_elements(value)[0], &parts) || parts <= 0 ||
        !size_of(tuple_elements(value)[1], READ_SIZE, &e->read_size)) {
        return false;
    }
    e->read_parts = (unsigned)parts;
    return true;
}

static Term set_meta(Proc *p, Esock *e, Term value)
{
    if (e->owner != p->id) {
        return esock_error_invalid(p, A_not_owner);
    }
    if (e->meta_frag) {
        frag_free(e->meta_frag);
    }
    e->meta_frag = frag_copy_whole(value, &e->meta);
    if (!e->meta_frag) {
        e->meta = value;
    }
    return A_ok;
}

/* It can be put into the registry, not taken out. */
static bool set_registered(Esock *e, Term value)
{
    if (value == A_true && !e->registered) {
        e->registered = true;
        esock_register(e);
    }
    return value == A_true;
}

static Term set_owner(Proc *p, Esock *e, Term value)
{
    if (e->owner != p->id) {
        return esock_error_invalid(p, A_not_owner);
    }
    if (!is_local_pid(value)) {
        return esock_invalid(p, A_value);
    }
    esock_owner_change(p, e, value);
    return A_ok;
}

/* Under all locks. */
static Term set_otp(Proc *p, Esock *e, int option, Term value)
{
    bool good;
    if (!esock_is_open(&e->in)) {
        return esock_error(p, A_closed);
    }
    switch (option) {
    case OTP_DEBUG: good = set_bool(value, &e->debug); break;
    case OTP_IOW: good = set_bool(value, &e->iow); break;
    case OTP_CONTROLLING_PROCESS: return set_owner(p, e, value);
    case OTP_RCVBUF: good = set_read_size(e, value); break;
    case OTP_RCVCTRLBUF: good = size_of(value, CONTROL_SIZE, &e->read_control_size); break;
    case OTP_SNDCTRLBUF: good = size_of(value, CONTROL_SIZE, &e->write_control_size); break;
    case OTP_META: return set_meta(p, e, value);
    case OTP_USE_REGISTRY: good = set_registered(e, value); break;
    default: return esock_raise(p, heap_tuple2(p, A_otp_socket_option, make_small(option)));
    }
    return good ? A_ok : esock_invalid(p, A_value);
}

static Term get_otp_value(Proc *p, const Esock *e, int option)
{
    switch (option) {
    case OTP_DEBUG: return make_boolean(e->debug);
    case OTP_IOW: return make_boolean(e->iow);
    case OTP_CONTROLLING_PROCESS: return e->owner == NIL ? A_undefined : e->owner;
    case OTP_RCVBUF:
        return e->read_parts ? heap_tuple2(p, make_small(e->read_parts), heap_uint64(p, e->read_size))
                             : heap_uint64(p, e->read_size);
    case OTP_RCVCTRLBUF: return heap_uint64(p, e->read_control_size);
    case OTP_SNDCTRLBUF: return heap_uint64(p, e->write_control_size);
    case OTP_FD: return make_small(esock_ops()->descriptor(e->socket));
    case OTP_META: return heap_copy(p, e->meta);
    case OTP_DOMAIN: return e->kind.domain;
    case OTP_TYPE: return e->kind.type;
    case OTP_PROTOCOL: return make_small(e->kind.protocol);
    case OTP_DTP: return heap_tuple3(p, e->kind.domain, e->kind.type, make_small(e->kind.protocol));
    default: return NONVALUE;
    }
}

/* Under all locks. */
static Term get_otp(Proc *p, const Esock *e, int option)
{
    if (option == OTP_USE_REGISTRY) {
        return esock_ok(p, make_boolean(e->registered));
    }
    if (!esock_is_open(&e->in)) {
        return esock_error(p, A_closed);
    }
    Term value = get_otp_value(p, e, option);
    return value != NONVALUE ? esock_ok(p, value)
                             : esock_raise(p, heap_tuple2(p, A_otp_socket_option, make_small(option)));
}

/* --- options ---------------------------------------------------------------------------------- */
/* Levels are integers, or the atoms socket and otp. False, with *answer: this is none. */
static bool level_good(Proc *p, Term level, bool otp, Term *answer)
{
    int n;
    if (level == A_socket || (otp && level == A_otp) || esock_int(level, &n)) {
        return true;
    }
    *answer = esock_not_int(p, level);
    return false;
}

NATIVE(native_esock_setopt)
{
    Esock *e = esock_of(a[0]);
    int option, native;
    Term answer = NONVALUE;
    if (!e || !esock_int(a[4], &native)) {
        return p_badarg(p);
    }
    if (!esock_int(a[2], &option)) {
        return esock_not_int(p, a[2]);
    }
    if (!level_good(p, a[1], !native, &answer)) {
        return answer;
    }
    bool otp = a[1] == A_otp; /* a new owner may be dead, and then the socket closes */
    if (otp) {
        ports_lock();
    }
    esock_lock_all(e);
    answer = otp                       ? set_otp(p, e, option, a[3])
           : !esock_is_open(&e->out) ? esock_error(p, A_closed)
                                       : esock_ops()->set_option(p, e->socket, a[1], option, a[3], native != 0);
    esock_unlock_all(e);
    if (otp) {
        ports_unlock();
    }
    return answer;
}

static Term get_option(Proc *p, Term *a, Term spec)
{
    Esock *e = esock_of(a[0]);
    int option;
    Term answer = NONVALUE;
    if (!e) {
        return p_badarg(p);
    }
    if (!esock_int(a[2], &option)) {
        return esock_not_int(p, a[2]);
    }
    if (!level_good(p, a[1], spec == NONVALUE, &answer)) {
        return answer;
    }
    esock_lock_all(e);
    answer = a[1] == A_otp            ? get_otp(p, e, option)
           : !esock_is_open(&e->in) ? esock_error(p, A_closed)
                                      : esock_ops()->get_option(p, e->socket, &e->kind, a[1], option, spec,
                                                                e->read_control_size);
    esock_unlock_all(e);
    return answer;
}

NATIVE(native_esock_getopt_3)
{
    return get_option(p, a, NONVALUE);
}

NATIVE(native_esock_getopt_4)
{
    return get_option(p, a, a[3]);
}

/* --- interfaces ------------------------------------------------------------------------------- */
static Term control_interface(Proc *p, const Term *a, unsigned count)
{
    Esock *e = esock_of(a[0]);
    uint64_t request;
    if (!e || !is_integer(a[1]) || !integer_to_uint64(a[1], &request)) {
        return p_badarg(p);
    }
    spin_lock(&e->in.lock);
    Term answer = esock_is_open(&e->in) ? esock_ops()->ioctl(p, e->socket, a[1], a + 2, count)
                                        : esock_error(p, A_closed);
    spin_unlock(&e->in.lock);
    return answer;
}

NATIVE(native_esock_ioctl_2)
{
    return control_interface(p, a, 0);
}

NATIVE(native_esock_ioctl_3)
{
    return control_interface(p, a, 1);
}

NATIVE(native_esock_ioctl_4)
{
    return control_interface(p, a, 2);
}
