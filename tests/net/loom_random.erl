%% SPDX-License-Identifier: Apache-2.0
%% @doc The machine's source of random bytes, where the machine is another.
-module(loom_random).
-export([bytes/1]).

bytes(Count) -> rand:bytes(Count).
