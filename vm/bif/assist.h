/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assists: C for Erlang functions that are no natives in OTP but whose work is all comparing and copying, such as
 * sorting. Such a function stays what it is (its body is loaded, it is no BIF, it can be traced); at its entry the
 * assist is tried. An assist returns the result, traps to go on later, or declines with NONVALUE and no fault, without
 * having changed anything: then the body runs. So it needs no errors of its own.
 */
#pragma once

#include "vm/bif/native.h"

/* The assist of a function that is being loaded; NULL: it has none. */
NativeFn assist_find(Term m, Term f, unsigned arity);
/* What a long sort traps to. */
struct Export *assist_more(void);
void assist_init(void); /* at boot */

NATIVE(assist_sort);
NATIVE(assist_usort);
NATIVE(assist_keysort);
NATIVE(assist_ukeysort);
NATIVE(sort_more);
