%% SPDX-License-Identifier: Apache-2.0
%% ETS: continuations outlive a name, heirs whose pid somebody else got inherit nothing, what options are rounded to.
-module(ets_life).
-export([main/0]).

main() ->
    continuations(), heir_of_old(), locks(), binaries().

continuations() ->
    T = ets:new(name, [named_table]),
    true = ets:insert(T, [{N, N} || N <- [1, 2, 3]]),
    {[_, _], C} = ets:select(T, [{{'$1', '_'}, [], ['$1']}], 2),
    renamed = ets:rename(T, renamed),
    {[_], '$end_of_table'} = ets:select(C),
    name = ets:rename(renamed, name),
    true = ets:delete(T),
    T = ets:new(name, [named_table]),
    io:format("~p~n", [element(1, element(2, catch ets:select(C)))]).

%% The heir ends, another process gets its pid (always on loom, mostly on erl), then the owner ends.
heir_of_old() ->
    erts_debug:set_internal_state(available_internal_state, true),
    Next = erts_debug:get_internal_state(next_pid),
    {Heir, Ref} = spawn_monitor(fun() -> ok end),
    Main = self(),
    {Owner, OwnerRef} = spawn_monitor(fun() ->
                                              T = ets:new(t, [{heir, Heir, data}]),
                                              receive {ended, Heir} -> ok end,
                                              Main ! {heir, ets:info(T, heir)},
                                              receive go -> ok end
                                      end),
    receive {'DOWN', Ref, _, _, _} -> Owner ! {ended, Heir} end,
    io:format("~p~n", [receive {heir, H} -> H end]),
    erts_debug:set_internal_state(next_pid, Next),
    Others = [spawn(fun() -> receive M -> Main ! M after infinity -> ok end end) || _ <- lists:seq(1, 10)],
    erts_debug:set_internal_state(available_internal_state, false),
    Owner ! go,
    receive {'DOWN', OwnerRef, _, _, _} -> ok end,
    [P ! nothing || P <- Others],
    io:format("~p~n", [[receive M -> M end || _ <- Others]]).

locks() ->
    [io:format("~p ~p~n", [N, catch element(2, ets:info(new(N), write_concurrency))])
     || N <- [1, 64, 100, 2049, 32768]],
    io:format("~p~n", [element(1, element(2, catch new(32769)))]),
    io:format("~p~n", [ets:info(new(64), decentralized_counters)]).

new(Locks) -> ets:new(a, [public, {write_concurrency, {debug_hash_fixed_number_of_locks, Locks}}]).

%% A collection changes nothing about the order in which a process holds its binaries.
binaries() ->
    Held = [binary:copy(<<N>>, 100 + N) || N <- lists:seq(1, 20)],
    erlang:garbage_collect(),
    {binary, Before} = process_info(self(), binary),
    erlang:garbage_collect(),
    {binary, After} = process_info(self(), binary),
    io:format("~p ~p~n", [Before =:= After, length(Held)]).
