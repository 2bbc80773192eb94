%% SPDX-License-Identifier: Apache-2.0
%% What the fuzzer of running modules begins with: exceptions, messages, calls.
-module(seed_flow).
-export([a/1, b/2, c/1, d/1, e/2, f/1, loop/2]).

a(X) ->
    try b(X, 1) of
        {ok, Y} -> [Y];
        Z -> {Z, X}
    catch
        throw:T -> {thrown, T, X};
        error:{badmatch, V}:S -> {V, length(S)};
        C:R:S -> erlang:raise(C, {R, X}, S)
    after
        put(seen, X)
    end.

b(X, Y) when is_integer(X) -> throw({X, Y});
b([H | T], Y) -> {ok, catch H + length(T) + Y};
b({A, _}, Y) -> A = Y, exit(Y);
b(X, _) -> case catch hd(X) of {'EXIT', W} -> W; H -> error(H, [X]) end.

c(X) ->
    self() ! {X, 1}, self() ! [X], self() ! X,
    receive {Y, N} when N > 0, Y =:= X -> {Y, c2(X)} after 5 -> late end.
c2(X) ->
    receive [Y] when hd(X) =:= Y; map_get(a, Y) =:= 1 -> Y; [Z | _] when is_tuple(Z), element(1, Z) =/= X -> Z
    after 0 -> R = make_ref(), self() ! {R, X}, receive {R, W} -> [W] end end.

d(X) ->
    P = spawn(fun() -> receive {From, M} -> From ! {self(), [M]} end end),
    M = erlang:monitor(process, P),
    P ! {self(), X},
    receive {P, Y} -> Y; {'DOWN', M, process, P, W} -> W after 100 -> none end.

e(X, Y) ->
    T = ets:new(t, [set]),
    ets:insert(T, [{X, Y}, {Y, X}, {1, [X | Y]}]),
    R = {ets:lookup(T, X), ets:tab2list(T), ets:info(T, size)},
    ets:delete(T),
    R.

f(X) ->
    Y = loop(3, [X]),
    Z = lists:keyfind(X, 1, [{Y, X}, {X, Y}]),
    {Y, Z, term_to_binary(Z), lists:sort([Y, X, Z]), list_to_tuple([X, Y]), X =:= Y andalso Z}.

loop(0, Acc) -> Acc;
loop(N, Acc) when is_integer(N), N < 1000 -> loop(N - 1, [{N, Acc} | Acc]);
loop(_, Acc) -> lists:flatten(Acc).
