%% SPDX-License-Identifier: Apache-2.0
%% @doc Consoles over TCP: their sessions, then the process that listens for them. A session that ends is not started
%% again; one that crashes ends nobody else's.
-module(loom_telnet_sup).
-behaviour(supervisor).

-export([start_link/2, start_sessions/0]).
-export([init/1]).

-spec start_link(inet:ip_address(), inet:port_number()) -> supervisor:startlink_ret().
start_link(Ip, Port) -> supervisor:start_link({local, ?MODULE}, ?MODULE, {Ip, Port}).

-spec start_sessions() -> supervisor:startlink_ret().
start_sessions() -> supervisor:start_link({local, loom_telnet_sessions}, ?MODULE, sessions).

init(sessions) ->
    Session = #{id => session, start => {loom_telnet_session, start_link, []}, restart => temporary, shutdown => 2000},
    {ok, {#{strategy => simple_one_for_one}, [Session]}};
init({Ip, Port}) ->
    Sessions = #{id => sessions, start => {?MODULE, start_sessions, []}, type => supervisor, shutdown => infinity},
    Listener = #{id => listener, start => {loom_telnet, start_link, [Ip, Port]}},
    {ok, {#{strategy => rest_for_one, intensity => 100, period => 10}, [Sessions, Listener]}}.
