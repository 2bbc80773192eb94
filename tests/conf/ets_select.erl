%% SPDX-License-Identifier: Apache-2.0
%% ETS with match specifications: match, select, continuations, counting, deleting, replacing, on small and large
%% tables.
-module(ets_select).
-export([main/0]).

p(Tag, F) -> io:format("~p: ~p~n", [Tag, e(F)]).

e(F) ->
    try F()
    catch
        C:R:S ->
            {M, Fn, A, Info} = hd(S),
            N = if is_list(A) -> length(A); true -> A end,
            {C, R, {M, Fn, N}, maps:get(cause, proplists:get_value(error_info, Info, #{}), none)}
    end.

types() -> [set, ordered_set, bag, duplicate_bag].

main() ->
    [begin small(Ty), keyed(Ty), chunks(Ty), large(Ty), changing(Ty) end || Ty <- types()],
    replace(), order(), continuations(), bad(), nested(), partly().

new(Ty) -> ets:new(t, [Ty, public]).

s(L) when is_list(L) -> lists:sort(L);
s(X) -> X.

small(Ty) ->
    T = new(Ty),
    ets:insert(T, [{a, 1, {x, "1"}}, {b, 2, {y, "2"}}, {c, 1, {x, "3"}}, {d}, {1, 2}, {1.0, 3}]),
    [p({Ty, match, P}, fun() -> s(ets:match(T, P)) end)
     || P <- ['_', '$1', {'$1'}, {'$1', '$2'}, {'$1', '_', {x, '$2'}}, {a, '$1', '_'}, {1, '$1'}, {1.0, '$1'}, {'$2', '$1', '$3'}, {zz, '$1'},
              x, [], {}, {'$1', '$1', '_'}, {'_', 1, '$1'}, 1]],
    [p({Ty, object, P}, fun() -> s(ets:match_object(T, P)) end) || P <- ['_', '$1', {'_', '_'}, {'_', 1, '_'}, {b, '_', '_'}, {d}, {'$1', '$1'}]],
    [p({Ty, select, M}, fun() -> s(ets:select(T, M)) end)
     || M <- [[{'_', [], ['$_']}], [{{'$1', '$2'}, [{'>', '$2', 2}], ['$1']}], [{{'$1', '_', {'$2', '$3'}}, [], [{{'$2', ['$1' | '$3']}}]}],
              [{{a, '_', '$1'}, [], ['$1']}, {{b, '$1', '_'}, [], ['$1']}], [{{'$1'}, [], ['$1']}, {{'$1', '$2'}, [], ['$2']}],
              [], [{'_', [false], [x]}], [{{'$1', '_', '_'}, [{'orelse', {'==', '$1', a}, {'==', '$1', c}}], ['$$']}],
              [{{'$1', '$2', '_'}, [], [#{k => '$1', '$2' => v}]}], [{{'$1', '_', '$2'}, [], [{element, 2, '$2'}]}]]],
    [p({Ty, count, M}, fun() -> ets:select_count(T, M) end)
     || M <- [[{'_', [], [true]}], [{'_', [], [x]}], [{{'_', '_'}, [], [true]}], [{{'$1', '$2', '_'}, [], [{'==', '$2', 1}]}], []]],
    p({Ty, reverse}, fun() -> s(ets:select_reverse(T, [{'_', [], ['$_']}])) end),
    p({Ty, delete_some}, fun() -> {ets:select_delete(T, [{{'_', 1, '_'}, [], [true]}]), s(ets:tab2list(T))} end),
    p({Ty, delete_none}, fun() -> {ets:select_delete(T, [{'_', [], [yes]}]), ets:select_delete(T, []), ets:info(T, size)} end),
    p({Ty, delete_key}, fun() -> {ets:select_delete(T, [{{1, '_'}, [], [true]}]), s(ets:tab2list(T))} end),
    p({Ty, delete_all}, fun() -> {ets:select_delete(T, [{'_', [], [true]}]), s(ets:tab2list(T))} end),
    p({Ty, match_delete}, fun() -> ets:insert(T, [{a, 1}, {b, 2}]), {ets:match_delete(T, {'_', 1}), s(ets:tab2list(T))} end).

keyed(Ty) ->
    T = new(Ty),
    [ets:insert(T, {{K, K rem 3}, V}) || V <- [x, y, z], K <- lists:seq(1, 30)],
    p({Ty, key}, fun() -> ets:select(T, [{{{3, 0}, '$1'}, [], ['$1']}]) end),
    p({Ty, key_limit}, fun() -> [element(1, ets:select(T, [{{{3, 0}, '$1'}, [], ['$1']}], N)) || N <- [1, 2, 3, 4]] end),
    p({Ty, key_chunks}, fun() -> chunk(ets:select(T, [{{{3, 0}, '$1'}, [], ['$1']}], 2)) end),
    p({Ty, keys}, fun() -> s(ets:select(T, [{{{3, 0}, '$1'}, [], ['$1']}, {{{4, 1}, '$1'}, [], ['$_']}, {{{3, 0}, '$1'}, [], [no]}])) end),
    p({Ty, key_count}, fun() -> ets:select_count(T, [{{{3, 0}, '_'}, [], [true]}]) end),
    p({Ty, key_none}, fun() -> ets:select(T, [{{{99, 0}, '_'}, [], [true]}], 3) end),
    p({Ty, part}, fun() -> s(ets:match(T, {{'$1', 1}, '$2'})) end),
    p({Ty, first}, fun() -> s(ets:match(T, {{7, '$1'}, '$2'})) end),
    p({Ty, key_delete}, fun() -> {ets:select_delete(T, [{{{3, 0}, '_'}, [], [true]}]), ets:info(T, size), ets:lookup(T, {3, 0})} end),
    p({Ty, value_delete}, fun() -> {ets:select_delete(T, [{{{4, 1}, y}, [], [true]}]), ets:lookup(T, {4, 1})} end).

chunk('$end_of_table') -> ['end'];
chunk({L, '$end_of_table'}) -> [L, 'end'];
chunk({L, C}) -> [L | chunk(ets:select(C))].

%% Chunks of every size hold all objects once.
chunks(Ty) ->
    T = new(Ty),
    [ets:insert(T, {K rem 100, K}) || K <- lists:seq(1, 400)],
    All = s(ets:tab2list(T)),
    [p({Ty, chunks, N}, fun() ->
         L = chunk(ets:select(T, [{'_', [], ['$_']}], N)),
         Os = [X || X <- L, X =/= 'end'],
         {s(lists:append(Os)) =:= All, lists:all(fun(O) -> length(O) =< N end, Os)}
     end) || N <- [1, 2, 3, 7, 50, 99, 100, 399, 400, 401, 10000]],
    [p({Ty, match_chunks, N}, fun() -> s(lists:append([X || X <- mchunk(ets:match(T, {'_', '$1'}, N)), X =/= 'end'])) =:= s([[V] || {_, V} <- All]) end)
     || N <- [1, 8, 1000]],
    p({Ty, object_chunks}, fun() -> s(lists:append(ochunk(ets:match_object(T, '_', 9)))) =:= All end),
    p({Ty, guard_chunks}, fun() -> length(lists:append([X || X <- chunk(ets:select(T, [{{'_', '$1'}, [{'<', '$1', 50}], ['$1']}], 5)), X =/= 'end'])) end).

mchunk('$end_of_table') -> ['end'];
mchunk({L, C}) -> [L | mchunk(ets:match(C))].
ochunk('$end_of_table') -> [];
ochunk({L, C}) -> [L | ochunk(ets:match_object(C))].

large(Ty) ->
    T = new(Ty),
    N = 50000,
    ets:insert(T, [{I, I rem 7, <<I:64>>} || I <- lists:seq(1, N)]),
    p({Ty, large}, fun() -> length(ets:select(T, [{{'$1', 3, '_'}, [], ['$1']}])) end),
    p({Ty, large_all}, fun() -> s(ets:match(T, {'$1', '_', '_'})) =:= [[I] || I <- lists:seq(1, N)] end),
    p({Ty, large_count}, fun() -> ets:select_count(T, [{{'_', '$1', '_'}, [{'>', '$1', 3}], [true]}]) end),
    p({Ty, large_delete}, fun() -> {ets:select_delete(T, [{{'_', '$1', '_'}, [{'>', '$1', 3}], [true]}]), ets:info(T, size), ets:info(T, fixed)} end),
    p({Ty, large_left}, fun() -> lists:usort(ets:select(T, [{{'_', '$1', '_'}, [], ['$1']}])) end),
    p({Ty, large_reverse}, fun() -> length(ets:select_reverse(T, [{'_', [], ['$_']}])) end),
    p({Ty, large_chunk}, fun() -> length(lists:append([X || X <- chunk(ets:select(T, [{'_', [], ['$_']}], 7000)), X =/= 'end'])) end),
    p({Ty, large_rare}, fun() -> chunk(ets:select(T, [{{7777, '$1', '$2'}, [], ['$1']}, {{'$1', '_', '_'}, [{'==', '$1', 7}], [seven]}], 1)) end),
    case Ty of
        _ when Ty =:= set; Ty =:= ordered_set ->
            p({Ty, large_replace}, fun() -> {ets:select_replace(T, [{{'$1', '$2', '$3'}, [], [{{'$1', {'+', '$2', 10}, '$3'}}]}]),
                ets:lookup(T, 7), lists:usort(ets:select(T, [{{'_', '$1', '_'}, [], ['$1']}]))} end);
        _ -> ok
    end.

%% A fixed table or a tree may change while a user goes through it in chunks.
changing(Ty) ->
    T = new(Ty),
    [ets:insert(T, {I, x}) || I <- lists:seq(1, 1000)],
    ets:safe_fixtable(T, true),
    L = eat(T, ets:select(T, [{{'$1', '_'}, [], ['$1']}], 10)),
    p({Ty, eaten}, fun() -> {s(L) =:= lists:seq(1, 1000), ets:info(T, size)} end),
    ets:safe_fixtable(T, false).

eat(_, '$end_of_table') -> [];
eat(T, {L, C}) -> [ets:delete(T, K) || K <- L], ets:insert(T, {hd(L), y}), ets:delete(T, hd(L)), L ++ eat(T, ets:select(C)).

replace() ->
    [begin
         T = new(Ty),
         Fill = fun() -> ets:delete_all_objects(T), ets:insert(T, [{I, I * 10} || I <- lists:seq(1, 5)] ++ [{{k, 1}, v}, {[l, 2], w}, {"s", {x}}]) end,
         [begin Fill(), p({Ty, replace, M}, fun() -> {ets:select_replace(T, M), s(ets:tab2list(T))} end) end
          || M <- [[{{'$1', '$2'}, [], [{{'$1', {{'$2', new}}}}]}], [{{'$1', '$2'}, [], ['$_']}], [{{1, '$2'}, [], [{{1, '$2', more}}]}],
                   [{{1, '$2'}, [], [{const, {1, 99}}]}], [{{1, '_'}, [], [{const, {2, 99}}]}], [{{1, '_'}, [], [{{2, x}}]}],
                   [{{'$1', '_'}, [], [{{'$1'}}]}], [{{'$1', '_'}, [], [{{x, '$1'}}]}], [{'$1', [], ['$1']}], [{'_', [], [{{a, b}}]}],
                   [{{'$1', '$2'}, [{is_integer, '$1'}], [{{'$1', {'+', '$2', 1}}}]}], [{{'$1', '$2'}, [], [{{'$1', {'+', '$2', 1}}}]}],
                   [{{{k, '$1'}, '$2'}, [], [{{{{k, '$1'}}, '$2', x}}]}], [{{{k, '$1'}, '$2'}, [], [{{{{k, '$2'}}, '$1'}}]}],
                   [{{['$1', 2], '_'}, [], [{{['$1', 2], y}}]}], [{{['$1' | '$3'], '_'}, [], [{{['$1' | '$3'], y}}]}],
                   [{'$1', [], [{{{element, 1, '$1'}, z}}]}], [{'_', [], [{{{element, 1, '$_'}, z}}]}], [{'_', [], [{{{element, 2, '$_'}, z}}]}],
                   [{{'$1', '_'}, [], [{{{element, 1, '$_'}, z}}]}], [{{'$1', '_'}, [], [{setelement, 1, '$_', 2}]}], [{{'$1', '_'}, [], [x]}],
                   [{{'$1', '_'}, [], [x, {{'$1', last}}]}], [{{"s", '$1'}, [], [{{"s", ['$1']}}]}], [{{"s", '$1'}, [], [{{{const, "s"}, '$1', q}}]}],
                   [{{'_', '$1'}, [], [{{'_', '$1'}}]}], [{{1, '$1'}, [], [{{1.0, '$1'}}]}], [{{'$1', '_'}, [], [{{'$2', x}}]}], [{{'$_', '$1'}, [], [{{'$_', '$1'}}]}],
                   [{{'$$', '$1'}, [], [{{'$$', '$1'}}]}], bad, []]]
     end || Ty <- [set, ordered_set]],
    B = new(bag), ets:insert(B, {a, 1}),
    p(replace_bag, fun() -> ets:select_replace(B, [{{'$1', '_'}, [], [{{'$1'}}]}]) end),
    K2 = ets:new(k, [{keypos, 2}]), ets:insert(K2, [{1, a}, {2, b}]),
    p(replace_keypos, fun() -> {ets:select_replace(K2, [{{'$1', '$2'}, [], [{{x, '$2', '$1'}}]}]), s(ets:tab2list(K2))} end),
    p(replace_keypos_bad, fun() -> ets:select_replace(K2, [{{'$1', '$2', '_'}, [], [{{'$2'}}]}]) end).

order() ->
    T = new(ordered_set),
    [ets:insert(T, {I, {I}}) || I <- [5, 3, 9, 1, 7, 2.5, a, "l", {t}, 8, 6]],
    p(all, fun() -> {ets:tab2list(T), ets:match(T, {'$1', '_'}), ets:select_reverse(T, [{{'$1', '_'}, [], ['$1']}])} end),
    [p({forward, N}, fun() -> strip(ets:select(T, [{{'$1', '_'}, [], ['$1']}], N)) end) || N <- [1, 3, 10, 11, 12]],
    [p({backward, N}, fun() -> strip(ets:select_reverse(T, [{{'$1', '_'}, [], ['$1']}], N)) end) || N <- [1, 3, 10, 11, 12]],
    [p({chunks, N}, fun() -> chunk(ets:select(T, [{{'$1', '_'}, [{is_number, '$1'}], ['$1']}], N)) end) || N <- [1, 3, 8, 9]],
    [p({rchunks, N}, fun() -> rchunk(ets:select_reverse(T, [{{'$1', '_'}, [{is_number, '$1'}], ['$1']}], N)) end) || N <- [1, 3, 8, 9]],
    {_, C} = ets:select(T, [{{'$1', '_'}, [], ['$1']}], 3),
    ets:delete(T, 5), ets:insert(T, {4, x}), ets:insert(T, {0, x}), ets:insert(T, {5.5, x}),
    p(changed, fun() -> strip(ets:select(C)) end),
    p(same_continuation, fun() -> strip(ets:select(C)) end).

rchunk('$end_of_table') -> ['end'];
rchunk({L, C}) -> [L | rchunk(ets:select_reverse(C))].

%% A continuation without what is ours in it.
strip({L, C}) when is_tuple(C) -> {L, list_to_tuple([if is_reference(X) -> ref; true -> X end || X <- tuple_to_list(C)])};
strip(X) -> X.

continuations() ->
    T = new(set), ets:insert(T, [{I} || I <- lists:seq(1, 20)]),
    M = [{'$1', [], ['$1']}],
    {L1, C} = ets:select(T, M, 5),
    p(repaired, fun() -> C2 = setelement(4, C, x), {_, D} = {ets:select(C), ets:repair_continuation(C2, M)}, ets:select(D) =/= '$end_of_table' end),
    p(unrepaired, fun() -> ets:select(setelement(4, C, make_ref())) end),
    p(untouched, fun() -> ets:repair_continuation(C, M) =:= C end),
    p(twice, fun() -> {A, _} = ets:select(C), {B, _} = ets:select(C), A =:= B andalso L1 -- A =:= L1 end),
    [p({bad, X}, fun() -> ets:select(X) end) || X <- [x, {}, {a}, {1, 2}, 1, '$end_of_table']],
    [p({bad_match, X}, fun() -> ets:match(X) end) || X <- [x, {}, '$end_of_table']],
    [p({bad_object, X}, fun() -> ets:match_object(X) end) || X <- [x, {}, '$end_of_table']],
    [p({bad_reverse, X}, fun() -> ets:select_reverse(X) end) || X <- [x, {}, '$end_of_table']],
    [p({changed, N}, fun() -> ets:select(setelement(N, C, V)) end) || {N, V} <- [{2, x}, {3, x}, {4, []}, {5, x}, {6, x}]],
    ets:delete(T),
    p(table_gone, fun() -> ets:select(C) end),
    N = ets:new(ets_select_named, [named_table, ordered_set]), ets:insert(N, [{1}, {2}, {3}]),
    p(named, fun() -> strip(ets:select(N, M, 1)) end),
    {_, CN} = ets:select(N, M, 1),
    ets:delete(N), ets:new(ets_select_named, [named_table, ordered_set]),
    p(named_again, fun() -> ets:select(CN) end).

bad() ->
    T = new(set), ets:insert(T, {a}),
    [p({select, M}, fun() -> ets:select(T, M) end) || M <- [x, [x], [{a, b}], [{'_', [], []}], [{'_', [], ['$1']}], [{'_', x, [x]}], 1]],
    [p({F, bad}, fun() -> ets:F(T, bad) end) || F <- [select, select_count, select_delete, select_replace, select_reverse]],
    [p({F, L}, fun() -> ets:F(T, [{'_', [], [x]}], L) end) || F <- [select, select_reverse, match, match_object], L <- [0, -1, x, 1.0, 1 bsl 70]],
    p(select_nil_limit, fun() -> ets:select(T, bad, 0) end).

nested() ->
    T = ets:new(n, [{keypos, 2}]),
    ets:insert(T, [{x, 1, a}, {y, 2, #{k => v}}, {z, 3, [1, [2, [3]]]}]),
    p(keypos, fun() -> {ets:select(T, [{{'$1', 2, '$2'}, [], [{{'$2', '$1'}}]}]), ets:match(T, {'$1', 3, ['_', ['$2' | '_']]}), ets:match(T, {x})} end),
    p(short_head, fun() -> ets:select(T, [{{x}, [], [true]}]) end),
    p(map, fun() -> ets:select(T, [{{'_', '_', #{k => '$1'}}, [], [{{'$1', '$_'}}]}]) end).

%% Keys of which a head gives only a part.
partly() ->
    T = new(ordered_set),
    [ets:insert(T, {{A, B}, C}) || A <- [1, 2, 3], B <- [a, b, c], C <- [A * 10]],
    [ets:insert(T, {[A | B], A}) || A <- [1, 2], B <- [[], [x], [x, y]]],
    p(first, fun() -> ets:match(T, {{2, '$1'}, '$2'}) end),
    p(second, fun() -> ets:match(T, {{'$1', b}, '$2'}) end),
    p(float, fun() -> ets:match(T, {{2.0, '$1'}, '$2'}) end),
    [p({many, H}, fun() -> {ets:match(T, {H, '$5'}), ets:select_count(T, [{{H, '_'}, [], [true]}])} end)
     || H <- [{3, '$1'}, {4, '$1'}, {0, '_'}, {3.0, '_'}, {'_', '_'}, {'_', a}, {3, '$1', '_'}, {'$1'}, [1 | '_'], ['_' | '_'], [1], ['$1'],
              [1, x, '$1'], [1, '$1' | '_'], [3 | '$1'], [0 | '$1'], {{'$1'}, a}, {#{}, '_'}, {1, #{a => '$1'}}]],
    p(list, fun() -> ets:match(T, {[1 | '$1'], '$2'}) end),
    p(list2, fun() -> ets:match(T, {[2, x | '$1'], '_'}) end),
    p(limit, fun() -> chunk(ets:select(T, [{{{2, '$1'}, '_'}, [], ['$1']}], 2)) end),
    p(reverse, fun() -> ets:select_reverse(T, [{{{2, '$1'}, '_'}, [], ['$1']}]) end),
    p(reverse_limit, fun() -> rchunk(ets:select_reverse(T, [{{{2, '$1'}, '_'}, [], ['$1']}], 2)) end),
    p(count, fun() -> ets:select_count(T, [{{{2, '_'}, '_'}, [], [true]}]) end),
    p(delete, fun() -> {ets:select_delete(T, [{{{2, '_'}, '_'}, [], [true]}]), ets:tab2list(T)} end).
