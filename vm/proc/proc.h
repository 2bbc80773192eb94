/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process. Fields are grouped by who may touch them. Other processes act on a process only by
 * putting a signal into `in`; everything else belongs to the scheduler that runs it.
 */
#pragma once

#include "vm/heap/heap.h"
#include "vm/lock.h"
#include "vm/stress.h"
#include "vm/term/atom.h"

typedef struct Sched Sched;
typedef struct Signal Signal;
struct Export;
struct Dict;
struct IdMap; /* proc/idmap.h */
struct Timer;

enum { PRIO_MAX, PRIO_HIGH, PRIO_NORMAL, PRIO_LOW, PRIO_COUNT };
enum { SLICE_REDUCTIONS = STRESS_YIELD ? 1 : 4000 };
enum { MAX_X_REGS = 1024, MAX_FLOAT_REGS = 1024, SAVED_X_REGS = 6 };

/* What the interpreter left the process in, when it returned to the scheduler. */
typedef enum {
    RUN_YIELDED,   /* slice used up or asked to yield: runnable; resumes at `ip` with `arity` saved registers */
    RUN_WAITING,   /* in receive (or a trap that waits): resumes at `ip`, no live registers but those saved */
    RUN_EXITED,    /* ended: exit reason in fault_value */
} RunResult;

/* Exception classes as the instructions know them. FAULT_TRAP is not an exception: a native asks to call
 * trap_export with the x registers it has set. FAULT_YIELD: run the same native call again in a later slice. */
typedef enum { FAULT_NONE, FAULT_ERROR, FAULT_EXIT, FAULT_THROW, FAULT_TRAP, FAULT_WAIT } FaultClass;

enum { /* Proc.flags: owner only */
    PF_TRAP_EXIT = 1 << 0,
    PF_SYSTEM = 1 << 1,          /* system process: not shown to purge, not suspended */
    PF_SENSITIVE = 1 << 2,
    PF_OFF_HEAP_MSGS = 1 << 3,   /* message_queue_data: off_heap asked for */
    PF_NEEDS_COLLECT = 1 << 4,   /* a native left fragments or garbage pressure: collect at the next safe point */
    PF_HIBERNATED = 1 << 5,
    PF_FULL_SWEEP = 1 << 7,      /* next collection is a full one */
    PF_EXITING = 1 << 8,         /* runs no more Erlang code */
    PF_ASYNC_DIST = 1 << 9,
    PF_KILL_LOGGED = 1 << 10,
    PF_WAITING = 1 << 11,        /* left the interpreter with RUN_WAITING */
    PF_HAS_TASKS = 1 << 12,      /* `tasks` is not empty: the scheduler runs them outside the interpreter */
    PF_MONITOR_NODES = 1 << 13,  /* asked for messages about nodes */
    PF_TRACE_FRAMES = 1 << 14,   /* trace/call.h: the stack may hold frames that tracing put there */
    PF_ASSIST_DECLINES = 1 << 19, /* the function called next has an assist (bif/assist.h): not this time */
    PF_ETS_SUPER_USER = 1 << 20, /* erts_internal:ets_super_user(true) */
};
enum { /* Proc.state: atomic */
    PS_RUNNABLE = 1 << 0,  /* in a run queue, or to be put there after its slice */
    PS_RUNNING = 1 << 1,   /* a scheduler runs it, or somebody has claimed it (sched.c) */
    PS_EXITING = 1 << 2,   /* no more signals are handled */
    PS_TIMEOUT = 1 << 3,   /* the receive timer fired */
    PS_HELD = 1 << 4,      /* claimed while in a run queue, and still in it */
};

/* A message in the private queue. Its term lies in `frag` (or is immediate/literal) until it is removed from the queue
 * or a collection happens while it is looked at; then on p's heap. */
typedef struct Message {
    struct Message *next;
    Term term;
    Term token;      /* sequential trace token; NIL none; A_undefined: leaves the receiver's alone */
    HeapFrag *frag;  /* owned; NULL once the term is on the heap */
    bool on_heap;    /* the term is on p's heap: a root */
    uint8_t kind;    /* SIG_MESSAGE in the private queue; see signal.h for what else travels in `in` */
} Message;

/* Where a receive that waits for a message with a new reference may begin. */
typedef struct RecvMark {
    Message **save; /* NULL: not in use */
    uint64_t id;    /* of the reference; until that is made: of the mark (msg.c) */
} RecvMark;

