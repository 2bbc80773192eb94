esock_start.o: vm/net/esock_start.c vm/net/esock_start.h vm/proc/proc.h \
  vm/heap/heap.h lib/cstd.h vm/term/term.h vm/lock.h vm/plat.h \
  vm/term/atom.h build/release/gen/atoms.h vm/load/code.h vm/net/esock.h \
  vm/net/socket.h vm/proc/registry.h vm/proc/safe.h vm/proc/sched.h \
  vm/vm.h

vm/net/esock_start.h:

vm/proc/proc.h:

vm/heap/heap.h:

lib/cstd.h:

vm/term/term.h:

vm/lock.h:

vm/plat.h:

vm/term/atom.h:

build/release/gen/atoms.h:

vm/load/code.h:

vm/net/esock.h:

vm/net/socket.h:

vm/proc/registry.h:

vm/proc/safe.h:

vm/proc/sched.h:

vm/vm.h:
