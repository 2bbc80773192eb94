%% SPDX-License-Identifier: Apache-2.0
%% The collector: much garbage, much that lives, trees, and OTP's tree modules.
-module(heaps).
-behaviour(bench).
-export([programs/0, trees/1, live/1, tuples/1, gb_tree/1, queues/1, library_tables/1]).

programs() ->
    [{trees, 15}, {live, 900}, {tuples, 600000}, {gb_tree, 100000}, {queues, 500000},
     {library_tables, 200000}].

%% Binary trees: one that lives, many that die.
trees(Depth) ->
    Long = make(Depth),
    Short = lists:sum([check(make(10)) || _ <- lists:seq(1, 4000)]),
    {check(Long), Short}.

make(0) -> {leaf, leaf};
make(D) -> {make(D - 1), make(D - 1)}.

check({leaf, leaf}) -> 1;
check({L, R}) -> 1 + check(L) + check(R).

%% A large heap of live data while garbage is made.
live(N) ->
    Live = [{I, integer_to_list(I), [I]} || I <- lists:seq(1, 50000)],
    Sum = lists:sum([length(lists:seq(1, 5000)) || _ <- lists:seq(1, N)]),
    {Sum, length(Live), lists:last(Live)}.

%% setelement on a tuple of 100: copies.
tuples(N) -> tuples(N, erlang:make_tuple(100, 0)).

tuples(0, Tuple) -> Tuple;
tuples(N, Tuple) ->
    I = N rem 100 + 1,
    tuples(N - 1, setelement(I, Tuple, element(I, Tuple) + N)).

gb_tree(N) ->
    Tree = lists:foldl(fun(I, T) -> gb_trees:enter(I * 7919 rem 100003, I, T) end, gb_trees:empty(), lists:seq(1, N)),
    Sum = lists:sum([gb_trees:get(I * 7919 rem 100003, Tree) || I <- lists:seq(1, N)]),
    {Sum, gb_trees:size(Tree), gb_trees:smallest(Tree)}.

queues(N) ->
    Q0 = queue:from_list(lists:seq(1, 1000)),
    Q = lists:foldl(fun(I, Q1) -> {{value, _}, Q2} = queue:out(Q1), queue:in(I, Q2) end, Q0, lists:seq(1, N)),
    lists:sum(queue:to_list(Q)).

%% dict and array of stdlib.
library_tables(N) ->
    D = lists:foldl(fun(I, Acc) -> dict:update_counter(I rem 500, 1, Acc) end, dict:new(), lists:seq(1, N)),
    A = lists:foldl(fun(I, Acc) -> array:set(I rem 1000, I, Acc) end, array:new(), lists:seq(1, N)),
    {lists:sort(dict:to_list(D)), lists:sum(array:to_list(A))}.
