/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: operations on tables of every type, against one another. See drivers/fuzz_ets.erl. */
#include "tests/fuzz/driver.h"

DRIVER_TARGET(fuzz_ets)
