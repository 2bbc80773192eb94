%% SPDX-License-Identifier: Apache-2.0
%% @doc The internet checksum (RFC 1071). The sum of 16-bit words with end-around carry is the number that the bytes
%% make, modulo 65535, since 65536 leaves 1: so arithmetic of large integers can do the work. On Loom it does not: sum/2
%% is a native there (vm/net/checksum.c), because what is sent and taken goes through it byte by byte.
-module(loom_net_checksum).

-export([sum/1, sum/2, fold/1, checksum/1, pseudo/4, valid/2]).

%% @doc A sum to go on with: any integer that is the right one modulo 65535.
-spec sum(iodata()) -> non_neg_integer().
sum(Data) -> sum(Data, 0).

%% @doc Adds what comes after an even number of bytes.
-spec sum(iodata(), non_neg_integer()) -> non_neg_integer().
sum(Data, Sum) when is_binary(Data) -> sum_binary(Data) + Sum;
sum(Data, Sum) ->
    {Total, _} = parts(Data, {Sum, 0}),
    Total.

%% Bytes behind an odd number of others count in the other half of their word.
parts([], Acc) -> Acc;
parts(Part, {Sum, 0}) when is_binary(Part) -> {sum_binary(Part) + Sum, byte_size(Part) band 1};
parts(Part, {Sum, 1}) when is_binary(Part) -> {sum_binary(Part) * 256 + Sum, (byte_size(Part) + 1) band 1};
parts(Byte, {Sum, 0}) when is_integer(Byte) -> {Byte * 256 + Sum, 1};
parts(Byte, {Sum, 1}) when is_integer(Byte) -> {Byte + Sum, 0};
parts([Part | Rest], Acc) -> parts(Rest, parts(Part, Acc)).

sum_binary(<<A:48, B:48, C:48, D:48, Rest/binary>>) when byte_size(Rest) < 40 -> A + B + C + D + short(Rest, 0);
sum_binary(B) when byte_size(B) < 24 -> short(B, 0);
sum_binary(B) when byte_size(B) band 1 =:= 0 -> binary:decode_unsigned(B) rem 65535;
sum_binary(B) -> (binary:decode_unsigned(B) * 256) rem 65535.

short(<<A:48, Rest/binary>>, Sum) -> short(Rest, Sum + A);
short(<<A:16, Rest/binary>>, Sum) -> short(Rest, Sum + A);
short(<<A>>, Sum) -> Sum + (A bsl 8);
short(<<>>, Sum) -> Sum.

%% @doc The checksum field: the complement. Of the two zeros it is always 16#ffff, which is right for every protocol and
%% every data (all bytes zero included), and which UDP demands.
-spec fold(non_neg_integer()) -> 1..65535.
fold(Sum) -> 65535 - Sum rem 65535.

-spec checksum(iodata()) -> 1..65535.
checksum(Data) -> fold(sum(Data)).

%% @doc The sum of the pseudo header of UDP, TCP and ICMPv6: addresses of 4 or 16 bytes.
-spec pseudo(binary(), binary(), byte(), non_neg_integer()) -> non_neg_integer().
pseudo(<<A:32>>, <<B:32>>, Protocol, Size) -> A + B + Protocol + Size;
pseudo(<<A:48, B:48, C:32>>, <<D:48, E:48, F:32>>, Protocol, Size) -> A + B + C + D + E + F + Protocol + Size.

%% @doc Data with its checksum inside sums up to nothing.
-spec valid(iodata(), non_neg_integer()) -> boolean().
valid(Data, Sum) -> sum(Data, Sum) rem 65535 =:= 0.
