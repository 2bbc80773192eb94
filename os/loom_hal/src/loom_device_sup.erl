%% SPDX-License-Identifier: Apache-2.0
%% @doc The supervisor of one device's driver. It forgives many kills from outside; a driver that cannot start its
%% device is stopped sooner, by loom_devices, which counts attempts.
-module(loom_device_sup).
-behaviour(supervisor).

-export([start_link/2]).
-export([init/1]).

-spec start_link(module(), loom_devices:device()) -> supervisor:startlink_ret().
start_link(Module, Device) -> supervisor:start_link(?MODULE, {Module, Device}).

init({Module, Device}) ->
    Driver = #{id => driver, start => {loom_driver, start_link, [Module, Device]}, restart => transient,
        shutdown => brutal_kill},
    {ok, {#{strategy => one_for_one, intensity => 100, period => 10}, [Driver]}}.
