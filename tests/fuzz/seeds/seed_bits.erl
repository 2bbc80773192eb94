%% SPDX-License-Identifier: Apache-2.0
%% What the fuzzer of running modules begins with: bit syntax.
-module(seed_bits).
-export([a/1, b/2, c/1, d/2, e/2]).

a(<<N, S:N/binary, R/bits>>) -> [S | a(R)];
a(<<X:12/signed-little, F:32/float, R/binary>>) -> {X, F, R};
a(<<"he", X/utf8, _:3, R/bits>>) -> {X, R};
a(<<X:100, _/bits>>) -> X;
a(<<>>) -> [];
a(B) -> {B, c(B)}.

b(B, S) when is_binary(B) ->
    case B of
        <<H:S/binary, T/binary>> -> {T, H};
        <<X:S/integer-unit:3, R/bits>> -> [X, R];
        <<_:S, T/binary-unit:1>> -> T;
        _ -> e(B, S)
    end;
b(X, Y) -> <<X:8, Y/utf8, (a(<<X, Y>>))/binary>>.

c(B) -> c(B, <<>>, 0).
c(<<X, R/bits>>, Acc, N) when N < 40 -> c(R, <<Acc/bits, X:7, N:9/little>>, N + 1);
c(<<R/bits>>, Acc, N) -> {R, byte_size(Acc), bit_size(Acc), N, Acc}.

d(X, Y) ->
    L = << <<A:5>> || A <- [X, Y, 1, 2, 3] >>,
    M = [A || <<A:3>> <= L],
    {L, M, <<L/bits, X:16/big, 1.5:64/float, "abc", Y:3/unit:8, 0:1>>, << <<(A * 2)/utf16>> || A <- M >>}.

e(B, Y) ->
    try <<B/binary, Y:24/little-signed, (size(B)):32, B:2/binary, Y/utf32>> of
        <<_:16, R/binary>> -> {R, binary:part(R, 1, 2), binary:split(R, <<0>>)}
    catch C:W -> {C, W}
    end.
