%% SPDX-License-Identifier: Apache-2.0
%% UDP and what inet knows: datagrams in all modes, addresses, options, groups, interfaces, names.
-module(sockets_udp).
-export([main/0]).
-compile(export_all).
-compile(nowarn_export_all).

main() ->
    process_flag(trap_exit, true),
    [begin io:format("--- ~w~n", [F]), ?MODULE:F(), all(0) end
     || F <- [basics, modes, timeouts, connected, sizes, extras, local, inet6, errors, groups, options, raw_options, listen_options,
              interfaces, names, addresses]].

p(What, X) -> io:format("~w: ~tp~n", [What, hide(X)]).

hide(P) when is_port(P) -> port;
hide(P) when is_pid(P) -> pid;
hide([H | T]) -> [hide(H) | hide(T)];
hide(T) when is_tuple(T) -> list_to_tuple(hide(tuple_to_list(T)));
hide(X) -> X.

next() -> receive M -> M after 2000 -> nothing end.
all(T) -> receive M -> [M | all(T)] after T -> [] end.
%% A message with the sender's port number only compared.
from({udp, S, A, P, D}, P) -> {udp, S, A, same, D};
from({udp, S, A, P, X, D}, P) -> {udp, S, A, same, X, D};
from({ok, {A, P, D}}, P) -> {ok, {A, same, D}};
from({ok, {A, P, X, D}}, P) -> {ok, {A, same, X, D}};
from(Other, _) -> Other.

pair(Opts) ->
    {ok, A} = gen_udp:open(0, [{ip, {127, 0, 0, 1}} | Opts]),
    {ok, B} = gen_udp:open(0, [{ip, {127, 0, 0, 1}} | Opts]),
    {ok, PA} = inet:port(A), {ok, PB} = inet:port(B),
    {A, PA, B, PB}.

-define(HOME, {127, 0, 0, 1}).

basics() ->
    {A, PA, B, PB} = pair([binary, {active, false}]),
    p(send, gen_udp:send(A, ?HOME, PB, "hello")),
    p(recv, from(gen_udp:recv(B, 0, 1000), PA)),
    p(by_name, gen_udp:send(A, "localhost", PB, [<<"na">>, "me"])),
    p(recv, from(gen_udp:recv(B, 0, 1000), PA)),
    p(to_tuple, gen_udp:send(A, {?HOME, PB}, "tuple")), p(recv, from(gen_udp:recv(B, 0, 1000), PA)),
    p(empty, [gen_udp:send(A, ?HOME, PB, ""), from(gen_udp:recv(B, 0, 1000), PA)]),
    p(name, inet:sockname(A) =:= {ok, {?HOME, PA}}), p(peer, inet:peername(A)),
    p(stat, [inet:getstat(X, [recv_cnt, recv_oct, recv_max, send_cnt, send_oct, send_max, send_avg, send_pend]) || X <- [A, B]]),
    p(info, [proplists:get_value(K, erlang:port_info(A)) || K <- [name, connected, links, input]]),
    p(status, {prim_inet:getstatus(A), prim_inet:gettype(A), inet_db:lookup_socket(A)}),
    p(close, gen_udp:close(A)),
    p(closed, [gen_udp:send(A, ?HOME, PB, "x"), gen_udp:recv(A, 0), inet:port(A), erlang:port_info(A)]),
    gen_udp:close(B).

