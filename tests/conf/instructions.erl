%% SPDX-License-Identifier: Apache-2.0
%% Instructions at their edges: many registers across yields, wide selects, deep stacks, tail calls, apply in all
%% forms, receive and its timeouts, catch and try in every nesting, floats, boxed comparisons, map and tuple updates.
-module(instructions).
-compile([no_inline, nowarn_unused_vars]).
-export([main/0, id/1, many/20, count/2, add/2, e/0, f12/12, tail/1, hib/2]).
-record(r, {a, b = 2, c}).

p(Tag, Value) -> io:format("~p: ~p~n", [Tag, Value]).
id(X) -> X.
try_(F) -> try F() catch C:R -> {C, R} end.
add(A, B) -> A + B.
e() -> empty.

main() ->
    registers(), selects(), stacks(), applies(), funs(), receives(), catches(), floats(), compares(), updates(), smalls(),
    hibernation(), heap().

%% Twenty arguments live across thousands of yields.
many(A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, 0) ->
    [A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S];
many(A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, X) ->
    many(B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, [A, X rem 3], X - 1).
f12(A, B, C, D, E, F, G, H, I, J, K, L) -> {L, K, J, I, H, G, F, E, D, C, B, A}.
registers() ->
    Deep = many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20000),
    p(many, erlang:phash2(Deep)),
    p(f12, f12(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
    p(apply12, apply(?MODULE, f12, lists:seq(1, 12))).

atoms(X) -> case X of a -> 1; b -> 2; c -> 3; d -> 4; e -> 5; f -> 6; g -> 7; h -> 8; i -> 9; j -> 10; _ -> none end.
dense(X) -> case X of -3 -> m3; -2 -> m2; -1 -> m1; 0 -> z; 1 -> p1; 2 -> p2; 4 -> p4; 5 -> p5; _ -> none end.
sparse(X) -> case X of 1 -> a; 1000 -> b; 1000000 -> c; 1000000000 -> d; 1000000000000 -> e; -7 -> f; 99 -> g; _ -> none end.
mixed(X) -> case X of 1.0 -> f1; 1 -> i1; 16#ffffffffffffffffff -> big; -16#ffffffffffffffffff -> nbig; 2.5 -> f25; "x" -> s; _ -> none end.
sizes(X) -> case X of {} -> 0; {_} -> 1; {_, _} -> 2; {_, _, _, _} -> 4; _ -> none end.
tagged(X) -> case X of {a, V} -> {1, V}; {b, V} -> {2, V}; {a, V, W} -> {3, V, W}; {c} -> 4; _ -> none end.
selects() ->
    p(atoms, [atoms(X) || X <- [a, b, c, d, e, f, g, h, i, j, k, 1, [], "a", {a}, 1 bsl 70]]),
    p(dense, [dense(X) || X <- lists:seq(-5, 7) ++ [1.0, a, 1 bsl 70, -(1 bsl 70), 1 bsl 59]]),
    p(sparse, [sparse(X) || X <- [1, 1000, 1000000, 1000000000, 1000000000000, -7, 99, 98, 100, 0, a, 1.0]]),
    p(mixed, [mixed(X) || X <- [1, 1.0, 2.5, 16#ffffffffffffffffff, -16#ffffffffffffffffff, "x", <<"x">>, 0.0]]),
    p(sizes, [sizes(X) || X <- [{}, {1}, {1, 2}, {1, 2, 3}, {1, 2, 3, 4}, [], #{}, 1]]),
    p(tagged, [tagged(X) || X <- [{a, 1}, {b, 2}, {a, 1, 2}, {c}, {c, 1}, {}, a, [a], {1, 2}]]).

count(0, Acc) -> Acc;
count(N, Acc) -> count(N - 1, Acc + 1).
build(0) -> [];
build(N) -> [N | build(N - 1)].
even(0) -> true; even(N) -> odd(N - 1).
odd(0) -> false; odd(N) -> even(N - 1).
tail(0) -> done;
tail(N) -> apply(?MODULE, tail, [N - 1]).
tail_fun(0, _) -> done;
tail_fun(N, F) -> F(N - 1, F).
stacks() ->
    p(count, count(3000000, 0)),
    p(build, length(build(1000000))),
    p(even, even(1000001)),
    p(tail, tail(300000)),
    p(tail_fun, tail_fun(300000, fun tail_fun/2)),
    p(foldr, lists:foldr(fun(X, A) -> X + A end, 0, lists:seq(1, 300000))),
    p(deep_throw, try_(fun() -> deep(200000) end)).
deep(0) -> throw(bottom);
deep(N) -> X = deep(N - 1), [X | N].

applies() ->
    M = id(?MODULE), F = id(add),
    p(apply_var, [M:F(1, 2), M:e(), ?MODULE:F(3, 4), apply(M, F, [5, 6]), apply(M, e, [])]),
    p(apply_fun, [apply(fun add/2, [1, 2]), apply(fun ?MODULE:add/2, [1, 2]), apply(fun() -> x end, [])]),
    p(apply_native, [apply(erlang, '+', [1, 2]), apply(lists, reverse, [[1, 2, 3]]), apply(erlang, apply, [erlang, abs, [-3]])]),
    p(apply_apply, apply(erlang, apply, [erlang, apply, [fun add/2, [3, 4]]])),
    p(bad, [try_(fun() -> apply(id(1), F, []) end), try_(fun() -> apply(M, id("f"), []) end),
            try_(fun() -> apply(M, F, id(foo)) end), try_(fun() -> apply(M, F, id([1 | 2])) end),
            try_(fun() -> apply(M, F, lists:duplicate(300, x)) end), try_(fun() -> M:nothing() end)]).

funs() ->
    A = id(1), B = id({x, y}), C = id(3.0),
    F0 = fun() -> {A, B, C} end,
    F1 = fun(X) -> {X, A, B, C} end,
    F2 = fun Rec(0) -> A; Rec(N) -> Rec(N - 1) end,
    p(funs, [F0(), F1(z), F2(10), (fun(X, Y) -> X + Y + A end)(1, 2)]),
    p(arity, [is_function(F0), is_function(F0, 0), is_function(F1, 0), is_function(fun lists:map/2, 2), is_function(a)]),
    p(equal, [F0 =:= F0, F0 == F1, fun lists:map/2 =:= fun lists:map/2, fun lists:map/2 == fun lists:map/3]),
    p(info, [erlang:fun_info(F1, K) || K <- [arity, env, module, type]]),
    p(bad, [try_(fun() -> (id(x))(1) end), try_(fun() -> F0(1) =:= 2 end) =:= {error, {badarity, {F0, [1]}}}]),
    p(hof, lists:foldl(fun(X, Acc) -> Acc + X * A end, 0, lists:seq(1, 100))).

receives() ->
    S = self(),
    S ! one, S ! two, S ! three,
    p(selective, [receive three -> 3 end, receive X1 -> X1 end, receive X2 -> X2 end, receive X3 -> X3 after 0 -> none end]),
    p(timeouts, [receive never -> x after T -> {after_, T} end || T <- [0, 1, 10]]),
    p(bad_timeouts, [try_(fun() -> receive never -> x after id(T) -> y end end) || T <- [-1, a, 1.0, 1 bsl 32, 1 bsl 80, "1"]]),
    p(ok_timeout, begin S ! here, receive here -> got after id(16#ffffffff) -> no end end),
    Ref = make_ref(),
    [S ! {N, x} || N <- lists:seq(1, 200)], S ! {Ref, y},
    p(marked, receive {Ref, V} -> V end),
    p(drained, length([receive {N, x} -> N end || N <- lists:seq(200, 1, -1)])),
    {Pid, Mon} = spawn_monitor(fun() -> receive {go, From} -> From ! {self(), went} end end),
    Pid ! {go, S},
    p(reply, receive {Pid, W} -> W after 1000 -> none end),
    p(down, receive {'DOWN', Mon, process, Pid, R} -> R after 1000 -> none end),
    p(guarded, begin S ! 5, S ! 15, R1 = receive Y when Y > 10 -> Y end, {R1, receive Z -> Z end} end),
    p(big, begin S ! lists:seq(1, 10000), receive L when is_list(L) -> length(L) end end),
    p(infinity, begin S ! x, receive x -> x after infinity -> y end end).

catches() ->
    p('catch', [catch 1, catch throw(a), catch exit(b), catch id(c),
                element(1, catch error(d)), element(1, element(2, catch error(d)))]),
    p(nested, catch (try throw(a) catch throw:a -> throw(b) end)),
    p(nested2, (catch {1, catch throw(x), catch exit(y)})),
    p(after_, {try id(1) after put(k, 1) end, get(k), try_(fun() -> try throw(x) after put(k, 2) end end), get(k)}),
    p(of_, try id(3) of 3 -> three; _ -> other catch _:_ -> caught after put(k, 3) end),
    p(try_clause, try_(fun() -> try id(3) of 4 -> four catch throw:_ -> t end end)),
    p(reraise, try_(fun() -> try error(x) catch C:R:S -> erlang:raise(C, R, S) end end)),
    p(class, [try F() catch C:R -> {C, R} end || F <- [fun() -> throw(1) end, fun() -> exit(2) end, fun() -> error(3) end]]),
    p(stack, try error(x) catch _:_:St -> is_list(St) end),
    p(loop, catch_loop(20000, 0)),
    p(guard_fails, [if hd(X) > 1 -> y; true -> n end || X <- [[], [1], [2], a]]),
    p(guard_arith, [if X + 1 > 2 -> y; true -> n end || X <- [1, 2, a, 1.5, 1 bsl 80, []]]).
catch_loop(0, Acc) -> Acc;
catch_loop(N, Acc) ->
    V = try throw({v, [N]}) catch {v, [X]} -> X rem 2 end,
    W = case catch error({e, N}) of {'EXIT', {{e, N}, _}} -> 1 end,
    catch_loop(N - 1, Acc + V + W).

floats() ->
    A = id(1.5), B = id(2), C = id(1 bsl 70),
    p(ops, [A + B, A - B, A * B, A / B, B / A, -A, B / B, C / 2, C + A, A * C]),
    p(mixed, [float(B) * A + B - A / 2, (A + B) * (A - B) / (A * B)]),
    p(bad, [try_(fun() -> A / id(0) end), try_(fun() -> id(1.0e308) * id(1.0e308) end), try_(fun() -> A + id(a) end),
            try_(fun() -> (A + 1.0) / id(0.0) end), try_(fun() -> float(id(1 bsl 2000)) end)]),
    p(sum, lists:foldl(fun(X, S) -> S + X * 0.5 end, 0.0, lists:seq(1, 10000))).

compares() ->
    Terms = [1, 1.0, 2, a, b, {}, {1}, {1, 2}, [], [1], [1 | 2], "ab", <<>>, <<1>>, #{}, #{a => 1}, 1 bsl 70, -1, -(1 bsl 70), 1.0e30],
    p(lt, [[bit(A < B) || A <- Terms] || B <- Terms]),
    p(eq, [[bit(A == B) || A <- Terms] || B <- Terms]),
    p(exact, [[bit(A =:= B) || A <- Terms] || B <- Terms]),
    p(ge, [[bit(A >= B) || A <- Terms] || B <- Terms]),
    p(ne, [[bit(A =/= B) + bit(A /= B) || A <- Terms] || B <- Terms]).
bit(true) -> 1;
bit(false) -> 0.

updates() ->
    R = #r{a = 1},
    p(record, [R#r.b, (R#r{b = 3, c = 4})#r.b, R#r{c = x}, is_record(R, r), is_record(id({r, 1}), r)]),
    p(badrecord, try_(fun() -> (id({q, 1}))#r.a end)),
    p(badrecord2, try_(fun() -> (id(x))#r{a = 1} end)),
    M = id(#{a => 1, {k} => 2, 3 => x}),
    p(map, [M#{a => 2}, M#{a := 2, b => 3}, maps:get({k}, M#{{k} := 9})]),
    #{a := A, 3 := T} = M,
    p(matched, {A, T}),
    p(bad, [try_(fun() -> M#{zz := 1} end), try_(fun() -> (id(x))#{a => 1} end), try_(fun() -> #{q := Q} = M, Q end)]),
    p(tuple, [setelement(2, {a, b, c}, x), element(1, {a}), erlang:append_element({1}, 2)]),
    p(big_tuple, tuple_size(list_to_tuple(lists:seq(1, 5000)))),
    p(big_map, maps:fold(fun(K, V, S) -> K + V + S end, 0, maps:from_list([{K, K} || K <- lists:seq(1, 1000)]))).

smalls() ->
    Max = id((1 bsl 59) - 1), Min = id(-(1 bsl 59)), W = id(1 bsl 63),
    p(edges, [Max + 1, Min - 1, Max * 2, Min * -1, -Min, abs(Min), Max - Min, Min div -1, Min rem -1, Max bsl 1, Min bsr 3]),
    p(back, [(Max + 1) - 1 =:= Max, (Min - 1) + 1 =:= Min, W bsr 10, W - W, W band Max, W bor 1, W bxor W, bnot W]),
    p(shifts, [1 bsl id(N) || N <- [0, 1, 58, 59, 60, 63, 64, 100, -1]]),
    p(rights, [id(-5) bsr id(N) || N <- [0, 1, 2, 3, 59, 60, 64, 1000, -2]]),
    p(divs, [{X div Y, X rem Y} || X <- [7, -7, 1 bsl 70, -(1 bsl 70)], Y <- [2, -2, 3, 1 bsl 65]]).

hib(Parent, State) ->
    receive
        {more, N} -> Parent ! {got, State + N}, erlang:hibernate(?MODULE, hib, [Parent, State + N]);
        stop -> Parent ! {bye, State}
    end.
hibernation() ->
    S = self(),
    P = spawn(?MODULE, hib, [S, 0]),
    [begin P ! {more, N}, receive {got, X} -> X end end || N <- lists:seq(1, 5)],
    P ! {more, 1}, P ! {more, 2}, P ! stop,
    p(hib, [receive {got, A} -> A end, receive {got, B} -> B end, receive {bye, C} -> C end]).

%% Garbage of every kind in a loop without any other allocation.
heap() ->
    p(bigs, big_loop(20000, 1 bsl 100)),
    p(maps, map_size(map_loop(5000, #{}))),
    p(strings, length(string_loop(2000, []))).
big_loop(0, B) -> B rem 1000007;
big_loop(N, B) -> big_loop(N - 1, B + 1 bsl 90 - N).
map_loop(0, M) -> M;
map_loop(N, M) -> map_loop(N - 1, M#{N => [N], N rem 7 => {N}}).
string_loop(0, S) -> S;
string_loop(N, S) -> string_loop(N - 1, lists:reverse([N | S])).
