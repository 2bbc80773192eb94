%% SPDX-License-Identifier: Apache-2.0
%% @doc TCP segments as bytes (RFC 9293, options RFC 7323 and 2018) and as tuples.
-module(loom_tcp_segment).

-export([decode/2, encode/4, sequence_size/1]).
-export_type([segment/0, option/0, flags/0]).

-define(FIN, 1).
-define(SYN, 2).

%% FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
-type flags() :: 0..63.
-type option() :: {mss, 0..65535} | {window_scale, byte()} | sack_ok | {sack, [{seq(), seq()}]}
                | {timestamp, Value :: seq(), Echo :: seq()}.
-type seq() :: 0..16#ffffffff.
-type segment() :: {flags(), seq(), Ack :: seq(), Window :: 0..65535, [option()], Data :: iodata()}.

%% @doc The segment in a packet whose pseudo header sums up to `Sum' (`none': the checksum has been seen to).
-spec decode(binary(), non_neg_integer() | none) ->
    {ok, Source :: 0..65535, Target :: 0..65535, segment()} | {error, short | checksum | options}.
decode(<<Source:16, Target:16, Seq:32, Ack:32, Size:4, _:6, Flags:6, Window:16, _:16, _Urgent:16, _/binary>> = Packet,
       Sum) when Size >= 5, byte_size(Packet) >= Size * 4 ->
    case Sum =:= none orelse loom_net_checksum:valid(Packet, Sum) of
        false -> {error, checksum};
        true ->
            OptionSize = Size * 4 - 20,
            <<_:20/binary, OptionBytes:OptionSize/binary, Data/binary>> = Packet,
            case options(OptionBytes) of
                error -> {error, options};
                Options -> {ok, Source, Target, {Flags, Seq, Ack, Window, Options, Data}}
            end
    end;
decode(_, _) -> {error, short}.

options(<<>>) -> [];
options(<<1, 1, 8, 10, Value:32, Echo:32>>) -> [{timestamp, Value, Echo}];
options(<<0, _/binary>>) -> [];
options(<<1, Rest/binary>>) -> options(Rest);
options(<<Kind, Size, Rest/binary>>) when Size >= 2, byte_size(Rest) >= Size - 2 ->
    Length = Size - 2,
    <<Value:Length/binary, More/binary>> = Rest,
    case {option(Kind, Value), options(More)} of
        {_, error} -> error;
        {unknown, Options} -> Options;
        {Option, Options} -> [Option | Options]
    end;
options(_) -> error.

option(2, <<Mss:16>>) -> {mss, Mss};
option(3, <<Shift>>) -> {window_scale, Shift};
option(4, <<>>) -> sack_ok;
option(5, Blocks) when byte_size(Blocks) rem 8 =:= 0 -> {sack, [{From, To} || <<From:32, To:32>> <= Blocks]};
option(8, <<Value:32, Echo:32>>) -> {timestamp, Value, Echo};
option(_, _) -> unknown.

%% @doc The bytes: header and data. `Sum': of the pseudo header without the size, `none': leave the checksum open.
-spec encode(0..65535, 0..65535, segment(), non_neg_integer() | none) -> {Header :: binary(), Data :: iodata()}.
encode(Source, Target, {Flags, Seq, Ack, Window, Options, Data}, Sum) ->
    OptionBytes = encode_options(Options),
    HeaderSize = 20 + byte_size(OptionBytes),
    Words = HeaderSize div 4,
    case Sum of
        none -> {<<Source:16, Target:16, Seq:32, Ack:32, Words:4, 0:6, Flags:6, Window:16, 0:32, OptionBytes/binary>>,
                 Data};
        _ ->
            Fixed = Source + Target + (Words bsl 12 bor Flags) + Window + Seq + Ack + HeaderSize + iolist_size(Data),
            Check = loom_net_checksum:fold(loom_net_checksum:sum(Data,
                                                                 loom_net_checksum:sum(OptionBytes)) + Fixed + Sum),
            {<<Source:16, Target:16, Seq:32, Ack:32, Words:4, 0:6, Flags:6, Window:16, Check:16, 0:16,
               OptionBytes/binary>>, Data}
    end.

encode_options([]) -> <<>>;
encode_options([{timestamp, Value, Echo}]) -> <<1, 1, 8, 10, Value:32, Echo:32>>;
encode_options(Options) ->
    Bytes = << <<(encode_option(O))/binary>> || O <- Options >>,
    Pad = -byte_size(Bytes) band 3,
    <<Bytes/binary, 0:Pad/unit:8>>.

encode_option({mss, Mss}) -> <<2, 4, Mss:16>>;
encode_option({window_scale, Shift}) -> <<1, 3, 3, Shift>>;
encode_option(sack_ok) -> <<1, 1, 4, 2>>;
encode_option({timestamp, Value, Echo}) -> <<1, 1, 8, 10, Value:32, Echo:32>>;
encode_option({sack, Blocks}) ->
    <<1, 1, 5, (2 + 8 * length(Blocks)), << <<From:32, To:32>> || {From, To} <- Blocks >>/binary>>.

%% @doc How many sequence numbers it takes.
-spec sequence_size(segment()) -> non_neg_integer().
sequence_size({Flags, _, _, _, _, Data}) ->
    iolist_size(Data) + (Flags band ?FIN) + ((Flags band ?SYN) bsr 1).
