/* SPDX-License-Identifier: Apache-2.0 */
/* The release of retired literal areas, for the natives that retire some. */
#pragma once

#include "vm/term/term.h"

/* Something has been retired: lets OTP's erts_literal_area_collector begin, unless it has been told already. Alone. */
void literals_release(void);
/* Who that is. */
void literals_set_collector(Term pid);
