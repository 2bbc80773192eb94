%% SPDX-License-Identifier: Apache-2.0
%% The external term format: bytes written, terms read back, bad input refused.
-module(etf).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~p~n", [Tag, Value]).
try_(F) -> try F() catch C:R -> {C, R} end.

terms() ->
    [0, 255, 256, -1, 1 bsl 31 - 1, 1 bsl 31, -(1 bsl 31) - 1, 1 bsl 64, -(1 bsl 100), 1 bsl 3000, 1.5, -0.0, 1.0e300, a, '', true, 'é', '€',
     list_to_atom(lists:duplicate(255, $x)), [], "abc", [1, 2, 300], [a | b], lists:seq(1, 300), {}, {1}, list_to_tuple(lists:seq(1, 300)),
     <<>>, <<1, 2>>, <<1:3>>, <<255, 7:7>>, #{}, #{a => 1, "b" => [2]}, fun erlang:self/0, fun lists:map/2, [[[[]]]], {a, {b, [c, #{d => <<"e">>}]}},
     binary:copy(<<"ab">>, 100)].

main() ->
    [p({enc, N}, erlang:phash2(term_to_binary(T))) || {N, T} <- lists:zip(lists:seq(1, length(terms())), terms())],
    p(bytes, [term_to_binary(T) || T <- terms(), erlang:external_size(T) < 60]),
    p(back, [binary_to_term(term_to_binary(T)) =:= T || T <- terms()]),
    p(size, [{erlang:external_size(T), byte_size(term_to_binary(T))} || T <- terms()]),
    p(minor, [term_to_binary(T, [{minor_version, V}]) || T <- [1.5, a, 'é', {a, 2.25}], V <- [0, 1, 2]]),
    Big = lists:duplicate(1000, {some, "repeated", <<"stuff">>}),
    p(compressed, [begin B = term_to_binary(Big, [C]), {byte_size(B) < 1000, binary_to_term(B) =:= Big} end || C <- [compressed, {compressed, 1}, {compressed, 9}]]),
    p(compressed0, term_to_binary(Big, [{compressed, 0}]) =:= term_to_binary(Big)),
    p(deterministic, term_to_binary(maps:from_list([{I, I} || I <- lists:seq(1, 50)]), [deterministic]) =:=
          term_to_binary(maps:from_list([{I, I} || I <- lists:reverse(lists:seq(1, 50))]), [deterministic])),
    p(iovec, iolist_to_binary(term_to_iovec(Big)) =:= term_to_binary(Big)),
    p(used, binary_to_term(<<131, 97, 5, 1, 2, 3>>, [used])),
    p(safe, [try_(fun() -> binary_to_term(B, [safe]) end) || B <- [<<131, 119, 12, "never_made_1">>, <<131, 119, 2, "ok">>]]),
    F = fun(X) -> X + 1 end,
    p('fun', (binary_to_term(term_to_binary(F)))(41)),
    P = self(), R = make_ref(),
    p(ids, [binary_to_term(term_to_binary(T)) =:= T || T <- [P, R, hd(erlang:ports())]]),
    p(foreign, [begin X = binary_to_term(B), {node(X), term_to_binary(X)} end || B <- [
        <<131, 88, 119, 5, "foo@b", 1:32, 2:32, 3:32>>, <<131, 90, 2:16, 119, 5, "foo@b", 3:32, 1:32, 2:32>>,
        <<131, 120, 119, 5, "foo@b", 1:64, 2:32>>]]),
    p(bad, [try_(fun() -> binary_to_term(B) end) || B <- [<<>>, <<131>>, <<130, 97, 1>>, <<131, 97>>, <<131, 108, 0, 0, 0, 9, 97>>,
        <<131, 104, 200, 1>>, <<131, 109, 255, 255, 255, 255, 1>>, <<131, 116, 0, 0, 0, 1, 97, 1>>, <<131, 80, 0, 0, 0, 5, 1, 2, 3>>,
        <<131, 70, 127, 248, 0, 0, 0, 0, 0, 0>>, <<131, 119, 3, 255, 255, 255>>, <<131, 110, 9, 0>>, <<131, 255>>, foo]]),
    Deep = lists:foldl(fun(_, A) -> [A] end, [], lists:seq(1, 200000)),
    p(deep, byte_size(term_to_binary(Deep))),
    p(deep_back, binary_to_term(term_to_binary(Deep)) =:= Deep),
    Good = term_to_binary({a, [1, 2, #{x => <<"yy">>}], 1.5}),
    p(truncated, [try_(fun() -> binary_to_term(binary:part(Good, 0, N)) end) || N <- lists:seq(0, byte_size(Good) - 1)]),
    p(old, [binary_to_term(B) || B <- [<<131, 100, 0, 2, "ok">>, <<131, 99, "1.50000000000000000000e+00", 0, 0, 0, 0, 0>>, <<131, 115, 2, "ok">>,
                                       <<131, 107, 0, 3, "abc">>, <<131, 98, 255, 255, 255, 255>>]]).
