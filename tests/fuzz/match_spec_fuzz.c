/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: match specifications, over terms and over tables. See drivers/fuzz_match_spec.erl. */
#include "tests/fuzz/driver.h"

DRIVER_TARGET(fuzz_match_spec)
