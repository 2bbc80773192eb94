#!/usr/bin/env escript
%% SPDX-License-Identifier: Apache-2.0
%% Random bit syntax: modules with construction, matching and comprehensions over random segments, compiled in
%% OTP 25's way and in the way of compilers before it, called with random values. Prints results that any machine
%% must share. bits_gen.escript SEED
-mode(compile).

main([Seed | _]) ->
    rand:seed(exsss, list_to_integer(Seed)),
    [module(N) || N <- lists:seq(1, 12)].

r(N) -> rand:uniform(N).
pick(L) -> lists:nth(r(length(L)), L).

module(N) ->
    Cases = lists:seq(1, 12),
    Text = ["-module(bits_case).\n-compile([export_all, nowarn_export_all]).\n",
            [[construct(I), match(I), comprehension(I)] || I <- Cases]],
    Forms = forms(lists:flatten(Text)),
    Calls = [{F, I, A} || I <- Cases, {F, A} <- [{"c", args()} || _ <- lists:seq(1, 5)] ++
                                               [{"m", [bits()]} || _ <- lists:seq(1, 12)] ++
                                               [{"l", [bits(), args()]} || _ <- lists:seq(1, 2)]],
    [begin
         {ok, M, Code} = compile:forms(Forms, Options),
         code:purge(M),
         {module, M} = code:load_binary(M, "bits_case", Code),
         [io:format("~b ~s~b ~0p ~0p~n", [N, F, I, A, call(M, list_to_atom(F ++ integer_to_list(I)), A)])
          || {F, I, A} <- Calls]
     end || Options <- [[], [r24]]].

