%% SPDX-License-Identifier: Apache-2.0
%% Exceptions, closures and dynamic calls.
-module(control).
-behaviour(bench).
-export([programs/0, throws/1, errors/1, deep_throw/1, closures/1, compose/1, applies/1, id/1]).

programs() ->
    [{throws, 3000000}, {errors, 300000}, {deep_throw, 12000}, {closures, 10000000},
     {compose, 500000}, {applies, 10000000}].

throws(N) -> throws(N, 0).

throws(0, Sum) -> Sum;
throws(N, Sum) ->
    Got = try throw_odd(N) catch throw:{odd, V} -> V end,
    throws(N - 1, Sum + Got).

throw_odd(N) when N band 1 =:= 1 -> throw({odd, N});
throw_odd(_) -> 0.

%% Errors of natives and of matches, with their stack traces.
errors(N) -> errors(N, 0).

errors(0, Sum) -> Sum;
errors(N, Sum) ->
    Depth = try fail(N band 3) catch error:_:Stack -> length(Stack) band 1 end,
    errors(N - 1, Sum + Depth * 0 + 1).

fail(0) -> list_to_atom(id(not_a_list));
fail(1) -> {ok, _} = id(other);
fail(2) -> id(1) + id(a);
fail(3) -> case id(x) of y -> ok end.

id(X) -> X.

%% Unwinds 2,000 frames.
deep_throw(N) -> lists:sum([catch deep(2000) || _ <- lists:seq(1, N)]).

deep(0) -> throw(7);
deep(N) -> 1 + deep(N - 1).

closures(N) ->
    Add = fun(K) -> fun(X) -> (X + K) band 16#ffffff end end,
    call_each(N, Add(3), Add(5), 0).

call_each(0, _, _, X) -> X;
call_each(N, F, G, X) -> call_each(N - 1, G, F, F(X)).

%% Builds chains of closures and runs them.
compose(N) ->
    lists:foldl(fun(I, Sum) ->
        Chain = lists:foldl(fun(K, F) -> fun(X) -> F(X) + K end end, fun(X) -> X end, [I, 1, 2, 3, 4]),
        (Sum + Chain(I)) band 16#ffffff
    end, 0, lists:seq(1, N)).

applies(N) -> applies(N, ?MODULE, id, 0).

applies(0, _, _, Sum) -> Sum;
applies(N, M, F, Sum) -> applies(N - 1, M, F, M:F(N) band 1 + apply(M, F, [Sum])).
