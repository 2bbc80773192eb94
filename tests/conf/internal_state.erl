%% SPDX-License-Identifier: Apache-2.0
%% erts_debug:set_internal_state/2 and get_internal_state/1: closed at first, and what they answer when open.
-module(internal_state).
-export([main/0]).

main() ->
    closed(),
    false = erts_debug:set_internal_state(available_internal_state, true),
    true = erts_debug:set_internal_state(available_internal_state, true),
    open(),
    true = erts_debug:set_internal_state(available_internal_state, false),
    false = erts_debug:set_internal_state(available_internal_state, false),
    closed().

closed() ->
    ask(available_internal_state), ask(next_pid), tell(reds_left, 1), tell(available_internal_state, foo).

open() ->
    [ask(X) || X <- [available_internal_state, foo, force_heap_frags, lc_graph, flxctr_memory_usage, {process_status, self()},
                     {process_status, foo}, {binary_info, <<1, 2>>}, {binary_info, foo}]],
    {refc_binary, 1000, {binary, 1000}, 0} = erts_debug:get_internal_state({binary_info, binary:copy(<<1>>, 1000)}),
    [tell(Limit, X) || Limit <- [binary_loop_limit, unicode_loop_limit, re_loop_limit], X <- [10, 0, -1, foo, default, 5, default]],
    [tell(wait, X) || X <- [deallocations, thread_progress, aux_work, timer_cancellations, foo]],
    [tell(X, Y) || {X, Y} <- [{foo, 1}, {available_internal_state, foo}, {reds_left, 100}, {reds_left, foo}, {next_pid, foo},
                             {next_pid, -1}, {mbuf, {a, "b"}}, {ets_force_trap, true}, {colliding_names, foo}]],
    [tell(How, Ms) || How <- [sleep, block], Ms <- [0, 1, -3, foo, 1 bsl 70]],
    [long(How) || How <- [sleep, block]],
    true = erts_debug:get_internal_state(reds_left) =< 4000,
    {Pid, Ref} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Ref, _, _, _} -> ok end,
    ask({process_status, Pid}),
    Next = erts_debug:get_internal_state(next_pid),
    true = erts_debug:set_internal_state(next_pid, Next) >= Next,
    Names = erts_debug:set_internal_state(colliding_names, {foo, 3}),
    io:format("~p ~p~n", [length(lists:usort(Names)), [N || N <- Names, not is_atom(N)]]),
    Hash = ets:new(a, []),
    Tree = ets:new(a, [ordered_set, public, {write_concurrency, true}]),
    [tell(Wish, {Table, true}) || Wish <- [ets_force_split, ets_debug_random_split_join], Table <- [Hash, Tree]].

long(How) ->
    {Us, true} = timer:tc(erts_debug, set_internal_state, [How, 20]),
    io:format("~p ~p~n", [How, Us >= 20000]).

ask(X) -> io:format("~p~n", [catch no_arguments(fun() -> erts_debug:get_internal_state(X) end)]).

tell(X, Y) -> io:format("~p ~p~n", [{X, catch_ref(Y)}, no_arguments(fun() -> erts_debug:set_internal_state(X, Y) end)]).

catch_ref({T, B}) when is_reference(T) -> {table, B};
catch_ref(Y) -> Y.

%% Only what is raised and by whom: arguments may hold references.
no_arguments(F) ->
    try F()
    catch Class:Reason:Stack -> {M, Function, _, _} = hd(Stack), {Class, Reason, M, Function}
    end.
