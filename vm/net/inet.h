/* SPDX-License-Identifier: Apache-2.0 */
/* OTP's socket ports: drivers that a platform with SocketOps lists among its own. */
#pragma once

#include "vm/proc/port.h"

extern const PortDriver tcp_inet_driver, udp_inet_driver;
