%% SPDX-License-Identifier: Apache-2.0
%% TCP as programs see it: modes, packets, receiving and sending to the limits, ends of connections. Everything is
%% printed without the numbers that differ from run to run.
-module(sockets).
-export([main/0]).
-compile(export_all).
-compile(nowarn_export_all).

main() ->
    process_flag(trap_exit, true),
    [begin io:format("--- ~w~n", [F]), ?MODULE:F() end
     || F <- [basics, modes, packets, http, bad_packets, lengths, timeouts, closing, no_exit_on_close, shutdowns, acceptors,
              owners, watermarks, send_timeouts, large, iodata, errors, deliver_port, local, inet6, delayed, resets, sendfile,
              lingering, descriptors]].

p(What, X) -> io:format("~w: ~tp~n", [What, hide(X)]).

hide(P) when is_port(P) -> port;
hide(P) when is_pid(P) -> pid;
hide(R) when is_reference(R) -> ref;
hide([H | T]) -> [hide(H) | hide(T)];
hide(T) when is_tuple(T) -> list_to_tuple(hide(tuple_to_list(T)));
hide(X) -> X.

pair(Opts) -> pair(Opts, Opts).
pair(ServerOpts, ClientOpts) ->
    {ok, L} = gen_tcp:listen(0, [{reuseaddr, true}, {ip, {127, 0, 0, 1}} | ServerOpts]),
    {ok, Port} = inet:port(L),
    {ok, C} = gen_tcp:connect({127, 0, 0, 1}, Port, ClientOpts),
    {ok, S} = gen_tcp:accept(L, 5000),
    gen_tcp:close(L),
    {S, C}.

close(Sockets) -> [gen_tcp:close(S) || S <- tuple_to_list(Sockets)], flush().
flush() -> receive _ -> flush() after 0 -> ok end.
next() -> next(2000).
next(T) -> receive M -> M after T -> nothing end.
all(T) -> receive M -> [M | all(T)] after T -> [] end.

%% The next N messages, and what comes soon after.
take(0) -> all(5);
take(N) -> [next() | take(N - 1)].

%% Active data, put together until there are N bytes.
gather(S, N) -> gather(S, N, []).
gather(_, N, Acc) when N =< 0 -> iolist_to_binary(lists:reverse(Acc));
gather(S, N, Acc) ->
    receive {tcp, S, D} -> gather(S, N - iolist_size(D), [D | Acc])
    after 3000 -> {got, iolist_to_binary(lists:reverse(Acc))}
    end.

basics() ->
    {S, C} = Pair = pair([binary, {active, false}]),
    p(send, gen_tcp:send(C, "hello")),
    p(recv, gen_tcp:recv(S, 5)),
    p(back, gen_tcp:send(S, [<<"wor">>, $l, "d"])),
    p(recv0, gen_tcp:recv(C, 0)),
    {ok, {A, Port}} = inet:sockname(S),
    p(names, {A, inet:peername(C) =:= {ok, {A, Port}}, inet:sockname(C) =:= inet:peername(S)}),
    p(info, [proplists:get_value(K, erlang:port_info(C)) || K <- [name, connected, links, input, output, os_pid]]),
    p(queue, erlang:port_info(C, queue_size)),
    p(stat, [inet:getstat(X, [recv_cnt, recv_oct, recv_max, recv_avg, send_cnt, send_oct, send_max, send_pend]) || X <- [S, C]]),
    p(module, inet_db:lookup_socket(C)),
    p(status, {prim_inet:getstatus(C), prim_inet:gettype(C)}),
    close(Pair),
    p(closed, [erlang:port_info(C), inet:sockname(C), gen_tcp:send(C, "x"), gen_tcp:recv(C, 0), inet:setopts(C, [{active, true}])]).

