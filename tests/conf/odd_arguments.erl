%% SPDX-License-Identifier: Apache-2.0
%% What drawn calls and programs found (tests/diff): wrong options, empty subjects, numbers of segments, who is blamed.
-module(odd_arguments).
-export([main/0, apply_it/2, apply_it_last/2, call/2, call_last/2, cons_call/2, subtract/2, bits/3,
         negate/1]).

main() ->
    [p(?MODULE, negate, [X]) || X <- [0.0, -0.0, 1.5, 0, a]], p(erlang, '-', [0.0]),
    floats(), searches(), characters(), others(), calls(), blame(), segments().

p(M, F, A) ->
    R = try apply(M, F, A)
        catch C:E:S -> {C, E, [{N, O, B, [I || {K, _} = I <- L, K =/= file]} || {N, O, B, L} <- S]}
        end,
    io:format("~w:~w ~0p ~0p~n", [M, F, A, R]).

floats() ->
    [p(erlang, F, [1.5, O]) || F <- [float_to_list, float_to_binary],
        O <- [[{scientific, -1}], [{scientific, -100}], [{scientific, -(1 bsl 40)}], [{scientific, 249}],
            [{scientific, 250}], [{scientific, 1 bsl 32}],
              [{decimals, -1}], [{decimals, 254}], [{decimals, 254}, {decimals, 0}], [{decimals, 300}, short],
                  [{scientific, 300}, {decimals, 1}],
              [{decimals, 1 bsl 62}, short], [{scientific, -1}, {decimals, 2}], [{decimals, -1}, {scientific, 2}]]].

searches() ->
    [p(binary, F, A) || F <- [match, matches, split],
        A <- [[<<>>, []], [<<>>, a], [<<>>, <<>>], [<<>>, <<"a">>], [<<>>, [], [a]], [<<>>, a, []], [<<1:1>>, []],
            [<<>>, [], [{scope, {0, 0}}]],
              [<<"a">>, [], [{scope, {0, 0}}]], [<<"a">>, [], [{scope, {1, 0}}]], [<<"a">>, []], [<<"a">>, <<"a">>,
                  [{scope, {0, 2}}]],
              [<<"abc">>, [<<"b">>], <<>>], [<<"abc">>, [<<"b">>], a], [<<"abc">>, [<<"b">>], {}]]],
    [p(re, run, A) || A <- [[[], {}], [[], {}, [unicode]], [[0], [0]], [<<"ab">>, <<"a", 0, "b">>], [<<"ab">>, <<"a",
        0, "b">>, [unicode]], [<<"ab">>, <<"(", 0>>]]].

characters() ->
    [p(unicode, F, [A]) || F <- [characters_to_binary, characters_to_list],
        A <- [[[16#110000] | #{}], [[foo] | #{}], [[1 bsl 59] | #{}], [[1 bsl 70] | #{}], [[-1] | #{}], [[1 bsl 59],
            a], [<<255>> | #{}], [<<233, 202>>],
              [[<<233, 202>>]], [[<<233, 202>>], 1], [<<233, 202>>, [], 1], [[<<"a", 233>> | <<"b">>] | <<"c">>],
                  [1 | <<233, 202>>],
              [[[<<233, 202>>], 1], 2], [[16#110000, 1], 2], [[<<195>>], [1]]]],
    [p(re, run, ["b", R, [{capture, C, list}]]) || R <- ["a|(x)|b", "b", "(b)"], C <- [all, all_but_first, all_names,
        none, [], [1]]],
    [p(erlang, fun_to_list, [F]) || F <- [fun 'å':b/1, fun a:'α'/2, fun 'A b':c/1]].

others() ->
    [p(erlang, function_exported, [erlang, abs, A]) || A <- [1, -4294967295, 4294967297, -1, 256, 1 bsl 70, a]],
    [p(erlang, function_exported, [a, a, N]) || N <- [256, -1, 1 bsl 59, 1 bsl 70, 1.0]],
    [p(erlang, adler32, [N, B]) || N <- [1, 65521, 65521 bsl 16, (1 bsl 32) - 1], B <- [<<>>, [], [<<>>, []], <<1>>]],
    p(ets, test_ms, [{}, [{a, [], [{{<<0:65>>}, 0}]}]]),
    [p(erlang, decode_packet, A) || A <- [[asn1, <<193, 147>>, []], [asn1, <<193, 147, 0:200>>, []]]],
    [p(erlang, decode_packet, A) || A <- [[{}, <<>>, []], [a, <<>>, []], [3, <<>>, []], [a, a, []], [raw, a, []],
        [raw, <<>>, a],
                                          [tpkt, <<>>, [{line_delimiter, 0}]], [line, <<"ab">>, [{line_delimiter,
                                              $b}]]]].

%% A call of what is no fun has been made when it fails, and shows twice.
calls() ->
    [p(?MODULE, F, [X, A]) || F <- [call, call_last, cons_call], X <- [a, fun lists:append/2], A <- [1]],
    [p(?MODULE, F, [X, A]) || F <- [apply_it, apply_it_last], X <- [a, fun lists:append/2], A <- [1, [1], [1 | 2]]].

call(F, A) -> [F(A)].
call_last(F, A) -> F(A).
cons_call(F, A) -> [F(A) | cons_call(F, A)].
apply_it(F, A) -> [apply(F, A)].
apply_it_last(F, A) -> apply(F, A).

blame() -> [p(?MODULE, subtract, [K, a]) || K <- [1, 2, 3, 4, 5, 6, 7]],
    [p(?MODULE, subtract, [K, X]) || K <- [1, 7, 8, 9], X <- [-0.0, 0.0]].

subtract(1, X) -> X - 6;
subtract(2, X) -> X - -6;
subtract(3, X) -> X + -6;
subtract(4, X) -> -6 - X;
subtract(5, X) -> X - 576460752303423488;
subtract(6, X) -> X - -576460752303423488;
subtract(7, X) -> X - 0;
subtract(8, X) -> X + 0;
subtract(9, X) when X - 0 < 1 -> 0 - X.

%% The instruction for floats makes 0.0 of 0.0.
negate(X) -> -math:floor(X).

%% Sizes first, then what is appended to, then values; segments are counted as in the source.
segments() -> [p(?MODULE, bits, [K, A, B]) || K <- [1, 2, 3, 4, 5, 6, 7], A <- [-2, a, <<>>, <<1:3>>], B <- [a,
    16#110000, <<"abc">>]].

bits(1, A, B) -> <<A/bits, B/binary>>;
bits(2, A, B) -> <<A/bits, B/utf32>>;
bits(3, A, B) -> <<7/utf32, 0, A:2/binary, B/binary>>;
bits(4, A, B) -> <<A/binary, B:A>>;
bits(5, A, B) -> <<A:1/bits, B/utf8>>;
bits(6, A, B) -> <<1:61/signed, A:1/binary, B/utf16>>;
bits(7, A, B) -> <<B:3/little, A/binary>>.
