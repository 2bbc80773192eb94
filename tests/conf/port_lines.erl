%% SPDX-License-Identifier: Apache-2.0
%% Ports with {line, L}: line breaks of one and of two bytes, at the limit, and coming in pieces.
-module(port_lines).
-export([main/0]).

main() ->
    [show("printf '" ++ S ++ "'", L, O)
     || S <- ["\\r", "abcd\\r", "a\\r\\nb\\r\\n", "\\r\\n", "\\n\\r", "abcde\\r\\nx", "abc\\r\\r\\nd", "a\\rb\\n", "abcd\\r\\n"],
        L <- [3, 4, 100], O <- [[], [binary]]],
    [show("sh -c \"" ++ S ++ "\"", L, [])
     || S <- ["printf 'abcd'; sleep 0.1; printf '\\r\\nx'", "printf 'abcd\\r'; sleep 0.1; printf '\\nx'",
              "printf 'abcd\\r'; sleep 0.1; printf 'x\\n'"],
        L <- [3, 4, 5]].

show(Command, L, Options) ->
    Port = open_port({spawn, Command}, [{line, L}, eof | Options]),
    io:format("~s ~w ~w~n", [Command, L, lines(Port)]).

lines(Port) ->
    receive
        {Port, eof} -> [];
        {Port, {data, Line}} -> [Line | lines(Port)]
    end.
