/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monitors and aliases. One table per process (and port) from reference id to Monitor, with both directions: what
 * it monitors (MON_OUT), who monitors it (MON_IN), plain aliases (MON_ALIAS) and watches (MON_WATCH). The 'DOWN'
 * message is built by the process that monitors, when it handles the signal, so a demonitor always wins.
 */
#pragma once

#include "vm/proc/idmap.h"
#include "vm/proc/signal.h"

typedef enum { MON_OUT, MON_IN, MON_ALIAS, MON_WATCH } MonitorKind;
typedef enum { ALIAS_NONE, ALIAS_EXPLICIT, ALIAS_REPLY, ALIAS_DEMONITOR, ALIAS_REPLY_DEMONITOR } AliasMode;
typedef struct Monitor {
    uint64_t id;
    uint8_t kind;
    uint8_t alias; /* AliasMode; of MON_OUT and MON_ALIAS */
    bool is_alias_ref; /* the reference was made with its pid inside */
    Term type;     /* A_process, A_port, A_time_offset */
    Term peer;     /* pid or port at the other end; NONVALUE: none */
    Term name;     /* what it was asked for by: atom, or NIL */
    Term tag;      /* instead of 'DOWN'; NONVALUE: 'DOWN' */
    HeapFrag *frag; /* holds tag and peer when they are no immediates */
} Monitor;

typedef struct MonitorOpts {
    AliasMode alias;
    Term tag; /* NONVALUE: 'DOWN' */
} MonitorOpts;

/* Identity of a local reference: never 0 for those we made; 0 for foreign ones and other terms. */
uint64_t ref_id(Term ref);
uint64_t ref_new_id(Sched *s);
/* The scheduler that made it; 0 for ids of other origin. */
unsigned ref_id_scheduler(uint64_t id);
void ref_numbers(uint64_t id, uint64_t *n01, uint64_t *n2);
/* A reference with that id at *hp: REF_PLAIN_WORDS, or REF_ALIAS_WORDS when `pid` is not NONVALUE. */
Term ref_build(Term **hp, uint64_t id, Term pid);

/* Option list of monitor/3 and spawn's {monitor, Opts}. False: bad option. */
bool monitor_parse_opts(Term list, MonitorOpts *o);
/* Starts monitoring; returns the reference on p's heap. peer: local pid or port (or name, NIL if none). */
Term monitor_start(Proc *p, Term type, Term peer, Term name, const MonitorOpts *o);
/* As above when nobody is there: the 'DOWN' message with this reason is on its way. `object` names the peer if it has
 * no pid. */
Term monitor_start_dead(Proc *p, Term type, Term peer, Term name, const MonitorOpts *o, Term reason);
/* For spawn: both sides at once, the child does not run yet. */
Term monitor_start_child(Proc *p, Proc *child, const MonitorOpts *o);
/* demonitor/1: true when the monitor was there. */
bool monitor_stop(Proc *p, uint64_t id);
Term alias_new(Proc *p, AliasMode mode);
bool alias_stop(Proc *p, uint64_t id);
/* A message to the alias came: true when it is to be delivered. */
bool alias_take(Proc *p, uint64_t id);

void monitor_signal_monitor(Proc *p, Term from, uint64_t id, Term name);
void monitor_signal_demonitor(Proc *p, uint64_t id);
void monitor_signal_down(Proc *p, Signal *s); /* takes s */
/* The owner ends: 'DOWN' to those who monitor it (object {name, node} or from), demonitor to those it monitors. Frees
 * all. */
void monitor_end_all(struct IdMap **monitors, Term from, Term reason);
/* A port's side. */
void monitor_port_add(struct IdMap **monitors, uint64_t id, Term pid, Term name);
void monitor_port_remove(struct IdMap **monitors, uint64_t id);

/* Watches: a resource that is told in C when a process ends, by down(arg, pid) in that process's context. In the
 * table of the process itself, which is the running one; a key is the address of what watches. */
typedef void (*WatchDown)(void *arg, Term pid);
void watch_add(Proc *p, void *arg, WatchDown down);
bool watch_remove(Proc *p, const void *arg); /* false: there was none */

void monitor_each(const struct IdMap *monitors, void (*fn)(const Monitor *m, void *arg), void *arg);
