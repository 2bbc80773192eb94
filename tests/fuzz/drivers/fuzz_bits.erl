%% SPDX-License-Identifier: Apache-2.0
%% Matches fields of all kinds, sizes and positions from what follows the instructions in the input, builds
%% each anew from its value, and compares: field by field, and all of them appended one by one. An
%% instruction: kind, size, what to do between.
-module(fuzz_bits).
-export([run/1]).

run(<<N:4, Skip:4, Rest/bits>>) when bit_size(Rest) >= N * 16 + Skip ->
    <<Ops:N/binary-unit:16, _:Skip, Subject/bits>> = Rest,
    fields(Ops, Subject, <<>>, Subject);
run(_) ->
    ok.

fields(<<Kind:5, Size:11, Ops/binary>>, Bits, Built, Whole) ->
    case field(Kind, size(Kind, Size), Bits) of
        {Part, Left} ->
            check(Kind, <<Part/bits, Left/bits>>, Bits),
            fields(Ops, Left, <<Built/bits, Part/bits>>, Whole);
        no ->
            ok
    end;
fields(<<>>, Left, Built, Whole) ->
    check(whole, <<Built/bits, Left/bits>>, Whole),
    check(sizes, bit_size(Built) + bit_size(Left), bit_size(Whole)),
    check(sizes, byte_size(Built), (bit_size(Built) + 7) div 8),
    check(list, list_to_bitstring([Built, Left]), Whole),
    check(order, Built =< Whole, true),
    check(external, binary_to_term(term_to_binary(Built)), Built).

check(_, Same, Same) -> ok;
check(What, Got, Wanted) ->
    erlang:display({What, Got, Wanted}),
    halt(1).

%% Most fields are small.
size(Kind, Size) when Kind rem 2 =:= 0 -> Size band 127;
size(_, Size) -> Size.

field(0, S, B) -> case B of <<V:S, R/bits>> -> {<<V:S>>, R}; _ -> no end;
field(1, S, B) -> case B of <<V:S/signed, R/bits>> -> {<<V:S>>, R}; _ -> no end;
field(2, S, B) -> case B of <<V:S/little, R/bits>> -> {<<V:S/little>>, R}; _ -> no end;
field(3, S, B) -> case B of <<V:S/little-signed, R/bits>> -> {<<V:S/little-signed>>, R}; _ -> no end;
field(4, S, B) -> case B of <<V:S/unit:3, R/bits>> -> {<<V:S/unit:3>>, R}; _ -> no end;
field(5, S, B) -> case B of <<V:S/bits, R/bits>> -> {V, R}; _ -> no end;
field(6, S, B) -> case B of <<V:S/binary, R/bits>> -> {V, R}; _ -> no end;
field(7, S, B) -> case B of <<V:S/binary-unit:7, R/bits>> -> {<<V/bits>>, R}; _ -> no end;
field(8, _, B) -> case B of <<V:64/float, R/bits>> -> {<<V:64/float>>, R}; _ -> no end;
field(9, _, B) -> case B of <<V:32/float-little, R/bits>> -> {<<V:32/float-little>>, R}; _ -> no end;
field(10, _, B) -> case B of <<V:16/float, R/bits>> -> {<<V:16/float>>, R}; _ -> no end;
field(11, S, B) -> case B of <<V:S/float, R/bits>> -> {<<V:S/float>>, R}; _ -> no end;
field(12, _, B) -> case B of <<V/utf8, R/bits>> -> {<<V/utf8>>, R}; _ -> no end;
field(13, _, B) -> case B of <<V/utf16, R/bits>> -> {<<V/utf16>>, R}; _ -> no end;
field(14, _, B) -> case B of <<V/utf16-little, R/bits>> -> {<<V/utf16-little>>, R}; _ -> no end;
field(15, _, B) -> case B of <<V/utf32, R/bits>> -> {<<V/utf32>>, R}; _ -> no end;
field(16, _, B) -> case B of <<V:8, R/bits>> -> {<<V>>, R}; _ -> no end;
field(17, _, B) -> case B of <<V:24/little, W:5, R/bits>> -> {<<V:24/little, W:5>>, R}; _ -> no end;
field(18, _, B) -> case B of <<V:100, W:1, R/bits>> -> {<<V:100, W:1>>, R}; _ -> no end;
field(19, _, B) -> case B of <<V:59/signed, W:60/signed, R/bits>> -> {<<V:59, W:60>>, R}; _ -> no end;
field(20, _, B) -> case B of <<V:64, W:64/little-signed, R/bits>> -> {<<V:64, W:64/little>>, R}; _ -> no end;
field(21, S, B) -> case B of <<_:S, R/bits>> -> <<V:S/bits, _/bits>> = B, {V, R}; _ -> no end;
field(22, S, B) -> case B of <<_:S/binary, R/bits>> -> <<V:S/binary, _/bits>> = B, {V, R}; _ -> no end;
field(23, S, B) -> case B of <<S:8, L, V:L/binary, R/bits>> -> {<<S:8, L, V/binary>>, R}; _ -> no end;
field(24, _, B) ->
    case B of <<"abc", R/bits>> -> {<<"abc">>, R}; <<"ab", V:4, R/bits>> -> {<<"ab", V:4>>, R}; _ -> no end;
field(25, S, B) when S > 0 -> {<< <<X:3>> || <<X:3>> <= B >>, rest(B)};
field(26, S, B) ->
    case B of <<V:S/binary, R/bits>> -> {iolist_to_binary([V | binary_to_list(<<>>)]), R}; _ -> no end;
field(27, S, B) when is_binary(B), byte_size(B) >= S -> {A, R} = split_binary(B, S), {A, R};
field(28, S, B) when is_binary(B), byte_size(B) >= S ->
    {binary:part(B, 0, S), binary:part(B, {byte_size(B), S - byte_size(B)})};
field(29, S, B) when is_binary(B), byte_size(B) >= S ->
    <<V:S/binary, R/binary>> = B,
    check(integer, <<(binary:decode_unsigned(V)):S/unit:8>>, V),
    check(integer, <<(binary:decode_unsigned(V, little)):S/little-unit:8>>, V),
    {binary:copy(V), R};
field(30, S, B) ->
    case B of
        <<V:S/bits, R/bits>> ->
            check(list, << <<X>> || X <- bitstring_to_list(V), is_integer(X) >>, binary:part(V, 0,
                bit_size(V) div 8)),
            {V, R};
        _ -> no
    end;
field(_, _, _) -> no.

%% What comprehensions over three bits leave.
rest(B) ->
    S = bit_size(B) rem 3,
    Taken = bit_size(B) - S,
    <<_:Taken, R/bits>> = B,
    R.
