%% SPDX-License-Identifier: Apache-2.0
%% Who sends more to a port than its program takes waits, and goes on where it was.
-module(port_busy).
-export([main/0, again/2]).

main() ->
    P = open_port({spawn, "sh -c 'sleep 0.3; cat >/dev/null'"}, [binary, {packet, 2}]),
    _ = apply(?MODULE, again, [fun() -> ok end, 3]),
    Sent = [port_command(P, binary:copy(<<N>>, 6000)) || N <- lists:seq(1, 200)],
    io:format("~p~n", [lists:usort(Sent)]),
    P ! {self(), close},
    receive {P, closed} -> io:format("closed~n") after 5000 -> io:format("not closed~n") end.

%% Leaves behind what natives leave that call something else in their place.
again(F, 0) -> F();
again(F, N) -> erlang:apply(?MODULE, again, [F, N - 1]).
