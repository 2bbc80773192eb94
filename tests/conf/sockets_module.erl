%% SPDX-License-Identifier: Apache-2.0
%% The module socket: every call's answers and messages, who waits in line, owners, closing, options, control messages.
-module(sockets_module).
-export([main/0]).
-compile(export_all).
-compile(nowarn_export_all).

main() ->
    process_flag(trap_exit, true),
    [begin io:format("--- ~w~n", [F]), ?MODULE:F(), p(left, all(0)) end
     || F <- [tables, opening, connecting, streams, asked, parts, nowait, cancelling, acceptors, readers, writers, dead_waiter,
              closing, owners, registry, datagrams, messages, control, local, files, options, otp_options, native_options,
              interfaces, wrong, counters, adopted, inherited, raw]].

p(What, X) -> io:format("~w: ~tp~n", [What, hide(X)]).

hide({'$socket', _}) -> socket;
hide(P) when is_pid(P) -> pid;
hide(P) when is_port(P) -> port;
hide(R) when is_reference(R) -> ref;
hide([H | T]) -> [hide(H) | hide(T)];
hide(T) when is_tuple(T) -> list_to_tuple(hide(tuple_to_list(T)));
hide(M) when is_map(M) -> maps:map(fun(port, P) when is_integer(P), P > 1024 -> port; (_, V) -> hide(V) end, M);
hide(X) -> X.

next() -> receive M -> M after 2000 -> nothing end.
all(T) -> receive M -> [M | all(T)] after T -> [] end.
try_(F) -> try F() catch C:R -> {C, R} end.
home() -> #{family => inet, addr => loopback, port => 0}.
at(S) -> {ok, A} = socket:sockname(S), A.

listener() ->
    {ok, L} = socket:open(inet, stream, tcp),
    ok = socket:bind(L, home()), ok = socket:listen(L),
    L.
pair() ->
    L = listener(),
    {ok, C} = socket:open(inet, stream, tcp),
    ok = socket:connect(C, at(L)),
    {ok, A} = socket:accept(L),
    ok = socket:close(L),
    {C, A}.
udp() ->
    {ok, S} = socket:open(inet, dgram, udp),
    ok = socket:bind(S, home()),
    S.
close(L) -> [socket:close(S) || S <- L].
%% The process does F and says what came of it.
aside(F) ->
    Me = self(),
    spawn(fun() -> Me ! {self(), try_(F)} end).
said(P) -> receive {P, X} -> X after 3000 -> nothing end.
until(F) -> until(F, 200).
until(_, 0) -> never;
until(F, N) -> case F() of true -> ok; false -> timer:sleep(10), until(F, N - 1) end.
waiting(S, What, N) -> until(fun() -> maps:get(What, socket:info(S)) =:= N end).

tables() ->
    p(supports, lists:sort([X || {X, _} <- socket:supports()])),
    [p(T, lists:sort(socket:supports(T))) || T <- [options, msg_flags, protocols, ioctl_requests, ioctl_flags]],
    p(levels, [{L, lists:sort(socket:supports(options, L))} || L <- [socket, ip, ipv6, tcp, udp, sctp, nothing]]),
    p(is, [socket:is_supported(X) || X <- [ipv6, sctp, sendfile, nothing]]),
    p(is2, [socket:is_supported(options, {socket, X}) || X <- [reuseaddr, peek_off, mark, nothing]]),
    p(global, socket:info()).

