/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links. A table maps the peer (pid or port) to 0, or to the id of an unlink that the peer has not acknowledged yet:
 * until then exit signals of the old link are dropped.
 */
#pragma once

#include "vm/proc/idmap.h"
#include "vm/proc/signal.h"

/* erlang:link/1 towards a process or port. False: there is no such process or port (the caller decides). */
bool link_to(Proc *p, Term peer);
void link_remove(Proc *p, Term peer); /* unlink/1 */
/* Signals arriving at p. */
void link_signal_link(Proc *p, Term from);
void link_signal_unlink(Proc *p, Term from, uint64_t id);
void link_signal_unlink_ack(Proc *p, Term from, uint64_t id);
/* An exit signal over a link: false when the link is not there (any more). Removes it. */
bool link_take_broken(Proc *p, Term from);
/* Whoever owns the table (sender; NULL: a port) ends: every peer gets an exit signal. For ports too (from = the port).
 * Frees the table. */
void link_break_all(Proc *sender, struct IdMap **links, Term from, Term reason);
/* A port's side of a link that its peer made or broke. */
void link_port_add(struct IdMap **links, Term pid);
bool link_port_remove(struct IdMap **links, Term pid);
/* Calls fn for each active link. */
void link_each(const struct IdMap *links, void (*fn)(Term peer, void *arg), void *arg);
