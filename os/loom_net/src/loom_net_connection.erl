%% SPDX-License-Identifier: Apache-2.0
%% @doc The process of one TCP connection: between the machine `loom_tcp', the socket (`loom_socket', vm/net/served*.c)
%% and the wire.
-module(loom_net_connection).
-behaviour(gen_server).

-export([start_link/1]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2]).

-define(ROUTE_LIFE, 1000000). % microseconds until the way is looked up again
-define(ACCEPT_RETRY_MS, 50).
-define(ACCEPT_TRIES, 200).

-type key() :: {loom_net_ip:ip(), 0..65535, loom_net_ip:ip(), 0..65535}.
-type start() :: {connect, Id :: integer(), key(), Settings :: [{atom(), integer()}]}
               | {accept, Listener :: {integer(), pid()}, key(), loom_tcp_segment:segment(),
                  Settings :: [{atom(), integer()}]}
               | {resume, Listener :: {integer(), pid()}, key(), loom_tcp_segment:segment(), Mss :: pos_integer(),
                  Settings :: [{atom(), integer()}]}.

-record(c, {id = none :: integer() | none,          % the socket; none until it is accepted
            listener = none :: {integer(), pid()} | none,
            key :: key(),
            pseudo :: non_neg_integer(),            % sum of the pseudo header without the size
            route = none :: loom_net_config:route(),
            route_at :: integer(),
            tcp :: loom_tcp:t() | none,
            timer = none :: reference() | none,
            timer_at = infinity :: integer() | infinity,
            stash = [] :: [iolist()],               % came before the socket, last first
            stash_eof = false :: boolean(),
            tries = 0 :: non_neg_integer()}).

-spec start_link(start()) -> {ok, pid()} | ignore | {error, term()}.
start_link(Start) -> gen_server:start_link(?MODULE, Start, []).

init(Start) ->
    Key = element(3, Start),
    case claim(Key, Start) of
        true ->
            {Ip, _, Peer, _} = Key,
            {ok, #c{key = Key, tcp = none, pseudo = loom_net_checksum:pseudo(Ip, Peer, 6, 0),
                    route = loom_net_config:route(Peer), route_at = now_us()}, {continue, Start}};
        false -> refuse(Start)
    end.

%% One connection a pair of addresses. One that only waits makes room for one that we begin.
claim(Key, Start) ->
    case {ets:insert_new(loom_net_connections, {Key, self()}), Start} of
        {true, _} -> true;
        {false, {connect, _, _, _}} ->
            case ets:lookup(loom_net_connections, Key) of
                [{_, {time_wait, _, _}}] ->
                    ets:insert(loom_net_connections, {Key, self()});
                _ -> false
            end;
        {false, _} -> false
    end.

refuse({connect, Id, _, _}) ->
    loom_socket:fail(Id, eaddrnotavail),
    ignore;
refuse(_) -> ignore.