modes() ->
    {S, C} = Pair = pair([list, {active, false}]),
    gen_tcp:send(C, "one"),
    p(passive, next(50)),
    inet:setopts(S, [{active, once}]),
    p(once, next()),
    gen_tcp:send(C, "two"),
    p(quiet, next(50)),
    p(opts, inet:getopts(S, [active, mode])),
    inet:setopts(S, [{active, true}, binary]),
    p(true, next()),
    inet:setopts(S, [{active, false}, {packet, 1}]),
    inet:setopts(C, [{packet, 1}]),
    inet:setopts(S, [{active, 2}]),
    [gen_tcp:send(C, [X]) || X <- "abcd"],
    p(two, all(100)),
    inet:setopts(S, [{active, 3}]),
    p(three, all(100)),
    p(left, inet:getopts(S, [active])),
    p(add, [inet:setopts(S, [{active, N}]) || N <- [5, -3, 40000, -40000]]),
    p(now, inet:getopts(S, [active])),
    inet:setopts(S, [{active, -100}]),
    p(passive_now, {all(50), inet:getopts(S, [active])}),
    p(too_many, [inet:setopts(S, [{active, 32767}]), inet:setopts(S, [{active, 1}])]),
    p(other, [inet:setopts(S, [{active, X}]) || X <- [maybe_, 1.0]]),
    close(Pair).

