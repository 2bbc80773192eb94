%% SPDX-License-Identifier: Apache-2.0
%% @doc The other end of the wire: a second machine, in which nothing is broken, whose clients are what "clients saw"
%% means. It gives addresses by DHCP, fetches pages, and keeps connections on which bytes go to and fro. Everything it
%% does it reports to the first machine, with its times (the wall clock is that of both).
-module(chaos_peer).
-behaviour(gen_server).

-export([main/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(OURS, {10, 7, 0, 1}).
-define(SERVER, {10, 7, 0, 2}).
-define(MAC, <<2, 0, 0, 0, 0, 1>>).
-define(FETCHERS, 2).
-define(CONNECTIONS, 3).
-define(PATIENCE_MS, 60000).

-record(s, {port :: port(), client = none :: pid() | none}).

%% File descriptors 3 and 4 are the wire: frames, and reports.
main() ->
    ok = logger:set_primary_config(level, none),
    {ok, _} = loom_net_sup:start_link(),
    {ok, Wire} = gen_server:start({local, ?MODULE}, ?MODULE, [], []),
    ok = loom_net_links:up(#{name => <<"eth0">>, driver => Wire, mac => ?MAC, mtu => 1500, link => up, offload => []}),
    ok = configured(),
    spawn(fun dhcp/0),
    [spawn(fun() -> fetch(I, 0) end) || I <- lists:seq(1, ?FETCHERS)],
    [spawn(fun() -> connection(I) end) || I <- lists:seq(1, ?CONNECTIONS)],
    receive after infinity -> ok end.

configured() ->
    case length(loom_net_config:interfaces()) > 1 of
        true -> loom_net:configure("eth0", #{address => "10.7.0.1/24"});
        false -> timer:sleep(10), configured()
    end.

report(Term) -> gen_server:cast(?MODULE, {report, Term}).

now_us() -> erlang:system_time(microsecond).

%% --- the wire ------------------------------------------------------------------------------------------------------

init([]) -> {ok, #s{port = open_port({fd, 3, 4}, [{packet, 4}, binary, eof])}}.

handle_call({attach, Pid}, _From, S) -> {reply, {ok, #{queue => 64, link => up}}, S#s{client = Pid}}.

handle_cast({report, Term}, #s{port = Port} = S) ->
    port_command(Port, [1, term_to_binary(Term)]),
    {noreply, S}.

handle_info({transmit, Pid, Frames}, #s{port = Port} = S) ->
    [port_command(Port, [0, Frame]) || Frame <- Frames],
    Pid ! {loom_link, self(), {sent, length(Frames)}},
    {noreply, S};
handle_info({Port, {data, <<0, Frame/binary>>}}, #s{port = Port, client = Client} = S) ->
    is_pid(Client) andalso (Client ! {loom_link, self(), {frames, [Frame]}}),
    {noreply, S};
handle_info({loom_devices, ping, From}, S) ->
    From ! {loom_devices, pong, self()},
    {noreply, S};
handle_info({Port, eof}, #s{port = Port}) -> halt(0).

%% --- clients -------------------------------------------------------------------------------------------------------

%% One request a connection. Page N has N times 997 bytes.
fetch(I, N) ->
    Page = N rem 10 + 1,
    Start = now_us(),
    Result = get_page(Page),
    report({op, http, I, Start, now_us(), Result}),
    timer:sleep(20),
    fetch(I, N + 1).

get_page(Page) ->
    case gen_tcp:connect(?SERVER, 80, [binary, {active, false}], ?PATIENCE_MS) of
        {ok, S} ->
            Request = ["GET /", integer_to_list(Page), " HTTP/1.0\r\nHost: loom\r\n\r\n"],
            Result = case gen_tcp:send(S, Request) of
                ok -> check_page(Page, all(S, []));
                Error -> Error
            end,
            gen_tcp:close(S),
            Result;
        {error, Reason} -> {error, {connect, Reason}}
    end.

all(S, Got) ->
    case gen_tcp:recv(S, 0, ?PATIENCE_MS) of
        {ok, Data} -> all(S, [Got, Data]);
        {error, closed} -> {ok, iolist_to_binary(Got)};
        Error -> Error
    end.

check_page(Page, {ok, Answer}) ->
    Body = chaos_world:page(Page),
    Size = byte_size(Body),
    case Answer of
        <<"HTTP/1.", _, " 200", _/binary>> when byte_size(Answer) > Size ->
            case binary:part(Answer, byte_size(Answer), -Size) of
                Body -> ok;
                _ -> {error, wrong_bytes}
            end;
        _ -> {error, {short, byte_size(Answer)}}
    end;
check_page(_, Error) -> Error.

%% Stays open for as long as it can; what is sent comes back.
connection(I) ->
    Start = now_us(),
    case gen_tcp:connect(?SERVER, 7, [binary, {active, false}, {nodelay, true}], ?PATIENCE_MS) of
        {ok, S} ->
            report({op, connect, I, Start, now_us(), ok}),
            talk(I, S, 0);
        {error, Reason} ->
            report({op, connect, I, Start, now_us(), {error, Reason}}),
            timer:sleep(50)
    end,
    connection(I).

talk(I, S, N) ->
    Start = now_us(),
    Data = binary:copy(<<I, N:32>>, N rem 200 + 1),
    Result = case gen_tcp:send(S, Data) of
        ok ->
            case gen_tcp:recv(S, byte_size(Data), ?PATIENCE_MS) of
                {ok, Data} -> ok;
                {ok, _} -> {error, wrong_bytes};
                Error -> Error
            end;
        Error -> Error
    end,
    report({op, conn, I, Start, now_us(), Result}),
    case Result of
        ok ->
            timer:sleep(10),
            talk(I, S, N + 1);
        _ -> gen_tcp:close(S)
    end.

%% --- DHCP (RFC 2131): one address for who asks ----------------------------------------------------------------------

dhcp() ->
    {ok, S} = gen_udp:open(67, [binary, {active, false}, {broadcast, true}]),
    dhcp(S).

dhcp(S) ->
    case gen_udp:recv(S, 0) of
        {ok, {_, _, <<1, 1, 6, _, Xid:32, _:16, Flags:16, _:16/binary, Mac:6/binary, _:202/binary, 16#63825363:32,
                      53, 1, Kind, _/binary>>}} when Kind =:= 1; Kind =:= 3 ->
            Answer = case Kind of 1 -> 2; 3 -> 5 end,
            Us = list_to_binary(tuple_to_list(?OURS)),
            You = list_to_binary(tuple_to_list(?SERVER)),
            Message = <<2, 1, 6, 0, Xid:32, 0:16, Flags:16, 0:32, You/binary, Us/binary, 0:32, Mac/binary, 0:202/unit:8,
                        16#63825363:32, 53, 1, Answer, 54, 4, Us/binary, 1, 4, 255, 255, 255, 0, 51, 4, 86400:32, 255>>,
            _ = gen_udp:send(S, {255, 255, 255, 255}, 68, Message),
            ok;
        _ -> ok
    end,
    dhcp(S).
