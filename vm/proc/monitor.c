/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See monitor.h. A Monitor of kind MON_OUT may also be an alias (monitor/3 with {alias, Mode}); when the monitor goes
 * and the alias stays, the same entry becomes MON_ALIAS.
 */
#include "vm/proc/monitor.h"

#include "vm/proc/port.h"
#include "vm/proc/sched.h"

enum { NUMBER0_BITS = 18, NUMBER1_BITS = 32, NUMBER2_BITS = 14 };
enum { DOWN_WORDS = TUPLE_WORDS(5) + TUPLE_WORDS(2) + REF_ALIAS_WORDS };

/* --- reference ids: the three numbers of a reference read as one 64-bit number -------------------- */
void ref_numbers(uint64_t id, uint64_t *n01, uint64_t *n2)
{
    uint64_t number0 = id & ((1u << NUMBER0_BITS) - 1), number1 = (id >> NUMBER0_BITS) & UINT32_MAX;
    *n01 = number1 << 32 | number0;
    *n2 = id >> (NUMBER0_BITS + NUMBER1_BITS);
}

uint64_t ref_id(Term ref)
{
    if (!is_local_ref(ref)) {
        return 0;
    }
    const Ref *r = ref_ptr(ref);
    uint64_t number0 = r->n01 & UINT32_MAX, number1 = r->n01 >> 32;
    if (number0 >> NUMBER0_BITS || r->n2 >> NUMBER2_BITS) {
        return 0;
    }
    return r->n2 << (NUMBER0_BITS + NUMBER1_BITS) | number1 << NUMBER0_BITS | number0;
}

uint64_t ref_new_id(Sched *s)
{
    return ++s->ref_counter * MAX_SCHEDULERS + s->index;
}

unsigned ref_id_scheduler(uint64_t id)
{
    unsigned index = (unsigned)(id % MAX_SCHEDULERS);
    return index < sched_count() ? index : 0;
}

Term ref_build(Term **hp, uint64_t id, Term pid)
{
    Ref *r = (Ref *)(void *)*hp;
    ref_numbers(id, &r->n01, &r->n2);
    if (pid == NONVALUE) {
        r->header = MAKE_HEADER(REF_PLAIN_ARITY, SUB_REF);
        *hp += REF_PLAIN_WORDS;
    } else {
        r->header = MAKE_HEADER(REF_ALIAS_ARITY, SUB_REF);
        r->u.pid = pid;
        *hp += REF_ALIAS_WORDS;
    }
    return make_boxed((const Term *)(const void *)r);
}

/* --- the table ----------------------------------------------------------------------------------- */
static Monitor *monitor_find(const struct IdMap *map, uint64_t id)
{
    uint64_t *place = id ? idmap_find(map, id) : NULL;
    return place ? (Monitor *)(uintptr_t)*place : NULL;
}

static Monitor *monitor_add(struct IdMap **map, uint64_t id, MonitorKind kind, Term type, Term peer, Term name)
{
    Monitor *m = vm_alloc(sizeof *m);
    *m = (Monitor){.id = id, .kind = (uint8_t)kind, .type = type, .peer = peer, .name = name, .tag = NONVALUE};
    idmap_put(map, id, (uintptr_t)m);
    return m;
}

static void monitor_free(Monitor *m)
{
    if (m->frag) {
        frag_free(m->frag);
    }
    vm_free(m);
}

static void monitor_delete(struct IdMap **map, Monitor *m)
{
    idmap_delete(map, m->id, NULL);
    monitor_free(m);
}

/* The monitor part of m is gone; the entry goes too unless it is an alias that outlives it. */
static void monitor_part_ended(struct IdMap **map, Monitor *m)
{
    if (m->alias == ALIAS_EXPLICIT) {
        m->kind = MON_ALIAS;
    } else {
        monitor_delete(map, m);
    }
}

static void monitor_tell_peer(const Monitor *m, Term from)
{
    if (is_local_pid(m->peer)) {
        signal_send(m->peer, signal_new(SIG_DEMONITOR, from, m->id));
    } else if (is_local_port(m->peer)) {
        ports_lock();
        Port *port = port_lookup(m->peer);
        if (port) {
            monitor_port_remove(&port->monitors, m->id);
        }
        ports_unlock();
    }
}

/* --- options --------------------------------------------------------------------------------------- */
static bool monitor_parse_alias(Term value, AliasMode *mode)
{
    switch (value) {
    case A_explicit_unalias:
        *mode = ALIAS_EXPLICIT;
        return true;
    case A_demonitor:
        *mode = ALIAS_DEMONITOR;
        return true;
    case A_reply_demonitor:
        *mode = ALIAS_REPLY_DEMONITOR;
        return true;
    default:
        return false;
    }
}

bool monitor_parse_opts(Term list, MonitorOpts *o)
{
    *o = (MonitorOpts){ALIAS_NONE, NONVALUE};
    for (; is_cons(list); list = cons_tail(list)) {
        Term option = cons_head(list);
        if (!is_tuple_arity(option, 2)) {
            return false;
        }
        Term *e = tuple_elements(option);
        if (e[0] == A_tag) {
            o->tag = e[1];
        } else if (e[0] != A_alias || !monitor_parse_alias(e[1], &o->alias)) {
            return false;
        }
    }
    return is_nil(list);
}

/* --- starting -------------------------------------------------------------------------------------- */
/* Copies of what the 'DOWN' message will need and that is no immediate. */
static void monitor_keep_terms(Monitor *m, Term tag, Term peer)
{
    size_t words = (tag == NONVALUE ? 0 : term_size_whole(tag)) + (peer == NONVALUE ? 0 : term_size_whole(peer));
    HeapFrag *f = words ? frag_new(words) : NULL;
    Term *hp = f ? f->mem : NULL;
    OffHeap none = {0}, *oh = f ? &f->off_heap : &none;
    m->tag = tag == NONVALUE ? tag : term_copy_whole(tag, &hp, oh);
    m->peer = peer == NONVALUE ? peer : term_copy_whole(peer, &hp, oh);
    m->frag = f;
    if (f) {
        f->used = words;
    }
}

static Term monitor_add_out(Proc *p, Term type, Term peer, Term name, const MonitorOpts *o)
{
    Monitor *m = monitor_add(&p->monitors, ref_new_id(p->sched), MON_OUT, type, peer, name);
    monitor_keep_terms(m, o ? o->tag : NONVALUE, peer);
    m->alias = o ? (uint8_t)o->alias : ALIAS_NONE;
    m->is_alias_ref = m->alias != ALIAS_NONE;
    Term *hp = heap_alloc(p, m->is_alias_ref ? REF_ALIAS_WORDS : REF_PLAIN_WORDS);
    return ref_build(&hp, m->id, m->is_alias_ref ? p->id : NONVALUE);
}

Term monitor_start_dead(Proc *p, Term type, Term peer, Term name, const MonitorOpts *o, Term reason)
{
    Term ref = monitor_add_out(p, type, peer, name, o);
    signal_push(p, signal_new_term(SIG_DOWN, NONVALUE, ref_id(ref), reason, 0));
    return ref;
}

Term monitor_start(Proc *p, Term type, Term peer, Term name, const MonitorOpts *o)
{
    Term ref = monitor_add_out(p, type, peer, name, o);
    uint64_t id = ref_id(ref);
    bool there = true;
    if (is_local_port(peer)) {
        ports_lock();
        Port *port = port_lookup(peer);
        if ((there = port != NULL)) {
            monitor_port_add(&port->monitors, id, p->id, name);
        }
        ports_unlock();
    } else if (peer != NONVALUE) {
        there = signal_send(peer, signal_new_term(SIG_MONITOR, p->id, id, name, 0));
    }
    if (!there) {
        signal_push(p, signal_new_term(SIG_DOWN, peer, id, A_noproc, 0));
    }
    return ref;
}

Term monitor_start_child(Proc *p, Proc *child, const MonitorOpts *o)
{
    Term ref = monitor_add_out(p, A_process, child->id, NIL, o);
    monitor_add(&child->monitors, ref_id(ref), MON_IN, A_process, p->id, NIL);
    return ref;
}

bool monitor_stop(Proc *p, uint64_t id)
{
    Monitor *m = monitor_find(p->monitors, id);
    if (!m || m->kind != MON_OUT) {
        return false;
    }
    monitor_tell_peer(m, p->id);
    monitor_part_ended(&p->monitors, m);
    return true;
}

/* --- aliases --------------------------------------------------------------------------------------- */
Term alias_new(Proc *p, AliasMode mode)
{
    Monitor *m = monitor_add(&p->monitors, ref_new_id(p->sched), MON_ALIAS, A_alias, NONVALUE, NIL);
    m->alias = (uint8_t)mode;
    m->is_alias_ref = true;
    Term *hp = heap_alloc(p, REF_ALIAS_WORDS);
    return ref_build(&hp, m->id, p->id);
}

bool alias_stop(Proc *p, uint64_t id)
{
    Monitor *m = monitor_find(p->monitors, id);
    if (!m || m->alias == ALIAS_NONE) {
        return false;
    }
    m->alias = ALIAS_NONE;
    if (m->kind == MON_ALIAS) {
        monitor_delete(&p->monitors, m);
    }
    return true;
}

