%% SPDX-License-Identifier: Apache-2.0
%% @doc The smallest program: it needs nothing but the machine and its preloaded modules (`make qemu-interp').
-module(loom_hello).

-export([main/0]).

-spec main() -> no_return().
main() ->
    erlang:display({hello, from, erlang:system_info(machine), sum, sum(100, 0)}),
    erlang:halt(0).

sum(0, Total) -> Total;
sum(N, Total) -> sum(N - 1, Total + N).
