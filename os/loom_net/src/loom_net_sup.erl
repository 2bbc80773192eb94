%% SPDX-License-Identifier: Apache-2.0
%% @doc The network stack (doc/netstack.md). The core, which connections stand on, begins anew as a whole: connections
%% are reset, listeners listen again. At the edge each is on its own, and connections only see a pause.
-module(loom_net_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, top).

init(top) ->
    {ok, {#{strategy => rest_for_one, intensity => 1000, period => 10},
          [#{id => Part, start => {supervisor, start_link, [?MODULE, Part]}, type => supervisor, shutdown => infinity}
           || Part <- [core, edge]]}};
init(core) ->
    %% Not even once: its end takes the edge along, which has to introduce itself to the new core.
    {ok, {#{strategy => one_for_all, intensity => 0, period => 1},
          [child(loom_net_resolver, worker), child(loom_net_config, worker), child(loom_net_connection_sup, supervisor),
           child(loom_net_listener_sup, supervisor), child(loom_net_sockets, worker)]}};
init(edge) ->
    {ok, {#{strategy => one_for_one, intensity => 1000, period => 10},
          [child(loom_net_time_wait, worker), child(loom_net_link_sup, supervisor), child(loom_net_links, worker)]}}.

child(Module, supervisor) -> (loom_orphan:child(Module))#{type => supervisor, shutdown => infinity};
child(Module, worker) -> loom_orphan:child(Module).