modes() ->
    {A, PA, B, PB} = pair([list, {active, true}]),
    gen_udp:send(A, ?HOME, PB, "active"), p(active, from(next(), PA)),
    p(recv, gen_udp:recv(B, 0, 10)),
    inet:setopts(B, [{active, once}, binary]),
    [gen_udp:send(A, ?HOME, PB, [X]) || X <- "ab"],
    p(once, [from(next(), PA) | all(30)]),
    p(mode, inet:getopts(B, [active])),
    p(second, from(gen_udp:recv(B, 0, 100), PA)),
    inet:setopts(B, [{active, 2}]),
    [gen_udp:send(A, ?HOME, PB, [X]) || X <- "cde"],
    p(two, [from(M, PA) || M <- [next(), next(), next() | all(30)]]),
    inet:setopts(B, [{active, false}]), p(left, from(gen_udp:recv(B, 0, 100), PA)),
    inet:setopts(B, [{header, 2}, {active, true}]),
    gen_udp:send(A, ?HOME, PB, "header"), p(header, from(next(), PA)),
    gen_udp:send(A, ?HOME, PB, "h"), p(short, from(next(), PA)),
    inet:setopts(B, [{active, false}]), gen_udp:send(A, ?HOME, PB, "header"), p(passive, from(gen_udp:recv(B, 0, 100), PA)),
    inet:setopts(B, [{header, 0}, {deliver, port}, {active, true}]),
    gen_udp:send(A, ?HOME, PB, "x"),
    p(port, case next() of {B, {data, <<1, PA:16, 127, 0, 0, 1, D/binary>>}} -> D; M -> M end),
    gen_udp:close(A), gen_udp:close(B).

timeouts() ->
    {A, PA, B, PB} = pair([{active, false}]),
    p(now, gen_udp:recv(B, 0, 0)), p(soon, gen_udp:recv(B, 0, 20)),
    Me = self(),
    spawn(fun() -> Me ! {first, from(gen_udp:recv(B, 0, 1000), PA)} end), timer:sleep(30),
    p(busy, gen_udp:recv(B, 0, 10)),
    gen_udp:send(A, ?HOME, PB, "x"), p(first, next()),
    spawn(fun() -> Me ! {closed, gen_udp:recv(B, 0)} end), timer:sleep(30),
    gen_udp:close(B), p(closed, next()),
    p(bad, [catch gen_udp:recv(A, -1, 10), catch gen_udp:recv(A, 0, -5)]),
    gen_udp:close(A).

connected() ->
    {A, PA, B, PB} = pair([binary, {active, false}]),
    p(connect, gen_udp:connect(A, ?HOME, PB)),
    p(send, gen_udp:send(A, "connected")), p(recv, from(gen_udp:recv(B, 0, 1000), PA)),
    p(peer, inet:peername(A) =:= {ok, {?HOME, PB}}), p(status, prim_inet:getstatus(A)),
    gen_udp:send(B, ?HOME, PA, "back"), p(back, from(gen_udp:recv(A, 0, 1000), PB)),
    {ok, C} = gen_udp:open(0, []),
    gen_udp:send(C, ?HOME, PA, "stranger"), p(stranger, gen_udp:recv(A, 0, 30)),
    gen_udp:close(B), timer:sleep(20),
    p(refused, [gen_udp:send(A, "x"), gen_udp:recv(A, 0, 100)]),
    inet:setopts(A, [{active, true}]),
    p(refused_active, [gen_udp:send(A, "x"), all(50)]),
    {ok, D} = gen_udp:open(0, [binary, {ip, ?HOME}]), {ok, PD} = inet:port(D),
    p(again, [gen_udp:connect(A, ?HOME, PD), gen_udp:send(A, "y"), element(5, next())]),
    p(to_other, gen_udp:send(A, ?HOME, PA, "z")),
    [gen_udp:close(S) || S <- [A, C, D]].

sizes() ->
    {A, PA, B, PB} = pair([binary, {active, true}]),
    Big = binary:copy(<<"0123456789">>, 800),
    [begin
         gen_udp:send(A, ?HOME, PB, binary:part(Big, 0, N)),
         p(N, case from(next(), PA) of {udp, _, _, same, D} -> D =:= binary:part(Big, 0, N); M -> M end)
     end || N <- [0, 1, 63, 64, 65, 1000, 6000, 6144, 8000]],
    p(buffer, [inet:getopts(B, [buffer]), inet:setopts(B, [{buffer, 10}])]),
    gen_udp:send(A, ?HOME, PB, "cut off after ten"), p(cut, from(next(), PA)),
    inet:setopts(B, [{buffer, 65536}, {recbuf, 200000}]),
    p(max, [gen_udp:send(A, ?HOME, PB, binary:copy(<<"m">>, 65507)), gen_udp:send(A, ?HOME, PB, binary:copy(<<"m">>, 65508))]),
    p(max, case next() of {udp, _, _, _, D} -> byte_size(D); M -> M end),
    [gen_udp:send(A, ?HOME, PB, <<N:16>>) || N <- lists:seq(1, 100)],
    p(many, [N || {udp, _, _, _, <<N:16>>} <- all(100)] =:= lists:seq(1, 100)),
    gen_udp:close(A), gen_udp:close(B).