struct Proc {
    /* Owner scheduler only: what the interpreter touches most. `hp`, `stop` and `fcalls` live in registers while
     * p runs and are written back before anything may look (OP_SAVE in ops/op.h). */
    Term *hp;           /* heap top */
    Term *stop;         /* stack top: stop[0] is the return address slot of the current frame */
    Term *heap;         /* block start */
    Term *stack_end;    /* block end */
    Term *high_water;   /* objects below have survived one minor collection */
    intptr_t fcalls;    /* reductions left in this slice */
    const Word *ip;     /* where to resume */
    Sched *sched;       /* the scheduler that runs it (or ran it last) */
    Sched *bound;       /* process_flag(scheduler), spawn_opt: where it must run; NULL: anywhere */
    unsigned arity;     /* x registers saved in `saved_x` (or `saved_x_more`) */
    unsigned flags;     /* PF_ */
    Term saved_x[SAVED_X_REGS];
    Term *saved_x_more; /* when arity > SAVED_X_REGS; else NULL. Capacity saved_x_capacity. */
    unsigned saved_x_capacity;

    /* Faults: set by p_fault() and friends, consumed by the interpreter. */
    RunResult run_result;    /* loop builds: what OP_LEAVE said */
    FaultClass fault_class;
    Term fault_reason;       /* badarg, ...; the exit or throw value */
    Term fault_args;         /* arguments for the top stack entry ([...]), or NONVALUE */
    Term fault_trace;        /* raw trace of the exception being handled, or NIL */
    Term fault_cause;        /* error_info cause atom, or NONVALUE */
    struct Export *trap_export;
    const Word *handler_ip;       /* where op_yield_at_handler goes on */
    const Word *fault_ip;         /* FAULT_TRAP with trap_export NULL: the code address to go to */
    /* the native to name on top of the stack trace; NULL: the failing instruction decides */
    const struct Export *fault_export;
    bool fault_hide_native;       /* erlang:error/1 and its like: the trace begins with their caller */

    /* Old generation and fragments. */
    Term *old_heap, *old_hp, *old_end;
    HeapFrag *frags;
    size_t frag_words;      /* used in frags */
    OffHeap off_heap;
    size_t virtual_bytes;   /* refc bytes that trigger a collection */
    unsigned minor_count, fullsweep_after;
    size_t min_heap_words, min_bin_vheap_words, max_heap_words; /* max 0: unlimited */
    unsigned max_heap_flags; /* 1 kill, 2 error_logger */
    uint64_t gc_count, gc_words_reclaimed;

    /* Messages: private queue. `save` points at the link that leads to the next message to look at. */
    Message *msg_first, **msg_last, **msg_save;
    size_t msg_count;         /* in the private queue */
    size_t msg_on_heap_count; /* of those with on_heap set: roots */
    bool msg_peeked;          /* a receive has taken *msg_save's term into x0 and not yet left it */
    RecvMark mark, *more_marks; /* see msg.h; more of them (MORE_MARKS) once receives have been nested, else NULL */
    uint32_t mark_number;       /* of the last mark made */

    /* Identity. Constant after birth, except what process_flag and others change on itself. */
    Term id;
    Term parent;
    Term group_leader;
    Term registered_name;   /* atom or NIL */
    Term initial_m, initial_f;
    unsigned initial_arity;
    uint8_t priority;
    uint16_t blocks[2];     /* of multi_scheduling, normal ones second: blocking.h */
    Term error_handler;     /* atom: module */
    uint64_t reductions;    /* all done before this slice */
    int64_t started_ns;

    /* Process dictionary, links, monitors, aliases: owner only; layouts private to their files. */
    struct Dict *dict;
    struct IdMap *links;       /* link.h */
    struct IdMap *monitors;    /* monitor.h: both directions, and aliases */
    struct Timer *recv_timer;  /* running receive ... after timer, or NULL */
    Signal *tasks, *last_task; /* system tasks to run outside the interpreter, oldest first */
    struct CallTime *call_time; /* trace/call.h: what a call_time trace is measuring; NULL: nothing */
    Term seq_token;                 /* trace/seq.h; NIL none */
    uint64_t seq_clock, seq_last;   /* its serials */
    Term label;
    struct IdMap *suspends;    /* whom this process suspends: pid -> count */
    Term *extra_roots[2];      /* two spare root slots for native state, NULL when unused */

