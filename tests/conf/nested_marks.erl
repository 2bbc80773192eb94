%% SPDX-License-Identifier: Apache-2.0
%% Receives for fresh references nested into one another, several for one reference, before many old messages: each finds
%% its own, and none looks at the old ones (a hundred thousand times 40,000 would not end).
-module(nested_marks).
-export([main/0]).

main() ->
    Server = spawn_link(fun server/0),
    [self() ! {old, N} || N <- lists:seq(1, 40000)],
    [io:format("~p ~p~n", [Depth, calls(Server, 2000, Depth)]) || Depth <- [1, 2, 3, 8]],
    io:format("~p~n", [calls(Server, 2, 12)]),
    io:format("~p~n", [early(Server)]),
    io:format("~p~n", [olds(0)]),
    tasks().

server() ->
    receive {Ref, From, N} -> [From ! {Ref, I} || I <- lists:seq(1, N)] end,
    server().

calls(_, 0, _) -> [];
calls(Server, N, Depth) ->
    R = call(Server, Depth),
    case calls(Server, N - 1, Depth) of
        [] -> [R];
        [R] -> [R]
    end.

call(_, 0) -> [];
call(Server, Depth) ->
    Ref = erlang:monitor(process, Server),
    Server ! {Ref, self(), 3},
    A = receive {Ref, X} -> X; {'DOWN', Ref, _, _, _} -> down end,
    Inner = call(Server, Depth - 1),
    B = receive {Ref, Y} -> Y; {'DOWN', Ref, _, _, _} -> down end,
    C = receive {Ref, Z} -> Z; {'DOWN', Ref, _, _, _} -> down end,
    erlang:demonitor(Ref, [flush]),
    [{A, B, C} | Inner].

%% A message that came before the mark stays where it was.
early(Server) ->
    self() ! early,
    R = call(Server, 2),
    receive early -> R end.

olds(N) ->
    receive {old, _} -> olds(N + 1) after 0 -> N end.

%% Many tasks at once for one process.
tasks() ->
    Self = self(),
    Pids = [spawn_link(fun() -> [erlang:garbage_collect(Self, [{async, I}]) || I <- lists:seq(1, 100)],
                                Self ! {done, length([ok || I <- lists:seq(1, 100),
                                                            receive {garbage_collect, I, true} -> true end])}
                       end) || _ <- lists:seq(1, 20)],
    io:format("~p~n", [lists:sum([receive {done, N} -> N end || _ <- Pids])]).
