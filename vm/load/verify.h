/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytecode verifier: follows the code of one function at a time and proves that no instruction reads a register
 * that holds no
 * term, builds outside the heap it has asked for, or leaves its frame. What it cannot prove about a term's kind it asks
 * to be checked at run time: `fix`. See doc/verifier.md.
 *
 * Comes from: function.c.
 */
#pragma once

#include "vm/load/load_priv.h"

/* What the emitter has to do besides what the instruction says: Instruction.fix. */
enum {
    FIX_DEAD = 1,         /* nothing reaches it: not emitted */
    FIX_NO_FALL = 2,      /* a label: only jumps arrive there */
    FIX_ZERO = 4,         /* allocate: clear the frame */
    FIX_PIN = 8,          /* the message looked at becomes the process's own first */
    FIX_CHECK_TUPLE = 16, /* operand fix_operand is checked first: a tuple of at least fix_number elements */
    FIX_CHECK_CONS = 32,
    FIX_CHECK_MAP = 64,
    FIX_WALL = 128,       /* a label: what comes from above must not go on */
    FIX_RESULT = 256,     /* the destination of a guard BIF gets a value before it may fail */
};

/* Checks [code, code + n): one function with all labels before and behind its func_info. False after load_fail. */
bool verify_function(Loader *ld, Instruction *code, uint32_t n, const Operand *operands);
/* What can be said only when all functions have been seen. */
bool verify_module(Loader *ld);
void verify_free(Verifier *v);
