%% SPDX-License-Identifier: Apache-2.0
%% Calls and small-integer arithmetic: what a call, a return and a test cost.
-module(calls).
-behaviour(bench).
-export([programs/0, fib/1, tak/1, ackermann/1, loop/1, dispatch/1]).

programs() -> [{fib, 35}, {tak, 18}, {ackermann, 10}, {loop, 30000000}, {dispatch, 6000000}].

fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).

tak(N) -> [tak(N, N - 6, 6 - I rem 2) || I <- lists:seq(1, 250)].

tak(X, Y, Z) when Y >= X -> Z;
tak(X, Y, Z) -> tak(tak(X - 1, Y, Z), tak(Y - 1, Z, X), tak(Z - 1, X, Y)).

ackermann(N) -> ackermann(3, N).

ackermann(0, N) -> N + 1;
ackermann(M, 0) -> ackermann(M - 1, 1);
ackermann(M, N) -> ackermann(M - 1, ackermann(M, N - 1)).

%% A tail-recursive loop: the price of one turn.
loop(N) -> loop(N, 0).

loop(0, Sum) -> Sum;
loop(N, Sum) -> loop(N - 1, (Sum + N) band 16#ffffff).

%% An interpreter of a little language: selection on atoms and tuples.
dispatch(N) -> dispatch(N, {push, 1}, []).

dispatch(0, _, Stack) -> Stack;
dispatch(N, {push, V}, Stack) -> dispatch(N - 1, {add, N band 7}, [V | Stack]);
dispatch(N, {add, K}, [V | Stack]) -> dispatch(N - 1, {mul, 3}, [V + K | Stack]);
dispatch(N, {mul, K}, [V | Stack]) -> dispatch(N - 1, {jump, low(V)}, [V * K band 16#ffff | Stack]);
dispatch(N, {jump, zero}, Stack) -> dispatch(N - 1, drop, Stack);
dispatch(N, {jump, one}, [V | Stack]) -> dispatch(N - 1, drop, [V + 1 | Stack]);
dispatch(N, {jump, other}, Stack) -> dispatch(N - 1, swap, [0 | Stack]);
dispatch(N, swap, [A, B | Stack]) -> dispatch(N - 1, drop, [B, A | Stack]);
dispatch(N, drop, [V | Stack]) -> dispatch(N - 1, {push, V}, Stack).

low(V) ->
    case V band 3 of
        0 -> zero;
        1 -> one;
        _ -> other
    end.
