%% SPDX-License-Identifier: Apache-2.0
%% erlang:system_monitor: what it takes, what it gives back, and each kind of message once.
-module(system_monitors).
-export([main/0]).

main() ->
    options(),
    large_heap(),
    long_gc(),
    long_schedule(),
    busy_port(),
    dead().

options() ->
    S = self(),
    P = fun(R) -> io:format("~p~n", [clean(R)]) end,
    P(erlang:system_monitor()),
    [begin
         P({A, catch erlang:system_monitor(S, A)}),
         P(catch erlang:system_monitor())
     end || A <- [[], [busy_port], [{long_gc, 10}], [{long_gc, 0}], [{long_gc, -1}], [{long_gc, x}],
                  [{long_schedule, 5}], [{large_heap, 100}], [{large_heap, 1 bsl 70}], [busy_dist_port], [nonsense], [busy_port | x],
                  x, [{long_schedule, 0}],
                  [busy_port, {long_gc, 3}, {large_heap, 5000}, {long_schedule, 77}, busy_dist_port]]],
    [P(catch F()) || F <- [fun() -> erlang:system_monitor(foo, [busy_port]) end,
                           fun() -> erlang:system_monitor({S, [busy_port]}) end,
                           fun() -> erlang:system_monitor({S, [x]}) end,
                           fun() -> erlang:system_monitor(undefined) end,
                           fun() -> erlang:system_monitor({S, [busy_port]}) end,
                           fun() -> erlang:system_monitor(undefined, []) end,
                           fun() -> erlang:system_monitor(foo) end]].

clean({'EXIT', {R, [{M, F, _, _} | _]}}) -> {exit, R, M, F};
clean(P) when is_pid(P) -> pid;
clean(T) when is_tuple(T) -> list_to_tuple([clean(E) || E <- tuple_to_list(T)]);
clean([H | T]) -> [clean(H) | clean(T)];
clean(T) -> T.

%% What is told of P, kinds of values for values; each message once.
told(Name, P) ->
    erlang:system_monitor(undefined),
    L = lists:usort([{K, shape(I)} || {monitor, Q, K, I} <- flush(), Q =:= P]),
    io:format("~p: ~p~n", [Name, L]).

shape(L) when is_list(L) -> [{K, is_integer(V)} || {K, V} <- L];
shape(P) when is_port(P) -> port.

flush() -> receive M -> [M | flush()] after 0 -> [] end.

run(Options, F) ->
    S = self(),
    erlang:system_monitor(S, Options),
    P = spawn(fun() -> F(), S ! {self(), done}, receive never -> ok end end),
    receive {P, done} -> ok end,
    timer:sleep(50),
    P.

large_heap() -> told(large_heap, run([{large_heap, 50000}], fun() -> put(l, lists:seq(1, 300000)) end)).

long_gc() -> told(long_gc, run([{long_gc, 1}], fun() -> put(l, [{X} || X <- lists:seq(1, 3000000)]) end)).

%% Collections are part of a slice. Where it began and ended is by chance, and may be nowhere.
long_schedule() ->
    S = self(),
    P = run([{long_schedule, 1}], fun() -> put(l, [{X} || X <- lists:seq(1, 3000000)]) end),
    erlang:system_monitor(undefined),
    L = lists:usort([[K || {K, _} <- I] || {monitor, Q, long_schedule, I} <- flush(), Q =:= P, S =:= self()]),
    io:format("long_schedule: ~p~n", [L]).

busy_port() ->
    S = self(),
    erlang:system_monitor(S, [busy_port]),
    P = spawn(fun() ->
                      Port = open_port({spawn, "sleep 2"}, [out]),
                      [catch port_command(Port, binary:copy(<<1>>, 100000)) || _ <- lists:seq(1, 20)]
              end),
    receive {monitor, P, busy_port, _} = M -> S ! M after 5000 -> ok end,
    told(busy_port, P),
    exit(P, kill).

dead() ->
    M = spawn(fun() -> receive never -> ok end end),
    erlang:system_monitor(M, [busy_port]),
    exit(M, kill),
    timer:sleep(50),
    io:format("~p~n", [erlang:system_monitor()]).
