%% SPDX-License-Identifier: Apache-2.0
%% Maps: natives and instructions, both forms, their errors. Big maps are printed sorted: their own order is free.
-module(map_natives).
-export([main/0]).

main() ->
    errors(),
    [sizes(N) || N <- [0, 1, 2, 5, 31, 32, 33, 34, 64, 100, 1000, 5000]],
    flat_order(),
    iterators(),
    merging(),
    keys_of_all_kinds(),
    instructions(id(#{a => 1, b => 2})),
    sharing().

errors() ->
    M = id(#{a => 1}),
    X = id(x),
    [show(F) || F <- [
        fun() -> maps:from_list([X]) end, fun() -> maps:from_list(X) end,
        fun() -> maps:from_list([{a, 1} | X]) end, fun() -> maps:from_list([{a, 1, 2}]) end,
        fun() -> maps:from_keys([a | X], 1) end, fun() -> maps:from_keys(X, 1) end,
        fun() -> maps:merge(X, M) end, fun() -> maps:merge(M, X) end, fun() -> maps:merge(X, 1) end,
        fun() -> maps:get(b, M) end, fun() -> maps:get(a, X) end, fun() -> maps:get(b, M, c) end,
        fun() -> maps:update(b, 1, M) end, fun() -> maps:update(b, 1, X) end,
        fun() -> maps:find(a, X) end, fun() -> maps:find(b, M) end, fun() -> maps:find(a, M) end,
        fun() -> maps:take(a, X) end, fun() -> maps:take(b, M) end, fun() -> maps:take(a, M) end,
        fun() -> maps:remove(a, X) end, fun() -> maps:put(a, 1, X) end,
        fun() -> maps:keys(X) end, fun() -> maps:values(X) end, fun() -> maps:to_list(X) end,
        fun() -> maps:is_key(a, X) end, fun() -> is_map_key(a, X) end, fun() -> map_get(a, X) end,
        fun() -> map_get(b, M) end, fun() -> map_size(X) end, fun() -> maps:size(X) end,
        fun() -> maps:iterator(X) end, fun() -> maps:next(X) end,
        fun() -> erts_internal:map_next(-1, M, []) end, fun() -> erts_internal:map_next(a, M, []) end,
        fun() -> erts_internal:map_next(0, X, []) end, fun() -> erts_internal:map_next(0, M, X) end,
        fun() -> erts_internal:map_next(7, M, [tail]) end, fun() -> erts_internal:map_next(7, M, iterator) end,
        fun() -> erts_internal:map_to_tuple_keys(M) end, fun() -> erts_internal:map_to_tuple_keys(X) end,
        fun() -> erts_internal:map_hashmap_children(M) end, fun() -> erts_internal:map_hashmap_children(X) end,
        fun() -> erts_debug:map_info(M) end, fun() -> X#{a => 1} end, fun() -> M#{b := 1} end,
        fun() -> X#{b := 1} end, fun() -> M#{a := 1, b := 1} end]].

sizes(N) ->
    L = [{key(I), I} || I <- lists:seq(1, N)],
    M = maps:from_list(L),
    N = maps:size(M),
    M = lists:foldl(fun({K, V}, A) -> A#{K => V} end, #{}, L),
    M = lists:foldr(fun({K, V}, A) -> maps:put(K, V, A) end, #{}, L),
    true = lists:sort(L) =:= lists:sort(maps:to_list(M)),
    true = maps:keys(M) =:= [K || {K, _} <- maps:to_list(M)],
    true = maps:values(M) =:= [V || {_, V} <- maps:to_list(M)],
    true = lists:all(fun({K, V}) -> maps:get(K, M) =:= V andalso maps:find(K, M) =:= {ok, V} end, L),
    error = maps:find(nokey, M),
    E = lists:foldl(fun({K, _}, A) -> maps:remove(K, A) end, M, L),
    E = #{},
    true = lists:foldl(fun({K, _}, A) -> B = maps:remove(K, M), true = maps:size(B) =:= N - 1,
                                         false = maps:is_key(K, B), A end, true, lists:sublist(L, 50)),
    Doubled = maps:map(fun(_, V) -> 2 * V end, M),
    true = lists:sum(maps:values(Doubled)) =:= N * (N + 1),
    Even = maps:filter(fun(_, V) -> V rem 2 =:= 0 end, M),
    io:format("~p ~p ~p ~p~n", [N, maps:size(Even), erlang:phash2(M), erlang:phash2(Doubled)]),
    M = binary_to_term(term_to_binary(M)),
    N = maps:fold(fun(_, _, A) -> A + 1 end, 0, M),
    {badkey, nokey} = try maps:update(nokey, 1, M) catch error:R -> R end.

key(I) when I rem 5 =:= 0 -> {t, I};
key(I) when I rem 5 =:= 1 -> integer_to_list(I);
key(I) when I rem 5 =:= 2 -> integer_to_binary(I);
key(I) when I rem 5 =:= 3 -> I * 1.0;
key(I) -> I.

flat_order() ->
    io:format("~p~n", [id(#{1 => a, 1.0 => b, z => 1, aa => 2, <<>> => 3, [] => 4, [x] => 5, {} => 6, #{} => 7, {1} => 8,
                            -5 => 9, 1 bsl 70 => 10, "abc" => 11, <<1:3>> => 12})]),
    io:format("~w~n", [maps:to_list(maps:from_list([{X, X} || X <- [c, b, a, 3, 2, 1, 2.0, 2.5]]))]),
    io:format("~p~n", [lists:sort([#{b => 1}, #{a => 2}, #{a => 1}, #{}, #{1 => 1}, #{1.0 => 1}, #{a => 1, b => 2}])]).

iterators() ->
    M = maps:from_list([{I, I} || I <- lists:seq(1, 3000)]),
    L = collect(maps:next(maps:iterator(M))),
    true = lists:sort(L) =:= [{I, I} || I <- lists:seq(1, 3000)],
    I0 = maps:iterator(id(#{a => 1, b => 2})),
    io:format("~p~n", [maps:next(I0)]).

collect(none) -> [];
collect({K, V, I}) -> [{K, V} | collect(maps:next(I))].

merging() ->
    Sizes = [0, 1, 10, 30, 33, 100, 1000],
    [begin
         X = maps:from_list([{I, x} || I <- lists:seq(1, A)]),
         Y = maps:from_list([{I, y} || I <- lists:seq(From, From + B - 1)]),
         Z = maps:merge(X, Y),
         true = Z =:= maps:from_list(maps:to_list(X) ++ maps:to_list(Y)),
         io:format("~p ", [{A, B, From, maps:size(Z), erlang:phash2(Z)}])
     end || A <- Sizes, B <- Sizes, From <- [1, 20, 500, 2000]],
    io:nl(),
    X = id(#{a => 1}),
    true = X =:= maps:merge(X, X).

keys_of_all_kinds() ->
    Keys = [1, -1, 1.0, 1 bsl 64, -(1 bsl 100), a, 'Å', <<>>, <<"bin">>, <<5:4>>, binary:copy(<<"x">>, 100), [], [a], "s",
            {}, {a}, #{}, #{a => b}, self(), make_ref(), fun lists:map/2, fun() -> Keys0 = 1, Keys0 end, 0.0, 3.14],
    M = maps:from_list([{K, K} || K <- Keys] ++ [{{more, I}, I} || I <- lists:seq(1, 40)]),
    true = lists:all(fun(K) -> maps:get(K, M) =:= K end, Keys),
    true = lists:all(fun(K) -> maps:get(binary_to_term(term_to_binary(K)), M) =:= K end, Keys -- [lists:nth(22, Keys)]),
    io:format("~p~n", [maps:size(M)]).

instructions(#{a := A} = M) ->
    M1 = M#{c => 3, a := 10, {k} => A},
    #{c := C, {k} := K} = M1,
    io:format("~p ~p ~p~n", [M1, C, K]),
    Big = maps:from_list([{I, I} || I <- lists:seq(1, 100)]),
    #{50 := F, 99 := N} = Big,
    B1 = Big#{50 := fifty, new => 1},
    #{50 := fifty, new := 1} = B1,
    io:format("~p ~p ~p~n", [F, N, maps:size(B1)]),
    try Big#{0 := x} catch error:R -> io:format("~p~n", [R]) end,
    nomatch = case Big of #{0 := _} -> match; _ -> nomatch end,
    io:format("~p~n", [[guard(X) || X <- [#{}, #{a => 1}, #{a => 2}, x, Big]]]).

guard(X) when is_map_key(a, X), map_get(a, X) =:= 1 -> one;
guard(X) when map_size(X) > 50 -> big;
guard(X) when is_map(X) -> map;
guard(_) -> other.

sharing() ->
    M = id(#{a => 1, b => 2}),
    true = erts_debug:same(erts_internal:map_to_tuple_keys(M#{a := 3}), erts_internal:map_to_tuple_keys(M)),
    [{depth, D}, {arrays, _, _}, {bitmaps, _, _}, {leafs, 100, _}] =
        erts_debug:map_info(maps:from_list([{I, I} || I <- lists:seq(1, 100)])),
    true = D >= 2.

show(F) ->
    try io:format("~p~n", [F()])
    catch C:R:S -> io:format("~p ~p ~p~n", [C, R, top(hd(S))])
    end.

top({_, _, A, _} = Entry) when is_list(A) -> Entry;
top(_) -> in_code.

id(X) -> X.
