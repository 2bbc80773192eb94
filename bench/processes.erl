%% SPDX-License-Identifier: Apache-2.0
%% Processes: messages, spawns, links, monitors, timers.
-module(processes).
-behaviour(bench).
-export([programs/0, ring/1, round_trip/1, fan_in/1, server/1, selective/1, large_message/1, spawns/1, monitors/1,
         links/1, timers/1, after_zero/1]).

programs() ->
    [{ring, 300000}, {round_trip, 150000}, {fan_in, 400000}, {server, 60000}, {selective, 6000},
     {large_message, 6000}, {spawns, 60000}, {monitors, 40000}, {links, 25000}, {timers, 100000},
     {after_zero, 3000000}].

%% 100 processes in a ring; a token goes round until N hops are done.
ring(N) ->
    Self = self(),
    First = lists:foldl(fun(_, Next) -> spawn(fun() -> pass(Next) end) end, Self, lists:seq(1, 99)),
    Hops = turn(First, N, 0),
    First ! stop,
    receive stop -> ok end,
    Hops.

turn(_, N, Hops) when N =< 0 -> Hops;
turn(First, N, Hops) ->
    First ! {token, N},
    receive {token, N} -> turn(First, N - 100, Hops + 100) end.

pass(Next) ->
    receive
        {token, _} = Token ->
            Next ! Token,
            pass(Next);
        stop -> Next ! stop
    end.

round_trip(N) ->
    Echo = spawn(fun echo/0),
    Sum = trip(N, Echo, 0),
    Echo ! stop,
    Sum.

trip(0, _, Sum) -> Sum;
trip(N, Echo, Sum) ->
    Echo ! {self(), N},
    receive {Echo, V} -> trip(N - 1, Echo, Sum + V) end.

echo() ->
    receive
        {From, V} ->
            From ! {self(), V},
            echo();
        stop -> ok
    end.

%% Eight senders, one receiver.
fan_in(N) ->
    Self = self(),
    [spawn(fun() -> [Self ! {item, I} || I <- lists:seq(1, N div 8)] end) || _ <- lists:seq(1, 8)],
    take(N div 8 * 8, 0).

take(0, Sum) -> Sum;
take(N, Sum) -> receive {item, I} -> take(N - 1, Sum + I) end.

%% A call as gen makes it: monitor, request, reply, demonitor.
server(N) ->
    Pid = proc_lib:spawn(fun() -> serve(0) end),
    Last = lists:foldl(fun(I, _) -> {ok, R} = gen:call(Pid, '$gen_call', {add, I}, 5000), R end, 0, lists:seq(1, N)),
    exit(Pid, kill),
    Last.

serve(Sum) ->
    receive {'$gen_call', From, {add, I}} ->
        gen:reply(From, Sum + I),
        serve(Sum + I)
    end.

%% Picks messages out of the middle of a queue of N others.
selective(N) ->
    [self() ! {other, I} || I <- lists:seq(1, N)],
    Sum = lists:sum([pick(I) || I <- lists:seq(N, 1, -1)]),
    {Sum, element(2, process_info(self(), message_queue_len))}.

pick(I) -> receive {other, I} -> I end.

large_message(N) ->
    Echo = spawn(fun echo/0),
    Term = [{I, "some text", [I, I + 1]} || I <- lists:seq(1, 100)],
    Sum = lists:sum([begin Echo ! {self(), Term}, receive {Echo, T} -> length(T) end end || _ <- lists:seq(1, N)]),
    Echo ! stop,
    Sum.

%% Each process answers and dies.
spawns(N) ->
    Self = self(),
    [spawn(fun() -> Self ! {item, I} end) || I <- lists:seq(1, N)],
    take(N, 0).

monitors(N) ->
    lists:sum([begin
                   {Pid, Ref} = spawn_monitor(fun() -> exit(I) end),
                   receive {'DOWN', Ref, process, Pid, V} -> V end
               end || I <- lists:seq(1, N)]).

links(N) ->
    process_flag(trap_exit, true),
    lists:sum([begin
                   Pid = spawn_link(fun() -> receive die -> exit({died, I}) end end),
                   Pid ! die,
                   receive {'EXIT', Pid, {died, V}} -> V end
               end || I <- lists:seq(1, N)]).

%% Starts N timers, cancels most, waits for the rest.
timers(N) ->
    Refs = [erlang:start_timer(100000 + I, self(), I) || I <- lists:seq(1, N)],
    Soon = [erlang:start_timer(1, self(), soon) || _ <- lists:seq(1, 100)],
    Cancelled = length([1 || R <- Refs, is_integer(erlang:cancel_timer(R))]),
    Fired = length([receive {timeout, R, soon} -> R end || R <- Soon]),
    {Cancelled, Fired}.

after_zero(0) -> done;
after_zero(N) -> receive never -> ok after 0 -> after_zero(N - 1) end.
