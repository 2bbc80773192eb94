%% SPDX-License-Identifier: Apache-2.0
%% Natives on lists and tuples, with their errors.
-module(list_tuple_natives).
-export([main/0]).

main() ->
    lists(),
    subtracting(),
    tuples(),
    long().

lists() ->
    B = id(b),
    KL = [{b, 1}, x, {a, 2}, {}, {1.0, 3}],
    [show(F) || F <- [
        fun() -> lists:keysearch(a, 1, KL) end, fun() -> lists:keyfind(a, id(0), KL) end,
        fun() -> lists:keyfind(a, B, KL) end, fun() -> lists:keyfind(a, 2, KL) end,
        fun() -> lists:keyfind(1, 1, KL) end, fun() -> lists:keyfind(2.0, 2, KL) end,
        fun() -> lists:keyfind(5, 2, [a, {b, 1} | B]) end, fun() -> lists:keyfind(5, 1 bsl 70, KL) end,
        fun() -> lists:keymember(5, 2, B) end, fun() -> lists:keymember(2, 2, KL) end,
        fun() -> lists:keysearch(zz, 1, KL) end, fun() -> lists:keysearch(zz, -1, KL) end,
        fun() -> lists:member(5, [2 | B]) end, fun() -> lists:member(2, [2 | B]) end,
        fun() -> lists:member(5, B) end, fun() -> lists:member(1.0, [1]) end, fun() -> lists:member([1], [0, [1]]) end,
        fun() -> lists:reverse([a | B], []) end, fun() -> lists:reverse([a, c], B) end,
        fun() -> lists:reverse(B, []) end, fun() -> lists:reverse([], B) end,
        fun() -> id([a | c]) ++ B end, fun() -> id([a]) ++ B end, fun() -> id([]) ++ B end, fun() -> B ++ id([x]) end,
        fun() -> id([a | b]) ++ id([]) end, fun() -> B ++ id([]) end, fun() -> id([a, b]) ++ id([]) end,
        fun() -> id([x]) -- B end, fun() -> B -- id([]) end, fun() -> id([a | b]) -- id([]) end,
        fun() -> id([]) -- id([a | b]) end, fun() -> id([1, 2, 3, 1, 2, 1.0]) -- id([1, 1.0, 2]) end,
        fun() -> hd(id([])) end, fun() -> tl(id([])) end, fun() -> hd(B) end, fun() -> tl(id([1 | 2])) end,
        fun() -> length(id([a | b])) end, fun() -> length(id([a, b])) end, fun() -> length(B) end]].

subtracting() ->
    rand:seed(exsss, {1, 2, 3}),
    [begin
         A = [element_of(rand:uniform(K)) || _ <- lists:seq(1, N)],
         B = [element_of(rand:uniform(K)) || _ <- lists:seq(1, M)],
         Slow = slow(A, B),
         Slow = A -- B
     end || N <- [0, 1, 5, 20, 100], M <- [0, 1, 5, 12, 13, 14, 50, 200], K <- [3, 30, 300]],
    L = lists:seq(1, 50000),
    [] = L -- lists:reverse(L),
    io:format("~p~n", [erlang:phash2(lists:seq(1, 60000) -- L)]).

element_of(N) when N rem 4 =:= 0 -> {N};
element_of(N) when N rem 4 =:= 1 -> float(N);
element_of(N) when N rem 4 =:= 2 -> integer_to_binary(N);
element_of(N) -> N.

slow(A, []) -> A;
slow(A, [H | T]) -> slow(drop(A, H), T).
drop([], _) -> [];
drop([H | T], X) when H =:= X -> T;
drop([H | T], X) -> [H | drop(T, X)].

tuples() ->
    T = id({a, b}),
    A = id(a),
    [show(F) || F <- [
        fun() -> list_to_tuple(id([a | b])) end, fun() -> list_to_tuple(A) end, fun() -> list_to_tuple(id([])) end,
        fun() -> list_to_tuple(id([a, b])) end, fun() -> tuple_to_list(A) end, fun() -> tuple_to_list(T) end,
        fun() -> tuple_to_list(id({})) end,
        fun() -> erlang:make_tuple(id(-1), b) end, fun() -> erlang:make_tuple(A, b) end,
        fun() -> erlang:make_tuple(id(1 bsl 24), b) end, fun() -> tuple_size(erlang:make_tuple(id(1 bsl 24 - 1), b)) end,
        fun() -> erlang:make_tuple(id(3), b) end, fun() -> erlang:make_tuple(id(0), b) end,
        fun() -> erlang:make_tuple(id(3), b, [{2, a}, {2, c}, {3, z}]) end,
        fun() -> erlang:make_tuple(id(3), b, [{4, a}]) end, fun() -> erlang:make_tuple(id(3), b, [{0, a}]) end,
        fun() -> erlang:make_tuple(id(3), b, [{1, a, b}]) end, fun() -> erlang:make_tuple(id(3), b, [{1, a} | c]) end,
        fun() -> erlang:make_tuple(id(3), b, A) end, fun() -> erlang:make_tuple(id(-3), b, []) end,
        fun() -> element(id(0), T) end, fun() -> element(id(3), T) end, fun() -> element(id(1 bsl 80), T) end,
        fun() -> element(id(2), T) end, fun() -> element(id(1), A) end, fun() -> element(id(-1), T) end,
        fun() -> setelement(id(3), T, x) end, fun() -> setelement(id(1), A, x) end, fun() -> setelement(id(2), T, x) end,
        fun() -> erlang:append_element(A, b) end, fun() -> erlang:append_element(T, c) end,
        fun() -> erlang:insert_element(id(4), T, c) end, fun() -> erlang:insert_element(id(3), T, c) end,
        fun() -> erlang:insert_element(id(1), T, c) end, fun() -> erlang:insert_element(id(0), T, c) end,
        fun() -> erlang:insert_element(id(1), A, c) end,
        fun() -> erlang:delete_element(id(3), T) end, fun() -> erlang:delete_element(id(1), T) end,
        fun() -> erlang:delete_element(id(2), T) end, fun() -> erlang:delete_element(id(1), A) end,
        fun() -> tuple_size(A) end, fun() -> tuple_size(T) end,
        fun() -> size(A) end, fun() -> size(T) end, fun() -> size(id(<<1, 2:3>>)) end,
        fun() -> is_record(T, A, id(2)) end, fun() -> is_record(T, A, id(3)) end, fun() -> is_record(T, A, id(x)) end,
        fun() -> is_record(T, A, id(-1)) end, fun() -> is_record(T, id(1)) end, fun() -> is_record(T, A) end,
        fun() -> is_record(id({}), A) end, fun() -> is_record(A, A) end, fun() -> is_record(A, A, id(1)) end]].

long() ->
    L = lists:seq(1, 300000),
    T = list_to_tuple(L),
    L = tuple_to_list(T),
    300000 = length(L),
    true = lists:member(300000, L),
    {300000, x} = lists:keyfind(300000, 1, [{I, x} || I <- L]),
    [300000 | _] = lists:reverse(L, []),
    600000 = length(L ++ L),
    io:format("~p~n", [erlang:phash2(setelement(150000, T, x))]).

show(F) ->
    try io:format("~p~n", [F()])
    catch C:R:S -> io:format("~p ~p ~p~n", [C, R, top(hd(S))])
    end.

top({_, _, A, _} = Entry) when is_list(A) -> Entry;
top(_) -> in_code.

id(X) -> X.
