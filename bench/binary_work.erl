%% SPDX-License-Identifier: Apache-2.0
%% Binaries: matching and building with the bit syntax, searching with the binary module.
-module(binary_work).
-behaviour(bench).
-export([programs/0, bin_parse/1, bin_build/1, bin_comprehension/1, bin_search/1, json/1]).

programs() ->
    [{bin_parse, 700000}, {bin_build, 1500000}, {bin_comprehension, 1000000}, {bin_search, 10000},
     {json, 150}].

%% Records of 4+12+16+32 bits and a counted payload.
bin_parse(N) ->
    Data = << <<(I band 15):4, (I band 4095):12, 4:16, I:32, "load">> || I <- lists:seq(1, N) >>,
    packets(Data, 0, 0).

packets(<<Kind:4, Flags:12, Size:16, Id:32, Payload:Size/binary, Rest/binary>>, Sum, Bytes) ->
    packets(Rest, (Sum + Kind + Flags + Id) band 16#ffffffff, Bytes + byte_size(Payload));
packets(<<>>, Sum, Bytes) -> {Sum, Bytes}.

%% Appends to one growing binary.
bin_build(N) -> erlang:crc32(build(N, <<>>)).

build(0, Bin) -> Bin;
build(N, Bin) -> build(N - 1, <<Bin/binary, N:24, (N bsr 3)/float, "x">>).

bin_comprehension(N) ->
    Bytes = << <<(I band 255)>> || I <- lists:seq(1, N) >>,
    Hex = << <<(digit(H)), (digit(L))>> || <<H:4, L:4>> <= Bytes >>,
    {erlang:crc32(Hex), length([X || <<X:16/little-signed>> <= Bytes, X > 0])}.

digit(D) when D < 10 -> $0 + D;
digit(D) -> $a + D - 10.

bin_search(N) ->
    Text = binary:copy(<<"the quick brown fox jumps over the lazy dog\n">>, 200),
    Pattern = binary:compile_pattern([<<"lazy">>, <<"quick">>]),
    lists:sum([length(binary:matches(Text, Pattern)) + length(binary:split(Text, <<"\n">>, [global])) ||
        _ <- lists:seq(1, N div 4)]).

%% A recursive-descent reader of JSON.
json(N) ->
    Item = <<"{\"id\": 12345, \"name\": \"loom\", \"tags\": [\"a\", \"b\", null, true], \"pi\": 3.25},">>,
    Text = <<"[", (binary:copy(Item, 200))/binary, "{}]">>,
    lists:sum([length(element(1, value(Text))) || _ <- lists:seq(1, N)]).

value(<<$\s, T/binary>>) -> value(T);
value(<<${, T/binary>>) -> object(skip(T), #{});
value(<<$[, T/binary>>) -> array(skip(T), []);
value(<<$", T/binary>>) -> string(T, T, 0);
value(<<"null", T/binary>>) -> {null, T};
value(<<"true", T/binary>>) -> {true, T};
value(T) -> number(T, T, 0).

object(<<$}, T/binary>>, Map) -> {Map, T};
object(<<$,, T/binary>>, Map) -> object(skip(T), Map);
object(<<$", T/binary>>, Map) ->
    {Key, <<$:, T1/binary>>} = string(T, T, 0),
    {Value, T2} = value(T1),
    object(skip(T2), Map#{Key => Value}).

array(<<$], T/binary>>, List) -> {lists:reverse(List), T};
array(<<$,, T/binary>>, List) -> array(skip(T), List);
array(T, List) ->
    {Value, T1} = value(T),
    array(skip(T1), [Value | List]).

string(<<$", T/binary>>, Start, Size) -> {binary_part(Start, 0, Size), T};
string(<<_, T/binary>>, Start, Size) -> string(T, Start, Size + 1).

number(<<C, T/binary>>, Start, Size) when C >= $0, C =< $9; C =:= $.; C =:= $- -> number(T, Start, Size + 1);
number(T, Start, Size) ->
    Digits = binary_part(Start, 0, Size),
    case binary:match(Digits, <<".">>) of
        nomatch -> {binary_to_integer(Digits), T};
        _ -> {binary_to_float(Digits), T}
    end.

skip(<<$\s, T/binary>>) -> skip(T);
skip(T) -> T.
