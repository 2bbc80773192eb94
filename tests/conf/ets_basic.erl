%% SPDX-License-Identifier: Apache-2.0
%% ETS without match specifications: all table types, updates, errors and their causes, fixing, owners.
-module(ets_basic).
-export([main/0]).

p(Tag, F) -> io:format("~p: ~p~n", [Tag, e(F)]).

%% The value, or the exception with what error_info says of it.
e(F) ->
    try F()
    catch
        C:R:S ->
            {M, Fn, A, Info} = hd(S),
            N = if is_list(A) -> length(A); true -> A end,
            {C, R, {M, Fn, N}, maps:get(cause, proplists:get_value(error_info, Info, #{}), none)}
    end.

types() -> [set, ordered_set, bag, duplicate_bag].

new(Type, Opts) -> ets:new(t, [Type, public | Opts]).

main() ->
    [begin lookups(Ty), inserts(Ty), deletes(Ty), walks(Ty), keys(Ty), big(Ty) end || Ty <- types()],
    counters(), elements(), names(), options(), info(), errors(), fixing(), owners(), access(), terms(), slots(), rawinfo().

fill(T) -> [ets:insert(T, X) || X <- [{a, 1}, {b, 2}, {a, 3}, {a, 1}, {c}, {1, x}, {1.0, y}, {{k}, "v", z}]], T.

all(T) -> lists:sort(ets:tab2list(T)).

lookups(Ty) ->
    T = fill(new(Ty, [])),
    p({Ty, lookup}, fun() -> [ets:lookup(T, K) || K <- [a, b, c, d, 1, 1.0, {k}, 0]] end),
    p({Ty, member}, fun() -> [ets:member(T, K) || K <- [a, d, 1, 1.0, {k}]] end),
    p({Ty, lookup_element}, fun() -> [ets:lookup_element(T, K, 2) || K <- [a, b, 1, 1.0, {k}]] end),
    p({Ty, lookup_element_pos}, fun() -> ets:lookup_element(T, a, 3) end),
    p({Ty, lookup_element_short}, fun() -> ets:lookup_element(T, c, 2) end),
    p({Ty, lookup_element_nokey}, fun() -> ets:lookup_element(T, zz, 2) end),
    p({Ty, lookup_element_0}, fun() -> ets:lookup_element(T, zz, 0) end),
    p({Ty, size}, fun() -> ets:info(T, size) end),
    p({Ty, all}, fun() -> all(T) end),
    p({Ty, take}, fun() -> [ets:take(T, K) || K <- [a, a, 1]] end),
    p({Ty, left}, fun() -> all(T) end).

inserts(Ty) ->
    T = new(Ty, []),
    p({Ty, insert_list}, fun() -> ets:insert(T, [{a, 1}, {a, 2}, {a, 1}, {a, 3}, {b, 1}]) end),
    p({Ty, list_order}, fun() -> ets:lookup(T, a) end),
    p({Ty, insert_nil}, fun() -> ets:insert(T, []) end),
    p({Ty, insert_new}, fun() -> [ets:insert_new(T, {a, 9}), ets:insert_new(T, {d, 1}), ets:insert_new(T, {d, 1})] end),
    p({Ty, insert_new_list}, fun() -> [ets:insert_new(T, [{e, 1}, {a, 9}]), ets:insert_new(T, [{f, 1}, {f, 2}, {f, 1}])] end),
    p({Ty, after_new}, fun() -> {all(T), ets:lookup(T, f)} end),
    [p({Ty, bad_insert, X}, fun() -> ets:insert(T, X) end)
     || X <- [{}, x, [{a, 1} | b], [{a, 5}, b], [{a, 5}, {}], 1]],
    p({Ty, unchanged}, fun() -> all(T) end),
    K2 = new(Ty, [{keypos, 2}]),
    p({Ty, keypos}, fun() -> [ets:insert(K2, {a, 1}), ets:insert(K2, [{b, 1}, {c, 2, x}]), ets:lookup(K2, 1)] end),
    p({Ty, keypos_short}, fun() -> ets:insert(K2, {a}) end).

deletes(Ty) ->
    T = fill(new(Ty, [])),
    p({Ty, delete}, fun() -> [ets:delete(T, K) || K <- [a, zz, 1]] end),
    p({Ty, left}, fun() -> all(T) end),
    ets:insert(T, [{a, 1}, {a, 2}, {a, 1}]),
    p({Ty, delete_object}, fun() -> [ets:delete_object(T, O) || O <- [{a, 1}, {b, 3}, {zz}, {1.0, y}, {1, y}]] end),
    p({Ty, left2}, fun() -> all(T) end),
    p({Ty, delete_object_bad}, fun() -> ets:delete_object(T, x) end),
    p({Ty, delete_object_bad2}, fun() -> ets:delete_object(T, {}) end),
    p({Ty, delete_all}, fun() -> {ets:delete_all_objects(T), ets:info(T, size), all(T)} end),
    ets:insert(T, {x}),
    p({Ty, delete_table}, fun() -> {ets:delete(T), ets:info(T), ets:info(T, size)} end),
    p({Ty, deleted}, fun() -> ets:lookup(T, x) end),
    p({Ty, deleted_twice}, fun() -> ets:delete(T) end).

walks(Ty) ->
    T = new(Ty, []),
    p({Ty, empty}, fun() -> {ets:first(T), ets:last(T)} end),
    [ets:insert(T, {I, I}) || I <- lists:seq(1, 600)],
    [ets:insert(T, {I, I * 2}) || I <- lists:seq(1, 600, 7)],
    Up = walk(ets:first(T), fun(K) -> ets:next(T, K) end),
    Down = walk(ets:last(T), fun(K) -> ets:prev(T, K) end),
    p({Ty, walk}, fun() -> {length(Up), lists:usort(Up) =:= lists:seq(1, 600), lists:sort(Down) =:= lists:sort(Up)} end),
    p({Ty, foldl}, fun() -> {ets:foldl(fun({_, V}, A) -> V + A end, 0, T), ets:foldr(fun({_, V}, A) -> V + A end, 0, T)} end),
    [ets:delete(T, I) || I <- lists:seq(1, 600), I rem 50 =/= 0],
    p({Ty, walk_left}, fun() -> lists:sort(walk(ets:first(T), fun(K) -> ets:next(T, K) end)) end),
    case Ty of
        ordered_set ->
            p(order, fun() -> {Up =:= lists:seq(1, 600), Down =:= lists:reverse(Up)} end),
            p(behind_end, fun() -> ets:next(T, '$end_of_table') end),
            p(before_end, fun() -> ets:prev(T, '$end_of_table') end),
            p(between, fun() -> [ets:next(T, K) || K <- [0, 49, 50, 50.0, 50.5, 600, x]] end),
            p(between_prev, fun() -> [ets:prev(T, K) || K <- [0, 49, 50, 50.0, 50.5, 600, x]] end);
        _ -> p({Ty, next_nokey}, fun() -> ets:next(T, 1) end)
    end.

walk('$end_of_table', _) -> [];
walk(K, F) -> [K | walk(F(K), F)].

%% Keys of all kinds keep apart, or fall together, as the type says.
keys(Ty) ->
    Ks = [1, 1.0, 1 bsl 64, float(1 bsl 64), -0.0, 0.0, 0, a, 'A', "a", <<"a">>, <<"a", 1:1>>, [], {}, {1}, {1.0}, #{}, #{a => 1},
          #{1 => 1.0}, #{1.0 => 1}, [1 | 2], self(), fun lists:map/2, <<1:100000>>, binary:part(<<0:2000, 1>>, 250, 1), <<1>>],
    T = new(Ty, []),
    [ets:insert(T, {K, N}) || {N, K} <- lists:zip(lists:seq(1, length(Ks)), Ks)],
    p({Ty, keys}, fun() -> [ets:lookup_element(T, K, 2) || K <- Ks] end),
    p({Ty, count}, fun() -> ets:info(T, size) end).

big(Ty) ->
    T = new(Ty, []),
    N = 30000,
    ets:insert(T, [{I, I rem 10, <<I:32>>} || I <- lists:seq(1, N)]),
    p({Ty, big}, fun() -> {ets:info(T, size), lists:sum([V || {_, V, _} <- ets:tab2list(T)])} end),
    p({Ty, big_lookup}, fun() -> lists:all(fun(I) -> ets:lookup(T, I) =:= [{I, I rem 10, <<I:32>>}] end, lists:seq(1, N)) end),
    [ets:delete(T, I) || I <- lists:seq(1, N, 2)],
    p({Ty, big_half}, fun() -> {ets:info(T, size), lists:sort([I || {I, _, _} <- ets:tab2list(T)]) =:= lists:seq(2, N, 2)} end),
    p({Ty, big_memory}, fun() -> {ets:info(T, memory) > N * 4, ets:delete_all_objects(T), ets:info(T, memory) < 3000} end),
    ets:insert(T, [{I, x} || I <- lists:seq(1, N)]),
    p({Ty, big_delete}, fun() -> ets:delete(T) end).

counters() ->
    [begin
         T = new(Ty, []),
         ets:insert(T, {a, 1, x, 1 bsl 70, 5}),
         p({Ty, counter}, fun() -> [ets:update_counter(T, a, Op) || Op <-
             [1, {2, 5}, {2, -20}, {5, 10, 12, 0}, {5, 3, 12, 0}, {5, -7, 0, 99}, {4, 1}, {4, -(1 bsl 70)}, {4, -5},
              [{2, 1}, {2, 1}, {5, 1}], [], {2, 1 bsl 80}, {2, -(1 bsl 80)}, {2, 0}, {2, 0, 100, 7}, {2, 0, -100, 7},
              {2, 1, 1 bsl 90, 3}, {2, -1, -(1 bsl 90), 3}, {2, 100, 50, 1 bsl 99}, {2, 0}]] end),
         p({Ty, after_counter}, fun() -> ets:lookup(T, a) end),
         [p({Ty, counter_bad, Op}, fun() -> ets:update_counter(T, a, Op) end)
          || Op <- [{3, 1}, {9, 1}, {1, 1}, {0, 1}, {x, 1}, x, {2, x}, {2, 1, 2}, {2, 1, x, 1}, {2, 1, 1, 1.0}, {2, 1.0},
                    [{2, 1}, {3, 1}], [{2, 1} | x], [x], {-1, 1}, {2, 1, 1, 1, 1}]],
         p({Ty, counter_same}, fun() -> ets:lookup(T, a) end),
         p({Ty, counter_nokey}, fun() -> ets:update_counter(T, b, 1) end),
         p({Ty, counter_nokey_nil}, fun() -> ets:update_counter(T, b, []) end),
         p({Ty, counter_default}, fun() -> [ets:update_counter(T, K, {2, 3}, {zz, 10, y}) || K <- [b, b, c]] end),
         p({Ty, counter_default_nil}, fun() -> ets:update_counter(T, d, [], {zz, 10, y}) end),
         p({Ty, after_default}, fun() -> all(T) end),
         [p({Ty, default_bad, Op, D}, fun() -> ets:update_counter(T, q, Op, D) end)
          || {Op, D} <- [{1, {x}}, {1, x}, {{2, 1}, {a, b}}, {{1, 1}, {1, 1}}, {x, {1, 1}}, {[{2, 1}, {3, 1}], {1, 1}}, {1, {z}}]],
         p({Ty, no_q}, fun() -> ets:lookup(T, q) end)
     end || Ty <- [set, ordered_set]],
    [begin
         T = new(Ty, []), ets:insert(T, {a, 1}),
         p({Ty, counter}, fun() -> ets:update_counter(T, a, 1) end),
         p({Ty, counter_default}, fun() -> ets:update_counter(T, b, 1, {b, 1}) end)
     end || Ty <- [bag, duplicate_bag]],
    O = new(ordered_set, []), ets:insert(O, {1, 1}),
    p(counter_float_key, fun() -> {ets:update_counter(O, 1.0, 1), ets:update_counter(O, 2.0, 1, {0, 0}), all(O)} end).

elements() ->
    [begin
         T = new(Ty, []), ets:insert(T, {a, 1, x}),
         p({Ty, element}, fun() -> [ets:update_element(T, a, Op) || Op <- [{2, <<"long enough to be a value">>}, [{2, z}, {3, {y}}],
             [{3, 1}, {3, 2}], [], {2, <<0:8000>>}, {2, 7}]] end),
         p({Ty, after_element}, fun() -> all(T) end),
         [p({Ty, element_bad, Op}, fun() -> ets:update_element(T, a, Op) end)
          || Op <- [{1, b}, {0, b}, {4, b}, {x, 1}, x, [{2, 1}, x], [{2, 1} | x], [{2, 5}, {1, 1}], {2, 1, 1}]],
         p({Ty, element_same}, fun() -> all(T) end),
         p({Ty, element_nokey}, fun() -> [ets:update_element(T, zz, Op) || Op <- [{2, 1}, {1, 1}, x, []]] end)
     end || Ty <- [set, ordered_set]],
    B = new(bag, []), ets:insert(B, {a, 1}),
    p(element_bag, fun() -> ets:update_element(B, a, {2, 2}) end).

names() ->
    p(named, fun() -> ets:new(ets_basic_n, [named_table]) end),
    p(named_twice, fun() -> ets:new(ets_basic_n, [named_table]) end),
    p(named_use, fun() -> {ets:insert(ets_basic_n, {a}), ets:lookup(ets_basic_n, a)} end),
    p(whereis, fun() -> {is_reference(ets:whereis(ets_basic_n)), ets:whereis(ets_basic_no)} end),
    p(whereis_ref, fun() -> ets:lookup(ets:whereis(ets_basic_n), a) end),
    p(whereis_same, fun() -> ets:whereis(ets_basic_n) =:= ets:info(ets_basic_n, id) end),
    p(whereis_bad, fun() -> ets:whereis(1) end),
    p(unnamed_same, fun() -> ets:info(ets:new(ets_basic_n, []), name) end),
    p(rename, fun() -> {ets:rename(ets_basic_n, ets_basic_m), ets:whereis(ets_basic_n), ets:lookup(ets_basic_m, a)} end),
    p(rename_self, fun() -> ets:rename(ets_basic_m, ets_basic_m) end),
    ets:new(ets_basic_x, [named_table]),
    p(rename_taken, fun() -> ets:rename(ets_basic_m, ets_basic_x) end),
    p(rename_bad, fun() -> ets:rename(ets_basic_m, 1) end),
    U = ets:new(u, []),
    p(rename_unnamed, fun() -> {ets:rename(U, ets_basic_x) =:= U, ets:info(U, name)} end),
    p(all, fun() -> [lists:member(X, ets:all()) || X <- [ets_basic_m, ets_basic_x, U, ets_basic_n]] end),
    p(delete_name, fun() -> {ets:delete(ets_basic_m), ets:whereis(ets_basic_m), ets:new(ets_basic_m, [named_table])} end),
    p(no_name, fun() -> ets:lookup(ets_basic_nope, 1) end),
    p(ids_differ, fun() -> ets:new(a, []) =:= ets:new(a, []) end),
    T = new(set, []), ets:insert(T, {self, T}),
    p(id_inside, fun() -> [{self, X}] = ets:lookup(T, self), X =:= T andalso ets:member(X, self) end).

options() ->
    [p({new, O}, fun() -> I = ets:info(ets:new(o, O)), [lists:keyfind(K, 1, I) || K <- [type, protection, keypos, compressed,
        read_concurrency, write_concurrency, decentralized_counters, heir, named_table]] end)
     || O <- [[], [set, bag], [private, public], [compressed], [{keypos, 3}, {keypos, 2}], [{write_concurrency, true}],
              [{write_concurrency, auto}], [ordered_set, {write_concurrency, true}], [{read_concurrency, true}],
              [private, {read_concurrency, true}, {write_concurrency, true}], [{decentralized_counters, true}],
              [{write_concurrency, auto}, {decentralized_counters, false}], [{heir, none}],
              [{write_concurrency, true}, {decentralized_counters, true}], [ordered_set, public, {write_concurrency, false}]]],
    [p({new_bad, N, O}, fun() -> ets:new(N, O) end)
     || {N, O} <- [{"a", []}, {a, [x]}, {a, x}, {a, [set | x]}, {a, [{keypos, 0}]}, {a, [{keypos, x}]}, {a, [{heir, here}]},
                   {a, [{heir, x, 1}]}, {a, [{heir, x}]}, {a, [{write_concurrency, x}]}, {a, [{read_concurrency, auto}]},
                   {a, [{decentralized_counters, 1}]}, {a, [{keypos}]}, {a, [{keypos, 1, 2}]}, {a, [1]}, {a, [{}]}, {1, []}]].

info() ->
    T = ets:new(inf, [ordered_set, protected]),
    ets:insert(T, [{1, <<0:8000>>}, {2, b}]),
    p(info_items, fun() -> [K || {K, _} <- ets:info(T)] end),
    [p({info, I}, fun() -> ets:info(T, I) end)
     || I <- [compressed, decentralized_counters, fixed, heir, keypos, name, named_table, node, protection, safe_fixed,
              safe_fixed_monotonic_time, size, stats, type, write_concurrency, read_concurrency, foo, 1]],
    p(owner, fun() -> ets:info(T, owner) =:= self() end),
    p(id, fun() -> ets:info(T, id) =:= T end),
    p(memory, fun() -> is_integer(ets:info(T, memory)) end),
    p(binary, fun() -> [{S, C} || {_, S, C} <- ets:info(T, binary)] end),
    H = ets:new(h, []), ets:insert(H, {a}),
    p(stats, fun() -> element(1, ets:info(H, stats)) end),
    p(info_bad, fun() -> ets:info(1) end),
    p(info_bad2, fun() -> ets:info("x", size) end),
    p(info_ref, fun() -> ets:info(make_ref(), size) end),
    p(info_none, fun() -> {ets:info(ets_basic_nope), ets:info(ets_basic_nope, size), ets:info(ets_basic_nope, foo)} end).

errors() ->
    D = ets:new(d, []), ets:delete(D),
    Calls = [{lookup, [k]}, {insert, [{k}]}, {member, [k]}, {delete, []}, {delete, [k]}, {first, []}, {last, []}, {next, [k]},
             {prev, [k]}, {slot, [0]}, {take, [k]}, {insert_new, [{k}]}, {lookup_element, [k, 1]}, {update_counter, [k, 1]},
             {update_element, [k, {2, 1}]}, {delete_object, [{k}]}, {match, ['_']}, {match_object, ['_']},
             {select, [[{'_', [], [x]}]]}, {select_count, [[{'_', [], [x]}]]}, {select_delete, [[{'_', [], [x]}]]},
             {select_replace, [[{'_', [], ['$_']}]]}, {select_reverse, [[{'_', [], [x]}]]}, {rename, [x]}, {safe_fixtable, [true]},
             {setopts, [{heir, none}]}, {give_away, [self(), x]}, {delete_all_objects, []}, {match, ['_', 1]}],
    [p({F, length(A) + 1, Why}, fun() -> apply(ets, F, [T | A]) end)
     || {F, A} <- Calls, {Why, T} <- [{deleted, D}, {name, ets_basic_nope}, {integer, 1}, {string, "s"}, {ref, make_ref()}]].

fixing() ->
    T = new(set, []),
    [ets:insert(T, {I}) || I <- lists:seq(1, 300)],
    p(fix, fun() -> {ets:safe_fixtable(T, true), ets:info(T, fixed), ets:safe_fixtable(T, true)} end),
    p(safe_fixed, fun() -> {{_, _, _}, [{P, N}]} = ets:info(T, safe_fixed), {P =:= self(), N} end),
    p(safe_fixed_mono, fun() -> {M, [{P, N}]} = ets:info(T, safe_fixed_monotonic_time), {is_integer(M), P =:= self(), N} end),
    All = delete_walk(T, ets:first(T)),
    p(delete_walk, fun() -> {lists:sort(All) =:= lists:seq(1, 300), ets:info(T, size), ets:first(T)} end),
    F = hd(All),
    p(next_dead, fun() -> ets:next(T, F) end),
    p(reinsert, fun() -> {ets:insert(T, {F}), ets:lookup(T, F) =:= [{F}], ets:info(T, size), ets:first(T) =:= F} end),
    ets:safe_fixtable(T, false),
    p(still, fun() -> {ets:info(T, fixed), ets:safe_fixtable(T, false), ets:info(T, fixed), ets:safe_fixed(T)} end),
    p(unfix_too_much, fun() -> ets:safe_fixtable(T, false) end),
    p(next_gone, fun() -> ets:next(T, hd(tl(All))) end),
    p(fix_bad, fun() -> ets:safe_fixtable(T, x) end),
    [begin
         B = new(Ty, []),
         [ets:insert(B, {a, I}) || I <- [1, 2, 3]],
         ets:safe_fixtable(B, true),
         ets:delete_object(B, {a, 2}), ets:insert(B, {a, 2}), ets:delete_object(B, {a, 1}),
         p({Ty, fixed}, fun() -> {ets:lookup(B, a), ets:info(B, size), ets:take(B, a), ets:lookup(B, a), ets:member(B, a)} end),
         ets:insert(B, [{b, 1}, {c, 1}]),
         p({Ty, delete_all_fixed}, fun() -> {ets:delete_all_objects(B), ets:info(B, size), all(B), ets:first(B)} end),
         ets:insert(B, {z, 1}),
         ets:safe_fixtable(B, false),
         p({Ty, after_fix}, fun() -> all(B) end)
     end || Ty <- types()],
    S = self(),
    {Pid, M} = spawn_monitor(fun() -> ets:safe_fixtable(T, true), S ! fixed, receive stop -> ok end end),
    receive fixed -> ok end,
    p(fixed_by_other, fun() -> ets:info(T, fixed) end),
    Pid ! stop, receive {'DOWN', M, _, _, _} -> ok end,
    p(fix_gone, fun() -> ets:info(T, fixed) end).

delete_walk(_, '$end_of_table') -> [];
delete_walk(T, K) -> ets:delete(T, K), N = ets:next(T, K), [K | delete_walk(T, N)].

owners() ->
    S = self(),
    {_, M1} = spawn_monitor(fun() -> S ! {t, ets:new(ets_basic_gone, [named_table])} end),
    receive {'DOWN', M1, _, _, _} -> ok end,
    receive {t, N} -> p(owner_gone, fun() -> ets:info(N) end) end,
    {P2, M2} = spawn_monitor(fun() -> T = ets:new(h, [{heir, S, {my, "data"}}]), ets:insert(T, {a}), S ! {t, T} end),
    T2 = receive {t, X} -> X end,
    receive {'DOWN', M2, _, _, _} -> ok end,
    receive {'ETS-TRANSFER', A, B, C} -> p(heir, fun() -> {A =:= T2, B =:= P2, C, ets:lookup(T2, a), ets:info(T2, owner) =:= S} end)
    after 1000 -> p(heir, fun() -> none end) end,
    p(heir_stays, fun() -> ets:info(T2, heir) =:= S end),
    {_, M3} = spawn_monitor(fun() -> S ! {t, ets:new(h, [{heir, spawn(fun() -> ok end), x}])}, timer:sleep(50) end),
    T3 = receive {t, Y} -> Y end,
    receive {'DOWN', M3, _, _, _} -> ok end,
    p(heir_dead, fun() -> ets:info(T3) end),
    G = ets:new(g, [protected]), ets:insert(G, {a, 1}),
    R = spawn(fun() -> receive {'ETS-TRANSFER', Q, F, D} -> ets:insert(Q, {b, 2}), S ! {got, Q =:= G, F =:= S, D}, receive stop -> ok end end end),
    p(give, fun() -> {ets:give_away(G, R, [gift]), ets:info(G, owner) =:= R} end),
    receive Got -> p(got, fun() -> Got end) after 1000 -> ok end,
    p(given_lookup, fun() -> all(G) end),
    p(given_insert, fun() -> ets:insert(G, {c}) end),
    p(give_not_owner, fun() -> ets:give_away(G, S, x) end),
    Mr = monitor(process, R), R ! stop, receive {'DOWN', Mr, _, _, _} -> ok end,
    p(given_gone, fun() -> ets:info(G) end),
    W = ets:new(w, [public]),
    p(give_self, fun() -> ets:give_away(W, S, x) end),
    p(give_dead, fun() -> ets:give_away(W, R, x) end),
    p(give_bad, fun() -> ets:give_away(W, x, x) end),
    [p({setopts, O}, fun() -> ets:setopts(W, O) end)
     || O <- [{heir, none}, [{heir, none}], [], x, [{heir, none}, {heir, none}], {heir, x}, [{heir, x, y}], [{heir, none} | x],
              {keypos, 2}, {protection, private}, [{protection, public}]]],
    p(setopts_heir, fun() -> {ets:setopts(W, {heir, S, d}), ets:info(W, heir) =:= S, ets:setopts(W, {heir, none}), ets:info(W, heir)} end),
    other(fun() -> ets:setopts(W, {heir, none}) end, setopts_other),
    other(fun() -> ets:give_away(W, S, x) end, give_other).

other(F, Tag) ->
    S = self(),
    {_, M} = spawn_monitor(fun() -> S ! {res, e(F)} end),
    receive {res, R} -> p(Tag, fun() -> R end) end,
    receive {'DOWN', M, _, _, _} -> ok end.

access() ->
    [begin
         T = ets:new(acc, [Pr]), ets:insert(T, {a, 1}),
         [other(fun() -> apply(ets, F, [T | A]) end, {Pr, F})
          || {F, A} <- [{lookup, [a]}, {first, []}, {select, [[{'_', [], ['$_']}]]}, {select, [bad]}, {match, ['$1']}, {insert, [{b, 1}]},
                        {delete, [b]}, {update_counter, [a, 1]}, {select_delete, [[{'_', [], [false]}]]}, {select_replace, [bad]},
                        {info, [size]}, {safe_fixtable, [true]}, {setopts, [[]]}, {delete_all_objects, []}, {delete, []}]]
     end || Pr <- [private, protected, public]].

terms() ->
    T = new(set, []),
    Deep = lists:foldl(fun(_, A) -> {A} end, x, lists:seq(1, 100000)),
    Long = lists:seq(1, 100000),
    Big = binary:copy(<<"abc">>, 1000), <<_:5/binary, Sub:50/binary, _/binary>> = Big,
    F = fun(X) -> {X, Long} end,
    Vs = [Deep, Long, Big, Sub, F, #{a => Big, Long => 1}, maps:from_list([{I, I} || I <- lists:seq(1, 1000)]), make_ref(), self(), 1.5,
          1 bsl 5000, <<5:3>>, [<<1:9>> | Sub], T],
    p(terms, fun() -> [begin ets:insert(T, {k, V}), [{k, W}] = ets:lookup(T, k), V =:= W end || V <- Vs] end),
    p(fun_works, fun() -> ets:insert(T, {k, F}), G = ets:lookup_element(T, k, 2), {a, L} = G(a), length(L) end),
    erlang:garbage_collect(),
    p(all_at_once, fun() -> ets:insert(T, [{I, V} || {I, V} <- lists:zip(lists:seq(1, length(Vs)), Vs)]),
        [V || {I, V} <- lists:zip(lists:seq(1, length(Vs)), Vs), ets:lookup(T, I) =/= [{I, V}]] end).

slots() ->
    T = new(ordered_set, []), [ets:insert(T, {I}) || I <- [3, 1, 2]],
    [p({slot, I}, fun() -> ets:slot(T, I) end) || I <- [0, 1, 2, 3, 4, -1, x]],
    H = new(set, []), [ets:insert(H, {I}) || I <- lists:seq(1, 1000)],
    p(slots, fun() -> lists:sort(slots(H, 0, [])) =:= [{I} || I <- lists:seq(1, 1000)] end).

slots(T, I, A) ->
    case ets:slot(T, I) of
        '$end_of_table' -> A;
        L -> slots(T, I + 1, L ++ A)
    end.

rawinfo() ->
    p(tab2file, fun() ->
        T = new(set, []), [ets:insert(T, {I, I}) || I <- lists:seq(1, 50)],
        D = ets:to_dets(ets:new(x, []), nope), D end),
    p(fun2ms_free, fun() -> ets:test_ms({a, 1}, [{{'$1', '$2'}, [], ['$2']}]) end),
    p(init_table, fun() -> T = new(set, []), ets:init_table(T, fun(read) -> {[{a, 1}, {b, 2}], fun(read) -> end_of_input end} end), all(T) end),
    p(from_list, fun() -> T = new(bag, []), ets:insert(T, [{I rem 3, I} || I <- lists:seq(1, 9)]), lists:sort(ets:match(T, {1, '$1'})) end).
