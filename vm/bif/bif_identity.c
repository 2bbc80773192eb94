/* SPDX-License-Identifier: Apache-2.0 */
/* Natives: pids, ports, references and funs as text; nodes. */
#include "gen/natives.h"
#include "vm/proc/monitor.h"
#include "vm/term/map.h"
#include "vm/term/print.h"

enum { TEXT_MAX = 2 * ATOM_MAX_BYTES + 64 };

/* --- to text ------------------------------------------------------------------------------------------------------ */
/* One character from valid UTF-8. */
static uint32_t utf8_next(const uint8_t **s)
{
    uint32_t c = *(*s)++;
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    c &= more ? 0x3fu >> more : 0x7f;
    while (more-- > 0) {
        c = c << 6 | (*(*s)++ & 0x3f);
    }
    return c;
}

static Term text_list(Proc *p, Term t)
{
    char text[TEXT_MAX];
    size_t n = term_print(t, text, sizeof text), count = 0;
    Term *chars = vm_alloc((n + 1) * sizeof(Term));
    for (const uint8_t *s = (const uint8_t *)text, *end = s + n; s < end;) {
        chars[count++] = make_small(utf8_next(&s));
    }
    Term list = heap_list(p, count, chars, NIL);
    vm_free(chars);
    return list;
}

NATIVE(native_pid_to_list) { return is_pid(a[0]) ? text_list(p, a[0]) : p_badarg(p); }
NATIVE(native_port_to_list) { return is_port(a[0]) ? text_list(p, a[0]) : p_badarg(p); }
NATIVE(native_ref_to_list) { return is_ref(a[0]) ? text_list(p, a[0]) : p_badarg(p); }
/* The bytes of the text: names beyond 7 bits are not decoded, in OTP neither. */
NATIVE(native_fun_to_list)
{
    char text[TEXT_MAX];
    return is_any_fun(a[0]) ? heap_string(p, (const uint8_t *)text, term_print(a[0], text, sizeof text)) : p_badarg(p);
}

/* --- from text ---------------------------------------------------------------------------------------------------- */
/* prefix N.N...N> with exactly `count` decimal numbers below 2^32, from a list of characters. */
static bool parse_numbers(Term list, const char *prefix, uint64_t *n, unsigned count)
{
    for (; *prefix; prefix++, list = cons_tail(list)) {
        if (!is_cons(list) || cons_head(list) != make_small(*prefix)) {
            return false;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned digits = 0;
        n[i] = 0;
        for (; is_cons(list) && is_small(cons_head(list)); list = cons_tail(list), digits++) {
            int64_t digit = small_value(cons_head(list)) - '0';
            if (digit < 0 || digit > 9) {
                break;
            }
            n[i] = n[i] * 10 + (uint64_t)digit;
            if (n[i] > UINT32_MAX) {
                return false;
            }
        }
        if (!digits || !is_cons(list) || cons_head(list) != make_small(i + 1 < count ? '.' : '>')) {
            return false;
        }
        list = cons_tail(list);
    }
    return is_nil(list);
}

NATIVE(native_list_to_pid)
{
    uint64_t n[3];
    if (!parse_numbers(a[0], "<", n, 3) || n[0] != 0 || n[1] >= 1u << 15 || n[2] >= 1u << 13) {
        return p_badarg(p);
    }
    return make_pid((uint32_t)n[1], (uint32_t)n[2]);
}

NATIVE(native_list_to_port)
{
    uint64_t n[2];
    return parse_numbers(a[0], "#Port<", n, 2) && n[0] == 0 ? make_port(n[1]) : p_badarg(p);
}

NATIVE(native_list_to_ref)
{
    uint64_t n[4];
    if (!parse_numbers(a[0], "#Ref<", n, 4) || n[0] != 0 || n[3] >= 1u << 18) {
        return p_badarg(p);
    }
    Term *hp = heap_alloc(p, REF_MAGIC_WORDS);
    Term ref = build_read_ref(&hp, heap_off_heap(p), n[2] << 32 | n[3], n[1]);
    heap_trim(p, hp);
    return ref;
}

/* --- nodes: this one has no name and knows no other --------------------------------------------------------------- */
NATIVE(native_node_0)
{
    (void)p;
    (void)a;
    return A_nonode;
}

NATIVE(native_node_1)
{
    if (is_local_pid(a[0]) || is_local_port(a[0]) || is_local_ref(a[0])) {
        return A_nonode;
    }
    if (is_pid(a[0]) || is_port(a[0]) || is_ref(a[0])) {
        return boxed_ptr(a[0])[1]; /* ExtPid and ExtRef alike */
    }
    return p_badarg(p);
}

static Term node_kinds(Term kinds, bool *this_node)
{
    Term list = is_atom(kinds) ? NIL : kinds, kind = kinds;
    *this_node = false;
    do {
        if (is_cons(list)) {
            kind = cons_head(list);
            list = cons_tail(list);
        } else if (!is_atom(kinds)) {
            break;
        }
        if (kind == A_this || kind == A_known) {
            *this_node = true;
        } else if (kind != A_visible && kind != A_hidden && kind != A_connected) {
            return NONVALUE;
        }
    } while (!is_nil(list));
    return is_nil(list) ? A_true : NONVALUE;
}

NATIVE(native_nodes_0)
{
    (void)p;
    (void)a;
    return NIL;
}

NATIVE(native_nodes_1)
{
    bool this_node;
    if (node_kinds(a[0], &this_node) == NONVALUE) {
        return p_badarg(p);
    }
    return this_node ? heap_cons_on(p, A_nonode, NIL) : NIL;
}

/* nodes(Kinds, #{connection_id => Bool, node_type => Bool}): [{Node, InfoMap}]. */
NATIVE(native_nodes_2)
{
    bool this_node;
    if (!is_map(a[1]) || node_kinds(a[0], &this_node) == NONVALUE) {
        return p_badarg(p);
    }
    Term id = map_get(a[1], A_connection_id), type = map_get(a[1], A_node_type), kv[4];
    size_t known = (id != NONVALUE) + (type != NONVALUE), n = 0;
    if (map_size(a[1]) != known || (id != NONVALUE && !is_boolean(id)) || (type != NONVALUE && !is_boolean(type))) {
        return p_badarg(p);
    }
    if (id == A_true) {
        kv[n++] = A_connection_id;
        kv[n++] = A_undefined;
    }
    if (type == A_true) {
        kv[n++] = A_node_type;
        kv[n++] = A_this;
    }
    return this_node ? heap_cons_on(p, heap_tuple2(p, A_nonode, map_from_pairs(p, kv, n / 2)), NIL) : NIL;
}

/* Becoming distributed is not possible. */
NATIVE(native_setnode)
{
    (void)a;
    return p_badarg(p);
}

NATIVE(native_erts_internal_get_creation)
{
    (void)p;
    (void)a;
    return A_undefined; /* as OTP says of a node that is not distributed */
}

/* {erts_dflags, Default, Mandatory, Addable, Rejectable, StrictOrder}: what distribution would offer; read at the
 * start of net_kernel even when it does not distribute. */
NATIVE(native_erts_internal_get_dflags)
{
    (void)a;
    Term e[] = {A_erts_dflags,         make_small(55966662588), make_small(17239956), make_small(55966662588),
                make_small(8396866),   make_small(8192)};
    return heap_tuple(p, 6, e);
}

/* Text to a process of this node is Unicode. */
NATIVE(native_net_kernel_dflag_unicode_io)
{
    return is_pid(a[0]) ? A_true : p_badarg(p);
}
