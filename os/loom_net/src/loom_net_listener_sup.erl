%% SPDX-License-Identifier: Apache-2.0
%% @doc The processes of listening sockets. `loom_net_sockets' starts again the ones that die.
-module(loom_net_listener_sup).
-behaviour(supervisor).

-export([start_link/0, start_child/1, stop_child/1]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec start_child([term()]) -> supervisor:startchild_ret().
start_child(Arguments) -> supervisor:start_child(?MODULE, Arguments).

-spec stop_child(pid()) -> ok.
stop_child(Pid) ->
    case supervisor:terminate_child(?MODULE, Pid) of
        ok -> ok;
        {error, not_found} -> ok
    end.

init([]) ->
    {ok, {#{strategy => simple_one_for_one, intensity => 1000, period => 10},
          [#{id => listener, start => {loom_net_listener, start_link, []}, restart => temporary, shutdown => 1000}]}}.
