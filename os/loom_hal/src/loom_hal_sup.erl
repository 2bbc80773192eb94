%% SPDX-License-Identifier: Apache-2.0
%% @doc The hardware abstraction layer: the holder of the root capability, the drivers of the machine's fixed parts, and
%% what finds and drives devices. A part that this machine does not have makes its driver answer `ignore'.
-module(loom_hal_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    Hal = loom_orphan:child(loom_hal),
    Drivers = [loom_orphan:child(Driver, {loom_driver, start_link, [Driver]})
               || Driver <- [loom_drv_serial, loom_drv_timer, loom_drv_fb, loom_drv_ps2]],
    Lines = loom_orphan:child(loom_lines),
    Bus = (loom_orphan:child(loom_bus_sup))#{type => supervisor, shutdown => infinity},
    {ok, {#{strategy => one_for_one, intensity => 1000, period => 10}, [Hal | Drivers] ++ [Lines, Bus]}}.
