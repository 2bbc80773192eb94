%% SPDX-License-Identifier: Apache-2.0
%% Scripts for some processes, which do as they are told one after another, and write down every message and signal they
%% see. After each step all are asked in rounds until nothing can be under way any more: what was seen is then the
%% same on
%% every machine. Processes are called by the number of the step that made them.
-module(diff_procs).
-export([draw/0, play/1]).

-import(diff_terms, [g/1, r/1, pick/1, chance/1]).

draw() -> {procs, [step(I) || I <- lists:seq(1, 5 + r(20))]}.

step(I) ->
    A = r(I), B = r(I),
    case r(16) of
        0 -> {spawn, A, [O || O <- [link, monitor, {priority, high}, {min_heap_size, 500}, {message_queue_data,
            off_heap}, {fullsweep_after, 0}], chance(40)]};
        1 -> {spawn, A, [link]};
        2 -> {spawn, A, [monitor]};
        3 -> {send, A, B, g(plain)};
        4 -> {link, A, B};
        5 -> {unlink, A, B};
        6 -> {monitor, A, B};
        7 -> {demonitor, A, pick([[], [flush], [info], [flush, info]])};
        8 -> {trap, A, g(bool)};
        9 -> {signal, A, B, pick([normal, kill, a, killed, {b, r(9)}])};
        10 -> {die, A, pick([normal, kill, shutdown, {badmatch, 1}, g(plain)])};
        11 -> {fail, A, pick([{error, g(leaf)}, {throw, g(leaf)}, {exit, g(leaf)}])};
        12 -> {name, A, pick([diff_a, diff_b, undefined, 'x'])};
        13 -> {unname, A, pick([diff_a, diff_b, x])};
        14 -> {info, A, B};
        15 -> pick([{send_name, A, pick([diff_a, diff_b, x]), r(9)}, {timer, A, B, r(9)}, {select, A, r(9)},
            {monitor_name, A, pick([diff_a, diff_b])}, {alias, A}, {hibernate, A}])
    end.

play(Steps) ->
    [catch unregister(N) || N <- [diff_a, diff_b, x]],
    First = new([]),
    {Log, Ps} = lists:foldl(fun step/2, {[], [{0, First}]}, lists:zip(lists:seq(1, length(Steps)), Steps)),
    Names = [{P, N} || {N, P} <- Ps],
    Seen = [ask(P, seen) || {_, P} <- Ps],
    [exit(P, kill) || {_, P} <- Ps],
    names(Names, {lists:reverse(Log), Seen}).

step({I, Step}, {Log, Ps}) ->
    P = proplists:get_value(element(2, Step), Ps, none),
    Done = case P of
        none -> no_such;
        _ -> ask(P, {do, I, with_pids(Step, Ps)})
    end,
    New = case {element(1, Step), Done} of
        {spawn, {done, Pid}} when is_pid(Pid) -> [{I, Pid} | Ps];
        {spawn, {done, {Pid, _}}} -> [{I, Pid} | Ps];
        _ -> Ps
    end,
    Alive = settle(New, length(New) + 2),
    {[{I, Done, Alive} | Log], New}.

with_pids({What, _, B}, Ps) when What =:= link; What =:= unlink; What =:= monitor; What =:= info -> {What, pid(B, Ps)};
with_pids({What, _, B, X}, Ps) when What =:= send; What =:= signal; What =:= timer -> {What, pid(B, Ps), X};
with_pids(Step, _) -> list_to_tuple([element(1, Step) | lists:nthtail(2, tuple_to_list(Step))]).

pid(N, Ps) -> proplists:get_value(N, Ps, none).

%% Exit signals go from one to the next at most as many times as there are processes.
settle(Ps, 0) -> [N || {N, P} <- Ps, is_process_alive(P)];
settle(Ps, Rounds) ->
    [ask(P, ping) || {_, P} <- Ps],
    erlang:yield(),
    settle(Ps, Rounds - 1).

ask(P, Question) ->
    R = monitor(process, P),
    P ! {ask, self(), R, Question},
    receive
        {R, Answer} -> demonitor(R, [flush]), Answer;
        {'DOWN', R, _, _, _} -> dead
    after 5000 -> demonitor(R, [flush]), hangs
    end.

new(Options) -> spawn_opt(fun() -> loop([]) end, Options).

loop(Seen) ->
    receive
        {ask, From, R, seen} -> From ! {R, lists:reverse(Seen)}, loop(Seen);
        {ask, From, R, ping} -> From ! {R, pong}, loop(Seen);
        {ask, From, R, {do, _, {hibernate}}} ->
            From ! {R, done},
            put(seen, Seen),
            erlang:hibernate(erlang, apply, [fun() -> loop(get(seen)) end, []]);
        {ask, From, R, {do, _, {die, Why}}} -> From ! {R, dying}, exit(Why);
        {ask, From, R, {do, _, {fail, {C, Why}}}} -> From ! {R, dying}, erlang:raise(C, Why, []);
        {ask, From, R, {do, I, Step}} ->
            Done = try {done, do(I, Step)} catch C:E -> {C, E} end,
            From ! {R, Done},
            loop(Seen);
        Other -> loop([Other | Seen])
    end.

do(_, {spawn, Options}) -> new(Options);
do(_, {send, To, X}) -> To ! X;
do(_, {send_name, To, X}) -> To ! X;
do(_, {link, To}) -> link(To);
do(_, {unlink, To}) -> unlink(To);
do(I, {monitor, To}) -> put({monitor, I}, monitor(process, To)), ok;
do(I, {monitor_name, To}) -> put({monitor, I}, monitor(process, To)), ok;
do(_, {demonitor, Options}) ->
    case lists:sort([{N, R} || {{monitor, N}, R} <- get()]) of
        [] -> none;
        [{N, R} | _] -> erase({monitor, N}), demonitor(R, Options)
    end;
do(_, {trap, Bool}) -> process_flag(trap_exit, Bool);
do(_, {signal, To, Why}) -> exit(To, Why);
do(_, {name, Name}) -> register(Name, self());
do(_, {unname, Name}) -> unregister(Name);
do(_, {info, Of}) ->
    case process_info(Of, [links, monitors, trap_exit, message_queue_len, registered_name, priority, dictionary]) of
        undefined -> undefined;
        L -> [case V of [_ | _] -> {K, lists:sort(V)}; _ -> {K, V} end || {K, V} <- L, K =/= dictionary]
    end;
do(_, {timer, To, X}) ->
    R = erlang:start_timer(0, To, X),
    receive after 1 -> ok end,
    erlang:cancel_timer(R);
do(_, {select, X}) -> self() ! X, self() ! other, receive X -> got end;
do(_, {alias}) -> A = alias(), A ! to_alias, {unalias(A), unalias(A)}.

names(Names, T) when is_tuple(T) -> list_to_tuple(names(Names, tuple_to_list(T)));
names(Names, [H | T]) -> [names(Names, H) | names(Names, T)];
names(Names, P) when is_pid(P) -> {'$pid', proplists:get_value(P, Names, other)};
names(Names, F) when is_function(F) -> {'$fun', Names =:= []};
names(_, T) -> T.
