%% SPDX-License-Identifier: Apache-2.0
%% @doc The part of loom_hw that is no native (doc/hardware.md): what a person asks for. The natives are there without
%% this module.
-module(loom_hw).

-export([list/0]).

%% @doc The machine's devices, their drivers and how they are: see doc/devices.md.
-spec list() -> [loom_devices:row()].
list() -> loom_devices:list().
