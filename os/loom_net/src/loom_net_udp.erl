%% SPDX-License-Identifier: Apache-2.0
%% @doc UDP (RFC 768).
-module(loom_net_udp).

-export([encode/5, decode/3]).

-define(UDP, 17).

%% @doc Header and data, for the packet between these addresses.
-spec encode(loom_net_ip:ip(), 0..65535, loom_net_ip:ip(), 0..65535, iodata()) -> iodata().
encode(Source, SourcePort, Target, TargetPort, Data) ->
    Size = iolist_size(Data) + 8,
    Pseudo = loom_net_checksum:pseudo(Source, Target, ?UDP, Size),
    Check = loom_net_checksum:fold(loom_net_checksum:sum(Data, Pseudo + SourcePort + TargetPort + Size)),
    [<<SourcePort:16, TargetPort:16, Size:16, Check:16>>, Data].

-spec decode(loom_net_ip:ip(), loom_net_ip:ip(), binary()) ->
    {ok, SourcePort :: 0..65535, TargetPort :: 0..65535, Data :: binary()} | {error, short | checksum}.
decode(Source, Target, <<SourcePort:16, TargetPort:16, Size:16, Check:16, Rest/binary>> = Packet)
  when Size >= 8, byte_size(Rest) >= Size - 8 ->
    <<Whole:Size/binary, _/binary>> = Packet,
    None = Check =:= 0 andalso byte_size(Source) =:= 4, % IPv6 knows no datagram without
    case None orelse loom_net_checksum:valid(Whole, loom_net_checksum:pseudo(Source, Target, ?UDP, Size)) of
        true ->
            <<_:8/binary, Data/binary>> = Whole,
            {ok, SourcePort, TargetPort, Data};
        false -> {error, checksum}
    end;
decode(_, _, _) -> {error, short}.
