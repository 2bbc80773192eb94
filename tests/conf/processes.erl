%% SPDX-License-Identifier: Apache-2.0
%% What processes promise each other: links, monitors, exits, names, aliases, messages.
-module(processes).
-export([main/0, echo/1]).

%% Pids, ports and references differ between machines: they are named by first appearance.
p(Tag, Value) ->
    {{T, V}, M} = anon({Tag, Value}, case get('$names') of undefined -> #{}; M0 -> M0 end),
    put('$names', M),
    io:format("~p: ~p~n", [T, V]).

main() ->
    process_flag(trap_exit, true),
    links(), monitors(), exits(), names(), spawns(), receives(), aliases(), flags(), info(), suspend(), badargs().

collect() -> collect(200).
collect(T) -> receive M -> [M | collect(T)] after T -> [] end.

anon(T, M) when is_pid(T); is_reference(T); is_port(T) ->
    case M of
        #{T := N} -> {N, M};
        _ ->
            Kind = if is_pid(T) -> pid; is_port(T) -> port; true -> ref end,
            N = {Kind, map_size(M)},
            {N, M#{T => N}}
    end;
anon([H | T], M) -> {H1, M1} = anon(H, M), {T1, M2} = anon(T, M1), {[H1 | T1], M2};
anon(T, M) when is_tuple(T) -> {L, M1} = anon(tuple_to_list(T), M), {list_to_tuple(L), M1};
anon(T, M) -> {T, M}.

wait_dead(P) -> M = monitor(process, P), receive {'DOWN', M, _, _, _} -> ok end.

links() ->
    P1 = spawn_link(fun() -> exit(bye) end),
    p(link_exit, collect()),
    P2 = spawn(fun() -> receive stop -> ok end end),
    true = link(P2), true = link(P2), true = unlink(P2), P2 ! stop,
    p(unlinked, collect()),
    wait_dead(P2),
    true = link(P2),
    p(link_dead, collect()),
    process_flag(trap_exit, false),
    p(link_dead_untrapped, catch link(P2)),
    p(self_link, catch link(self())),
    process_flag(trap_exit, true),
    _ = collect(),
    Chain = spawn_link(fun() -> spawn_link(fun() -> spawn_link(fun() -> exit(deep) end), timer:sleep(5000) end), timer:sleep(5000) end),
    p(chain, collect()).

monitors() ->
    P = spawn(fun() -> receive stop -> exit(done) end end),
    R1 = monitor(process, P), R2 = monitor(process, P),
    demonitor(R1), P ! stop,
    p(down, collect()),
    R3 = monitor(process, P),
    p(down_dead, collect()),
    R4 = monitor(process, no_such_name),
    p(down_name, collect()),
    R5 = monitor(process, P),
    p(flush, {demonitor(R5, [flush, info]), collect()}),
    p(info, demonitor(R5, [info])),
    p(bad, catch demonitor(foo)),
    R6 = monitor(process, P, [{tag, mytag}]),
    p(tag, collect()),
    {P7, R7} = spawn_monitor(fun() -> error(oops) end),
    [{'DOWN', R7, process, P7, {oops, [{M, F, A, L} | _]}}] = collect(),
    p(crash, {M, F, A, L}),
    p(self, monitor(process, self()) =/= ok),
    p(time_offset, is_reference(monitor(time_offset, clock_service))).

exits() ->
    Quiet = fun() -> receive after infinity -> ok end end,
    Trap = fun() -> process_flag(trap_exit, true), receive X -> exit({got, X}) end end,
    [begin
         {P, R} = spawn_monitor(F), timer:sleep(5),
         exit(P, Reason), timer:sleep(5),
         p({exit2, N, Reason}, [X || {'DOWN', R1, _, _, X} <- collect(50), R1 =:= R]),
         exit(P, kill)
     end || {N, F} <- [{quiet, Quiet}, {trap, Trap}], Reason <- [normal, foo, kill, shutdown]],
    _ = collect(),
    p(self_normal, begin exit(self(), normal), collect(10) end),
    p(self_kill_caught, catch exit(kill)),
    [begin
         {_, R} = spawn_monitor(F),
         receive {'DOWN', R, _, _, Why} -> p(reason, strip(Why)) end
     end || F <- [fun() -> exit(a) end, fun() -> throw(b) end, fun() -> error(c) end,
                  fun() -> error({d, 1}) end, fun() -> ok end, fun() -> exit(normal) end,
                  fun() -> 1 = hd([2]) end, fun() -> exit({shutdown, x}) end]].

strip({R, [{_, _, _, _} | _]}) -> {R, stack};
strip(R) -> R.

names() ->
    P = spawn(fun() -> receive stop -> ok end end),
    p(register, register(conf_name, P)),
    p(whereis, whereis(conf_name) =:= P),
    p(again, catch register(conf_name, self())),
    p(twice, catch register(conf_other, P)),
    p(undefined, catch register(undefined, P)),
    p(info, process_info(P, registered_name)),
    p(send, conf_name ! hi),
    conf_name ! stop, wait_dead(P),
    p(gone, whereis(conf_name)),
    p(send_gone, catch conf_name ! x),
    p(unregister, catch unregister(conf_name)),
    p(dead, catch register(conf_name, P)).

echo(To) -> To ! {echo, self()}.

spawns() ->
    P = spawn(?MODULE, echo, [self()]),
    receive {echo, P} -> p(spawn3, ok) after 1000 -> p(spawn3, timeout) end,
    {P2, R} = spawn_opt(?MODULE, echo, [self()], [monitor, link, {priority, high}, {min_heap_size, 1000}]),
    p(opt, collect()),
    p(bad, catch spawn(foo)),
    p(bad_args, catch spawn(lists, reverse, [a | b])),
    p(bad_opt, catch spawn_opt(fun() -> ok end, [nonsense])),
    {P3, R3} = spawn_monitor(no_module, f, [1]),
    receive {'DOWN', R3, process, P3, Why} -> p(undef, Why) end,
    Req = spawn_request(fun() -> ok end, [monitor]),
    p(request, [X || X <- collect()]).

receives() ->
    self() ! a, self() ! b, self() ! c,
    p(selective, [receive c -> 1 end, receive a -> 2 end, receive b -> 3 end]),
    p(zero, receive x -> y after 0 -> none end),
    T0 = erlang:monotonic_time(millisecond),
    receive x -> y after 30 -> ok end,
    T1 = erlang:monotonic_time(millisecond),
    p(after30, T1 - T0 >= 30 andalso T1 - T0 < 500),
    p(bad_timeout, catch receive after -1 -> ok end),
    p(bad_timeout2, catch receive after foo -> ok end),
    self() ! {big, lists:seq(1, 1000)}, self() ! small,
    p(len, process_info(self(), message_queue_len)),
    receive small -> ok end,
    receive {big, L} -> p(big, length(L)) end,
    N = 20000,
    Me = self(),
    spawn_link(fun() -> [Me ! {n, I} || I <- lists:seq(1, N)] end),
    p(order, lists:sum([receive {n, I} -> I end || I <- lists:seq(1, N)])),
    _ = collect().

aliases() ->
    A = alias(),
    A ! one, p(alias, collect(20)),
    p(unalias, {unalias(A), unalias(A)}),
    A ! two, p(gone, collect(20)),
    B = alias([reply]),
    B ! x, B ! y, p(reply, collect(20)),
    P = spawn(fun() -> receive {R, V} -> R ! {R, V}, R ! {R, V} end end),
    M = monitor(process, P, [{alias, reply_demonitor}]),
    P ! {M, 42}, p(reply_demonitor, collect(50)),
    p(bad, catch alias([foo])).

flags() ->
    p(trap, process_flag(trap_exit, true)),
    p(priority, {process_flag(priority, high), process_flag(priority, normal)}),
    p(bad, catch process_flag(nonsense, 1)),
    p(bad2, catch process_flag(trap_exit, 1)),
    p(error_handler, process_flag(error_handler, error_handler)),
    p(mqd, {process_flag(message_queue_data, off_heap), process_flag(message_queue_data, on_heap)}),
    put(k, v), put(k2, {v, 2}),
    p(dict, {get(k), put(k, w), erase(k), get(k), get(k2), get_keys(v)}),
    Saved = get('$names'), All = erase(), put('$names', Saved),
    p(erase, lists:keydelete('$names', 1, All)).

info() ->
    P = spawn(fun() -> process_flag(trap_exit, true), receive stop -> ok end end),
    timer:sleep(5),
    link(P), M = monitor(process, P),
    P ! hello,
    [p(I, process_info(P, I))
     || I <- [trap_exit, links, monitored_by, monitors, message_queue_len, messages, status, priority, dictionary,
              registered_name, current_function, error_handler, initial_call]],
    p(list, process_info(P, [status, registered_name, trap_exit])),
    p(bad, catch process_info(P, foo)),
    p(alive, {is_process_alive(P), is_process_alive(self())}),
    P ! stop, wait_dead(P), demonitor(M),
    p(dead, {is_process_alive(P), process_info(P), process_info(P, links)}),
    _ = collect().

suspend() ->
    Me = self(),
    P = spawn(fun F() -> receive X -> Me ! {got, X}, F() end end),
    p(suspend, erlang:suspend_process(P)),
    P ! 1, p(none, collect(30)),
    p(status, process_info(P, status)),
    p(resume, erlang:resume_process(P)), p(got, collect(30)),
    p(bad, catch erlang:resume_process(P)),
    exit(P, kill).

badargs() ->
    [p({N, A}, catch apply(erlang, N, A))
     || {N, A} <- [{link, [a]}, {unlink, [1]}, {exit, [a, b]}, {monitor, [process, 1]}, {monitor, [foo, self()]},
                   {send, [1, 2]}, {'!', [{a}, 2]}, {register, ["a", self()]}, {group_leader, [a, b]},
                   {is_process_alive, [x]}, {send_after, [-1, self(), x]}, {process_info, [x]}, {put, []}]],
    ok.
