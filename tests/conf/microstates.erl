%% SPDX-License-Identifier: Apache-2.0
%% Microstate accounting; links and monitors as erts_debug shows them.
-module(microstates).
-export([main/0]).

main() ->
    io:format("~p~n", [zero()]),
    io:format("~p~n", [erlang:system_flag(microstate_accounting, true)]),
    L = lists:seq(1, 300000),
    [erlang:garbage_collect() || _ <- lists:seq(1, 5)],
    45000150000 = lists:foldl(fun(X, S) -> X + S end, 0, L),
    receive after 30 -> ok end,
    io:format("~p~n", [erlang:system_flag(microstate_accounting, false)]),
    Before = sums(),
    io:format("~p~n", [[{K, maps:get(K, Before) > 0} || K <- [emulator, gc, sleep, other]]]),
    receive after 5 -> ok end,
    io:format("~p~n", [Before =:= sums()]),
    io:format("~p~n", [[{maps:keys(M), maps:keys(maps:get(counters, M))} || #{type := scheduler, id := 1} = M
                                                                             <- statistics(microstate_accounting)]]),
    io:format("~p ~p~n", [erlang:system_flag(microstate_accounting, reset), zero()]),
    io:format("~p~n", [catch element(1, element(2, catch erlang:system_flag(microstate_accounting, foo)))]),
    erts_debug:set_internal_state(available_internal_state, true),
    tables().

sums() ->
    lists:foldl(fun(#{counters := C}, S) -> maps:fold(fun(K, V, T) -> T#{K => V + maps:get(K, T, 0)} end, S, C) end,
                #{}, statistics(microstate_accounting)).

zero() ->
    lists:usort(maps:values(sums())).

tables() ->
    Self = self(),
    P = spawn(fun() -> receive stop -> ok end end),
    true = register(microstates_p, P),
    true = link(P),
    A = monitor(process, P),
    B = monitor(process, microstates_p),
    C = monitor(process, P, [{alias, demonitor}]),
    _ = monitor(process, Self),
    is_process_alive(P),
    io:format("~p~n", [[{T, S} || {erl_link, T, Q, S, _} <- erts_debug:get_internal_state({link_list, P}), Q =:= Self]]),
    io:format("~p~n", [lists:sort([{T, D, name(R, [A, B, C]), Q =:= P, N}
                                   || {erl_monitor, T, D, R, Q, N} <- erts_debug:get_internal_state({monitor_list, Self}),
                                      T =:= process, D =:= origin])]),
    io:format("~p~n", [lists:sort([{T, D, name(R, [A, B, C]), Q =:= Self, N}
                                   || {erl_monitor, T, D, R, Q, N} <- erts_debug:get_internal_state({monitor_list, P})])]),
    io:format("~p~n", [erts_debug:get_internal_state({link_list, node()})]),
    io:format("~p~n", [erts_debug:get_internal_state(process_info_args)]),
    unlink(P),
    exit(P, kill).

name(R, Rs) -> length(lists:takewhile(fun(X) -> X =/= R end, Rs)).
