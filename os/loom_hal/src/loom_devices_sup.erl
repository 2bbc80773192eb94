%% SPDX-License-Identifier: Apache-2.0
%% @doc One small supervisor a device. That of a device whose driver keeps failing ends, and is not started again: the
%% others do not notice.
-module(loom_devices_sup).
-behaviour(supervisor).

-export([start_link/0, start_device/2, stop_device/1]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% @doc The supervisor of that device, which has started its driver.
-spec start_device(module(), loom_devices:device()) -> {ok, pid()} | {error, term()}.
start_device(Module, #{id := Id} = Device) ->
    Child = #{id => Id, start => {loom_device_sup, start_link, [Module, Device]}, restart => temporary,
        type => supervisor, shutdown => infinity},
    case supervisor:start_child(?MODULE, Child) of
        {ok, Pid} -> {ok, Pid};
        {error, {already_started, Pid}} -> {ok, Pid};
        {error, _} = Error -> Error
    end.

-spec stop_device(loom_devices:id()) -> ok.
stop_device(Id) ->
    _ = supervisor:terminate_child(?MODULE, Id), % not_found: it has ended by itself
    ok.

init([]) ->
    loom_devices = ets:new(loom_devices, [named_table, public, {read_concurrency, true}]),
    {ok, {#{strategy => one_for_one, intensity => 1000, period => 10}, []}}.
