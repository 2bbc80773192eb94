%% SPDX-License-Identifier: Apache-2.0
%% @doc The network for people: what there is, and settings by hand.
-module(loom_net).

-export([ifconfig/0, netstat/0, ping/1, ping/2, configure/2, log/2]).

%% @doc Prints the interfaces.
-spec ifconfig() -> ok.
ifconfig() ->
    lists:foreach(fun(#{name := Name, mac := Mac, mtu := Mtu, up := Up, addresses := All}) ->
        io:format("~-8s ~s  mtu ~b  ~s~n", [Name, case Up of true -> "up"; false -> "down" end, Mtu, mac(Mac)]),
        [io:format("         ~s/~b ~s~n", [loom_net_ip:text(Ip), Prefix, Origin])
         || {Origin, List} <- maps:to_list(All), {Ip, Prefix} <- List]
    end, loom_net_config:interfaces()).

mac(Mac) -> lists:join(":", [io_lib:format("~2.16.0b", [B]) || <<B>> <= Mac]).

%% @doc Prints listeners and connections.
-spec netstat() -> ok.
netstat() ->
    [io:format("tcp  listen      ~s~n", [place(Ip, Port)])
     || {{Ip, Port}, _, _} <- lists:sort(ets:tab2list(loom_net_listeners))],
    [io:format("tcp  ~-10s  ~s  ~s~n", [state(What), place(Ip, Port), place(Peer, PeerPort)])
     || {{Ip, Port, Peer, PeerPort}, What} <- lists:sort(ets:tab2list(loom_net_connections))],
    ok.

state({time_wait, _, _}) -> "time wait";
state(Pid) when is_pid(Pid) -> "open".

place(Ip, Port) -> io_lib:format("~s:~b", [loom_net_ip:text(Ip), Port]).

%% @doc Asks a host whether it is there, three times; prints how long the answers took.
-spec ping(string() | inet:ip_address()) -> ok | {error, term()}.
ping(Host) -> ping(Host, 3).

-spec ping(string() | inet:ip_address(), pos_integer()) -> ok | {error, term()}.
ping(Host, Count) ->
    case address(Host) of
        {ok, Ip} ->
            Id = erlang:phash2(self(), 65536),
            true = ets:insert(loom_net_connections, {{ping, Id}, self()}),
            Answers = [once(Ip, Id, Sequence) || Sequence <- lists:seq(1, Count)],
            ets:delete(loom_net_connections, {ping, Id}),
            case lists:member(ok, Answers) of
                true -> ok;
                false -> {error, timeout}
            end;
        Error -> Error
    end.

address(Host) ->
    case loom_net_ip:parse(Host) of
        {ok, Ip} -> {ok, Ip};
        _ ->
            case inet:getaddr(Host, inet) of
                {ok, Tuple} -> loom_net_ip:parse(Tuple);
                Error -> Error
            end
    end.

once(Ip, Id, Sequence) ->
    Start = erlang:monotonic_time(microsecond),
    case loom_net_config:route(Ip) of
        none ->
            io:format("~s: no route~n", [loom_net_ip:text(Ip)]),
            timeout;
        Route ->
            Source = case Route of {local, S} -> S; {link, _, _, S, _} -> S end,
            Protocol = case Ip of <<_:32>> -> 1; _ -> 58 end,
            Message = loom_net_icmp:encode(Source, Ip, {echo_request, Id, Sequence, binary:copy(<<"loom">>, 14)}),
            _ = loom_net_output:packet(#{source => Source, target => Ip, protocol => Protocol}, Message),
            receive
                {echo_reply, Id, Sequence, From} ->
                    Time = erlang:monotonic_time(microsecond) - Start,
                    io:format("~s: ~b.~3..0b ms~n", [loom_net_ip:text(From), Time div 1000, Time rem 1000])
            after 1000 ->
                io:format("~s: no answer~n", [loom_net_ip:text(Ip)]),
                timeout
            end
    end.

%% @doc Gives an interface its settings by hand: no DHCP from then on. `#{address => "10.0.0.2/24", gateway =>
%% "10.0.0.1",
%% servers => ["10.0.0.1"]}', the last two as wanted.
-spec configure(string() | binary(), map()) -> ok.
configure(Interface, #{address := Text} = Settings) ->
    Name = iolist_to_binary(Interface),
    [IpText, PrefixText] = string:split(Text, "/"),
    {ok, Ip} = loom_net_ip:parse(IpText),
    _ = supervisor:terminate_child(loom_net_link_sup, {dhcp, Name}),
    ok = loom_net_config:addresses(Name, dhcp, []),
    ok = loom_net_config:gateways(Name, dhcp, []),
    ok = loom_net_config:addresses(Name, static, [{Ip, list_to_integer(PrefixText)}]),
    ok = loom_net_config:gateways(Name, static, parsed([G || {gateway, G} <- maps:to_list(Settings)])),
    ok = loom_net_config:names(Name, static, {parsed(maps:get(servers, Settings, [])), ""}).

parsed(Texts) ->
    [begin
         {ok, Ip} = loom_net_ip:parse(Text),
         Ip
     end || Text <- Texts].

%% @doc A line on the machine's log, where there is one.
-spec log(io:format(), [term()]) -> ok.
log(Format, Arguments) ->
    case erlang:function_exported(loom_hw, log, 1) of
        true -> loom_hw:log(["net: ", io_lib:format(Format, Arguments)]);
        false -> logger:info("net: " ++ Format, Arguments)
    end.
