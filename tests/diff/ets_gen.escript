#!/usr/bin/env escript
%% SPDX-License-Identifier: Apache-2.0
%% Random operations on tables of all types, and random match specifications: what each gives must be the same on any
%% machine once order that is nobody's business is taken out. ets_gen.escript SEED
-mode(compile).

main([Seed | _]) ->
    rand:seed(exsss, list_to_integer(Seed)),
    [tables(Ty, Range) || Ty <- [set, ordered_set, bag, duplicate_bag], Range <- [4, 30, 1500]],
    [match_specs(N) || N <- lists:seq(1, 600)].

%% --- tables ---------------------------------------------------------------------------------------

tables(Ty, Range) ->
    T = ets:new(t, [Ty, public]),
    [begin
         Op = op(Range),
         R = run(T, Op),
         io:format("~p ~0p ~0p~n", [Ty, short(Op), short(R)]),
         N rem 50 =:= 0 andalso io:format("~p ~p ~p~n", [Ty, ets:info(T, size), erlang:phash2(s(ets:tab2list(T)))])
     end || N <- lists:seq(1, 700)],
    ets:delete(T).

%% Long results as a hash.
short(X) ->
    case iolist_size(io_lib:format("~0p", [X])) of
        N when N > 200 -> {hash, erlang:phash2(X)};
        _ -> X
    end.

r(N) -> rand:uniform(N).
pick(L) -> lists:nth(r(length(L)), L).

op(Range) ->
    K = key(Range),
    case r(28) of
        1 -> {insert, [object(Range) || _ <- lists:seq(1, r(6))]};
        2 -> {insert, [object(Range) || _ <- lists:seq(1, r(60))]};
        N when N < 8 -> {insert, object(Range)};
        8 -> {insert_new, object(Range)};
        9 -> {insert_new, [object(Range) || _ <- lists:seq(1, r(3))]};
        10 -> {delete, K};
        11 -> {delete, K};
        12 -> {take, K};
        13 -> {delete_object, object(Range)};
        14 -> {lookup, K};
        15 -> {lookup_element, K, r(4)};
        16 -> {update_counter, K, counter_op()};
        17 -> {update_counter, K, counter_op(), object(Range)};
        18 -> {update_element, K, pick([{r(4), value()}, [{r(4), value()}, {r(4), value()}]])};
        19 -> {match, head(Range)};
        20 -> {match_object, head(Range)};
        21 -> {select, spec(Range)};
        22 -> {select_count, spec(Range, [pick([true, {'>', '$1', 5}, guard(1)])])};
        23 -> {select_delete, spec(Range, [pick([true, {'>', '$1', 5}, guard(1), x])])};
        24 -> {select_replace, pick([spec(Range), [{{'$1', '$2'}, [guard(1)], [{{'$1', {{'$2', x}}}}]}], [{{'$1', '_'}, [], [{{'$1', expr(2)}}]}]])};
        25 -> {chunks, spec(Range), r(9)};
        26 -> {member, K};
        27 -> {neighbours, K};
        28 -> pick([fix, unfix, {walk, r(3)}, delete_all_objects])
    end.

key(Range) ->
    I = r(Range),
    case I rem 8 of
        0 -> float(I);
        1 -> {I, a};
        2 -> {I rem 5, I};
        3 -> [I];
        4 -> list_to_atom("a" ++ integer_to_list(I));
        _ -> I
    end.

