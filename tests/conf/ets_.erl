%% SPDX-License-Identifier: Apache-2.0
%% ETS: the four kinds of table, what each call answers, order, matching, ownership.
-module(ets_).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~p~n", [Tag, Value]).
try_(F) -> try F() catch C:R -> {C, R} end.

main() ->
    [kind(K) || K <- [set, ordered_set, bag, duplicate_bag]],
    counters(), matching(), named(), owner(), fix(), order(), many().

kind(K) ->
    T = ets:new(t, [K]),
    p({K, insert}, [ets:insert(T, O) || O <- [{a, 1}, {a, 2}, {a, 1}, {b, 1}, {1, x}, {1.0, y}]]),
    p({K, size}, ets:info(T, size)),
    p({K, all}, lists:sort(ets:tab2list(T))),
    p({K, lookup}, [lists:sort(ets:lookup(T, X)) || X <- [a, 1, 1.0, zz]]),
    p({K, element}, [try_(fun() -> ets:lookup_element(T, X, 2) end) || X <- [b, zz]]),
    p({K, member}, [ets:member(T, X) || X <- [a, 1, zz]]),
    p({K, new}, [ets:insert_new(T, O) || O <- [{a, 9}, {n, 1}, [{n, 2}, {m, 1}], [{o, 1}, {q, 1}]]]),
    p({K, delete_object}, [ets:delete_object(T, {a, 1}), lists:sort(ets:lookup(T, a))]),
    p({K, take}, [lists:sort(ets:take(T, b)), ets:member(T, b)]),
    p({K, delete}, [ets:delete(T, a), ets:member(T, a)]),
    p({K, foldl}, ets:foldl(fun(_, N) -> N + 1 end, 0, T)),
    p({K, types}, [ets:info(T, I) || I <- [type, keypos, protection, named_table, name, compressed, size]]),
    p({K, clear}, [ets:delete_all_objects(T), ets:info(T, size), ets:first(T)]),
    p({K, drop}, [ets:delete(T), ets:info(T), try_(fun() -> ets:insert(T, {a}) end)]).

counters() ->
    T = ets:new(t, [set]),
    ets:insert(T, {c, 0, 10, x}),
    p(counter, [try_(fun() -> ets:update_counter(T, c, I) end)
                || I <- [1, {3, 5}, [{2, 1}, {3, -2}], {2, 1, 5, 0}, {2, 100, 5, 0}, {3, -100, 0, 0}, {4, 1}, {9, 1}, []]]),
    p(default, [ets:update_counter(T, new, 1, {new, 5}), try_(fun() -> ets:update_counter(T, zz, 1) end)]),
    p(element, [ets:update_element(T, c, {4, y}), ets:update_element(T, c, [{2, a}, {3, b}]), ets:update_element(T, no, {2, 1}), ets:lookup(T, c)]),
    p(big, [ets:insert(T, {b, (1 bsl 62)}), ets:update_counter(T, b, 1 bsl 62)]).

matching() ->
    T = ets:new(t, [ordered_set]),
    [ets:insert(T, {I, I rem 3, {x, I * 2}}) || I <- lists:seq(1, 20)],
    p(match, ets:match(T, {'$1', 2, '_'})),
    p(match_object, ets:match_object(T, {'_', 0, '$1'})),
    p(select, ets:select(T, [{{'$1', '$2', {x, '$3'}}, [{'>', '$1', 5}, {'=:=', '$2', 1}], [{{'$1', '$3', {const, k}}}]}])),
    p(select_all, ets:select(T, [{{'$1', 1, '_'}, [], ['$_']}, {{'$1', '_', '_'}, [{'<', '$1', 3}], ['$$']}])),
    p(count, ets:select_count(T, [{{'$1', '_', '_'}, [{'>', {'+', '$1', 1}, 10}], [true]}])),
    p(guards, [ets:select(T, [{{'$1', '_', '$2'}, [G], ['$1']}])
               || G <- [{'andalso', {'>', '$1', 3}, {'<', '$1', 6}}, {'orelse', {'=:=', '$1', 1}, {'=:=', '$1', 20}},
                        {is_atom, '$1'}, {'=:=', {element, 2, '$2'}, 10}, {'not', {'<', '$1', 19}}, {'==', {'rem', '$1', 7}, 0}]]),
    {L1, C1} = ets:select(T, [{{'$1', '_', '_'}, [], ['$1']}], 7),
    p(page1, L1), {L2, C2} = ets:select(C1), p(page2, L2), {L3, C3} = ets:select(C2), p(page3, {L3, ets:select(C3)}),
    p(reverse, ets:select_reverse(T, [{{'$1', 1, '_'}, [], ['$1']}])),
    p(replace, [ets:select_replace(T, [{{'$1', 0, '$2'}, [], [{{'$1', zero, '$2'}}]}]), ets:lookup(T, 3)]),
    p(delete, [ets:select_delete(T, [{{'$1', '_', '_'}, [{'>', '$1', 10}], [true]}]), ets:info(T, size)]),
    p(match_delete, [ets:match_delete(T, {'_', zero, '_'}), ets:tab2list(T)]),
    p(bad, [try_(fun() -> ets:select(T, X) end) || X <- [foo, [{a}], [{{'$1'}, [{nofun, 1}], ['$1']}]]]),
    Ms = ets:match_spec_compile([{{'$1', '$2'}, [{'>', '$2', 1}], [{{'$2', '$1'}}]}]),
    p(ms_run, ets:match_spec_run([{a, 1}, {b, 2}, {c, 3}], Ms)),
    p(test, ets:test_ms({a, 5}, [{{'$1', '$2'}, [], ['$2']}])),
    p(fun2ms_like, erlang:match_spec_test({1, 2}, [{{'$1', '$2'}, [], [{{'$2', '$1', {'+', '$1', '$2'}}}]}], table)).

