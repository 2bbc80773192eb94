%% SPDX-License-Identifier: Apache-2.0
%% @doc The network service as sockets see it (vm/net/served*.c): begins connections and listeners, sends datagrams, and
%% tells sockets when the process of their connection has died.
-module(loom_net_sockets).
-behaviour(gen_server).

-export([start_link/0, watch/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(UDP, 17).
%% Who carries what: key in the table of connections, socket.
-record(s, {watched = #{} :: #{pid() => {tuple(), integer() | none}},
            listeners = #{} :: #{integer() => {pid(), [term()]}}}).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc The caller carries this connection, for this socket.
-spec watch(tuple(), integer() | none) -> ok.
watch(Key, Id) -> gen_server:cast(?MODULE, {watch, self(), Key, Id}).

%% Connections of an earlier service are reset by this, and listeners announce themselves.
init([]) ->
    ok = loom_socket:register(),
    {ok, #s{}}.

handle_call(Request, _From, _S) -> error({unexpected_call, Request}).

handle_cast({watch, Pid, Key, Id}, #s{watched = Watched} = S) ->
    is_map_key(Pid, Watched) orelse monitor(process, Pid),
    {noreply, S#s{watched = Watched#{Pid => {Key, Id}}}}.

handle_info({loom_socket, Id, What}, S) -> {noreply, socket(What, Id, S)};
handle_info({'DOWN', _, process, Pid, Reason}, S) -> {noreply, down(Pid, Reason, S)}.

socket({connect, {Ip, Port}, {Peer, PeerPort}, Settings}, Id, S) ->
    _ = loom_net_connection_sup:start_child({connect, Id, {Ip, Port, Peer, PeerPort}, Settings}),
    S;
socket({listen, Local, Only6, Backlog, Settings}, Id, #s{listeners = Listeners} = S) ->
    S#s{listeners = start_listener(Id, [Id, Local, Only6, Backlog, Settings], stop_listener(Id, Listeners))};
socket({close, listen}, Id, #s{listeners = Listeners} = S) -> S#s{listeners = stop_listener(Id, Listeners)};
socket({send_to, {Ip, Port}, {Target, TargetPort}, Data, Tos, Ttl}, Id, S) ->
    ok = datagram(Ip, Port, Target, TargetPort, Data, Tos, Ttl),
    _ = loom_socket:credit(Id, byte_size(Data)),
    S;
socket({group, How, Group}, _, S) ->
    ok = loom_net_links:group(How, Group),
    S;
socket(_, _, S) -> S. % to a connection that has just died

start_listener(Id, Arguments, Listeners) ->
    {ok, Pid} = loom_net_listener_sup:start_child(Arguments),
    monitor(process, Pid),
    Listeners#{Id => {Pid, Arguments}}.

stop_listener(Id, Listeners) ->
    case Listeners of
        #{Id := {Pid, _}} ->
            ok = loom_net_listener_sup:stop_child(Pid),
            maps:remove(Id, Listeners);
        _ -> Listeners
    end.

%% The checksum needs the address that the route will choose.
datagram(Ip, Port, Target, TargetPort, Data, Tos, Ttl) ->
    case source(Ip, loom_net_config:route(Target)) of
        none ->
            _ = loom_net_ip:is_group(Target) andalso
                loom_socket:datagram({Target, TargetPort}, {<<127, 0, 0, 1>>, Port}, Tos, Ttl, Data),
            ok;
        Source ->
            P = #{source => Source, target => Target, protocol => ?UDP, tos => Tos, ttl => Ttl},
            _ = loom_net_ip:is_group(Target) andalso
                loom_socket:datagram({Target, TargetPort}, {Source, Port}, Tos, Ttl, Data), % its members here
            _ = loom_net_output:packet(P, loom_net_udp:encode(Source, Port, Target, TargetPort, Data)),
            ok
    end.

source(_, none) -> none;
source(<<0:32>>, Route) -> route_source(Route);
source(<<0:128>>, Route) -> route_source(Route);
source(Ip, _) -> Ip.

route_source({local, Source}) -> Source;
route_source({link, _, _, Source, _}) -> Source.

down(Pid, Reason, #s{watched = Watched, listeners = Listeners} = S) ->
    case Watched of
        #{Pid := {Key, Id}} ->
            ets:delete_object(loom_net_connections, {Key, Pid}),
            _ = Reason =:= normal orelse Id =:= none orelse loom_socket:fail(Id, econnreset),
            S#s{watched = maps:remove(Pid, Watched)};
        _ ->
            %% A listener that died while its socket is open is started again as it was.
            Died = [{Id, Arguments} || {Id, {P, Arguments}} <- maps:to_list(Listeners), P =:= Pid],
            S#s{listeners = lists:foldl(fun({Id, Arguments}, All) -> start_listener(Id, Arguments, All) end,
                                        Listeners, Died)}
    end.
