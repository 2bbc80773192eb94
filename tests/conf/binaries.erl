%% SPDX-License-Identifier: Apache-2.0
%% Bit syntax, the module binary, sub-binaries, big binaries, messages with binaries.
-module(binaries).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~p~n", [Tag, Value]).
id(X) -> X.
try_(F) -> try F() catch C:R -> {C, R} end.

main() -> construct(), match(), comprehensions(), module_(), append(), share(), convert(), packets().

construct() ->
    A = id(5), B = id(-3), F = id(1.5), Bin = id(<<1, 2, 3>>), Big = id(1 bsl 100 + 12345),
    p(int, [<<A:4, B:4>>, <<A:16/little, B:16/big>>, <<B:7>>, <<Big:128>>, <<Big:100/little>>, <<Big:13>>, <<A:0>>]),
    p(native, <<A:32/native>> =:= <<A:32/little>>),
    p(float, [<<F/float>>, <<F:32/float>>, <<F:16/float>>, <<F:64/float-little>>, <<A/float>>]),
    p(bin, [<<Bin/binary>>, <<Bin:2/binary>>, <<0:3, Bin/binary, 1:5>>, <<Bin/bitstring, 1:1>>]),
    p(utf, [<<X/utf8>> || X <- [$a, 233, 8364, 66560]] ++ [<<X/utf16>> || X <- [$a, 8364, 66560]] ++
          [<<66560/utf16-little>>, <<8364/utf32>>, <<8364/utf32-little>>, <<"aé€"/utf8>>]),
    p(string, <<"abc", "de":16>>),
    Sizes = [0, 1, 7, 8, 9, 63, 64, 65, 127, 128],
    p(sizes, [<<(id(-1)):S>> || S <- Sizes]),
    p(sizes_little, [<<(id(16#123456789abcdef0)):S/little>> || S <- Sizes]),
    p(err, [try_(F1) || F1 <- [fun() -> <<(id(a)):8>> end, fun() -> <<(id(1)):(id(-1))>> end,
                               fun() -> <<(id(<<1:4>>))/binary>> end, fun() -> <<Bin:(id(4))/binary>> end,
                               fun() -> <<(id(16#d800))/utf8>> end, fun() -> <<(id(16#110000))/utf32>> end,
                               fun() -> <<(id(x))/float>> end, fun() -> <<(id(1.0e300)):32/float>> end,
                               fun() -> <<1:(id(foo))>> end, fun() -> <<(id(1)):(id(1 bsl 70))>> end]]).

match() ->
    Bin = id(<<1, 2, 3, 4, 5, 6, 7, 8, 9, 10>>),
    <<X:12, Y:20/little, Z/binary>> = Bin, p(fields, {X, Y, Z}),
    <<_:3, Q:13/signed, R:7/little-signed, T/bitstring>> = Bin, p(odd, {Q, R, T}),
    <<Fl/float, _/binary>> = <<1.25/float, 1>>, p(float, Fl),
    p(nan, [case id(<<16#7ff8:16, 0:48>>) of <<D/float>> -> D; _ -> no end,
            case id(<<16#7f80:16, 0:16>>) of <<D:32/float>> -> D; _ -> no end]),
    <<S, Str:S/binary, Tail/binary>> = id(<<3, "abcdef">>), p(sized, {Str, Tail}),
    Two = id(2), <<N:Two/unit:5, _/bits>> = Bin, p(unit, N),
    p(utf, [[case id(B) of <<C/utf8, Re/binary>> -> {C, Re}; _ -> bad end
             || B <- [<<"aé">>, <<"é">>, <<16#e2, 16#82, 16#ac, 1>>, <<16#c0, 16#80>>, <<16#ed, 16#a0, 16#80>>, <<16#f0, 16#90>>, <<>>]],
            [case id(B) of <<C/utf16, Re/binary>> -> {C, Re}; _ -> bad end
             || B <- [<<0, 97>>, <<16#d8, 1, 16#dc, 0, 7>>, <<16#dc, 0>>, <<16#d8, 1>>]],
            [case id(B) of <<C/utf32-little, Re/binary>> -> {C, Re}; _ -> bad end
             || B <- [<<97, 0, 0, 0>>, <<0, 16#d8, 0, 0>>, <<0, 0, 17, 0>>]]]),
    p(lit, [case id(B) of <<"ab", R2/binary>> -> R2; <<1:1, R2/bits>> -> R2; _ -> none end || B <- [<<"abc">>, <<"b">>, <<255>>, <<1:1>>, <<>>]]),
    p(big, begin <<Bg:200, _/binary>> = id(list_to_binary(lists:seq(1, 40))), Bg end),
    p(bigs, begin <<Bg2:200/signed-little, _/binary>> = id(list_to_binary(lists:seq(101, 140))), Bg2 end),
    p(tails, tails(id(<<1, 2, 3, 4:4>>))),
    p(no, [case id(B) of <<_:16>> -> two; <<_:8, _:2>> -> ten; _ -> other end || B <- [<<1, 2>>, <<1, 2:2>>, <<1>>, a]]).

tails(<<A, R/bits>>) -> [{A, R} | tails(R)];
tails(R) -> [R].

comprehensions() ->
    p(bc, {<<<<(X * 2)>> || <<X>> <= <<1, 2, 3>>>>, [X || <<X:4>> <= <<16#12, 16#34>>],
           <<<<X:3>> || X <- lists:seq(0, 7)>>, << <<A:1, B:1>> || <<A:1>> <= <<5>>, <<B:1>> <= <<1:2>> >>}),
    p(tail, [X || <<X:5>> <= <<1, 2, 3>>]).

module_() ->
    B = <<"hello world, hello">>,
    p(match, {binary:match(B, <<"hello">>), binary:matches(B, [<<"hel">>, <<"l">>, <<"world">>]), binary:match(B, <<"zz">>),
              binary:matches(B, <<"l">>, [{scope, {3, 8}}])}),
    p(split, {binary:split(B, <<" ">>), binary:split(B, [<<" ">>, <<",">>], [global, trim_all]), binary:split(B, <<"o">>, [global])}),
    p(replace, {binary:replace(B, <<"l">>, <<"L">>, [global]), binary:replace(B, <<"hello">>, <<"[]">>, [{insert_replaced, 1}])}),
    p(part, {binary:part(B, 6, 5), binary:part(B, {18, -5}), binary_part(B, 0, 5)}),
    p(misc, {binary:at(B, 4), binary:first(B), binary:last(B), binary:copy(<<"ab">>, 3), binary:bin_to_list(B, {0, 3}),
             binary:longest_common_prefix([<<"abcd">>, <<"abx">>]), binary:longest_common_suffix([<<"xcd">>, <<"cd">>])}),
    p(num, {binary:encode_unsigned(1 bsl 80), binary:decode_unsigned(<<1, 2, 3, 4, 5, 6, 7, 8, 9>>), binary:encode_unsigned(258, little),
            binary:decode_unsigned(<<1, 2>>, little)}),
    Cp = binary:compile_pattern([<<"a">>, <<"bc">>]), p(compiled, binary:matches(<<"abcabc">>, Cp)),
    p(hex, {binary:encode_hex(<<1, 171>>), binary:decode_hex(<<"01AB">>)}),
    p(errs, [try_(F) || F <- [fun() -> binary:at(B, 100) end, fun() -> binary:part(B, 10, 100) end, fun() -> binary:match(B, <<>>) end,
                              fun() -> binary:first(<<>>) end, fun() -> binary:copy(<<>>, -1) end, fun() -> split_binary(B, 99) end]]),
    p(split_binary, split_binary(<<1, 2, 3>>, 1)).

append() ->
    B = lists:foldl(fun(I, A) -> <<A/binary, I:32>> end, <<>>, lists:seq(1, 20000)),
    p(appended, {byte_size(B), erlang:md5(B)}),
    A1 = <<B/binary, 1>>, A2 = <<B/binary, 2>>,
    p(forked, {binary:last(A1), binary:last(A2), byte_size(A1)}),
    Bits = lists:foldl(fun(I, A) -> <<A/bits, I:3>> end, <<>>, lists:seq(1, 999)),
    p(bits, {bit_size(Bits), erlang:phash2(Bits)}).

share() ->
    Big = binary:copy(<<"0123456789">>, 10000),
    Me = self(),
    Sub = binary:part(Big, 5, 99000),
    spawn(fun() -> receive {Who, B} -> Who ! {back, byte_size(B), erlang:crc32(B), binary:part(B, 3, 4)} end end) ! {Me, Sub},
    receive {back, N, C, Part} -> p(message, {N, C, Part}) end,
    p(ref, {binary:referenced_byte_size(Sub), binary:referenced_byte_size(binary:copy(Sub))}),
    garbage_collect(),
    p(after_gc, {byte_size(Sub), erlang:crc32(Sub)}).

convert() ->
    p(lists, {list_to_binary([1, [2, <<3, 4>>], 5 | <<6>>]), binary_to_list(<<1, 2, 3>>), binary_to_list(<<1, 2, 3>>, 2, 3),
              bitstring_to_list(<<1, 2:3>>), list_to_bitstring([<<1:1>>, <<2:2>>]), iolist_size([1, <<2, 3>>, [4]])}),
    p(iovec, erlang:iolist_to_iovec([1, 2, <<3>>, [<<4>>, 5]])),
    p(text, {integer_to_binary(-77), integer_to_binary(255, 16), binary_to_integer(<<"-12">>), binary_to_float(<<"1.5e3">>),
             float_to_binary(0.1), atom_to_binary(abc), binary_to_atom(<<"xyz">>)}),
    p(compare, [A < B || A <- [<<>>, <<1>>, <<1:1>>, <<1, 2>>, <<2>>, <<1, 2:4>>], B <- [<<1>>, <<1, 2:3>>, <<255:7>>]]),
    p(hash, [erlang:phash2(B) || B <- [<<>>, <<1>>, <<1:3>>, <<"abc">>, <<7, 5:5>>]]).

packets() ->
    p(packets, [erlang:decode_packet(T, B, O)
                || {T, B, O} <- [{line, <<"ab\ncd">>, []}, {line, <<"ab">>, []}, {1, <<2, 1, 2, 3>>, []}, {2, <<0, 9, 1>>, []},
                                 {4, <<0, 0, 0, 1, 7, 8>>, []}, {raw, <<1, 2>>, []}, {line, <<"abcdef\n">>, [{line_length, 3}]},
                                 {http_bin, <<"GET / HTTP/1.1\r\n\r\n">>, []}, {httph, <<"Host: x\r\n\r\n">>, []},
                                 {http, <<"HTTP/1.0 200 OK\r\n\r\n">>, []}, {2, <<0, 200>>, [{packet_size, 10}]}]]).
