%% SPDX-License-Identifier: Apache-2.0
%% @doc System services over the hardware: file system, console, and the guard that keeps a shell there.
-module(loom_service_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    Children = [#{id => M, start => {M, start_link, []}}
                || M <- [loom_vfs_keeper, loom_vfs, loom_console, loom_shell]],
    {ok, {#{strategy => one_for_one, intensity => 1000, period => 10}, Children}}.
