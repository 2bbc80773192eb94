%% SPDX-License-Identifier: Apache-2.0
%% Maps below and above 32 keys: operations, comparison, iteration, printing, matching.
-module(maps_).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~p~n", [Tag, Value]).
m(N) -> maps:from_list([{I, I * I} || I <- lists:seq(1, N)]).

main() ->
    [sizes(N) || N <- [0, 1, 5, 31, 32, 33, 34, 100, 1000]],
    syntax(), functions(), order(), keys(), big(), print().

sizes(N) ->
    M = m(N),
    p({size, N}, {map_size(M), maps:size(M), lists:sum(maps:keys(M)), lists:sum(maps:values(M))}),
    M1 = M#{new => 1}, M2 = maps:remove(new, M1),
    p({same, N}, {M2 =:= M, M1 =:= M, M1 > M, erlang:phash2(M)}),
    p({fold, N}, maps:fold(fun(K, V, A) -> K + V + A end, 0, M)),
    p({take, N}, [maps:take(K, M) =:= error || K <- [0, 1]]),
    p({filter, N}, lists:sort(maps:to_list(maps:filter(fun(K, _) -> K rem 7 =:= 0 end, M)))),
    It = maps:iterator(M),
    p({iter, N}, count(maps:next(It), 0)),
    p({shrink, N}, maps:to_list(lists:foldl(fun maps:remove/2, M, lists:seq(3, max(N, 3))))).

count(none, N) -> N;
count({_, _, I}, N) -> count(maps:next(I), N + 1).

syntax() ->
    M = #{a => 1, "b" => 2, 3 => c, 1.0 => f, 1 => i, {x} => y},
    #{a := A, "b" := B} = M,
    p(match, {A, B, maps:get(1, M), maps:get(1.0, M)}),
    p(nomatch, case M of #{zz := _} -> yes; _ -> no end),
    p(update, {M#{a := 2}, M#{n => 3}}),
    p(multi, M#{a => 0, a => 1, q => 2}),
    K = {x}, #{K := V} = M, p(var_key, V),
    p(guard, [if is_map_key(a, X) -> map_get(a, X); is_map(X) -> map; true -> none end || X <- [M, #{}, 3]]),
    p(nested, (maps:put(in, #{z => #{y => 1}}, M))),
    p(literal_update, (#{a => 1})#{b => 2}).

functions() ->
    M = #{b => 2, a => 1, c => 3},
    p(map, maps:map(fun(_, V) -> V * 10 end, M)),
    p(merge, {maps:merge(M, #{a => x, d => 4}), maps:merge(m(40), #{a => 1}) =:= maps:merge(#{a => 1}, m(40))}),
    p(merge_with, maps:merge_with(fun(_, A, B) -> {A, B} end, M, #{a => x, d => 4})),
    p(with, {maps:with([a, z], M), maps:without([a, z], M)}),
    p(update_with, {maps:update_with(a, fun(V) -> V + 1 end, M), maps:update_with(z, fun(V) -> V end, 0, M)}),
    p(find, {maps:find(a, M), maps:find(z, M), maps:get(z, M, dflt), maps:is_key(a, M)}),
    p(from_keys, maps:from_keys([x, y, x], 1)),
    p(groups, maps:groups_from_list(fun(X) -> X rem 3 end, lists:seq(1, 10))),
    p(filtermap, maps:filtermap(fun(_, 1) -> true; (_, 2) -> {true, two}; (_, _) -> false end, M)),
    p(intersect, maps:intersect(M, #{a => q, c => r})),
    [try F() catch C:R -> p(err, {C, R}) end
     || F <- [fun() -> maps:get(z, M) end, fun() -> maps:put(a, 1, x) end, fun() -> maps:from_list([a]) end,
              fun() -> maps:update(z, 1, M) end, fun() -> maps:merge(M, 1) end, fun() -> maps:next(foo) end,
              fun() -> map_size(x) end, fun() -> maps:remove(a, []) end, fun() -> maps:keys(1) end]].

order() ->
    L = [#{}, #{a => 1}, #{b => 1}, #{a => 2}, #{1 => a}, #{1.0 => a}, #{a => 1, b => 2}, #{1 => x, 1.0 => y},
         #{"k" => 1}, #{{} => 1}, m(33), m(40), (m(40))#{5 => 0}, #{1 => 1}, #{1 => 1.0}],
    p(sorted, [map_size(X) || X <- lists:sort(L)]),
    p(compare, [X < Y || X <- L, Y <- L]),
    p(eq, [{X == Y, X =:= Y} || X <- L, Y <- L, X == Y]),
    large_order().

%% Large maps of one size with different keys: the first comparison that this needs is of two keys of any kind.
large_order() ->
    Keys = [fun(I) -> I end, fun(I) -> I + 0.5 end, fun(I) -> list_to_atom("large" ++ integer_to_list(I)) end,
            fun(I) -> <<I:16>> end, fun(I) -> {I} end, fun(I) -> [I] end, fun(I) -> I bsl 70 end,
            fun(I) -> #{I => a} end, fun(I) when I rem 2 =:= 0 -> I; (I) -> {I, x} end],
    Maps = [maps:from_list([{Key(I), I * Step} || I <- lists:seq(First, First + 39)])
            || Key <- Keys, {First, Step} <- [{1, 1}, {2, 1}, {1, 2}, {30, 1}, {100, 1}]],
    p(large, [compare(X, Y) || X <- Maps, Y <- Maps]),
    p(large_inside, [compare({[X], a}, {[Y], b}) || X <- Maps, Y <- Maps]),
    p(large_sorted, erlang:phash2([[hd(lists:sort(maps:keys(M))) | lists:sum(maps:values(M))]
                                   || M <- lists:sort(Maps)])),
    Nested = [maps:from_keys([X, Y], v) || X <- lists:sublist(Maps, 12), Y <- lists:sublist(Maps, 12)],
    p(large_keys, [compare(X, Y) || X <- Nested, Y <- lists:sublist(Nested, 20)]).

compare(X, Y) when X < Y -> $<;
compare(X, Y) when X == Y -> $=;
compare(X, Y) when X > Y -> $>.

keys() ->
    Ks = [a, "a", <<"a">>, 1, 1.0, -1, 1 bsl 70, {a}, [], {}, #{}, fun erlang:self/0, <<1:3>>, 0.0, [a | b]],
    M = maps:from_list([{K, N} || {N, K} <- lists:zip(lists:seq(1, length(Ks)), Ks)]),
    p(kinds, [maps:get(K, M) || K <- Ks]),
    p(list, lists:sort(maps:to_list(M))),
    B = maps:merge(M, m(50)),
    p(kinds_big, [maps:get(K, B) || K <- Ks]).

big() ->
    N = 20000,
    M = lists:foldl(fun(I, A) -> A#{{k, I} => I} end, #{}, lists:seq(1, N)),
    p(big, {map_size(M), maps:get({k, 777}, M), lists:sum(maps:values(M))}),
    M2 = lists:foldl(fun(I, A) -> maps:remove({k, I}, A) end, M, lists:seq(1, N - 10)),
    p(rest, lists:sort(maps:to_list(M2))),
    p(hash, {erlang:phash2(M), erlang:phash(m(10), 1 bsl 32)}).

print() ->
    p(small, #{z => 1, a => 2, <<"x">> => [1, 2]}),
    io:format("~w ~tp ~P~n", [#{b => "s", a => #{}}, #{"é" => 1}, #{a => lists:seq(1, 50)}, 12]).