named() ->
    T = ets:new(conf_tab, [named_table, {keypos, 2}, public]),
    p(named, [T, ets:insert(conf_tab, {v, k}), ets:lookup(conf_tab, k), is_reference(ets:whereis(conf_tab))]),
    p(again, try_(fun() -> ets:new(conf_tab, [named_table]) end)),
    p(rename, [ets:rename(conf_tab, conf_tab2), ets:info(conf_tab2, name), ets:whereis(conf_tab)]),
    p(short, try_(fun() -> ets:insert(conf_tab2, {only_one}) end)),
    p(badopt, [try_(fun() -> ets:new(x, O) end) || O <- [[foo], [{keypos, 0}], bar]]),
    ets:delete(conf_tab2).

owner() ->
    Me = self(),
    P = spawn(fun() -> T = ets:new(t, [public, {heir, Me, data}]), ets:insert(T, {1}), Me ! {tab, T}, receive stop -> ok end end),
    T = receive {tab, T0} -> T0 end,
    p(protected, [ets:lookup(T, 1), ets:info(T, owner) =:= P]),
    P ! stop,
    p(heir, receive {'ETS-TRANSFER', T, P, D} -> {D, ets:info(T, owner) =:= Me, ets:lookup(T, 1)} after 1000 -> no end),
    Q = spawn(fun() -> receive {'ETS-TRANSFER', X, _, G} -> Me ! {got, G, ets:info(X, size)}, receive stop -> ok end end end),
    ets:give_away(T, Q, gift),
    p(gave, receive {got, G, N} -> {G, N} after 1000 -> no end),
    R0 = monitor(process, Q), exit(Q, kill), receive {'DOWN', R0, _, _, _} -> ok end, timer:sleep(20),
    p(gone, {ets:info(T, owner) =:= Me, ets:info(T, size)}),
    Priv = ets:new(t, [private]),
    spawn(fun() -> Me ! {private, try_(fun() -> ets:lookup(Priv, 1) end), try_(fun() -> ets:info(Priv, protection) end)} end),
    p(private, receive {private, L, I} -> {L, I} end).

fix() ->
    T = ets:new(t, [set]),
    [ets:insert(T, {I}) || I <- lists:seq(1, 500)],
    ets:safe_fixtable(T, true),
    N = walk(T, ets:first(T), 0),
    ets:safe_fixtable(T, false),
    p(fix, {N, ets:info(T, size)}).
walk(_, '$end_of_table', N) -> N;
walk(T, K, N) -> ets:delete(T, K), walk(T, ets:next(T, K), N + 1).

order() ->
    T = ets:new(t, [ordered_set]),
    Ks = [3, a, 1.5, "s", <<"b">>, {t, 1}, 1, #{}, [], self, 2.0, 2, -1 bsl 70],
    [ets:insert(T, {K, K}) || K <- Ks],
    p(order, [K || {K, _} <- ets:tab2list(T)]),
    p(walk, {ets:first(T), ets:last(T), ets:next(T, 2), ets:prev(T, a), ets:next(T, zzz), ets:lookup(T, 2.0)}).

many() ->
    [begin
         T = ets:new(t, [K]),
         [ets:insert(T, {I * 7919 rem 100003, I}) || I <- lists:seq(1, 30000)],
         p({many, K}, {ets:info(T, size), ets:foldl(fun({_, V}, S) -> S + V end, 0, T),
                       length(ets:match(T, {'$1', 777})), ets:select_count(T, [{{'$1', '$2'}, [{'<', '$2', 100}], [true]}])}),
         [ets:delete(T, I * 7919 rem 100003) || I <- lists:seq(1, 29000)],
         p({rest, K}, {ets:info(T, size), erlang:phash2(lists:sort(ets:tab2list(T)))})
     end || K <- [set, ordered_set, bag]].
