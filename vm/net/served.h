/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets whose bytes are moved by Erlang processes: the network service. See served_priv.h. */
#pragma once

#include "vm/net/socket.h"

extern const SocketOps served_sockets;
