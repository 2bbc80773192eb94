%% SPDX-License-Identifier: Apache-2.0
%% @doc Asks for an interface's address, and keeps it: the process around `loom_dhcp'.
-module(loom_net_dhcp).
-behaviour(gen_server).

-export([start_link/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(RETRY_MS, 50).
-record(s, {name :: binary(),
            link = none :: pid() | none,
            monitor = none :: reference() | none,
            client = none :: loom_dhcp:t() | none,
            timer = none :: reference() | none}).

-spec start_link(binary()) -> {ok, pid()} | {error, term()}.
start_link(Name) -> gen_server:start_link(?MODULE, Name, []).

init(Name) ->
    self() ! find_link,
    {ok, #s{name = Name}}.

handle_call(Request, _From, _S) -> error({unexpected_call, Request}).
handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info(find_link, S) -> {noreply, find_link(S)};
handle_info({message, Bytes}, #s{client = Client} = S) when Client =/= none ->
    {noreply, run(loom_dhcp:message(Bytes, now_ms(), Client), S)};
handle_info({message, _}, S) -> {noreply, S};
%% One that comes too early, an old one, changes nothing.
handle_info({timeout, _, ask}, #s{client = Client} = S) when Client =/= none ->
    {noreply, run(loom_dhcp:timeout(now_ms(), Client), S)};
handle_info({'DOWN', Ref, process, _, _}, #s{monitor = Ref} = S) ->
    {noreply, find_link(S#s{link = none, monitor = none})}.

now_ms() -> erlang:monotonic_time(millisecond).

%% The link may come later, and come anew; what was agreed holds on.
find_link(#s{name = Name, client = Client} = S) ->
    case [I || #{name := N, pid := Pid} = I <- loom_net_config:interfaces(), N =:= Name, is_pid(Pid),
          is_process_alive(Pid)] of
        [#{pid := Link, mac := Mac}] ->
            Link ! {dhcp, self()},
            New = S#s{link = Link, monitor = monitor(process, Link)},
            case Client of
                none ->
                    <<Transaction:32>> = loom_random:bytes(4),
                    run(loom_dhcp:start(Mac, Transaction, now_ms()), New);
                _ -> New
            end;
        [] ->
            erlang:send_after(?RETRY_MS, self(), find_link),
            S
    end.

run({Actions, Client}, S) ->
    lists:foreach(fun(Action) -> act(Action, S) end, Actions),
    _ = case S#s.timer of none -> ok; Old -> erlang:cancel_timer(Old) end,
    Wait = max(0, loom_dhcp:deadline(Client) - now_ms()),
    S#s{client = Client, timer = erlang:start_timer(Wait, self(), ask)}.

act({send, _, _}, #s{link = none}) -> ok;
act({send, everybody, Message}, #s{link = Link}) ->
    Zero = <<0:32>>,
    All = <<16#ffffffff:32>>,
    loom_net_link:raw(Link, Zero, All, loom_net_udp:encode(Zero, 68, All, 67, Message));
act({send, {From, Server}, Message}, _) ->
    _ = loom_net_output:packet(#{source => From, target => Server, protocol => 17},
                               loom_net_udp:encode(From, 68, Server, 67, Message)),
    ok;
act({configured, #{address := Ip, prefix := Prefix, routers := Routers, servers := Servers, domain := Domain}},
    #s{name = Name}) ->
    New = [{Ip, Prefix}],
    Old = [A || #{name := N, addresses := #{dhcp := A}} <- loom_net_config:interfaces(), N =:= Name],
    ok = loom_net_config:addresses(Name, dhcp, New),
    ok = loom_net_config:gateways(Name, dhcp, lists:sublist(Routers, 1)),
    ok = loom_net_config:names(Name, dhcp, {Servers, Domain}),
    case Old of
        [New] -> ok;
        _ -> loom_net:log("~s: ~s/~b, router ~s", [Name, loom_net_ip:text(Ip), Prefix,
                                                     lists:join(", ", [loom_net_ip:text(R) || R <- Routers])])
    end;
act(lost, #s{name = Name}) ->
    ok = loom_net_config:addresses(Name, dhcp, []),
    ok = loom_net_config:gateways(Name, dhcp, []),
    ok = loom_net_config:names(Name, dhcp, {[], ""}).
