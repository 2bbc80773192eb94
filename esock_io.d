esock_io.o: vm/net/esock_io.c build/release/gen/natives.h vm/bif/native.h \
  vm/heap/heap.h lib/cstd.h vm/term/term.h vm/proc/proc.h vm/lock.h \
  vm/plat.h vm/term/atom.h build/release/gen/atoms.h vm/net/esock.h \
  vm/net/socket.h vm/term/binary.h vm/term/map.h vm/term/number.h

build/release/gen/natives.h:

vm/bif/native.h:

vm/heap/heap.h:

lib/cstd.h:

vm/term/term.h:

vm/proc/proc.h:

vm/lock.h:

vm/plat.h:

vm/term/atom.h:

build/release/gen/atoms.h:

vm/net/esock.h:

vm/net/socket.h:

vm/term/binary.h:

vm/term/map.h:

vm/term/number.h:
