%% SPDX-License-Identifier: Apache-2.0
%% @doc The root of everything above the machine: hardware, services, network, applications, in the order in which they
%% need each other, then the guard against what hangs and the heartbeat that feeds the watchdogs. Each waits for what it
%% needs while that is being started again, so none takes another along.
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
    Children = [(loom_orphan:child(Sup))#{type => supervisor, shutdown => infinity}
                || Sup <- [loom_hal_sup, loom_service_sup, loom_net_sup, loom_app_sup]],
    Last = [loom_orphan:child(loom_guard), loom_orphan:child(loom_heartbeat)],
    {ok, {#{strategy => one_for_one, intensity => 1000, period => 10}, Children ++ Last}}.
