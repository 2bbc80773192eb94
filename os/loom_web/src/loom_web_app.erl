%% SPDX-License-Identifier: Apache-2.0
%% @doc The application. It stands beside Loom's own tree, not in it: what it shows, and lets people kill, may go down
%% as a whole without it.
-module(loom_web_app).
-behaviour(application).

-export([start/2, stop/1]).

start(_Type, _Args) -> loom_web_sup:start_link().
stop(_State) -> ok.