extras() ->
    {A, PA, B, PB} = pair([binary, {active, false}, {recvtos, true}, {recvttl, true}]),
    gen_udp:send(A, ?HOME, PB, "plain"), p(recv, from(gen_udp:recv(B, 0, 1000), PA)),
    p(send, gen_udp:send(A, {?HOME, PB}, [{tos, 16}, {ttl, 33}], "with")), p(recv, from(gen_udp:recv(B, 0, 1000), PA)),
    p(bad, [gen_udp:send(A, {?HOME, PB}, [{no, 1}], "x"), gen_udp:send(A, {?HOME, PB}, [{reuseaddr, true}], "x"),
            gen_udp:send(A, {?HOME, PB}, [{tclass, 1}], "x")]),
    inet:setopts(B, [{active, true}]),
    gen_udp:send(A, {?HOME, PB}, [{tos, 8}], "act"), p(active, [from(M, PA) || M <- all(100)]),
    p(off, inet:setopts(B, [{recvtos, false}, {recvttl, false}])),
    gen_udp:send(A, {?HOME, PB}, [{tos, 8}], "off"), p(without, from(next(), PA)),
    p(tos, [inet:setopts(A, [{tos, 32}, {ttl, 10}]), inet:getopts(A, [tos, ttl, priority])]),
    p(priority, [inet:setopts(A, [{priority, 3}]), inet:getopts(A, [priority, tos])]),
    gen_udp:close(A), gen_udp:close(B).

local() ->
    [NA, NB] = Names = [X ++ os:getpid() || X <- ["udpa", "udpb"]],
    [file:delete(N) || N <- Names],
    {ok, A} = gen_udp:open(0, [{ifaddr, {local, NA}}, binary, {active, false}]),
    {ok, B} = gen_udp:open(0, [{ifaddr, {local, NB}}, binary, {active, true}]),
    Same = fun({local, N}) -> {local, N =:= list_to_binary(NA)}; (X) -> X end,
    p(send, gen_udp:send(A, {local, NB}, 0, "by path")),
    p(recv, case next() of {udp, B, From, 0, D} -> {Same(From), D}; M -> M end),
    {ok, C} = gen_udp:open(0, [local, binary]),
    gen_udp:send(C, {local, NB}, 0, "nameless"), p(nameless, next()),
    gen_udp:send(C, {local, NA}, 0, "nameless"), p(nameless, gen_udp:recv(A, 0, 100)),
    p(missing, gen_udp:send(A, {local, "no" ++ NB}, 0, "x")),
    [gen_udp:close(S) || S <- [A, B, C]], [file:delete(N) || N <- Names].

inet6() ->
    Home = {0, 0, 0, 0, 0, 0, 0, 1},
    case gen_udp:open(0, [inet6, binary, {active, false}, {ip, Home}]) of
        {ok, A} ->
            {ok, P} = inet:port(A),
            gen_udp:send(A, Home, P, "six"), p(recv, from(gen_udp:recv(A, 0, 1000), P)),
            inet:setopts(A, [{active, true}, {recvtclass, true}]),
            gen_udp:send(A, {Home, P}, [{tclass, 5}], "six"), p(active, from(next(), P)),
            p(opts, inet:getopts(A, [tclass, recvtclass, ipv6_v6only])),
            gen_udp:close(A);
        E -> p(none, E)
    end.

