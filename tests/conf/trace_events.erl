%% SPDX-License-Identifier: Apache-2.0
%% Tracing of processes, messages, ports and collections; sequential traces; who may trace whom.
-module(trace_events).
-export([main/0, child/1]).

main() ->
    process_flag(trap_exit, true),
    logger:set_primary_config(level, none),
    sends(), receives(), procs(), inherits(), follows(), names(), scheduling(), collections(), ports(), new_ones(),
    tracers(), stamps(), sequences(), sequence_values(), profiles(), drivers(), file_port().

%% --- tools: a tracee that does what it is told, messages with names in place of pids ---
tracee() ->
    Self = self(),
    Pid = spawn(fun() -> Self ! {self(), ready}, obey(Self) end),
    receive {Pid, ready} -> Pid end.

obey(Master) ->
    receive
        {Master, do, F} -> R = (catch F()), Master ! {self(), done, R}, obey(Master);
        {Master, quit} -> ok
    end.

%% What happens until the tracee asks for its next order; its own messages with us are left out.
watch(Title, Flags, F) -> watch(Title, tracee(), Flags, F).
watch(Title, Pid, Flags, F) ->
    io:format("== ~p~n", [Title]),
    1 = erlang:trace(Pid, true, Flags),
    Pid ! {self(), do, F},
    R = receive {Pid, done, V} -> V end,
    timer:sleep(20),
    show(Pid, R),
    is_process_alive(Pid) andalso erlang:trace(Pid, false, [all]),
    Pid.

show(Pid, R) ->
    D = erlang:trace_delivered(all),
    receive {trace_delivered, all, D} -> ok end,
    Names = [{Pid, tracee}, {self(), self}],
    put(others, []),
    [io:format("~p~n", [clean(T, Names)]) || T <- flush(), not ours(T)],
    io:format("-> ~p~n", [clean(R, Names)]).

ours({trace, _, 'receive', {_, do, _}}) -> true;
ours({trace, _, send, {_, done, _}, _}) -> true;
ours(_) -> false.

flush() -> receive {trace_ts, _, _, _, _, _} -> flush(); M -> [M | flush()] after 0 -> [] end.

clean(T, Names) when is_pid(T); is_port(T) ->
    case lists:keyfind(T, 1, Names ++ get(others)) of
        {_, N} -> N;
        false ->
            N = {if is_pid(T) -> pid; true -> port end, length(get(others))},
            put(others, get(others) ++ [{T, N}]),
            N
    end;
clean(T, _) when is_reference(T) -> a_reference;
clean(T, _) when is_function(T) -> a_fun;
clean({'EXIT', {R, [_ | _]}}, _) -> {'EXIT', R};
clean(T, Names) when is_tuple(T) -> list_to_tuple(clean(tuple_to_list(T), Names));
clean([H | T], Names) -> [clean(H, Names) | clean(T, Names)];
clean(T, _) -> T.

child(Parent) -> receive {Parent, stop} -> ok; {Parent, fail} -> exit(failed) end.

%% --- messages ---
sends() ->
    Self = self(),
    register(trace_events_self, Self),
    Dead = spawn(fun() -> ok end),
    timer:sleep(10),
    A = alias(),
    Some = fun() ->
        Self ! one, trace_events_self ! two, {trace_events_self, node()} ! three, catch nobody_there ! four,
        Dead ! five, A ! six, erlang:send(Self, seven), self() ! eight, receive eight -> ok end,
        erlang:send_nosuspend(Self, nine), Self ! [1, {2, "drei"}, <<4:12>>, 1 bsl 70]
    end,
    watch(send, [send], Some),
    Specs = [[{['_', one], [], []}], [{['$1', '_'], [{is_atom, '$1'}], []}], [{['_', '$1'], [{is_list, '$1'}], [{message, '$1'}]}],
             [{['_', two], [], [{message, false}]}], false, true, []],
    [begin
         1 = erlang:trace_pattern(send, S, []),
         io:format("~p~n", [erlang:trace_info(send, match_spec)]),
         watch({send, S}, [send], Some)
     end || S <- Specs],
    unregister(trace_events_self).

