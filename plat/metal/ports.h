/* SPDX-License-Identifier: Apache-2.0 */
/* Port drivers that are Erlang processes; see ports.c. */
#pragma once

struct PortDriver;

/* For plat_port_drivers: grows as processes register, always ends with NULL. */
const struct PortDriver *const *ports_drivers(void);
