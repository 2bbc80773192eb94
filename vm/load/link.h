/* SPDX-License-Identifier: Apache-2.0 */
/* From a successful load to an instance, and an instance's life. */
#pragma once

#include "vm/load/load_priv.h"

/* Takes what it needs out of the loader (strings, literal area); cannot fail. Nothing else sees the instance yet. */
Instance *link_make_instance(Loader *ld);
/* Nobody refers to it: not published, or purged. */
void link_free_instance(Instance *in);
/* Current becomes old, exports and lambdas point here; or, with an on_load function, it waits as `pending`. */
void link_publish(Instance *in);
