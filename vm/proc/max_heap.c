/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a process that has grown over its max_heap_size. Comes from: the end of a collection (heap/gc.c). */
#include "vm/bif/bif_process.h"
#include "vm/proc/exception.h"

bool proc_max_heap_exceeded(Proc *p)
{
    bool kill = p->max_heap_flags & MAX_HEAP_KILL, log = p->max_heap_flags & MAX_HEAP_LOG;
    size_t total = heap_total_words(p);
    if (log) {
        Term args[] = {p->id,
                       make_small((int64_t)p->max_heap_words),
                       make_small((int64_t)total),
                       make_boolean(kill),
                       A_true,
                       make_small((int64_t)p->msg_count),
                       process_gc_info(p, p)};
        exception_log(p, A_error,
                      "     Process:            ~p ~n"
                      "     Context:            maximum heap size reached~n"
                      "     Max Heap Size:      ~p~n"
                      "     Total Heap Size:    ~p~n"
                      "     Kill:               ~p~n"
                      "     Error Logger:       ~p~n"
                      "     Message Queue Len:  ~p~n"
                      "     GC Info:            ~p~n",
                      heap_list(p, 7, args, NIL));
    }
    if (kill) {
        p_fault(p, FAULT_EXIT, A_killed);
    }
    return !kill;
}
