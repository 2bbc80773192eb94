%% SPDX-License-Identifier: Apache-2.0
%% @doc Commands for the shell: OTP's shell looks here for functions that it does not know itself.
-module(user_default).

-export([hw/0]).

%% @doc The machine's devices, one a line.
-spec hw() -> ok.
hw() -> loom_hw_list:print(loom_devices:list()).
