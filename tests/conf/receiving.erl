%% SPDX-License-Identifier: Apache-2.0
%% Where a receive goes on: past messages that a match function refused, with exceptions caught inside it (erl_eval does
%% that); after one that left it; after a bad time-out.
-module(receiving).
-export([main/0]).

main() ->
    [self() ! {x, N} || N <- lists:seq(1, 30)],
    Exprs = "[receive {x, N} -> N after 2000 -> lost end || N <- lists:seq(30, 1, -1)].",
    {ok, Tokens, _} = erl_scan:string(Exprs),
    {ok, Forms} = erl_parse:parse_exprs(Tokens),
    {value, Taken, _} = erl_eval:exprs(Forms, []),
    io:format("~p~n", [Taken]),
    fill(),
    Caught = prim_eval:'receive'(fun(M) -> _ = (catch error(inside)), case M of b -> yes; _ -> nomatch end end, 1000),
    io:format("~p ~p~n", [Caught, next()]),
    fill(),
    Left = (catch prim_eval:'receive'(fun(b) -> throw(left); (_) -> nomatch end, infinity)),
    io:format("~p ~p~n", [Left, next()]),
    fill(),
    Bad = lists:last([1, bad]),
    io:format("~p~n", [try receive never -> ok after Bad -> ok end catch C:R -> {C, R, next()} end]).

fill() ->
    flush(),
    self() ! a,
    self() ! b.

flush() -> receive _ -> flush() after 0 -> ok end.
next() -> receive M -> M after 100 -> none end.
