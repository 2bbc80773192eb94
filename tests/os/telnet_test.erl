%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of the console over TCP: the protocol alone, then a client that types over the loopback. See tests/os/run.
-module(telnet_test).
-export([main/1]).

-define(IAC, 255).
-define(LIMIT, 30000).

main(Machine) ->
    ok = logger:set_primary_config(level, none),
    {ok, _} = loom_app_sup:start_link(),
    Failed = [Name || {Name, F} <- [{options, fun options/0}, {any_bytes, fun any_bytes/0}, {session, fun session/0},
                                    {interrupts, fun interrupts/0}, {hangs_up, fun hangs_up/0}, {many, fun many/0},
                                    {switched, fun switched/0}],
                      not passes(Machine, Name, F)],
    halt(length(Failed)).

passes(Machine, Name, F) ->
    {Pid, Ref} = spawn_monitor(F),
    receive
        {'DOWN', Ref, process, Pid, normal} ->
            io:format("ok ~s/telnet_~s~n", [Machine, Name]),
            true;
        {'DOWN', Ref, process, Pid, Reason} ->
            io:format("FAIL ~s/telnet_~s ~0P~n", [Machine, Name, Reason, 60]),
            false
    after 2 * ?LIMIT ->
        exit(Pid, kill),
        io:format("FAIL ~s/telnet_~s no end~n", [Machine, Name]),
        false
    end.

%% --- the protocol ------------------------------------------------------------------------------------------------

options() ->
    {<<?IAC, 251, 1, ?IAC, 251, 3, ?IAC, 253, 3, ?IAC, 253, 31>>, T0} = loom_telnet_protocol:new(),
    %% What was proposed is agreed to: no answer to the answers.
    {[], <<>>, T1} = loom_telnet_protocol:input(<<?IAC, 253, 1, ?IAC, 253, 3, ?IAC, 251, 3, ?IAC, 251, 31>>, T0),
    {[], <<>>, T1} = loom_telnet_protocol:input(<<?IAC, 253, 1>>, T1),
    {[{window, 132, 43}], <<>>, T1} = sub(<<31, 132:16, 43:16>>, T1),
    {[{window, 65535, 255}], <<>>, T1} = sub(<<31, 65535:16, 255:16>>, T1),
    {[], <<>>, T1} = sub(<<31, 1, 2, 3>>, T1),
    {[], <<>>, T1} = sub(binary:copy(<<31>>, 5000), T1),
    %% Binary both ways, which the other side may ask for; anything else is refused.
    {[], <<?IAC, 251, 0, ?IAC, 253, 0>>, T2} = loom_telnet_protocol:input(<<?IAC, 253, 0, ?IAC, 251, 0>>, T1),
    {[], <<?IAC, 252, 24, ?IAC, 254, 24>>, T2} = loom_telnet_protocol:input(<<?IAC, 253, 24, ?IAC, 251, 24>>, T2),
    {[], <<?IAC, 252, 1, ?IAC, 254, 31>>, T3} = loom_telnet_protocol:input(<<?IAC, 254, 1, ?IAC, 252, 31>>, T2),
    {[], <<>>, T3} = loom_telnet_protocol:input(<<?IAC, 254, 1, ?IAC, 252, 31>>, T3),
    {[], <<>>, T3} = sub(<<31, 80:16, 24:16>>, T3), % not agreed any more
    %% Text: CR LF, CR NUL and CR are the return key; 255 is doubled; commands between characters.
    {[{data, <<"a\nb\nc\nd", 255, "e">>}], <<>>, T3} =
        loom_telnet_protocol:input(<<"a\r\nb\r", 0, "c\rd", ?IAC, ?IAC, "e">>, T3),
    {[{data, <<"a">>}, interrupt, {data, <<"b">>}, are_you_there, {data, <<127, 21>>}], <<>>, T3} =
        loom_telnet_protocol:input(<<"a", ?IAC, 244, "b", ?IAC, 246, ?IAC, 247, ?IAC, 241, ?IAC, 248>>, T3),
    <<"a\r\nb\r", 0, "c", ?IAC, ?IAC, "\r\n">> = loom_telnet_protocol:output(<<"a\r\nb\rc", 255, "\r\n">>).