receives() ->
    Self = self(),
    Some = fun() ->
        self() ! {a, 1}, receive {a, _} -> ok end,
        receive after 1 -> ok end, receive after 0 -> ok end,
        erlang:send_after(1, self(), late), receive late -> ok end,
        M = monitor(process, spawn(fun() -> ok end)), receive {'DOWN', M, _, _, _} -> ok end
    end,
    watch('receive', ['receive'], Some),
    [begin
         1 = erlang:trace_pattern('receive', S, []),
         io:format("~p~n", [erlang:trace_info('receive', match_spec)]),
         watch({'receive', S}, ['receive'], Some)
     end || S <- [[{['_', '$1', '_'], [{is_pid, '$1'}], []}], [{[node(), '_', {a, '$1'}], [], [{message, {{'$1', {node}}}}]}],
                  [{[clock_service, undefined, '_'], [], []}], false, true]].

%% --- processes ---
procs() ->
    Self = self(),
    watch(procs, [procs], fun() ->
        P = spawn(?MODULE, child, [self()]),
        link(P), link(P), unlink(P), unlink(P),
        Q = spawn_link(?MODULE, child, [self()]),
        unlink(Q), exit(Q, kill),
        {R, _} = spawn_monitor(?MODULE, child, [Self]), R ! {Self, stop},
        P ! {self(), stop}, ok
    end),
    T = tracee(),
    watch(exits, T, [procs, exiting], fun() -> register(trace_events_name, self()), exit(normal) end),
    io:format("~p~n", [erlang:trace_info(T, flags)]),
    T ! {Self, quit},
    timer:sleep(10),
    show(T, gone),
    io:format("~p~n", [erlang:trace_info(T, flags)]),
    Linked = tracee(),
    erlang:trace(Linked, true, [procs]),
    link(Linked),
    Other = spawn(fun() -> link(Linked), receive stop -> ok end end),
    timer:sleep(10),
    Other ! stop,
    timer:sleep(10),
    unlink(Linked),
    exit(Linked, bad),
    timer:sleep(20),
    show(Linked, gone).

inherits() ->
    [watch(Flag, [procs, Flag], fun() ->
         P = spawn(fun() -> spawn(fun() -> ok end) end),
         timer:sleep(5),
         spawn(fun() -> ok end),
         timer:sleep(5),
         is_pid(P)
     end) || Flag <- [set_on_spawn, set_on_first_spawn]].

follows() ->
    [watch(Flag, [procs, Flag], fun() ->
         A = spawn(fun() -> receive stop -> ok end end),
         B = spawn(fun() -> receive stop -> ok end end),
         link(A), timer:sleep(5), link(B), timer:sleep(5),
         unlink(A), unlink(B), timer:sleep(5), A ! stop, B ! stop, timer:sleep(5),
         C = spawn_link(fun() -> receive stop -> ok end end),
         unlink(C), C ! stop, timer:sleep(5)
     end) || Flag <- [set_on_link, set_on_first_link]].

names() ->
    T = tracee(),
    erlang:trace(T, true, [procs]),
    register(trace_events_t, T),
    unregister(trace_events_t),
    show(T, ok).

scheduling() ->
    T = tracee(),
    watch(running, T, [running], fun() -> erlang:yield(), receive nothing -> ok after 5 -> ok end end),
    watch(running_exits, T, [running, exiting, procs], fun() -> ok end),
    T ! {self(), quit},
    timer:sleep(10),
    show(T, gone).

collections() ->
    T = tracee(),
    erlang:trace(T, true, [garbage_collection]),
    T ! {self(), do, fun() -> garbage_collect(), ok end},
    receive {T, done, ok} -> ok end,
    erlang:trace(T, false, [garbage_collection]),
    [io:format("~p ~p~n", [Tag, [K || {K, N} <- Info, is_integer(N)]]) || {trace, _, Tag, Info} <- flush()].

%% --- ports ---
ports() ->
    erlang:trace(new_ports, true, [ports, send, 'receive']),
    P = open_port({spawn, "cat"}, [stream]),
    erlang:trace(new_ports, false, [all]),
    port_command(P, "x"), answer(P),
    P ! {self(), {command, [<<"y">>, $z]}}, answer(P),
    register(trace_events_port, P), unregister(trace_events_port),
    unlink(P), link(P),
    io:format("~p~n", [erlang:trace_info(P, flags)]),
    P ! {self(), close},
    timer:sleep(20),
    show(P, ok).

answer(P) -> receive {P, {data, D}} -> D after 2000 -> none end.

