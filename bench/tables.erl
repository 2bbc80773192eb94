%% SPDX-License-Identifier: Apache-2.0
%% ETS, the process dictionary, persistent_term, atomics and counters.
-module(tables).
-behaviour(bench).
-export([programs/0, ets_set/1, ets_ordered/1, ets_counter/1, ets_select/1, ets_walk/1, dictionary/1, atomics/1]).

programs() ->
    [{ets_set, 120000}, {ets_ordered, 80000}, {ets_counter, 700000}, {ets_select, 120000},
     {ets_walk, 180000}, {dictionary, 800000}, {atomics, 3000000}].

with(Options, F) ->
    Tab = ets:new(bench, Options),
    try F(Tab) after ets:delete(Tab) end.

ets_set(N) -> with([set], fun(Tab) -> fill_and_read(Tab, N) end).

ets_ordered(N) -> with([ordered_set], fun(Tab) -> fill_and_read(Tab, N) end).

fill_and_read(Tab, N) ->
    [ets:insert(Tab, {K * 7919 rem 1000003, K, "some text"}) || K <- lists:seq(1, N)],
    Sum = lists:sum([ets:lookup_element(Tab, K * 7919 rem 1000003, 2) || K <- lists:seq(1, N)]),
    Found = lists:sum([length(ets:lookup(Tab, K)) || K <- lists:seq(1, N)]),
    [ets:delete(Tab, K * 7919 rem 1000003) || K <- lists:seq(1, N div 2)],
    {Sum, Found, ets:info(Tab, size)}.

ets_counter(N) ->
    with([set, public], fun(Tab) ->
        ets:insert(Tab, [{K, 0} || K <- lists:seq(0, 63)]),
        [ets:update_counter(Tab, K band 63, 1) || K <- lists:seq(1, N)],
        lists:sort(ets:tab2list(Tab))
    end).

ets_select(N) ->
    with([set], fun(Tab) ->
        ets:insert(Tab, [{K, K rem 10, {name, K}} || K <- lists:seq(1, N)]),
        Count = ets:select_count(Tab, [{{'$1', '$2', '_'}, [{'>', '$1', N div 2}, {'=:=', '$2', 3}], [true]}]),
        Names = ets:select(Tab, [{{'$1', 7, {name, '$2'}}, [{'<', '$1', 5000}], ['$2']}]),
        Match = ets:match(Tab, {'$1', 5, {name, '_'}}),
        Gone = ets:select_delete(Tab, [{{'_', 1, '_'}, [], [true]}]),
        {Count, lists:sum(Names), length(Match), Gone}
    end).

ets_walk(N) ->
    with([ordered_set], fun(Tab) ->
        ets:insert(Tab, [{K, K} || K <- lists:seq(1, N)]),
        {walk(Tab, ets:first(Tab), 0), ets:foldl(fun({_, V}, S) -> S + V end, 0, Tab)}
    end).

walk(_, '$end_of_table', Sum) -> Sum;
walk(Tab, Key, Sum) -> walk(Tab, ets:next(Tab, Key), Sum + Key).

dictionary(0) -> lists:sort([V || {{count, _}, V} <- get()]);
dictionary(N) ->
    Key = {count, N band 31},
    case get(Key) of
        undefined -> put(Key, 1);
        Count -> put(Key, Count + 1)
    end,
    dictionary(N - 1).

atomics(N) ->
    Ref = atomics:new(4, []),
    Counter = counters:new(2, []),
    persistent_term:put(bench_refs, {Ref, Counter}),
    count(N),
    {atomics:get(Ref, 1), counters:get(Counter, 1)}.

count(0) -> ok;
count(N) ->
    {Ref, Counter} = persistent_term:get(bench_refs),
    atomics:add(Ref, 1, N band 3),
    counters:add(Counter, 1, 1),
    count(N - 1).
