%% SPDX-License-Identifier: Apache-2.0
%% @doc What the stack knows about itself: interfaces, their addresses, the routes that follow. It owns the tables in
%% which everybody looks without asking, so it does nothing else. Every change is told to the sockets (loom_socket).
-module(loom_net_config).
-behaviour(gen_server).

-export([start_link/0, interface/2, addresses/3, gateways/3, names/3, interfaces/0]).
-export([route/1, is_own/1, secret/0]).
-export([init/1, handle_call/3, handle_cast/2]).
-export_type([route/0, interface/0]).

-type origin() :: static | dhcp | slaac | link_local | loopback.
-type interface() :: #{name := binary(), pid := pid() | none, mac := binary(), mtu := pos_integer(), up := boolean(),
                       kind := ethernet | loopback, addresses := #{origin() => [{loom_net_ip:ip(), 0..128}]},
                       gateways := #{origin() => [loom_net_ip:ip()]},
                           names := #{origin() => {[loom_net_ip:ip()], string()}}}.
%% Where a packet goes next, and from which address.
-type route() :: {local, Source :: loom_net_ip:ip()}
               | {link, pid(), NextHop :: loom_net_ip:ip(), Source :: loom_net_ip:ip(), Mtu :: pos_integer()}
               | none.

-define(TABLE, ?MODULE).
-define(FLAG_UP, 16#11).          % up and running, as vm/net/socket.h numbers them
-define(FLAG_ETHERNET, 16#22).    % broadcast, multicast
-define(FLAG_LOOPBACK, 16#04).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc An interface is there, or has changed.
-spec interface(binary(), map()) -> ok.
interface(Name, Change) -> gen_server:call(?MODULE, {interface, Name, Change}).

%% @doc Its addresses of that origin.
-spec addresses(binary(), origin(), [{loom_net_ip:ip(), 0..128}]) -> ok.
addresses(Name, Origin, List) -> gen_server:call(?MODULE, {put, Name, addresses, Origin, List}).

%% @doc Who takes packets to far away.
-spec gateways(binary(), origin(), [loom_net_ip:ip()]) -> ok.
gateways(Name, Origin, List) -> gen_server:call(?MODULE, {put, Name, gateways, Origin, List}).

%% @doc Name servers and domain.
-spec names(binary(), origin(), {[loom_net_ip:ip()], string()}) -> ok.
names(Name, Origin, Names) -> gen_server:call(?MODULE, {put, Name, names, Origin, Names}).

-spec interfaces() -> [interface()].
interfaces() -> [I || [I] <- lists:sort(ets:match(?TABLE, {{interface, '_'}, '$1'}))].

%% @doc The way to an address.
-spec route(loom_net_ip:ip()) -> route().
route(Target) ->
    case ets:lookup(?TABLE, {own, Target}) of
        [_] -> {local, Target};
        [] ->
            case loom_net_ip:is_loopback(Target) of
                true -> {local, Target};
                false -> first(Target, ets:lookup_element(?TABLE, routes, 2))
            end
    end.

first(_, []) -> none;
first(Target, [{Net, Prefix, Gateway, Pid, Source, Mtu} | Rest]) ->
    case loom_net_ip:in_prefix(Target, Net, Prefix) of
        true when Gateway =:= none -> {link, Pid, Target, Source, Mtu};
        true -> {link, Pid, Gateway, Source, Mtu};
        false -> first(Target, Rest)
    end.

-spec is_own(loom_net_ip:ip()) -> boolean().
is_own(Ip) -> ets:member(?TABLE, {own, Ip}).

%% @doc Bytes that nobody outside knows.
-spec secret() -> binary().
secret() -> ets:lookup_element(?TABLE, secret, 2).

init([]) ->
    ?TABLE = ets:new(?TABLE, [named_table, protected, {read_concurrency, true}]),
    loom_net_connections = ets:new(loom_net_connections, [named_table, public, {write_concurrency, true},
                                                          {read_concurrency, true}]),
    loom_net_listeners = ets:new(loom_net_listeners, [named_table, public, {read_concurrency, true}]),
    loom_net_late = ets:new(loom_net_late, [named_table, public, ordered_set]),
    loom_net_counters = ets:new(loom_net_counters, [named_table, public]),
    true = ets:insert(?TABLE, [{secret, loom_random:bytes(16)}, {routes, []}]),
    change(<<"lo">>, #{pid => none, mac => <<0:48>>, mtu => 65535, up => true, kind => loopback,
                       addresses => #{loopback => [{<<127, 0, 0, 1>>, 8}, {<<1:128>>, 128}]}}),
    {ok, none}.

handle_call({interface, Name, Change}, _From, State) -> {reply, change(Name, Change), State};
handle_call({put, Name, Key, Origin, Value}, _From, State) ->
    case ets:lookup(?TABLE, {interface, Name}) of
        [{_, #{Key := Old}}] -> {reply, change(Name, #{Key => Old#{Origin => Value}}), State};
        [] -> {reply, ok, State} % gone since
    end.

handle_cast(Request, _State) -> error({unexpected_cast, Request}).

change(Name, Change) ->
    Old = case ets:lookup(?TABLE, {interface, Name}) of
              [{_, I}] -> I;
              [] -> #{name => Name, up => false, addresses => #{}, gateways => #{}, names => #{}}
          end,
    true = ets:insert(?TABLE, {{interface, Name}, maps:merge(Old, Change)}),
    publish(interfaces()).

publish(Interfaces) ->
    Own = [{{own, Ip}, Name} || #{name := Name} = I <- Interfaces, {Ip, _} <- all_addresses(I)],
    Gone = [Key || [Key] <- ets:match(?TABLE, {'$1', '_'}), element(1, Key) =:= own, not lists:keymember(Key, 1, Own)],
    [ets:delete(?TABLE, Key) || Key <- Gone],
    Routes = lists:append([routes(I) || #{up := true, kind := ethernet} = I <- Interfaces]),
    Sorted = lists:sort(fun(A, B) -> element(2, A) >= element(2, B) end, Routes),
    true = ets:insert(?TABLE, [{routes, Sorted} | Own]),
    Sources = [Source || {_, 0, _, _, Source, _} <- lists:reverse(Sorted)],
    ok = loom_socket:interfaces([{Name, flags(I), Mtu, Mac, all_addresses(I)}
                                 || #{name := Name, mac := Mac, mtu := Mtu} = I <- Interfaces], Sources),
    Names = [N || #{names := All} <- Interfaces, N <- maps:values(All)],
    loom_net_resolver:configure(lists:usort(lists:append([Servers || {Servers, _} <- Names])),
                                [Domain || {_, Domain} <- Names, Domain =/= ""]).

all_addresses(#{addresses := Addresses}) -> lists:append([maps:get(O, Addresses, []) || O <- origins()]).

origins() -> [static, dhcp, loopback, slaac, link_local].

routes(#{pid := Pid, mtu := Mtu, gateways := Gateways} = I) ->
    Addresses = all_addresses(I),
    [{loom_net_ip:mask(Ip, Prefix), Prefix, none, Pid, Ip, Mtu} || {Ip, Prefix} <- Addresses]
        ++ [{<<0:(bit_size(Gateway))>>, 0, Gateway, Pid, Source, Mtu}
            || Gateway <- lists:append([maps:get(O, Gateways, []) || O <- origins()]),
               Source <- source(Gateway, Addresses)]
        ++ [{<<14:4, 0:28>>, 4, none, Pid, Ip, Mtu} || {Ip, _} <- source4(Addresses)]
        ++ [{<<16#ffffffff:32>>, 32, none, Pid, Ip, Mtu} || {Ip, _} <- source4(Addresses)]
        ++ [{<<16#ff:8, 0:120>>, 8, none, Pid, Ip, Mtu} || {<<16#fe80:16, _/bits>> = Ip, _} <- Addresses].

source4(Addresses) -> lists:sublist([A || {<<_:32>>, _} = A <- Addresses], 1).

%% The first address of the gateway's kind that is known beyond the link.
source(Gateway, Addresses) ->
    lists:sublist([Ip || {Ip, _} <- Addresses, byte_size(Ip) =:= byte_size(Gateway), not is_link_local(Ip)], 1).

is_link_local(<<16#fe80:16, _/bits>>) -> true;
is_link_local(_) -> false.

flags(#{up := Up, kind := Kind}) ->
    case Up of true -> ?FLAG_UP; false -> 0 end bor
        case Kind of loopback -> ?FLAG_LOOPBACK; ethernet -> ?FLAG_ETHERNET end.