forms(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    split(Tokens, []).
split([], []) -> [];
split([{dot, _} = D | T], Acc) ->
    {ok, Form} = erl_parse:parse_form(lists:reverse([D | Acc])),
    [Form | split(T, [])];
split([H | T], Acc) -> split(T, [H | Acc]).

call(M, F, A) ->
    try apply(M, F, A) of
        R -> R
    catch
        error:{Tag, _} -> {error, Tag};
        error:R -> {error, R}
    end.

%% --- construction: arguments A..F are an integer, a float, a binary, a size, a code point, anything -----------

construct(I) ->
    io_lib:format("c~b(A, B, C, D, E, F) -> ~s.~n", [I, [pick(["", "_ = {A, B, C, D, E, F}, "]) | make(r(6), true)]]).

make(N, First) -> ["<<", lists:join(", ", [segment(First andalso I =:= 1) || I <- lists:seq(1, N)]), ">>"].

segment(First) ->
    case r(if First -> 14; true -> 12 end) of
        1 -> ["A:", size(), flags(int)];
        2 -> ["A:", integer_to_list(r(200) - 1), flags(int)];
        3 -> ["A:D", pick(["", "/unit:3", "/unit:8-little"])];
        4 -> ["B:", pick(["16", "32", "64"]), flags(float)];
        5 -> ["A:", pick(["32", "64"]), "/float"];
        6 -> ["C/", pick(["binary", "bitstring"])];
        7 -> ["C:", pick(["1", "2", "D"]), pick(["/binary", "/bitstring", "/binary-unit:3"])];
        8 -> ["E/", pick(["utf8", "utf16", "utf16-little", "utf32", "utf32-little"])];
        9 -> pick(["\"text\"", "\"x\":16", integer_to_list(r(256) - 1), "1:" ++ integer_to_list(r(12))]);
        10 -> ["F:", size(), flags(int)];
        11 -> ["F/", pick(["binary", "bitstring", "utf8", "float"])];
        12 -> ["-1:", integer_to_list(r(70))];
        13 -> "C/binary";
        14 -> "C/bitstring"
    end.

size() -> pick(["8", "16", "32", "64", "1", "3", "7", "13", "59", "60", "61", "65", "100", "D"]).
flags(int) -> pick(["", "/little", "/big", "/signed", "/little-signed", "/native", "/unit:1"]);
flags(float) -> pick(["/float", "/float-little", "/float-native"]).

args() -> [int(), float_(), bits(), r(80) - 3, code_point(), pick([int(), float_(), bits(), atom, [1], code_point()])].
int() ->
    case r(5) of
        1 -> r(256) - 1;
        2 -> -r(1 bsl 31);
        3 -> r(1 bsl 62) - (1 bsl 61);
        4 -> r(1 bsl 130);
        5 -> -r(1 bsl 90)
    end.
float_() -> pick([0.0, 1.5, -2.25, 1.0e10, 3.0e-7, 65504.0, 65520.0, 1.0e300, 5.0e-324, float(r(1 bsl 60))]).
code_point() -> pick([r(127), 16#7f + r(16#700), 16#800 + r(16#d000), 16#ffff + r(16#100000), 16#d800, 16#110000, -1]).
bits() ->
    Bytes = rand:bytes(pick([0, 1, 2, 3, 8, 20, 63, 64, 65, 100, 300])),
    case r(6) of
        1 -> <<5:3, Bytes/binary>>;
        2 -> <<Bytes/binary, 5:3>>;
        3 -> <<_:3, Sub/bitstring>> = <<2:3, Bytes/binary>>, Sub;
        4 -> <<_:5, Sub/bitstring>> = <<2:5, Bytes/binary, 1:4>>, Sub;
        5 -> unicode:characters_to_binary([16#20 + r(16#2000) || _ <- lists:seq(1, r(10))]);
        6 -> Bytes
    end.

%% --- matching --------------------------------------------------------------------------------------------------

match(I) ->
    Clauses = [["m", integer_to_list(I), "(", pattern(), ") -> ", result(J), ";\n"] || J <- lists:seq(1, r(5))],
    %% All variables that a pattern can bind are bound in each clause, so that results can name them.
    [Clauses, "m", integer_to_list(I), "(_) -> nomatch.\n"].

result(J) -> io_lib:format("{~b, V1, V2, V3, R}", [J]).

pattern() ->
    ["<<", [[part(I), ", "] || I <- lists:seq(1, 3)], pick(["R/bitstring", "R/binary", "R:8", "R:3/bitstring, _/bits"]), ">>"].

part(I) ->
    V = ["V", integer_to_list(I)],
    Before = pick(["", "", "", "_:3, ", "_:8, ", "1:1, ", "_:5/binary, ", "\"a\", ", "_/utf8, "]),
    [Before, V,
     case r(9) of
         1 -> [":", pick(["8", "16", "32", "64", "1", "3", "7", "13", "59", "60", "61", "65", "100"]), flags(int)];
         2 -> [":", integer_to_list(r(200) - 1), flags(int)];
         3 -> [":", pick(["16", "32", "64"]), flags(float)];
         4 -> [":", integer_to_list(r(5) - 1), "/binary"];
         5 -> [":", integer_to_list(r(30) - 1), "/bitstring"];
         6 -> ["/", pick(["utf8", "utf16", "utf16-little", "utf32", "utf32-little"])];
         7 -> [":4, V", integer_to_list(I), "b:V", integer_to_list(I), pick(["", "/signed", "/binary", "/binary-unit:3", "/little"])];
         8 -> [":", pick(["66", "70"]), "/binary"];
         9 -> ":8"
     end].

%% --- comprehensions and accumulation ----------------------------------------------------------------------------

comprehension(I) ->
    N = integer_to_list(I),
    S = pick(["8", "3", "16/little", "13/signed", "64", "70"]),
    T = pick(["8", "5", "X:16", "3/little", "64/float", "utf8"]),
    Out = case T of
              "X:16" -> "X:16, 1:1";
              "utf8" -> "(X band 16#fff)/utf8";
              "64/float" -> "X:64/float";
              _ -> ["X:", T]
          end,
    ["l", N, "(Bin, Args) -> {<< <<", Out, ">> || <<X:", S, ">> <= Bin >>, [X || <<X:", S, ">> <= Bin], a", N,
     "(Bin, <<>>), << <<(byte_size(term_to_binary(X))):8>> || X <- Args >>}.\n",
     "a", N, "(<<X:", S, ", R/bitstring>>, Acc) -> a", N, "(R, <<Acc/", pick(["bitstring", "bitstring, 1:1"]), ", ", Out, ">>);\n",
     "a", N, "(R, Acc) -> {R, Acc, <<Acc/bitstring, 1:3>>, <<Acc/bitstring, 2:3>>}.\n"].
