%% SPDX-License-Identifier: Apache-2.0
%% @doc The way out. Packets to this machine itself are handed in at once, in the calling process: the loopback
%% interface
%% is no process.
-module(loom_net_output).

-export([packet/2, segments/4, reply/2]).

-define(TCP, 6).

%% @doc Sends data as one packet, cut if it has to be. `source' may be all zeros: then the route chooses.
-spec packet(map(), iodata()) -> ok | {error, enetunreach}.
packet(#{target := Target} = P, Data) ->
    case loom_net_config:route(Target) of
        {local, Own} ->
            Packet = with_source(P, Own),
            loom_net_input:packet(Packet#{data => iolist_to_binary(Data), ttl => maps:get(ttl, P, 64), header => <<>>,
                                          tos => maps:get(tos, P, 0)});
        {link, Link, NextHop, Source, Mtu} ->
            Packets = loom_net_ip:fragments(with_source(P, Source), Data, Mtu),
            loom_net_link:output(Link, NextHop, Packets);
        none -> {error, enetunreach}
    end.

with_source(#{source := Source} = P, Own) ->
    case Source of
        <<0:32>> -> P#{source := Own};
        <<0:128>> -> P#{source := Own};
        _ -> P
    end.

%% @doc Segments of a connection, along the route that it keeps.
-spec segments(loom_net_config:route(), {loom_net_ip:ip(), 0..65535}, {loom_net_ip:ip(), 0..65535},
               [loom_tcp_segment:segment()]) -> ok.
segments(_, _, _, []) -> ok;
segments({local, _}, {Source, SourcePort}, {Target, TargetPort}, Segments) ->
    loom_net_input:segments({Target, TargetPort, Source, SourcePort}, Segments);
segments({link, Link, NextHop, _, _}, {Source, SourcePort}, {Target, TargetPort}, Segments) ->
    Pseudo = loom_net_checksum:pseudo(Source, Target, ?TCP, 0),
    P = #{source => Source, target => Target, protocol => ?TCP},
    Packets = [begin
                   {Header, Data} = loom_tcp_segment:encode(SourcePort, TargetPort, Segment, Pseudo),
                   [loom_net_ip:encode(P, byte_size(Header) + iolist_size(Data)), Header, Data]
               end || Segment <- Segments],
    loom_net_link:output(Link, NextHop, Packets);
segments(none, _, _, _) -> ok.

%% @doc One segment to whoever sent to `Key' ({Ip, Port, PeerIp, PeerPort}), outside any connection.
-spec reply(tuple(), loom_tcp_segment:segment()) -> ok.
reply({Ip, Port, PeerIp, PeerPort}, Segment) ->
    segments(loom_net_config:route(PeerIp), {Ip, Port}, {PeerIp, PeerPort}, [Segment]).
