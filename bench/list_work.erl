%% SPDX-License-Identifier: Apache-2.0
%% Lists: matching, building and walking cons cells, by hand and with the lists module.
-module(list_work).
-behaviour(bench).
-export([programs/0, nrev/1, quicksort/1, comprehension/1, library/1, queens/1, append/1]).

programs() ->
    [{nrev, 40000}, {quicksort, 250000}, {comprehension, 500000}, {library, 700000}, {queens, 8},
     {append, 9000}].

%% Naive reverse of 30 elements: 496 steps each.
nrev(N) -> nrev(N, lists:seq(1, 30), []).

nrev(0, _, Last) -> Last;
nrev(N, List, _) -> nrev(N - 1, List, reverse(List)).

reverse([]) -> [];
reverse([H | T]) -> join(reverse(T), [H]).

join([], L) -> L;
join([H | T], L) -> [H | join(T, L)].

quicksort(N) -> sort(numbers(N, 42, [])).

sort([]) -> [];
sort([Pivot | Rest]) ->
    {Low, High} = split(Rest, Pivot, [], []),
    sort(Low) ++ [Pivot | sort(High)].

split([], _, Low, High) -> {Low, High};
split([H | T], Pivot, Low, High) when H < Pivot -> split(T, Pivot, [H | Low], High);
split([H | T], Pivot, Low, High) -> split(T, Pivot, Low, [H | High]).

numbers(0, _, List) -> List;
numbers(N, Seed, List) ->
    Next = (Seed * 1103515245 + 12345) band 16#7fffffff,
    numbers(N - 1, Next, [Next | List]).

comprehension(N) ->
    Pairs = [{X, X * X} || X <- lists:seq(1, N)],
    Even = [{A, B} || {A, B} <- Pairs, A rem 2 =:= 0],
    Sums = [A + B || {A, B} <- Even, B rem 3 =/= 0],
    {length(Pairs), length(Even), hd(Sums), lists:last(Sums), length([X || X <- Sums, X band 1 =:= 0])}.

library(N) ->
    List = lists:seq(1, N),
    Mapped = lists:map(fun(X) -> X * 3 end, List),
    Kept = lists:filter(fun(X) -> X rem 2 =:= 0 end, Mapped),
    Sum = lists:foldl(fun(X, Acc) -> X + Acc end, 0, Kept),
    {A, B} = lists:partition(fun(X) -> X rem 5 =:= 0 end, Kept),
    Zipped = lists:zip(lists:sublist(A, 1000), lists:sublist(B, 1000)),
    {Sum, length(A), length(B), lists:reverse(Zipped), lists:member(-1, Mapped), lists:nth(N, Mapped)}.

queens(N) -> [length(place(N, [], N)) || _ <- lists:seq(1, 150)].

place(0, Placed, _) -> [Placed];
place(Row, Placed, N) ->
    [Solution || Column <- lists:seq(1, N), safe(Column, Placed, 1), Solution <- place(Row - 1, [Column | Placed], N)].

safe(_, [], _) -> true;
safe(C, [P | Rest], D) -> C =/= P andalso abs(C - P) =/= D andalso safe(C, Rest, D + 1).

%% Natives on lists: ++, --, length, reverse.
append(N) ->
    Part = lists:seq(1, 500),
    lists:foldl(fun(I, Acc) -> (length(Part ++ [I, Acc]) + length(lists:reverse(Part, [Acc])) +
                                length(Part -- [I, 250, 499])) band 16#fff end, 0, lists:seq(1, N)).
