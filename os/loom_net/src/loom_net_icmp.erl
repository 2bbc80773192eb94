%% SPDX-License-Identifier: Apache-2.0
%% @doc ICMP (RFC 792), ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861, 4862) as bytes.
-module(loom_net_icmp).

-export([decode/3, encode/3, mtu_of/1]).
-export_type([message/0]).

-define(ICMP6, 58).

-type message() :: {echo_request | echo_reply, Id :: 0..65535, Sequence :: 0..65535, binary()}
                 | {unreachable, net | host | protocol | port | prohibited, Original :: binary()}
                 | {too_big, Mtu :: non_neg_integer(), Original :: binary()}
                 | {expired, Original :: binary()}
                 | {neighbour_solicitation, Target :: <<_:128>>, [nd_option()]}
                 | {neighbour_advertisement, Target :: <<_:128>>, Flags :: 0..7, [nd_option()]}
                 | {router_solicitation, [nd_option()]}
                 | {router_advertisement, #{hop_limit := byte(), lifetime := 0..65535}, [nd_option()]}
                 | {other, Type :: byte(), Code :: byte()}.
-type nd_option() :: {source_link | target_link, <<_:48>>}
                   | {prefix, <<_:128>>, 0..128, OnLink :: boolean(), Autonomous :: boolean(), Valid :: integer()}
                   | {mtu, integer()} | {dns, [<<_:128>>]}.

-spec decode(loom_net_ip:ip(), loom_net_ip:ip(), binary()) -> {ok, message()} | {error, short | checksum}.
decode(Source, Target, <<Type, Code, _:16, Rest/binary>> = Packet) when byte_size(Rest) >= 4 ->
    Sum = case Source of
              <<_:32>> -> 0;
              _ -> loom_net_checksum:pseudo(Source, Target, ?ICMP6, byte_size(Packet))
          end,
    case loom_net_checksum:valid(Packet, Sum) of
        true when byte_size(Source) =:= 4 -> {ok, message4(Type, Code, Rest)};
        true -> {ok, message6(Type, Code, Rest)};
        false -> {error, checksum}
    end;
decode(_, _, _) -> {error, short}.

message4(0, 0, <<Id:16, Sequence:16, Data/binary>>) -> {echo_reply, Id, Sequence, Data};
message4(8, 0, <<Id:16, Sequence:16, Data/binary>>) -> {echo_request, Id, Sequence, Data};
message4(3, 4, <<_:16, Mtu:16, Original/binary>>) -> {too_big, Mtu, Original};
message4(3, Code, <<_:32, Original/binary>>) -> {unreachable, reason4(Code), Original};
message4(11, _, <<_:32, Original/binary>>) -> {expired, Original};
message4(Type, Code, _) -> {other, Type, Code}.

reason4(0) -> net;
reason4(2) -> protocol;
reason4(3) -> port;
reason4(Code) when Code =:= 9; Code =:= 10; Code =:= 13 -> prohibited;
reason4(_) -> host.

message6(1, Code, <<_:32, Original/binary>>) -> {unreachable, reason6(Code), Original};
message6(2, _, <<Mtu:32, Original/binary>>) -> {too_big, Mtu, Original};
message6(3, _, <<_:32, Original/binary>>) -> {expired, Original};
message6(128, 0, <<Id:16, Sequence:16, Data/binary>>) -> {echo_request, Id, Sequence, Data};
message6(129, 0, <<Id:16, Sequence:16, Data/binary>>) -> {echo_reply, Id, Sequence, Data};
message6(133, 0, <<_:32, Options/binary>>) -> {router_solicitation, options(Options)};
message6(134, 0, <<Limit, _, Lifetime:16, _:64, Options/binary>>) ->
    {router_advertisement, #{hop_limit => Limit, lifetime => Lifetime}, options(Options)};
message6(135, 0, <<_:32, Target:16/binary, Options/binary>>) -> {neighbour_solicitation, Target, options(Options)};
message6(136, 0, <<Flags:3, _:29, Target:16/binary, Options/binary>>) ->
    {neighbour_advertisement, Target, Flags, options(Options)};
message6(Type, Code, _) -> {other, Type, Code}.

reason6(0) -> net;
reason6(1) -> prohibited;
reason6(4) -> port;
reason6(_) -> host.

options(<<Kind, Words, Rest/binary>>) when Words > 0, byte_size(Rest) >= Words * 8 - 2 ->
    Size = Words * 8 - 2,
    <<Body:Size/binary, More/binary>> = Rest,
    option(Kind, Body) ++ options(More);
options(_) -> [].

option(1, <<Mac:6/binary>>) -> [{source_link, Mac}];
option(2, <<Mac:6/binary>>) -> [{target_link, Mac}];
option(3, <<Length, OnLink:1, Auto:1, _:6, Valid:32, _:64, Prefix:16/binary>>) when Length =< 128 ->
    [{prefix, Prefix, Length, OnLink =:= 1, Auto =:= 1, Valid}];
option(5, <<_:16, Mtu:32>>) -> [{mtu, Mtu}];
option(25, <<_:16, _Lifetime:32, Servers/binary>>) -> [{dns, [Ip || <<Ip:16/binary>> <= Servers]}];
option(_, _) -> [].

-spec encode(loom_net_ip:ip(), loom_net_ip:ip(), message()) -> binary().
encode(<<_:32>>, _, Message) ->
    {Type, Code, Body} = bytes4(Message),
    Check = loom_net_checksum:checksum(<<Type, Code, 0:16, Body/binary>>),
    <<Type, Code, Check:16, Body/binary>>;
encode(Source, Target, Message) ->
    {Type, Code, Body} = bytes6(Message),
    Pseudo = loom_net_checksum:pseudo(Source, Target, ?ICMP6, 4 + byte_size(Body)),
    Check = loom_net_checksum:fold(loom_net_checksum:sum(<<Type, Code, 0:16, Body/binary>>, Pseudo)),
    <<Type, Code, Check:16, Body/binary>>.

bytes4({echo_request, Id, Sequence, Data}) -> {8, 0, <<Id:16, Sequence:16, Data/binary>>};
bytes4({echo_reply, Id, Sequence, Data}) -> {0, 0, <<Id:16, Sequence:16, Data/binary>>};
bytes4({unreachable, port, Original}) -> {3, 3, <<0:32, Original/binary>>};
bytes4({unreachable, protocol, Original}) -> {3, 2, <<0:32, Original/binary>>}.

bytes6({echo_request, Id, Sequence, Data}) -> {128, 0, <<Id:16, Sequence:16, Data/binary>>};
bytes6({echo_reply, Id, Sequence, Data}) -> {129, 0, <<Id:16, Sequence:16, Data/binary>>};
bytes6({unreachable, port, Original}) -> {1, 4, <<0:32, Original/binary>>};
bytes6({unreachable, protocol, Original}) -> {4, 1, <<40:32, Original/binary>>}; % the next header field is not known
bytes6({router_solicitation, Options}) -> {133, 0, <<0:32, (option_bytes(Options))/binary>>};
bytes6({neighbour_solicitation, Target, Options}) ->
    {135, 0, <<0:32, Target/binary, (option_bytes(Options))/binary>>};
bytes6({neighbour_advertisement, Target, Flags, Options}) ->
    {136, 0, <<Flags:3, 0:29, Target/binary, (option_bytes(Options))/binary>>}.

option_bytes(Options) ->
    << <<(case O of
              {source_link, Mac} -> <<1, 1, Mac/binary>>;
              {target_link, Mac} -> <<2, 1, Mac/binary>>
          end)/binary>> || O <- Options >>.

%% @doc What a router that does not say (RFC 1191) may have meant.
-spec mtu_of(non_neg_integer()) -> pos_integer().
mtu_of(0) -> 576;
mtu_of(Mtu) -> Mtu.
