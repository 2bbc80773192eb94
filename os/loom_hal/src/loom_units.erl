%% SPDX-License-Identifier: Apache-2.0
%% @doc Several units of one driver. The first is the driver's own process; each of the others gets a process, linked to
%% the driver, that passes on what it is sent as `{unit, Id, Message}': to a service a unit is a process.
-module(loom_units).

-export([publish/4]).
-export([init/4]).

%% @doc By a driver. `Own': messages come as they are.
-spec publish(loom_devices:kind(), loom_devices:unit(), Id :: term(), Own :: boolean()) -> ok.
publish(Kind, Unit, _Id, true) -> loom_devices:publish(Kind, Unit);
publish(Kind, Unit, Id, false) ->
    {ok, _} = proc_lib:start_link(?MODULE, init, [self(), Kind, Unit, Id]),
    ok.

-spec init(pid(), loom_devices:kind(), loom_devices:unit(), term()) -> no_return().
init(Driver, Kind, Unit, Id) ->
    ok = loom_devices:publish(Kind, Unit#{driver := self()}),
    proc_lib:init_ack(Driver, {ok, self()}),
    pass_on(Driver, Id).

pass_on(Driver, Id) ->
    receive
        {loom_devices, ping, From} -> From ! {loom_devices, pong, self()};
        Message -> Driver ! {unit, Id, Message}
    end,
    pass_on(Driver, Id).
