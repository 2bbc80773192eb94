%% SPDX-License-Identifier: Apache-2.0
%% Scripts of operations on one table: {Type, Options, [Operation]}. An operation's result counts in no order where OTP
%% promises none.
-module(diff_ets).
-export([draw/0, play/1]).

-import(diff_terms, [g/1, r/1, pick/1, chance/1]).

draw() ->
    Type = pick([set, ordered_set, bag, duplicate_bag]),
    Options = [O || O <- [compressed, {keypos, 2}, {write_concurrency, true}, {read_concurrency, true},
        {decentralized_counters, true}], chance(12)],
    {ets, {Type, Options, [op(Type, 4 + r(30)) || _ <- lists:seq(1, 20 + r(60))]}}.

play({Type, Options, Ops}) ->
    T = ets:new(diff, [Type | Options]),
    [diff_play:outcome(fun() -> op(T, Type, Op) end) || Op <- Ops] ++ [in_order(Type, ets:tab2list(T)), ets:info(T,
        size)].

op(Type, Range) ->
    K = key(Range),
    Few = fun(N) -> [object(Range) || _ <- lists:seq(1, r(N))] end,
    case r(30) of
        0 -> {insert, [Few(8)]};
        1 -> {insert, [Few(70)]};
        N when N < 7 -> {insert, [object(Range)]};
        7 -> {insert_new, [pick([object(Range), Few(3)])]};
        8 -> {delete, [K]};
        9 -> {take, [K]};
        10 -> {delete_object, [object(Range)]};
        11 -> {lookup, [K]};
        12 -> {lookup_element, [K, r(5)]};
        13 -> {update_counter, [K, counter()]};
        14 -> {update_counter, [K, counter(), wide(object(Range))]}; % a default without a key ends OTP 25 by a signal
        15 -> {update_element, [K, pick([{r(4), g(leaf)}, [{2, a}, {3, g(leaf)}]])]};
        16 -> {match, [head(Range)]};
        17 -> {match_object, [head(Range)]};
        18 -> {select, [diff_calls:special(ms)]};
        19 -> {select_count, [[{head(Range), [], [pick([true, {is_atom, '$1'}])]}]]};
        20 -> {select_delete, [[{head(Range), [pick([{'<', '$1', 3}, {is_integer, '$1'}, {is_tuple, '$1'}])],
            [true]}]]};
        21 -> {select_replace, [pick([[{{'$1', '$2'}, [], [{{'$1', {{'$2'}}}}]}], [{{'$1', '_'}, [{is_integer, '$1'}],
            [{{'$1', new}}]}], diff_calls:special(ms)])]};
        22 -> {chunks, [[{head(Range), [], ['$_']}], 1 + r(9)]};
        23 -> {member, [K]};
        24 when Type =:= ordered_set -> {pick([next, prev]), [K]};
        25 when Type =:= ordered_set -> {pick([first, last, {slot, r(20)}, {select_reverse, [{head(Range), [],
            ['$_']}]}]), []};
        26 -> {match_delete, [head(Range)]};
        27 -> {pick([delete_all_objects, size, foldl, badarg]), []};
        28 -> {select, [[{head(Range), [], [pick(['$_', '$1', '$$', {{'$1', 1}}])]}]]};
        _ -> {insert, [pick([g(tuple), g(any), [object(Range) | g(leaf)]])]}
    end.

key(Range) ->
    I = r(Range),
    case I rem 8 of
        0 -> float(I);
        1 -> {I, a};
        2 -> {I rem 5, I};
        3 -> [I];
        4 -> list_to_tuple(lists:duplicate(I, a));
        5 -> #{k => I};
        _ -> I
    end.

object(Range) ->
    case r(8) of
        0 -> {key(Range)};
        1 -> {key(Range), g(leaf), r(9)};
        2 -> {key(Range), g(int), r(9)};
        3 -> {key(Range), key(Range), g(any)};
        _ -> {key(Range), r(20)}
    end.

wide({K}) -> {K, K};
wide(T) -> T.

counter() -> pick([r(10), {2, r(5)}, {2, -r(5)}, {2, r(9), 10, 0}, {2, -r(9), 0, 10}, {3, 1}, {2, 1 bsl 70}, {2,
    -(1 bsl 70)}, [{2, 1}, {2, 2}], [], {1, 1}, x]).

head(Range) ->
    K = pick([key(Range), '$1', '_', {'$1', '$2'}, {r(5), '$1'}, ['$1'], {'$1', a}, #{k => '$1'}]),
    case r(8) of
        0 -> '_';
        1 -> {K};
        2 -> {K, pick(['$1', '$2', r(20)]), '$3'};
        _ -> {K, pick(['$2', '$1', '_', r(20), {'$2', '$3'}, ['$2' | '$3'], #{a => '$2'}])}
    end.

op(T, Type, {chunks, [Spec, N]}) -> in_order(Type, chunks(ets:select(T, Spec, N)));
op(T, _, {{slot, N}, []}) -> ets:slot(T, N);
op(T, _, {{select_reverse, Spec}, []}) -> ets:select_reverse(T, Spec);
op(T, _, {size, []}) -> ets:info(T, size);
op(T, Type, {foldl, []}) -> in_order(Type, ets:foldl(fun(X, A) -> [X | A] end, [], T));
op(T, _, {badarg, []}) -> ets:lookup(T, a, b);
op(T, Type, {F, Args}) ->
    R = apply(ets, F, [T | Args]),
    case lists:member(F, [match, match_object, select]) of
        true -> in_order(Type, R);
        false -> R
    end.

chunks('$end_of_table') -> [];
chunks({L, C}) -> L ++ chunks(ets:select(C)).

%% By hash: 1 and 1.0 are neighbours to lists:sort, in any order.
in_order(ordered_set, L) -> L;
in_order(_, L) -> [X || {_, X} <- lists:sort([{erlang:phash2(X), X} || X <- L])].