opening() ->
    O = fun(D, T, P) -> case try_(fun() -> socket:open(D, T, P) end) of
                            {ok, S} -> I = maps:with([domain, type, protocol, ctype, rstates, wstates], socket:info(S)),
                                       socket:close(S), I;
                            E -> E
                        end end,
    p(good, [O(D, T, P) || {D, T, P} <- [{inet, stream, tcp}, {inet6, dgram, udp}, {inet, stream, default}, {local, stream, default},
                                         {local, dgram, default}, {local, seqpacket, default}, {inet, dgram, {raw, 17}},
                                         {2, 1, 6}]]),
    p(bad, [O(D, T, P) || {D, T, P} <- [{none, stream, tcp}, {inet, none, tcp}, {inet, stream, none}, {inet, stream, udp},
                                        {inet, seqpacket, tcp}, {inet, stream, 70000}, {4711, stream, 0}, {inet, 77, 0},
                                        {inet, stream, 1 bsl 70}, {1 bsl 70, stream, tcp}]]),
    p(netns, socket:open(inet, stream, tcp, #{netns => "/no/such"})),
    p(opts, [try_(fun() -> socket:open(inet, stream, tcp, X) end) || X <- [[], 7]]).

connecting() ->
    L = listener(),
    {ok, C} = socket:open(inet, stream),
    p(connect, [socket:connect(C, at(L)), socket:connect(C, at(L), 1000)]),
    p(names, [socket:sockname(C), socket:peername(C), socket:peername(L)]),
    p(same, {at(L) =:= element(2, socket:peername(C))}),
    {ok, A} = socket:accept(L),
    p(accepted, [maps:with([domain, type, protocol, rstates, wstates], socket:info(S)) || S <- [A, C, L]]),
    {ok, D} = socket:open(inet, stream),
    Closed = at(udp()),
    p(refused, socket:connect(D, Closed#{port := 1})),
    p(again, socket:connect(D, Closed#{port := 1}, nowait)),
    p(finish, [try_(fun() -> socket:connect(D) end)]),
    p(listening, [socket:listen(L, 7), socket:bind(L, home()), socket:listen(D), try_(fun() -> socket:listen(D, x) end)]),
    p(bind, [socket:bind(D, X) || X <- [any, loopback]]),
    p(bound, socket:sockname(C) =/= socket:sockname(D)),
    close([L, C, A, D]).

streams() ->
    {C, A} = pair(),
    p(send, [socket:send(C, X) || X <- [<<"bin">>, ["io", <<"list">>], ""]]),
    p(recv, [socket:recv(A, 3), socket:recv(A, 0)]),
    p(flags, [socket:send(C, "peeked", [more]), socket:recv(A, 4, [peek]), socket:recv(A, 6, [])]),
    Big = binary:copy(<<"0123456789">>, 100000),
    P = aside(fun() -> socket:send(C, Big) end),
    {ok, Got} = socket:recv(A, 1000000),
    p(big, {said(P), Got =:= Big}),
    Q = aside(fun() -> socket:sendmsg(C, #{iov => [Big, <<>>, Big]}) end),
    {ok, Got2} = socket:recv(A, 2000000),
    p(iov, {said(Q), Got2 =:= <<Big/binary, Big/binary>>}),
    p(shut, [socket:shutdown(C, write), socket:recv(A), socket:send(C, "x"), try_(fun() -> socket:shutdown(C, both) end)]),
    p(other, [socket:send(A, "back"), socket:recv(C), socket:shutdown(A, read_write), socket:recv(C)]),
    close([C, A]).

asked() ->
    {C, A} = pair(),
    p(time, [socket:recv(A, 0, 0), socket:recv(A, 0, 20), socket:recv(A, 5, 0)]),
    ok = socket:send(C, "abc"),
    p(part, socket:recv(A, 5, 50)),
    ok = socket:send(C, "abcde"),
    p(enough, socket:recv(A, 3, 1000)), p(rest, socket:recv(A, 0, 1000)),
    ok = socket:send(C, "end"), ok = socket:close(C),
    p(ended, [socket:recv(A, 10, 1000), socket:recv(A, 10, 1000)]),
    close([A]).

parts() ->
    {C, A} = pair(),
    p(set, [socket:setopt(A, otp, rcvbuf, X) || X <- [{3, 4}, 0, {0, 4}, x, 4]]),
    p(get, socket:getopt(A, otp, rcvbuf)),
    ok = socket:setopt(A, otp, rcvbuf, {3, 4}),
    ok = socket:send(C, "0123456789abcdef"),
    p(twelve, socket:recv(A, 0, 1000)), p(four, socket:recv(A, 0, 1000)),
    ok = socket:setopt(A, otp, rcvbuf, default), p(get, socket:getopt(A, otp, rcvbuf)),
    close([C, A]).

nowait() ->
    {C, A} = pair(),
    {select, {select_info, Op, R}} = socket:recv(A, 0, nowait),
    p(select, Op), p(none, all(20)),
    p(current, [maps:get(num_readers, socket:info(A)), maps:get(rstates, socket:info(A))]),
    ok = socket:send(C, "data"),
    {'$socket', S, select, R2} = next(), p(message, {S =:= A, R2 =:= R}), p(once, all(50)),
    p(data, socket:recv(A, 0, nowait)),
    H = make_ref(),
    p(handle, socket:recv(A, 4, H)),
    ok = socket:send(C, "ab"), p(told, next() =:= {'$socket', A, select, H}),
    p(partial, socket:recv(A, 4, H)), ok = socket:send(C, "cd"), p(told, next() =:= {'$socket', A, select, H}),
    p(rest, socket:recv(A, 2, H)),
    Full = fill(C), p(writer, Full),
    {ok, _} = socket:recv(A, 0),
    drain(A),
    p(writable, case next() of {'$socket', C, select, X} when is_reference(X) -> yes; M -> M end),
    drain(A),
    close([C, A]).

fill(C) ->
    case socket:send(C, binary:copy(<<0>>, 100000), nowait) of
        ok -> fill(C);
        {select, {{select_info, O, _}, Rest}} when is_binary(Rest) -> {part, O};
        {select, {select_info, O, _}} -> {none, O}
    end.
drain(A) -> case socket:recv(A, 0, 100) of {ok, _} -> drain(A); E -> E end.

cancelling() ->
    {C, A} = pair(), L = listener(),
    {select, I} = socket:recv(A, 0, nowait),
    p(cancel, [socket:cancel(A, I), socket:cancel(A, I)]),
    {select, J} = socket:recv(A, 0, nowait),
    ok = socket:send(C, "x"), timer:sleep(50),
    p(sent, socket:cancel(A, J)),
    {select, K} = socket:accept(L, nowait), p(accept, {element(2, K), socket:cancel(L, K)}),
    {ok, _} = socket:recv(A), {select, M} = socket:recvfrom(A, 0, nowait),
    p(wrong, [socket:cancel(A, {select_info, accept, element(3, M)}), socket:cancel(A, {select_info, recv, make_ref()}),
              try_(fun() -> socket:cancel(A, {select_info, nothing, make_ref()}) end), socket:cancel(A, M)]),
    close([C, A, L]), p(closed, socket:cancel(A, M)).

acceptors() ->
    L = listener(), Me = self(),
    Ps = [begin P = spawn(fun() -> {ok, S} = socket:accept(L), Me ! {self(), N}, socket:close(S) end),
                waiting(L, num_acceptors, N), P end || N <- [1, 2, 3]],
    p(waiting, maps:with([num_acceptors, rstates], socket:info(L))),
    p(recv, socket:recv(L, 0, nowait)),
    Cs = [begin {ok, C} = socket:open(inet, stream), ok = socket:connect(C, at(L)), p(served, said(P)), C end || P <- Ps],
    p(waiting, maps:get(num_acceptors, socket:info(L))),
    Qs = [aside(fun() -> socket:accept(L) end) || _ <- [1, 2]], waiting(L, num_acceptors, 2),
    socket:close(L),
    p(aborted, [said(Q) || Q <- Qs]),
    close(Cs).

readers() ->
    {C, A} = pair(),
    Ps = [begin P = aside(fun() -> socket:recv(A, 3) end), waiting(A, num_readers, N), P end || N <- [1, 2, 3]],
    p(mine, [element(1, socket:recv(A, 0, nowait)), maps:get(num_readers, socket:info(A))]),
    p(twice, try_(fun() -> socket:recv(A, 0, nowait) end)),
    ok = socket:send(C, "abcdefghi"),
    p(served, [said(P) || P <- Ps]),
    ok = socket:send(C, "rest"), p(told, next()), p(rest, socket:recv(A, 0)),
    Qs = [begin P = aside(fun() -> socket:recv(A, 3) end), waiting(A, num_readers, N), P end || N <- [1, 2]],
    ok = socket:close(C),
    p(closed, [said(Q) || Q <- Qs]),
    close([A]).

writers() ->
    {C, A} = pair(),
    Big = binary:copy(<<1>>, 8000000),
    Ps = [begin P = aside(fun() -> socket:send(C, Big) end), waiting(C, num_writers, N), P end || N <- [1, 2]],
    {ok, Got} = socket:recv(A, 16000000, 20000),
    p(served, [byte_size(Got) | [said(P) || P <- Ps]]),
    Qs = [begin P = aside(fun() -> socket:send(C, <<Big/binary, Big/binary>>) end), waiting(C, num_writers, N), P end || N <- [1, 2]],
    socket:close(C),
    p(closed, [case said(Q) of {error, {closed, R}} when byte_size(R) > 0 -> closed_rest; X -> X end || Q <- Qs]),
    close([A]).

dead_waiter() ->
    {C, A} = pair(),
    P1 = spawn(fun() -> socket:recv(A, 3) end), waiting(A, num_readers, 1),
    P2 = aside(fun() -> socket:recv(A, 3) end), waiting(A, num_readers, 2),
    exit(P1, kill), p(gone, waiting(A, num_readers, 1)),
    ok = socket:send(C, "abc"), p(served, said(P2)),
    P3 = spawn(fun() -> {select, _} = socket:recv(A, 3, nowait), timer:sleep(infinity) end), waiting(A, num_readers, 1),
    P4 = aside(fun() -> socket:recv(A, 3) end), waiting(A, num_readers, 2),
    ok = socket:send(C, "def"), timer:sleep(20), exit(P3, kill),
    p(behind, said(P4)),
    P5 = spawn(fun() -> socket:recv(A, 3) end), waiting(A, num_readers, 1),
    exit(P5, kill), timer:sleep(50),
    ok = socket:send(C, "ghi"), p(mine, socket:recv(A, 3, 1000)),
    close([C, A]).

closing() ->
    {C, A} = pair(),
    {select, {select_info, recv, R}} = socket:recv(A, 0, nowait),
    P = aside(fun() -> socket:recv(A, 0) end), waiting(A, num_readers, 2),
    p(close, socket:close(A)), p(abort, case next() of {'$socket', A, abort, {R, X}} -> X; M -> M end), p(other, said(P)),
    p(after_, [F() || F <- [fun() -> socket:close(A) end, fun() -> socket:recv(A) end, fun() -> socket:send(A, "x") end,
                            fun() -> socket:accept(A) end, fun() -> socket:sockname(A) end, fun() -> socket:peername(A) end,
                            fun() -> socket:getopt(A, socket, type) end, fun() -> socket:setopt(A, socket, keepalive, true) end,
                            fun() -> socket:getopt(A, otp, rcvbuf) end, fun() -> socket:shutdown(A, write) end,
                            fun() -> socket:listen(A) end, fun() -> socket:bind(A, home()) end,
                            fun() -> socket:connect(A, home()) end, fun() -> socket:recvfrom(A) end,
                            fun() -> socket:recvmsg(A) end, fun() -> socket:sendto(A, "x", home()) end,
                            fun() -> socket:sendmsg(A, #{iov => [<<"x">>]}) end, fun() -> socket:ioctl(A, gifconf) end]]),
    p(info, maps:without([counters, owner], socket:info(A))),
    p(seen, socket:recv(C)), close([C]),
    p(half, begin S = udp(), {'$socket', Ref} = S, [prim_socket:close(Ref), prim_socket:close(Ref), socket:recv(S),
             said(aside(fun() -> prim_socket:finalize_close(Ref) end)), prim_socket:finalize_close(Ref),
             prim_socket:finalize_close(Ref)] end).

owners() ->
    Me = self(),
    P = spawn(fun() -> S = listener(), Me ! {self(), S}, receive stop -> ok end end),
    S = said(P), p(owner, maps:get(owner, socket:info(S)) =:= P),
    Q = aside(fun() -> socket:accept(S) end), waiting(S, num_acceptors, 1),
    p(not_mine, [socket:setopt(S, otp, controlling_process, self()), socket:getopt(S, otp, controlling_process) =:= {ok, P}]),
    P ! stop, p(ends, said(Q)), p(gone, socket:accept(S)),
    T = listener(), R = spawn(fun() -> receive stop -> ok end end),
    p(given, [socket:setopt(T, otp, controlling_process, R), maps:get(owner, socket:info(T)) =:= R, socket:sockname(T)]),
    R ! stop, p(gone, until(fun() -> socket:sockname(T) =:= {error, closed} end)),
    U = listener(), Dead = spawn(fun() -> ok end), M = monitor(process, Dead), receive {'DOWN', M, _, _, _} -> ok end,
    p(to_dead, [socket:setopt(U, otp, controlling_process, Dead), socket:sockname(U)]),
    close([S]).

registry() ->
    N = socket:number_of(),
    S = listener(), T = udp(),
    p(number, socket:number_of() - N), p(which, [lists:member(X, socket:which_sockets()) || X <- [S, T]]),
    p(filter, [lists:member(X, socket:which_sockets(tcp)) || X <- [S, T]]),
    M = socket:monitor(S), M2 = socket:monitor(S), p(monitors, {socket:number_of_monitors(), socket:which_monitors(S) =/= []}),
    p(cancel, socket:cancel_monitor(M2)),
    socket:close(S), p(down, next()), p(dead, begin _ = socket:monitor(S), next() end),
    {ok, U} = socket:open(inet, dgram, udp, #{use_registry => false}),
    p(unregistered, [lists:member(U, socket:which_sockets()), socket:getopt(U, otp, use_registry)]),
    close([T, U]), p(same, socket:number_of() - N), M.

datagrams() ->
    A = udp(), B = udp(),
    p(sendto, [socket:sendto(A, X, at(B)) || X <- [<<"hello">>, "", ["a", <<"b">>]]]),
    p(from, [begin {ok, {F, D}} = socket:recvfrom(B), {F =:= at(A), D} end || _ <- [1, 2, 3]]),
    p(none, [socket:recvfrom(B, 0, 0), socket:recvfrom(B, 0, 10), socket:recv(B, 0, [], 0)]),
    ok = socket:sendto(A, "truncated", at(B)), p(short, hide(socket:recvfrom(B, 4))),
    p(unconnected, [socket:send(A, "x"), socket:recv(B, 0, 0)]),
    p(connect, [socket:connect(A, at(B)), socket:send(A, "connected"), socket:recv(B)]),
    p(disconnect, [socket:connect(A, #{family => unspec}), socket:send(A, "x")]),
    {select, {select_info, recvfrom, R}} = socket:recvfrom(B, 0, nowait),
    ok = socket:sendto(A, "later", at(B)), p(told, next() =:= {'$socket', B, select, R}),
    p(now, hide(socket:recvfrom(B, 0, nowait))),
    p(too_large, socket:sendto(A, binary:copy(<<0>>, 70000), at(B))),
    close([A, B]).

messages() ->
    A = udp(), B = udp(),
    p(sendmsg, [socket:sendmsg(A, #{addr => at(B), iov => X}) || X <- [[<<"a">>, <<"bc">>], [], [<<>>]]]),
    p(recvmsg, [begin {ok, M} = socket:recvmsg(B), hide(M) end || _ <- [1, 2, 3]]),
    ok = socket:sendto(A, "truncated", at(B)), p(trunc, begin {ok, M} = socket:recvmsg(B, 4, 0), hide(M) end),
    p(bad_iov, [try_(fun() -> socket:sendmsg(A, #{addr => at(B), iov => X}) end) || X <- [["list"], x, [<<"a">> | b]]]),
    p(bad_addr, [try_(fun() -> socket:sendmsg(A, #{addr => X, iov => [<<"a">>]}) end) || X <- [x, #{family => inet, addr => x, port => 1}]]),
    p(parts, socket:sendmsg(A, #{addr => at(B), iov => [<<X>> || X <- lists:seq(1, 255)] ++ [<<0>> || _ <- lists:seq(1, 700)]})),
    p(parts, begin {ok, #{iov := [I]}} = socket:recvmsg(B), byte_size(I) end),
    p(many, socket:sendmsg(A, #{addr => at(B), iov => [<<1>> || _ <- lists:seq(1, 1100)]})),
    {C, D} = pair(),
    p(stream_many, socket:sendmsg(C, #{iov => [<<1>> || _ <- lists:seq(1, 3000)]})),
    p(stream_got, begin {ok, X} = socket:recv(D, 3000), byte_size(X) end),
    ok = socket:send(C, "msg"), p(stream_msg, socket:recvmsg(D)), ok = socket:send(C, "from"), p(stream_from, socket:recvfrom(D)),
    socket:close(C), p(stream_end, [socket:recvmsg(D), socket:recvfrom(D)]),
    close([A, B, D]).

control() ->
    A = udp(), B = udp(),
    p(on, [socket:setopt(B, ip, O, true) || O <- [recvtos, recvttl, pktinfo, recverr]]),
    ok = socket:setopt(B, socket, timestamp, true),
    p(send, socket:sendmsg(A, #{addr => at(B), iov => [<<"tos">>], ctrl => [#{level => ip, type => tos, value => throughput},
                                                                            #{level => ip, type => ttl, value => 77}]})),
    {ok, #{ctrl := Cs}} = socket:recvmsg(B),
    p(got, lists:sort([maps:without([data], fixed(M)) || M <- Cs])),
    p(data, lists:sort([byte_size(D) || #{data := D} <- Cs])),
    p(raw, [socket:sendmsg(A, #{addr => at(B), iov => [<<"x">>], ctrl => [M]}) ||
               M <- [#{level => ip, type => tos, data => <<16:32/native>>}, #{level => 0, type => 1, data => 16},
                     #{level => ip, type => ttl, data => 3}]]),
    p(bad, [try_(fun() -> socket:sendmsg(A, #{addr => at(B), iov => [<<"x">>], ctrl => M}) end) ||
               M <- [[#{}], [#{level => ip, type => tos}], [#{level => ip, type => nothing, value => 1}],
                     [#{level => nothing, type => tos, value => 1}], [#{level => ip, type => tos, value => 1, data => <<1>>}],
                     [#{level => socket, type => rights, value => 1}], x, [x],
                     [#{level => ip, type => tos, value => nothing}]]]),
    ok = socket:setopt(A, otp, sndctrlbuf, 16),
    p(no_room, socket:sendmsg(A, #{addr => at(B), iov => [<<"x">>], ctrl => [#{level => ip, type => tos, value => throughput}]})),
    ok = socket:setopt(A, ip, recverr, true), ok = socket:connect(A, (at(B))#{port := 1}),
    ok = socket:send(A, "refused"), timer:sleep(50),
    p(error_queue, case socket:recvmsg(A, [errqueue], 1000) of {ok, E} -> hide(maps:update_with(ctrl, fun(L) -> [maps:remove(data, X) || X <- L] end, E)); E -> E end),
    close([A, B]).

fixed(#{type := timestamp} = M) -> M#{value := time};
fixed(#{type := pktinfo, value := V} = M) -> M#{value := V#{ifindex := index}};
fixed(M) -> M.

local() ->
    Path = "/tmp/sockets_module." ++ os:getpid(),
    {ok, L} = socket:open(local, stream), A = #{family => local, path => Path},
    p(bind, [socket:bind(L, A), socket:listen(L)]),
    {ok, C} = socket:open(local, stream), p(connect, socket:connect(C, A)),
    {ok, S} = socket:accept(L),
    p(names, [case socket:F(X) of {ok, #{path := P} = M} when P =/= <<>> -> {ok, M#{path := P =:= list_to_binary(Path)}}; E -> E end
              || X <- [L, C, S], F <- [sockname, peername]]),
    p(data, [socket:send(C, "local"), socket:recv(S), socket:recvfrom(S, 0, 0)]),
    p(rights, [socket:sendmsg(C, #{iov => [<<"fd">>], ctrl => [#{level => socket, type => rights, data => <<1:32/native>>}]}),
               case socket:recvmsg(S) of {ok, #{ctrl := [#{data := <<_:32>>} = M]} = R} -> R#{ctrl := [maps:remove(data, M)]}; R0 -> R0 end]),
    {ok, D} = socket:open(local, dgram), {ok, E} = socket:open(local, dgram),
    Abstract = #{family => local, path => list_to_binary([0 | Path])},
    p(abstract, [socket:bind(D, Abstract), socket:sendto(E, "unnamed", Abstract), socket:recvfrom(D),
                 case socket:sockname(D) of {ok, #{path := <<0, _/binary>>}} -> abstract; N0 -> N0 end]),
    p(auto, [socket:bind(E, #{family => local, path => ""}), case socket:sockname(E) of {ok, #{path := Q}} -> byte_size(Q); N1 -> N1 end]),
    p(bad, [try_(fun() -> socket:bind(E, X) end) || X <- [#{family => local}, #{family => local, path => lists:duplicate(200, $a)},
                                                          #{family => local, path => x}, #{family => local, path => <<"x">>, port => 1}]]),
    {ok, Q1} = socket:open(local, seqpacket), p(seqpacket, socket:getopt(Q1, socket, protocol)),
    file:delete(Path), close([L, C, S, D, E, Q1]).

files() ->
    Path = "/tmp/sockets_module_file." ++ os:getpid(),
    Data = << <<(X rem 251)>> || X <- lists:seq(1, 300000) >>,
    ok = file:write_file(Path, Data),
    {C, A} = pair(),
    Sent = fun(F) -> aside(fun() -> {ok, H} = file:open(Path, [read, raw, binary]), F(H) end) end,
    P1 = Sent(fun(H) -> socket:sendfile(C, H) end), {ok, D1} = socket:recv(A, 300000), p(all, {said(P1), D1 =:= Data}),
    P2 = Sent(fun(H) -> socket:sendfile(C, H, 10, 20, infinity) end), {ok, D2} = socket:recv(A, 20),
    p(some, {said(P2), D2 =:= binary:part(Data, 10, 20)}),
    P3 = Sent(fun(H) -> socket:sendfile(C, H, 299990, 0, infinity) end), p(rest, {said(P3), socket:recv(A, 10)}),
    {ok, Closed} = file:open(Path, [read, raw]), file:close(Closed),
    p(bad, [try_(fun() -> socket:sendfile(C, X) end) || X <- [x, Closed]]),
    big_file(C, A, Path),
    p(counters, lists:sort([K || K <- maps:keys(maps:get(counters, socket:info(C))), lists:prefix("sendfile", atom_to_list(K))])),
    file:delete(Path), close([C, A]).

%% More than fits: the call waits for the reader.
big_file(C, A, Path) ->
    P = aside(fun() -> {ok, H} = file:open(Path, [read, raw, binary]), [socket:sendfile(C, H, 0, 0, infinity) || _ <- lists:seq(1, 30)] end),
    {ok, Got} = socket:recv(A, 9000000),
    p(big, {lists:usort(said(P)), erlang:crc32(Got)}).

options() ->
    {C, A} = pair(), U = udp(), {ok, S6} = socket:open(inet6, stream), {ok, U6} = socket:open(inet6, dgram),
    Names = fun(L) -> [O || {O, true} <- lists:sort(socket:supports(options, L))] end,
    Varying = [{socket, rcvbuf}, {socket, sndbuf}, {tcp, maxseg}, {ip, mtu}, {tcp, congestion}, {socket, priority}, {ipv6, mtu}],
    [p({Which, L}, [{O, case {socket:getopt(S, L, O), lists:member({L, O}, Varying)} of {{ok, _}, true} -> ok; {X, _} -> X end} || O <- Names(L)])
     || {Which, S, Ls} <- [{tcp, C, [socket, ip, tcp]}, {udp, U, [socket, ip, udp]}, {tcp6, S6, [socket, ipv6, tcp]}, {udp6, U6, [ipv6]}], L <- Ls],
    [p({L, O, V}, [socket:setopt(S, L, O, V), case socket:getopt(S, L, O) of {ok, X} when O =:= rcvbuf; O =:= sndbuf -> X >= V; X -> X end])
     || {S, L, O, V} <- [{C, socket, keepalive, true}, {C, socket, keepalive, 1}, {C, socket, linger, #{onoff => true, linger => 5}},
                         {C, socket, linger, abort}, {C, socket, linger, #{onoff => false, linger => 0}}, {C, socket, linger, #{onoff => true}},
                         {C, socket, linger, #{onoff => true, linger => -1}}, {C, socket, rcvbuf, 8192}, {C, socket, sndbuf, 8192},
                         {C, socket, rcvbuf, x}, {C, socket, priority, 3}, {C, socket, reuseaddr, true}, {C, socket, type, stream},
                         {C, socket, oobinline, true}, {C, socket, bindtodevice, "lo"}, {C, socket, bindtodevice, "no_such"},
                         {C, socket, bindtodevice, "a_name_that_is_too_long"}, {C, socket, bindtodevice, x},
                         {C, socket, passcred, true}, {C, socket, rcvlowat, 3}, {C, socket, timestamp, true}, {C, socket, debug, 0},
                         {C, tcp, nodelay, true}, {C, tcp, cork, true}, {C, tcp, cork, false}, {C, tcp, congestion, "reno"}, {C, tcp, congestion, "no_such"},
                         {C, ip, tos, lowdelay}, {C, ip, tos, 32}, {C, ip, tos, nothing}, {C, ip, ttl, 33}, {C, ip, ttl, 300}, {C, ip, mtu_discover, probe},
                         {C, ip, mtu_discover, do}, {C, ip, mtu_discover, x}, {U, ip, multicast_ttl, 7}, {U, ip, multicast_loop, false},
                         {U, ip, multicast_if, {127, 0, 0, 1}}, {U, ip, multicast_if, x}, {U, ip, multicast_all, false}, {U, ip, freebind, true},
                         {U, ip, recvttl, true}, {U, socket, broadcast, true}, {U, udp, cork, true}, {U, udp, cork, false},
                         {U6, ipv6, unicast_hops, 9}, {U6, ipv6, multicast_hops, default}, {U6, ipv6, unicast_hops, 256}, {U6, ipv6, v6only, true},
                         {U6, ipv6, tclass, 32}, {U6, ipv6, recvtclass, true}, {U6, ipv6, mtu_discover, want}]],
    Group = #{multiaddr => {239, 1, 2, 3}, interface => {127, 0, 0, 1}},
    p(groups, [socket:setopt(U, ip, O, V) || {O, V} <- [{add_membership, Group}, {drop_membership, Group}, {drop_membership, Group},
                  {add_membership, maps:remove(interface, Group)}, {add_source_membership, Group#{sourceaddr => {127, 0, 0, 1}}},
                  {block_source, Group#{sourceaddr => {127, 0, 0, 2}}}, {drop_source_membership, Group#{sourceaddr => {127, 0, 0, 1}}},
                  {add_membership, Group#{interface := any}},
                  {msfilter, Group#{mode => include, slist => [{127, 0, 0, 1}]}}, {msfilter, Group#{mode => x, slist => []}}, {msfilter, null}]]),
    p(groups6, [socket:setopt(U6, ipv6, O, V) || {O, V} <- [{add_membership, #{multiaddr => {16#ff12, 0, 0, 0, 0, 0, 0, 9}, interface => 1}},
                  {drop_membership, #{multiaddr => {16#ff12, 0, 0, 0, 0, 0, 0, 9}, interface => 1}}, {add_membership, #{multiaddr => x, interface => 1}}]]),
    p(bad, [try_(fun() -> socket:getopt(C, X) end) || X <- [{socket, mark}, {socket, nothing}, {nothing, x}, {ip, add_membership}, x, {1, 2}, {socket, 1}]]),
    p(bad_set, [try_(fun() -> socket:setopt(C, X, true) end) || X <- [{socket, mark}, {socket, nothing}, {nothing, x}, {ip, mtu}, x, {1, 2}]]),
    close([C, A, U, S6, U6]).

otp_options() ->
    S = udp(),
    p(get, [{O, case socket:getopt(S, otp, O) of {ok, F} when O =:= fd, is_integer(F) -> fd; X -> X end}
            || O <- [debug, iow, controlling_process, rcvbuf, rcvctrlbuf, sndctrlbuf, fd, meta, use_registry, domain]]),
    p(set, [{O, V, try_(fun() -> socket:setopt(S, otp, O, V) end)}
            || {O, V} <- [{debug, false}, {debug, x}, {iow, true}, {iow, 1}, {rcvbuf, 100}, {rcvbuf, 0}, {rcvbuf, -1}, {rcvbuf, default},
                          {rcvctrlbuf, 100}, {rcvctrlbuf, default}, {sndctrlbuf, x}, {sndctrlbuf, 7}, {fd, 1}, {meta, {a, "list", #{}}},
                          {use_registry, false}, {domain, inet}, {nothing, 1}]]),
    p(not_mine, said(aside(fun() -> {socket:setopt(S, otp, meta, x), socket:getopt(S, otp, meta)} end))),
    p(get, [socket:getopt(S, otp, O) || O <- [rcvbuf, rcvctrlbuf, sndctrlbuf, meta, iow]]),
    close([S]).

native_options() ->
    {C, A} = pair(),
    p(get, [socket:getopt_native(C, O, S) || {O, S} <- [{{socket, keepalive}, integer}, {{socket, keepalive}, boolean}, {{socket, keepalive}, 4},
                {{socket, 9}, integer}, {{1, 9}, integer}, {{tcp, 1}, boolean}, {{socket, keepalive}, <<0, 0, 0, 0, 0, 0>>}, {{socket, keepalive}, x},
                {{socket, 9999}, integer}, {{nothing, 1}, integer}, {{socket, nothing}, integer}]]),
    p(set, [socket:setopt_native(C, O, V) || {O, V} <- [{{socket, keepalive}, 1}, {{socket, keepalive}, true}, {{1, 9}, <<0:32>>}, {{socket, 9}, x},
                {{socket, keepalive}, <<>>}, {{tcp, nodelay}, 1}, {{9999, 1}, 1}]]),
    p(is, [socket:getopt(C, socket, keepalive), socket:getopt(C, tcp, nodelay)]),
    close([C, A]).

interfaces() ->
    S = udp(),
    {ok, L} = socket:ioctl(S, gifconf),
    p(gifconf, [M || #{name := "lo"} = M <- L]),
    {ok, I} = socket:ioctl(S, gifindex, "lo"), p(index, I),
    p(lo, [{R, socket:ioctl(S, R, "lo")} || R <- [gifflags, gifaddr, gifnetmask, gifbrdaddr, gifdstaddr, gifmtu, gifmap, giftxqlen]]),
    p(hardware, case socket:ioctl(S, gifhwaddr, "lo") of {ok, #{family := F, addr := <<H:6/binary, _:8/binary>>}} -> {F, H} end),
    p(name, [socket:ioctl(S, gifname, I), socket:ioctl(S, gifname, 4711)]),
    p(none, [socket:ioctl(S, R, "no_such") || R <- [gifaddr, gifindex, gifmtu, gifflags]]),
    p(bad, [try_(fun() -> socket:ioctl(S, R, X) end) || {R, X} <- [{gifaddr, x}, {gifname, x}, {nothing, "lo"}, {gifaddr, [1000]}]]),
    p(set, [try_(fun() -> socket:ioctl(S, R, "no_such", X) end) || {R, X} <- [{sifmtu, 1500}, {sifmtu, x}, {sifaddr, home()}, {sifaddr, x},
               {sifflags, #{up => true}}, {siftxqlen, 7}, {gifmtu, 1}]]),
    p(net, [try_(fun() -> net:Fn(X) end) || {Fn, X} <- [{if_name2index, "lo"}, {if_name2index, "no_such"}, {if_index2name, I}, {if_index2name, 4711},
               {if_name2index, 7}, {if_index2name, x}]]),
    p(command, [prim_net:command(X) || X <- [{debug, x}, debug, {debug, false}]]), p(info, prim_net:info()),
    p(names, [lists:keymember("lo", 2, X) || {ok, X} <- [net:if_names()]]),
    p(nameinfo, [try_(fun() -> net:getnameinfo(#{family => inet, addr => {127, 0, 0, 1}, port => 80}, Fl0) end)
                 || Fl0 <- [[numerichost, numericserv], [numerichost], [dgram, numerichost], [nothing], x]]),
    p(addrinfo, [net:getaddrinfo("127.0.0.1", X) || X <- ["80", "http"]]),
    p(addrinfo_bad, [try_(fun() -> net:getaddrinfo(X) end) || X <- [7, "127.0.0.1.1"]]),
    {ok, Ifs} = net:getifaddrs(#{family => inet, flags => [loopback]}), p(ifaddrs, [maps:without([flags], M) || M <- Ifs]),
    p(flags, [lists:member(loopback, Fl) || #{flags := Fl} <- Ifs]),
    close([S]).

wrong() ->
    {C, A} = pair(),
    {'$socket', R} = C,
    p(prim, [try_(fun() -> apply(prim_socket, F, Args) end) ||
        {F, Args} <- [{info, [make_ref()]}, {bind, [make_ref(), home()]}, {listen, [R, x]}, {listen, [R, 1 bsl 40]}, {send, [R, "list", [], make_ref()]},
                      {send, [R, <<"x">>, [], x]}, {send, [R, <<"x">>, [nothing], make_ref()]}, {send, [R, <<"x">>, 1 bsl 40, make_ref()]},
                      {recv, [R, -1, [], make_ref()]}, {recv, [R, x, [], make_ref()]}, {recv, [R, 0, [], x]}, {recv, [R, 0, x, make_ref()]},
                      {recv, [R, 1 bsl 70, [], make_ref()]}, {recvmsg, [R, 0, -1, [], make_ref()]}, {shutdown, [R, x]}, {cancel, [R, recv, x]},
                      {cancel, [R, 7, make_ref()]}, {connect, [R, x, home()]}, {connect, [R]}, {accept, [make_ref(), make_ref()]},
                      {finalize_close, [R]}, {sendfile, [R, 0, 0, make_ref()]}, {sendfile, [R, x, 0, make_ref()]},
                      {sendfile_deferred_close, [R]}, {setopt, [R, x, 1]}, {getopt, [make_ref(), {socket, type}]}, {ioctl, [R, x]},
                      {open, [x, #{}]}, {open, [inet, stream, 0, x]}, {open, [99999, #{}]}, {bind, [R, #{family => x}]},
                      {bind, [R, #{family => 99, addr => <<>>}]}, {bind, [R, #{family => inet, port => x}]}, {bind, [R, #{family => inet, more => 1}]},
                      {debug, [x]}, {socket_debug, [x]}, {use_registry, [x]}, {connect, [R, make_ref(), #{family => inet, addr => {1, 2, 3, 256}}]}]]),
    p(socket, [try_(fun() -> apply(socket, F, Args) end) ||
        {F, Args} <- [{recv, [x]}, {recv, [C, -1]}, {recv, [C, 0, -1]}, {send, [C, x]}, {send, [C, [<<1:3>>]]}, {close, [x]}, {accept, [C]}, {sendto, [C, "x", x]},
                      {info, [x]}, {sockname, [x]}, {cancel, [C, x]}, {setopt, [C, socket]}, {recvmsg, [C, -1, 0]}]]),
    close([C, A]).

counters() ->
    A = udp(), B = udp(),
    ok = socket:sendto(A, "12345", at(B)), ok = socket:sendto(A, "123", at(B)),
    {ok, _} = socket:recvfrom(B), {ok, _} = socket:recvfrom(B), {error, timeout} = socket:recvfrom(B, 0, 0), {error, _} = socket:send(A, "x"),
    p(udp, [maps:get(counters, socket:info(S)) || S <- [A, B]]),
    {C, D} = pair(),
    ok = socket:send(C, "12345"), {ok, _} = socket:recv(D, 2), {ok, _} = socket:recv(D, 0), ok = socket:send(C, "x"), timer:sleep(20), {ok, _} = socket:recv(D, 0),
    p(tcp, [maps:get(counters, socket:info(S)) || S <- [C, D]]),
    I = maps:get(counters, socket:info()), close([A, B, C, D]), J = maps:get(counters, socket:info()),
    p(global, maps:map(fun(K, V) -> V - maps:get(K, J) end, I)).

adopted() ->
    A = udp(), {ok, Fd} = socket:getopt(A, otp, fd),
    {ok, B} = socket:open(Fd), {ok, C} = socket:open(Fd, #{dup => false}),
    p(info, [begin I = socket:info(S), {case maps:get(ctype, I) of {T, N} when is_integer(N) -> {T, n}; T -> T end, maps:without([ctype, owner], I)} end || S <- [B, C]]),
    p(same, [at(S) =:= at(A) || S <- [B, C]]),
    ok = socket:close(C), p(open, at(A) =:= at(B)), ok = socket:close(B),
    p(still, at(A) =/= x),
    p(bad, [try_(fun() -> socket:open(X) end) || X <- [99999, -1, x]]),
    {E, F} = pair(), {ok, Fd2} = socket:getopt(E, otp, fd), {ok, G} = socket:open(Fd2, #{}),
    p(connected, [maps:get(wstates, socket:info(G)), socket:send(G, "dup"), socket:recv(F)]),
    close([A, E, F, G]).

inherited() ->
    [begin
         {ok, L} = gen_tcp:listen(0, B ++ [{ip, {127, 0, 0, 1}}, binary, {active, false}, {packet, 2}]), {ok, Port} = inet:port(L),
         P = aside(fun() -> {ok, C} = gen_tcp:connect({127, 0, 0, 1}, Port, B ++ [binary, {active, true}, {packet, 2}]),
                            ok = gen_tcp:send(C, "request"), R = receive {tcp, C, X} -> X after 2000 -> none end,
                            {R, receive {tcp_closed, C} -> closed after 2000 -> open end} end),
         {ok, S} = gen_tcp:accept(L, 2000), p(request, gen_tcp:recv(S, 0, 2000)), ok = gen_tcp:send(S, "answer"),
         p(getopts, inet:getopts(S, [active, packet, mode, nodelay, reuseaddr, keepalive, linger, exit_on_close])),
         p(stat, inet:getstat(S, [recv_cnt, recv_oct, send_cnt, send_oct])),
         gen_tcp:close(S), p(client, said(P)), p(accept, gen_tcp:accept(L, 10)), gen_tcp:close(L),
         {ok, U} = gen_udp:open(0, B ++ [{ip, {127, 0, 0, 1}}, binary, {active, once}]), {ok, UP} = inet:port(U),
         ok = gen_udp:send(U, {127, 0, 0, 1}, UP, "self"), p(udp, case next() of {udp, U, A, UP, D} -> {A, D}; M -> M end), gen_udp:close(U)
     end || B <- [[], [{inet_backend, socket}]]].

raw() ->
    case socket:open(inet, raw, icmp) of
        {ok, S} -> p(raw, maps:with([domain, type, protocol], socket:info(S))), close([S]);
        E -> p(raw, E)
    end.
