/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of a program that is started. */
#pragma once

#include "vm/term/term.h"

/* "NAME=value" strings, NULL-terminated: the machine's environment with the changes of the option {env, Changes}
 * ([{Name, Value | false}]). NULL when the option is bad. Each string and the array are freed with vm_free. */
char **spawn_env_build(Term changes);
