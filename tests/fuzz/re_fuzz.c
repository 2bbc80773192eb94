/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: regular expressions: options, pattern and subject. See drivers/fuzz_re.erl. */
#include "tests/fuzz/driver.h"

DRIVER_TARGET(fuzz_re)
