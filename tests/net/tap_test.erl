%% SPDX-License-Identifier: Apache-2.0
%% @doc The stack's side of tests/cli/netstack_tap: servers for the host, and what the host's servers are asked.
-module(tap_test).
-export([main/1]).

main([Program, Loss]) ->
    ok = logger:set_primary_config(level, none),
    ok = service:start(),
    {ok, Driver} = tap_link:start(Program, "tap0", <<"eth0">>, chances(Loss)),
    put(driver, {Program, Driver, chances(Loss)}),
    ok = configured(),
    echo_server(7000, inet),
    echo_server(7001, inet6),
    udp_echo(7002),
    httpd(8080),
    say("ready"),
    commands().

chances("0") -> {0, 0, 0};
chances(_) -> {10, 10, 30}.

wait(F) -> wait(F, 100).
wait(_, 0) -> timeout;
wait(F, N) -> case F() of true -> ok; false -> timer:sleep(20), wait(F, N - 1) end.

say(Format) -> say(Format, []).
say(Format, Arguments) -> io:format(Format ++ "~n", Arguments).

configured() ->
    ok = wait(fun() -> length(loom_net_config:interfaces()) > 1 end),
    loom_net:configure("eth0", #{address => "10.9.0.2/24", gateway => "10.9.0.1"}).

%% One line of standard input, one line of answer.
commands() ->
    case io:get_line("") of
        eof -> halt(0);
        Line ->
            [Command | Arguments] = string:lexemes(string:trim(Line), " "),
            try do(Command, Arguments) of
                Result -> say("~0p", [Result])
            catch
                Class:Reason:Stack -> say("~0p", [{Class, Reason, Stack}])
            end,
            commands()
    end.

do("ping", [Host]) -> loom_net:ping(Host, 1);
do("fetch", [Url]) ->
    {ok, {{_, Status, _}, _, Body}} = httpc:request(get, {Url, []}, [{timeout, 60000}], [{body_format, binary}]),
    {Status, byte_size(Body), erlang:md5(Body) =:= erlang:md5(pattern(byte_size(Body)))};
do("connect", [Host, Port]) ->
    case gen_tcp:connect(Host, list_to_integer(Port), [binary, {active, false}], 5000) of
        {ok, S} -> gen_tcp:close(S), ok;
        Error -> Error
    end;
do("upload", [Host, Port, Size]) ->
    {ok, S} = gen_tcp:connect(Host, list_to_integer(Port), [binary, {active, false}], 10000),
    ok = gen_tcp:send(S, pattern(list_to_integer(Size))),
    ok = gen_tcp:shutdown(S, write),
    gen_tcp:recv(S, 0, 60000);
do("kill_driver", []) ->
    {Program, Driver, Chances} = get(driver),
    exit(Driver, kill),
    timer:sleep(50),
    {ok, New} = tap_link:start(Program, "tap0", <<"eth0">>, Chances),
    put(driver, {Program, New, Chances}),
    ok;
do("kill", [Name]) ->
    Pid = whereis(list_to_atom(Name)),
    exit(Pid, kill),
    ok = wait(fun() -> is_pid(whereis(list_to_atom(Name))) andalso whereis(list_to_atom(Name)) =/= Pid end),
    timer:sleep(200),
    ok = wait(fun() -> is_pid(whereis(loom_net_links)) end),
    ok = tap_link:announce(element(2, get(driver)), <<"eth0">>),
    configured();
do("kill_link", []) ->
    [{_, Link, _, _}] = [C || {{link, _}, _, _, _} = C <- supervisor:which_children(loom_net_link_sup)],
    exit(Link, kill),
    ok;
do("udp", [Host, Port, Size]) ->
    {ok, U} = gen_udp:open(0, [binary, {active, false}, {recbuf, 65536}]),
    Data = pattern(list_to_integer(Size)),
    ok = gen_udp:send(U, Host, list_to_integer(Port), Data),
    {ok, {_, _, Answer}} = gen_udp:recv(U, 0, 5000),
    gen_udp:close(U),
    Answer =:= Data;
do("address6", [Text]) ->
    {ok, Ip} = loom_net_ip:parse(Text),
    loom_net_config:addresses(<<"eth0">>, static, [{<<10, 9, 0, 2>>, 24}, {Ip, 64}]);
do("count", []) ->
    {length(supervisor:which_children(loom_net_connection_sup)), length(erlang:ports())}.

pattern(Size) ->
    Block = << <<(X * 7 rem 251)>> || X <- lists:seq(0, 250) >>,
    binary:part(binary:copy(Block, Size div 251 + 1), 0, Size).

echo_server(Port, Family) ->
    Self = self(),
    spawn_link(fun() ->
        {ok, L} = gen_tcp:listen(Port, [Family, binary, {active, false}, {reuseaddr, true}, {backlog, 100},
                                       {exit_on_close, false}]
                                      ++ [{ipv6_v6only, true} || Family =:= inet6]),
        Self ! listening,
        accept(L)
    end),
    receive listening -> ok end.

accept(L) ->
    {ok, S} = gen_tcp:accept(L),
    Pid = spawn(fun() -> receive go -> echo(S) end end),
    ok = gen_tcp:controlling_process(S, Pid),
    Pid ! go,
    accept(L).

echo(S) ->
    case gen_tcp:recv(S, 0) of
        {ok, Data} ->
            case gen_tcp:send(S, Data) of
                ok -> echo(S);
                {error, _} -> gen_tcp:close(S)
            end;
        {error, _} -> gen_tcp:close(S)
    end.

udp_echo(Port) ->
    Self = self(),
    spawn_link(fun() ->
        {ok, U} = gen_udp:open(Port, [binary, {active, true}, {recbuf, 200000}]),
        Self ! open,
        udp_loop(U)
    end),
    receive open -> ok end.

udp_loop(U) ->
    receive
        {udp, U, Ip, Port, Data} ->
            ok = gen_udp:send(U, Ip, Port, Data),
            udp_loop(U)
    end.

httpd(Port) ->
    {ok, _} = application:ensure_all_started(inets),
    Root = filename:join(filename:dirname(code:which(?MODULE)), "www"),
    ok = filelib:ensure_dir(filename:join(Root, "x")),
    ok = file:write_file(filename:join(Root, "small.txt"), "hello from the stack\n"),
    ok = file:write_file(filename:join(Root, "large.bin"), pattern(3000000)),
    {ok, _} = inets:start(httpd, [{port, Port}, {server_name, "loom"}, {server_root, Root}, {document_root, Root},
                                  {bind_address, any}, {ipfamily, inet}]).
