%% SPDX-License-Identifier: Apache-2.0
%% Sorting and comparing terms.
-module(sorting).
-behaviour(bench).
-export([programs/0, sort_numbers/1, sort_terms/1, keysort/1, compare/1]).

programs() -> [{sort_numbers, 150000}, {sort_terms, 150000}, {keysort, 100000}, {compare, 4000}].

random(N) -> random(N, 42, []).

random(0, _, List) -> List;
random(N, Seed, List) ->
    Next = (Seed * 1103515245 + 12345) band 16#7fffffff,
    random(N - 1, Next, [Next bsr 4 | List]).

sort_numbers(N) ->
    List = random(N),
    {hd(lists:sort(List)), length(lists:usort([X rem 5000 || X <- List]))}.

sort_terms(N) ->
    Terms = [case X rem 5 of
                 0 -> X;
                 1 -> X / 3;
                 2 -> {X rem 100, [X]};
                 3 -> integer_to_binary(X);
                 4 -> [X rem 10 | "text"]
             end || X <- random(N)],
    lists:nthtail(N - 5, lists:sort(Terms)).

keysort(N) ->
    Rows = [{X rem 1000, X, name} || X <- random(N)],
    Sorted = lists:keysort(2, lists:keysort(1, Rows)),
    {hd(Sorted), length(lists:ukeysort(1, Rows)),
     [lists:keyfind(K, 1, Rows) || K <- lists:seq(1, 200)],
     lists:sum([X || {X, _, _} <- lists:keymerge(1, [], Sorted)])}.

%% Equality and order of large equal terms: the whole of both is walked.
compare(N) ->
    A = [{I, <<"text">>, [I, 1.5]} || I <- lists:seq(1, 1000)],
    B = [{I, <<"text">>, [I, 1.5]} || I <- lists:seq(1, 1000)],
    length([I || I <- lists:seq(1, N), A =:= B, {I, A} =< {I, B}]).