value() -> pick([1, 2, 3, -7, 2.0, a, b, {a, 1}, [1, 2], "s", <<"bin">>, 1 bsl 65, #{a => 1}, [], {}, <<0:800>>, r(100)]).

object(Range) ->
    case r(8) of
        1 -> {key(Range)};
        2 -> {key(Range), value(), value()};
        _ -> {key(Range), value()}
    end.

counter_op() -> pick([r(10), {2, r(5)}, {2, -r(5)}, {2, r(9), 10, 0}, {2, -r(9), 0, 10}, {3, 1}, {2, 1 bsl 70}, {2, -(1 bsl 70)},
                      [{2, 1}, {2, 2}], [], {1, 1}, x]).

head(Range) ->
    K = pick([key(Range), '$1', '_', {'$1', '$2'}, {r(5), '$1'}, ['$1'], {'$1', a}]),
    case r(8) of
        1 -> '_';
        2 -> {K};
        3 -> {K, pick(['$1', '$2', value()]), '$3'};
        _ -> {K, pick(['$2', '$1', '_', value(), {'$2', '$3'}, ['$2' | '$3'], #{a => '$2'}])}
    end.

spec(Range) -> spec(Range, [expr(2)]).
spec(Range, Body) -> [{head(Range), [guard(2) || _ <- lists:seq(2, r(3))], Body} || _ <- lists:seq(1, r(2))].

run(T, {chunks, Spec, N}) -> e(fun() -> s(chunk(ets:select(T, Spec, N))) end);
run(T, {neighbours, K}) ->
    case ets:info(T, type) of
        ordered_set -> {ets:next(T, K), ets:prev(T, K)};
        _ -> ets:member(T, K) andalso e(fun() -> ets:next(T, K), found end)
    end;
run(T, fix) ->
    %% OTP 25 miscounts fixed bags into which an object comes back from the dead.
    not lists:member(ets:info(T, type), [bag, duplicate_bag]) andalso ets:safe_fixtable(T, true);
run(T, unfix) -> ets:safe_fixtable(T, false);
run(T, {walk, N}) -> ets:safe_fixtable(T, true), L = walk(T, ets:first(T), N), ets:safe_fixtable(T, false), s(L);
run(T, delete_all_objects) -> r(4) =:= 1 andalso ets:delete_all_objects(T);
run(T, Op) ->
    [F | Args] = tuple_to_list(Op),
    R = e(fun() -> apply(ets, F, [T | Args]) end),
    %% What one key holds is in order; what a whole table holds is not.
    case lists:member(F, [match, match_object, select]) of
        true -> s(R);
        false -> R
    end.

e(F) ->
    try F()
    catch C:R:S -> {C, R, maps:get(cause, proplists:get_value(error_info, element(4, hd(S)), #{}), none)}
    end.

%% 1 and 1.0 are neighbours to lists:sort, in any order.
s(L) when is_list(L) -> [X || {_, X} <- lists:sort([{erlang:phash2(X), X} || X <- L])];
s(X) -> X.

chunk('$end_of_table') -> [];
chunk({L, C}) -> L ++ chunk(ets:select(C)).

%% Goes through a fixed table and deletes some.
walk(_, '$end_of_table', _) -> [];
walk(T, K, N) -> erlang:phash2(K, N) =:= 0 andalso ets:delete(T, K), [K | walk(T, ets:next(T, K), N)].

%% --- match specifications --------------------------------------------------------------------------------

match_specs(N) ->
    S = subject(3),
    Spec = [{pick([abstract(S), abstract(subject(2)), '$1']), [guard(3) || _ <- lists:seq(2, r(3))], [expr(4)]} || _ <- lists:seq(1, r(3))],
    io:format("~p ~0p ~0p~n  ~0p~n", [N, S, Spec, test(S, Spec)]).

%% OTP finds what is wrong with keys of maps twice.
test(S, Spec) ->
    case erlang:match_spec_test(S, Spec, table) of
        {error, Es} -> {error, lists:usort(Es)};
        R -> R
    end.

subject(D) -> list_to_tuple([term(D) || _ <- lists:seq(1, r(3))]).

term(0) -> value();
term(D) ->
    case r(6) of
        1 -> [term(D - 1) || _ <- lists:seq(1, r(3))];
        2 -> list_to_tuple([term(D - 1) || _ <- lists:seq(1, r(3))]);
        3 -> maps:from_list([{value(), term(D - 1)} || _ <- lists:seq(1, r(3))]);
        4 -> [term(D - 1) | term(D - 1)];
        _ -> value()
    end.

%% A pattern made of a term: parts of it become variables.
abstract(T) ->
    case r(5) of
        1 -> '_';
        2 -> pick(['$1', '$2', '$3']);
        _ when is_tuple(T) -> list_to_tuple([abstract(X) || X <- tuple_to_list(T)]);
        _ when is_map(T) -> maps:map(fun(_, V) -> abstract(V) end, maps:with([K || K <- maps:keys(T), r(2) =:= 1], T));
        3 when is_list(T), T =/= [] -> [abstract(hd(T)) | abstract(tl(T))];
        _ -> T
    end.

guard(0) -> pick([true, false, '$1', {is_atom, '$1'}]);
guard(D) ->
    case r(6) of
        1 -> {pick(['andalso', 'orelse', 'and', 'or', 'xor']), guard(D - 1), guard(D - 1)};
        2 -> {'not', guard(D - 1)};
        3 -> {pick([is_atom, is_integer, is_list, is_tuple, is_number, is_map, is_binary, is_float]), expr(D - 1)};
        _ -> {pick(['<', '>', '=<', '>=', '==', '/=', '=:=', '=/=']), expr(D - 1), expr(D - 1)}
    end.

expr(0) -> pick(['$1', '$2', '$3', '$_', '$$', 1, a, 2.5, {const, value()}, value_expr()]);
expr(D) ->
    case r(12) of
        1 -> {pick(['+', '-', '*', '/', 'div', 'rem', 'band', 'bor', 'bxor']), expr(D - 1), expr(D - 1)};
        2 -> {pick([hd, tl, length, size, abs, round, trunc, float, byte_size, map_size, 'bnot', '-', '+']), expr(D - 1)};
        3 -> {element, pick([1, 2, expr(D - 1)]), expr(D - 1)};
        4 -> {list_to_tuple([expr(D - 1) || _ <- lists:seq(1, r(3))])};
        5 -> [expr(D - 1) || _ <- lists:seq(1, r(3))];
        6 -> [expr(D - 1) | expr(D - 1)];
        7 -> #{a => expr(D - 1), expr(0) => expr(D - 1)};
        8 -> {pick([map_get, is_map_key]), expr(D - 1), expr(D - 1)};
        9 -> guard(D - 1);
        _ -> expr(0)
    end.

value_expr() -> pick([1, -3, "str", <<"b">>, [], 1 bsl 66, [a, b]]).
