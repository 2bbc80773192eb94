%% SPDX-License-Identifier: Apache-2.0
%% Ports to programs: data, lines, packets, ends, options, errors, links and monitors, os:cmd.
-module(ports).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~p~n", [Tag, Value]).
try_(F) -> try F() catch C:R -> {C, R} end.

collect(T) -> receive M -> [M | collect(T)] after T -> [] end.
%% What came from the port, up to its end. Data may come in pieces.
until_end(P) ->
    receive
        {P, {data, D}} -> [{data, D} | until_end(P)];
        {P, eof} -> [eof];
        {P, X} -> [X | until_end(P)];
        {'EXIT', P, R} -> [{exit, R}]
    after 5000 -> [timeout]
    end.
join(L) -> join(L, []).
join([{data, D} | T], Acc) when is_list(D); is_binary(D) -> join(T, [Acc, D]);
join([X | T], []) -> [X | join(T, [])];
join([X | T], Acc) -> [{data, iolist_to_binary(Acc)}, X | join(T, [])];
join([], []) -> [];
join([], Acc) -> [{data, iolist_to_binary(Acc)}].

t(Name, Opts) ->
    P = open_port(Name, Opts),
    p({Name, Opts}, join(until_end(P))),
    catch port_close(P),
    _ = collect(0).

main() ->
    process_flag(trap_exit, true),
    [t({spawn, C}, O) || {C, O} <- [
        {"printf abc", [exit_status, {line, 10}]}, {"printf abc", [exit_status, {line, 10}, eof]}, {"printf abc", [{line, 10}, eof]},
        {"printf 'abcdefghijk\\nab'", [{line, 5}]}, {"printf 'abcde\\nfghij\\n\\nab\\n'", [{line, 5}, binary]},
        {"false", [exit_status]}, {"nonexistent_program_x", [exit_status, stderr_to_stdout, binary]}, {"cat", [in]},
        {"pwd", [{cd, "/usr"}, binary]}, {"true", []}, {"printf '\\000\\003abc\\000\\001z'", [{packet, 2}]}, {"printf '\\002ab\\000'", [{packet, 1}, binary]}]],
    t({spawn_executable, "/bin/echo"}, [{args, ["a b", <<"c">>, "é"]}]),
    t({spawn_executable, "/bin/sh"}, [{args, ["-c", "echo $0 $FOO \"[$HOME]\" $#; exit 7"]}, {arg0, "x"}, {env, [{"FOO", "bar"}, {"HOME", false}]}, exit_status]),
    t({spawn_executable, "/bin/sh"}, [{args, ["-c", "kill -9 $$"]}, exit_status]),
    os:putenv("CONF_PORT_VAR", "value"),
    t({spawn, "printenv CONF_PORT_VAR"}, [exit_status]),
    p(errors, [try_(fun() -> open_port(N, O) end) || {N, O} <- [
        {{spawn_executable, "/none"}, []}, {{spawn_executable, "/etc/passwd"}, []}, {{spawn, ""}, []}, {{spawn_driver, "foo"}, []},
        {{spawn, "true"}, [foo]}, {{spawn, "true"}, [{packet, 3}]}, {{spawn, "a"}, [{line, 0}]}, {{spawn, "a"}, [{args, ["x"]}]},
        {{spawn_executable, "/bin/true"}, [{args, [1]}]}, {{spawn_executable, "/bin/true"}, [{arg0, 1}]}, {{spawn, "true"}, [{env, [1]}]},
        {{spawn, "true"}, [in | out]}, {{fd, a, b}, []}, {{spawn, [97, 0, 98]}, []}, {{spawn_executable, true}, []}]]),
    talk(), life(), commands(), big().

