/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modules behind socket and net (prim_socket, prim_net, socket_registry) are preloaded modules of OTP's. Most
 * programs need none of them, and loading them and building prim_socket's tables costs a tenth of a start. So
 * Loom puts that off until somebody calls one: the call of an unloaded function asks erlang:module_loaded/1 first
 * (error_handler), and that is where they come from.
 */
#pragma once

#include "vm/proc/proc.h"

/* `module` is one of those, and not there yet. */
bool esock_start_needed(Term module);
/* What erlang:module_loaded(module) answers then; traps to itself until they run. */
Term esock_start(Proc *p, Term module);
