%% SPDX-License-Identifier: Apache-2.0
%% Sums that leave the small integers, with every kind of operand and destination, in functions with many arguments.
-module(arith_registers).
-export([main/0]).

main() ->
    io:format("~p~n", [add(30000, [a], b, 1 bsl 62, d, e, f)]),
    io:format("~p~n", [shift(30000, [a], b, 1 bsl 62, [], e, f)]),
    io:format("~p~n", [step(30000, a, (1 bsl 59) - 10000, b)]),
    io:format("~p~n", [[pair(X, Y) || X <- edges(), Y <- edges()]]).

edges() -> [0, 1, -1, (1 bsl 59) - 1, -(1 bsl 59), 1 bsl 59, 1 bsl 64, 1.5].

add(0, A, B, C, D, E, F) -> {A, B, C, D, E, F};
add(N, A, B, C, D, E, F) -> add(N - 1, A, B, C + N, D, E, F).

shift(0, A, B, C, D, E, F) -> {A, B, C, length(D), E, F};
shift(N, A, B, C, D, E, F) ->
    shift(N - 1, A, B, (C bsl 3) bsr 3 + 1, [C bxor N | case N rem 100 of 0 -> []; _ -> D end], E, F).

step(0, A, B, C) -> {A, B, C};
step(N, A, B, C) -> step(N - 1, A, B + 1, C).

pair(X, Y) -> {X + Y, X - Y, X * Y, X + 1, X - 1, 1 + Y, 1 - Y}.