%% Each type: what is sent raw, what arrives, active and passive, binary and list.
packets() ->
    Cases = [{raw, 1, <<"abc">>}, {1, 3, <<3, "abc", 0, 2, "de">>}, {2, 2, <<0, 3, "abc", 0, 0>>},
             {4, 2, <<0, 0, 0, 1, "a", 0, 0, 0, 2, "bc">>}, {asn1, 2, <<16#30, 3, 1, 2, 3, 16#30, 16#81, 1, 7>>},
             {sunrm, 2, <<128, 0, 0, 2, "xy", 0, 0, 0, 1, "z">>}, {cdr, 1, <<"GIOP", 1, 0, 0, 0, 3:32, "abc">>},
             {fcgi, 1, <<1, 1, 0, 1, 0, 3, 2, 0, "abcpp">>}, {line, 3, <<"one\ntwo\r\nthree\n">>},
             {tpkt, 1, <<3, 0, 0, 7, "abc">>}, {ssl_tls, 2, <<22, 3, 1, 0, 4, "body", 20, 3, 3, 0, 1, 1>>}],
    [packet_case(Type, N, Bytes, Mode, Active) || {Type, N, Bytes} <- Cases, Mode <- [binary, list], Active <- [true, false]],
    {S, C} = Pair = pair([binary, {packet, 2}, {active, true}, {header, 2}]),
    gen_tcp:send(C, "abcdef"), p(header, next()),
    gen_tcp:send(C, "a"), p(short, next()),
    gen_tcp:send(C, ""), p(empty, next()),
    inet:setopts(S, [{active, false}]),
    gen_tcp:send(C, "xyz"), p(passive_header, gen_tcp:recv(S, 0)),
    close(Pair),
    [begin
         {S1, C1} = P1 = pair([binary, {active, true}, {packet, T}]),
         [gen_tcp:send(C1, binary:copy(<<X>>, X)) || X <- [0, 1, 63, 64, 65, 200]],
         p({sizes, T}, [case next() of {tcp, S1, D} -> byte_size(D); M -> M end || _ <- [1, 2, 3, 4, 5, 6]]),
         close(P1)
     end || T <- [1, 2, 4]].

packet_case(Type, N, Bytes, Mode, Active) ->
    {S, C} = Pair = pair([{packet, Type}, Mode, {active, Active}], [binary]),
    [begin gen_tcp:send(C, <<B>>), timer:sleep(1) end || <<B>> <= binary:part(Bytes, 0, 2)],
    gen_tcp:send(C, binary:part(Bytes, 2, byte_size(Bytes) - 2)),
    p({Type, Mode, Active}, case Active of
                                true when Type =:= raw -> gather(S, byte_size(Bytes));
                                true -> take(N);
                                false when Type =:= raw -> gen_tcp:recv(S, byte_size(Bytes), 500);
                                false -> [gen_tcp:recv(S, 0, 100) || _ <- [1, 2, 3]]
                            end),
    close(Pair).

http() ->
    Text = <<"GET /a?b HTTP/1.1\r\nHost: here\r\nX-Own: 1\r\n 2\r\nContent-Length: 0\r\n\r\nPOST http://h:80/x HTTP/1.0\r\n\r\n"
             "HTTP/1.1 404 Not there\r\nServer: x\r\n\r\nnonsense\r\n">>,
    [begin
         {S, C} = Pair = pair([binary, {packet, T}, {active, A}], [binary]),
         gen_tcp:send(C, Text),
         p({T, A}, case A of true -> all(150); false -> [gen_tcp:recv(S, 0, 100) || _ <- lists:seq(1, 12)] end),
         close(Pair)
     end || T <- [http, http_bin, httph, httph_bin], A <- [true, false]],
    {S1, C1} = P1 = pair([binary, {packet, http}, {active, false}], [binary]),
    gen_tcp:send(C1, <<"GET / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody">>),
    p(head, [gen_tcp:recv(S1, 0) || _ <- [1, 2, 3]]),
    inet:setopts(S1, [{packet, raw}]),
    p(body, gen_tcp:recv(S1, 4)),
    close(P1),
    {S2, C2} = P2 = pair([binary, {packet, http}, {active, false}, {buffer, 40}], [binary]),
    gen_tcp:send(C2, ["GET /", lists:duplicate(100, $a), " HTTP/1.1\r\n"]),
    p(long_line, gen_tcp:recv(S2, 0)),
    close(P2).

bad_packets() ->
    [begin
         {S, C} = Pair = pair([binary, {active, A} | Opts], [binary]),
         gen_tcp:send(C, Bytes),
         p({Opts, A}, case A of true -> all(100); false -> {gen_tcp:recv(S, 0, 500), gen_tcp:recv(S, 0, 500), erlang:port_info(S, name)} end),
         close(Pair)
     end || A <- [true, false],
            {Opts, Bytes} <- [{[{packet, 4}, {packet_size, 10}], <<11:32, 0:88>>}, {[{packet, cdr}], <<"GIOPx, not a packet at all">>},
                              {[{packet, 4}], <<255, 255, 255, 255, 1>>}, {[{packet, tpkt}], <<4, 0, 0, 8, "abcd">>},
                              {[{packet, line}, {packet_size, 5}], <<"too long a line\n">>},
                              {[{packet, line}, {buffer, 5}], <<"too long a line\n">>}]],
    {S2, C2} = P2 = pair([binary, {active, false}, {packet, line}]),
    p(delimiter, inet:setopts(S2, [{line_delimiter, $;}])),
    gen_tcp:send(C2, <<"a;b\n;">>),
    p(parts, [gen_tcp:recv(S2, 0, 100) || _ <- [1, 2]]),
    close(P2).

lengths() ->
    {S, C} = Pair = pair([binary, {active, false}]),
    gen_tcp:send(C, "abcdefghij"),
    p(parts, [gen_tcp:recv(S, N) || N <- [1, 2, 3]]),
    p(rest, gen_tcp:recv(S, 0)),
    p(unrecv, [gen_tcp:unrecv(S, "xy"), gen_tcp:unrecv(S, "vw"), gen_tcp:recv(S, 3), gen_tcp:recv(S, 0)]),
    p(too_long, catch gen_tcp:recv(S, 16#4000001)),
    inet:setopts(S, [{packet, 2}]),
    p(not_raw, gen_tcp:recv(S, 1)),
    inet:setopts(S, [{packet, raw}]),
    Big = binary:copy(<<"0123456789">>, 30000),
    spawn_link(fun() -> gen_tcp:send(C, Big) end),
    p(big, gen_tcp:recv(S, byte_size(Big)) =:= {ok, Big}),
    inet:setopts(S, [{active, true}]),
    p(active, gen_tcp:recv(S, 0)),
    close(Pair).

timeouts() ->
    {S, C} = Pair = pair([binary, {active, false}]),
    p(now, gen_tcp:recv(S, 0, 0)),
    p(soon, gen_tcp:recv(S, 0, 30)),
    gen_tcp:send(C, "abc"),
    p(some, gen_tcp:recv(S, 5, 50)),
    gen_tcp:send(C, "de"),
    p(kept, gen_tcp:recv(S, 5, 500)),
    Me = self(),
    spawn_link(fun() -> Me ! {first, gen_tcp:recv(S, 0, 200)} end),
    timer:sleep(50),
    p(second, gen_tcp:recv(S, 0, 10)),
    p(first, next()),
    close(Pair),
    {ok, L} = gen_tcp:listen(0, []),
    p(accept, [gen_tcp:accept(L, T) || T <- [0, 20]]),
    gen_tcp:close(L).

closing() ->
    {S, C} = P1 = pair([binary, {active, true}]),
    gen_tcp:send(C, "last"), gen_tcp:close(C),
    p(active, [next(), next(), erlang:port_info(S), next(20)]),
    close(P1),
    {S2, C2} = P2 = pair([binary, {active, false}]),
    gen_tcp:send(C2, "last"), gen_tcp:close(C2),
    p(passive, [gen_tcp:recv(S2, 0) || _ <- [1, 2, 3]]),
    p(still_port, [is_list(erlang:port_info(S2)), gen_tcp:send(S2, "x"), gen_tcp:send(S2, "x"), inet:peername(S2), inet:sockname(S2),
                   inet:getopts(S2, [active, nodelay]), inet:setopts(S2, [{nodelay, true}]), inet:setopts(S2, [{tos, 0}])]),
    p(late_active, [inet:setopts(S2, [{active, true}]), all(30), erlang:port_info(S2)]),
    close(P2),
    {S3, _} = P3 = pair([binary, {active, false}]),
    Me = self(),
    spawn(fun() -> Me ! {waited, gen_tcp:recv(S3, 0)} end),
    timer:sleep(30), gen_tcp:close(S3),
    p(closed_while_waiting, next()),
    close(P3),
    {S4, _} = P4 = pair([binary, {active, true}]),
    erlang:port_close(S4), p(port_close, next(50)), close(P4),
    {S5, C5} = P5 = pair([binary, {active, once}]),
    gen_tcp:send(C5, "x"), gen_tcp:close(C5),
    p(once, all(30)), p(again, [inet:setopts(S5, [{active, once}]), all(30)]),
    close(P5), C = C.

no_exit_on_close() ->
    {S, C} = Pair = pair([binary, {active, true}, {exit_on_close, false}]),
    gen_tcp:shutdown(C, write),
    p(told, all(30)),
    p(can_send, [gen_tcp:send(S, "answer"), next()]),
    p(state, [is_list(erlang:port_info(S)), inet:getopts(S, [exit_on_close])]),
    close(Pair),
    {S2, C2} = P2 = pair([binary, {active, false}, {exit_on_close, false}]),
    gen_tcp:shutdown(C2, write),
    p(passive, [gen_tcp:recv(S2, 0), gen_tcp:recv(S2, 0), gen_tcp:send(S2, "x"), gen_tcp:recv(C2, 0)]),
    close(P2).

shutdowns() ->
    {S, C} = Pair = pair([binary, {active, false}]),
    p(write, gen_tcp:shutdown(C, write)),
    p(peer, gen_tcp:recv(S, 0)),
    p(send, gen_tcp:send(C, "x")),
    p(bad, catch gen_tcp:shutdown(C, nothing)),
    close(Pair),
    {S2, C2} = P2 = pair([binary, {active, false}]),
    p(read, [gen_tcp:shutdown(C2, read), gen_tcp:recv(C2, 0, 100)]),
    close(P2),
    {S3, C3} = P3 = pair([binary, {active, false}]),
    p(both, [gen_tcp:shutdown(C3, read_write), gen_tcp:recv(S3, 0, 100)]),
    close(P3),
    {S4, C4} = P4 = pair([binary, {active, false}, {sndbuf, 4096}, {recbuf, 4096}, {high_watermark, 1 bsl 22}]),
    Data = binary:copy(<<"x">>, 1000000),
    p(queued, [gen_tcp:send(C4, Data), gen_tcp:shutdown(C4, write), gen_tcp:send(C4, "more")]),
    p(rest, S4 =/= C4), S2 = S2,
    close(P4).

acceptors() ->
    Me = self(),
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {backlog, 50}]),
    {ok, Port} = inet:port(L),
    Pids = [spawn(fun() ->
                          case gen_tcp:accept(L, 10000) of
                              {ok, S} -> {ok, X} = gen_tcp:recv(S, 2), gen_tcp:send(S, X), Me ! {N, proplists:get_value(connected, erlang:port_info(S)) =:= self()};
                              E -> Me ! {N, E}
                          end
                  end) || N <- lists:seq(1, 20)],
    timer:sleep(50),
    p(status, prim_inet:getstatus(L)),
    [exit(lists:nth(N, Pids), kill) || N <- [3, 7]],
    Cs = [begin {ok, C} = gen_tcp:connect("127.0.0.1", Port, [binary, {active, false}]), gen_tcp:send(C, <<N:16>>), C end || N <- lists:seq(1, 10)],
    p(echo, [gen_tcp:recv(C, 2, 3000) || C <- Cs]),
    p(served, [next() || _ <- lists:seq(1, 10)] -- [{N, true} || N <- lists:seq(1, 20)]),
    gen_tcp:close(L),
    p(rest, lists:usort([R || {_, R} <- all(100)])),
    [gen_tcp:close(C) || C <- Cs],
    flush(),
    {ok, L2} = gen_tcp:listen(0, []),
    [spawn(fun() -> Me ! {T, gen_tcp:accept(L2, T)} end) || T <- [60, 20, 40]],
    p(in_turn, [next(), next(), next()]),
    p(status_after, prim_inet:getstatus(L2)),
    p(not_listening, begin {ok, S} = gen_tcp:connect("127.0.0.1", element(2, inet:port(L2)), []), R = gen_tcp:accept(S, 10), gen_tcp:close(S), R end),
    p(refused, begin {ok, P2} = inet:port(L2), gen_tcp:close(L2), gen_tcp:connect("127.0.0.1", P2, []) end).

owners() ->
    Me = self(),
    {S, C} = Pair = pair([binary, {active, false}]),
    Q = spawn(fun F() -> receive stop -> ok; die -> exit(die); {do, Fun} -> Me ! {did, Fun()}, F(); M -> Me ! {q, M}, F() end end),
    p(give, gen_tcp:controlling_process(S, Q)),
    p(links, [proplists:get_value(K, erlang:port_info(S)) =:= V || {K, V} <- [{links, [Q]}, {connected, Q}]]),
    inet:setopts(S, [{active, true}]),
    gen_tcp:send(C, "to q"),
    p(got, next()),
    p(not_owner, gen_tcp:controlling_process(S, self())),
    p(from_anybody, gen_tcp:send(S, "x")),
    Q ! die,
    p(peer_closed, gen_tcp:recv(C, 0)), p(peer_closed, gen_tcp:recv(C, 0)),
    p(gone, erlang:port_info(S)),
    close(Pair),
    {S2, C2} = P2 = pair([binary, {active, true}]),
    gen_tcp:send(C2, "early"), timer:sleep(30),
    Q2 = spawn(fun() -> receive M -> Me ! {q2, M} end, receive stop -> ok end end),
    p(give_active, gen_tcp:controlling_process(S2, Q2)),
    p(moved, next()),
    Q2 ! stop,
    M = monitor(port, C2),
    exit(C2, kill), p(exit, [next(), next()]), M = M,
    close(P2),
    {S3, C3} = P3 = pair([binary, {active, false}]),
    S3 ! {self(), {command, "by message"}},
    p(reply, next()), p(arrived, gen_tcp:recv(C3, 0)),
    S3 ! {self(), close}, p(closed, [next(), next()]),
    close(P3).

watermarks() ->
    {S, C} = Pair = pair([binary, {active, false}, {sndbuf, 8192}, {recbuf, 8192}]),
    p(marks, [inet:getopts(C, [high_watermark, low_watermark])]),
    p(set, [inet:setopts(C, [{high_watermark, 100}]), inet:getopts(C, [high_watermark, low_watermark]),
            inet:setopts(C, [{low_watermark, 1000}]), inet:getopts(C, [high_watermark, low_watermark]),
            inet:setopts(C, [{high_watermark, 20000}, {low_watermark, 10000}])]),
    Me = self(),
    Data = binary:copy(<<"y">>, 100000),
    Sender = spawn_link(fun() -> [begin ok = gen_tcp:send(C, Data), Me ! {sent, N} end || N <- lists:seq(1, 60)] end),
    timer:sleep(200),
    Sent = length(all(50)),
    p(blocked, Sent < 60),
    p(busy, prim_inet:getstatus(C)),
    p(nosuspend, erlang:port_command(C, "z", [nosuspend])),
    p(close_would_wait, erlang:port_control(C, 16#03f1a300 + 24, [1]) =/= [1, 1, 0, 0, 0, 0]),
    p(all, begin {ok, B} = gen_tcp:recv(S, 6000000, 10000), byte_size(B) end),
    p(empty, receive {empty_out_q, C} -> yes after 1000 -> no end),
    p(unblocked, Sent + length(all(200)) =:= 60 orelse Sender),
    close(Pair).

send_timeouts() ->
    {_, C} = Pair = pair([binary, {active, false}, {sndbuf, 8192}, {recbuf, 8192}, {send_timeout, 50}]),
    Data = binary:copy(<<"y">>, 1000000),
    Loop = fun F(N) -> case gen_tcp:send(C, Data) of ok when N < 50 -> F(N + 1); R -> R end end,
    p(timeout, Loop(0)),
    p(open, is_list(erlang:port_info(C))),
    p(again, Loop(0)),
    p(opts, inet:getopts(C, [send_timeout, send_timeout_close])),
    inet:setopts(C, [{send_timeout_close, true}]),
    p(closing, Loop(0)), p(closed, Loop(0)),
    erlang:port_close(C), close(Pair),
    {_, C2} = P2 = pair([binary, {active, false}, {sndbuf, 8192}, {recbuf, 8192}, {send_timeout, 0}]),
    Loop2 = fun F(N) -> case gen_tcp:send(C2, Data) of ok when N < 50 -> F(N + 1); R -> R end end,
    p(zero, Loop2(0)),
    erlang:port_close(C2), close(P2).

large() ->
    [begin
         {S, C} = Pair = pair([binary, {active, A}, {packet, T} | More]),
         Data = << <<(X * 7 rem 251)>> || X <- lists:seq(1, 1500000) >>,
         Self = self(),
         spawn_link(fun() -> Self ! {sent, [gen_tcp:send(C, Data), gen_tcp:send(C, [Data, "tail"])]} end),
         N = byte_size(Data),
         Got = case {A, T} of
                   {true, 0} -> gather(S, 2 * N + 4);
                   {true, 4} -> receive {tcp, S, D1} -> receive {tcp, S, D2} -> <<D1/binary, D2/binary>> end end;
                   {false, 0} -> {ok, D} = gen_tcp:recv(S, 2 * N + 4), D;
                   {false, 4} -> {ok, D1} = gen_tcp:recv(S, 0), {ok, D2} = gen_tcp:recv(S, 0), <<D1/binary, D2/binary>>
               end,
         p({A, T, More}, {Got =:= <<Data/binary, Data/binary, "tail">>, receive {sent, R} -> R end}),
         close(Pair)
     end || A <- [true, false], T <- [0, 4], More <- [[], [{buffer, 100000}], [{recbuf, 4096}, {sndbuf, 4096}]]].

iodata() ->
    {S, C} = Pair = pair([binary, {active, false}]),
    <<_:3, Odd:400/bitstring, _/bitstring>> = binary:copy(<<"odd bits">>, 10),
    <<_:3, Odd2:16000/bitstring, _/bitstring>> = binary:copy(<<"odd bits">>, 300),
    Sub = binary:part(binary:copy(<<"0123456789">>, 500), 333, 2000),
    Cases = ["", <<>>, [], [[[]]], "list", [<<"a">>, $b, [<<"c">>, [$d | <<"tail">>]]], lists:seq(0, 255), Odd, Odd2, [Odd2, Sub, "x", Sub | Odd],
             [[X, Sub] || X <- lists:seq(0, 200)], lists:duplicate(9000, $q), [binary:copy(<<X>>, X) || X <- lists:seq(0, 255)]],
    [begin
         ok = gen_tcp:send(C, D),
         Flat = iolist_to_binary(D),
         p(byte_size(Flat), Flat =:= <<>> orelse gen_tcp:recv(S, byte_size(Flat), 1000) =:= {ok, Flat})
     end || D <- Cases],
    [p(bad, gen_tcp:send(C, D)) || D <- [atom, 1, [256], [-1], [a], <<1:1>>, [<<1:7>>], {}, ["x" | 3]]],
    close(Pair).

errors() ->
    p(connect, [gen_tcp:connect({127, 0, 0, 1}, 1, []), gen_tcp:connect("no.such.host.invalid", 1, [], 1000),
                catch gen_tcp:connect({127, 0, 0, 1}, 99999999, []), gen_tcp:connect({127, 0, 0, 1}, 1, [inet6])]),
    {ok, L} = gen_tcp:listen(0, []),
    {ok, Port} = inet:port(L),
    p(in_use, gen_tcp:listen(Port, [])),
    p(bad_option, catch gen_tcp:listen(0, [{no_such, 1}])),
    p(bad_address, gen_tcp:listen(0, [{ip, {1, 2, 3, 4}}])),
    p(set, [inet:setopts(L, [O]) || O <- [{nodelay, maybe_}, {packet, 7}, {linger, 1}, {buffer, abc}, {header, -1}, {active, 99999}, no_such, {no_such, 1}]]),
    p(get, [inet:getopts(L, [O]) || O <- [no_such, {raw, 1, 2, 4}, {raw, 999, 999, 4}, {raw, 6, 1, <<0:32>>}, 17]]),
    p(recv, [gen_tcp:recv(L, 0, 10), gen_tcp:send(L, "x"), inet:peername(L), gen_tcp:shutdown(L, write)]),
    p(control, [catch erlang:port_control(L, Op, Data) || Op <- [0, 77, 16#03f1a300 + 255, 16#03f1a300], Data <- ["", "abc"]]),
    p(badarg, [element(1, element(2, catch erlang:port_control(L, 16#03f1a300 + Op, "Z"))) || Op <- [11, 24]]),
    p(call, element(1, element(2, catch erlang:port_call(L, 1, x)))),
    gen_tcp:close(L).

deliver_port() ->
    {S, C} = Pair = pair([binary, {active, true}, {deliver, port}], [binary]),
    gen_tcp:send(C, "as a port"),
    p(binary, next()),
    inet:setopts(S, [list]), gen_tcp:send(C, "abc"), p(list, next()),
    inet:setopts(S, [binary, {header, 2}, {packet, 1}]), gen_tcp:send(C, [3, "abc"]), p(header, next()),
    inet:setopts(S, [{active, once}]), gen_tcp:send(C, [1, "a", 1, "b"]), p(once, all(50)),
    close(Pair).

local() ->
    Name = "sock" ++ os:getpid(),
    file:delete(Name),
    {ok, L} = gen_tcp:listen(0, [{ifaddr, {local, Name}}, binary, {active, false}]),
    {ok, C} = gen_tcp:connect({local, Name}, 0, [binary, {active, false}]),
    {ok, S} = gen_tcp:accept(L),
    gen_tcp:send(C, "through a file"),
    p(recv, gen_tcp:recv(S, 0)),
    p(name, [inet:sockname(L) =:= {ok, {local, list_to_binary(Name)}}, inet:sockname(C), inet:peername(S), element(1, inet:port(L)), inet:peername(C) =:= inet:sockname(L)]),
    p(type, prim_inet:gettype(L)),
    [gen_tcp:close(X) || X <- [L, C, S]],
    p(again, gen_tcp:listen(0, [{ifaddr, {local, Name}}])),
    p(gone, gen_tcp:connect({local, Name}, 0, [])),
    file:delete(Name),
    p(no_file, gen_tcp:connect({local, Name}, 0, [])),
    p(too_long, catch gen_tcp:connect({local, lists:duplicate(200, $a)}, 0, [])),
    {ok, A} = gen_tcp:listen(0, [{ifaddr, {local, <<0, (list_to_binary(Name))/binary>>}}]),
    p(abstract, inet:sockname(A) =:= {ok, {local, <<0, (list_to_binary(Name))/binary>>}}),
    gen_tcp:close(A).

inet6() ->
    case gen_tcp:listen(0, [inet6, binary, {active, false}, {ip, {0, 0, 0, 0, 0, 0, 0, 1}}]) of
        {ok, L} ->
            {ok, Port} = inet:port(L),
            {ok, C} = gen_tcp:connect({0, 0, 0, 0, 0, 0, 0, 1}, Port, [inet6, binary, {active, false}]),
            {ok, S} = gen_tcp:accept(L),
            gen_tcp:send(S, "six"),
            p(recv, gen_tcp:recv(C, 3)),
            p(name, [element(1, element(2, inet:sockname(X))) || X <- [L, S, C]]),
            p(opts, inet:getopts(L, [ipv6_v6only, tclass])),
            [gen_tcp:close(X) || X <- [L, S, C]];
        E -> p(none, E)
    end.

delayed() ->
    {S, C} = Pair = pair([binary, {active, false}, {delay_send, true}]),
    [gen_tcp:send(C, [X]) || X <- "delayed"],
    p(recv, gen_tcp:recv(S, 7, 1000)),
    p(opts, inet:getopts(C, [delay_send, nodelay])),
    close(Pair).

resets() ->
    [begin
         {S, C} = Pair = pair([binary, {active, A}, {show_econnreset, Show}]),
         inet:setopts(C, [{linger, {true, 0}}]),
         p(linger, inet:getopts(C, [linger])),
         gen_tcp:close(C), timer:sleep(30),
         p({A, Show}, case A of true -> all(50); false -> [gen_tcp:recv(S, 0, 100), gen_tcp:recv(S, 0, 100)] end),
         close(Pair)
     end || A <- [true, false], Show <- [true, false]],
    [begin
         {S, C} = Pair = pair([binary, {active, false}, {show_econnreset, Show}]),
         inet:setopts(C, [{linger, {true, 0}}]), gen_tcp:close(C), timer:sleep(30),
         p({send, Show}, [gen_tcp:send(S, "x"), gen_tcp:send(S, "x"), gen_tcp:recv(S, 0, 100), gen_tcp:recv(S, 0, 100)]),
         close(Pair)
     end || Show <- [true, false]].

sendfile() ->
    Name = "sendfile" ++ os:getpid(),
    Data = binary:copy(<<"0123456789">>, 100000),
    ok = file:write_file(Name, Data),
    {S, C} = Pair = pair([binary, {active, false}]),
    Me = self(),
    spawn_link(fun() -> Me ! {got, gen_tcp:recv(S, 1000000, 5000) =:= {ok, Data}} end),
    p(whole, file:sendfile(Name, C)), p(got, next()),
    {ok, F} = file:open(Name, [read, raw, binary]),
    p(part, [file:sendfile(F, C, 5, 20, []), gen_tcp:recv(S, 20)]),
    p(beyond, [file:sendfile(F, C, 999990, 100, []), gen_tcp:recv(S, 10), file:sendfile(F, C, 2000000, 1, [])]),
    p(bad, [file:sendfile(F, C, -1, 1, []), file:sendfile("nofile", C)]),
    gen_tcp:close(S), gen_tcp:close(C),
    p(closed, file:sendfile(F, C, 0, 10, [])),
    file:close(F), file:delete(Name), close(Pair).

%% The sender dies at once; what it sent still arrives.
lingering() ->
    Me = self(),
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {recbuf, 8192}]),
    {ok, Port} = inet:port(L),
    Data = binary:copy(<<"linger">>, 500000),
    spawn(fun() ->
                  {ok, C} = gen_tcp:connect("127.0.0.1", Port, [binary, {sndbuf, 8192}, {high_watermark, 1 bsl 23}]),
                  Me ! {sent, gen_tcp:send(C, Data)}
          end),
    {ok, S} = gen_tcp:accept(L),
    p(sent, next()),
    timer:sleep(50),
    p(all, gen_tcp:recv(S, byte_size(Data), 5000) =:= {ok, Data}),
    p(closed, gen_tcp:recv(S, 0, 1000)),
    gen_tcp:close(S), gen_tcp:close(L).

descriptors() ->
    {S, C} = Pair = pair([binary, {active, false}]),
    {ok, Fd} = inet:getfd(S),
    p(fd, is_integer(Fd)),
    p(adopt, begin {ok, S2} = gen_tcp:fdopen(Fd, [binary, {active, false}]), gen_tcp:send(C, "x"), R = gen_tcp:recv(S2, 1), gen_tcp:close(S2), R end),
    p(still, [gen_tcp:send(C, "y"), gen_tcp:recv(S, 1)]),
    p(bad, [gen_tcp:fdopen(999, []), gen_tcp:fdopen(Fd, [inet6])]),
    p(ignore, [prim_inet:ignorefd(S, true), prim_inet:ignorefd(S, true), gen_tcp:send(C, "z"), gen_tcp:recv(S, 1, 50), prim_inet:ignorefd(S, false),
               gen_tcp:recv(S, 1, 500)]),
    close(Pair).