errors() ->
    {ok, A} = gen_udp:open(0, [{ip, ?HOME}]),
    {ok, P} = inet:port(A),
    p(in_use, gen_udp:open(P, [{ip, ?HOME}])),
    p(reuse, case gen_udp:open(P, [{ip, ?HOME}, {reuseaddr, true}]) of {ok, S} -> gen_udp:close(S), ok; E -> E end),
    p(bad, [gen_udp:open(0, [{ip, {1, 2, 3, 4}}]), catch gen_udp:open(0, [{nope, 1}]), catch gen_udp:open(-1, [])]),
    p(send, [gen_udp:send(A, ?HOME, 0, "x"), gen_udp:send(A, ?HOME, P, [300]), catch gen_udp:send(A, {256, 0, 0, 1}, P, "x"),
             gen_udp:send(A, {0, 0, 0, 0, 0, 0, 0, 1}, P, "x"), gen_udp:send(A, "x")]),
    p(tcp_things, [catch gen_tcp:recv(A, 0, 10), catch element(2, gen_tcp:accept(A, 10)), catch gen_tcp:shutdown(A, write)]),
    p(read_packets, [inet:getopts(A, [read_packets]), inet:setopts(A, [{read_packets, 0}]), inet:setopts(A, [{read_packets, 20}]), inet:getopts(A, [read_packets])]),
    A ! {self(), {command, "garbage"}}, p(garbage, next()),
    A ! {self(), close}, p(closed, [next(), next()]).

groups() ->
    Group = {239, 77, 13, 5},
    {ok, A} = gen_udp:open(0, [binary, {reuseaddr, true}, {active, false}, {multicast_loop, true}, {multicast_if, {127, 0, 0, 1}}, {multicast_ttl, 1},
                               {add_membership, {Group, {127, 0, 0, 1}}}]),
    {ok, P} = inet:port(A),
    gen_udp:send(A, Group, P, "to all"), p(recv, from(gen_udp:recv(A, 0, 500), P)),
    p(opts, inet:getopts(A, [multicast_ttl, multicast_loop])),
    p(drop, [inet:setopts(A, [{drop_membership, {Group, {127, 0, 0, 1}}}])]),
    gen_udp:send(A, Group, P, "to none"), p(none, gen_udp:recv(A, 0, 50)),
    p(bad, [inet:setopts(A, [{add_membership, X}]) || X <- [{{1, 2, 3, 4}, any}, nonsense, {Group, {1, 2, 3}}]]),
    gen_udp:close(A).

options() ->
    {ok, U} = gen_udp:open(0, []),
    {ok, L} = gen_tcp:listen(0, []),
    Settable = [{reuseaddr, [true, false]}, {keepalive, [true, false]}, {dontroute, [true, false]}, {linger, [{true, 5}, {false, 0}]}, {broadcast, [true, false]},
                {sndbuf, [5000, 100000]}, {recbuf, [5000, 100000]}, {priority, [2, 0]}, {tos, [16, 0]}, {ttl, [7, 64]}, {nodelay, [true, false]},
                {nopush, [true, false]}, {buffer, [1, 100, -5]}, {header, [3, 0]}, {active, [true, false, once, 3]}, {packet, [0, 1, 2, 4, line, http, asn1, fcgi]},
                {mode, [binary, list]}, {deliver, [port, term]}, {exit_on_close, [false, true]}, {high_watermark, [100, -1, 9000]}, {low_watermark, [50, 99999]},
                {high_msgq_watermark, [100, 0, 9000]}, {low_msgq_watermark, [50, 99999, 0]}, {send_timeout, [10, infinity]}, {send_timeout_close, [true, false]},
                {delay_send, [true, false]}, {packet_size, [10, 0]}, {read_packets, [1, 100]}, {show_econnreset, [true, false]}, {multicast_ttl, [3, 1]},
                {multicast_loop, [false, true]}, {recvtos, [true, false]}, {recvttl, [true, false]}],
    [p({N, O, V}, [inet:setopts(S, [{O, V}]), inet:getopts(S, [O])]) || {N, S} <- [{udp, U}, {tcp, L}], {O, Vs} <- Settable, V <- Vs],
    p(defaults, inet:getopts(L, [tclass, recvtclass, ipv6_v6only, netns, bind_to_device, pktoptions])),
    p(device, [inet:setopts(U, [{bind_to_device, D}]) || D <- [<<"lo">>, <<>>, <<"none0">>, <<"far too long a name for it">>]]),
    p(several, inet:setopts(U, [{active, false}, {no_such, 1}, {active, true}])), p(kept, inet:getopts(U, [active])),
    gen_udp:close(U), gen_tcp:close(L).

