%% SPDX-License-Identifier: Apache-2.0
%% The bytes of the input are operations: each is done on a set and on an ordered set, which must answer the
%% same, and on a bag and a duplicate bag, which must not fall over. Now and then the tables are fixed, walked
%% or read while they change.
-module(fuzz_ets).
-export([run/1]).

run(<<Options:8, Ops/binary>>) ->
    Access = [O || {1, O} <- [{Options band 1, compressed}, {(Options bsr 1) band 1, {write_concurrency, true}},
                              {(Options bsr 2) band 1, {decentralized_counters, true}}]],
    Tables = [ets:new(t, [Type, public | Access]) || Type <- [set, ordered_set, bag, duplicate_bag]],
    operations(Ops, Tables),
    [check_size(T) || T <- Tables],
    [true = ets:delete(T) || T <- Tables];
run(_) ->
    ok.

operations(<<Op:5, V:3, K:8, Rest/binary>>, [Set, Ordered, Bag, Double] = Tables) ->
    Key = key(K),
    F = fun(T) -> try operation(Op, T, Key, V) catch error:Why -> {raised, Why} end end,
    Answer = F(Set),
    same(Op, Key, V, Answer, F(Ordered)),
    F(Bag),
    F(Double),
    operations(Rest, Tables);
operations(_, _) ->
    ok.

same(_, _, _, Same, Same) -> ok;
same(Op, Key, V, A, B) when Op < 20 ->
    erlang:display({Op, Key, V, A, B}),
    halt(1);
same(_, _, _, _, _) -> ok.

%% No key of one type is equal to one of another: set and ordered_set would differ.
key(K) when K < 64 -> K;
key(K) when K < 96 -> {K, a};
key(K) when K < 128 -> [K];
key(K) when K < 160 -> <<K, "binary">>;
key(K) when K < 176 -> <<K:9000>>;
key(K) when K < 200 -> #{K => x};
key(K) -> (K bsl 64) - 1.

operation(0, T, K, V) -> ets:insert(T, {K, V});
operation(1, T, K, V) -> ets:insert(T, {K, V, {V, "x"}});
operation(2, T, K, _) -> ets:delete(T, K);
operation(3, T, K, _) -> ets:lookup(T, K);
operation(4, T, K, V) -> ets:insert_new(T, {K, V});
operation(5, T, K, V) -> ets:insert(T, [{K, V}, {{K, V}, 0}, {K, V + 1}]);
operation(6, T, K, _) -> ets:member(T, K);
operation(7, T, K, V) -> ets:update_counter(T, K, V - 3);
operation(8, T, K, V) -> ets:update_counter(T, K, [{2, V}, {2, 1, 9, 0}], {K, 5});
operation(9, T, K, V) -> ets:update_element(T, K, {2, [V]});
operation(10, T, K, V) -> ets:update_element(T, K, [{3, V}, {2, V bsl 70}]);
operation(11, T, K, V) -> ets:lookup_element(T, K, V);
operation(12, T, K, _) -> ets:take(T, K);
operation(13, T, K, V) -> ets:delete_object(T, {K, V});
operation(14, T, K, _) -> ets:select(T, [{{K, '$1'}, [], ['$1']}]);
operation(15, T, K, V) -> ets:internal_select_delete(T, [{{K, V}, [], [true]}]);
operation(16, T, K, V) -> ets:select_replace(T, [{{K, '$1'}, [], [{{{const, K}, V}}]}]);
operation(17, T, _, _) -> ets:info(T, size);
operation(18, T, _, V) -> ets:select_count(T, [{{'_', '$1'}, [{'>', '$1', V}], [true]}]);
operation(19, T, K, V) -> ets:insert(T, [{[{K, I}], I} || I <- [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], I > V]);
operation(20, T, _, _) -> ets:safe_fixtable(T, true);
operation(21, T, _, _) -> ets:safe_fixtable(T, false);
operation(22, T, _, _) -> walk(T, ets:first(T), next, 200);
operation(23, T, _, _) -> walk(T, ets:last(T), prev, 200);
operation(24, T, K, _) -> ets:next(T, K);
operation(25, T, K, _) -> ets:prev(T, K);
operation(26, T, _, V) -> chunks(ets:select(T, [{'$1', [], ['$1']}], V + 1), V, T);
operation(27, T, K, _) -> ets:slot(T, erlang:phash2(K, 64));
operation(28, T, _, 0) -> ets:internal_delete_all(T, undefined);
operation(29, T, K, _) -> ets:match_object(T, {K, '_'});
operation(30, T, K, V) -> ets:select_reverse(T, [{{'$1', V}, [{'<', '$1', {const, K}}], ['$_']}]);
operation(_, T, _, _) -> ets:info(T).

walk(T, Key, F, N) when Key =/= '$end_of_table', N > 0 -> walk(T, ets:F(T, Key), F, N - 1);
walk(_, _, _, _) -> ok.

%% Deletes as it goes.
chunks({Objects, Continuation}, V, T) ->
    [ets:delete(T, element(1, O)) || O <- Objects, V > 4],
    chunks(ets:select(Continuation), V, T);
chunks(_, _, _) -> ok.

check_size(T) ->
    Size = ets:info(T, size),
    case length(ets:match_object(T, '_')) of
        Size -> ok;
        Found ->
            erlang:display({ets:info(T, type), Size, Found}),
            halt(1)
    end.
