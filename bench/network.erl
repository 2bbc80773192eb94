%% SPDX-License-Identifier: Apache-2.0
%% Sockets over the loopback: bytes in bulk, requests and answers, connections, datagrams; through ports and through the
%% module socket.
-module(network).
-behaviour(bench).
-export([programs/0, tcp_bulk/1, tcp_requests/1, tcp_active/1, tcp_packets/1, tcp_connections/1, udp_requests/1,
         socket_bulk/1, socket_requests/1]).

programs() ->
    [{tcp_bulk, 400}, {tcp_requests, 15000}, {tcp_active, 15000}, {tcp_packets, 100000}, {tcp_connections, 1500},
     {udp_requests, 15000}, {socket_bulk, 400}, {socket_requests, 15000}].

-define(HOME, {127, 0, 0, 1}).

%% A connection; the other side is served by Serve(Socket) in a process of its own.
connect(Options, Serve) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, ?HOME}, binary, {active, false} | Options]),
    {ok, Port} = inet:port(Listener),
    Server = spawn_link(fun() ->
        {ok, Socket} = gen_tcp:accept(Listener),
        Serve(Socket)
    end),
    {ok, Socket} = gen_tcp:connect(?HOME, Port, [binary, {active, false}, {nodelay, true} | Options]),
    {Socket, Listener, Server}.

disconnect({Socket, Listener, Server}) ->
    unlink(Server),
    ok = gen_tcp:close(Socket),
    ok = gen_tcp:close(Listener).

%% N times 256 KB one way; the receiver counts.
tcp_bulk(N) ->
    Self = self(),
    {Socket, _, _} = C = connect([{buffer, 65536}], fun(S) -> Self ! {received, count(S, 0)} end),
    Block = binary:copy(<<"0123456789abcdef">>, 16384),
    send(Socket, Block, N),
    ok = gen_tcp:shutdown(Socket, write),
    Bytes = receive {received, B} -> B end,
    disconnect(C),
    Bytes.

send(_, _, 0) -> ok;
send(Socket, Block, N) ->
    ok = gen_tcp:send(Socket, Block),
    send(Socket, Block, N - 1).

count(Socket, Bytes) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Data} -> count(Socket, Bytes + byte_size(Data));
        {error, closed} -> Bytes
    end.

%% Requests of 100 bytes, answered as they are.
tcp_requests(N) ->
    {Socket, _, _} = C = connect([], fun echo/1),
    Sum = ask(Socket, <<7:800>>, N, 0),
    disconnect(C),
    Sum.

echo(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Data} ->
            ok = gen_tcp:send(Socket, Data),
            echo(Socket);
        {error, closed} -> ok
    end.

ask(_, _, 0, Sum) -> Sum;
ask(Socket, Request, N, Sum) ->
    ok = gen_tcp:send(Socket, Request),
    {ok, Answer} = gen_tcp:recv(Socket, byte_size(Request)),
    ask(Socket, Request, N - 1, Sum + byte_size(Answer)).

%% The same with packets of a length in front, delivered as messages.
tcp_active(N) ->
    {Socket, _, _} = C = connect([{packet, 4}], fun(S) ->
        ok = inet:setopts(S, [{active, true}]),
        echo_active(S)
    end),
    ok = inet:setopts(Socket, [{active, true}]),
    Sum = ask_active(Socket, <<7:800>>, N, 0),
    disconnect(C),
    Sum.

echo_active(Socket) ->
    receive
        {tcp, Socket, Data} ->
            ok = gen_tcp:send(Socket, Data),
            echo_active(Socket);
        {tcp_closed, Socket} -> ok
    end.

ask_active(_, _, 0, Sum) -> Sum;
ask_active(Socket, Request, N, Sum) ->
    ok = gen_tcp:send(Socket, Request),
    receive {tcp, Socket, Answer} -> ask_active(Socket, Request, N - 1, Sum + byte_size(Answer)) end.

%% Small packets one way, 100 at a time.
tcp_packets(N) ->
    Self = self(),
    {Socket, _, _} = C = connect([{packet, 2}], fun(S) -> Self ! {received, packets(S, N, 0)} end),
    Packets = lists:duplicate(100, [<<8:16>>, <<1:64>>]),
    ok = inet:setopts(Socket, [{packet, raw}]),
    send(Socket, Packets, N div 100),
    Sum = receive {received, S} -> S end,
    disconnect(C),
    Sum.

packets(_, 0, Sum) -> Sum;
packets(Socket, N, Sum) ->
    {ok, <<V:64>>} = gen_tcp:recv(Socket, 0),
    packets(Socket, N - 1, Sum + V).