%% --- who, when ---
new_ones() ->
    erlang:trace(new_processes, true, [procs]),
    io:format("~p ~p~n", [erlang:trace_info(new, flags), erlang:trace_info(new_processes, tracer) =:= {tracer, self()}]),
    P = spawn(fun() -> receive stop -> ok end end),
    erlang:trace(new_processes, false, [all]),
    io:format("~p ~p~n", [erlang:trace_info(new, flags), erlang:trace_info(P, flags)]),
    P ! stop,
    timer:sleep(10),
    show(P, ok).

tracers() ->
    T = tracee(),
    Mine = spawn(fun() -> receive stop -> ok end end),
    1 = erlang:trace(T, true, [send, {tracer, Mine}]),
    io:format("~p~n", [erlang:trace_info(T, tracer) =:= {tracer, Mine}]),
    io:format("~p~n", [element(1, catch erlang:trace(T, true, [procs]))]),
    1 = erlang:trace(T, true, ['receive', {tracer, Mine}]),
    io:format("~p~n", [erlang:trace_info(T, flags)]),
    Mine ! stop,
    timer:sleep(10),
    io:format("~p ~p~n", [erlang:trace_info(T, flags), erlang:trace_info(T, tracer)]),
    1 = erlang:trace(T, true, [procs]),
    io:format("~p~n", [erlang:trace_info(T, flags)]),
    1 = erlang:trace(T, true, [all]),
    io:format("~p~n", [erlang:trace_info(T, flags)]),
    1 = erlang:trace(T, false, [all]),
    timer:sleep(20),
    flush(),
    io:format("~p ~p~n", [erlang:trace_info(T, flags), erlang:trace_info(T, tracer)]),
    1 = erlang:trace(self(), true, [send]),
    self() ! to_me,
    io:format("~p ~p~n", [erlang:trace_info(self(), flags), flush()]),
    1 = erlang:trace(self(), false, [send]).

stamps() ->
    [begin
         T = tracee(),
         erlang:trace(T, true, [procs, Stamp]),
         erlang:trace(T, false, [procs]),
         erlang:trace(T, true, [procs, Stamp]),
         register(trace_events_t, T),
         receive {trace_ts, T, register, trace_events_t, Time} -> io:format("~p ~p~n", [Stamp, shape(Time)]) end,
         exit(T, kill),
         timer:sleep(5),
         flush()
     end || Stamp <- [timestamp, monotonic_timestamp, strict_monotonic_timestamp]].

shape(T) when is_tuple(T) -> {tuple, [shape(X) || X <- tuple_to_list(T)]};
shape(T) when is_integer(T) -> integer.

%% --- sequential traces ---
sequences() ->
    Self = self(),
    seq_trace:reset_trace(),
    Tracer = spawn(fun() -> collect([]) end),
    false = seq_trace:set_system_tracer(Tracer),
    io:format("~p~n", [seq_trace:get_system_tracer() =:= Tracer]),
    Echo = spawn(fun Loop() -> receive {From, M} -> From ! {self(), M}, Loop() end end),
    seq_trace:set_token({7, {label, 1}, 0, Self, 0}),
    Echo ! {Self, one},
    receive {Echo, one} -> ok end,
    io_free(seq_trace:get_token()),
    seq_trace:print(hello),
    seq_trace:print(17, not_this_label),
    Echo ! {Self, two},
    receive {Echo, two} -> ok end,
    Child = spawn(fun() -> Self ! {child, seq_trace:get_token()} end),
    receive {child, Token} -> io_free(Token) end,
    {_, Ref} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Ref, _, _, _} -> ok end,
    Link = spawn_link(fun() -> exit(bye) end),
    receive {'EXIT', Link, bye} -> ok end,
    erlang:send_after(1, self(), tick),
    receive tick -> ok end,
    io_free(seq_trace:get_token()),
    Plain = spawn(fun() -> seq_trace:set_token([]), Self ! plain end),
    receive plain -> ok end,
    [] = seq_trace:get_token(),
    seq_trace:set_token([]),
    Tracer ! {get, Self},
    Names = [{Self, self}, {Echo, echo}, {Child, child}, {Link, link}, {Plain, plain}, {Tracer, tracer}],
    put(others, []),
    receive {events, Events} -> [io:format("~p~n", [clean(no_serial(E), Names)]) || E <- Events] end,
    put(others, []),
    [io:format("~p~n", [clean(setelement(3, setelement(5, T, last), serial), Names)]) || T <- get(tokens)],
    seq_trace:set_system_tracer(false),
    exit(Echo, kill),
    flush().

