%% SPDX-License-Identifier: Apache-2.0
%% @doc The way in, for whole packets to this machine: to a connection, a listener, a datagram socket, or answered. It
%% runs in the process of the link, or, for the loopback interface, in the sender's.
-module(loom_net_input).

-export([packet/1, tcp_of/1, tcp/2, segments/2]).

-define(ICMP, 1).
-define(TCP, 6).
-define(UDP, 17).
-define(ICMP6, 58).
-define(FIN, 1).
-define(SYN, 2).
-define(RST, 4).
-define(ACK, 16).
-define(FLOOD, 2000). % messages that a listener may be behind with

%% @doc A whole packet that is not a segment of a connection.
-spec packet(loom_net_ip:packet()) -> ok.
packet(#{protocol := ?TCP} = P) ->
    tcp(P, none);
packet(#{protocol := ?UDP} = P) -> udp(P);
packet(#{protocol := ?ICMP, source := <<_:32>>} = P) -> icmp(P);
packet(#{protocol := ?ICMP6, source := <<_:128>>} = P) -> icmp(P);
packet(P) -> refuse(protocol, P).

%% --- TCP ----------------------------------------------------------------------------------------------------------

%% @doc The connection that a segment belongs to.
-spec tcp_of(loom_net_ip:packet()) -> {connection, pid()} | none.
tcp_of(#{source := Source, target := Target, data := <<SourcePort:16, TargetPort:16, _/binary>>}) ->
    case ets:lookup(loom_net_connections, {Target, TargetPort, Source, SourcePort}) of
        [{_, Pid}] when is_pid(Pid) -> {connection, Pid};
        _ -> none
    end;
tcp_of(_) -> none.

%% @doc A segment, its checksum not yet looked at.
-spec tcp(loom_net_ip:packet(), none) -> ok.
tcp(#{source := Source, target := Target, data := Data}, none) ->
    Sum = loom_net_checksum:pseudo(Source, Target, ?TCP, byte_size(Data)),
    case loom_net_ip:is_group(Target) orelse loom_tcp_segment:decode(Data, Sum) of
        {ok, SourcePort, TargetPort, Segment} -> segments({Target, TargetPort, Source, SourcePort}, [Segment]);
        _ -> ok % damaged, or to many
    end.

%% @doc Segments that came from `PeerIp' for `Ip'.
-spec segments({loom_net_ip:ip(), 0..65535, PeerIp :: loom_net_ip:ip(), 0..65535}, [loom_tcp_segment:segment()]) -> ok.
segments(Key, Segments) ->
    case ets:lookup(loom_net_connections, Key) of
        [{_, Pid}] when is_pid(Pid) ->
            Pid ! {segments, Segments},
            ok;
        [{_, {time_wait, _, Info}}] -> lists:foreach(fun(S) -> late(Key, Info, S) end, Segments);
        [] -> lists:foreach(fun(S) -> unknown(Key, S) end, Segments)
    end.

%% The connection is over and waits out what is still on its way. A new one may begin (RFC 6191).
late(Key, #{ack := Next} = Info, {Flags, Seq, _, _, Options, Data} = Segment) ->
    New = is_later(Next, Seq, Info, lists:keyfind(timestamp, 1, Options)),
    if Flags band ?RST =/= 0 -> ok; % RFC 1337
       Flags band ?SYN =/= 0, Flags band ?ACK =:= 0, New ->
            true = ets:delete(loom_net_connections, Key),
            unknown(Key, Segment);
       Flags band (?FIN bor ?SYN) =/= 0; Data =/= <<>> -> loom_net_output:reply(Key, last_word(Info));
       true -> ok
    end.

is_later(_, _, #{stamps := true, recent := Recent}, {_, Value, _}) ->
    Ahead = (Value - Recent) band 16#ffffffff,
    Ahead > 0 andalso Ahead < 16#80000000;
is_later(Next, Seq, _, _) ->
    Ahead = (Seq - Next) band 16#ffffffff,
    Ahead > 0 andalso Ahead < 16#80000000.

last_word(#{seq := Seq, ack := Ack, window := Window, stamps := true, recent := Recent, offset := Offset}) ->
    Stamp = (erlang:monotonic_time(millisecond) + Offset) band 16#ffffffff,
    {?ACK, Seq, Ack, Window, [{timestamp, Stamp, Recent}], <<>>};
last_word(#{seq := Seq, ack := Ack, window := Window}) -> {?ACK, Seq, Ack, Window, [], <<>>}.

unknown(Key, {Flags, _, _, _, _, _} = Segment) when Flags band ?RST =:= 0 ->
    case {listener(Key), Flags band (?SYN bor ?ACK bor ?FIN)} of
        {none, _} -> refuse_segment(Key, Segment);
        {Pid, ?SYN} -> tell_listener(Pid, {syn, Key, Segment});
        {Pid, ?ACK} -> tell_listener(Pid, {ack, Key, Segment});
        _ -> refuse_segment(Key, Segment)
    end;
unknown(_, _) -> ok.

tell_listener(Pid, Message) ->
    case erlang:process_info(Pid, message_queue_len) of
        {_, Length} when Length < ?FLOOD ->
            Pid ! Message,
            ok;
        _ -> ok
    end.

listener({Ip, Port, _, _}) ->
    Places = case Ip of
                 <<_:32>> -> [{Ip, Port}, {<<0:32>>, Port}, {<<0:80, 16#ffff:16, Ip/binary>>, Port}, {<<0:128>>, Port}];
                 _ -> [{Ip, Port}, {<<0:128>>, Port}]
             end,
    first_listener(Places, byte_size(Ip)).

first_listener([], _) -> none;
first_listener([Place | Rest], Size) ->
    case ets:lookup(loom_net_listeners, Place) of
        [{_, _, true}] when Size =:= 4 -> first_listener(Rest, Size);
        [{_, Pid, _}] -> Pid;
        [] -> first_listener(Rest, Size)
    end.

refuse_segment(Key, {Flags, Seq, Ack, _, _, _} = Segment) ->
    Reset = case Flags band ?ACK of
                0 -> {?RST bor ?ACK, 0, (Seq + loom_tcp_segment:sequence_size(Segment)) band 16#ffffffff, 0, [], <<>>};
                _ -> {?RST, Ack, 0, 0, [], <<>>}
            end,
    loom_net_output:reply(Key, Reset).

%% --- UDP ----------------------------------------------------------------------------------------------------------

udp(#{source := Source, target := Target, data := Packet, tos := Tos, ttl := Ttl} = P) ->
    case loom_net_udp:decode(Source, Target, Packet) of
        {ok, SourcePort, TargetPort, Data} ->
            case loom_socket:datagram({Target, TargetPort}, {Source, SourcePort}, Tos, Ttl, Data) of
                0 -> refuse(port, P);
                _ -> ok
            end;
        {error, _} -> ok
    end.

%% Says that nobody takes this; never about what went to many or came from nobody, and not about every one of a flood.
refuse(What, #{source := Source, target := Target} = P) ->
    Many = loom_net_ip:is_group(Target) orelse Target =:= <<16#ffffffff:32>> orelse not loom_net_config:is_own(Target)
        andalso not loom_net_ip:is_loopback(Target),
    case Many orelse Source =:= <<0:32>> orelse Source =:= <<0:128>> orelse not loom_net_limit:allow(unreachable) of
        true -> ok;
        false -> icmp_send(Target, Source, {unreachable, What, original(P)})
    end.

original(#{header := <<>>, source := S, target := T, protocol := Protocol, data := Data}) ->
    Header = loom_net_ip:encode(#{source => S, target => T, protocol => Protocol}, byte_size(Data)),
    original(#{header => Header, data => Data});
original(#{header := Header, data := Data}) -> <<Header/binary,
    (binary:part(Data, 0, min(byte_size(Data), 512)))/binary>>.

%% --- ICMP ---------------------------------------------------------------------------------------------------------

icmp(#{source := Source, target := Target, data := Data}) ->
    case loom_net_icmp:decode(Source, Target, Data) of
        {ok, Message} -> message(Source, Target, Message);
        {error, _} -> ok
    end.

message(Source, Target, {echo_request, Id, Sequence, Data}) ->
    Own = case loom_net_config:is_own(Target) orelse loom_net_ip:is_loopback(Target) of
              true -> Target;
              false -> zero(Target) % it went to many
          end,
    icmp_send(Own, Source, {echo_reply, Id, Sequence, Data});
message(Source, _, {echo_reply, Id, Sequence, _}) ->
    case ets:lookup(loom_net_connections, {ping, Id}) of
        [{_, Pid}] ->
            Pid ! {echo_reply, Id, Sequence, Source},
            ok;
        [] -> ok
    end;
message(_, _, {unreachable, What, Original}) -> about(Original, {unreachable, reason(What)});
message(_, _, {too_big, Mtu, Original}) -> about(Original, {mtu, loom_net_icmp:mtu_of(Mtu)});
message(_, _, _) -> ok.

reason(net) -> enetunreach;
reason(port) -> econnrefused;
reason(protocol) -> enoprotoopt;
reason(prohibited) -> ehostunreach;
reason(host) -> ehostunreach.

zero(<<_:32>>) -> <<0:32>>;
zero(_) -> <<0:128>>.

icmp_send(<<0:32>>, To, Message) -> icmp_from(loom_net_config:route(To), To, Message);
icmp_send(<<0:128>>, To, Message) -> icmp_from(loom_net_config:route(To), To, Message);
icmp_send(From, To, Message) ->
    Protocol = case To of <<_:32>> -> ?ICMP; _ -> ?ICMP6 end,
    _ = loom_net_output:packet(#{source => From, target => To, protocol => Protocol},
                               loom_net_icmp:encode(From, To, Message)),
    ok.

icmp_from({local, From}, To, Message) -> icmp_send(From, To, Message);
icmp_from({link, _, _, From, _}, To, Message) -> icmp_send(From, To, Message);
icmp_from(none, _, _) -> ok.

%% An error is about a packet of ours, of which it has the beginning.
about(<<4:4, Words:4, _:64, Protocol, _:16, Source:4/binary, Target:4/binary, Rest/binary>>, News)
  when Words >= 5, byte_size(Rest) >= Words * 4 - 20 + 8 ->
    <<_:(Words - 5)/unit:32, Transport/binary>> = Rest,
    about(Protocol, Source, Target, Transport, News);
about(<<6:4, _:44, Next, _, Source:16/binary, Target:16/binary, Transport/binary>>,
      News) when byte_size(Transport) >= 8 ->
    about(Next, Source, Target, Transport, News);
about(_, _) -> ok.

about(?TCP, Source, Target, <<SourcePort:16, TargetPort:16, Seq:32, _/binary>>, News) ->
    case ets:lookup(loom_net_connections, {Source, SourcePort, Target, TargetPort}) of
        [{_, Pid}] when is_pid(Pid) ->
            Pid ! {icmp, Seq, News},
            ok;
        _ -> ok
    end;
about(?UDP, Source, Target, <<SourcePort:16, TargetPort:16, _/binary>>, {unreachable, Reason}) ->
    loom_socket:datagram_error({Source, SourcePort}, {Target, TargetPort}, Reason);
about(_, _, _, _, _) -> ok.