sub(Bytes, T) ->
    Doubled = binary:replace(Bytes, <<255>>, <<255, 255>>, [global]),
    loom_telnet_protocol:input(<<?IAC, 250, Doubled/binary, ?IAC, 240>>, T).

%% Whatever comes, in whatever pieces, means the same, and is answered by a bounded number of bytes.
any_bytes() ->
    rand:seed(exsss, 4),
    [begin
         Bytes = list_to_binary([lists:nth(rand:uniform(12), [255, 255, 250, 240, 251, 252, 253, 254, 13, 10, 31,
                                                            rand:uniform(256) - 1]) || _ <- lists:seq(1, 200)]),
         {_, T} = loom_telnet_protocol:new(),
         {Events, Answer, End} = loom_telnet_protocol:input(Bytes, T),
         true = byte_size(Answer) =< byte_size(Bytes),
         {Pieces, PiecesAnswer, End} = lists:foldl(fun(Byte, {Es, As, S}) ->
             {E, A, New} = loom_telnet_protocol:input(<<Byte>>, S),
             {Es ++ E, <<As/binary, A/binary>>, New}
         end, {[], <<>>, T}, binary_to_list(Bytes)),
         Answer = PiecesAnswer,
         true = flat(Events) =:= flat(Pieces)
     end || _ <- lists:seq(1, 300)].

flat(Events) -> lists:append([case E of {data, B} -> binary_to_list(B); _ -> [E] end || E <- Events]).

%% --- a client ----------------------------------------------------------------------------------------------------

with_console(F) ->
    {ok, Port} = loom_telnet:on({127, 0, 0, 1}, 0),
    Result = F(Port),
    ok = loom_telnet:off(),
    off = loom_telnet:status(),
    Result.

connect(Port) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    ok = gen_tcp:send(Socket, <<?IAC, 253, 1, ?IAC, 253, 3, ?IAC, 251, 3, ?IAC, 251, 31>>),
    "" = expect(Socket, "Eshell V"),
    _ = expect(Socket, "1> "),
    Socket.

type(Socket, Text) -> ok = gen_tcp:send(Socket, Text).

%% Skips what comes up to the text, without the telnet commands at the very beginning.
expect(Socket, Text) -> expect(Socket, Text, case get(left) of undefined -> <<>>; Left -> Left end).
expect(Socket, Text, Seen) ->
    case string:split(Seen, Text) of
        [_, Left] ->
            put(left, Left),
            "";
        _ ->
            case gen_tcp:recv(Socket, 0, ?LIMIT) of
                {ok, Bytes} -> expect(Socket, Text, << <<B>> || <<B>> <= <<Seen/binary, Bytes/binary>>, B < 240 >>);
                Error -> exit({Text, Error, Seen})
            end
    end.

fresh(F) -> put(left, <<>>), F().

session() ->
    with_console(fun(Port) ->
        S = fresh(fun() -> connect(Port) end),
        type(S, "lists:sum(lists:seq(1,100)).\r\n"),
        expect(S, "\r\n5050\r\n2> "),
        %% Editing: back three characters, one more in between, to the end; then the line before again.
        type(S, "lists:reverse([3,2,1])\e[D\e[D\e[D0,\x05.\r"),
        expect(S, "\r\n[1,0,2,3]\r\n3> "),
        type(S, "1 + 1X\x7f.\r\0"),
        expect(S, "\r\n2\r\n4> "),
        type(S, "\e[A"),
        expect(S, "1 + 1."),
        type(S, "\r\n"),
        expect(S, "\r\n2\r\n5> "),
        %% The window's size is the terminal's.
        type(S, <<?IAC, 250, 31, 77:16, 33:16, ?IAC, 240>>),
        type(S, "[io:columns(), io:rows()].\r\n"),
        expect(S, "\r\n[{ok,77},{ok,33}]\r\n6> "),
        type(S, <<?IAC, 246>>),
        expect(S, "[Loom]"),
        type(S, "\r\nio:get_line(\"name? \").\r\n"),
        expect(S, "name? "),
        type(S, <<"Zoë"/utf8, "\r\n">>),
        expect(S, "\"Zoë\\n\"\r\n"),
        type(S, "io:put_chars(lists:duplicate(200000, $x)), 7*6.\r\n"),
        expect(S, "xxx42\r\n"),
        type(S, "exit(done).\r\n"),
        expect(S, "** exception exit: done"),
        gen_tcp:close(S)
    end).

interrupts() ->
    with_console(fun(Port) ->
        S = fresh(fun() -> connect(Port) end),
        [begin
             type(S, "(fun F() -> F() end)().\r\n"),
             timer:sleep(200),
             type(S, Interrupt),
             expect(S, "** exception exit: killed")
         end || Interrupt <- [<<3>>, <<?IAC, 244>>]],
        type(S, "6*7.\r\n"),
        expect(S, "\r\n42\r\n"),
        gen_tcp:close(S)
    end).

%% A peer that goes leaves nothing behind: neither a shell that waits nor one that is busy.
hangs_up() ->
    with_console(fun(Port) ->
        [begin
             S = fresh(fun() -> connect(Port) end),
             type(S, "{shell, self(), group_leader()}.\r\n"),
             expect(S, "\r\n{shell,<"),
             [Session] = [P || {_, P, _, _} <- supervisor:which_children(loom_telnet_sessions)],
             {links, Links} = process_info(Session, links),
             [Group] = [L || L <- Links, is_pid(L), group:interfaces(L) =/= []],
             Shell = proplists:get_value(shell, group:interfaces(Group)),
             {links, More} = process_info(Shell, links),
             Refs = [monitor(process, P) || P <- lists:usort([Session, Group, Shell | More]), P =/= self()],
             type(S, Busy),
             timer:sleep(100),
             gone(How, S),
             [receive {'DOWN', Ref, _, _, _} -> ok after ?LIMIT -> exit({left, How, Busy}) end || Ref <- Refs]
         end || Busy <- ["half a line", "timer:sleep(infinity).\r\n", "(fun F() -> F() end)().\r\n"],
                How <- [close, reset]],
        {on, {127, 0, 0, 1}, Port, 0} = loom_telnet:status()
    end).

gone(close, S) -> gen_tcp:close(S);
gone(reset, S) ->
    ok = inet:setopts(S, [{linger, {true, 0}}]),
    gen_tcp:close(S).

many() ->
    with_console(fun(Port) ->
        Sockets = [fresh(fun() -> connect(Port) end) || _ <- lists:seq(1, 16)],
        {ok, Late} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
        fresh(fun() -> expect(Late, "Too many consoles.") end),
        {error, closed} = gen_tcp:recv(Late, 0, ?LIMIT),
        %% Each has its own bindings.
        [type(S, ["X = ", integer_to_list(I), ".\r\n"]) || {I, S} <- lists:zip(lists:seq(1, 16), Sockets)],
        [fresh(fun() -> expect(S, "2> "), type(S, "{X}.\r\n"), expect(S, ["{", integer_to_list(I), "}\r\n"]) end)
         || {I, S} <- lists:zip(lists:seq(1, 16), Sockets)],
        %% One that crashes is nobody else's concern.
        [{_, First, _, _} | _] = supervisor:which_children(loom_telnet_sessions),
        exit(First, kill),
        15 = length([S || S <- Sockets, gen_tcp:send(S, "6*7.\r\n") =:= ok,
                          fresh(fun() -> catch expect(S, "42\r\n") end) =:= ""]),
        %% Without the listener's process those that are open stay.
        exit(whereis(loom_telnet), kill),
        15 = length([S || S <- Sockets, gen_tcp:send(S, "7*7.\r\n") =:= ok,
                          fresh(fun() -> catch expect(S, "49\r\n") end) =:= ""])
    end).

switched() ->
    off = loom_telnet:status(),
    {ok, Blocker} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Taken} = inet:port(Blocker),
    {error, eaddrinuse} = loom_telnet:on({127, 0, 0, 1}, Taken),
    off = loom_telnet:status(),
    {ok, Port} = loom_telnet:on({127, 0, 0, 1}, 0),
    {on, {127, 0, 0, 1}, Port, 0} = loom_telnet:status(),
    S = fresh(fun() -> connect(Port) end),
    ok = loom_telnet:off(),
    closed = (fun Drain() -> case gen_tcp:recv(S, 0, ?LIMIT) of {ok, _} -> Drain(); {error, R} -> R end end)(),
    {error, econnrefused} = gen_tcp:connect({127, 0, 0, 1}, Port, []).
