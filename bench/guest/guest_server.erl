%% SPDX-License-Identifier: Apache-2.0
%% What bench/guest/run asks over the network: the same module in Loom and in a Linux guest's `erl`.
%%
%%   port 80     OTP's httpd with a page of a kilobyte
%%   port 5001   a line "source N": N bytes come; "sink N": N bytes are taken, then "ok" comes; "state": what may leak
-module(guest_server).
-export([start/0]).

-define(BLOCK, 65536).

start() ->
    ok = filelib:ensure_dir("/tmp/www/x"),
    ok = file:write_file("/tmp/www/page.txt", binary:copy(<<"0123456789abcdef">>, 64)),
    {ok, _} = application:ensure_all_started(inets),
    {ok, _} = inets:start(httpd, [{port, 80}, {server_name, "guest"}, {server_root, "/tmp"}, {modules, [mod_get]},
                                  {document_root, "/tmp/www"}, {keep_alive, true}, {max_keep_alive_request, 1000000}]),
    spawn(fun listen/0).

listen() ->
    {ok, Listener} = gen_tcp:listen(5001, [binary, {active, false}, {packet, line}, {reuseaddr, true}, {backlog, 64},
                                           {nodelay, true}]),
    io:format("guest_server: ready~n"),
    accept(Listener).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Server = spawn(fun() -> receive go -> serve(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Server),
    Server ! go,
    accept(Listener).

serve(Socket) ->
    {ok, Line} = gen_tcp:recv(Socket, 0),
    ok = inet:setopts(Socket, [{packet, raw}]),
    case string:lexemes(Line, " \r\n") of
        [<<"source">>, Size] -> source(Socket, binary:copy(<<"x">>, ?BLOCK), binary_to_integer(Size));
        [<<"sink">>, Size] -> sink(Socket, binary_to_integer(Size));
        [<<"state">>] -> gen_tcp:send(Socket, io_lib:format("~w~n", [state()]))
    end,
    gen_tcp:close(Socket).

%% Words and counts, after a collection of everybody.
state() ->
    _ = [erlang:garbage_collect(P) || P <- processes()],
    Rows = [ets:info(T, size) || T <- ets:all()],
    [{total, erlang:memory(total)}, {processes, erlang:system_info(process_count)},
     {ports, erlang:system_info(port_count)}, {rows, lists:sum([R || R <- Rows, is_integer(R)])},
     {atoms, erlang:system_info(atom_count)}, {binary, erlang:memory(binary)}].

source(_, _, Left) when Left =< 0 -> ok;
source(Socket, Block, Left) ->
    ok = gen_tcp:send(Socket, Block),
    source(Socket, Block, Left - byte_size(Block)).

sink(Socket, Left) when Left =< 0 -> gen_tcp:send(Socket, "ok");
sink(Socket, Left) ->
    {ok, Data} = gen_tcp:recv(Socket, 0),
    sink(Socket, Left - byte_size(Data)).
