/* SPDX-License-Identifier: Apache-2.0 */
/* What the files behind vm/net/esock.h share: Linux's numbers and structures as the module socket knows them. */
#pragma once

#include "plat/linux/sockaddr.h"
#include "plat/linux/socket.h"
#include "vm/net/esock.h"

typedef struct EsockName {
    const char *name;
    unsigned long number; /* 0: known by name, but not there */
} EsockName;
/* [{Name, Number}] */
Term esock_names(Proc *p, const EsockName *names, size_t count);
/* The names of the bits in `flags`, and what is left as a number. */
Term esock_flags(Proc *p, const EsockName *names, size_t count, unsigned flags);

/* --- esock_option.c --- */
Term esock_set_option(Proc *p, Socket *s, Term level, int option, Term value, bool native);
Term esock_get_option(Proc *p, Socket *s, const EsockKind *kind, Term level, int option, Term spec,
                      size_t control_size);
Term esock_option_table(Proc *p); /* [{Level, [{Name, Number} | Name]}] */

/* --- esock_value.c: values of options and control messages --- */
bool esock_get_uint(Term map, Term key, unsigned *v);
bool esock_tos_read(Term t, int *v);
Term esock_tos_build(int v);
Term esock_level_build(int level);
bool esock_level_read(Term t, int *level);

/* --- esock_control.c --- */
bool esock_control_read(Proc *p, Term list, uint8_t *room, size_t size, size_t *used);
Term esock_control_build(Proc *p, uint8_t *bytes, size_t size);
Term esock_message_flags(Proc *p, int flags);
Term esock_message_flag_table(Proc *p);

/* --- esock_ioctl.c --- */
Term esock_ioctl(Proc *p, Socket *s, Term request, const Term *args, unsigned count);
Term esock_ioctl_table(Proc *p);
Term esock_ioctl_flag_table(Proc *p);

extern const EsockOps linux_esocks;