%% Connect, one request, close.
tcp_connections(N) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, ?HOME}, binary, {active, false}, {backlog, 100}]),
    {ok, Port} = inet:port(Listener),
    Server = spawn_link(fun() -> serve(Listener) end),
    Sum = connections(Port, N, 0),
    unlink(Server),
    ok = gen_tcp:close(Listener),
    Sum.

serve(Listener) ->
    case gen_tcp:accept(Listener) of
        {ok, Socket} ->
            {ok, Data} = gen_tcp:recv(Socket, 0),
            ok = gen_tcp:send(Socket, Data),
            ok = gen_tcp:close(Socket),
            serve(Listener);
        {error, closed} -> ok
    end.

connections(_, 0, Sum) -> Sum;
connections(Port, N, Sum) ->
    {ok, Socket} = gen_tcp:connect(?HOME, Port, [binary, {active, false}]),
    ok = gen_tcp:send(Socket, <<"request">>),
    {ok, Data} = gen_tcp:recv(Socket, 0),
    ok = gen_tcp:close(Socket),
    connections(Port, N - 1, Sum + byte_size(Data)).

udp_requests(N) ->
    {ok, Server} = gen_udp:open(0, [{ip, ?HOME}, binary, {active, false}]),
    {ok, Client} = gen_udp:open(0, [{ip, ?HOME}, binary, {active, false}]),
    {ok, Port} = inet:port(Server),
    Pid = spawn_link(fun() -> udp_echo(Server) end),
    ok = gen_udp:controlling_process(Server, Pid),
    Sum = udp_ask(Client, Port, <<7:800>>, N, 0),
    unlink(Pid),
    exit(Pid, kill),
    ok = gen_udp:close(Client),
    Sum.

udp_echo(Socket) ->
    {ok, {Address, Port, Data}} = gen_udp:recv(Socket, 0),
    ok = gen_udp:send(Socket, Address, Port, Data),
    udp_echo(Socket).

udp_ask(_, _, _, 0, Sum) -> Sum;
udp_ask(Socket, Port, Request, N, Sum) ->
    ok = gen_udp:send(Socket, ?HOME, Port, Request),
    {ok, {_, _, Answer}} = gen_udp:recv(Socket, 0),
    udp_ask(Socket, Port, Request, N - 1, Sum + byte_size(Answer)).

%%% The module socket

socket_connect(Serve) ->
    {ok, Listener} = socket:open(inet, stream, tcp),
    ok = socket:bind(Listener, #{family => inet, addr => loopback, port => 0}),
    ok = socket:listen(Listener),
    {ok, Address} = socket:sockname(Listener),
    Server = spawn_link(fun() ->
        {ok, S} = socket:accept(Listener),
        Serve(S)
    end),
    {ok, Socket} = socket:open(inet, stream, tcp),
    ok = socket:connect(Socket, Address),
    {Socket, Listener, Server}.

socket_disconnect({Socket, Listener, Server}) ->
    unlink(Server),
    ok = socket:close(Socket),
    ok = socket:close(Listener).

socket_bulk(N) ->
    Self = self(),
    {Socket, _, _} = C = socket_connect(fun(S) ->
        ok = socket:setopt(S, {otp, rcvbuf}, 65536),
        Self ! {received, socket_count(S, 0)}
    end),
    Block = binary:copy(<<"0123456789abcdef">>, 16384),
    [ok = socket:send(Socket, Block) || _ <- lists:seq(1, N)],
    ok = socket:shutdown(Socket, write),
    Bytes = receive {received, B} -> B end,
    socket_disconnect(C),
    Bytes.

socket_count(Socket, Bytes) ->
    case socket:recv(Socket) of
        {ok, Data} -> socket_count(Socket, Bytes + byte_size(Data));
        {error, closed} -> Bytes
    end.

socket_requests(N) ->
    {Socket, _, _} = C = socket_connect(fun socket_echo/1),
    Sum = socket_ask(Socket, <<7:800>>, N, 0),
    socket_disconnect(C),
    Sum.

socket_echo(Socket) ->
    case socket:recv(Socket) of
        {ok, Data} ->
            ok = socket:send(Socket, Data),
            socket_echo(Socket);
        {error, closed} -> ok
    end.

socket_ask(_, _, 0, Sum) -> Sum;
socket_ask(Socket, Request, N, Sum) ->
    ok = socket:send(Socket, Request),
    {ok, Answer} = socket:recv(Socket, byte_size(Request)),
    socket_ask(Socket, Request, N - 1, Sum + byte_size(Answer)).
