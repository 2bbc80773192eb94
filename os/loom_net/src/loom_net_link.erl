%% SPDX-License-Identifier: Apache-2.0
%% @doc The process of one interface: frames from and to its driver, neighbours (ARP, and neighbour discovery for IPv6),
%% fragments, and the addresses that IPv6 gives itself (RFC 4862). The driver may die and come back: packets wait a
%% little, connections do not notice. It may die itself: what it knew comes back from the wire.
-module(loom_net_link).
-behaviour(gen_server).

-export([start_link/1, output/3, raw/4]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(TICK_MS, 500).
-define(NEIGHBOURS, 1024).
-define(REACHABLE_MS, 60000).
-define(TRIES, 4).
-define(PENDING, 32).        % packets that wait for one neighbour
-define(WAITING, 1024).      % frames that wait for the driver
-define(ICMP6, 58).
-define(UDP, 17).
-define(DHCP_CLIENT, 68).
-define(ALL_NODES, <<16#ff02:16, 0:104, 1>>).
-define(ALL_ROUTERS, <<16#ff02:16, 0:104, 2>>).
-define(SOLICITATIONS, 3).

%% A neighbour: known until `at' (then asked again while in use), or asked for, with packets that wait.
-record(n, {mac = none :: loom_net_ether:mac() | none,
            at :: integer(),
            tries = 0 :: non_neg_integer(),
            packets = [] :: [iodata()]}).
-record(l, {name :: binary(),
            driver = none :: pid() | none,
            monitor = none :: reference() | none,
            mac = <<0:48>> :: loom_net_ether:mac(),
            mtu = 1500 :: pos_integer(),
            most = 1 :: pos_integer(),                % frames that the driver may have
            unsent = 0 :: non_neg_integer(),
            waiting = queue:new() :: queue:queue(iodata()),
            neighbours = #{} :: #{loom_net_ip:ip() => #n{}},
            fragments = loom_net_fragments:new() :: loom_net_fragments:t(),
            tentative = none :: none | {loom_net_ip:ip(), Until :: integer()},
            soliciting = 0 :: non_neg_integer(),
            solicit_at = 0 :: integer(),
            dhcp = none :: pid() | none,
            ticking = false :: boolean()}).

-spec start_link(binary()) -> {ok, pid()} | {error, term()}.
start_link(Name) -> gen_server:start_link(?MODULE, Name, []).

%% @doc Packets for a neighbour, or for a group.
-spec output(pid(), loom_net_ip:ip(), [iodata()]) -> ok.
output(Link, NextHop, Packets) ->
    Link ! {output, NextHop, Packets},
    ok.

%% @doc A packet from an address that is not ours yet, to everybody on the link.
-spec raw(pid(), loom_net_ip:ip(), loom_net_ip:ip(), iodata()) -> ok.
raw(Link, Source, Target, Data) ->
    Packet = loom_net_ip:fragments(#{source => Source, target => Target, protocol => ?UDP}, Data, 65535),
    output(Link, <<16#ffffffff:32>>, Packet).

init(Name) ->
    ok = loom_net_links:started(Name, self()),
    {ok, #l{name = Name}}.

handle_call(Request, _From, _L) -> error({unexpected_call, Request}).
handle_cast(Request, _L) -> error({unexpected_cast, Request}).

handle_info({output, NextHop, Packets}, L) -> {noreply, send(NextHop, Packets, L)};
handle_info({loom_link, Driver, {frames, Frames}}, #l{driver = Driver} = L) -> {noreply, frames(Frames, L)};
handle_info({loom_link, Driver, {sent, Count}}, #l{driver = Driver, unsent = Unsent} = L) ->
    {noreply, flush(L#l{unsent = max(0, Unsent - Count)})};
handle_info({loom_link, Driver, {link, State}}, #l{driver = Driver} = L) ->
    ok = loom_net_config:interface(L#l.name, #{up => State =:= up}),
    {noreply, case State of up -> autoconfigure(L); down -> L end};
handle_info({loom_link, _, _}, L) -> {noreply, L}; % the last driver's last words
handle_info({unit, Unit}, L) -> {noreply, attach(Unit, L)};
handle_info({dhcp, Pid}, L) -> {noreply, L#l{dhcp = Pid}};
handle_info({'DOWN', Ref, process, _, _}, #l{monitor = Ref} = L) -> {noreply, lost_driver(L)};
handle_info(tick, L) -> {noreply, tick(now_ms(), L#l{ticking = false})}.

now_ms() -> erlang:monotonic_time(millisecond).

%% --- the driver ---------------------------------------------------------------------------------------------------

attach(#{driver := Driver}, #l{driver = Driver} = L) -> L; % nothing new
attach(#{driver := Driver, mac := Mac, mtu := Mtu}, L) ->
    try loom_driver:call(Driver, {attach, self()}) of
        {ok, #{queue := Most, link := Link}} ->
            New = L#l{driver = Driver, monitor = monitor(process, Driver), mac = Mac, mtu = Mtu, unsent = 0,
                      most = Most},
            ok = loom_net_config:interface(L#l.name, #{pid => self(), mac => Mac, mtu => Mtu, up => Link =:= up,
                                                       kind => ethernet}),
            flush(case Link of up -> autoconfigure(New); down -> New end)
    catch
        exit:_ -> L % it has died already; the next one is announced
    end.

%% The interface stays up: its driver is about to be back, and nobody need notice.
lost_driver(L) -> L#l{driver = none, monitor = none, unsent = 0}.

%% --- out ----------------------------------------------------------------------------------------------------------

send(NextHop, Packets, L) ->
    case mac_of(NextHop) of
        none -> to_neighbour(NextHop, Packets, L);
        Mac -> frames_out(Mac, NextHop, Packets, L)
    end.

mac_of(<<16#ffffffff:32>>) -> loom_net_ether:broadcast();
mac_of(Ip) ->
    case loom_net_ip:is_group(Ip) of
        true -> loom_net_ether:group(Ip);
        false -> none
    end.

to_neighbour(Ip, Packets, #l{neighbours = All} = L) ->
    case All of
        #{Ip := #n{mac = none, packets = Waiting} = N} ->
            Some = lists:sublist(lists:reverse(Packets) ++ Waiting, ?PENDING),
            L#l{neighbours = All#{Ip := N#n{packets = Some}}};
        #{Ip := #n{mac = Mac, at = Until} = N} ->
            Now = now_ms(),
            Asked = if Now > Until -> ask(Ip, N, Now, L); true -> L end,
            frames_out(Mac, Ip, Packets, Asked);
        _ ->
            Waiting = lists:sublist(lists:reverse(Packets), ?PENDING),
            ask(Ip, #n{at = 0, packets = Waiting}, now_ms(), room(L))
    end.

room(#l{neighbours = All} = L) when map_size(All) < ?NEIGHBOURS -> L;
room(#l{neighbours = All} = L) ->
    {_, Ip} = lists:min([{At, Ip} || {Ip, #n{at = At}} <- maps:to_list(All)]),
    L#l{neighbours = maps:remove(Ip, All)}.

frames_out(Mac, NextHop, Packets, L) ->
    Kind = case byte_size(NextHop) of 4 -> ip4; _ -> ip6 end,
    Header = loom_net_ether:header(Mac, L#l.mac, Kind),
    flush(lists:foldl(fun(Packet, Acc) -> enqueue([Header | Packet], Acc) end, L, Packets)).

enqueue(Frame, #l{waiting = Waiting} = L) ->
    case queue:len(Waiting) < ?WAITING of
        true -> L#l{waiting = queue:in(Frame, Waiting)};
        false -> L % as any full link does
    end.

flush(#l{driver = none} = L) -> L;
flush(#l{unsent = Unsent, most = Most} = L) when Unsent >= Most -> L;
flush(#l{driver = Driver, unsent = Unsent, most = Most, waiting = Waiting} = L) ->
    case queue:len(Waiting) of
        0 -> L;
        Count ->
            {Now, Later} = queue:split(min(Count, Most - Unsent), Waiting),
            Frames = queue:to_list(Now),
            Driver ! {transmit, self(), Frames},
            L#l{unsent = Unsent + length(Frames), waiting = Later}
    end.

%% --- neighbours ---------------------------------------------------------------------------------------------------

ask(Ip, #n{tries = Tries} = N, Now, #l{neighbours = All} = L) ->
    Asked = L#l{neighbours = All#{Ip => N#n{tries = Tries + 1, at = Now + ?TICK_MS}}},
    start_tick(question(Ip, Asked)).

question(<<_:32>> = Ip, #l{mac = Mac} = L) ->
    Arp = loom_net_ether:arp(request, {Mac, own_ip(Ip)}, <<0:48>>, Ip),
    flush(enqueue([loom_net_ether:header(loom_net_ether:broadcast(), Mac, arp), Arp], L));
question(Ip, #l{mac = Mac} = L) ->
    discovery(own_ip(Ip), solicited_node(Ip), {neighbour_solicitation, Ip, [{source_link, Mac}]}, L).

own_ip(Ip) ->
    case loom_net_config:route(Ip) of
        {link, _, _, Source, _} -> Source;
        _ -> <<0:(bit_size(Ip))>>
    end.

solicited_node(<<_:104, Low:24>>) -> <<16#ff02:16, 0:72, 1, 16#ff, Low:24>>.

%% Neighbour discovery travels with a hop limit that no router leaves unchanged.
discovery(Source, Target, Message, L) ->
    Data = loom_net_icmp:encode(Source, Target, Message),
    P = #{source => Source, target => Target, protocol => ?ICMP6, ttl => 255},
    Packets = loom_net_ip:fragments(P, Data, L#l.mtu),
    case loom_net_ip:is_group(Target) of
        true -> frames_out(loom_net_ether:group(Target), Target, Packets, L);
        false -> to_neighbour(Target, Packets, L)
    end.

%% A neighbour has shown itself. `Only' known: news about strangers is not kept.
learn(Ip, Mac, How, #l{neighbours = All} = L) ->
    case {All, How} of
        {#{Ip := #n{packets = Waiting}}, _} ->
            known(Ip, Mac, lists:reverse(Waiting), L);
        {_, asked} -> known(Ip, Mac, [], room(L));
        {_, only_known} -> L
    end.

known(Ip, Mac, Packets, #l{neighbours = All} = L) ->
    Entry = #n{mac = binary:copy(Mac), at = now_ms() + ?REACHABLE_MS},
    New = L#l{neighbours = All#{binary:copy(Ip) => Entry}},
    case Packets of
        [] -> New;
        _ -> frames_out(Mac, Ip, Packets, New)
    end.

start_tick(#l{ticking = true} = L) -> L;
start_tick(L) ->
    erlang:send_after(?TICK_MS, self(), tick),
    L#l{ticking = true}.

tick(Now, L) ->
    Asked = [{Ip, N} || {Ip, #n{tries = Tries, at = At} = N} <- maps:to_list(L#l.neighbours), Tries > 0, At =< Now],
    Tried = lists:foldl(fun({Ip, N}, Acc) -> again(Ip, N, Now, Acc) end, L, Asked),
    Configured = solicit(Now, tentative(Now, Tried)),
    Busy = Configured#l.tentative =/= none orelse Configured#l.soliciting > 0
        orelse lists:any(fun(#n{tries = Tries}) -> Tries > 0 end, maps:values(Configured#l.neighbours)),
    case Busy of
        true -> start_tick(Configured);
        false -> Configured
    end.

again(Ip, #n{tries = Tries}, _, #l{neighbours = All} = L) when Tries >= ?TRIES ->
    L#l{neighbours = maps:remove(Ip, All)}; % its packets with it: nobody is there
again(Ip, N, Now, L) -> ask(Ip, N, Now, L).

%% --- in -----------------------------------------------------------------------------------------------------------

%% Segments of one connection that came together go to it together.
frames(Frames, L) ->
    {New, Segments} = lists:foldl(fun frame/2, {L, []}, Frames),
    hand_out(lists:reverse(Segments)),
    New.

hand_out([]) -> ok;
hand_out([{Pid, Segment} | Rest]) ->
    {Same, Others} = run_of(Pid, Rest, [Segment]),
    Pid ! {tcp, Same},
    hand_out(Others).

run_of(Pid, [{Pid, Segment} | Rest], Same) -> run_of(Pid, Rest, [Segment | Same]);
run_of(_, Rest, Same) -> {lists:reverse(Same), Rest}.

frame(Frame, {L, Segments}) ->
    case loom_net_ether:decode(Frame) of
        {arp, _, _, Packet} -> {arp(loom_net_ether:decode_arp(Packet), L), Segments};
        {_, Target, Mac, Packet} ->
            case is_for_us(Target, L) andalso loom_net_ip:decode(Packet) of
                {ok, Whole} -> ip(Whole, Mac, L, Segments);
                _ -> {L, Segments}
            end;
        other -> {L, Segments}
    end.

is_for_us(Mac, #l{mac = Mac}) -> true;
is_for_us(<<_:7, Group:1, _/binary>>, _) -> Group =:= 1.

ip(#{fragment := _} = Packet, Mac, #l{fragments = All} = L, Segments) ->
    case loom_net_fragments:add(Packet, now_ms(), All) of
        {whole, Whole, Left} -> ip(Whole, Mac, L#l{fragments = Left}, Segments);
        {part, New} -> {L#l{fragments = New}, Segments}
    end;
ip(#{source := Source, target := Target, protocol := Protocol} = P, Mac, L, Segments) ->
    Ours = loom_net_config:is_own(Target) orelse loom_net_ip:is_group(Target) orelse is_broadcast(Target),
    Honest = not loom_net_ip:is_loopback(Source) andalso not loom_net_ip:is_group(Source),
    case {Honest, Protocol} of
        {false, _} -> {L, Segments};
        {_, 6} when Ours ->
            case loom_net_input:tcp_of(P) of
                {connection, Pid} -> {L, [{Pid, maps:get(data, P)} | Segments]};
                none ->
                    ok = loom_net_input:packet(P),
                    {learn(Source, Mac, only_known, L), Segments}
            end;
        {_, ?UDP} -> {udp(P, Ours, L), Segments};
        {_, ?ICMP6} when Ours -> {icmp6(P, L), Segments};
        _ when Ours ->
            ok = loom_net_input:packet(P),
            {L, Segments};
        _ -> {L, Segments} % we are no router
    end.

is_broadcast(<<16#ffffffff:32>>) -> true;
is_broadcast(<<_:32>> = Ip) ->
    lists:any(fun(#{addresses := Addresses}) ->
                  lists:any(fun({<<_:32>> = Own, Prefix}) when Prefix < 31 ->
                                    loom_net_ip:in_prefix(Ip, Own, Prefix)
                                        andalso Ip =:= highest(Own, Prefix);
                               (_) -> false
                            end, lists:append(maps:values(Addresses)))
              end, loom_net_config:interfaces());
is_broadcast(_) -> false.

highest(Ip, Prefix) ->
    <<Net:Prefix/bits, _/bits>> = Ip,
    <<Net/bits, -1:(32 - Prefix)>>.

%% An offer of an address comes before the address is ours.
udp(#{source := Source, target := Target, data := <<_:16, ?DHCP_CLIENT:16, _/binary>> = Data}, _, #l{dhcp = Dhcp} = L)
  when is_pid(Dhcp) ->
    case loom_net_udp:decode(Source, Target, Data) of
        {ok, 67, _, Message} -> Dhcp ! {message, Message};
        _ -> ok
    end,
    L;
udp(P, true, L) ->
    ok = loom_net_input:packet(P),
    L;
udp(_, false, L) -> L.

%% --- ARP (RFC 826) ------------------------------------------------------------------------------------------------

arp({Operation, {Mac, Ip}, _, Target}, #l{mac = Own} = L) when Mac =/= Own ->
    Mine = loom_net_config:is_own(Target),
    Learnt = learn(Ip, Mac, case Mine of true -> asked; false -> only_known end, L),
    case {Operation, Mine} of
        {request, true} ->
            Reply = loom_net_ether:arp(reply, {Own, Target}, Mac, Ip),
            flush(enqueue([loom_net_ether:header(Mac, Own, arp), Reply], Learnt));
        _ -> Learnt
    end;
arp(_, L) -> L.

%% --- neighbour discovery (RFC 4861) and addresses (RFC 4862) ---------------------------------------------------------

icmp6(#{source := Source, target := Target, ttl := Ttl, data := Data} = P, L) ->
    case loom_net_icmp:decode(Source, Target, Data) of
        {ok, {neighbour_solicitation, About, Options}} when Ttl =:= 255 -> solicited(Source, About, Options, L);
        {ok, {neighbour_advertisement, About, _, Options}} when Ttl =:= 255 -> advertised(About, Options, L);
        {ok, {router_advertisement, Router, Options}} when Ttl =:= 255 -> router(Source, Router, Options, L);
        {ok, _} ->
            ok = loom_net_input:packet(P),
            L;
        {error, _} -> L
    end.

solicited(Source, About, Options, #l{mac = Mac, tentative = Tentative} = L) ->
    case {loom_net_config:is_own(About), Tentative} of
        {true, _} when Source =:= <<0:128>> ->
            discovery(About, ?ALL_NODES, {neighbour_advertisement, About, 2#001, [{target_link, Mac}]}, L);
        {true, _} ->
            Learnt = case lists:keyfind(source_link, 1, Options) of
                         {_, Theirs} -> learn(Source, Theirs, asked, L);
                         false -> L
                     end,
            discovery(About, Source, {neighbour_advertisement, About, 2#011, [{target_link, Mac}]}, Learnt);
        {false, {About, _}} when Source =:= <<0:128>> -> L#l{tentative = none}; % another one wants it
        _ -> L
    end.

advertised(About, _, #l{tentative = {About, _}} = L) -> L#l{tentative = none}; % it is another's
advertised(About, Options, L) ->
    case lists:keyfind(target_link, 1, Options) of
        {_, Mac} -> learn(About, Mac, only_known, L);
        false -> L
    end.

router(<<16#fe80:16, _/bits>> = Source, #{lifetime := Lifetime}, Options, #l{name = Name, mac = Mac} = L) ->
    <<_:64, Host:64>> = loom_net_ip:link_local(Mac),
    Addresses = [{<<Prefix:8/binary, Host:64>>, 64}
                 || {prefix, <<Prefix:8/binary, _/binary>>, 64, _, true, Valid} <- Options, Valid > 0],
    ok = loom_net_config:addresses(Name, slaac, Addresses),
    ok = loom_net_config:gateways(Name, slaac, [binary:copy(Source) || Lifetime > 0]),
    ok = loom_net_config:names(Name, slaac,
                               {lists:append([[binary:copy(Ip) || Ip <- Ips] || {dns, Ips} <- Options]), ""}),
    Learnt = case lists:keyfind(source_link, 1, Options) of
                 {_, Router} -> learn(Source, Router, asked, L);
                 false -> L
             end,
    Learnt#l{soliciting = 0};
router(_, _, _, L) -> L.

%% An address of our own first: unless somebody objects within a second, it is ours.
autoconfigure(#l{mac = Mac} = L) ->
    Ip = loom_net_ip:link_local(Mac),
    case loom_net_config:is_own(Ip) of
        true -> L;
        false ->
            Asked = discovery(<<0:128>>, solicited_node(Ip), {neighbour_solicitation, Ip, []}, L),
            start_tick(Asked#l{tentative = {Ip, now_ms() + 1000}})
    end.

tentative(Now, #l{tentative = {Ip, Until}, name = Name} = L) when Until =< Now ->
    ok = loom_net_config:addresses(Name, link_local, [{Ip, 64}]),
    L#l{tentative = none, soliciting = ?SOLICITATIONS, solicit_at = Now};
tentative(_, L) -> L.

solicit(Now, #l{soliciting = Left, solicit_at = At, mac = Mac} = L) when Left > 0, At =< Now ->
    Asked = discovery(loom_net_ip:link_local(Mac), ?ALL_ROUTERS, {router_solicitation, [{source_link, Mac}]}, L),
    Asked#l{soliciting = Left - 1, solicit_at = Now + 4000};
solicit(_, L) -> L.
