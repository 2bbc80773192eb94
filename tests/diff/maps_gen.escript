#!/usr/bin/env escript
%% SPDX-License-Identifier: Apache-2.0
%% Random programs over maps: prints a digest after each step that any machine must share. maps_gen.escript SEED
-mode(compile).

main([Seed | _]) ->
    rand:seed(exsss, list_to_integer(Seed)),
    [round_of(N, #{}, #{}) || N <- lists:seq(1, 40)].

%% The model is a sorted list of pairs in a dict of our own: a gb_tree keyed by {Key, exact type}.
round_of(N, M0, _) ->
    Range = lists:nth(1 + N rem 5, [5, 30, 40, 100, 2000]),
    {M, T} = steps(300, Range, M0, gb_trees:empty()),
    true = lists:sort(maps:to_list(M)) =:= lists:sort([{K, V} || {{_, K}, V} <- gb_trees:to_list(T)]),
    io:format("~p ~p ~p ~p~n", [N, maps:size(M), erlang:phash2(M), erlang:md5(term_to_binary(lists:sort(maps:to_list(M))))]).

steps(0, _, M, T) -> {M, T};
steps(N, Range, M, T) ->
    K = key(rand:uniform(Range)),
    V = rand:uniform(1000),
    {M1, T1} = step(rand:uniform(10), K, V, Range, M, T),
    true = maps:size(M1) =:= gb_trees:size(T1),
    steps(N - 1, Range, M1, T1).

step(N, K, V, _, M, T) when N =< 4 -> {maps:put(K, V, M), gb_trees:enter(tk(K), V, T)};
step(5, K, _, _, M, T) -> {maps:remove(K, M), gb_trees:delete_any(tk(K), T)};
step(6, K, V, _, M, T) ->
    case gb_trees:is_defined(tk(K), T) of
        true -> {M#{K := V}, gb_trees:update(tk(K), V, T)};
        false -> {'EXIT', {{badkey, K}, _}} = (catch M#{K := V}), {M, T}
    end;
step(7, K, _, _, M, T) ->
    case {maps:find(K, M), gb_trees:lookup(tk(K), T)} of
        {{ok, V}, {value, V}} -> ok;
        {error, none} -> ok
    end,
    {M, T};
step(8, K, V, Range, M, T) ->
    K2 = key(rand:uniform(Range)),
    {M#{K => V, K2 => V + 1}, gb_trees:enter(tk(K2), V + 1, gb_trees:enter(tk(K), V, T))};
step(9, _, _, Range, M, T) ->
    L = [{key(rand:uniform(Range)), I} || I <- lists:seq(1, rand:uniform(60))],
    {maps:merge(M, maps:from_list(L)), lists:foldl(fun({K, V}, A) -> gb_trees:enter(tk(K), V, A) end, T, L)};
step(10, K, _, _, M, T) ->
    case maps:take(K, M) of
        error -> none = gb_trees:lookup(tk(K), T), {M, T};
        {V, M1} -> {value, V} = gb_trees:lookup(tk(K), T), {M1, gb_trees:delete(tk(K), T)}
    end.

tk(K) -> {is_float(K), K}.

key(I) when I rem 7 =:= 0 -> {I, [I]};
key(I) when I rem 7 =:= 1 -> float(I);
key(I) when I rem 7 =:= 2 -> integer_to_binary(I);
key(I) when I rem 7 =:= 3 -> list_to_atom("a" ++ integer_to_list(I));
key(I) when I rem 7 =:= 4 -> I bsl 64;
key(I) when I rem 7 =:= 5 -> #{I => I};
key(I) -> I.
