%% SPDX-License-Identifier: Apache-2.0
%% @doc Devices that are found: the supervisor of their drivers, which also owns the table of devices, then the process
%% that finds them. That one may die alone: the table and the drivers stay. It needs the table, hence the order.
-module(loom_bus_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    Drivers = (loom_orphan:child(loom_devices_sup))#{type => supervisor, shutdown => infinity},
    Devices = loom_orphan:child(loom_devices),
    {ok, {#{strategy => rest_for_one, intensity => 1000, period => 10}, [Drivers, Devices]}}.
