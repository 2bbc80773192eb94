%% SPDX-License-Identifier: Apache-2.0
%% @doc OTP's httpd, and then the watcher, which tells where the page is: each on its own.
-module(loom_web_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    ok = loom_web_watch:new_table(),
    Watch = #{id => loom_web_watch, start => {loom_web_watch, start_link, []}},
    Server = #{id => httpd, start => {inets, start, [httpd, loom_web:server(), stand_alone]}, type => supervisor,
               shutdown => infinity},
    {ok, {#{strategy => one_for_one, intensity => 1000, period => 10}, [Server, Watch]}}.
