%% SPDX-License-Identifier: Apache-2.0
%% @doc The root of everything above the machine: hardware, services, network, applications, then the heartbeat that
%% feeds the watchdogs. If the hardware layer as a whole goes down, what stands on it starts again.
%%
%% The boot script starts it as a kernel process, before OTP's `application_controller': OTP's own console and file
%% access need the services below.
-module(loom_root_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% Generous: while this lives, there is a system.
init([]) ->
    Children = [#{id => Sup, start => {Sup, start_link, []}, type => supervisor, shutdown => infinity}
                || Sup <- [loom_hal_sup, loom_service_sup, loom_net_sup, loom_app_sup]],
    Heartbeat = #{id => loom_heartbeat, start => {loom_heartbeat, start_link, []}},
    {ok, {#{strategy => rest_for_one, intensity => 1000, period => 10}, Children ++ [Heartbeat]}}.
