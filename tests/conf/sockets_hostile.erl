%% SPDX-License-Identifier: Apache-2.0
%% Requests that no OTP module would make: any bytes for any request number, in all states of TCP and UDP ports, from
%% several processes at once, with connections opening and closing meanwhile. The machine goes on, and works afterwards.
-module(sockets_hostile).
-export([main/0]).

-define(BASE, 16#03f1a300).
-define(ROUNDS, 1800).

main() ->
    process_flag(trap_exit, true),
    rand:seed(exsss, {1, 2, 3}),
    [begin fuzz(Make, ?ROUNDS), io:format("~w: survived~n", [Name]) end
     || {Name, Make} <- [{unopened_tcp, fun() -> {[raw("tcp_inet")], []} end}, {unopened_udp, fun() -> {[raw("udp_inet")], []} end},
                         {listening, fun listening/0}, {connected, fun connected/0}, {udp, fun udp/0}, {local, fun local/0}]],
    together(),
    flush(),
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}]),
    {ok, C} = gen_tcp:connect("localhost", element(2, inet:port(L)), [binary]),
    {ok, S} = gen_tcp:accept(L),
    io:format("works: ~p ~p~n", [gen_tcp:send(C, "still here"), gen_tcp:recv(S, 0)]).

raw(Driver) -> open_port({spawn_driver, Driver}, [binary]).
listening() -> {ok, L} = gen_tcp:listen(0, []), {[L], []}.
udp() -> {ok, U} = gen_udp:open(0, []), {ok, V} = gen_udp:open(0, [{active, false}]), {[U, V], []}.
local() -> {ok, U} = gen_udp:open(0, [local]), {[U], []}.
connected() ->
    {ok, L} = gen_tcp:listen(0, [{active, false}]),
    {ok, C} = gen_tcp:connect("localhost", element(2, inet:port(L)), [{active, false}]),
    {ok, S} = gen_tcp:accept(L),
    {[C, S], [L]}.

fuzz(_, N) when N =< 0 -> flush();
fuzz(Make, N) ->
    {Ports, Others} = Make(),
    Done = poke(Ports, min(N, 60)),
    [catch port_close(P) || P <- Ports ++ Others],
    flush(),
    fuzz(Make, N - Done).

poke(_, 0) -> 60;
poke(Ports, N) ->
    P = lists:nth(rand:uniform(length(Ports)), Ports),
    case rand:uniform(8) of
        1 -> catch port_command(P, bytes(), [force]);
        2 -> catch port_command(P, [rand:bytes(rand:uniform(200000)), bytes()], [nosuspend]);
        3 -> P ! {self(), {command, bytes()}};
        _ -> R = request(), catch port_control(P, ?BASE + R, case R of 7 -> option_bytes(rand:uniform(6)); _ -> bytes() end)
    end,
    %% Nothing may make this process wait, and no descriptor but the port's own be touched.
    flush(),
    poke(Ports, N - 1).

%% All but fdopen, which adopts any descriptor there is, and ifset, which would change the machine.
request() ->
    case rand:uniform(80) of
        N when N =:= 13; N =:= 23 -> request();
        N -> N
    end.

bytes() ->
    case rand:uniform(4) of
        1 -> [];
        2 -> rand:bytes(rand:uniform(12));
        3 -> option_bytes(rand:uniform(6));
        4 -> [rand:uniform(8) - 1, rand:bytes(rand:uniform(40))]
    end.

%% setopts with known option numbers, but for netns, which opens a file, and debug, which prints.
option_bytes(0) -> [];
option_bytes(N) ->
    O = rand:uniform(49) - 1,
    V = case rand:uniform(3) of 1 -> <<(rand:uniform(4) - 1):32>>; 2 -> <<-1:32>>; 3 -> small(4) end,
    case O of
        38 -> option_bytes(N);
        22 -> [O, <<3:32>>, small(2) | option_bytes(N - 1)];
        20 -> [O, <<(rand:uniform(1000)):32>> | option_bytes(N - 1)];
        34 -> [O, V, small(4), <<4:32>>, small(4) | option_bytes(N - 1)];
        _ -> [O, V | option_bytes(N - 1)]
    end.

small(N) -> [rand:uniform(64) - 1 || _ <- lists:seq(1, N)].

together() ->
    Me = self(),
    Workers = [spawn(fun() ->
                             process_flag(trap_exit, true),
                             rand:seed(exsss, {W, W, W}),
                             [begin
                                  {Ports, Others} = connected(),
                                  [spawn(fun() -> rand:seed(exsss, {W, N, K}), poke(Ports, 20) end) || K <- [1, 2, 3]],
                                  poke(Ports, 20),
                                  [catch port_close(P) || P <- Ports ++ Others],
                                  flush()
                              end || N <- lists:seq(1, 40)],
                             Me ! {done, self()}
                     end) || W <- [1, 2, 3, 4]],
    %% One may wait for ever to send to a peer that does not read.
    [receive {done, W} -> ok after 5000 -> exit(W, kill) end || W <- Workers],
    io:format("together: survived~n").

flush() -> receive _ -> flush() after 0 -> ok end.
