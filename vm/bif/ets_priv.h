/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that hold the natives of ETS. */
#pragma once

#include "vm/ets/table.h"

/* Copies onto p's heap. */
Term ets_object_copy(Proc *p, const EtsObject *o);
Term ets_term_copy(Proc *p, Term t);
/* ets:first, last, next, prev; raw: over dead objects too. */
Term ets_edge_key(Proc *p, Term id, int side, bool raw);
Term ets_beyond_key(Proc *p, Term id, Term key, int side, bool raw);
