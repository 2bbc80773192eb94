%% SPDX-License-Identifier: Apache-2.0
%% @doc The processes of connections. None is started again: a connection cannot be.
-module(loom_net_connection_sup).
-behaviour(supervisor).

-export([start_link/0, start_child/1]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec start_child(tuple()) -> supervisor:startchild_ret().
start_child(Start) -> supervisor:start_child(?MODULE, [Start]).

init([]) ->
    {ok, {#{strategy => simple_one_for_one, intensity => 1000, period => 10},
          [#{id => connection, start => {loom_net_connection, start_link, []}, restart => temporary,
             shutdown => brutal_kill}]}}.
