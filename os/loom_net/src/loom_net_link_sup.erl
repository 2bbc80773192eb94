%% SPDX-License-Identifier: Apache-2.0
%% @doc The processes of the links: for each its own and one for DHCP.
-module(loom_net_link_sup).
-behaviour(supervisor).

-export([start_link/0, start_child/1]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec start_child(binary()) -> {started | running, pid()}.
start_child(Name) ->
    Link = supervisor:start_child(?MODULE, #{id => {link, Name}, start => {loom_net_link, start_link, [Name]}}),
    case Link of
        {ok, Pid} ->
            _ = supervisor:start_child(?MODULE, #{id => {dhcp, Name}, start => {loom_net_dhcp, start_link, [Name]}}),
            {started, Pid};
        {error, {already_started, Pid}} -> {running, Pid}
    end.

init([]) -> {ok, {#{strategy => one_for_one, intensity => 1000, period => 10}, []}}.
