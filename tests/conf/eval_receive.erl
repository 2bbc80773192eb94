%% SPDX-License-Identifier: Apache-2.0
%% Evaluated receives: prim_eval:'receive'/2 calls a function for each message, in which exceptions come and go.
-module(eval_receive).
-export([main/0]).

main() ->
    [self() ! {x, I} || I <- lists:seq(1, 5)],
    io:format("~p~n", [eval("receive {x, 4} -> four after 100 -> late end.")]),
    io:format("~p~n", [eval("receive {x, 9} -> nine after 100 -> late end.")]),
    io:format("~p~n", [eval("receive {x, N} when N > 4 -> N after 0 -> late end.")]),
    Pid = self(),
    [erlang:send_after(I rem 3, Pid, {x, I}) || I <- lists:seq(10, 30)],
    io:format("~p~n", [eval("[receive {x, I} -> I end || I <- lists:reverse(lists:seq(10, 30))].")]),
    Catching = fun({x, 3}) -> {taken, 3}; (M) -> catch throw({nomatch, M}), try error(M) catch _:_ -> nomatch end end,
    io:format("~p~n", [prim_eval:'receive'(Catching, 100)]),
    {'EXIT', {timeout_value, _}} = (catch receive nothing -> ok after bad() -> late end),
    io:format("~p~n", [flush()]).

eval(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Exprs} = erl_parse:parse_exprs(Tokens),
    {value, V, _} = erl_eval:exprs(Exprs, []),
    V.

bad() -> list_to_atom("bad").

flush() -> receive M -> [M | flush()] after 0 -> [] end.
