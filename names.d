names.o: plat/linux/names.c build/release/gen/natives_linux.h \
  vm/bif/native.h vm/heap/heap.h lib/cstd.h vm/term/term.h \
  vm/proc/proc.h vm/lock.h vm/plat.h vm/term/atom.h \
  build/release/gen/atoms.h plat/linux/sockaddr.h plat/linux/linux.h \
  vm/vm.h plat/linux/socket.h vm/net/socket.h vm/proc/port_priv.h \
  vm/proc/port.h vm/term/binary.h vm/term/map.h vm/term/number.h

build/release/gen/natives_linux.h:

vm/bif/native.h:

vm/heap/heap.h:

lib/cstd.h:

vm/term/term.h:

vm/proc/proc.h:

vm/lock.h:

vm/plat.h:

vm/term/atom.h:

build/release/gen/atoms.h:

plat/linux/sockaddr.h:

plat/linux/linux.h:

vm/vm.h:

plat/linux/socket.h:

vm/net/socket.h:

vm/proc/port_priv.h:

vm/proc/port.h:

vm/term/binary.h:

vm/term/map.h:

vm/term/number.h:
