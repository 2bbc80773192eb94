/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See link.h. Unlinking takes a round trip: the side that unlinks keeps the entry with the unlink's id and
 * ignores exit and link signals of that peer until the acknowledgement, since they were sent before the peer knew.
 */
#include "vm/proc/link.h"

#include "vm/proc/port.h"
#include "vm/proc/monitor.h"
#include "vm/proc/sched.h"
#include "vm/trace/trace.h"

bool link_to(Proc *p, Term peer)
{
    uint64_t *unlinking = idmap_find(p->links, peer);
    if (trace_on(p, TRACE_PROCS)) {
        trace_proc_event1(p, A_link, peer);
    }
    if (peer == p->id || (unlinking && *unlinking == 0)) {
        return true;
    }
    if (is_local_port(peer)) {
        ports_lock();
        Port *port = port_lookup(peer);
        if (port) {
            link_port_add(&port->links, p->id);
            if (trace_port_on(port, TRACE_PORTS)) {
                trace_port_event(port, A_getting_linked, 1, &p->id);
            }
        }
        ports_unlock();
        if (!port) {
            return false;
        }
    } else if (!signal_send(peer, signal_new(SIG_LINK, p->id, 0))) {
        return false;
    }
    idmap_put(&p->links, peer, 0);
    return true;
}

void link_remove(Proc *p, Term peer)
{
    uint64_t *unlinking = idmap_find(p->links, peer);
    if (trace_on(p, TRACE_PROCS)) {
        trace_proc_event1(p, A_unlink, peer);
    }
    if (!unlinking || *unlinking) {
        return;
    }
    if (is_local_port(peer)) {
        ports_lock();
        Port *port = port_lookup(peer);
        if (port) {
            link_port_remove(&port->links, p->id);
            if (trace_port_on(port, TRACE_PORTS)) {
                trace_port_event(port, A_getting_unlinked, 1, &p->id);
            }
        }
        ports_unlock();
        idmap_delete(&p->links, peer, NULL);
        return;
    }
    uint64_t id = ref_new_id(p->sched);
    *unlinking = id;
    if (!signal_send(peer, signal_new(SIG_UNLINK, p->id, id))) {
        idmap_delete(&p->links, peer, NULL);
    }
}

void link_signal_link(Proc *p, Term from)
{
    if (!idmap_find(p->links, from)) {
        if (trace_on(p, TRACE_PROCS)) {
            trace_proc_event1(p, A_getting_linked, from);
        }
        idmap_put(&p->links, from, 0);
    }
}

void link_signal_unlink(Proc *p, Term from, uint64_t id)
{
    uint64_t *unlinking = idmap_find(p->links, from);
    if (unlinking && *unlinking == 0) {
        if (trace_on(p, TRACE_PROCS)) {
            trace_proc_event1(p, A_getting_unlinked, from);
        }
        idmap_delete(&p->links, from, NULL);
    }
    signal_send(from, signal_new(SIG_UNLINK_ACK, p->id, id));
}

void link_signal_unlink_ack(Proc *p, Term from, uint64_t id)
{
    uint64_t *unlinking = idmap_find(p->links, from);
    if (unlinking && *unlinking == id) {
        idmap_delete(&p->links, from, NULL);
    }
}

bool link_take_broken(Proc *p, Term from)
{
    uint64_t unlinking;
    return idmap_delete(&p->links, from, &unlinking) && unlinking == 0;
}

void link_break_all(Proc *sender, struct IdMap **links, Term from, Term reason)
{
    /* Detached first: breaking a port's link may come back to this table. */
    IdMap *peers = *links;
    *links = NULL;
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(peers, &i));) {
        if (s->value) {
            continue;
        }
        if (is_local_port(s->key)) {
            ports_lock();
            Port *port = port_lookup(s->key);
            if (port && link_port_remove(&port->links, from)) {
                if (trace_port_on(port, TRACE_PORTS)) {
                    trace_port_event(port, A_getting_unlinked, 1, &from);
                }
                port_owner_exit(s->key, from, reason);
            }
            ports_unlock();
        } else {
            signal_exit(sender, from, s->key, reason, true);
        }
    }
    idmap_free(&peers);
}

void link_port_add(struct IdMap **links, Term pid)
{
    idmap_put(links, pid, 0);
}

bool link_port_remove(struct IdMap **links, Term pid)
{
    return idmap_delete(links, pid, NULL);
}

void link_each(const struct IdMap *links, void (*fn)(Term peer, void *arg), void *arg)
{
    const IdSlot *s;
    for (size_t i = 0; (s = idmap_next(links, &i));) {
        if (s->value == 0) {
            fn(s->key, arg);
        }
    }
}