bool alias_take(Proc *p, uint64_t id)
{
    Monitor *m = monitor_find(p->monitors, id);
    if (!m || m->alias == ALIAS_NONE) {
        return false;
    }
    if (m->alias == ALIAS_REPLY) {
        monitor_delete(&p->monitors, m);
    } else if (m->alias == ALIAS_REPLY_DEMONITOR) {
        monitor_tell_peer(m, p->id);
        monitor_delete(&p->monitors, m);
    }
    return true;
}

/* --- signals --------------------------------------------------------------------------------------- */
void monitor_signal_monitor(Proc *p, Term from, uint64_t id, Term name)
{
    monitor_add(&p->monitors, id, MON_IN, A_process, from, name);
}

void monitor_signal_demonitor(Proc *p, uint64_t id)
{
    Monitor *m = monitor_find(p->monitors, id);
    if (m && m->kind == MON_IN) {
        monitor_delete(&p->monitors, m);
    }
}

/* {Tag, Ref, Type, Object, Reason} in the signal's fragment. */
static Term monitor_build_down(Proc *p, const Monitor *m, Signal *s)
{
    size_t words = DOWN_WORDS + (m->frag ? m->frag->used : 0);
    Term *hp = signal_room(s, words), *end = hp + words;
    OffHeap *oh = &s->head.frag->off_heap;
    Term tag = m->tag == NONVALUE ? A_DOWN : term_copy(m->tag, &hp, oh);
    Term ref = ref_build(&hp, m->id, m->is_alias_ref ? p->id : NONVALUE);
    Term object = m->peer == NONVALUE ? NIL : term_copy(m->peer, &hp, oh);
    if (!is_nil(m->name)) {
        hp[0] = MAKE_HEADER(2, SUB_TUPLE);
        hp[1] = m->name;
        hp[2] = A_nonode;
        object = make_boxed(hp);
        hp += TUPLE_WORDS(2);
    }
    Term *t = hp;
    t[0] = MAKE_HEADER(5, SUB_TUPLE);
    t[1] = tag;
    t[2] = ref;
    t[3] = m->type;
    t[4] = object;
    t[5] = s->head.term;
    s->head.frag->used -= (size_t)(end - (hp + TUPLE_WORDS(5)));
    return make_boxed(t);
}

void monitor_signal_down(Proc *p, Signal *s)
{
    Monitor *m = monitor_find(p->monitors, s->id);
    if (!m || m->kind != MON_OUT) {
        signal_free(s);
        return;
    }
    signal_to_message(p, s, monitor_build_down(p, m, s));
    monitor_part_ended(&p->monitors, m);
}

/* --- watches ----------------------------------------------------------------------------------------- */
typedef struct Watch {
    Monitor monitor; /* first */
    WatchDown down;
    void *arg;
} Watch;

/* No reference's id: those count up from 1. */
static uint64_t watch_key(const void *arg)
{
    return (uint64_t)(uintptr_t)arg | UINT64_C(1) << 63;
}

void watch_add(Proc *p, void *arg, WatchDown down)
{
    Watch *w = vm_calloc(sizeof *w);
    w->monitor = (Monitor){.id = watch_key(arg), .kind = MON_WATCH, .type = NIL, .peer = NONVALUE, .name = NIL,
                           .tag = NONVALUE};
    w->down = down;
    w->arg = arg;
    idmap_put(&p->monitors, w->monitor.id, (uintptr_t)w);
}

bool watch_remove(Proc *p, const void *arg)
{
    Monitor *m = monitor_find(p->monitors, watch_key(arg));
    if (m) {
        monitor_delete(&p->monitors, m);
    }
    return m != NULL;
}

void monitor_end_all(struct IdMap **monitors, Term from, Term reason)
{
    IdMap *map = *monitors;
    *monitors = NULL;
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(map, &i));) {
        Monitor *m = (Monitor *)(uintptr_t)s->value;
        if (m->kind == MON_IN) {
            signal_send(m->peer, signal_new_term(SIG_DOWN, from, m->id, reason, is_immed(reason) ? 0 : DOWN_WORDS));
        } else if (m->kind == MON_OUT) {
            monitor_tell_peer(m, from);
        } else if (m->kind == MON_WATCH) {
            const Watch *w = (const Watch *)m;
            w->down(w->arg, from);
        }
        monitor_free(m);
    }
    idmap_free(&map);
}

void monitor_port_add(struct IdMap **monitors, uint64_t id, Term pid, Term name)
{
    monitor_add(monitors, id, MON_IN, A_port, pid, name);
}

void monitor_port_remove(struct IdMap **monitors, uint64_t id)
{
    Monitor *m = monitor_find(*monitors, id);
    if (m) {
        monitor_delete(monitors, m);
    }
}

void monitor_each(const struct IdMap *monitors, void (*fn)(const Monitor *m, void *arg), void *arg)
{
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(monitors, &i));) {
        fn((const Monitor *)(uintptr_t)s->value, arg);
    }
}
