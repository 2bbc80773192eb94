%% SPDX-License-Identifier: Apache-2.0
%% @doc Connections that are over and wait until nothing of theirs can still be on its way (RFC 9293, 3.6): a row each,
%% no process. `loom_net_input' answers for them.
-module(loom_net_time_wait).
-behaviour(gen_server).

-export([start_link/0, add/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(WAIT_MS, 60000).
-define(MOST, 8192). % then the oldest go early, as everywhere
-define(TICK_MS, 1000).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc The connection of that key waits from now on.
-spec add(tuple(), map()) -> ok.
add(Key, Info) ->
    Until = erlang:monotonic_time(millisecond) + ?WAIT_MS,
    true = ets:insert(loom_net_connections, {Key, {time_wait, Until, Info}}),
    true = ets:insert(loom_net_late, {{Until, Key}}),
    case ets:info(loom_net_late, size) > ?MOST of
        true -> drop(ets:first(loom_net_late));
        false -> ok
    end.

%% The row may be a newer one's by now.
drop('$end_of_table') -> ok;
drop({Until, Key} = Late) ->
    ets:delete(loom_net_late, Late),
    ets:match_delete(loom_net_connections, {Key, {time_wait, Until, '_'}}),
    ok.

init([]) -> {ok, tick(none)}.

tick(State) ->
    erlang:send_after(?TICK_MS, self(), tick),
    State.

handle_call(Request, _From, _State) -> error({unexpected_call, Request}).
handle_cast(Request, _State) -> error({unexpected_cast, Request}).

handle_info(tick, State) ->
    purge(erlang:monotonic_time(millisecond)),
    {noreply, tick(State)}.

purge(Now) ->
    case ets:first(loom_net_late) of
        {Until, _} = Late when Until =< Now ->
            drop(Late),
            purge(Now);
        _ -> ok
    end.
