%% SPDX-License-Identifier: Apache-2.0
%% @doc Finds the links: subscribes to the devices' units of kind `net' (doc/devices.md) and has a process
%% `loom_net_link', and one for DHCP, for each.
-module(loom_net_links).
-behaviour(gen_server).

-export([start_link/0, up/1, started/2, group/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(RETRY_MS, 100).
-define(AGAIN_MS, 2).
-type unit() :: #{name := binary(), driver := pid(), mac := loom_net_ether:mac(), mtu := pos_integer(), _ => _}.
-record(s, {units = #{} :: #{binary() => unit()}, devices = none :: reference() | none}).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc A link is there, or there again: as `loom_devices' says of those it knows.
-spec up(unit()) -> ok.
up(Unit) ->
    ?MODULE ! {loom_devices, up, net, Unit},
    ok.

%% @doc The process of a link has started: it is told its unit.
-spec started(binary(), pid()) -> ok.
started(Name, Pid) -> gen_server:cast(?MODULE, {started, Name, Pid}).

%% @doc A socket joins or leaves a group. Every link hears all groups, so that the sockets choose.
-spec group(join | leave, loom_net_ip:ip()) -> ok.
group(_, _) -> ok.

init([]) ->
    _ = monitor(process, loom_net_link_sup),
    {ok, subscribe(#s{})}.

%% Not before modules can be loaded: most of the stack is when the first link is there (tools/mkboot).
subscribe(S) ->
    case whereis(code_server) =/= undefined andalso whereis(loom_devices) of
        Nobody when Nobody =:= undefined; Nobody =:= false ->
            erlang:send_after(?RETRY_MS, self(), subscribe),
            S;
        Pid ->
            Ref = monitor(process, Pid),
            try
                _ = loom_devices:subscribe(net),
                S#s{devices = Ref}
            catch
                exit:_ -> S#s{devices = Ref} % its 'DOWN' comes
            end
    end.

handle_call(Request, _From, _S) -> error({unexpected_call, Request}).

handle_cast({started, Name, Pid}, #s{units = Units} = S) ->
    case Units of
        #{Name := Unit} -> Pid ! {unit, Unit};
        _ -> ok
    end,
    {noreply, S}.

handle_info({loom_devices, up, net, #{name := Name} = Unit}, #s{units = Units} = S) ->
    try loom_net_link_sup:start_child(Name) of
        {started, _} -> ok; % it asks
        {running, Pid} -> Pid ! {unit, Unit}
    catch
        exit:_ -> ok % the supervisor starts again: 'DOWN' comes
    end,
    {noreply, S#s{units = Units#{Name => Unit}}};
handle_info({loom_devices, down, net, Name}, #s{units = Units} = S) -> {noreply, S#s{units = maps:remove(Name, Units)}};
handle_info(subscribe, S) -> {noreply, subscribe(S)};
%% A new supervisor of the links has none yet.
handle_info({'DOWN', _, process, {loom_net_link_sup, _}, _}, S) ->
    _ = erlang:send_after(?AGAIN_MS, self(), links),
    {noreply, S};
handle_info(links, #s{units = Units} = S) ->
    _ = monitor(process, loom_net_link_sup),
    case whereis(loom_net_link_sup) of
        undefined -> ok; % its 'DOWN' comes
        _ -> [up(Unit) || Unit <- maps:values(Units)]
    end,
    {noreply, S};
handle_info({'DOWN', Ref, process, _, _}, #s{devices = Ref} = S) -> {noreply, subscribe(S#s{devices = none})}.
