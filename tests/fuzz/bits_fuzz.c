/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: matching and building bits, against what was there. See drivers/fuzz_bits.erl. */
#include "tests/fuzz/driver.h"

DRIVER_TARGET(fuzz_bits)