    /* Anyone: atomic. */
    uint32_t trace_flags;   /* trace/trace.h: what is traced, 0 nothing */
    Term tracer;            /* pid or port that is told; NIL: nobody */
    Signal *in;             /* arrived signals, newest first; SIGNALS_CLOSED when dead (signal.h) */
    uint32_t state;         /* PS_ bits */
    uint32_t suspend_count; /* how often others suspended it */
    struct Proc *run_next;  /* run queue link: under the queue's lock */
    SpinLock timers_lock;
    bool timers_closed;     /* it has ended: no more timers */
    struct Timer *timers;   /* send_after and start_timer timers aimed at this process: under timers_lock */
};

/* --- faults (proc/fault.c) -------------------------------------------------------------------- */
/* Records an exception for the running process and returns NONVALUE, so that natives can `return p_fault(...)`. */
Term p_fault(Proc *p, FaultClass class, Term reason);
/* Common ones. */
Term p_badarg(Proc *p);
Term p_badarith(Proc *p);
Term p_system_limit(Proc *p);
Term p_notsup(Proc *p);
Term p_error2(Proc *p, Term tag, Term value); /* error:{tag, value}: badmatch, badmap, badkey, ... */
/* badarg whose error_info map carries `cause` (atom), for erl_erts_errors and friends to explain. */
Term p_badarg_cause(Proc *p, Term cause);
/* Asks the interpreter to call `e` with n arguments (n <= 8) in place of returning; the callee's result is ours. */
Term p_trap(Proc *p, struct Export *e, unsigned n, const Term *args);
/* Charges `n` reductions for long work. */
static inline void p_charge(Proc *p, intptr_t n) { p->fcalls -= n; }

/* --- life (proc/proc.c) ------------------------------------------------------------------------ */
void proc_table_init(size_t limit); /* 0: OTP's default, 262,144; rounded up to a power of two */
size_t proc_table_limit(void);
size_t proc_count(void);
/* The live process, borrowed: valid until the caller's next safe point (safe.h). NULL when dead. */
Proc *proc_lookup(Term pid);
/* All live pids in table order: calls fn for each. */
void proc_each(void (*fn)(Proc *p, void *arg), void *arg);

/* Where a process's first function returns to: ends it with reason normal. Defined by the interpreter. */
extern const Word code_normal_exit[];
/* The handler of an exception when the slice is over: yields, then goes on at handler_ip. */
extern const Word code_yield_at_handler[];

/* What new processes get unless their spawn options say otherwise: system_flag/2 changes it, system_info/1 reads it. */
typedef struct ProcDefaults {
    size_t min_heap_words, min_bin_vheap_words, max_heap_words;
    unsigned max_heap_flags, fullsweep_after;
} ProcDefaults;
enum { MAX_HEAP_KILL = 1, MAX_HEAP_LOG = 2 };
ProcDefaults *proc_defaults(void);
/* All memory of p, in bytes: struct, heap, messages, tables. For process_info(memory). */
size_t proc_memory(const Proc *p);

typedef struct SpawnOpts {
    bool link, monitor;
    Term monitor_opts_tag, monitor_alias; /* {monitor, [{tag,_},{alias,_}]}: NONVALUE when absent */
    uint8_t priority;
    size_t min_heap_words, min_bin_vheap_words, max_heap_words;
    unsigned max_heap_flags, fullsweep_after;
    bool off_heap_messages, system;
    unsigned scheduler; /* the one that it is bound to, from 1; 0: none */
    struct SeqSpawn *sequence; /* trace/seq.h: of a spawn_request by a process with a token; else NULL */
} SpawnOpts;
void spawn_opts_default(SpawnOpts *o, const Proc *parent);
/* Starts M:F(Args...) or a fun; args is a proper list of terms on the parent's heap (copied). parent may be NULL
 * (boot). Returns the pid, or NONVALUE (process table full). *monitor_ref gets the reference when o->monitor. */
Term proc_spawn_mfa(Proc *parent, Term m, Term f, Term args, const SpawnOpts *o, Term *monitor_ref);
Term proc_spawn_fun(Proc *parent, Term fun, Term args, const SpawnOpts *o, Term *monitor_ref);
/* The running process ends with this reason (any term on its heap): links, monitors, names, ETS, timers, ports; frees
 * all. */
void proc_exit(Proc *p, Term reason);

/* The collector found p above its max_heap_size: logs it and, unless the options say otherwise, makes p end with reason
 * killed. False when p must end: its fault fields are set. */
bool proc_max_heap_exceeded(Proc *p);

/* Process dictionary (bif_dict.c) roots: calls fn on each term slot so that the collector can move it. */
void dict_each_slot(struct Dict *d, void (*fn)(Term *slot, void *arg), void *arg);
void dict_free(struct Dict *d);
/* Terms held by links, monitors, suspends, timers of p that live on p's heap: none. They keep their own copies. */