handle_continue({connect, Id, Key, Settings}, C) ->
    case loom_socket:own(Id) of
        ok ->
            loom_net_sockets:watch(Key, Id),
            run(loom_tcp:connect(options(Key, Settings, C), now_us()), C#c{id = Id});
        {error, closed} -> leave(C)
    end;
handle_continue({accept, Listener, Key, Segment, Settings}, C) ->
    loom_net_sockets:watch(Key, none),
    run(loom_tcp:accept(Segment, options(Key, Settings, C), now_us()), C#c{listener = Listener});
handle_continue({resume, Listener, Key, Segment, Mss, Settings}, C) ->
    loom_net_sockets:watch(Key, none),
    Options = (options(Key, Settings, C))#{peer_mss => Mss},
    run(loom_tcp:resume(Segment, Options, now_us()), C#c{listener = Listener}).

options(Key, Settings, #c{route = Route}) ->
    Get = fun(Name) -> {_, Value} = lists:keyfind(Name, 1, Settings), Value end,
    #{iss => loom_net_cookie:sequence(Key), timestamp_offset => loom_net_cookie:timestamp_offset(Key),
      mss => mss(Route, Key), receive_room => Get(recbuf), nodelay => Get(nodelay) =/= 0,
      keepalive => Get(keepalive) =/= 0, keep_idle => Get(keepidle), keep_interval => Get(keepintvl),
      keep_count => Get(keepcnt)}.

mss(Route, {Ip, _, _, _}) ->
    Mtu = case Route of
              {link, _, _, _, M} -> M;
              _ -> 65535
          end,
    headers(Mtu, Ip).

headers(Mtu, <<_:32>>) -> Mtu - 40;
headers(Mtu, _) -> Mtu - 60.

handle_call(Request, _From, _C) -> error({unexpected_call, Request}).
handle_cast(Request, _C) -> error({unexpected_cast, Request}).

handle_info({tcp, Packets}, #c{pseudo = Pseudo} = C) ->
    case lists:foldr(fun(Packet, Acc) -> decode(Packet, Pseudo, Acc) end, [], Packets) of
        [] -> {noreply, C};
        Segments -> event({segments, Segments}, C)
    end;
handle_info({segments, _} = Event, C) -> event(Event, C);
handle_info({loom_socket, Id, Event}, #c{id = Id} = C) -> event(Event, C);
handle_info({timeout, Timer, deadline}, #c{timer = Timer, tcp = Tcp} = C) ->
    Now = now_us(),
    case loom_tcp:deadline(Tcp) =< Now of
        true -> event(timeout, C#c{timer = none, timer_at = infinity});
        false -> {noreply, timer(C#c{timer = none, timer_at = infinity}, Now)}
    end;
handle_info({timeout, _, deadline}, C) -> {noreply, C}; % was stopped too late
handle_info({icmp, _Seq, {unreachable, _} = Event}, C) -> event(Event, C);
handle_info({icmp, _Seq, {mtu, Mtu}}, #c{key = {Ip, _, _, _}} = C) ->
    event({mss, headers(max(Mtu, least(Ip)), Ip) - 12}, C);
handle_info(accept, C) -> accepted(C).

least(<<_:32>>) -> 552;
least(_) -> 1280.

decode(Packet, Pseudo, Acc) ->
    case loom_tcp_segment:decode(Packet, Pseudo + byte_size(Packet)) of
        {ok, _, _, Segment} -> [Segment | Acc];
        {error, _} -> Acc
    end.

event(Event, #c{tcp = Tcp} = C) -> run(loom_tcp:event(Event, now_us(), Tcp), C).

%% Carries out what the machine wants done: segments go out together.
run({Actions, Tcp}, C) ->
    Segments = [Segment || {transmit, Segment} <- Actions],
    Sent = transmit(Segments, C#c{tcp = Tcp}),
    act(Actions, Sent).

transmit([], C) -> C;
transmit(Segments, #c{key = {Ip, Port, Peer, PeerPort}} = C) ->
    Now = now_us(),
    Fresh = case Now - C#c.route_at > ?ROUTE_LIFE of
                true -> C#c{route = loom_net_config:route(Peer), route_at = Now};
                false -> C
            end,
    ok = loom_net_output:segments(Fresh#c.route, {Ip, Port}, {Peer, PeerPort}, Segments),
    Fresh.

act([], C) -> {noreply, timer(C, now_us())};
act([done | _], C) -> leave(C);
act([Action | Rest], C) ->
    case do(Action, C) of
        {stop, New} -> leave(New);
        New -> act(Rest, New)
    end.

do({transmit, _}, C) -> C;
do({deliver, Data}, #c{id = none, stash = Stash} = C) -> C#c{stash = [Data | Stash]};
do({deliver, Data}, #c{id = Id} = C) -> told(loom_socket:deliver(Id, Data), C);
do({acknowledged, Size}, #c{id = Id} = C) -> told(loom_socket:credit(Id, Size), C);
do(eof, #c{id = none} = C) -> C#c{stash_eof = true};
do(eof, #c{id = Id} = C) -> told(loom_socket:eof(Id), C);
do(established, #c{listener = none, id = Id} = C) -> told(loom_socket:connected(Id), C);
do(established, #c{listener = {_, Pid}} = C) ->
    Pid ! {established, self()},
    self() ! accept,
    C;
do({failed, _}, #c{id = none} = C) -> C;
do({failed, Reason}, #c{id = Id} = C) -> told(loom_socket:fail(Id, Reason), C);
do({time_wait, Info}, #c{key = Key} = C) ->
    loom_net_time_wait:add(Key, Info),
    C.

%% A socket that is gone has said so by a message, which comes.
told(ok, C) -> C;
told({error, closed}, C) -> C.

%% Hands the connection to its listener. While that is full the peer waits, as long as it and we have patience.
accepted(#c{listener = {Listener, _}, key = {Ip, Port, Peer, PeerPort}, tries = Tries, tcp = Tcp} = C) ->
    case loom_socket:accepted(Listener, {Ip, Port}, {Peer, PeerPort}) of
        {ok, Id} ->
            loom_net_sockets:watch(C#c.key, Id),
            ok = deliver(Id, lists:append(lists:reverse(C#c.stash))),
            case C#c.stash_eof of
                true -> loom_socket:eof(Id);
                false -> ok
            end,
            case loom_tcp:state(Tcp) of
                closed -> leave(C);
                _ -> {noreply, C#c{id = Id, stash = []}}
            end;
        {error, full} when Tries < ?ACCEPT_TRIES ->
            erlang:send_after(?ACCEPT_RETRY_MS, self(), accept),
            {noreply, C#c{tries = Tries + 1}};
        {error, _} -> event({close, abort}, C)
    end.

deliver(_, []) -> ok;
deliver(Id, Data) ->
    _ = loom_socket:deliver(Id, Data),
    ok.

leave(#c{key = Key} = C) ->
    true = ets:delete_object(loom_net_connections, {Key, self()}),
    {stop, normal, C}.

now_us() -> erlang:monotonic_time(microsecond).

%% One timer, set again only when it would come too late.
timer(#c{tcp = Tcp, timer = Timer, timer_at = At} = C, Now) ->
    case loom_tcp:deadline(Tcp) of
        infinity -> C;
        Deadline when Deadline >= At -> C;
        Deadline ->
            case Timer of
                none -> ok;
                _ -> erlang:cancel_timer(Timer, [{async, true}, {info, false}])
            end,
            Ms = max(0, (Deadline - Now + 999) div 1000),
            C#c{timer = erlang:start_timer(Ms, self(), deadline), timer_at = Deadline}
    end.
