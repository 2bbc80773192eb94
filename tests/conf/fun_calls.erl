%% SPDX-License-Identifier: Apache-2.0
%% A fun called last takes its caller's frame; what a process in erlang:hibernate/3 says of itself.
-module(fun_calls).
-export([main/0, asleep/0]).

main() ->
    io:format("~p~n", [loop(fun stack_words/0, 1000)]),
    io:format("~p~n", [with_environment(0, 1000)]),
    io:format("~p~n", [last(fun() -> element(2, process_info(self(), current_stacktrace)) end, {a, b})]),
    io:format("~p~n", [catch last(not_a_fun, {a, b})]),
    io:format("~p~n", [catch last(fun(_) -> ok end, {a, b})]),
    {Pid, Ref} = spawn_monitor(fun() -> erlang:hibernate(?MODULE, asleep, []) end),
    wait_until_asleep(Pid),
    io:format("~p~n", [process_info(Pid, [current_function, current_location, current_stacktrace, status])]),
    Pid ! go,
    receive {'DOWN', Ref, process, Pid, Why} -> io:format("~p~n", [Why]) end.

stack_words() -> element(2, process_info(self(), stack_size)).

%% The frame of last/2 must be gone when Fun runs.
loop(Fun, N) ->
    First = last(Fun, {a, b}),
    Again = fun G(0) -> stack_words(); G(M) -> last(fun() -> G(M - 1) end, {M, M}) end,
    Again(N) - Again(1) + First - First.

last(Fun, {A, B}) ->
    C = id({A, B}),
    id(C),
    Fun().

with_environment(S, N) ->
    Step = fun(_, 0) -> stack_words();
              (F, M) -> id(S), F(F, M - 1)
           end,
    Step(Step, N) - Step(Step, 1).

id(X) -> X.

asleep() ->
    receive go -> exit({stack, stack_words() < 20}) end.

wait_until_asleep(Pid) ->
    case process_info(Pid, status) of
        {status, waiting} -> ok;
        _ -> timer:sleep(1), wait_until_asleep(Pid)
    end.
