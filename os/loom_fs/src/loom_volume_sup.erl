%% SPDX-License-Identifier: Apache-2.0
%% @doc The mounted volumes; {@link loom_mount} starts and ends them.
-module(loom_volume_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) -> {ok, {#{strategy => one_for_one, intensity => 1000, period => 10}, []}}.
