%% SPDX-License-Identifier: Apache-2.0
%% What suites of OTP found: funs with too many variables, files as ports, items of system_info/1.
-module(suite_findings).
-export([main/0]).

main() ->
    [io:format("~p~n", [{A, N, try is_function(binary_to_term(fake_fun(A, N))) catch error:E -> E end}])
     || {A, N} <- [{0, 255}, {0, 256}, {0, 257}, {1, 255}, {255, 1}, {255, 0}]],
    io:format("~p~n", [erlang:system_info(schedulers_active) =:= erlang:system_info(schedulers_online)]),
    io:format("~p~n", [erlang:system_info(run_queues) =:= erlang:system_info(schedulers)]),
    bound(),
    vanilla().

%% A process is on its scheduler when process_flag/2 returns.
bound() ->
    N = erlang:system_info(schedulers_online),
    io:format("~p~n", [[{process_flag(scheduler, S), erlang:system_info(scheduler_id) =:= S}
                        || S <- [1, min(2, N), min(2, N), 1]]]),
    io:format("~p ~p~n", [process_flag(scheduler, 0), process_flag(scheduler, 0)]).

fake_fun(Arity, N) ->
    Env = << <<97, 1>> || _ <- lists:seq(1, N) >>,
    Pid = tl(binary_to_list(term_to_binary(self()))),
    B = iolist_to_binary([<<Arity, (erlang:md5([]))/binary, 0:32, N:32>>, <<100, 0, 1, $m>>, <<97, 0>>, <<97, 0>>,
                          Pid, Env]),
    <<131, 112, (byte_size(B) + 4):32, B/binary>>.

vanilla() ->
    Name = "vanilla_" ++ os:getpid(),
    P = open_port(Name, [out]),
    io:format("~p ~p~n", [is_port(P), element(2, erlang:port_info(P, name)) =:= Name]),
    true = port_command(P, ["some ", <<"text">>]),
    P ! {self(), {command, "!"}},
    true = port_close(P),
    io:format("~p~n", [file:read_file(Name)]),
    Q = open_port(list_to_atom(Name), [out]),
    true = port_close(Q),
    io:format("~p~n", [file:read_file(Name)]),
    ok = file:delete(Name),
    [io:format("~p~n", [try open_port(X, O) catch error:E -> E end])
     || {X, O} <- [{"/no/such/directory/file", [out]}, {"/no/such/file", [in]}, {"", [out]}, {[], [out]}]].