%% What a spawn does to the numbers is OTP's own affair; their order is not.
no_serial({L, _, E}) -> {L, setelement(2, E, serial)}.

%% Printing sends messages, which would be traced: kept for later.
io_free(Token) -> put(tokens, case get(tokens) of undefined -> []; T -> T end ++ [Token]).

collect(Acc) ->
    receive
        {get, From} -> From ! {events, lists:keysort(2, [{L, element(2, E), E} || {seq_trace, L, E} <- lists:reverse(Acc)])};
        E -> collect([E | Acc])
    end.

sequence_values() ->
    seq_trace:reset_trace(),
    put(others, []),
    S = [{self(), self}],
    P = fun(V) -> io:format("~p~n", [clean(V, S)]) end,
    P(seq_trace:get_token()),
    P([seq_trace:get_token(I) || I <- [send, 'receive', print, timestamp, monotonic_timestamp, strict_monotonic_timestamp,
                                       label, serial]]),
    P([catch seq_trace:set_token(I, V) || {I, V} <- [{label, 17}, {send, true}, {send, x}, {serial, {1, 2}}, {serial, x}, {foo, true},
                                                     {timestamp, true}, {monotonic_timestamp, true}, {timestamp, false}]]),
    T = seq_trace:get_token(),
    seq_trace:set_token([]),
    P(T),
    seq_trace:set_token(T),
    T1 = seq_trace:get_token(),
    seq_trace:set_token([]),
    P(T1),
    P(catch seq_trace:get_token(foo)),
    P(catch seq_trace:set_system_tracer(foo)),
    P(erlang:match_spec_test([x], [{'_', [], [{message, {set_seq_token, label, 1}}]}], trace)),
    seq_trace:reset_trace().

%% --- profiles ---
profiles() ->
    Self = self(),
    Collector = spawn(fun() -> receive {get, From} -> From ! {events, flush()} end end),
    io:format("~p~n", [erlang:system_profile()]),
    undefined = erlang:system_profile(Collector, [runnable_procs, monotonic_timestamp]),
    io:format("~p~n", [erlang:system_profile() =:= {Collector, [runnable_procs]}]),
    T = spawn(fun() -> receive go -> Self ! gone end end),
    timer:sleep(20),
    T ! go,
    receive gone -> ok end,
    timer:sleep(20),
    erlang:system_profile(undefined, []),
    Collector ! {get, Self},
    receive
        {events, Events} -> io:format("~p~n", [[{S, is_tuple(W), is_integer(Ts)} || {profile, P, S, W, Ts} <- Events, P =:= T]])
    end,
    io:format("~p~n", [element(1, catch erlang:system_profile(Self, [nonsense]))]).

drivers() ->
    {ok, L} = erl_ddll:loaded_drivers(),
    io:format("~p ~p~n", [lists:member("tty_sl", L), erl_ddll:info(tty_sl, linked_in_driver)]),
    io:format("~p ~p~n", [erl_ddll:load_driver("/tmp", tty_sl), element(1, erl_ddll:load_driver("/tmp", "no_such_drv"))]),
    io:format("~p ~p~n", [erl_ddll:unload_driver(tty_sl), erl_ddll:unload_driver("no_such_drv")]),
    [begin
         R = erl_ddll:monitor(driver, M),
         receive {What, R, driver, N, Why} -> io:format("~p~n", [{What, N, Why}]) end
     end || M <- [{"tty_sl", loaded}, {"no_such_drv", loaded}]],
    io:format("~p~n", [element(1, catch erl_ddll:monitor(driver, {"tty_sl", x}))]),
    io:format("~ts~n", [erl_ddll:format_error(linked_in_driver)]).

%% dbg writes to a file, and reads it again.
file_port() ->
    File = filename:join("/tmp", "loom_trace_" ++ os:getpid()),
    {ok, _} = dbg:tracer(port, dbg:trace_port(file, File)),
    {ok, _} = dbg:p(self(), [call]),
    {ok, _} = dbg:tp(lists, seq, 2, [{'_', [], [{return_trace}]}]),
    lists:seq(1, 3),
    dbg:flush_trace_port(),
    dbg:stop_clear(),
    Self = self(),
    dbg:trace_client(file, File, {fun(end_of_trace, _) -> Self ! read; (T, _) -> put(others, []),
                                      io:format("~p~n", [clean(T, [{Self, self}])]) end, []}),
    receive read -> file:delete(File) after 3000 -> timeout end.
