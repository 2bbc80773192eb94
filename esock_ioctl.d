esock_ioctl.o: plat/linux/esock_ioctl.c plat/linux/esock.h \
  plat/linux/sockaddr.h plat/linux/linux.h vm/plat.h lib/cstd.h \
  vm/term/term.h vm/proc/proc.h vm/heap/heap.h vm/lock.h vm/term/atom.h \
  build/release/gen/atoms.h vm/vm.h plat/linux/socket.h vm/net/socket.h \
  vm/net/esock.h vm/term/binary.h vm/term/map.h vm/term/number.h

plat/linux/esock.h:

plat/linux/sockaddr.h:

plat/linux/linux.h:

vm/plat.h:

lib/cstd.h:

vm/term/term.h:

vm/proc/proc.h:

vm/heap/heap.h:

vm/lock.h:

vm/term/atom.h:

build/release/gen/atoms.h:

vm/vm.h:

plat/linux/socket.h:

vm/net/socket.h:

vm/net/esock.h:

vm/term/binary.h:

vm/term/map.h:

vm/term/number.h:
