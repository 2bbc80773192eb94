monitor.o: vm/proc/monitor.c vm/proc/monitor.h vm/proc/idmap.h lib/cstd.h \
  vm/proc/signal.h vm/proc/msg.h vm/proc/proc.h vm/heap/heap.h \
  vm/term/term.h vm/lock.h vm/plat.h vm/term/atom.h \
  build/release/gen/atoms.h vm/proc/port.h vm/proc/sched.h

vm/proc/monitor.h:

vm/proc/idmap.h:

lib/cstd.h:

vm/proc/signal.h:

vm/proc/msg.h:

vm/proc/proc.h:

vm/heap/heap.h:

vm/term/term.h:

vm/lock.h:

vm/plat.h:

vm/term/atom.h:

build/release/gen/atoms.h:

vm/proc/port.h:

vm/proc/sched.h:
