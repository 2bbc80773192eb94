%% SPDX-License-Identifier: Apache-2.0
%% Maps: flat ones as records, large ones as tables.
-module(map_work).
-behaviour(bench).
-export([programs/0, map_record/1, map_table/1, map_library/1, map_words/1]).

programs() ->
    [{map_record, 3000000}, {map_table, 100000}, {map_library, 120000}, {map_words, 150000}].

%% Reads and updates of a map with five known keys.
map_record(N) -> record(N, #{id => 0, name => loom, sum => 0, seen => [], last => none}).

record(0, Map) -> Map;
record(N, #{id := Id, sum := Sum} = Map) ->
    record(N - 1, Map#{id := Id + 1, sum := (Sum + Id) band 16#ffffff, last := N}).

%% Grows to N keys, looks each up, removes half.
map_table(N) ->
    Keys = [K * 7919 rem 1000003 || K <- lists:seq(1, N)],
    Full = lists:foldl(fun(K, M) -> M#{K => K + 1} end, #{}, Keys),
    Sum = lists:foldl(fun(K, S) -> S + map_get(K, Full) end, 0, Keys),
    Half = lists:foldl(fun(K, M) -> maps:remove(K, M) end, Full, lists:sublist(Keys, N div 2)),
    {Sum, map_size(Full), map_size(Half), maps:is_key(hd(Keys), Half)}.

map_library(N) ->
    M = maps:from_list([{K, K * K} || K <- lists:seq(1, N)]),
    M1 = maps:map(fun(_, V) -> V + 1 end, M),
    M2 = maps:filter(fun(K, _) -> K rem 3 =/= 0 end, M1),
    M3 = maps:merge(M2, #{a => 1, b => 2}),
    {maps:fold(fun(_, V, S) -> V + S end, 0, M3), length(maps:keys(M3)), lists:sum(maps:values(M2)),
     maps:size(maps:with(lists:seq(1, 100), M))}.

%% Counts words: binaries as keys.
map_words(N) -> words(N, 1, #{}).

words(0, _, Map) -> lists:sort(maps:to_list(Map));
words(N, Seed, Map) ->
    Next = (Seed * 1103515245 + 12345) band 16#7fffffff,
    Word = <<"word", (Next rem 997):16>>,
    words(N - 1, Next, maps:update_with(Word, fun(C) -> C + 1 end, 1, Map)).
