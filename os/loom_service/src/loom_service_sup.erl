%% SPDX-License-Identifier: Apache-2.0
%% @doc System services over the hardware: blocks, file systems, console, and the guard that keeps a shell there.
-module(loom_service_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% In the order in which they need each other: the last is ended first, so that volumes are left clean.
init([]) ->
    Services = [loom_keeper, loom_vfs, loom_entropy, loom_block, loom_volume_sup, loom_mount, loom_halt, loom_console,
                loom_shell],
    {ok, {#{strategy => one_for_one, intensity => 1000, period => 10}, [child(M) || M <- Services]}}.

child(loom_volume_sup = M) -> (loom_orphan:child(M))#{type => supervisor, shutdown => infinity};
child(M) -> loom_orphan:child(M).
