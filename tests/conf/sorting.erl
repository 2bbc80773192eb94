%% SPDX-License-Identifier: Apache-2.0
%% lists:sort and its relatives: short and long lists, elements that are equal but not the same, what is no list.
-module(sorting).
-export([main/0]).

main() ->
    rand:seed(exsss, {1, 2, 3}),
    [sizes(N) || N <- [0, 1, 2, 3, 5, 6, 7, 10, 12, 13, 50, 100, 500, 1999, 2000, 2001, 2500]],
    [io:format("~p~n", [catch lists:F(L)])
     || F <- [sort, usort],
        L <- [foo, [a | b], [b, a | c], [1.0, 1, 2], [2, 1, 1.0], [{1}, {1.0}, {0}], [], [x]]],
    [io:format("~p~n", [catch lists:F(K, L)])
     || F <- [keysort, ukeysort], K <- [0, 1, 2, a, 1.0],
        L <- [foo, [{a} | b], [{b}, {a} | c], [{1.0}, {1}, {2}], [{2, a}, {1, b}, {1.0, c}], [], [x], [{a}, b]]],
    pauses().

sizes(N) ->
    Mixed = [element() || _ <- lists:seq(1, N)],
    Keyed = [{element(), X} || X <- lists:seq(1, N)],
    Numbers = [X * 7919 rem 101 || X <- lists:seq(1, N)],
    Same = [[X rem 10 | "text"] || X <- Numbers],
    Sorted = lists:sort(Numbers),
    Results = [lists:sort(Mixed), lists:usort(Mixed), lists:keysort(1, Keyed), lists:ukeysort(1, Keyed), Sorted,
               lists:sort(Sorted), lists:usort(lists:reverse(Sorted)), lists:sort(Same), lists:usort(Same)],
    io:format("~p ~w~n", [N, [erlang:phash2(R) || R <- Results]]).

element() -> element(rand:uniform(10)).

element(1) -> rand:uniform(10);
element(2) -> rand:uniform();
element(3) -> rand:uniform(20) / 2;
element(4) -> list_to_atom([$a + rand:uniform(5)]);
element(5) -> {rand:uniform(3), rand:uniform(3)};
element(6) -> [rand:uniform(3)];
element(7) -> integer_to_binary(rand:uniform(100));
element(8) -> rand:uniform(1 bsl 70);
element(9) -> #{rand:uniform(2) => 1};
element(10) -> rand:uniform(10) * 1.0.

%% Others run while a long list is sorted, and the list may be collected around.
pauses() ->
    Self = self(),
    Large = lists:seq(1, 6000, 7) ++ lists:reverse([[X] || X <- lists:seq(1, 9000)]),
    {Sorter, Monitor} = spawn_monitor(fun() ->
        Self ! go,
        Sorted = lists:sort(Large),
        exit({Sorted =:= lists:seq(1, 6000, 7) ++ [[X] || X <- lists:seq(1, 9000)], length(lists:usort(Sorted))})
    end),
    receive go -> ok end,
    garbage_collect(Sorter), % false when it has ended already
    receive
        {'DOWN', Monitor, process, Sorter, Result} -> io:format("~p~n", [Result])
    end.
