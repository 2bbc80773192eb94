%% SPDX-License-Identifier: Apache-2.0
%% Strings, formatting, Unicode, regular expressions, the external term format and hashes.
-module(text).
-behaviour(bench).
-export([programs/0, strings/1, format/1, utf8/1, regex/1, regex_replace/1, to_external/1, from_external/1, hashes/1,
         iolists/1, scan/1]).

programs() ->
    [{strings, 8000}, {format, 12000}, {utf8, 120}, {regex, 40000}, {regex_replace, 300},
     {to_external, 250}, {from_external, 60}, {hashes, 150}, {iolists, 10000}, {scan, 350}].

strings(N) ->
    Line = "The quick brown fox, jumps; over the lazy dog. Ärger größer",
    [begin
         Words = string:lexemes(Line, " ,;."),
         Upper = string:uppercase(lists:join($-, Words)),
         {length(Words), string:length(Upper), string:find(Line, "lazy"), string:trim("  x  "),
          string:split(Line, "fox"), string:pad("a", 10)}
     end || _ <- lists:seq(1, N)].

format(N) -> format(N, 0).

format(0, Sum) -> Sum;
format(N, Sum) ->
    Text = io_lib:format("~p ~w ~s ~8.3.0f ~b ~-10s|~n", [{N, [a, "text"]}, N, "name", N / 7, N * N, "left"]),
    format(N - 1, Sum + iolist_size(Text)).

utf8(N) ->
    Text = lists:flatten(lists:duplicate(300, "Weberei – ткань – 織機 – loom ")),
    lists:sum([begin
                   Bin = unicode:characters_to_binary(Text),
                   List = unicode:characters_to_list(Bin),
                   Wide = unicode:characters_to_binary(Bin, utf8, {utf16, little}),
                   length(List) + byte_size(Wide) + length([C || <<C/utf8>> <= Bin, C > 255])
               end || _ <- lists:seq(1, N)]).

regex(N) ->
    {ok, Re} = re:compile("(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3}) .*\"(GET|POST) ([^ ]+)"),
    Line = <<"at 10.20.30.40 - - [10/Oct/2000:13:55:36] \"GET /index.html?x=1 HTTP/1.0\" 200 2326">>,
    regex(N, Re, Line, 0).

regex(0, _, _, Sum) -> Sum;
regex(N, Re, Line, Sum) ->
    {match, Parts} = re:run(Line, Re, [{capture, all_but_first, binary}]),
    regex(N - 1, Re, Line, Sum + length(Parts)).

regex_replace(N) ->
    Text = binary:copy(<<"one 1 two 22 three 333 four 4444\n">>, 40),
    lists:sum([byte_size(re:replace(Text, "([a-z]+) (\\d+)", "\\2=\\1", [global, {return, binary}])) +
               length(re:split(Text, "[ \n]+")) || _ <- lists:seq(1, N)]).

to_external(N) ->
    Term = sample(2000),
    lists:sum([byte_size(term_to_binary({I, Term})) || I <- lists:seq(1, N)]).

from_external(N) ->
    Bin = term_to_binary(sample(2000)),
    lists:sum([length(binary_to_term(Bin)) || _ <- lists:seq(1, N)]).

sample(N) ->
    [{I, <<"binary of some length">>, [a, "string", 1.5 * I], #{key => I, other => {I bsl 70, self_made}}} ||
        I <- lists:seq(1, N)].

hashes(N) ->
    Bin = binary:copy(<<"0123456789abcdef">>, 4096),
    Term = sample(200),
    lists:foldl(fun(I, Acc) ->
        erlang:phash2({I, Term}) bxor erlang:crc32(Bin) bxor erlang:adler32(Bin) bxor
            binary:decode_unsigned(erlang:md5(Bin)) bxor Acc
    end, 0, lists:seq(1, N)).

iolists(N) ->
    Part = [[<<"header: ">>, "value", $\r, $\n] || _ <- lists:seq(1, 100)],
    lists:sum([byte_size(iolist_to_binary([Part, integer_to_binary(I) | Part])) || I <- lists:seq(1, N)]).

scan(N) ->
    Source = lists:flatten([io_lib:format("f~b(X) when X > ~b -> {ok, [X | \"text\"], 1.5e3, #{a => X}};~n", [I, I]) ||
        I <- lists:seq(1, 60)]),
    lists:sum([length(element(2, erl_scan:string(Source))) || _ <- lists:seq(1, N)]).