raw_options() ->
    {ok, L} = gen_tcp:listen(0, []),
    p(get, [inet:getopts(L, [{raw, P, O, S}]) || {P, O, S} <- [{6, 1, 4}, {6, 1, <<0:32>>}, {6, 1, 1}, {6, 1, 0}, {6, 1, 100}, {1, 9, 4}]]),
    p(set, [inet:setopts(L, [{raw, P, O, V}]) || {P, O, V} <- [{6, 1, <<1:32/native>>}, {1, 9, <<1:32/native>>}, {6, 1, <<>>}, {99, 99, <<1>>}, {6, 1, 7}]]),
    p(now, inet:getopts(L, [{raw, 6, 1, 4}, nodelay, keepalive])),
    gen_tcp:close(L).

%% What an accepted connection takes over from its listener.
listen_options() ->
    {ok, L} = gen_tcp:listen(0, [binary, {active, once}, {packet, 2}, {header, 1}, {buffer, 777}, {packet_size, 55}, {nodelay, true}, {keepalive, true}, {linger, {true, 3}},
                                 {high_watermark, 1234}, {low_watermark, 123}, {send_timeout, 99}, {send_timeout_close, true}, {exit_on_close, false}, {delay_send, true},
                                 {show_econnreset, true}, {high_msgq_watermark, 5000}, {low_msgq_watermark, 4000}, {tos, 8}, {priority, 1}, {backlog, 3}]),
    {ok, C} = gen_tcp:connect("localhost", element(2, inet:port(L)), []),
    {ok, S} = gen_tcp:accept(L),
    Opts = [mode, active, packet, header, buffer, packet_size, nodelay, keepalive, linger, high_watermark, low_watermark, send_timeout, send_timeout_close, exit_on_close,
            delay_send, show_econnreset, high_msgq_watermark, low_msgq_watermark, tos, priority, deliver],
    [p(listener, inet:getopts(L, [O])) || O <- Opts], [p(accepted, inet:getopts(S, [O])) || O <- Opts],
    [erlang:port_close(X) || X <- [L, C, S]].

interfaces() ->
    {ok, All} = inet:getifaddrs(),
    p(addresses, lists:sort(All)),
    p(names, inet:getiflist()),
    p(lo, inet:ifget("lo", [addr, netmask, broadaddr, dstaddr, flags, hwaddr, mtu])),
    p(none, [inet:ifget("none", [addr, flags]), inet:ifget("lo", [nonsense])]),
    p(set, inet:ifset("none", [{mtu, 100}])).

names() ->
    p(host, inet:gethostname() =:= {ok, hd(string:split(string:trim(os:cmd("hostname")), "."))}),
    p(service, [inet:getservbyname(N, P) || {N, P} <- [{http, tcp}, {https, "tcp"}, {no_such_service, tcp}, {domain, udp}]]),
    p(localhost, [inet:getaddr(A, F) || A <- ["localhost", localhost, "127.0.0.1", {1, 2, 3, 4}, "::1"], F <- [inet, inet6]]),
    p(by_name, case inet:gethostbyname("localhost") of {ok, H} -> element(2, H); E -> E end),
    p(unknown, inet:getaddr("no.such.host.invalid", inet)),
    p(lookup, [proplists:get_value(lookup, inet_db:get_rc())]).

addresses() ->
    {ok, L} = gen_tcp:listen(0, []),
    p(pretend, [prim_inet:setsockname(L, {{9, 8, 7, 6}, 5}), inet:sockname(L), prim_inet:setsockname(L, undefined), element(1, element(2, inet:sockname(L)))]),
    p(peer, [prim_inet:setpeername(L, {{9, 8, 7, 6}, 5}), inet:peername(L)]),
    p(all, [[element(1, X) || X <- element(2, inet:socknames(L))], inet:peernames(L)]),
    p(any, [begin {ok, S} = gen_tcp:listen(0, [{ip, A}]), R = element(1, element(2, inet:sockname(S))), gen_tcp:close(S), R end || A <- [any, loopback, {0, 0, 0, 0}]]),
    gen_tcp:close(L).
