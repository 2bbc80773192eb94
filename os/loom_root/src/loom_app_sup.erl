%% SPDX-License-Identifier: Apache-2.0
%% @doc The supervisor of applications: empty at boot, unless `-loom_telnet' asks for
%% consoles over TCP; `supervisor:start_child(loom_app_sup, ChildSpec)' adds one.
-module(loom_app_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    Children = case init:get_argument(loom_telnet) of
        {ok, _} -> loom_telnet:boot_children();
        error -> []
    end,
    {ok, {#{strategy => one_for_one, intensity => 100, period => 10}, Children}}.
