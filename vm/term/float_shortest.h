/* SPDX-License-Identifier: Apache-2.0 */
/* The shortest decimal of a float: for float_text.c. */
#pragma once

#include "lib/cstd.h"

/* d > 0, finite, is what digits * 10^exponent reads back as; digits has at most 17 digits and no zero at its end. */
uint64_t float_shortest(double d, int *exponent);