talk() ->
    P = open_port({spawn, "cat"}, [{packet, 2}]),
    P ! {self(), {command, "hello"}},
    p(packet, receive {P, X} -> X after 5000 -> none end),
    P ! {self(), {command, []}},
    p(empty, receive {P, X2} -> X2 after 5000 -> none end),
    p(command, port_command(P, ["a", <<"b">>, [$c]])),
    p(reply, receive {P, X3} -> X3 after 5000 -> none end),
    p(badarg, [try_(fun() -> port_command(P, D) end) || D <- [a, [256], [a | b]]]),
    p(badopt, try_(fun() -> port_command(P, "x", [foo]) end)),
    p(info, [erlang:port_info(P, I) || I <- [name, registered_name, input, output, monitors, monitored_by, queue_size, parallelism]]),
    p(info_keys, lists:sort([K || {K, _} <- erlang:port_info(P)])),
    p(info_more, [erlang:port_info(P, connected) =:= {connected, self()}, erlang:port_info(P, links) =:= {links, [self()]},
                  try_(fun() -> erlang:port_info(P, foo) end)]),
    p(is, [is_port(P), lists:member(P, erlang:ports()), P > self(), list_to_port(port_to_list(P)) =:= P]),
    p(data, [erlang:port_set_data(P, {some, "data"}), erlang:port_get_data(P)]),
    true = register(conf_port, P), conf_port ! {self(), {command, "by name"}},
    p(name, [receive {P, X4} -> X4 after 5000 -> none end, erlang:port_info(conf_port, registered_name), whereis(conf_port) =:= P]),
    p(control, [try_(fun() -> port_control(P, 1, "") end), try_(fun() -> erlang:port_call(P, 1, x) end)]),
    P ! {self(), {foo}},
    p(badsig, [case M of {'EXIT', P, R} -> R; _ -> other end || M <- collect(50)]),
    p(close, port_close(P)),
    p(closed, [case M of {'EXIT', P, R} -> R; _ -> M end || M <- collect(50)]),
    p(after_close, [erlang:port_info(P), erlang:port_info(P, name), try_(fun() -> port_command(P, "x") end), try_(fun() -> port_close(P) end),
                    whereis(conf_port), P ! {self(), close} =:= {self(), close}, collect(20)]).

life() ->
    Me = self(),
    P = open_port({spawn, "cat"}, []),
    M = monitor(port, P),
    Q = spawn_link(fun F() -> receive stop -> ok; X -> Me ! {got, X}, F() end end),
    P ! {Me, {connect, Q}},
    p(connected, receive {P, C} -> C after 1000 -> none end),
    P ! {Q, {command, "abc"}},
    p(to_new, receive {got, {P, D}} -> D after 1000 -> none end),
    P ! {Me, close},
    p(not_owner, receive {'EXIT', P, R} -> R after 1000 -> none end),
    unlink(P),
    P ! {Q, close},
    p(close, receive {got, {P, D2}} -> D2 after 1000 -> none end),
    p(down, receive {'DOWN', M, T, P, R2} -> {T, R2} after 1000 -> none end),
    p(noproc, begin M2 = monitor(port, P), receive {'DOWN', M2, port, P, R3} -> R3 after 1000 -> none end end),
    Q ! stop,
    %% The owner ends: so does its port.
    O = spawn(fun() -> X = open_port({spawn, "cat"}, []), Me ! {port, X}, receive die -> exit(why) end end),
    X = receive {port, X0} -> X0 end, M3 = monitor(port, X), O ! die,
    p(owner, receive {'DOWN', M3, port, X, R4} -> R4 after 1000 -> none end),
    Y = open_port({spawn, "cat"}, []), unlink(Y), exit(Y, normal), timer:sleep(10),
    p(exit_normal, is_list(erlang:port_info(Y))), exit(Y, foo), timer:sleep(10), p(exit_other, erlang:port_info(Y)),
    Z = open_port({spawn, "cat"}, []), p(connect, [port_connect(Z, self()), try_(fun() -> port_connect(Z, foo) end)]), port_close(Z), collect(10).

commands() ->
    p(cmd, [os:cmd("echo hello; echo err >&2; exit 3"), os:cmd("cat"), os:cmd("printf 'no newline'"), os:cmd("exit 1")]),
    p(cmd_big, length(os:cmd("head -c 300000 /dev/zero | tr '\\0' x"))),
    p(max, os:cmd("echo 123456789", #{max_size => 4})),
    p(bad, try_(fun() -> os:cmd([1000000000]) end)),
    p(find, os:find_executable("sh") =/= false).

big() ->
    P = open_port({spawn, "cat"}, [binary]),
    Big = binary:copy(<<"0123456789abcdef">>, 100000),
    Me = self(),
    spawn_link(fun() -> [port_command(P, Big) || _ <- [1, 2, 3]], Me ! written end),
    p(big, total(P, 3 * byte_size(Big), 0)),
    receive written -> ok after 5000 -> p(written, no) end,
    port_close(P), collect(10), ok.
total(_, N, Sum) when Sum >= N -> Sum;
total(P, N, Sum) -> receive {P, {data, D}} -> total(P, N, Sum + byte_size(D)) after 5000 -> {timeout, Sum} end.
