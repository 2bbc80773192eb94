%% SPDX-License-Identifier: Apache-2.0
%% @doc Ethernet frames (IEEE 802.3, RFC 894 and 2464) and ARP (RFC 826).
-module(loom_net_ether).

-export([header/3, decode/1, broadcast/0, group/1, arp/4, decode_arp/1]).
-export_type([mac/0]).

-type mac() :: <<_:48>>.
-define(IP4, 16#0800).
-define(ARP, 16#0806).
-define(IP6, 16#86dd).

-spec header(mac(), mac(), ip4 | ip6 | arp) -> binary().
header(Target, Source, ip4) -> <<Target/binary, Source/binary, ?IP4:16>>;
header(Target, Source, ip6) -> <<Target/binary, Source/binary, ?IP6:16>>;
header(Target, Source, arp) -> <<Target/binary, Source/binary, ?ARP:16>>.

-spec decode(binary()) -> {ip4 | ip6 | arp, Target :: mac(), Source :: mac(), Packet :: binary()} | other.
decode(<<Target:6/binary, Source:6/binary, ?IP4:16, Packet/binary>>) -> {ip4, Target, Source, Packet};
decode(<<Target:6/binary, Source:6/binary, ?IP6:16, Packet/binary>>) -> {ip6, Target, Source, Packet};
decode(<<Target:6/binary, Source:6/binary, ?ARP:16, Packet/binary>>) -> {arp, Target, Source, Packet};
decode(_) -> other.

-spec broadcast() -> mac().
broadcast() -> <<16#ffffffffffff:48>>.

%% @doc The address of a group (RFC 1112, RFC 2464).
-spec group(binary()) -> mac().
group(<<_:9, Low:23>>) -> <<16#01005e:24, 0:1, Low:23>>;
group(<<_:96, Low:32>>) -> <<16#3333:16, Low:32>>.

%% @doc An ARP packet, filled up to the least size of a frame.
-spec arp(request | reply, {mac(), <<_:32>>}, mac(), <<_:32>>) -> binary().
arp(Operation, {Mac, Ip}, TargetMac, TargetIp) ->
    Code = case Operation of request -> 1; reply -> 2 end,
    <<1:16, ?IP4:16, 6, 4, Code:16, Mac/binary, Ip/binary, TargetMac/binary, TargetIp/binary, 0:18/unit:8>>.

-spec decode_arp(binary()) -> {request | reply, {mac(), <<_:32>>}, mac(), <<_:32>>} | error.
decode_arp(<<1:16, ?IP4:16, 6, 4, Code:16, Mac:6/binary, Ip:4/binary, TargetMac:6/binary, TargetIp:4/binary, _/binary>>)
  when Code =:= 1; Code =:= 2 ->
    {case Code of 1 -> request; 2 -> reply end, {Mac, Ip}, TargetMac, TargetIp};
decode_arp(_) -> error.
