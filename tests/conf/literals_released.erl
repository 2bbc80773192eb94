%% SPDX-License-Identifier: Apache-2.0
%% Literals of purged modules and erased persistent terms become each process's own, wherever it keeps them.
-module(literals_released).
-export([main/0]).

main() ->
    purged(),
    erased(),
    many(),
    big_heap(),
    shared(),
    idle(),
    io:format("~p~n", [persistent_term:get({?MODULE, none}, gone)]).

%% A module with a list, a tuple, a map, binaries and a fun-free term; shared inside.
load() ->
    Big = binary:copy(<<"0123456789">>, 20),
    Term = {[1, 2.5, {x, <<"small">>}], Big, #{a => Big, [b] => 1 bsl 70}, fun lists:map/2},
    Forms = [{attribute, 1, module, literals_released_m}, {attribute, 2, export, [{get, 0}]},
             {function, 3, get, 0, [{clause, 3, [], [], [erl_parse:abstract(setelement(4, Term, last), 3)]}]}],
    {ok, M, Code} = compile:forms(Forms, []),
    {module, M} = code:load_binary(M, "m", Code),
    M.

purged() ->
    M = load(),
    Parent = self(),
    Pids = [spawn_link(fun() -> holder(Parent, How, M:get()) end) || How <- [stack, dict, queue, cell, waiting]],
    [receive {P, ready} -> ok end || P <- Pids],
    Self = M:get(),
    io:format("~p ~p~n", [erts_debug:size_shared(Self), erlang:phash2(Self)]),
    code:delete(M),
    code:purge(M),
    wait(Self),
    Expected = erlang:phash2(Self),
    [begin P ! check, receive {P, Hash} -> io:format("~p~n", [Hash =:= Expected]) end end || P <- Pids],
    erlang:garbage_collect(),
    io:format("~p ~p~n", [Self, erts_debug:size_shared(Self) > 0]).

holder(Parent, stack, T) ->
    Parent ! {self(), ready},
    receive check -> ok end,
    check(Parent, T);
holder(Parent, dict, T) ->
    put(it, T),
    Parent ! {self(), ready},
    receive check -> ok end,
    check(Parent, get(it));
holder(Parent, queue, T) ->
    self() ! {in, T},
    self() ! [T | T],
    self() ! element(2, T),
    Parent ! {self(), ready},
    receive check -> ok end,
    receive {in, U} -> ok end,
    receive [V | V] -> ok end,
    receive B when is_binary(B) -> ok end,
    U = V,
    B = element(2, V),
    check(Parent, V);
holder(Parent, cell, T) ->
    L = [T | lists:seq(1, 1000)],
    Parent ! {self(), ready},
    receive check -> ok end,
    1001 = length(L),
    check(Parent, hd(L));
holder(Parent, waiting, T) ->
    {P, R} = spawn_monitor(fun() -> receive after infinity -> ok end end),
    Parent ! {self(), ready},
    receive check -> ok end,
    exit(P, T),
    receive {'DOWN', R, process, P, U} -> check(Parent, U) end.

check(Parent, T) ->
    wait(T),
    Parent ! {self(), erlang:phash2(T)}.

wait(T) ->
    case erts_debug:size_shared(T) of
        0 -> receive after 5 -> wait(T) end;
        _ -> ok
    end.

erased() ->
    Key = {?MODULE, erased},
    Value = {make_ref(), binary:copy(<<"x">>, 100), lists:seq(1, 10)},
    persistent_term:put(Key, Value),
    T = persistent_term:get(Key),
    Timer = erlang:start_timer(20, self(), T),
    Tag = erlang:monitor(process, spawn(fun() -> receive after 20 -> ok end end), [{tag, {down, T}}]),
    io:format("~p ", [erts_debug:size_shared(T)]),
    persistent_term:put(Key, replaced),
    wait(T),
    io:format("~p ", [T =:= Value]),
    receive {timeout, Timer, V} -> io:format("~p ", [V =:= Value]) end,
    receive {{down, D}, Tag, _, _, _} -> io:format("~p~n", [D =:= Value]) end,
    persistent_term:erase(Key).

%% Erased one after another while others look at them.
many() ->
    N = 500,
    [persistent_term:put({?MODULE, I}, {I, integer_to_list(I)}) || I <- lists:seq(1, N)],
    Parent = self(),
    Pids = [spawn_link(fun() ->
                               Ts = [persistent_term:get({?MODULE, I}) || I <- lists:seq(1, N)],
                               Parent ! {self(), ready},
                               receive go -> ok end,
                               [wait(T) || T <- Ts],
                               Parent ! {self(), lists:foldl(fun({I, L}, S) -> I = list_to_integer(L), S + I end, 0, Ts)}
                       end) || _ <- lists:seq(1, 4)],
    [receive {P, ready} -> ok end || P <- Pids],
    [true = persistent_term:erase({?MODULE, I}) || I <- lists:seq(1, N)],
    [P ! go || P <- Pids],
    io:format("~p~n", [[receive {P, S} -> S end || P <- Pids]]).

%% What is copied counts.
big_heap() ->
    persistent_term:put(?MODULE, lists:seq(1, 100000)),
    {P, R} = spawn_monitor(fun() ->
                                   process_flag(max_heap_size, #{size => 50000, kill => true, error_logger => false}),
                                   T = persistent_term:get(?MODULE),
                                   receive stop -> exit({unexpected, length(T)}) end
                           end),
    receive after 50 -> ok end,
    persistent_term:erase(?MODULE),
    receive {'DOWN', R, _, _, Why} -> io:format("~p~n", [Why]) after 3000 -> P ! stop, io:format("lives~n") end.

%% What a persistent term shares stays shared: written out, this one is larger than any memory.
shared() ->
    B = binary:copy(<<"y">>, 100),
    T = lists:foldl(fun(I, A) -> {A, [A | I], A} end, #{b => B, c => [B, make_ref()]}, lists:seq(1, 100)),
    persistent_term:put({?MODULE, shared}, T),
    U = persistent_term:get({?MODULE, shared}),
    io:format("~p ~p ", [erts_debug:size(T) =:= erts_debug:size(U), erts_debug:size_shared(U)]),
    persistent_term:erase({?MODULE, shared}),
    wait(U),
    erlang:garbage_collect(),
    io:format("~p ~p~n", [erts_debug:size(T) =:= erts_debug:size(U), element(1, leaf(U)) =:= B]).

leaf(#{b := B, c := C}) -> {B, C};
leaf({A, [_ | _], _}) -> leaf(A).

%% The collector of OTP has nothing left to do.
idle() ->
    [Pid] = [P || P <- processes(),
                  process_info(P, initial_call) =:= {initial_call, {erts_literal_area_collector, start, 0}}],
    idle(Pid).

idle(Pid) ->
    Ref = make_ref(),
    Pid ! {get_status, Ref, self()},
    receive
        {Ref, idle} -> io:format("idle~n");
        {Ref, working} -> receive after 10 -> idle(Pid) end
    after 3000 -> io:format("silent~n")
    end.
