%% SPDX-License-Identifier: Apache-2.0
%% @doc IPv4 (RFC 791) and IPv6 (RFC 8200) packets. An address is a binary of 4 or 16 bytes.
-module(loom_net_ip).

-export([decode/1, encode/2, fragments/3, text/1, parse/1, is_group/1, is_loopback/1, link_local/1, mask/2,
         in_prefix/3]).
-export_type([ip/0, packet/0]).

-define(FRAGMENT, 44).

-type ip() :: <<_:32>> | <<_:128>>.
-type packet() :: #{source := ip(), target := ip(), protocol := byte(), ttl := byte(), tos := byte(),
                    data := binary(), header := binary(),
                    fragment => {Id :: term(), Offset :: non_neg_integer(), More :: boolean()}}.

%% @doc A whole packet, or a fragment of one. Options and extension headers are passed over.
-spec decode(binary()) -> {ok, packet()} | {error, short | version | checksum | header}.
decode(<<4:4, Words:4, Tos, Size:16, Id:16, _:1, Dont:1, More:1, Offset:13, Ttl, Protocol, _:16, Source:4/binary,
         Target:4/binary, _/binary>> = Packet) when Words >= 5, Size >= Words * 4, byte_size(Packet) >= Size ->
    HeaderSize = Words * 4,
    DataSize = Size - HeaderSize,
    <<Header:HeaderSize/binary, Data:DataSize/binary, _/binary>> = Packet,
    _ = Dont,
    case loom_net_checksum:valid(Header, 0) of
        false -> {error, checksum};
        true ->
            Whole = #{source => Source, target => Target, protocol => Protocol, ttl => Ttl, tos => Tos, data => Data,
                      header => Header},
            case More bor Offset of
                0 -> {ok, Whole};
                _ -> {ok, Whole#{fragment => {{Source, Target, Protocol, Id}, Offset * 8, More =:= 1}}}
            end
    end;
decode(<<6:4, Tos:8, _:20, Size:16, Next, Ttl, Source:16/binary, Target:16/binary, Rest/binary>> = Packet)
  when byte_size(Rest) >= Size ->
    <<Data:Size/binary, _/binary>> = Rest,
    <<Header:40/binary, _/binary>> = Packet,
    extension(Next, Data, #{source => Source, target => Target, ttl => Ttl, tos => Tos, header => Header});
decode(<<Version:4, _/bits>>) when Version =:= 4; Version =:= 6 -> {error, short};
decode(_) -> {error, version}.

%% Hop-by-hop 0, routing 43 (only used up), fragment 44, destination options 60.
extension(Kind, <<Next, Words, Rest/binary>>, Packet)
  when Kind =:= 0 orelse Kind =:= 43 orelse Kind =:= 60, byte_size(Rest) >= 6 + Words * 8 ->
    Skip = 6 + Words * 8,
    <<Body:Skip/binary, Data/binary>> = Rest,
    case {Kind, Body} of
        {43, <<_, Left, _/binary>>} when Left > 0 -> {error, header};
        _ -> extension(Next, Data, Packet)
    end;
extension(?FRAGMENT, <<Next, _, Offset:13, _:2, More:1, Id:32, Data/binary>>, #{source := S, target := T} = Packet) ->
    case More bor Offset of
        0 -> extension(Next, Data, Packet);
        _ -> {ok, Packet#{protocol => Next, data => Data, fragment => {{S, T, Id}, Offset * 8, More =:= 1}}}
    end;
extension(Kind, _, _) when Kind =:= 0; Kind =:= 43; Kind =:= 44; Kind =:= 60 -> {error, header};
extension(Protocol, Data, Packet) -> {ok, Packet#{protocol => Protocol, data => Data}}.

%% @doc The header for so many bytes of data. `fragment' stands for IPv4's; without it the packet must not be cut.
-spec encode(#{source := ip(), target := ip(), protocol := byte(), ttl => byte(), tos => byte(),
               fragment => {Id :: non_neg_integer(), Offset :: non_neg_integer(), More :: boolean()}},
             non_neg_integer()) -> binary().
encode(#{source := <<S:32>>, target := <<T:32>>, protocol := Protocol} = P, Size) ->
    Ttl = maps:get(ttl, P, 64),
    Tos = maps:get(tos, P, 0),
    {Id, Flags} = case P of
                      #{fragment := {I, Offset, true}} -> {I, 16#2000 bor (Offset div 8)};
                      #{fragment := {I, Offset, false}} -> {I, Offset div 8};
                      _ -> {0, 16#4000}
                  end,
    Total = Size + 20,
    First = 16#4500 bor Tos,
    Check = loom_net_checksum:fold(First + Total + Id + Flags + (Ttl bsl 8) + Protocol + S + T),
    <<First:16, Total:16, Id:16, Flags:16, Ttl, Protocol, Check:16, S:32, T:32>>;
encode(#{source := Source, target := Target, protocol := Protocol} = P, Size) ->
    Ttl = maps:get(ttl, P, 64),
    Tos = maps:get(tos, P, 0),
    case P of
        #{fragment := {Id, Offset, More}} ->
            Bit = case More of true -> 1; false -> 0 end,
            <<6:4, Tos:8, 0:20, (Size + 8):16, ?FRAGMENT, Ttl, Source/binary, Target/binary,
              Protocol, 0, (Offset div 8):13, 0:2, Bit:1, Id:32>>;
        _ -> <<6:4, Tos:8, 0:20, Size:16, Protocol, Ttl, Source/binary, Target/binary>>
    end.

%% @doc The packets for data on a link that takes `Mtu' bytes: one, if it fits.
-spec fragments(map(), iodata(), pos_integer()) -> [iodata()].
fragments(#{source := Source} = P, Data, Mtu) ->
    Head = case Source of <<_:32>> -> 20; _ -> 40 end,
    case iolist_size(Data) of
        Size when Size + Head =< Mtu ->
            [[encode(P, Size) | to_list(Data)]];
        _ ->
            Extra = case Head of 20 -> 0; 40 -> 8 end,
            Part = (Mtu - Head - Extra) band bnot 7,
            <<Id:16>> = loom_random:bytes(2),
            cut(P, Id, 0, Part, iolist_to_binary(Data))
    end.

to_list(Data) when is_binary(Data) -> [Data];
to_list(Data) -> Data.

cut(P, Id, Offset, Part, Data) ->
    case Data of
        <<Now:Part/binary, Later/binary>> when Later =/= <<>> ->
            [[encode(P#{fragment => {Id, Offset, true}}, Part), Now] | cut(P, Id, Offset + Part, Part, Later)];
        _ -> [[encode(P#{fragment => {Id, Offset, false}}, byte_size(Data)), Data]]
    end.

%% --- addresses -----------------------------------------------------------------------------------------------------

-spec is_group(ip()) -> boolean().
is_group(<<14:4, _:28>>) -> true;
is_group(<<255, _:120>>) -> true;
is_group(_) -> false.

-spec is_loopback(ip()) -> boolean().
is_loopback(<<127, _:24>>) -> true;
is_loopback(<<1:128>>) -> true;
is_loopback(_) -> false.

%% @doc The address that an interface gives itself (RFC 4291, 2.5.1).
-spec link_local(<<_:48>>) -> <<_:128>>.
link_local(<<A:6, U:1, B:17, C:24>>) -> <<16#fe80:16, 0:48, A:6, (1 - U):1, B:17, 16#fffe:16, C:24>>.

-spec mask(ip(), non_neg_integer()) -> ip().
mask(Ip, Prefix) ->
    <<Net:Prefix/bits, Host/bits>> = Ip,
    <<Net/bits, 0:(bit_size(Host))>>.

-spec in_prefix(ip(), ip(), non_neg_integer()) -> boolean().
in_prefix(Ip, Net, _) when byte_size(Ip) =/= byte_size(Net) -> false;
in_prefix(Ip, Net, Prefix) ->
    <<A:Prefix/bits, _/bits>> = Ip,
    <<B:Prefix/bits, _/bits>> = Net,
    A =:= B.

-spec text(ip()) -> string().
text(<<A, B, C, D>>) -> lists:concat([A, ".", B, ".", C, ".", D]); % before `inet' can be loaded, too
text(Ip) -> inet:ntoa(list_to_tuple([W || <<W:16>> <= Ip])).

%% @doc From text, or from a tuple as `inet' has it.
-spec parse(string() | binary() | tuple()) -> {ok, ip()} | {error, einval}.
parse({A, B, C, D}) -> {ok, <<A, B, C, D>>};
parse(Ip) when tuple_size(Ip) =:= 8 -> {ok, << <<W:16>> || W <- tuple_to_list(Ip) >>};
parse(Ip) when is_binary(Ip) -> parse(binary_to_list(Ip));
parse(Text) ->
    case inet:parse_address(Text) of
        {ok, Ip} -> parse(Ip);
        Error -> Error
    end.
